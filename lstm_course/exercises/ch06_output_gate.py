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
from lstm_course.exercises.engine.parts import affine, as_it_is, lstm_case
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid, tanh

SHAPE = "(N, H)"
SIZES = ((3, 3), (1, 1), (1, 4), (4, 2), (2, 5))


def output_gate(x: Array, h_prev: Array, c: Array, W: Array, U: Array, p: Array, b: Array) -> Array:
    """Return the output gate that looks at the new cell state too, each unit at its own entry."""
    return sigmoid(affine(x, h_prev, W, U, b) + p * c)


def _case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    case = lstm_case("x h_prev c_prev W U b", scale, gates=1, N=N, D=D, H=H)
    x, h_prev, c, W, U, b = case.arguments.values()
    p = scale * np.random.default_rng([H, D, N]).normal(size=H)
    arguments = {"x": x, "h_prev": h_prev, "c": c, "W": W, "U": U, "p": p, "b": b}
    return Case(case.sizes, arguments, case.large)


def _cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = dict(_case(1, 3, 2, scale=30).arguments)
    x, h_prev, c, W, U, p, b = arguments.values()
    arguments["b"] = b / 30 - (affine(x, h_prev, W, U, 0 * b) + p * c)[0]
    return Case({"N": 1, "D": 3, "H": 2}, arguments, large=True)


def _peeping(a: Answer, squash: Answer = sigmoid) -> Answer:
    """Return an answer that squashes a sum of its own, with the peepholes added."""
    return lambda x, h, c, W, U, p, b: squash(a(x, h, W, U, b) + p * c)


def _biased_by_c(gate: Answer) -> Answer:
    """Return an answer gate(x, h_prev, W, U, b, squash) to whose bias the peepholes are added."""
    return lambda x, h, c, W, U, p, b: gate(x, h, W, U, b + p * c, sigmoid)


def _peeps(peep: Callable[[Array, Array, Array], Array]) -> Answer:
    """Return an answer with peep(p, c, h_prev) in the place of the peepholes."""
    return lambda x, h, c, W, U, p, b: sigmoid(affine(x, h, W, U, b) + peep(p, c, h))


GATE_MISTAKES: Mistakes = {
    "The gate does not look at the cell state: p and c have no effect.": (
        _peeps(lambda p, c, h: 0 * c),
    ),
    "p acts on the hidden state. It lets the gate look at the cell state.": (
        _peeps(lambda p, c, h: p * h),
    ),
    "The gate looks at tanh of the cell state. The peephole shows c itself.": (
        _peeps(lambda p, c, h: p * tanh(c)),
    ),
    "Every unit sees the cell states of all units. It is to see its own entry: p times c, entry by "
    "entry.": (
        _peeps(lambda p, c, h: (c @ p)[:, None]),
        _peeps(lambda p, c, h: c @ p),
    ),
    **said("first-for-all", _peeps(lambda p, c, h: p * c[:1]), what="cell state"),
    "The peephole is subtracted. It is added to the sum.": (_peeps(lambda p, c, h: -p * c),),
    "The peephole is multiplied by h_prev too. It is p times c and no more.": (
        _peeps(lambda p, c, h: p * c * h),
    ),
    "Entry j of p is for unit j, which is column j of c. You give it to row j, a sequence.": (
        _peeps(lambda p, c, h: p[:, None] * c),
    ),
    "U acts on the cell state c. It belongs to h_prev: what the gate sees of c comes through p.": (
        lambda x, h, c, W, U, p, b: sigmoid(affine(x, c, W, U, b) + p * c),
        lambda x, h, c, W, U, p, b: sigmoid(affine(x, c, W, U, b)),
    ),
    "p is added to c. It is a weight, so it scales c.": (_peeps(lambda p, c, h: p + c),),
    "c is added without its weight p.": (_peeps(lambda p, c, h: c),),
    "The peephole stands behind the sigmoid. It is one of the terms that the sigmoid gets.": (
        lambda x, h, c, W, U, p, b: sigmoid(affine(x, h, W, U, b)) + p * c,
    ),
    "This is what is shown, or a part of it. How much is shown is asked for: the gate itself.": (
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
        own="a gate of its own, and yours share one",
    ),
}


