"""Exercise 07: the whole step, and the same step with another framework's parameters."""

from collections.abc import Callable
from itertools import permutations

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.sums import SUMS, Sum, affine
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid, tanh

Squash = Callable[[Array], Array]
Gates = tuple[Array, Array, Array, Array]
ORDERS = tuple("".join(order) for order in permutations("ifgo"))
ONNX = "iofg"


def _taken(order: str, right: str, whose: str) -> str:
    """Return what to say of slices taken in another order than the right one.

    Gates that all are sigmoids can as well have changed places after the slices were taken.
    """
    moved = [gate for gate, other in zip(right, order, strict=True) if gate != other]
    taken = f"ou take the slices in the order {', '.join(order)}"
    if "g" in moved:
        return f"Y{taken}. {whose}"
    names = f"{', '.join(moved[:-1])} and {moved[-1]}"
    return f"Either y{taken}, or {names} have changed places where you use them. {whose}"


def step(
    x: Array,
    h_prev: Array,
    c_prev: Array,
    W: Array,
    U: Array,
    b: Array,
    a: Sum = affine,
    order: str = "ifgo",
    squash: Squash = sigmoid,
    squash_g: Squash = tanh,
) -> tuple[Array, Array]:
    """Return h and c after one step, with a sum, an order of the slices, and squashings."""
    slices = np.split(a(x, h_prev, W, U, b), 4, axis=1)
    i, f, o = (squash(slices[order.index(gate)]) for gate in "ifo")
    g = squash_g(slices[order.index("g")])
    c = f * c_prev + i * g
    return o * tanh(c), c


