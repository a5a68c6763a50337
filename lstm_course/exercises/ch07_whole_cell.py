"""The whole step, and the same step with another framework's parameters."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from lstm_course import cell, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.lines import Lines
from lstm_course.exercises.engine.mistakes import (
    CANDIDATE,
    PLUS_1,
    SHOWN,
    STACKED,
    SUM,
    UPDATE,
    Mistakes,
    each,
    in_order,
    said,
    shared,
)
from lstm_course.exercises.engine.parts import (
    STEP,
    affine,
    as_it_is,
    drawn,
    lstm_case,
    reordered,
    seeded,
    sized,
    slices_in,
    split,
)
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid, tanh

ORDERS = tuple("".join(order) for order in permutations("ifgo"))
ONNX = "iofg"
STEP_ARGUMENTS = "x h_prev c_prev W U b"
SIZES = ((3, 3, 3), (1, 1, 1), (1, 4, 2), (3, 1, 2), (3, 2, 1), (4, 2, 3))


def packed(W: Array, U: Array, b: Array) -> Array:
    """Return the one matrix (D + H + 1, 4H) that multiplies [x, h_prev, 1]."""
    return np.concatenate([W.T, U.T, b[None]])


def _apart(M: Array, D: int) -> tuple[Array, Array, Array]:
    """Return the W, U and b that the one matrix holds."""
    return M[:D].T, M[D:-1].T, M[-1]


@sized
def _case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    case = lstm_case(STEP_ARGUMENTS, scale, N=N, D=D, H=H)
    x, h_prev, c_prev, *parameters = case.arguments.values()
    arguments = {"x": x, "h_prev": h_prev, "c_prev": c_prev, "M": packed(*parameters)}
    return Case(case.sizes, arguments, case.large)


@sized
def _cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = dict(_case(1, 3, 2, scale=30).arguments)
    x, h_prev, _, M = arguments.values()
    bias = M[-1] / 30 - (x @ M[:3] + h_prev @ M[3:5])[0]
    arguments["M"] = np.concatenate([M[:-1], bias[None]])
    return Case({"N": 1, "D": 3, "H": 2}, arguments, large=True)


def _packed(step: Answer) -> Answer:
    """Return an answer to the question, from a step that gets W, U and b."""
    return lambda x, h, c, M: step(x, h, c, *_apart(M, x.shape[1]))


def step_packed(x: Array, h_prev: Array, c_prev: Array, M: Array) -> tuple[Array, Array]:
    """Return h and c after one step, with all parameters in one matrix."""
    h, c = STEP(x, h_prev, c_prev, *_apart(M, x.shape[1]))
    return h, c


def _squashed(squash: Answer, gates: str) -> Lines:
    """Return the step with another squashing of these slices."""
    return STEP.but(
        **{
            gate: lambda s, k=k: squash(s.slices[k])
            for k, gate in enumerate("ifgo")
            if gate in gates
        }
    )


def _with_bias_of_o(gates: str) -> Lines:
    """Return the step that gives the output gate's bias to other gates too."""
    places = ["ifgo".index("o" if gate in gates else gate) for gate in "ifgo"]
    return STEP.but(a=lambda s: affine(s.x, s.h_prev, s.W, s.U, reordered(s.b, places)))


def _new_h_for_o(s: Any) -> Array:
    o = split(affine(s.x, s.o * tanh(s.c), s.W, s.U, s.b), axis=1)[3]
    return sigmoid(o) * tanh(s.c)


IN_ONE = tuple(key for key in SUM if key not in ("joined-apart", "bias-twice"))
"""The mistakes in a sum that are possible with one matrix too."""

