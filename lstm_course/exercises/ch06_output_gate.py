"""The output gate, the hidden state, the memory behind it, and the bound."""

from collections.abc import Callable

import numpy as np

from lstm_course import gates
from lstm_course._checks import Array
from lstm_course.cell import LSTMParams, lstm_step
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.mistakes import (
    AXES,
    GATE,
    MINUS,
    SHOWN,
    SUM,
    TANH,
    UNSUMMED,
    Mistakes,
    said,
    shared,
)
from lstm_course.exercises.engine.parts import affine, as_it_is, lstm_case, seeded, sized
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid, tanh

SHAPE = "(N, H)"
SIZES = ((3, 3), (1, 1), (1, 4), (4, 2), (2, 5))


def output_gate(x: Array, h_prev: Array, c: Array, W: Array, U: Array, p: Array, b: Array) -> Array:
    """Return the output gate that also looks at the new cell state, each unit at its own entry."""
    return sigmoid(affine(x, h_prev, W, U, b) + p * c)


@sized
def _case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    case = lstm_case("x h_prev c_prev W U b", scale, gates=1, N=N, D=D, H=H)
    x, h_prev, c, W, U, b = case.arguments.values()
    p = scale * seeded(H, D, N).normal(size=H)
    arguments = {"x": x, "h_prev": h_prev, "c": c, "W": W, "U": U, "p": p, "b": b}
    return Case(case.sizes, arguments, case.large)


@sized
def _cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = dict(_case(1, 3, 2, scale=30).arguments)
    x, h_prev, c, W, U, p, b = arguments.values()
    arguments["b"] = b / 30 - (affine(x, h_prev, W, U, 0 * b) + p * c)[0]
    return Case({"N": 1, "D": 3, "H": 2}, arguments, large=True)


def _peeping(a: Answer, squash: Answer = sigmoid) -> Answer:
    """Return an answer that squashes its own sum, with the peepholes added."""
    return lambda x, h, c, W, U, p, b: squash(a(x, h, W, U, b) + p * c)


def _biased_by_c(gate: Answer) -> Answer:
    """Return an answer gate(x, h_prev, W, U, b, squash) with the peepholes added to its bias."""
    return lambda x, h, c, W, U, p, b: gate(x, h, W, U, b + p * c, sigmoid)


def _peeps(peep: Callable[[Array, Array, Array], Array]) -> Answer:
    """Return an answer with peep(p, c, h_prev) in place of the peepholes."""
    return lambda x, h, c, W, U, p, b: sigmoid(affine(x, h, W, U, b) + peep(p, c, h))