def lstm_step(
    x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    """Return h and c after one step."""
    return step(x, h_prev, c_prev, W, U, b)


def _arguments(N: int, D: int, H: int, scale: float) -> dict[str, Array]:
    rng = np.random.default_rng([N, D, H])
    shapes: dict[str, tuple[int, ...]] = {"x": (N, D), "h_prev": (N, H), "c_prev": (N, H)}
    shapes |= {"W": (4 * H, D), "U": (4 * H, H), "b": (4 * H,)}
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


def _case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    sizes = {"N": N, "D": D, "H": H}
    return Case(sizes, _arguments(N, D, H, scale), large=scale > 1)


SIZES = ((3, 3, 3), (1, 1, 1), (1, 4, 2), (3, 1, 2), (3, 2, 1), (4, 2, 3))


def _updated(update: Callable[[Array, Array, Array, Array, Array], Array]) -> Answer:
    """Return an answer whose new cell state is update(i, f, g, c_prev, h_prev)."""

    def answer(
        x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
    ) -> tuple[Array, Array]:
        i, f, g, o = gates(x, h_prev, W, U, b)
        c = update(i, f, g, c_prev, h_prev)
        return o * tanh(c), c

    return answer


def _shown(show: Callable[[Array, Array, Array], Array]) -> Answer:
    """Return an answer whose hidden state is show(o, c, c_prev)."""

    def answer(
        x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
    ) -> tuple[Array, Array]:
        i, f, g, o = gates(x, h_prev, W, U, b)
        c = f * c_prev + i * g
        return show(o, c, c_prev), c

    return answer


def gates(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Gates:
    """Return i, f, g, o."""
    i, f, g, o = np.split(affine(x, h_prev, W, U, b), 4, axis=1)
    return sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)


def _same(a: Array) -> Array:
    return a


def _interleaved(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    a = affine(x, h_prev, W, U, b)
    return np.concatenate([a[:, k::4] for k in range(4)], axis=1)


def _with_bias_of_o(gates: str) -> Answer:
    """Return an answer that gives the bias of the output gate to other gates too."""

    def answer(
        x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
    ) -> tuple[Array, Array]:
        parts = np.split(b, 4)
        for gate in gates:
            parts["ifgo".index(gate)] = parts[3]
        return step(x, h_prev, c_prev, W, U, np.concatenate(parts))

    return answer


def _with_one_more_for_f(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    return affine(x, h_prev, W, U, b) + np.repeat([0, 1, 0, 0], b.size // 4).astype(b.dtype)


def _o_reads_the_new_h(
    x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    h, c = step(x, h_prev, c_prev, W, U, b)
    return gates(x, h, W, U, b)[3] * tanh(c), c


def _one_block(k: int) -> Sum:
    """Return a sum in which all four maps share block k of the parameters."""

    def shared(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
        return np.tile(np.split(affine(x, h_prev, W, U, b), 4, axis=1)[k], 4)

    return shared


def _variant(
    a: Sum = affine, order: str = "ifgo", squash: Squash = sigmoid, squash_g: Squash = tanh
) -> Answer:
    """Return an answer that differs from the right one in these."""
    return lambda x, h, c, W, U, b: step(x, h, c, W, U, b, a, order, squash, squash_g)


STEP_MISTAKES: dict[str, tuple[Answer, ...]] = {
    "The cell state is shown without its tanh, so the hidden state has no bound.": (
        _shown(lambda o, c, c_prev: o * c),
    ),
    "The gate acts before the tanh. It is a share of what is already squashed.": (
        _shown(lambda o, c, c_prev: tanh(o * c)),
    ),
    "The hidden state shows the old cell state. The update comes first.": (
        _shown(lambda o, c, c_prev: o * tanh(c_prev)),
    ),
    "The output gate has no effect: this is the squashed cell state, whole.": (
        _shown(lambda o, c, c_prev: tanh(c)),
    ),
    "This is the output gate itself. The hidden state is what it shows of the cell state.": (
        _shown(lambda o, c, c_prev: o),
    ),
    "The cell state is squashed by a sigmoid. Then nothing negative is ever shown.": (
        _shown(lambda o, c, c_prev: o * sigmoid(c)),
    ),
    "The squashed cell state is handed on. Only what is shown is squashed.": (
        lambda *args: (lstm_step(*args)[0], tanh(lstm_step(*args)[1])),
    ),
    "This is the written part alone. What is kept of the old cell state is missing.": (
        _updated(lambda i, f, g, c, h: i * g),
    ),
    "This is the kept part alone. What is written is missing.": (
        _updated(lambda i, f, g, c, h: f * c),
    ),
    "The forget gate has no effect: the old cell state is kept whole.": (
        _updated(lambda i, f, g, c, h: c + i * g),
    ),
    "The input gate has no effect: the candidate is written whole.": (
        _updated(lambda i, f, g, c, h: f * c + g),
    ),
    "Input gate and candidate are added. A share of something is a product.": (
        _updated(lambda i, f, g, c, h: f * c + i + g),
    ),
    "What is kept and what is written are multiplied. The new state is their sum.": (
        _updated(lambda i, f, g, c, h: f * c * i * g),
    ),
    "You keep 1 - f of the old state. A forget gate of 1 keeps, it does not erase.": (
        _updated(lambda i, f, g, c, h: (1 - f) * c + i * g),
    ),
    "You write 1 - f of the candidate. This cell has an input gate for that.": (
        _updated(lambda i, f, g, c, h: f * c + (1 - f) * g),
    ),
    "The forget gate acts on the old hidden state. It decides what stays of the cell state.": (
        _updated(lambda i, f, g, c, h: f * h + i * g),
    ),
    "The gates read the old cell state where the question has the hidden state.": (
        lambda x, h, c, W, U, b: step(
            x, c, c, W, U, b, a=lambda x, _, W, U, b: x @ W.T + c @ U.T + b
        ),
    ),
    "h_prev and c_prev have changed places.": (lambda x, h, c, W, U, b: step(x, c, h, W, U, b),),
    "The candidate is squashed by a sigmoid, as the gates are. It must be able to be negative.": (
        _variant(squash_g=sigmoid),
    ),
    "All four slices are squashed by tanh. Three of them are shares, from 0 to 1.": (
        _variant(squash=tanh),
    ),
    "The candidate is not squashed, so a single step could write any amount.": (
        _variant(squash_g=_same),
    ),
    "The gates are not squashed, so they are no shares.": (_variant(squash=_same),),
    "You take every fourth column. The four slices stand one after the other, H columns each.": (
        _variant(a=_interleaved),
    ),
    "All four gates are computed from the first slice. Each has one of its own.": (
        _variant(a=_one_block(0)),
    ),
    "Every gate is given the bias of the output gate. Each has a slice of b to itself.": (
        _with_bias_of_o("ifg"),
    ),
    "Input and forget gate are given the bias of the output gate.": (_with_bias_of_o("if"),),
    "You add 1 to the forget gate's sum. What helps a cell at its start is in b already.": (
        _variant(a=_with_one_more_for_f),
    ),
    "The output gate reads the new hidden state. All four gates read the old one.": (
        _o_reads_the_new_h,
    ),
    **{sentence: tuple(_variant(a=a) for a in sums) for sentence, sums in SUMS.items()},
    **{
        _taken(order, "ifgo", "The question stacks them as i, f, g, o."): (_variant(order=order),)
        for order in ORDERS
        if order != "ifgo"
    },
}


def _open(answer: Guarded, biases: tuple[float, float, float, float]) -> tuple[Array, Array, Array]:
    """Return c_prev, h and c for gates i, f, g, o that are set by their biases alone."""
    x, h_prev, c_prev, W, U, _ = _case(2, 3, 2).arguments.values()
    h, c = answer(x, h_prev, c_prev, 0 * W, 0 * U, np.repeat(np.array(biases), 2))
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
    x, h_prev, c_prev, *parameters = _case(2, 3, 2).arguments.values()
    return bool((np.abs(answer(x, h_prev, 20 * c_prev, *parameters)[0]) <= 1).all())


STEP_PROPERTIES: dict[str, Property] = {
    "With f = 1 and i = 0, set by the biases, the cell state must stay as it is.": _keeps,
    "With f = 0, i = 1 and g = -1, set by the biases, the new cell state must be -1.": _replaces,
    "With the output gate closed the hidden state must be 0.": _hides,
    "No entry of h may be above 1 in absolute value, however large the cell state is.": _is_bounded,
}


def onnx_step(
    x: Array, h_prev: Array, c_prev: Array, W: Array, R: Array, B: Array, order: str = ONNX
) -> tuple[Array, Array]:
    """Return h and c after one step, with parameters stacked as ONNX stacks them."""
    of_input, of_state = np.split(B[0], 2)
    return step(x, h_prev, c_prev, W[0], R[0], of_input + of_state, order=order)


def onnx_solution(
    x: Array, h_prev: Array, c_prev: Array, W: Array, R: Array, B: Array
) -> tuple[Array, Array]:
    """Return h and c after one step with ONNX's parameters."""
    return onnx_step(x, h_prev, c_prev, W, R, B)


def _onnx_case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    arguments = _arguments(N, D, H, scale)
    W, R, b = arguments.pop("W"), arguments.pop("U"), arguments.pop("b")
    other = scale * np.random.default_rng([H, D, N, 1]).normal(size=b.shape)
    arguments |= {"W": W[None], "R": R[None], "B": np.concatenate([b, other])[None]}
    return Case({"N": N, "D": D, "H": H}, arguments, large=scale > 1)


def reordered(stacked: Array, order: str) -> Array:
    """Return the slices along axis 0, those of `order`, in the course's order."""
    slices = np.split(stacked, 4)
    return np.concatenate([slices[order.index(gate)] for gate in "ifgo"])


def _in_order(order: str) -> Answer:
    """Return an answer that takes all slices in this order."""
    return lambda x, h, c, W, R, B: onnx_step(x, h, c, W, R, B, order)


def _partly(W_order: str, R_order: str, B_order: str) -> Answer:
    """Return an answer that takes each parameter's slices in an order of its own."""
    return lambda x, h, c, W, R, B: step(
        x,
        h,
        c,
        reordered(W[0], W_order),
        reordered(R[0], R_order),
        reordered(B[0].reshape(2, -1).sum(axis=0), B_order),
    )


def _biased(bias: Callable[[Array, Array], Array]) -> Answer:
    """Return an answer that makes one bias of the two halves in its own way."""
    return lambda x, h, c, W, R, B: step(x, h, c, W[0], R[0], bias(*np.split(B[0], 2)), order=ONNX)


def _back(b: Array) -> Array:
    """Return a bias so stacked that reading it in ONNX's order leaves it as it was."""
    slices = np.split(b, 4)
    return np.concatenate([slices["ifgo".index(gate)] for gate in ONNX])


ONNX_MISTAKES: dict[str, tuple[Answer, ...]] = {
    "You take the slices as this book stacks them. ONNX's order is another.": (
        _partly("ifgo", "ifgo", "ifgo"),
    ),
    "The reordering goes the wrong way: it would turn this book's order into ONNX's.": (
        _in_order("igof"),
    ),
    "W is reordered, and R and B are not.": (_partly(ONNX, "ifgo", "ifgo"),),
    "R is reordered, and W and B are not.": (_partly("ifgo", ONNX, "ifgo"),),
    "W and R are reordered, and the biases are not.": (_partly(ONNX, ONNX, "ifgo"),),
    "W and the biases are reordered, and R is not.": (_partly(ONNX, "ifgo", ONNX),),
    "R and the biases are reordered, and W is not.": (_partly("ifgo", ONNX, ONNX),),
    "Only the first half of B is used. The second belongs to the recurrent map.": (
        _biased(lambda one, other: one),
    ),
    "Only the second half of B is used. The first belongs to the map of the input.": (
        _biased(lambda one, other: other),
    ),
    "Of B only the first half is reordered. Both have ONNX's order.": (
        _biased(lambda one, other: one + _back(other)),
    ),
    "Of B only the second half is reordered. Both have ONNX's order.": (
        _biased(lambda one, other: _back(one) + other),
    ),
    "B has no effect.": (_biased(lambda one, other: 0 * one),),
    "The mean of the two halves of B is taken. Both are added to the sum.": (
        _biased(lambda one, other: (one + other) / 2),
    ),
    "The two halves of B are multiplied. Both are added to the sum.": (
        _biased(lambda one, other: one * other),
    ),
    "The halves of B are mixed up: you take neighbours as a pair, and they stand 4H apart.": (
        lambda x, h, c, W, R, B: step(
            x, h, c, W[0], R[0], B[0].reshape(-1, 2).sum(axis=1), order=ONNX
        ),
        lambda x, h, c, W, R, B: step(x, h, c, W[0], R[0], B[0, ::2], order=ONNX),
    ),
    "W and R have changed places: W belongs to the input x, R to the hidden state.": (
        lambda x, h, c, W, R, B: onnx_step(x, h, c, R, W, B),
    ),
    "h_prev and c_prev have changed places.": (
        lambda x, h, c, W, R, B: onnx_step(x, c, h, W, R, B),
    ),
    "The order is right, and the cell state is shown without its tanh.": (
        lambda *args: (
            onnx_step(*args)[0] / tanh(onnx_step(*args)[1]) * onnx_step(*args)[1],
            onnx_step(*args)[1],
        ),
    ),
    **{
        _taken(order, ONNX, "ONNX has another order."): (_in_order(order),)
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
    "With the second slice of a bias at -50 the output gate is closed, and h must be 0.": (
        _onnx_hides
    ),
    "The two biases are only ever added: with the halves of B exchanged nothing may change.": (
        _halves_count_alike
    ),
}

RESULTS = (Returned("h", "(N, H)"), Returned("c", "(N, H)"))

QUESTIONS = (
    Question(
        name="lstm-step",
        points=3,
        hints=(
            "Print the shape after each line, for N = 3, D = 1, H = 2. Which array has 4H columns, "
            "and which have H?",
            "One map gives all four sums side by side. Cut it along the columns in the order i, f, "
            "g, o. Three slices become shares, one becomes a candidate. Then come the update of "
            "chapter 5 (input-gate) and the hidden state of chapter 6 (output-gate), in this "
            "order.",
            "The sum is x times W transposed, plus h_prev times U transposed, plus b. Slices 1, 2 "
            "and 4 go through the sigmoid, slice 3 through tanh. The new c is f times c_prev plus "
            "i times g, and h is o times tanh of the new c. Return h first.",
        ),
        exam=FunctionExam(
            name="lstm_step",
            solution=lstm_step,
            returns=RESULTS,
            cases=(*(_case(*sizes) for sizes in SIZES), _case(2, 3, 2, scale=40), _case(2, 5, 4)),
            mistakes=STEP_MISTAKES,
            properties=STEP_PROPERTIES,
            right="Right: the whole cell, from four slices of one map.",
        ),
    ),
    Question(
        name="foreign-order",
        points=2,
        hints=(
            "Which of the four slices stand at the same place in both orders, and which do not? "
            "The conventions page has ONNX's shapes and order.",
            "Take off the axis of length 1, add the two halves of B, and cut. Either you cut the "
            "sum and give the slices their right names, or you put the rows of W, R and the bias "
            "into this book's order and call your own step. Whole slices of H rows move.",
            "In ONNX's order the first slice is the input gate, the second the output gate, the "
            "third the forget gate, the fourth the candidate. So this book's i, f, g, o are ONNX's "
            "slices 1, 3, 4, 2, in W, in R and in both halves of B.",
        ),
        exam=FunctionExam(
            name="onnx_step",
            solution=onnx_solution,
            returns=RESULTS,
            cases=(
                *(_onnx_case(*sizes) for sizes in SIZES),
                _onnx_case(2, 3, 2, scale=40),
                _onnx_case(2, 5, 4),
            ),
            mistakes=ONNX_MISTAKES,
            properties=ONNX_PROPERTIES,
            right="Right: ONNX's parameters, each slice where it belongs, and both biases.",
        ),
    ),
)
