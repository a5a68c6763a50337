"""The cell over a sequence, as fast as NumPy can go: the results of `sequence`, other loops.

Three ideas. What does not depend on the state leaves the loop: the input's product before it, the
weights' gradients after it. A column is one sequence, as in the equations, so that each gate is one
contiguous block (H, N). And every squashing is an exponential: sigmoid(a) = 1 / (1 + exp(-a)) and
tanh(a) = 2 sigmoid(2a) - 1, with the signs and the 2 multiplied into the weights beforehand. That
is exact to rounding of 1, not of the result: a candidate of 1e-7 is lost in float32.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array, finite, float_array, state
from lstm_course.cell import LSTMParams, check_params

COLUMNS = 512
"""About so many columns, steps times sequences, are worked on at a time outside the loop."""


class SequenceCache(NamedTuple):
    """What a forward run keeps for its backward run."""

    xs: Array  # (T, N, D)
    hs: Array  # (T + 1, N, H), the initial state first
    cs: Array  # (T + 1, H, N), the initial state first
    tanh_cs: Array  # (T, H, N)
    gates: Array  # (T, 4, H, N), in the order i, f, g, o
    params: LSTMParams


def lstm_forward(
    xs: Array, params: LSTMParams, h0: Array | None = None, c0: Array | None = None
) -> tuple[Array, tuple[Array, Array], SequenceCache]:
    """Run the cell over a batch of sequences; as `sequence.lstm_forward` but for the cache.

    Parameters, errors: as in `sequence.lstm_forward`.

    Returns
    -------
    hs
        (T, N, H) hidden state after every step.
    (h_T, c_T)
        (N, H) final hidden and cell state.
    cache
        For `lstm_backward` of this module.

    Examples
    --------
    >>> from lstm_course import example
    >>> hs, (h_T, c_T), cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    >>> c_T.round(4)
    array([[0.9412, 0.309 ]])
    """
    check_params(params)
    dtype, D, H = params.bias.dtype, params.input_size, params.hidden_size
    xs = finite("xs", float_array("xs", xs, ("T", "N", D), dtype))
    T, N, _ = xs.shape
    hs, cs = np.empty((T + 1, N, H), dtype), np.empty((T + 1, H, N), dtype)
    hs[0], cs[0] = state("h0", h0, (N, H), dtype), state("c0", c0, (N, H), dtype).T
    tanh_cs, gates = np.empty((T, H, N), dtype), np.empty((T, 4, H, N), dtype)

    sign = np.repeat(np.array([-1, -1, -2, -1], dtype), H)[:, None]  # i, f, g, o
    W, b = sign * params.weight_ih, sign * params.bias[:, None]
    U = _padded(sign * params.weight_hh)
    h, product = hs[0].T.copy(), np.empty((4 * H, N), dtype)
    with np.errstate(over="ignore"):  # exp(-a) may be infinite, and 1 / (1 + exp(-a)) is 0 then
        for block in _blocks(T, N):
            inputs = W @ xs[block].reshape(-1, D).T  # (4H, steps * N)
            inputs = inputs.reshape(4 * H, -1, N).transpose(1, 0, 2)
            np.add(inputs, b, out=gates[block].reshape(-1, 4 * H, N))
            for t in range(T)[block]:
                np.matmul(U, h, out=product)
                a = gates[t].reshape(4 * H, N)
                np.add(a, product, out=a)
                np.exp(a, out=a)
                np.add(a, 1, out=a)
                np.divide(1, a, out=a)
                i, f, g, o = gates[t]
                np.multiply(g, 2, out=g)
                np.subtract(g, 1, out=g)
                c, tanh_c = cs[t + 1], tanh_cs[t]
                np.multiply(i, g, out=tanh_c)
                np.multiply(f, cs[t], out=c)
                np.add(c, tanh_c, out=c)
                np.tanh(c, out=tanh_c)
                np.multiply(o, tanh_c, out=h)
                hs[t + 1] = h.T
    cache = SequenceCache(xs, hs, cs, tanh_cs, gates, params)
    return hs[1:].copy(), (hs[T].copy(), cs[T].T.copy()), cache  # the cache stays as it is


def lstm_backward(
    dhs: Array,
    cache: SequenceCache,
    dh_T: Array | None = None,
    dc_T: Array | None = None,
    dcs: Array | None = None,
) -> tuple[Array, Array, Array, LSTMParams]:
    """Run the cell backward through time; as `sequence.lstm_backward`.

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
    xs, hs, cs, tanh_cs, gates, params = cache
    (T, N, D), H, dtype = xs.shape, params.hidden_size, params.bias.dtype
    dhs = finite("dhs", float_array("dhs", dhs, (T, N, H), dtype))
    dh = state("dh_T", dh_T, (N, H), dtype).T.copy()
    dc = state("dc_T", dc_T, (N, H), dtype).T.copy()
    if dcs is not None:
        dcs = finite("dcs", float_array("dcs", dcs, (T, N, H), dtype)).swapaxes(1, 2)

    U_T, from_h = _padded(params.weight_hh.T), np.empty((H, N), dtype)
    dxs = np.empty_like(xs)
    dW, dU, db = grads = [np.zeros_like(array) for array in params.arrays()]
    for block in reversed(_blocks(T, N)):
        # All factors that do not depend on what comes back from later steps, for the whole block.
        (i, f, g, o), tanh_c = gates[block].swapaxes(0, 1), tanh_cs[block]
        das = np.empty_like(gates[block])
        das[:, 0] = g * i * (1 - i)
        das[:, 1] = cs[:-1][block] * f * (1 - f)
        das[:, 2] = i * (1 - g * g)
        das[:, 3] = tanh_c * o * (1 - o)
        slopes = o * (1 - tanh_c * tanh_c)
        dhs_T = dhs[block].swapaxes(1, 2).copy()
        for k in reversed(range(len(das))):
            np.add(dh, dhs_T[k], out=dh)
            if dcs is not None:
                np.add(dc, dcs[block.start + k], out=dc)
            np.multiply(dh, slopes[k], out=from_h)
            np.add(dc, from_h, out=dc)  # the two flows meet
            np.multiply(das[k, :3], dc, out=das[k, :3])
            np.multiply(das[k, 3], dh, out=das[k, 3])
            np.multiply(dc, f[k], out=dc)
            np.matmul(U_T, das[k].reshape(4 * H, N), out=dh)
        da = das.reshape(-1, 4 * H, N).swapaxes(0, 1).reshape(4 * H, -1)  # (4H, steps * N)
        dW += da @ xs[block].reshape(-1, D)
        dU += da @ hs[:-1][block].reshape(-1, H)
        db += da.sum(axis=1)
        dxs[block] = (da.T @ params.weight_ih).reshape(-1, N, D)
    return dxs, dh.T.copy(), dc.T.copy(), LSTMParams(*grads)


def _blocks(T: int, N: int) -> list[slice]:
    steps = max(1, COLUMNS // N)
    return [slice(start, min(start + steps, T)) for start in range(0, T, steps)]


def _padded(matrix: Array) -> Any:
    """Return a copy whose rows do not start a power of two apart, where caches would collide."""
    rows, columns = matrix.shape
    copy = np.empty((rows, columns + 16), matrix.dtype)[:, :columns]
    copy[...] = matrix
    return copy