OF_A_STEP: Mistakes = {
    **shared(lambda show: STEP.but(h=lambda s: show(s.o, s.c)), *SHOWN),
    "Your hidden state shows the old cell state. Update the cell state first.": (
        STEP.but(h=lambda s: s.o * tanh(s.c_prev)),
    ),
    "This is the output gate itself. The hidden state is what the gate shows of the cell state.": (
        STEP.but(h=lambda s: s.o),
    ),
    **said("squashed-c-handed-on", lambda *given: (STEP(*given)[0], tanh(STEP(*given)[1]))),
    **shared(
        lambda update: STEP.but(c=lambda s: update(s.c_prev, s.f, s.i, s.g)),
        *UPDATE,
    ),
    **said("f-acts-on-h", STEP.but(c=lambda s: s.f * s.h_prev + s.i * s.g)),
    **said("reads-c", STEP.but(a=lambda s: affine(s.x, s.c_prev, s.W, s.U, s.b))),
    **said("states-swapped", lambda x, h, c, W, U, b: STEP(x, c, h, W, U, b)),
    **shared(lambda squash: _squashed(squash, "g"), *CANDIDATE),
    "You squash all four slices with tanh. Three of them are shares, from 0 to 1.": (
        _squashed(tanh, "ifo"),
    ),
    "You don't squash the gates, so they aren't shares.": (_squashed(as_it_is, "ifo"),),
    "You take every fourth column. The four slices come one after the other, H columns each.": (
        STEP.but(slices=lambda s: [s.a[:, k::4] for k in range(4)]),
    ),
    "Your slices are as wide as x, with D columns each. A gate needs one column per unit, so H "
    "of them.": (
        STEP.but(
            slices=lambda s: [s.a[:, k * s.x.shape[1] :][:, : s.x.shape[1]] for k in range(4)]
        ),
        STEP.but(
            slices=lambda s: [
                *(s.a[:, k * s.x.shape[1] :][:, : s.x.shape[1]] for k in range(3)),
                s.a[:, 3 * s.x.shape[1] :],
            ]
        ),
    ),
    "You compute all four gates from the first slice. Each has its own.": (
        STEP.but(slices=lambda s: [split(s.a, axis=1)[0]] * 4),
    ),
    "You reshape the sum into four arrays (N, H), which cuts it along the rows. The slices sit "
    "side by side, in the columns.": (
        STEP.but(slices=lambda s: list(s.a.reshape(4, len(s.x), -1))),
    ),
    "You squash the candidate twice, first with the gates' sigmoid, then with tanh.": (
        _squashed(lambda a: tanh(sigmoid(a)), "g"),
    ),
    **said("h-for-c", lambda *given: (STEP(*given)[0], STEP(*given)[0])),
    "You give every gate the bias of the output gate. Each has its own slice of b.": (
        _with_bias_of_o("ifg"),
    ),
    "You give the input gate and the forget gate the bias of the output gate.": (
        _with_bias_of_o("if"),
    ),
    **shared(lambda squash: _squashed(squash, "f"), *PLUS_1),
    "Your output gate reads the new hidden state. All four gates read the old one.": (
        STEP.but(h=_new_h_for_o),
    ),
    **shared(lambda a: STEP.but(a=lambda s: a(s.x, s.h_prev, s.W, s.U, s.b)), *IN_ONE),
    **{
        in_order(order, "ifgo", STACKED): (STEP.but(slices=slices_in(order)),)
        for order in ORDERS
        if order != "ifgo"
    },
}


def _transposed(x: Array, h_prev: Array, c_prev: Array, M: Array) -> tuple[Array, Array]:
    """Return h and c with M transposed before the product, which fits if D + H + 1 is 4H."""
    if len(M) != M.shape[1]:
        raise ValueError
    return step_packed(x, h_prev, c_prev, M.T)


STEP_MISTAKES: Mistakes = {
    sentence: tuple(map(_packed, answers)) for sentence, answers in OF_A_STEP.items()
} | {
    "You join x and h_prev in the other order. The first D rows of M belong to x, the next H to "
    "h_prev.": (lambda x, h, c, M: STEP(h, x, c, M[: h.shape[1]].T, M[h.shape[1] : -1].T, M[-1]),),
    "You put the 1 first. The last row of M is the bias, so the 1 comes last.": (
        lambda x, h, c, M: STEP(x, h, c, M[1 : x.shape[1] + 1].T, M[x.shape[1] + 1 :].T, M[0]),
    ),
    "You transpose M. Leave it as it is: its rows already belong to x, h_prev and the 1.": (
        _transposed,
    ),
    "You count the bias twice: once through the column of ones, and once more.": (
        _packed(lambda x, h, c, W, U, b: STEP(x, h, c, W, U, 2 * b)),
    ),
    **said(
        "one-sequence",
        lambda x, h, c, M: step_packed(x[:1], h[:1], c[:1], M),
        lambda x, h, c, M: step_packed(0 * x + x[:1], 0 * h + h[:1], c, M),
        own="states of its own",
    ),
}