GATE_MISTAKES: Mistakes = {
    "Your gate doesn't look at the cell state: p and c have no effect.": (
        _peeps(lambda p, c, h: 0 * c),
    ),
    "Your p acts on the hidden state. It's there to let the gate look at the cell state.": (
        _peeps(lambda p, c, h: p * h),
    ),
    "Your gate looks at tanh of the cell state. A peephole shows c itself.": (
        _peeps(lambda p, c, h: p * tanh(c)),
    ),
    "Every unit sees the cell states of all units. It should only see its own entry: p times c, "
    "entry by entry.": (
        _peeps(lambda p, c, h: (c @ p)[:, None]),
        _peeps(lambda p, c, h: c @ p),
    ),
    **said("first-for-all", _peeps(lambda p, c, h: p * c[:1]), what="cell state"),
    "You subtract the peephole. Add it to the sum.": (_peeps(lambda p, c, h: -p * c),),
    "You multiply the peephole by h_prev too. It's just p times c.": (
        _peeps(lambda p, c, h: p * c * h),
    ),
    "Entry j of p is for unit j, which is column j of c. You give it to row j, a sequence.": (
        _peeps(lambda p, c, h: p[:, None] * c),
    ),
    "Your U acts on the cell state c. It belongs to h_prev; the gate only sees c through p.": (
        lambda x, h, c, W, U, p, b: sigmoid(affine(x, c, W, U, b) + p * c),
        lambda x, h, c, W, U, p, b: sigmoid(affine(x, c, W, U, b)),
    ),
    "You add p to c. It's a weight, so it scales c.": (_peeps(lambda p, c, h: p + c),),
    "You add c without its weight p.": (_peeps(lambda p, c, h: c),),
    "You add the peephole after the sigmoid. It's one of the terms inside.": (
        lambda x, h, c, W, U, p, b: sigmoid(affine(x, h, W, U, b)) + p * c,
    ),
    "This is what's shown, or part of it. The question asks how much is shown: the gate itself.": (
        lambda *given: output_gate(*given) * given[2],
        lambda *given: output_gate(*given) * tanh(given[2]),
    ),
    **shared(lambda squash: _peeping(affine, squash), *GATE),
    **shared(_biased_by_c, *MINUS, *UNSUMMED),
    **shared(_peeping, *SUM, *AXES),
    **said(
        "reshaped",
        lambda *given: output_gate(*given).T.reshape(given[1].shape),
        came="(H, N)",
        wanted="(N, H)",
        what="the sequences",
    ),
    **said(
        "one-sequence",
        lambda x, h, c, *given: output_gate(x[:1], h[:1], c[:1], *given),
        lambda x, h, c, *given: output_gate(x[:1], h[:1], c, *given),
        lambda x, h, c, *given: 0 * c + output_gate(x[:1], h[:1], c[:1], *given),
        lambda x, h, c, *given: 0 * c + output_gate(x[-1:], h[-1:], c[-1:], *given),
        own="its own gate, but yours share one",
    ),
}


def _is_a_share(answer: Guarded, rng: np.random.Generator) -> bool:
    o = answer(*_case(2, 3, 2, scale=3).arguments.values())
    return bool(((o >= 0) & (o <= 1)).all())


def _is_half(answer: Guarded, rng: np.random.Generator) -> bool:
    arguments = {name: 0 * value for name, value in _case(2, 3, 2).arguments.items()}
    return np.allclose(answer(*arguments.values()), 0.5)


def hidden_state(o: Array, c: Array) -> Array:
    """Return the part of the cell state that's shown."""
    return o * tanh(c)


@sized
def _shown_case(N: int, H: int, scale: float = 1.5) -> Case:
    rng = seeded(N, H)
    o, c = sigmoid(rng.normal(size=(N, H))), scale * rng.normal(size=(N, H))
    return Case({"N": N, "H": H}, {"o": o, "c": c}, large=scale > 10)


HIDDEN_MISTAKES: Mistakes = {
    **shared(as_it_is, *SHOWN),
    **said(
        "one-sequence",
        lambda o, c: o[:1] * tanh(c[:1]),
        lambda o, c: o[:1] * tanh(c),
        lambda o, c: o * tanh(c[:1]),
        lambda o, c: 0 * o + o[:1] * tanh(c[:1]),
        own="an o and a c of its own",
    ),
    "You squash the gate in place of the cell state.": (
        lambda o, c: tanh(o) * c,
        lambda o, c: sigmoid(o) * c,
    ),
    "The gate o is already squashed, and you squash it again.": (
        lambda o, c: sigmoid(o) * tanh(c),
        lambda o, c: tanh(o) * tanh(c),
    ),
    "You add the gate. A share of something is a product, so multiply.": (
        lambda o, c: o + tanh(c),
        lambda o, c: o + c,
    ),
    "You show 1 - o of the memory. But an output gate of 1 shows; it doesn't hide.": (
        lambda o, c: (1 - o) * tanh(c),
    ),
    **said("value-asked", lambda o, c: o * (1 - tanh(c) ** 2), f="tanh"),
    **shared(lambda squash: lambda o, c: o * squash(c), *TANH),
    "You squash the cell state twice.": (lambda o, c: o * tanh(tanh(c)),),
    "You clip the cell state at -1 and 1. tanh bends smoothly.": (
        lambda o, c: o * np.clip(c, -1, 1),
    ),
    "You divide the cell state by its size. Squash it entry by entry instead.": (
        lambda o, c: o * c / np.linalg.norm(c, axis=1, keepdims=True),
        lambda o, c: o * c / np.abs(c).max(),
    ),
    "You lose the sign of the cell state.": (
        lambda o, c: o * np.abs(tanh(c)),
        lambda o, c: o * tanh(c) ** 2,
    ),
    **said("matrix-product", lambda o, c: o @ tanh(c), lambda o, c: o @ tanh(c).T),
}


