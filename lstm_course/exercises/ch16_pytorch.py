"""Weights to PyTorch and back, and the final states of a batch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from lstm_course import interop
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question, Stopped
from lstm_course.exercises.engine.mistakes import Mistakes, each, said, wording
from lstm_course.exercises.engine.modules import Module, Observe, Ran, TorchExam, copy_into
from lstm_course.exercises.engine.observing import make
from lstm_course.exercises.engine.parts import as_it_is, drawn, reordered, seeded, sized
from lstm_course.exercises.engine.trials import GATE_SLICES, Answer, Case, Returned

ARRAYS = ("weight_ih_l0", "weight_hh_l0")
BIASES = ("bias_ih_l0", "bias_hh_l0")


def _fill(observe: Observe, lstm: Module, W: Array, U: Array, b: Array) -> Any:
    """Return what the module holds afterwards: the weights, and the sum of the biases."""
    seen = observe(lstm, W, U, b, dtype=str(W.dtype))
    lost = [name for name in seen.given["parameters"] if name not in seen.arrays]
    if lost:
        raise Stopped(
            f"The module has lost {', '.join(lost)}, and can't run without. Leave every parameter "
            "where it is: fill one that you don't need with zeros."
        )
    if (seen.result is None or seen.result is Ellipsis) and seen.holds_the_same():
        raise NotImplementedError
    return *(seen.arrays[name] for name in ARRAYS), _sum_of_biases(seen.arrays, b.shape)


def _sum_of_biases(arrays: dict[str, Array], shape: tuple[int, ...]) -> Array:
    """Return the sum of the two biases, or one of them that hasn't their shape."""
    one, other = (np.asarray(arrays[name]) for name in BIASES)
    return one if one.shape != shape else other if other.shape != shape else one + other


def reorder(array: Array, order: Sequence[int] = (0, 1, 3, 2)) -> Array:
    """Return an array with its four slices in another order."""
    return reordered(array, order)


def to_pytorch(lstm: Any, W: Array, U: Array, b: Array) -> None:
    """Copy weights whose slices are in the order i, f, o, g into a module."""
    filled_with(reorder, reorder, reorder)(lstm, W, U, b)


Change = Callable[[Array], Array]


def filled_with(
    of_W: Change = reorder,
    of_U: Change = reorder,
    of_ih: Change | None = reorder,
    of_hh: Change | None = np.zeros_like,
) -> Answer:
    """Return a function that copies changed arrays; a bias of None keeps its initial values."""

    def fill(lstm: Any, W: Array, U: Array, b: Array) -> None:
        copy_into(lstm, weight_ih_l0=of_W(W), weight_hh_l0=of_U(U))
        if of_ih:
            copy_into(lstm, bias_ih_l0=of_ih(b))
        if of_hh:
            copy_into(lstm, bias_hh_l0=of_hh(b))

    return fill


def _all(change: Change) -> Answer:
    return filled_with(change, change, change)


def _interleaved(array: Array) -> Array:
    return reorder(array).reshape(4, -1, *array.shape[1:]).swapaxes(0, 1).reshape(array.shape)


def _added(lstm: Any, W: Array, U: Array, b: Array) -> None:
    """Add to the module's initial values instead of replacing them."""
    drawn_W, drawn_U, drawn_b = (
        getattr(lstm, name).detach().numpy().copy() for name in (*ARRAYS, BIASES[0])
    )
    filled_with(
        lambda W: drawn_W + reorder(W),
        lambda U: drawn_U + reorder(U),
        lambda b: drawn_b + reorder(b),
    )(lstm, W, U, b)


def _through_float32(array: Array) -> Array:
    return reorder(array).astype(np.float32).astype(array.dtype)


def _with_zeros_of_float32(lstm: Any, W: Array, U: Array, b: Array) -> None:
    import torch

    to_pytorch(lstm, W, U, b)
    lstm.bias_hh_l0 = torch.nn.Parameter(torch.zeros(len(b)))


def _new_module(lstm: Any, W: Array, U: Array, b: Array) -> Any:
    new = make(Module(W.shape[1], U.shape[1]).given(str(W.dtype)))
    to_pytorch(new, W, U, b)
    return new