def _open(answer: Guarded, biases: tuple[float, float, float, float]) -> tuple[Array, Array, Array]:
    """Return c_prev, h and c for i, f, g and o set by their biases alone."""
    x, h_prev, c_prev, M = _case(2, 3, 2).arguments.values()
    h, c = answer(x, h_prev, c_prev, np.concatenate([0 * M[:-1], [np.repeat(biases, 2)]]))
    return c_prev, h, c


def _keeps(answer: Guarded, rng: np.random.Generator) -> bool:
    c_prev, _, c = _open(answer, (-50, 50, 1, 0))
    return np.allclose(c, c_prev)


def _replaces(answer: Guarded, rng: np.random.Generator) -> bool:
    _, _, c = _open(answer, (50, -50, -50, 0))
    return np.allclose(c, -1)


def _hides(answer: Guarded, rng: np.random.Generator) -> bool:
    _, h, _ = _open(answer, (1, 1, 1, -50))
    return np.allclose(h, 0)


def _is_bounded(answer: Guarded, rng: np.random.Generator) -> bool:
    x, h_prev, c_prev, M = _case(2, 3, 2).arguments.values()
    return bool((np.abs(answer(x, h_prev, 20 * c_prev, M)[0]) <= 1).all())


STEP_PROPERTIES: dict[str, Property] = {
    "With f = 1 and i = 0, set by the biases, the cell state must stay as it is.": _keeps,
    "With f = 0, i = 1 and g = -1, set by the biases, the new cell state must be -1.": _replaces,
    "With the output gate closed, the hidden state must be 0.": _hides,
    "No entry of h may be above 1 in absolute value, however large the cell state is.": _is_bounded,
}


def onnx_step(
    x: Array, h_prev: Array, c_prev: Array, W: Array, R: Array, B: Array, order: str = ONNX
) -> tuple[Array, Array]:
    """Return h and c after one step, with parameters stacked in ONNX's way."""
    bias = B[0].reshape(2, -1).sum(axis=0)
    h, c = STEP.but(slices=slices_in(order))(x, h_prev, c_prev, W[0], R[0], bias)
    return h, c


def onnx_solution(
    x: Array, h_prev: Array, c_prev: Array, W: Array, R: Array, B: Array
) -> tuple[Array, Array]:
    """Return h and c after one step with ONNX's parameters."""
    return onnx_step(x, h_prev, c_prev, W, R, B)


@sized
def _onnx_case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    arguments = drawn(STEP_ARGUMENTS, scale, N=N, D=D, H=H)
    W, R, b = arguments.pop("W"), arguments.pop("U"), arguments.pop("b")
    other = scale * seeded(H, D, N, 1).normal(size=b.shape)
    arguments |= {"W": W[None], "R": R[None], "B": np.concatenate([b, other])[None]}
    return Case({"N": N, "D": D, "H": H}, arguments, large=scale > 1)


@sized
def _onnx_cancelling() -> Case:
    """Return a case whose sums are small differences of large terms, too fine for float32."""
    arguments = dict(_onnx_case(1, 3, 2, scale=30).arguments)
    x, h_prev, _, W, R, B = arguments.values()
    one, other = np.split(B[0], 2)
    one = one / 30 - affine(x, h_prev, W[0], R[0], other)[0]
    arguments["B"] = np.concatenate([one, other])[None]
    return Case({"N": 1, "D": 3, "H": 2}, arguments, large=True)


def _taken(order: str) -> list[int]:
    """Return the places of slices i, f, g, o in this order."""
    return [order.index(gate) for gate in "ifgo"]


def _in_order(order: str) -> Answer:
    """Return an answer that takes all slices in this order."""
    return lambda x, h, c, W, R, B: onnx_step(x, h, c, W, R, B, order)


