"""The cell over a sequence, as fast as NumPy can go: the same results as `sequence`, other loops.

There are four ideas. What does not depend on the state leaves the loop: the input's product comes
before it, the weights' gradients and most factors of the gates' gradients come after it. Within a
step, each gate is one block of memory, (N, H), and no array is allocated. Blocks that meet are
neighbours, so one call multiplies (i, f) by (g, c). And a sigmoid is an exponential,
1 / (1 + exp(-a)), with the sign multiplied into the weights beforehand.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import DTypeLike

from lstm_course._checks import Array, check_sums, finite, float_array, state, tiny_is_zero
from lstm_course._memory import empty
from lstm_course.cell import LSTMParams, check_params

COLUMNS = 512
"""About this many inputs, steps times sequences, go into one product outside the loop."""
PADDING = 16
"""Rows in a product are longer by this, so that they do not start a power of two apart."""


class SequenceCache(NamedTuple):
    """What a forward run keeps for its backward run."""

    xs: Array  # (T, N, D)
    hs_ones: Array  # (T + 1, N, H + 1) hidden states, the initial one first, and a column of ones
    blocks: Array  # (T + 1, 5, N, H): i, f, o, g of each step and the cell state it started from
    tanh_cs: Array  # (T, N, H)
    params: LSTMParams

    @property
    def cs(self) -> Array:
        """(T + 1, N, H) cell states, the initial one first."""
        return self.blocks[:, 4]


def lstm_forward(
    xs: Array, params: LSTMParams, h0: Array | None = None, c0: Array | None = None
) -> tuple[Array, tuple[Array, Array], SequenceCache]:
    """Run the cell over a batch of sequences, like `sequence.lstm_forward` but with another cache.

    In float64 each tanh is right to within 4e-16, but not to 16 digits. So if a candidate or a
    cell state is that small, h may be 0 where `sequence.lstm_forward` finds 1e-16.

    Parameters, errors: as in `sequence.lstm_forward`.

    Returns
    -------
    hs
        (T, N, H) hidden state after every step.
    (h_T, c_T)
        (N, H) final hidden and cell state.
    cache
        For `lstm_backward` in this module.

    Examples
    --------
    >>> from lstm_course import example
    >>> hs, (h_T, c_T), cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    >>> c_T.round(4)
    array([[0.9412, 0.309 ]])
    """
    return _run(xs, params, h0, c0, keep=True)


def lstm_infer(
    xs: Array, params: LSTMParams, h0: Array | None = None, c0: Array | None = None
) -> tuple[Array, tuple[Array, Array]]:
    """Run the cell as `lstm_forward` does, and keep nothing for a backward run.

    Apart from the results, memory does not grow with T. Parameters, errors, results: as there.

    Examples
    --------
    >>> from lstm_course import example
    >>> hs, (h_T, c_T) = lstm_infer(example.xs, example.params, example.h0, example.c0)
    >>> c_T.round(4)
    array([[0.9412, 0.309 ]])
    """
    return _run(xs, params, h0, c0, keep=False)[:2]


@tiny_is_zero
def _run(
    xs: Array, params: LSTMParams, h0: Array | None, c0: Array | None, keep: bool
) -> tuple[Array, tuple[Array, Array], SequenceCache]:
    check_params(params)
    dtype, D, H = params.bias.dtype, params.input_size, params.hidden_size
    xs = finite("xs", float_array("xs", xs, ("T", "N", D), dtype))
    T, N, _ = xs.shape
    hs, tanh_cs = empty((T, N, H), dtype), _steps(keep, (T, N, H), dtype)
    hs_ones = _steps(keep, (T + 1, N, H + PADDING), dtype)[..., : H + 1]
    blocks = _steps(keep, (T + 1, 5, N, H), dtype)
    hs_ones[..., H] = 1
    hs_ones[0, :, :H] = state("h0", h0, (N, H), dtype)
    check_sums(xs, hs_ones[0, :, :H], params)
    blocks[0, 4] = state("c0", c0, (N, H), dtype)

    W, U_bias = empty((4 * H, D), dtype).T, empty((H + 1, 4 * H), dtype)
    for columns, rows in zip((W, U_bias[:H], U_bias[H]), params.arrays(), strict=True):
        _prepare(rows, columns.T)  # the bias weighs the ones
    product, one = np.empty((N, 4 * H), dtype), np.ones((), dtype)
    from_h = product.reshape(N, 4, H).swapaxes(0, 1)  # (4, N, H), the product gate by gate
    terms = np.empty((2, N, H), dtype)
    written, kept = terms
    add, multiply, divide, matmul, exp = np.add, np.multiply, np.divide, np.matmul, np.exp
    tanh = np.tanh if dtype == np.float32 else _tanh
    this, following = blocks[:-1], blocks[1:]
    # What the loop visits at each step. The rows marked * are views of one block of memory,
    # i f o g c, in which a gate's sum is replaced by its value, so that nothing is copied.
    #   from_x     (4, N, H)    what the input adds to the sums of i, f, o, g
    #   h_ones     (N, H + 1)   the hidden state before the step, and ones
    # * sums       (4, N, H)    the sums of i, f, o, g: negative where a sigmoid follows
    # * ifo        (3, N, H)    input, forget and output gate
    # * g          (N, H)       candidate
    # * i_f, g_c   (2, N, H)    neighbours, so that one call makes i * g and f * c
    #   c          (N, H)       the cell state after the step, in the following step's block
    #   tanh_c     (N, H)       kept for the way back
    # * o          (N, H)       output gate
    #   h, h_next  (N, H)       the hidden state after the step, for the caller and for the product
    views = zip(
        _inputs(xs, W),
        hs_ones[:-1],
        this[:, :4],
        this[:, :3],
        this[:, 3],
        this[:, :2],
        this[:, 3:],
        following[:, 4],
        tanh_cs,
        this[:, 2],
        hs,
        hs_ones[1:, :, :H],
        strict=True,
    )
    with np.errstate(over="ignore"):  # exp(-a) may be infinite, and 1 / (1 + exp(-a)) is 0 then
        for from_x, h_ones, sums, ifo, g, i_f, g_c, c, tanh_c, o, h, h_next in views:
            matmul(h_ones, U_bias, product)
            add(from_x, from_h, sums)
            exp(ifo, ifo)
            add(ifo, one, ifo)
            divide(one, ifo, ifo)
            tanh(g, g)
            multiply(i_f, g_c, terms)  # i * g and f * c
            add(written, kept, c)
            tanh(c, tanh_c)
            multiply(o, tanh_c, h)
            h_next[...] = h
    cache = SequenceCache(xs, hs_ones, blocks, tanh_cs, params)
    return hs, (hs[-1].copy(), blocks[-1, 4].copy()), cache


@tiny_is_zero
def lstm_backward(
    dhs: Array,
    cache: SequenceCache,
    dh_T: Array | None = None,
    dc_T: Array | None = None,
    dcs: Array | None = None,
) -> tuple[Array, Array, Array, LSTMParams]:
    """Run the cell backward through time, like `sequence.lstm_backward`.

    Parameters, results, errors: as in `sequence.lstm_backward`, with the cache of `lstm_forward`
    of this module.

    Examples
    --------
    >>> from lstm_course import example
    >>> hs, _, cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    >>> dxs, dh0, dc0, grads = lstm_backward(np.ones_like(hs), cache)
    >>> dc0.round(4)
    array([[0.1698, 0.6487]])
    """
    if not isinstance(cache, SequenceCache):
        raise TypeError(f"cache must be a SequenceCache, got {type(cache).__name__}")
    xs, hs_ones, blocks, tanh_cs, params = cache
    (T, N, D), H, dtype = xs.shape, params.hidden_size, params.bias.dtype
    dhs = finite("dhs", float_array("dhs", dhs, (T, N, H), dtype))
    dh, dc = state("dh_T", dh_T, (N, H), dtype).copy(), state("dc_T", dc_T, (N, H), dtype).copy()
    if dcs is not None:
        dcs = finite("dcs", float_array("dcs", dcs, (T, N, H), dtype))

    W, U = params.weight_ih, params.weight_hh
    dW, dxs = np.zeros_like(W), empty(xs.shape, dtype)
    dU_bias = np.zeros((4 * H, H + 1), dtype)
    add, multiply, subtract, matmul = np.add, np.multiply, np.subtract, np.matmul
    through_tanh, one = np.empty((N, H), dtype), np.ones((), dtype)
    K = _blocks(T, N)[0].stop
    factors_of_block, slopes_of_block = empty((K, 4, N, H), dtype), empty((K, N, H), dtype)
    das_of_block = empty((K, N, 4 * H + PADDING), dtype)[..., : 4 * H]
    for block in reversed(_blocks(T, N)):
        # All factors that do not depend on what comes back from later steps, for the whole block.
        i_f, o, g, g_c = blocks[block, :2], blocks[block, 2], blocks[block, 3], blocks[block, 3:]
        tanh_c, K = tanh_cs[block], block.stop - block.start
        factors, slopes, das = factors_of_block[:K], slopes_of_block[:K], das_of_block[:K]
        for values, factor in ((i_f, factors[:, :2]), (o, factors[:, 3])):
            subtract(one, values, factor)
            multiply(factor, values, factor)  # the sigmoid's slope
        multiply(factors[:, :2], g_c, factors[:, :2])
        multiply(factors[:, 3], tanh_c, factors[:, 3])
        for values, other, factor in ((g, i_f[:, 0], factors[:, 2]), (tanh_c, o, slopes)):
            multiply(values, values, factor)
            subtract(one, factor, factor)  # the slope of tanh
            multiply(factor, other, factor)

        da_by_gate = das.reshape(K, N, 4, H).swapaxes(1, 2)
        # What the loop visits, from the last step of the block to its first.
        #   dh_t        (N, H)      what the loss sends to this step's hidden state
        #   slope       (N, H)      o * (1 - tanh(c)^2): from dh to dc
        #   factor_ifg  (3, N, H)   from dc to the sums of i, f, g
        #   factor_o    (N, H)      from dh to the sum of o
        #   f           (N, H)      from dc to the step before
        #   da_ifg, da_o            views of da, (N, 4H): the gradient of the sums, as weights are
        #                           stacked
        views = zip(
            range(block.start, block.stop)[::-1],
            dhs[block][::-1],
            slopes[::-1],
            factors[::-1, :3],
            factors[::-1, 3],
            i_f[::-1, 1],
            da_by_gate[::-1, :3],
            da_by_gate[::-1, 3],
            das[::-1],
            strict=True,
        )
        for t, dh_t, slope, factor_ifg, factor_o, f, da_ifg, da_o, da in views:
            add(dh, dh_t, dh)
            if dcs is not None:
                add(dc, dcs[t], dc)
            multiply(dh, slope, through_tanh)
            add(dc, through_tanh, dc)  # the two flows meet
            multiply(factor_ifg, dc, da_ifg)
            multiply(factor_o, dh, da_o)
            multiply(dc, f, dc)
            matmul(da, U, dh)
        da = das.reshape(-1, 4 * H)
        dW += da.T @ xs[block].reshape(-1, D)
        dU_bias += da.T @ hs_ones[block].reshape(-1, H + 1)
        matmul(da, W, dxs[block].reshape(-1, D))
    return dxs, dh, dc, LSTMParams(dW, dU_bias[:, :H].copy(), dU_bias[:, H].copy())


def _blocks(T: int, N: int) -> list[slice]:
    steps = max(1, COLUMNS // N)
    return [slice(start, min(start + steps, T)) for start in range(0, T, steps)]


def _prepare(rows: Array, out: Array) -> None:
    """Copy rows i, f, g, o to the order i, f, o, g, with a minus where a sigmoid follows."""
    H = len(rows) // 4
    np.negative(rows[: 2 * H], out[: 2 * H])
    np.negative(rows[3 * H :], out[2 * H : 3 * H])
    out[3 * H :] = rows[2 * H : 3 * H]


def _inputs(xs: Array, W: Array) -> Iterator[Array]:
    """Yield what the input adds to the gates, (4, N, H) per step, from one product per block."""
    blocks, (_, N, D), columns = _blocks(*xs.shape[:2]), xs.shape, W.shape[1]
    out = empty((blocks[0].stop * N, columns), xs.dtype)
    for block in blocks:
        x = xs[block].reshape(-1, D)
        product = np.matmul(x, W, out=out[: len(x)])
        yield from product.reshape(-1, N, 4, columns // 4).swapaxes(1, 2)


def _steps(keep: bool, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array with memory for every step, or one in which all steps share theirs."""
    if keep:
        return empty(shape, dtype)
    shared = empty(shape[1:], dtype)
    return as_strided(shared, shape, (0, *shared.strides))


def _tanh(a: Array, out: Array) -> None:
    """Write tanh(a) = 2 / (1 + exp(-2a)) - 1, to within 4e-16, which may be all of a tiny value."""
    np.multiply(a, -2, out)
    np.exp(out, out)
    np.add(out, 1, out)
    np.divide(2, out, out)
    np.subtract(out, 1, out)