def _is_a_share(answer: Guarded, rng: np.random.Generator) -> bool:
    o = answer(*_case(2, 3, 2, scale=3).arguments.values())
    return bool(((o >= 0) & (o <= 1)).all())


def _is_half(answer: Guarded, rng: np.random.Generator) -> bool:
    arguments = {name: 0 * value for name, value in _case(2, 3, 2).arguments.items()}
    return np.allclose(answer(*arguments.values()), 0.5)


def hidden_state(o: Array, c: Array) -> Array:
    """Return what is shown of the cell state."""
    return o * tanh(c)


def _shown_case(N: int, H: int, scale: float = 1.5) -> Case:
    rng = np.random.default_rng([N, H])
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
    "The gate is squashed in place of the cell state.": (
        lambda o, c: tanh(o) * c,
        lambda o, c: sigmoid(o) * c,
    ),
    "The gate o comes squashed already. You squash it once more.": (
        lambda o, c: sigmoid(o) * tanh(c),
        lambda o, c: tanh(o) * tanh(c),
    ),
    "The gate is added. A share of something is a product.": (
        lambda o, c: o + tanh(c),
        lambda o, c: o + c,
    ),
    "You show 1 - o of the memory: an output gate of 1 shows, it does not hide.": (
        lambda o, c: (1 - o) * tanh(c),
    ),
    **said("value-asked", lambda o, c: o * (1 - tanh(c) ** 2), f="tanh"),
    **shared(lambda squash: lambda o, c: o * squash(c), *TANH),
    "The cell state is squashed twice.": (lambda o, c: o * tanh(tanh(c)),),
    "The cell state is cut off at -1 and 1. tanh bends smoothly.": (
        lambda o, c: o * np.clip(c, -1, 1),
    ),
    "The cell state is divided by its size, not squashed entry by entry.": (
        lambda o, c: o * c / np.linalg.norm(c, axis=1, keepdims=True),
        lambda o, c: o * c / np.abs(c).max(),
    ),
    "The sign of the cell state is lost.": (
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
    """Return the cell state of which h is shown through an output gate o."""
    with np.errstate(all="ignore"):  # no cell state fits if |h| is not below o
        return np.arctanh(h / o)


def _behind_case(N: int, H: int, scale: float = 0.8) -> Case:
    shown = _shown_case(N, H, scale).arguments
    return Case({"N": N, "H": H}, {"h": hidden_state(**shown), "o": shown["o"]})


def _saturated() -> Case:
    """Return a case of cell states so large that h is all but o."""
    c = np.array([[-9.5, 6.5], [0.3, 9.0]])
    o = _shown_case(2, 2).arguments["o"]
    return Case({"N": 2, "H": 2}, {"h": hidden_state(o, c), "o": o})


BEHIND_MISTAKES: Mistakes = {
    "This is the squashed cell state. The squashing is still to be undone.": (lambda h, o: h / o,),
    "The gate is undone, but then you squash once more where you have to undo a squashing.": (
        lambda h, o: np.tanh(h / o),
    ),
    "The fraction stands on its head: the gate is what to divide by. And tanh is to be undone.": (
        lambda h, o: o / h,
    ),
    "You cut the quotient off before it comes near 1, and a large cell state is lost.": tuple(
        lambda h, o, limit=limit: np.arctanh(np.clip(h / o, -limit, limit))
        for limit in (0.9, 0.95, 0.99, 0.999, 0.9999, 1 - 1e-5, 1 - 1e-6, 1 - 1e-7)
    ),
    "You add something to the gate before you divide. No entry of o is 0.": tuple(
        lambda h, o, eps=eps: np.arctanh(h / (o + eps)) for eps in (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
    ),
    "A pair of brackets is missing in the fraction of your logarithm.": (
        lambda h, o: 0.5 * np.log(1 + h / o / (1 - h / o)),
        lambda h, o: 0.5 * np.log((1 + h / o) / 1 - h / o),
        lambda h, o: 0.5 * np.log(1 + h / o / 1 - h / o),
    ),
    "Your logarithm has another base. The inverse of tanh has the natural one.": (
        lambda h, o: 0.5 * np.log2((1 + h / o) / (1 - h / o)),
        lambda h, o: 0.5 * np.log10((1 + h / o) / (1 - h / o)),
    ),
    "The sign of h is lost. Where h is negative, so is the cell state.": (
        lambda h, o: np.arctanh(np.abs(h) / o),
    ),
    "The inverse of a function is not one over it.": (
        lambda h, o: 1 / np.tanh(h / o),
        lambda h, o: o / np.tanh(h),
    ),
    "The wrong way round: the product with the gate came last, so it is undone first.": (
        lambda h, o: np.arctanh(h) / o,
    ),
    "The gate is multiplied once more. To undo a product is to divide.": (
        lambda h, o: np.arctanh(h * o),
    ),
    "The gate is subtracted. To undo a product is to divide.": (lambda h, o: np.arctanh(h - o),),
    "The squashing is undone, and the gate is not.": (lambda h, o: np.arctanh(h),),
    "You invert the sigmoid. The memory is squashed by tanh.": (
        lambda h, o: np.log(h / o / (1 - h / o)),
    ),
    "Twice too large: the logarithm in the inverse of tanh has a factor of a half.": (
        lambda h, o: np.log((1 + h / o) / (1 - h / o)),
    ),
    "The sign is wrong: the fraction in your logarithm stands on its head.": (
        lambda h, o: 0.5 * np.log((1 - h / o) / (1 + h / o)),
    ),
    "This is the inverse of the tangent, the function of angles. Ours is the hyperbolic one.": (
        lambda h, o: np.arctan(h / o),
        lambda h, o: np.tan(h / o),
    ),
    "This is the inverse of the hyperbolic sine. The memory is squashed by tanh.": (
        lambda h, o: np.arcsinh(h / o),
    ),
    "This shows h once more. The question goes the other way, from h to the cell state.": (
        lambda h, o: o * np.tanh(h),
    ),
}


def _is_undone(answer: Guarded, rng: np.random.Generator) -> bool:
    h, o = _behind_case(3, 4).arguments.values()
    return np.allclose(hidden_state(o, answer(h, o)), h)


def bound(c0: Array, T: int) -> Array:
    """Return the least number that |h_T| does not exceed, whatever the weights are."""
    return tanh(np.abs(c0) + np.asarray(T, c0.dtype))


def _bound_case(N: int, H: int, T: int, scale: float = 0.5) -> Case:
    c0 = scale * np.random.default_rng([N, H, T]).normal(size=(N, H))
    return Case({"N": N, "H": H, "T": T}, {"c0": c0, "T": T})


BOUND_MISTAKES: Mistakes = {
    "All units get the bound of the one that starts with most. Each has a start of its own.": (
        lambda c0, T: np.full_like(c0, tanh(np.abs(c0).max() + T)),
        lambda c0, T: 0 * c0 + tanh(np.abs(c0).max(axis=1, keepdims=True) + T),
        lambda c0, T: np.full_like(c0, tanh(c0.max() + T)),
        lambda c0, T: 0 * c0 + tanh(c0.max(axis=1, keepdims=True) + T),
    ),
    "True and not the least: after few steps the cell state is still too small to reach 1.": (
        lambda c0, T: np.ones_like(c0),
        lambda c0, T: np.minimum(np.abs(c0) + T, 1),
    ),
    "This bounds the cell state. The hidden state is what is shown of it.": (
        lambda c0, T: np.abs(c0) + T,
    ),
    "Right if the cell starts at 0. What it starts with can be kept, and c0 has no effect.": (
        lambda c0, T: np.tanh(np.full_like(c0, T)),
    ),
    "Right where c0 is positive. A negative memory can grow downward just as far.": (
        lambda c0, T: np.tanh(c0 + T),
        lambda c0, T: np.abs(np.tanh(c0 + T)),
    ),
    "This counts one step only, however many there are.": (lambda c0, T: np.tanh(np.abs(c0) + 1),),
    "This counts no step: at each one something can be written.": (
        lambda c0, T: np.tanh(np.abs(c0)),
    ),
    "A step is missing: T steps write T times.": (lambda c0, T: np.tanh(np.abs(c0) + T - 1),),
    "This counts a step too many.": (lambda c0, T: np.tanh(np.abs(c0) + T + 1),),
    "A candidate is squashed already and comes near 1. You squash each step once more.": (
        lambda c0, T: np.tanh(np.abs(c0) + T * np.tanh(1)),
        lambda c0, T: np.tanh(np.abs(c0) + T * sigmoid(np.ones(()))),
    ),
    "The squashing comes last, and acts on the whole cell state at once.": (
        lambda c0, T: np.tanh(np.abs(c0)) + T * np.tanh(1),
        lambda c0, T: np.abs(c0) + T * np.tanh(1),
        lambda c0, T: np.abs(c0) + np.tanh(T),
        lambda c0, T: np.tanh(np.abs(c0)) + np.tanh(T),
        lambda c0, T: T * np.tanh(np.abs(c0) + 1),
        lambda c0, T: np.tanh(np.tanh(np.abs(c0)) + T),
    ),
    "What the cell starts with and what is written come together as a sum, not as a product.": (
        lambda c0, T: np.tanh(np.abs(c0) * T),
        lambda c0, T: np.tanh(np.abs(c0) * (T + 1)),
    ),
    "Either the start is kept or something is written, you say. Both can happen.": (
        lambda c0, T: np.tanh(np.maximum(np.abs(c0), T)),
    ),
    "The cell state is squashed by a sigmoid. The hidden state uses another function.": (
        lambda c0, T: sigmoid(np.abs(c0) + T),
    ),
    "A gate can come as near to 1 as you like. Half open is not the most.": (
        lambda c0, T: 0.5 * np.tanh(np.abs(c0) + T),
        lambda c0, T: np.tanh(np.abs(c0) + 0.5 * T),
        lambda c0, T: 0.5 * np.tanh(np.abs(c0) + 0.5 * T),
    ),
}


def _reached(c0: Array, T: int) -> Array:
    """Return |h_T| of a cell whose gates are open, and whose candidate has the sign of c0."""
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
    "A cell whose gates are all open shows more than your bound allows.": _is_never_exceeded,
    "Not the least: no cell comes near your bound.": _is_nearly_reached,
}


QUESTIONS = (
    Question(
        name="output-gate",
        points=1,
        hints=(
            "You have built this form twice: for the forget gate and for the input gate. What is "
            "new is a single term in the sum. Which shape must it have?",
            "A map of the input and a map of the hidden state are added, and the bias with them. "
            "The peepholes are one more term: how does each unit see its own entry alone? What "
            "squashes the sum, if the result is to be a share?",
            "The batch x times W transposed, plus h_prev times U transposed, plus b, plus p times "
            "c entry by entry. The output gate is the sigmoid of that.",
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
                "Every entry of the gate must lie in 0 to 1.": _is_a_share,
                "With all arguments 0 the gate must be a half.": _is_half,
            },
            right="Right: a gate that looks at the memory before it shows it, for any batch.",
        ),
    ),
    Question(
        name="hidden-state",
        points=1,
        hints=(
            "Try c = 3. How large can what is shown be, and how large is your result?",
            "First the memory is brought into -1 to 1, then the gate takes its share. Which "
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
                "With the sign of c turned, the hidden state must turn its sign.": _turns_its_sign,
            },
            right="Right: a share of the squashed memory, within -1 and 1 however far c goes.",
        ),
    ),
    Question(
        name="cell-behind",
        points=1,
        hints=(
            "Write the formula of the hidden state down, and undo its last operation first.",
            "Divide by the gate. What is left is tanh of the cell state. Which function undoes "
            "tanh? The second exercise on paper has it with a logarithm.",
            "Call the quotient r. The cell state is half the logarithm of 1 + r over 1 - r. NumPy "
            "knows it as the inverse hyperbolic tangent.",
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
                "Shown through the gate again, your cell state must give h.": _is_undone,
            },
            right="Right: the gate undone, then the squashing.",
        ),
    ),
    Question(
        name="bound",
        points=2,
        hints=(
            "Bound the cell state first. How much can it grow in one step, in absolute value, "
            "whatever the gates and the candidate are?",
            "A gate comes as near to 1 as you like, and so does a candidate, upward or downward. "
            "So each step keeps all there is and adds 1, at best. Then ask how much of that is "
            "shown, at best.",
            "After T steps the cell state is below the absolute value of c0, plus T. The output "
            "gate is below 1, and tanh rises. So take tanh of that sum.",
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