def _stays_in_bounds(answer: Guarded, rng: np.random.Generator) -> bool:
    c = rng.normal(scale=10, size=(3, 4))
    return bool((np.abs(answer(rng.random((3, 4)), c)) <= 1).all())


def _turns_its_sign(answer: Guarded, rng: np.random.Generator) -> bool:
    o, c = rng.random((3, 4)), rng.normal(size=(3, 4))
    return np.allclose(answer(o, -c), -answer(o, c))


def cell_behind(h: Array, o: Array) -> Array:
    """Return the cell state that shows as h through an output gate o."""
    with np.errstate(all="ignore"):  # no cell state fits unless |h| is below o
        return np.arctanh(h / o)


@sized
def _behind_case(N: int, H: int, scale: float = 0.8) -> Case:
    shown = _shown_case(N, H, scale).arguments
    return Case({"N": N, "H": H}, {"h": hidden_state(**shown), "o": shown["o"]})


@sized
def _saturated() -> Case:
    """Return a case with cell states so large that h is almost o."""
    c = np.array([[-9.5, 6.5], [0.3, 9.0]])
    o = _shown_case(2, 2).arguments["o"]
    return Case({"N": 2, "H": 2}, {"h": hidden_state(o, c), "o": o})


BEHIND_MISTAKES: Mistakes = {
    "This is the squashed cell state. You still have to undo the squashing.": (lambda h, o: h / o,),
    "You undo the gate, but then you squash again, where you should undo the squashing.": (
        lambda h, o: np.tanh(h / o),
    ),
    "Your fraction is upside down: divide by the gate. And you still have to undo the tanh.": (
        lambda h, o: o / h,
    ),
    "You clip the quotient before it gets near 1, so you lose large cell states.": tuple(
        lambda h, o, limit=limit: np.arctanh(np.clip(h / o, -limit, limit))
        for limit in (0.9, 0.95, 0.99, 0.999, 0.9999, 1 - 1e-5, 1 - 1e-6, 1 - 1e-7)
    ),
    "You add something to the gate before you divide. There's no need: no entry of o is 0.": tuple(
        lambda h, o, eps=eps: np.arctanh(h / (o + eps)) for eps in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
    ),
    "A pair of brackets is missing in the fraction inside your logarithm.": (
        lambda h, o: 0.5 * np.log(1 + h / o / (1 - h / o)),
        lambda h, o: 0.5 * np.log((1 + h / o) / 1 - h / o),
        lambda h, o: 0.5 * np.log(1 + h / o / 1 - h / o),
    ),
    "Your logarithm has the wrong base. The inverse of tanh uses the natural logarithm.": (
        lambda h, o: 0.5 * np.log2((1 + h / o) / (1 - h / o)),
        lambda h, o: 0.5 * np.log10((1 + h / o) / (1 - h / o)),
    ),
    "You lose the sign of h. Where h is negative, so is the cell state.": (
        lambda h, o: np.arctanh(np.abs(h) / o),
    ),
    "The inverse of a function isn't one over the function.": (
        lambda h, o: 1 / np.tanh(h / o),
        lambda h, o: o / np.tanh(h),
    ),
    "You undo things in the wrong order: the product with the gate came last, so undo it first.": (
        lambda h, o: np.arctanh(h) / o,
    ),
    "You multiply by the gate again. To undo a product, divide.": (lambda h, o: np.arctanh(h * o),),
    "You subtract the gate. To undo a product, divide.": (lambda h, o: np.arctanh(h - o),),
    "You undo the squashing, but not the gate.": (lambda h, o: np.arctanh(h),),
    "You invert the sigmoid, but the memory is squashed by tanh.": (
        lambda h, o: np.log(h / o / (1 - h / o)),
    ),
    "Twice too large: the logarithm in the inverse of tanh comes with a factor of a half.": (
        lambda h, o: np.log((1 + h / o) / (1 - h / o)),
    ),
    "The sign is wrong: the fraction inside your logarithm is upside down.": (
        lambda h, o: 0.5 * np.log((1 - h / o) / (1 + h / o)),
    ),
    "This is the inverse of the tangent, the function of angles. You need that of the hyperbolic "
    "tangent.": (
        lambda h, o: np.arctan(h / o),
        lambda h, o: np.tan(h / o),
    ),
    "This is the inverse of the hyperbolic sine. The memory is squashed by tanh.": (
        lambda h, o: np.arcsinh(h / o),
    ),
    "This squashes h and shows it again. The question goes the other way, from h to the cell "
    "state.": (lambda h, o: o * np.tanh(h),),
}


