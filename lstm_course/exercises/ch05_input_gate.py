"""The input gate and the candidate, the new cell state, and gates set by hand."""

from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

import numpy as np

from lstm_course import gates
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, Question, WrongAnswer, as_array
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import (
    CANDIDATE,
    GATE,
    SUM,
    TANH,
    UNSUMMED,
    UPDATE,
    Mistakes,
    each,
    said,
    shared,
)
from lstm_course.exercises.engine.parts import affine, as_it_is, lstm_case
from lstm_course.exercises.engine.trials import Answer, Case, Returned, in_digits
from lstm_course.pointwise import sigmoid, tanh

Squash = Callable[[Array], Array]
SIZES = ((3, 3, 3), (1, 1, 1), (1, 4, 2), (4, 2, 3))


def _joined(W: Array, U: Array) -> Array:
    """Return one matrix for [x; h_prev]."""
    return np.concatenate([W, U], axis=1)


def _case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    case = lstm_case("x h_prev W_i U_i b_i W_g U_g b_g", scale, gates=1, N=N, D=D, H=H)
    x, h_prev, W_i, U_i, b_i, W_g, U_g, b_g = case.arguments.values()
    matrices = {"W_i": _joined(W_i, U_i), "b_i": b_i, "W_g": _joined(W_g, U_g), "b_g": b_g}
    return Case(case.sizes, {"x": x, "h_prev": h_prev, **matrices}, case.large)


def _cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = dict(_case(1, 3, 2, scale=30).arguments)
    x, h_prev, W_i, b_i, W_g, b_g = arguments.values()
    both = np.concatenate([x, h_prev], axis=1)
    arguments["b_i"], arguments["b_g"] = b_i / 30 - (both @ W_i.T)[0], b_g / 30 - (both @ W_g.T)[0]
    return Case({"N": 1, "D": 3, "H": 2}, arguments, large=True)


def _split(answer: Answer, by: int = 0) -> Answer:
    """Return an answer to the question from one that is given W and U of each map apart.

    The matrices are cut after as many columns as x has, or h_prev if `by` is 1.
    """

    def joined(
        x: Array, h_prev: Array, W_i: Array, b_i: Array, W_g: Array, b_g: Array
    ) -> tuple[Array, Array]:
        place = (x, h_prev)[by].shape[1]
        (W_i, U_i), (W_g, U_g) = (np.split(W, [place], axis=1) for W in (W_i, W_g))
        i, g = answer(x, h_prev, W_i, U_i, b_i, W_g, U_g, b_g)
        return i, g

    return joined


def _input_gate(
    x: Array,
    h_prev: Array,
    W_i: Array,
    U_i: Array,
    b_i: Array,
    W_g: Array,
    U_g: Array,
    b_g: Array,
) -> tuple[Array, Array]:
    i = sigmoid(affine(x, h_prev, W_i, U_i, b_i))
    g = tanh(affine(x, h_prev, W_g, U_g, b_g))
    return i, g


def input_gate(
    x: Array, h_prev: Array, W_i: Array, b_i: Array, W_g: Array, b_g: Array
) -> tuple[Array, Array]:
    """Return the input gate and the candidate."""
    both = np.concatenate([x, h_prev], axis=1)
    return sigmoid(both @ W_i.T + b_i), tanh(both @ W_g.T + b_g)


def _squashed(of_i: Squash, of_g: Squash, a: Answer = affine) -> Answer:
    """Return an answer that squashes the two sums in its own way, or has sums of its own."""
    return _split(
        lambda x, h, Wi, Ui, bi, Wg, Ug, bg: (
            of_i(a(x, h, Wi, Ui, bi)),
            of_g(a(x, h, Wg, Ug, bg)),
        )
    )


def _gate_squashed(squash: Squash) -> Answer:
    return _squashed(squash, tanh)


def _candidate_squashed(squash: Squash) -> Answer:
    return _squashed(sigmoid, squash)


def _both(gate: Answer) -> Answer:
    """Return an answer whose two results are gate(x, h_prev, W, U, b, squash)."""
    return _split(
        lambda x, h, Wi, Ui, bi, Wg, Ug, bg: (
            gate(x, h, Wi, Ui, bi, sigmoid),
            gate(x, h, Wg, Ug, bg, tanh),
        )
    )


def _exchanged(change: Answer) -> Answer:
    """Return an answer that takes other parameters: change returns W, U and b of i, then of g."""
    return _split(lambda x, h, *given: _input_gate(x, h, *change(*given)))


