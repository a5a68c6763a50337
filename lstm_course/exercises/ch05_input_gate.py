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
from lstm_course.exercises.engine.parts import affine, as_it_is, lstm_case, seeded, sized
from lstm_course.exercises.engine.trials import Answer, Case, Returned, in_digits
from lstm_course.pointwise import sigmoid, tanh

Squash = Callable[[Array], Array]
SIZES = ((3, 3, 3), (1, 1, 1), (1, 4, 2), (4, 2, 3))


def _joined(W: Array, U: Array) -> Array:
    """Return one matrix for [x; h_prev]."""
    return np.concatenate([W, U], axis=1)


@sized
def _case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    case = lstm_case("x h_prev W_i U_i b_i W_g U_g b_g", scale, gates=1, N=N, D=D, H=H)
    x, h_prev, W_i, U_i, b_i, W_g, U_g, b_g = case.arguments.values()
    matrices = {"W_i": _joined(W_i, U_i), "b_i": b_i, "W_g": _joined(W_g, U_g), "b_g": b_g}
    return Case(case.sizes, {"x": x, "h_prev": h_prev, **matrices}, case.large)


@sized
def _cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = dict(_case(1, 3, 2, scale=30).arguments)
    x, h_prev, W_i, b_i, W_g, b_g = arguments.values()
    both = np.concatenate([x, h_prev], axis=1)
    arguments["b_i"], arguments["b_g"] = b_i / 30 - (both @ W_i.T)[0], b_g / 30 - (both @ W_g.T)[0]
    return Case({"N": 1, "D": 3, "H": 2}, arguments, large=True)