def _partly(W_order: str, R_order: str, B_order: str) -> Answer:
    """Return an answer that takes each parameter's slices in its own order."""
    return lambda x, h, c, W, R, B: STEP(
        x,
        h,
        c,
        reordered(W[0], _taken(W_order)),
        reordered(R[0], _taken(R_order)),
        reordered(B[0].reshape(2, -1).sum(axis=0), _taken(B_order)),
    )


def _biased(bias: Callable[[Array], Array]) -> Answer:
    """Return an answer that turns B into one bias in its own way."""
    of_onnx = STEP.but(slices=slices_in(ONNX))
    return lambda x, h, c, W, R, B: of_onnx(x, h, c, W[0], R[0], bias(B[0]))


def _of_halves(bias: Callable[[Array, Array], Array]) -> Answer:
    return _biased(lambda B: bias(*np.split(B, 2)))


def _single_rows(W: Array, R: Array, B: Array) -> list[Array]:
    """Return four rows of each parameter, which are ONNX's slices only if each has one row."""
    return [one[_taken(ONNX)] for one in (W, R, B.reshape(2, -1).sum(axis=0))]


def _back(b: Array) -> Array:
    """Return a bias stacked so that reading it in ONNX's order leaves it as it was."""
    return reordered(b, ["ifgo".index(gate) for gate in ONNX])


ONNX_MISTAKES: Mistakes = {
    "You take the slices in this book's order. ONNX uses another one.": (
        _partly("ifgo", "ifgo", "ifgo"),
    ),
    "You reorder the wrong way round: this would turn the book's order into ONNX's.": (
        _in_order("igof"),
    ),
    **each(
        "You reorder only some of the parameters: {}.",
        {
            "W, but not R and B": (_partly(ONNX, "ifgo", "ifgo"),),
            "R, but not W and B": (_partly("ifgo", ONNX, "ifgo"),),
            "W and R, but not the biases": (_partly(ONNX, ONNX, "ifgo"),),
            "W and the biases, but not R": (_partly(ONNX, "ifgo", ONNX),),
            "R and the biases, but not W": (_partly("ifgo", ONNX, ONNX),),
        },
    ),
    "You use only the first half of B. The second half belongs to the recurrent map.": (
        _of_halves(lambda one, other: one),
    ),
    "You use only the second half of B. The first half belongs to the map of the input.": (
        _of_halves(lambda one, other: other),
    ),
    **each(
        "You reorder only the {} half of B. Both halves come in ONNX's order.",
        {
            "first": (_of_halves(lambda one, other: one + _back(other)),),
            "second": (_of_halves(lambda one, other: _back(one) + other),),
        },
    ),
    **each(
        "You count the {} half of B twice, and the other half not at all.",
        {
            "first": (_of_halves(lambda one, other: 2 * one),),
            "second": (_of_halves(lambda one, other: 2 * other),),
        },
    ),
    "You count both halves of B twice, once with each map.": (
        _of_halves(lambda one, other: 2 * (one + other)),
    ),
    "You subtract the second half of B. Add both halves to the sum.": (
        _of_halves(lambda one, other: one - other),
    ),
    "You move single rows. Each slice has H of them, and they move together.": (
        lambda x, h, c, W, R, B: STEP(x, h, c, *_single_rows(W[0], R[0], B[0])),
    ),
    "B has no effect.": (_of_halves(lambda one, other: 0 * one),),
    **each(
        "You take the {} of the two halves of B. Add both to the sum.",
        {
            "mean": (_of_halves(lambda one, other: (one + other) / 2),),
            "product": (_of_halves(lambda one, other: one * other),),
        },
    ),
    "You mix up the halves of B: you pair neighbours, but the two numbers that belong together "
    "are 4H apart.": (
        _biased(lambda B: B.reshape(-1, 2).sum(axis=1)),
        _biased(lambda B: B[::2]),
        _biased(lambda B: B.reshape(4, 2, -1).sum(axis=1).ravel()),
    ),
    "You multiply x by R and the hidden state by W. It's the other way round.": (
        lambda x, h, c, W, R, B: onnx_step(x, h, c, R, W, B),
    ),
    **said("states-swapped", lambda x, h, c, W, R, B: onnx_step(x, c, h, W, R, B)),
    **said(
        "shown-without-tanh",
        lambda *given: (
            onnx_step(*given)[0] / tanh(onnx_step(*given)[1]) * onnx_step(*given)[1],
            onnx_step(*given)[1],
        ),
    ),
    **{
        in_order(order, ONNX, "ONNX uses another order."): (_in_order(order),)
        for order in ORDERS
        if order not in ("ifgo", "igof", ONNX)
    },
}