def _instead(change: Callable[[Array, Array], tuple[Array, Array]]) -> Answer:
    """Return an answer that changes the right results."""
    return lambda *given: change(*input_gate(*given))


def _one_below_the_other(
    x: Array, h_prev: Array, W_i: Array, b_i: Array, W_g: Array, b_g: Array
) -> tuple[Array, Array]:
    both = np.concatenate([x, h_prev])
    return sigmoid(W_i @ both + b_i), tanh(W_g @ both + b_g)


INPUT_GATE_MISTAKES: Mistakes = {
    **shared(_candidate_squashed, *CANDIDATE),
    **shared(_gate_squashed, *GATE),
    "The candidate runs from -2 to 2. It has to lie in -1 to 1, as tanh does.": (
        _candidate_squashed(lambda a: 4 * sigmoid(a) - 2),
        _candidate_squashed(lambda a: 2 * tanh(a)),
    ),
    **shared(_candidate_squashed, *TANH),
    **each(
        "The gate and the candidate share one sum, that of the {}. Each has a map of its own.",
        {
            "gate": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wi, Ui, bi)),),
            "candidate": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wg, Ug, bg, Wg, Ug, bg)),),
        },
    ),
    **each(
        "The candidate is given the {} of the input gate.",
        {
            "bias": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wg, Ug, bi)),),
            "matrix": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wi, Ui, bg)),),
        },
    ),
    "The input gate is given the bias of the candidate.": (
        _exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bg, Wg, Ug, bg)),
    ),
    "The candidate reads h_prev through the recurrent weights of the input gate.": (
        _exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wg, Ui, bg)),
    ),
    "The candidate reads x through the input weights of the input gate.": (
        _exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wi, Ug, bg)),
    ),
    **each(
        "This is what is written, gate times candidate. The {} itself is asked for.",
        {
            "candidate": (_instead(lambda i, g: (i, i * g)),),
            "gate": (_instead(lambda i, g: (i * g, g)),),
        },
    ),
    **shared(_both, *UNSUMMED),
    **shared(lambda a: _squashed(sigmoid, tanh, a), *(key for key in SUM if key != "joined-apart")),
    (
        "x and h_prev are joined in the other order: the first D columns of a matrix belong to x, "
        "the last H to h_prev."
    ): (lambda x, h, Wi, bi, Wg, bg: input_gate(h, x, Wi, bi, Wg, bg),),
    (
        "Right where D = H, and not elsewhere: the first D columns of a matrix belong to x, the "
        "last H to h_prev."
    ): (_split(_input_gate, by=1),),
    "The columns of a matrix that belong to h_prev are not transposed: a row of them belongs to a "
    "unit.": (_squashed(sigmoid, tanh, lambda x, h, W, U, b: x @ W.T + h @ U + b),),
    "x and h_prev are put one below the other. They stand side by side, along the second axis.": (
        _one_below_the_other,
    ),
    **said(
        "first-for-all",
        lambda x, h, *given: input_gate(x, 0 * h + h[:1], *given),
        what="hidden state",
    ),
    **said(
        "first-for-all", lambda x, h, *given: input_gate(0 * x + x[:1], h, *given), what="input"
    ),
    **said(
        "one-sequence",
        lambda x, h, *given: input_gate(x[:1], h[:1], *given),
        lambda x, h, *given: tuple(
            np.tile(one, (len(x), 1)) for one in input_gate(x[:1], h[:1], *given)
        ),
        own="a gate of its own, and yours share one",
    ),
    # What is wrong with both results together comes last: else it were said of one alone.
    "The two squashing functions have changed places.": (_squashed(tanh, sigmoid),),
    "The parameters have changed places: the gate is given the candidate's, and the other way.": (
        _exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wg, Ug, bg, Wi, Ui, bi)),
    ),
}


def _mirrors(answer: Guarded, rng: np.random.Generator) -> bool:
    *others, W, b = _case(2, 3, 2).arguments.values()
    i, g = answer(*others, W, b)
    i_mirrored, g_mirrored = answer(*others, -W, -b)
    return np.allclose(i, i_mirrored) and np.allclose(g, -g_mirrored)


def _keeps_bounds(answer: Guarded, rng: np.random.Generator) -> bool:
    i, g = answer(*_case(2, 3, 2, scale=3).arguments.values())
    return bool(((i >= 0) & (i <= 1)).all() and (np.abs(g) <= 1).all())