def _split(answer: Answer, by: int = 0) -> Answer:
    """Return an answer to the question, from one that gets each map's W and U separately.

    The matrices are split after as many columns as x has, or as h_prev has if `by` is 1.
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
    """Return an answer with its own squashing of the two sums, or with its own sums."""
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
    """Return an answer with other parameters: change returns W, U and b for i, then for g."""
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
    "Your candidate runs from -2 to 2. It should lie between -1 and 1, as tanh does.": (
        _candidate_squashed(lambda a: 4 * sigmoid(a) - 2),
        _candidate_squashed(lambda a: 2 * tanh(a)),
    ),
    **shared(_candidate_squashed, *TANH),
    **each(
        "Your gate and candidate share one sum, the {}'s. Each has a map of its own.",
        {
            "gate": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wi, Ui, bi)),),
            "candidate": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wg, Ug, bg, Wg, Ug, bg)),),
        },
    ),
    **each(
        "You give the candidate the {} of the input gate.",
        {
            "bias": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wg, Ug, bi)),),
            "matrix": (_exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wi, Ui, bg)),),
        },
    ),
    "You give the input gate the bias of the candidate.": (
        _exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bg, Wg, Ug, bg)),
    ),
    "Your candidate reads h_prev through the recurrent weights of the input gate.": (
        _exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wg, Ui, bg)),
    ),
    "Your candidate reads x through the input weights of the input gate.": (
        _exchanged(lambda Wi, Ui, bi, Wg, Ug, bg: (Wi, Ui, bi, Wi, Ug, bg)),
    ),
    **each(
        "This is what's written, gate times candidate. The question asks for the {} itself.",
        {
            "candidate": (_instead(lambda i, g: (i, i * g)),),
            "gate": (_instead(lambda i, g: (i * g, g)),),
        },
    ),
    **shared(_both, *UNSUMMED),
    **shared(lambda a: _squashed(sigmoid, tanh, a), *(key for key in SUM if key != "joined-apart")),
    (
        "You join x and h_prev in the other order. The first D columns of a matrix belong to x, "
        "the last H to h_prev."
    ): (lambda x, h, Wi, bi, Wg, bg: input_gate(h, x, Wi, bi, Wg, bg),),
    (
        "Right only where D = H: the first D columns of a matrix belong to x, and the last H to "
        "h_prev."
    ): (_split(_input_gate, by=1),),
    "You don't transpose the columns that belong to h_prev, but each of their rows is a unit's.": (
        _squashed(sigmoid, tanh, lambda x, h, W, U, b: x @ W.T + h @ U + b),
    ),
    "You stack x and h_prev on top of each other. Put them side by side, along the second axis.": (
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
        own="its own gate, but yours share one",
    ),
    # Mistakes in both results at once come last. Otherwise they'd be reported for one alone.
    "You swap the two squashing functions.": (_squashed(tanh, sigmoid),),
    "You swap the parameters: the gate gets the candidate's, and the candidate gets the gate's.": (
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
    "Every entry of i must lie between 0 and 1, every entry of g between -1 and 1.": _keeps_bounds,
    "Flip the sign of W_g and b_g: then g must flip its sign, and i must stay the same.": _mirrors,
}


def cell_update(c_prev: Array, f: Array, i: Array, g: Array) -> Array:
    """Return the new cell state."""
    return f * c_prev + i * g


@sized
def _update_case(N: int, H: int) -> Case:
    rng = seeded(N, H)
    c_prev, a_f, a_i, a_g = rng.normal(scale=1.5, size=(4, N, H))
    arguments = {"c_prev": c_prev, "f": sigmoid(a_f), "i": sigmoid(a_i), "g": tanh(a_g)}
    return Case({"N": N, "H": H}, arguments)


UPDATE_MISTAKES: Mistakes = {
    **shared(as_it_is, *UPDATE),
    "The candidate has no effect: your input gate says how much, but nothing says of what.": (
        lambda c, f, i, g: f * c + i,
    ),
    "The gates have no effect: you add the whole old memory and the whole candidate.": (
        lambda c, f, i, g: c + g,
    ),
    **said("f-added", lambda c, f, i, g: (f + c) + i * g),
    "You form both shares by adding. A share of something is a product.": (
        lambda c, f, i, g: (f + c) + (i + g),
        lambda c, f, i, g: (f + c) * (i + g),
    ),
    "You subtract what's written from what's kept. Add them.": (lambda c, f, i, g: f * c - i * g,),
    "You swap the gates: the input gate acts on the old state, and f on the candidate.": (
        lambda c, f, i, g: i * c + f * g,
    ),
    "Your forget gate acts on what's written too. It should only act on the old state.": (
        lambda c, f, i, g: f * (c + i * g),
    ),
    "You count the old cell state twice: whole, and again through the forget gate.": (
        lambda c, f, i, g: c + f * c + i * g,
    ),
    (
        "Right for one sequence, N = 1, but wrong for batches: each row has its own gates and "
        "state."
    ): (
        lambda c, f, i, g: f[:1] * c[:1] + i[:1] * g[:1],
        lambda c, f, i, g: f[:1] * c + i[:1] * g,
    ),
    "You work in float32, which loses half of the digits on the way, whatever you return.": (
        lambda c, f, i, g: cell_update(*(one.astype(np.float32) for one in (c, f, i, g))).astype(
            c.dtype
        ),
    ),
    "Your input gate acts on what's kept too. It should only act on the candidate.": (
        lambda c, f, i, g: i * (f * c + g),
    ),
    "You squash the new cell state. It has no bound: the tanh belongs elsewhere.": (
        lambda c, f, i, g: tanh(f * c + i * g),
    ),
    "You squash the old cell state before you keep it. The gate acts on c_prev itself.": (
        lambda c, f, i, g: f * tanh(c) + i * g,
    ),
    "f, i and g are already squashed, and you squash some of them again.": (
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
    """Return whether the answer does what's expected if each gate is one number everywhere."""

    def holds(answer: Guarded, rng: np.random.Generator) -> bool:
        c, g = rng.normal(size=(2, 2, 3))
        c_new = answer(c, np.full_like(c, f), np.full_like(c, i), np.tanh(g))
        return np.allclose(c_new, expected(c, np.tanh(g)))

    return holds


UPDATE_PROPERTIES: dict[str, Property] = {
    "With f = 1 and i = 0 everywhere, the cell state must stay as it is.": _acts(
        1, 0, lambda c, g: c
    ),
    "With f = 0 and i = 1 everywhere, the new state must be the candidate.": _acts(
        0, 1, lambda c, g: g
    ),
    "With f = 1 and i = 1 everywhere, the new state must be the old one plus the candidate.": _acts(
        1, 1, lambda c, g: c + g
    ),
}


WISHES = ("keep", "erase", "replace", "add", "approach")
EFFECTS = np.array([(1, 0), (0, 0), (0, -0.5), (1, 0.25), (0.5, 0.5)])
"""For each wish: the share of the old state, and what's added to it."""
SETTINGS = np.array([(1, 0, 0), (0, 0, 0), (0, 1, -0.5), (1, 1, 0.25), (0.5, 0.5, 1)])


def _but(**rows: tuple[float, float, float]) -> Array:
    """Return the right settings with other rows (f, i, g) for some wishes."""
    settings = SETTINGS.copy()
    for wish, row in rows.items():
        settings[WISHES.index(wish)] = row
    return settings


def effects(settings: Array) -> Array:
    """Return what each row f, i, g does: the share of c_prev, and what's added."""
    f, i, g = settings.T
    return np.stack([f, i * g], axis=1)