def _with_exchanged_weights(lstm: Any, W: Array, U: Array, b: Array) -> None:
    to_pytorch(lstm, U, W, b)


def _without_U(lstm: Any, W: Array, U: Array, b: Array) -> None:
    to_pytorch(lstm, W, lstm.weight_hh_l0.detach().numpy()[_back(U)], b)


def _without_W(lstm: Any, W: Array, U: Array, b: Array) -> None:
    to_pytorch(lstm, lstm.weight_ih_l0.detach().numpy()[_back(W)], U, b)


def _back(array: Array) -> Array:
    """Return the order of rows that swaps the two slices back."""
    return reorder(np.arange(len(array)))


def _frozen(lstm: Any, W: Array, U: Array, b: Array) -> None:
    to_pytorch(lstm, W, U, b)
    lstm.requires_grad_(False)


FROZEN = (
    "The values are right, but the module can no longer learn: its parameters don't require "
    "gradients any more. Switch recording off only around the copying."
)
SINGLE = (
    "Right to six digits. On the way, something becomes float32, which keeps no more: "
    "torch.Tensor, torch.zeros and a call of float make float32."
)
MIXED = (
    "The values are right, but the parameters have two dtypes, and such a module can't run. "
    "torch.zeros makes float32 unless you name another dtype."
)
TO_MISTAKES: Mistakes = {
    "The slices are still in the order i, f, o, g. PyTorch reads them as i, f, g, o.": (
        _all(as_it_is),
    ),
    "The weights are in PyTorch's order, but the bias isn't. Swap its slices in the same way.": (
        filled_with(of_ih=as_it_is),
    ),
    **each(
        "The {} weights are still in the order i, f, o, g. Reorder all three arrays.",
        {
            "recurrent": (filled_with(of_U=as_it_is),),
            "input": (filled_with(of_W=as_it_is),),
        },
    ),
    "You transpose each slice of U. PyTorch multiplies as this book does, so rows stay rows.": (
        filled_with(of_U=lambda U: reorder(np.concatenate([one.T for one in np.split(U, 4)]))),
    ),
    "Only the input weights are in PyTorch's order. Reorder all three arrays.": (
        filled_with(of_U=as_it_is, of_ih=as_it_is),
    ),
    "You swap the wrong slices. Compare i, f, o, g with i, f, g, o.": tuple(
        filled_with(*3 * [partial(reorder, order=order)])
        for order in (
            (0, 2, 1, 3),
            (0, 3, 2, 1),
            (1, 0, 2, 3),
            (1, 0, 3, 2),
            (0, 2, 3, 1),
            (0, 3, 1, 2),
        )
    ),
    (
        "One slice is there twice, and another is gone. Slices of an array are views, so your "
        "first assignment overwrites what the second one reads. Copy one first, or join the slices "
        "anew."
    ): (
        _all(partial(reorder, order=(0, 1, 3, 3))),
        _all(partial(reorder, order=(0, 1, 2, 2))),
    ),
    "Your rows alternate between the four gates. PyTorch keeps each gate's rows together.": (
        _all(_interleaved),
    ),
    "Both biases hold b. PyTorch adds the two, so the gates get it twice.": (
        filled_with(of_hh=reorder),
    ),
    **each(
        "{} still holds its initial values, and PyTorch adds it to the other bias.",
        {
            "bias_hh_l0": (filled_with(of_hh=None),),
            "bias_ih_l0": (filled_with(of_ih=None, of_hh=reorder),),
        },
    ),
    **each(
        "{} still holds its initial values. Copy {} there.",
        {("weight_hh_l0", "U"): (_without_U,), ("weight_ih_l0", "W"): (_without_W,)},
    ),
    "The biases still hold their initial values.": (filled_with(of_ih=None, of_hh=None),),
    "Both biases are 0 afterwards. One of them, or their sum, must be b.": (
        filled_with(of_ih=np.zeros_like),
    ),
    "W and U are swapped: W belongs in weight_ih_l0 and U in weight_hh_l0.": (
        _with_exchanged_weights,
    ),
    "You add to the module's initial values. Replace them.": (_added,),
    (
        "The module that you're given keeps its initial values. Fill that one instead of making a "
        "new one."
    ): (_new_module,),
    FROZEN: (_frozen,),
    MIXED: (_with_zeros_of_float32,),
    SINGLE: (_all(_through_float32),),
}