INPUT_GATE_PROPERTIES: dict[str, Property] = {
    "Every entry of i must lie in 0 to 1, and every entry of g in -1 to 1.": _keeps_bounds,
    "With the sign of W_g and b_g turned, g must turn its sign, and i stay as it is.": _mirrors,
}


def cell_update(c_prev: Array, f: Array, i: Array, g: Array) -> Array:
    """Return the new cell state."""
    return f * c_prev + i * g


def _update_case(N: int, H: int) -> Case:
    rng = np.random.default_rng([N, H])
    c_prev, a_f, a_i, a_g = rng.normal(scale=1.5, size=(4, N, H))
    arguments = {"c_prev": c_prev, "f": sigmoid(a_f), "i": sigmoid(a_i), "g": tanh(a_g)}
    return Case({"N": N, "H": H}, arguments)


UPDATE_MISTAKES: Mistakes = {
    **shared(as_it_is, *UPDATE),
    "The candidate has no effect: the input gate says how much, and you never say of what.": (
        lambda c, f, i, g: f * c + i,
    ),
    "The gates have no effect: old memory and candidate are added whole.": (
        lambda c, f, i, g: c + g,
    ),
    **said("f-added", lambda c, f, i, g: (f + c) + i * g),
    "Both shares are formed by adding. A share of something is a product.": (
        lambda c, f, i, g: (f + c) + (i + g),
        lambda c, f, i, g: (f + c) * (i + g),
    ),
    "What is written is subtracted from what is kept.": (lambda c, f, i, g: f * c - i * g,),
    "The gates have changed places: the input gate acts on the old state, f on the candidate.": (
        lambda c, f, i, g: i * c + f * g,
    ),
    "The forget gate acts on what is written too. It has to act on the old state alone.": (
        lambda c, f, i, g: f * (c + i * g),
    ),
    "The old cell state is counted twice: whole, and once more through the forget gate.": (
        lambda c, f, i, g: c + f * c + i * g,
    ),
    (
        "Right for one sequence, N = 1, and wrong for batches: each row has gates and a state of "
        "its own."
    ): (
        lambda c, f, i, g: f[:1] * c[:1] + i[:1] * g[:1],
        lambda c, f, i, g: f[:1] * c + i[:1] * g,
    ),
    "The work is done in float32: half of the digits are lost on the way, whatever you return.": (
        lambda c, f, i, g: cell_update(*(one.astype(np.float32) for one in (c, f, i, g))).astype(
            c.dtype
        ),
    ),
    "The input gate acts on what is kept too. It has to act on the candidate alone.": (
        lambda c, f, i, g: i * (f * c + g),
    ),
    "The new cell state is squashed. It has no bound, and tanh stands elsewhere.": (
        lambda c, f, i, g: tanh(f * c + i * g),
    ),
    "The old cell state is squashed before it is kept. The gate acts on c_prev itself.": (
        lambda c, f, i, g: f * tanh(c) + i * g,
    ),
    "f, i and g come squashed already. You squash what must not be squashed again.": (
        lambda c, f, i, g: sigmoid(f) * c + sigmoid(i) * tanh(g),
        lambda c, f, i, g: sigmoid(f) * c + sigmoid(i) * g,
        lambda c, f, i, g: f * c + i * tanh(g),
    ),
    **said(
        "matrix-product",
        lambda c, f, i, g: f @ c + i @ g,
        lambda c, f, i, g: f @ c.T + i @ g.T,
        lambda c, f, i, g: f @ c + i * g,
        lambda c, f, i, g: f * c + i @ g,
    ),
}


def _acts(f: float, i: float, expected: Callable[[Array, Array], Array]) -> Property:
    """Return whether gates that are the same number everywhere do what is expected."""

    def holds(answer: Guarded, rng: np.random.Generator) -> bool:
        c, g = rng.normal(size=(2, 2, 3))
        c_new = answer(c, np.full_like(c, f), np.full_like(c, i), np.tanh(g))
        return np.allclose(c_new, expected(c, np.tanh(g)))

    return holds


UPDATE_PROPERTIES: dict[str, Property] = {
    "With f = 1 and i = 0 everywhere the cell state must stay as it is.": _acts(
        1, 0, lambda c, g: c
    ),
    "With f = 0 and i = 1 everywhere the new state must be the candidate.": _acts(
        0, 1, lambda c, g: g
    ),
    "With f = 1 and i = 1 everywhere the candidate must come on top of the old state.": _acts(
        1, 1, lambda c, g: c + g
    ),
}