def _is_undone(answer: Guarded, rng: np.random.Generator) -> bool:
    h, o = _behind_case(3, 4).arguments.values()
    return np.allclose(hidden_state(o, answer(h, o)), h)


def bound(c0: Array, T: int) -> Array:
    """Return the least number that |h_T| can't exceed, whatever the weights are."""
    return tanh(np.abs(c0) + np.asarray(T, c0.dtype))


@sized
def _bound_case(N: int, H: int, T: int, scale: float = 0.5) -> Case:
    c0 = scale * seeded(N, H, T).normal(size=(N, H))
    return Case({"N": N, "H": H, "T": T}, {"c0": c0, "T": T})


BOUND_MISTAKES: Mistakes = {
    "You give all units the bound of the one that starts with most. Each has a start of its own.": (
        lambda c0, T: np.full_like(c0, tanh(np.abs(c0).max() + T)),
        lambda c0, T: 0 * c0 + tanh(np.abs(c0).max(axis=1, keepdims=True) + T),
        lambda c0, T: np.full_like(c0, tanh(c0.max() + T)),
        lambda c0, T: 0 * c0 + tanh(c0.max(axis=1, keepdims=True) + T),
    ),
    "True, but not the least: after a few steps the cell state is still too small to come near "
    "that.": (
        lambda c0, T: np.ones_like(c0),
        lambda c0, T: np.minimum(np.abs(c0) + T, 1),
    ),
    "This bounds the cell state. The hidden state only shows a part of it.": (
        lambda c0, T: np.abs(c0) + T,
    ),
    "Right only if the cell starts at 0. It can keep what it starts with, but your c0 has no "
    "effect.": (lambda c0, T: np.tanh(np.full_like(c0, T)),),
    "Right only where c0 is positive. A negative memory can grow just as far downward.": (
        lambda c0, T: np.tanh(c0 + T),
        lambda c0, T: np.abs(np.tanh(c0 + T)),
    ),
    "This counts only one step, however many there are.": (lambda c0, T: np.tanh(np.abs(c0) + 1),),
    "This counts no steps, but each one can write something.": (lambda c0, T: np.tanh(np.abs(c0)),),
    "You're one step short: T steps write T times.": (lambda c0, T: np.tanh(np.abs(c0) + T - 1),),
    "You count one step too many.": (lambda c0, T: np.tanh(np.abs(c0) + T + 1),),
    "You squash each step once more. A candidate is already squashed, and comes as near to 1 as "
    "you like.": (
        lambda c0, T: np.tanh(np.abs(c0) + T * np.tanh(1)),
        lambda c0, T: np.tanh(np.abs(c0) + T * sigmoid(np.ones(()))),
    ),
    "You squash too early. The squashing comes last, and acts on the whole cell state at once.": (
        lambda c0, T: np.tanh(np.abs(c0)) + T * np.tanh(1),
        lambda c0, T: np.abs(c0) + T * np.tanh(1),
        lambda c0, T: np.abs(c0) + np.tanh(T),
        lambda c0, T: np.tanh(np.abs(c0)) + np.tanh(T),
        lambda c0, T: T * np.tanh(np.abs(c0) + 1),
        lambda c0, T: np.tanh(np.tanh(np.abs(c0)) + T),
    ),
    "What the cell starts with and what it writes add up; they don't multiply.": (
        lambda c0, T: np.tanh(np.abs(c0) * T),
        lambda c0, T: np.tanh(np.abs(c0) * (T + 1)),
    ),
    "You let the cell either keep its start or write something. It can do both.": (
        lambda c0, T: np.tanh(np.maximum(np.abs(c0), T)),
    ),
    "You squash the cell state with a sigmoid. The hidden state uses another function.": (
        lambda c0, T: sigmoid(np.abs(c0) + T),
    ),
    "A gate can come as near to 1 as you like. You stop at half open.": (
        lambda c0, T: 0.5 * np.tanh(np.abs(c0) + T),
        lambda c0, T: np.tanh(np.abs(c0) + 0.5 * T),
        lambda c0, T: 0.5 * np.tanh(np.abs(c0) + 0.5 * T),
    ),
}