def _halves_count_alike(answer: Guarded, rng: np.random.Generator) -> bool:
    *others, B = _onnx_case(2, 3, 2).arguments.values()
    exchanged = np.roll(B, B.size // 2, axis=1)
    pairs = zip(answer(*others, B), answer(*others, exchanged), strict=True)
    return all(np.allclose(one, other) for one, other in pairs)


def _onnx_hides(answer: Guarded, rng: np.random.Generator) -> bool:
    x, h_prev, c_prev, W, R, _ = _onnx_case(2, 3, 2).arguments.values()
    closed = np.concatenate([np.repeat([1.0, -50, 1, 1], 2), np.zeros(8)])[None]
    return np.allclose(answer(x, h_prev, c_prev, 0 * W, 0 * R, closed)[0], 0)


ONNX_PROPERTIES: dict[str, Property] = {
    "With the second slice of a bias at -50, the output gate is closed and h must be 0.": (
        _onnx_hides
    ),
    "The two biases are only ever added, so swapping the halves of B must change nothing.": (
        _halves_count_alike
    ),
}

RESULTS = (Returned("h", "(N, H)"), Returned("c", "(N, H)"))

QUESTIONS = (
    Question(
        name="lstm-step",
        points=3,
        hints=(
            "Print the shape after each line, for N = 3, D = 1, H = 2. What has D + H + 1 "
            "columns, which array has 4H of them, and which have H?",
            "Put x, h_prev and a column of ones (in their dtype) side by side. One product with "
            "M gives you all four sums, also side by side. Split it along the columns, in the "
            "order i, f, g, o. Three slices become shares, and one becomes a candidate. Then "
            "comes the update of chapter 5 (input-gate), and after it the hidden state of "
            "chapter 6 (output-gate).",
            "The sum is the joined batch (N, D + H + 1) times M. (Or x times the first D rows of "
            "M, plus h_prev times the next H, plus the last row.) Slices 1, 2 and 4 go through "
            "the sigmoid, slice 3 through tanh. The new c is f times c_prev plus i times g, and "
            "h is o times tanh of the new c. Return h first.",
        ),
        exam=FunctionExam(
            name="lstm_step",
            solution=step_packed,
            returns=RESULTS,
            cases=(
                *(_case(*sizes) for sizes in SIZES),
                _case(2, 3, 2, scale=40),
                _cancelling(),
                _case(2, 5, 4),
            ),
            mistakes=STEP_MISTAKES,
            properties=STEP_PROPERTIES,
            forbidden=(cell.lstm_step, sequence.lstm_forward, cell.step),
            right="Right: the whole cell, from four slices of one product.",
        ),
    ),
    Question(
        name="foreign-order",
        points=2,
        hints=(
            "Which of the four slices are at the same place in both orders, and which aren't? "
            "The conventions page has ONNX's shapes and order.",
            "Remove the axis of length 1, add the two halves of B, and split. Either split the "
            "sum and give the slices their right names, or put the rows of W, R and the bias "
            "into this book's order and call your own step. Whole slices of H rows move.",
            "In ONNX's order, the first slice is the input gate, the second the output gate, the "
            "third the forget gate, and the fourth the candidate. So this book's i, f, g, o are "
            "ONNX's slices 1, 3, 4, 2, in W, in R and in both halves of B.",
        ),
        exam=FunctionExam(
            name="onnx_step",
            solution=onnx_solution,
            returns=RESULTS,
            cases=(
                *(_onnx_case(*sizes) for sizes in SIZES),
                _onnx_case(2, 3, 2, scale=40),
                _onnx_cancelling(),
                _onnx_case(2, 5, 4),
            ),
            mistakes=ONNX_MISTAKES,
            properties=ONNX_PROPERTIES,
            right="Right: ONNX's parameters, with each slice where it belongs, and both biases.",
        ),
    ),
)