WISHES = ("keep", "erase", "replace", "add", "approach")
EFFECTS = np.array([(1, 0), (0, 0), (0, -0.5), (1, 0.25), (0.5, 0.5)])
"""For each wish: the share of the old state, and what is added to it."""
SETTINGS = np.array([(1, 0, 0), (0, 0, 0), (0, 1, -0.5), (1, 1, 0.25), (0.5, 0.5, 1)])


def _but(**rows: tuple[float, float, float]) -> Array:
    """Return right settings with other rows (f, i, g) for some wishes."""
    settings = SETTINGS.copy()
    for wish, row in rows.items():
        settings[WISHES.index(wish)] = row
    return settings


def effects(settings: Array) -> Array:
    """Return what each row f, i, g does: the share of c_prev, and what is added."""
    f, i, g = settings.T
    return np.stack([f, i * g], axis=1)


class SettingsExam(Exam):
    """Whether gates (5, 3) do to every cell state what is wished, with whatever i and g."""

    mistakes: Mapping[str, tuple[Any, ...]] = {
        "All five forget gates are turned over: a forget gate of 1 keeps, one of 0 erases.": (
            np.column_stack([1 - SETTINGS[:, 0], SETTINGS[:, 1:]]),
        ),
        "keep and erase have changed places.": (_but(keep=(0, 0, 0), erase=(1, 0, 0)),),
        "keep: the forget gate is closed, so the old state is erased. To keep is to let it pass.": (
            _but(keep=(0, 0, 0)),
            _but(keep=(0, 1, 0)),
            _but(keep=(0, 0.5, 0)),
        ),
        "keep: the forget gate is right, but the input gate lets something in.": (
            _but(keep=(1, 1, 1)),
            _but(keep=(1, 0.5, 0.5)),
            _but(keep=(1, 1, -1)),
            _but(keep=(1, 1, 0.5)),
        ),
        "erase: you keep the old state.": (_but(erase=(1, 0, 0)),),
        "erase: the old state is gone, but something new is written.": (
            _but(erase=(0, 1, 1)),
            _but(erase=(0, 1, -1)),
        ),
        "replace: the old state is still there, so this adds.": (_but(replace=(1, 1, -0.5)),),
        **each(
            "{}: what is written is gate times candidate, and yours comes to {}.",
            {
                ("replace", -0.25): (_but(replace=(0, 0.5, -0.5)), _but(replace=(0, 0.25, -1))),
                ("add", 0.0625): (_but(add=(1, 0.25, 0.25)),),
            },
        ),
        "replace: the sign is wrong. The candidate carries it.": (_but(replace=(0, 1, 0.5)),),
        "add: the old state is erased, so this replaces.": (_but(add=(0, 1, 0.25)),),
        "approach: half of the old state is kept, but too little is written.": (
            _but(approach=(0.5, 0.5, 0.5)),
        ),
        "approach: half of the old state is kept, and too much is written.": (
            _but(approach=(0.5, 1, 1)),
        ),
        "approach: what is written is right, but you keep the whole old state.": (
            _but(approach=(1, 0.5, 1)),
        ),
        "approach: what is written is right, but nothing of the old state is left.": (
            _but(approach=(0, 0.5, 1)),
        ),
    }

    def examine(self, answer: Any) -> str:
        """Examine the settings; return what to say to right ones."""
        settings = self._settings(answer)
        wrong = self._wrong(settings)
        if not wrong:
            return "Right: the five settings do what is wished, whatever the old state is."
        for order in permutations(range(3)):
            if order[0] != 0 and not self._wrong(settings[:, order]):
                columns = ", ".join("fig"[order.index(k)] for k in range(3))
                raise WrongAnswer(f"Your columns are {columns}. The question has f, i, g.")
        for row, (f, i, g) in zip(WISHES, settings, strict=True):
            for name, share in (("f", f), ("i", i)):
                if not 0 <= share <= 1:
                    exchanged = " With the columns i and g exchanged all five rows would be right."
                    raise WrongAnswer(
                        f"{row}: {name} = {share:g} is no share. It lies in 0 to 1."
                        + exchanged * (not self._wrong(settings[:, [0, 2, 1]]))
                    )
            if not -1 <= g <= 1:
                raise WrongAnswer(f"{row}: g = {g:g}, and a candidate lies in -1 to 1.")
        for sentence, answers in self.mistakes.items():
            if any(np.allclose(effects(settings), effects(one), atol=1e-6) for one in answers):
                raise WrongAnswer(sentence)
        k = wrong[0]
        right = ", ".join(wish for j, wish in enumerate(WISHES) if j not in wrong)
        f, written = effects(settings)[k]
        kept, added = EFFECTS[k]
        turned = [
            in_digits(f * state + written, kept * state + added, most=10) for state in (0.8, -2)
        ]
        raise WrongAnswer(
            (f"Right: {right}. " if right else "")
            + f"Wrong: {', '.join(WISHES[j] for j in wrong)}.\n"
            f"{WISHES[k]}: your gates turn a state of 0.8 into {turned[0][0]}, "
            f"expected {turned[0][1]}; and one of -2 into {turned[1][0]}, "
            f"expected {turned[1][1]}."
        )

    def _settings(self, answer: Any) -> Array:
        if answer is None or answer is Ellipsis:
            raise NotAnswered
        if callable(answer):
            raise WrongAnswer("Expected an array (5, 3), got a function. Call it: settings().")
        if isinstance(answer, tuple | list):
            if any(row is None or row is Ellipsis for row in answer):
                raise NotAnswered
            answer = [list(row) if isinstance(row, tuple) else row for row in answer]
        settings = as_array(answer, (5, 3), "of five rows f, i, g").astype(float)
        if not np.isfinite(settings).all():
            raise WrongAnswer("Expected finite numbers.")
        return settings

    def _wrong(self, settings: Array) -> list[int]:
        """Return the rows that do not do what is wished, or not with gates that there are."""
        f, i, g = settings.T
        possible = (f >= 0) & (f <= 1) & (i >= 0) & (i <= 1) & (np.abs(g) <= 1)
        right = np.isclose(effects(settings), EFFECTS, rtol=0, atol=1e-6).all(axis=1)
        return [int(k) for k in np.flatnonzero(~(possible & right))]