def _reached(c0: Array, T: int) -> Array:
    """Return |h_T| of a cell whose gates are open and whose candidate has the sign of c0."""
    H = c0.shape[1]
    h = np.zeros_like(c0)
    for n in range(len(c0)):
        candidate = np.where(c0[n] < 0, -30.0, 30.0)
        bias = np.concatenate([np.full(2 * H, 30.0), candidate, np.full(H, 30.0)])
        params = LSTMParams(np.zeros((4 * H, 1)), np.zeros((4 * H, H)), bias)
        row, c = h[n : n + 1], c0[n : n + 1]
        for _ in range(T):
            row, c, _ = lstm_step(np.zeros((1, 1)), row, c, params)
        h[n] = row[0]
    return np.abs(h)


def _is_never_exceeded(answer: Guarded, rng: np.random.Generator) -> bool:
    return all(
        (_reached(c0, T) <= answer(c0, T) + 1e-9).all()
        for c0, T in zip(rng.normal(size=(3, 2, 3)), (1, 2, 5), strict=True)
    )


def _is_nearly_reached(answer: Guarded, rng: np.random.Generator) -> bool:
    return all(
        (_reached(c0, T) >= 0.99 * answer(c0, T)).all()
        for c0, T in zip(rng.normal(size=(3, 2, 3)), (1, 2, 5), strict=True)
    )


BOUND_PROPERTIES: dict[str, Property] = {
    "A cell with all gates open shows more than your bound allows.": _is_never_exceeded,
    "Not the least: no cell comes near your bound.": _is_nearly_reached,
}