class SettingsExam(Exam):
    """Whether gates (5, 3) fulfil each wish for every cell state, whatever i and g they use."""

    mistakes: Mapping[str, tuple[Any, ...]] = {
        "You've turned all five forget gates around: a forget gate of 1 keeps, and one of 0 "
        "erases.": (np.column_stack([1 - SETTINGS[:, 0], SETTINGS[:, 1:]]),),
        "keep and erase are swapped.": (_but(keep=(0, 0, 0), erase=(1, 0, 0)),),
        "keep: the forget gate is closed, so the old state is erased. To keep it, let it pass.": (
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
        "erase: the old state is gone, but you write something new.": (
            _but(erase=(0, 1, 1)),
            _but(erase=(0, 1, -1)),
        ),
        "replace: the old state is still there, so this adds.": (_but(replace=(1, 1, -0.5)),),
        **each(
            "{}: what's written is gate times candidate, and yours comes to {}.",
            {
                ("replace", -0.25): (_but(replace=(0, 0.5, -0.5)), _but(replace=(0, 0.25, -1))),
                ("add", 0.0625): (_but(add=(1, 0.25, 0.25)),),
            },
        ),
        "replace: the sign is wrong. Give it to the candidate.": (_but(replace=(0, 1, 0.5)),),
        "add: you erase the old state, so this replaces.": (_but(add=(0, 1, 0.25)),),
        "approach: you keep half of the old state, but write too little.": (
            _but(approach=(0.5, 0.5, 0.5)),
        ),
        "approach: the half of the old state is right, but you write too much.": (
            _but(approach=(0.5, 1, 1)),
        ),
        "approach: what you write is right, but you keep the whole old state.": (
            _but(approach=(1, 0.5, 1)),
        ),
        "approach: what you write is right, but nothing is left of the old state.": (
            _but(approach=(0, 0.5, 1)),
        ),
    }

    def examine(self, answer: Any) -> str:
        """Examine the settings; return what to say if they're right."""
        settings = self._settings(answer)
        wrong = self._wrong(settings)
        if not wrong:
            return "Right: the five settings do what you wanted, whatever the old state is."
        for order in permutations(range(3)):
            if order[0] != 0 and not self._wrong(settings[:, order]):
                columns = ", ".join("fig"[order.index(k)] for k in range(3))
                raise WrongAnswer(f"Your columns are {columns}. The question asks for f, i, g.")
        for row, (f, i, g) in zip(WISHES, settings, strict=True):
            for name, share in (("f", f), ("i", i)):
                if not 0 <= share <= 1:
                    exchanged = " With columns i and g swapped, all five rows would be right."
                    raise WrongAnswer(
                        f"{row}: {name} = {share:g} isn't a share. It must lie between 0 and 1."
                        + exchanged * (not self._wrong(settings[:, [0, 2, 1]]))
                    )
            if not -1 <= g <= 1:
                raise WrongAnswer(f"{row}: g = {g:g}, but a candidate lies between -1 and 1.")
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
        """Return the rows that don't fulfil their wish, or only with impossible gates."""
        f, i, g = settings.T
        possible = (f >= 0) & (f <= 1) & (i >= 0) & (i <= 1) & (np.abs(g) <= 1)
        right = np.isclose(effects(settings), EFFECTS, rtol=0, atol=1e-6).all(axis=1)
        return [int(k) for k in np.flatnonzero(~(possible & right))]


QUESTIONS = (
    Question(
        name="input-gate",
        points=2,
        hints=(
            "You need two results from two sums. Which parameters belong to each, and how is "
            "each sum squashed: as a share, or as something that may be negative?",
            "Both sums have the form of the forget gate's, except that W and U stand side by "
            "side in one matrix. Either split its columns after the first D, or put x and h_prev "
            "side by side too. The gate says how much, so it lies between 0 and 1. The candidate "
            "says what, so it lies between -1 and 1.",
            "Join x and h_prev along the second axis, x first, which gives (N, D + H). For each "
            "sum, multiply that batch by the transposed matrix and add the bias. With i's "
            "parameters, the sigmoid of the sum is i; with g's, its tanh is g. Return i first.",
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
            "Which of the four arguments are about the old memory, and which about the new one?",
            "One product is what you keep, the other is what you write. How do you combine them "
            "if neither may wipe out the other?",
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
            "Write the new state as a number times the old state, plus another number. Which two "
            "numbers does each wish ask for?",
            "The first number can only be the forget gate. The second is input gate times "
            "candidate, and of those only the candidate can be negative. If a wish adds nothing, "
            "set one of the two to 0.",
            "To keep or to add, you need a forget gate of 1; to erase or to replace, one of 0. "
            "Halfway to 1 is half of the old state plus a half: f is a half, and i times g is a "
            "half.",
        ),
        exam=SettingsExam(),
    ),
)