QUESTIONS = (
    Question(
        name="input-gate",
        points=2,
        hints=(
            "Two results, two sums. Which parameters belong to each, and how is each sum squashed: "
            "as a share, or as something that may be negative?",
            "Both sums have the form of the forget gate's, but W and U stand side by side in one "
            "matrix. Either cut its columns after the first D, or put x and h_prev side by side "
            "too. The gate answers how much, so it lies in 0 to 1. The candidate answers what, so "
            "it lies in -1 to 1.",
            "Join x and h_prev along the second axis, x first, which gives (N, D + H). For each: "
            "that batch times the matrix transposed, plus the bias. The sigmoid of the sum with "
            "i's parameters is i, the tanh of the sum with g's is g. Return i first.",
        ),
        exam=FunctionExam(
            name="input_gate",
            solution=input_gate,
            returns=(Returned("i", "(N, H)"), Returned("g", "(N, H)")),
            cases=(
                *(_case(*sizes) for sizes in SIZES),
                _case(2, 3, 2, scale=40),
                _cancelling(),
                _case(2, 5, 4),
            ),
            mistakes=INPUT_GATE_MISTAKES,
            properties=INPUT_GATE_PROPERTIES,
            forbidden=(
                gates.input_gate,
                gates.candidate,
                gates.forget_gate,
                gates.output_gate,
                gates.preactivation,
            ),
            right="Right: how much and what, each through a map of its own.",
        ),
    ),
    Question(
        name="cell-update",
        points=1,
        hints=(
            "Which of the four arguments speak of the old memory, and which of the new?",
            "One product is what is kept, the other is what is written. How do the two come "
            "together, if neither may wipe out the other?",
            "Add two products, both entry by entry: the forget gate times the old cell state, and "
            "the input gate times the candidate.",
        ),
        exam=FunctionExam(
            name="cell_update",
            solution=cell_update,
            returns=(Returned(shape="(N, H)"),),
            cases=tuple(_update_case(*sizes) for sizes in ((3, 3), (1, 1), (1, 4), (4, 2), (2, 5))),
            mistakes=UPDATE_MISTAKES,
            properties=UPDATE_PROPERTIES,
            right="Right: what was kept, plus what is written.",
        ),
    ),
    Question(
        name="gate-settings",
        points=2,
        hints=(
            "Write the new state as a number times the old state, plus a number. Which two "
            "numbers does each wish ask for?",
            "The first number can only be the forget gate. The second is the product of input gate "
            "and candidate, and only the candidate can be negative. A wish that adds nothing needs "
            "one of these two at 0.",
            "A forget gate of 1 serves to keep and to add, one of 0 to erase and to replace. Half "
            "way to 1 is half of the old state, plus a half that is written: f is a half, and i "
            "times g is a half.",
        ),
        exam=SettingsExam(),
    ),
)