QUESTIONS = (
    Question(
        name="output-gate",
        points=1,
        hints=(
            "You've built this form twice, for the forget gate and for the input gate. The only "
            "new thing is one more term in the sum. Which shape must it have?",
            "Add a map of the input, a map of the hidden state, and the bias. The peepholes are "
            "one more term: how does each unit see only its own entry? And what squashes the sum "
            "if the result should be a share?",
            "Take the batch x times W transposed, plus h_prev times U transposed, plus b, plus p "
            "times c entry by entry. The output gate is the sigmoid of that.",
        ),
        exam=FunctionExam(
            name="output_gate",
            solution=output_gate,
            returns=(Returned(shape=SHAPE),),
            cases=(
                _case(3, 3, 3),
                _case(1, 1, 1),
                _case(1, 4, 2),
                _case(4, 2, 3),
                _case(2, 3, 2, scale=40),
                _cancelling(),
                _case(2, 5, 4),
            ),
            mistakes=GATE_MISTAKES,
            forbidden=(
                gates.output_gate,
                gates.forget_gate,
                gates.input_gate,
                gates.preactivation,
            ),
            properties={
                "Every entry of the gate must lie between 0 and 1.": _is_a_share,
                "With all arguments 0, the gate must be a half.": _is_half,
            },
            right="Right: a gate that looks at the memory before it shows it, for any batch.",
        ),
    ),
    Question(
        name="hidden-state",
        points=1,
        hints=(
            "Try c = 3. How large can the part that's shown be, and how large is your result?",
            "First bring the memory between -1 and 1, then let the gate take its share. Which "
            "function does the first, and keeps the sign?",
            "The output gate times tanh of the cell state, entry by entry.",
        ),
        exam=FunctionExam(
            name="hidden_state",
            solution=hidden_state,
            returns=(Returned(shape=SHAPE),),
            cases=(
                *(_shown_case(*sizes) for sizes in SIZES[:-1]),
                _shown_case(2, 3, scale=500),
                _shown_case(*SIZES[-1]),
            ),
            mistakes=HIDDEN_MISTAKES,
            properties={
                "No entry of the hidden state may be above 1 in absolute value.": _stays_in_bounds,
                "When c flips its sign, the hidden state must flip its sign too.": _turns_its_sign,
            },
            right="Right: a share of the squashed memory, within -1 and 1 however far c goes.",
        ),
    ),
    Question(
        name="cell-behind",
        points=1,
        hints=(
            "Write down the formula for the hidden state, and undo its last operation first.",
            "Divide by the gate, and tanh of the cell state is left. Which function undoes tanh? "
            "The second exercise with paper has it with a logarithm.",
            "Call the quotient r. The cell state is half the logarithm of 1 + r over 1 - r. "
            "NumPy has it as the inverse hyperbolic tangent.",
        ),
        exam=FunctionExam(
            name="cell_behind",
            solution=cell_behind,
            returns=(Returned(shape=SHAPE),),
            cases=(
                *(_behind_case(*sizes) for sizes in SIZES[:-1]),
                _behind_case(4, 3, scale=4),
                _saturated(),
                _behind_case(*SIZES[-1]),
            ),
            mistakes=BEHIND_MISTAKES,
            properties={
                "Show your cell state through the gate again, and you must get h.": _is_undone,
            },
            right="Right: you undo the gate first, then the squashing.",
        ),
    ),
    Question(
        name="bound",
        points=2,
        hints=(
            "Bound the cell state first. By how much can its absolute value grow in one step, "
            "whatever the gates and the candidate are?",
            "A gate can come as near to 1 as you like, and so can a candidate, upward or "
            "downward. So at best, each step keeps everything and adds 1. Then ask how much of "
            "that is shown, at best.",
            "After T steps, the cell state's absolute value is below that of c0, plus T. The "
            "output gate is below 1, and tanh rises. So take tanh of that sum.",
        ),
        exam=FunctionExam(
            name="bound",
            solution=bound,
            returns=(Returned(shape=SHAPE),),
            cases=(
                _bound_case(3, 3, 3),
                _bound_case(1, 1, 1),
                _bound_case(1, 4, 2),
                _bound_case(2, 3, 1, scale=0),
                _bound_case(4, 2, 1, scale=1.5),
                _bound_case(2, 5, 2),
            ),
            mistakes=BOUND_MISTAKES,
            properties=BOUND_PROPERTIES,
            right="Right: no cell exceeds it, and an open one comes as near as you like.",
        ),
    ),
)