def _asks_for_gradients(observe: Observe) -> bool:
    """Return whether the module can learn. A frozen bias of zeros costs it nothing."""
    seen = observe(*_to_case(3, 2).arguments.values())
    return all(
        learns or (name in BIASES and not seen.arrays[name].any())
        for name, learns in seen.learns.items()
    )


def _is_of_one_dtype(observe: Observe) -> bool:
    seen = observe(*_to_case(3, 2).arguments.values())
    return len({array.dtype for array in seen.arrays.values()}) == 1


def _fills_exactly(observe: Observe) -> bool:
    """Return whether the weights are copies. Two biases may add up to b with rounding."""
    lstm, W, U, b = _to_case(3, 2).arguments.values()
    held_W, held_U, held_b = _fill(observe, lstm, W, U, b)
    copied = np.array_equal(held_W, reorder(W)) and np.array_equal(held_U, reorder(U))
    return copied and np.allclose(held_b, reorder(b), rtol=1e-12, atol=0)


SHARED = (
    "The values are right, but module and arrays share memory, so training one would change the "
    "other. Make copies."
)


@sized
def _to_case(D: int, H: int) -> Case:
    arrays = drawn("W U b", seed=1, D=D, H=H)
    return Case({"D": D, "H": H}, {"lstm": Module(D, H), **arrays})


def _read(observe: Observe, lstm: Module) -> Any:
    return observe(lstm).result


@sized
def _from_case(D: int, H: int, **settings: bool) -> Case:
    return Case({"D": D, "H": H}, {"lstm": Module(D, H, **settings)})


def read_with(
    of_biases: Callable[[Array, Array], Array] = np.add,
    of_weights: Change = as_it_is,
    without: float = 0.0,
) -> Answer:
    """Return a function that reads W, U and b, and changes them."""

    def read(lstm: Any) -> tuple[Array, ...]:
        state = {name: tensor.numpy().copy() for name, tensor in lstm.state_dict().items()}
        W, U = (of_weights(state[name]) for name in ARRAYS)
        if not lstm.bias:
            return W, U, np.full(len(W), without, W.dtype)
        return W, U, of_biases(*(state[name] for name in BIASES))

    return read


def from_pytorch(lstm: Any) -> tuple[Array, ...]:
    """Return W, U and b of a module, copied."""
    return read_with()(lstm)


def _raising_without_bias(lstm: Any) -> tuple[Array, ...]:
    if not lstm.bias:
        raise AttributeError("bias_ih_l0")
    return from_pytorch(lstm)


def _reading_views(lstm: Any) -> tuple[Array, ...]:
    *_, b = from_pytorch(lstm)
    return *(getattr(lstm, name).detach().numpy() for name in ARRAYS), b


def _adding_in_place(lstm: Any) -> tuple[Array, ...]:
    W, U, b = from_pytorch(lstm)
    if lstm.bias:
        copy_into(lstm, bias_ih_l0=b)
    return W, U, b


def _with_zeros_of_float64(lstm: Any) -> tuple[Array, ...]:
    W, U, b = from_pytorch(lstm)
    return W, U, b if lstm.bias else np.zeros(len(b))


def _in_float64(lstm: Any) -> tuple[Array, ...]:
    return tuple(array.astype(np.float64) for array in from_pytorch(lstm))


def _read_through_float32(lstm: Any) -> tuple[Array, ...]:
    return tuple(array.astype(np.float32).astype(array.dtype) for array in from_pytorch(lstm))


def _with_forget_bias(one: Array, other: Array) -> Array:
    b = one + other
    b[len(b) // 4 : len(b) // 2] += 1
    return b


CHANGED = "The values are right, but your function changes the module, which it should only read."
WIDENED = "The values are right, but a float32 module gives you float64 arrays."
FROM_MISTAKES: Mistakes = {
    **each(
        "Your b is {} alone. PyTorch adds {} to it.",
        {
            BIASES: (read_with(lambda a, b: a),),
            BIASES[::-1]: (read_with(lambda a, b: b),),
        },
    ),
    "Your b is the mean of the two biases. The gates get their sum.": (
        read_with(lambda a, b: (a + b) / 2),
    ),
    "Your b is the difference of the two biases, which has no effect. Their sum does.": (
        read_with(lambda a, b: a - b),
        read_with(lambda a, b: b - a),
    ),
    "Your b is twice one of the biases. The two aren't equal.": (
        read_with(lambda a, b: 2 * a),
        read_with(lambda a, b: 2 * b),
    ),
    "Your b is the product of the two biases. PyTorch adds them.": (read_with(np.multiply),),
    "Your b is 0, although the module has biases.": (read_with(lambda a, b: 0 * a),),
    "You add 1 to the bias of the forget gate. Return only what the module holds.": (
        read_with(_with_forget_bias),
    ),
    (
        "A module with bias=False has no biases, and your function returns no b that fits. Return "
        "4H zeros."
    ): (_raising_without_bias,),
    "A module with bias=False adds no bias, so b must be 0.": (read_with(without=1.0),),
    "You swap the last two slices. PyTorch's order, i, f, g, o, is also this book's.": (
        read_with(lambda a, b: reorder(a + b), reorder),
    ),
    SHARED: (_reading_views,),
    CHANGED: (_adding_in_place,),
    WIDENED: (_in_float64, _with_zeros_of_float64),
    SINGLE: (_read_through_float32,),
}


def _reads_copies(observe: Observe) -> bool:
    return not observe(Module(3, 2)).shared


def _reads_only(observe: Observe) -> bool:
    return observe(Module(3, 2)).is_unchanged()


def _reads_exactly(observe: Observe) -> bool:
    seen = observe(Module(3, 2))
    W, U, *biases = seen.given["parameters"].values()
    return all(map(np.array_equal, seen.result, (W, U, sum(biases))))


def _keeps_float32(observe: Observe) -> bool:
    results = [observe(Module(3, 2, bias), dtype="float32").result for bias in (True, False)]
    return all(np.asarray(one).dtype == np.float32 for each in results for one in each)


def _encode(observe: Observe, lstm: Module, batch: Array) -> Any:
    return observe(lstm, batch, dtype=str(batch.dtype)).result


Pick = Callable[[Any, Any, Any], Any]


def encoded_with(
    pick: Pick,
    enter: Change = lambda batch: batch.swapaxes(0, 1),
) -> Answer:
    """Return a function that runs the module and picks from output, h_n and c_n."""

    def encode(lstm: Any, batch: Array) -> Any:
        import torch

        with torch.no_grad():
            hs, (h_n, c_n) = lstm(torch.from_numpy(np.array(enter(batch), order="C")))
        return pick(*(one.numpy() for one in (hs, h_n, c_n)))

    return encode


def _side_by_side(hs: Array, h_n: Array, c_n: Array) -> Array:
    return np.concatenate([h_n[0], h_n[1]], axis=1)


def _halves(rows: Array) -> list[Array]:
    return np.split(rows, 2, axis=1)


def _backward_flipped(last: Change) -> Answer:
    """Return a function that runs again, on flipped sequences, for the backward half."""

    def encode(lstm: Any, batch: Array) -> Any:
        forward = encoded_with(lambda hs, h, c: h[0])(lstm, batch)
        flipped = encoded_with(lambda hs, h, c: last(hs))(lstm, batch[:, ::-1])
        return np.concatenate([forward, _halves(flipped)[1]], axis=1)

    return encode


def _turning_the_module(lstm: Any, batch: Array) -> Any:
    lstm.batch_first = True
    return encoded_with(_side_by_side, as_it_is)(lstm, batch)


def _encoded_in_float32(lstm: Any, batch: Array) -> Any:
    import copy

    single = copy.deepcopy(lstm).float()
    return encoded_with(_side_by_side)(single, batch.astype(np.float32)).astype(batch.dtype)


def _reshaped(batch: Array) -> Array:
    return batch.reshape(batch.shape[1], batch.shape[0], -1)


ENCODE_MISTAKES: Mistakes = {
    (
        "Batch and time are swapped: this module takes the first axis for the steps. You get no "
        "error, but each sequence reads what others left behind."
    ): (
        encoded_with(_side_by_side, as_it_is),
        encoded_with(lambda hs, h, c: hs[:, -1], as_it_is),
        encoded_with(lambda hs, h, c: hs[-1], as_it_is),
    ),
    (
        "You reshape the batch where you should swap its axes. The sizes are right, but the steps "
        "of different sequences get mixed up."
    ): (encoded_with(_side_by_side, _reshaped),),
    **each(
        "The {} half is right. For the other you take its direction's state at the {} step, where "
        "it had read just one step: that direction ends at the {}.",
        {
            ("forward", "last", "first"): (encoded_with(lambda hs, h, c: hs[-1]),),
            ("backward", "first", "last"): (encoded_with(lambda hs, h, c: hs[0]),),
        },
    ),
    (
        "For each half you take the state after the first step it read. Forward ends at the last "
        "step, backward at the first."
    ): (encoded_with(lambda hs, h, c: np.concatenate([_halves(hs[0])[0], _halves(hs[-1])[1]], 1)),),
    (
        "You fold the states into rows without swapping axes. They run direction by direction, so "
        "a row holds states of different sequences."
    ): (encoded_with(lambda hs, h, c: h.reshape(h.shape[1], -1)),),
    "The halves are swapped: the forward direction comes first.": (
        encoded_with(lambda hs, h, c: np.concatenate([h[1], h[0]], axis=1)),
    ),
    **said(
        "cells-returned",
        encoded_with(lambda hs, h, c: np.concatenate([c[0], c[1]], axis=1)),
    ),
    **each(
        "Both halves are the {} direction.",
        {
            "forward": (encoded_with(lambda hs, h, c: np.concatenate([h[0], h[0]], axis=1)),),
            "backward": (encoded_with(lambda hs, h, c: np.concatenate([h[1], h[1]], axis=1)),),
        },
    ),
    **each(
        "This is the {} over the steps. The question asks for the final states.",
        {
            "mean": (encoded_with(lambda hs, h, c: hs.mean(axis=0)),),
            "maximum": (encoded_with(lambda hs, h, c: hs.max(axis=0)),),
        },
    ),
    "You feed the sequences in from their ends, so forward and backward are swapped.": (
        encoded_with(_side_by_side, lambda batch: batch.swapaxes(0, 1)[::-1]),
    ),
    (
        "You flip the sequences for the backward half. The backward direction already reads from "
        "the end, so flipped once more it reads from the start."
    ): (
        _backward_flipped(lambda hs: hs[-1]),
        _backward_flipped(lambda hs: hs[0]),
    ),
    (
        "Your rows alternate between the units of the two directions. Put the halves next to each "
        "other."
    ): (encoded_with(lambda hs, h, c: np.stack([h[0], h[1]], 2).reshape(h.shape[1], -1)),),
    CHANGED: (_turning_the_module,),
    SINGLE: (_encoded_in_float32,),
}


@sized
def _encode_case(N: int, T: int, D: int, H: int) -> Case:
    batch = seeded(N, T, D, H).normal(size=(N, T, D))
    lstm = Module(D, H, bidirectional=True)
    return Case({"N": N, "T": T, "D": D, "H": H}, {"lstm": lstm, "batch": batch})


def _leaves_the_encoder_alone(observe: Observe) -> bool:
    return observe(*_encode_case(2, 3, 3, 2).arguments.values()).is_unchanged()


def _encodes_in_float64(observe: Observe) -> bool:
    lstm, batch = _encode_case(2, 3, 3, 2).arguments.values()
    expected = Ran(_encode, encoded_with(_side_by_side))(lstm, batch)
    return np.allclose(observe(lstm, batch).result, expected, rtol=1e-10, atol=1e-12)


def _alone_as_in_company(f: Answer, rng: np.random.Generator) -> bool:
    lstm, batch = _encode_case(4, 3, 2, 3).arguments.values()
    rows, row = f(lstm, batch), f(lstm, batch[3:])
    return np.shape(rows) != (4, 6) or np.shape(row) != (1, 6) or np.allclose(rows[3:], row)


SIZES = ((3, 3), (1, 1), (2, 1), (2, 3), (5, 2))

QUESTIONS = (
    Question(
        name="to-pytorch",
        points=3,
        hints=(
            "Write down the four slices as they come and, below, as PyTorch reads them. Then list "
            "the module's parameters: there's one more than you have arrays.",
            "Two slices trade places, in all three arrays. And of the two biases only the sum "
            "counts, so decide what each should hold: neither keeps its initial values.",
            "Split each array into four, join them again with the last two swapped, and copy the "
            "results into the two weights and bias_ih_l0. Set bias_hh_l0 to zeros. Do all of that "
            "without recording.",
        ),
        exam=TorchExam(
            name="to_pytorch",
            run=_fill,
            solution=to_pytorch,
            returns=(
                Returned("weight_ih_l0", "(4H, D)", GATE_SLICES),
                Returned("weight_hh_l0", "(4H, H)", GATE_SLICES),
                Returned("bias_ih_l0 + bias_hh_l0", "(4H,)", GATE_SLICES),
            ),
            cases=tuple(_to_case(*sizes) for sizes in SIZES),
            mistakes=TO_MISTAKES,
            demands={
                FROZEN: _asks_for_gradients,
                MIXED: _is_of_one_dtype,
                SINGLE: _fills_exactly,
            },
            forbidden=(interop.to_pytorch,),
            unchanged="Your function has left the module as it was.",
            right="Right: the module computes what the weights say, and the bias counts once.",
        ),
    ),
    Question(
        name="from-pytorch",
        points=2,
        hints=(
            "Which of the module's parameters have no counterpart in W, U and b? Ask what the "
            "gates get from them, and what becomes of them with bias=False.",
            "A parameter becomes an array in two steps: detach it from the record, then convert "
            "it. The array still shares the module's memory, so copy it.",
            "W and U are copies of weight_ih_l0 and weight_hh_l0, with the slices as they are. b "
            "is the sum of bias_ih_l0 and bias_hh_l0, or 4H zeros of the weights' dtype if there "
            "are none.",
        ),
        exam=TorchExam(
            name="from_pytorch",
            run=_read,
            solution=from_pytorch,
            returns=(
                Returned("W", "(4H, D)", GATE_SLICES),
                Returned("U", "(4H, H)", GATE_SLICES),
                Returned("b", "(4H,)", GATE_SLICES),
            ),
            cases=(
                *(_from_case(*sizes) for sizes in SIZES),
                _from_case(3, 4, batch_first=True),
                _from_case(2, 4, bias=False),
            ),
            mistakes=FROM_MISTAKES,
            demands={
                SHARED: _reads_copies,
                CHANGED: _reads_only,
                WIDENED: _keeps_float32,
                SINGLE: _reads_exactly,
            },
            forbidden=(interop.from_pytorch,),
            right="Right: one bias, the sum of two, and no memory shared with the module.",
        ),
    ),
    Question(
        name="final-states",
        points=2,
        hints=(
            "Compare two shapes: the batch's, and the one that a module without batch_first "
            "reads. Then run one sequence alone, and again in company.",
            "Besides the output, the module returns the final states, one entry for each "
            "direction. In the output they're at two different steps.",
            "Swap the first two axes of the batch and run the module. Put the two entries of h_n "
            "next to each other, forward first, and detach them into an array.",
        ),
        exam=TorchExam(
            name="final-states",
            run=_encode,
            solution=encoded_with(_side_by_side),
            returns=(Returned(shape="(N, 2H)"),),
            cases=tuple(
                _encode_case(*sizes)
                for sizes in (
                    (3, 3, 3, 3),
                    (1, 1, 1, 1),
                    (1, 3, 2, 2),
                    (3, 1, 2, 1),
                    (2, 3, 2, 3),
                    (2, 3, 2, 1),
                    (4, 2, 3, 2),
                )
            ),
            mistakes=ENCODE_MISTAKES,
            properties={
                wording("alone", sequence="sequence", result="encoding"): _alone_as_in_company,
            },
            demands={CHANGED: _leaves_the_encoder_alone, SINGLE: _encodes_in_float64},
            right=(
                "Right: each sequence has its own row, and both directions have read it to the end."
            ),
        ),
    ),
)
