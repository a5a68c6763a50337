"""Right answers."""

import numpy as np

import lstm_course as lc


def loop(before, U, h0, c0):
    """What is left in the loop, once the inputs' part of all sums is there."""
    hs, h, c = [], h0, c0
    for row in before:
        i, f, g, o = np.split(row + h @ U.T, 4, axis=1)
        c = lc.sigmoid(f) * c + lc.sigmoid(i) * np.tanh(g)
        h = lc.sigmoid(o) * np.tanh(c)
        hs.append(h)
    return np.stack(hs)


def with_two_axes(xs, v, W, W_v, U, b, h0, c0):
    """All steps of all sequences as rows: one product for BLAS."""
    T, N, D = xs.shape
    of_x = (xs.reshape(-1, D) @ W.T).reshape(T, N, -1)
    return loop(of_x + (v @ W_v.T + b), U, h0, c0)


def with_three_axes(xs, v, W, W_v, U, b, h0, c0):
    """Shorter to write; NumPy then multiplies step by step, faster than a loop of Python's."""
    return loop(xs @ W.T + v @ W_v.T + b, U, h0, c0)


def with_einsum(xs, v, W, W_v, U, b, h0, c0):
    """Without optimize=True this passes, and a clock shows what it costs."""
    of_x = np.einsum("tnd,kd->tnk", xs, W, optimize=True)
    return loop(of_x + np.einsum("ne,ke->nk", v, W_v) + b, U, h0, c0)


def with_tensordot(xs, v, W, W_v, U, b, h0, c0):
    """The last axis of xs against the last of W, whatever stands before."""
    return loop(np.tensordot(xs, W, axes=(2, 1)) + v @ W_v.T + b, U, h0, c0)


def with_joined_inputs(xs, v, W, W_v, U, b, h0, c0):
    """x and v side by side: one product in all, but v is multiplied T times in it."""
    T, N, _ = xs.shape
    v_at_every_step = np.broadcast_to(v, (T, *v.shape))
    joined = np.concatenate([xs, v_at_every_step], axis=2)
    rows = joined.reshape(T * N, -1) @ np.concatenate([W, W_v], axis=1).T
    return loop(rows.reshape(T, N, -1) + b, U, h0, c0)


def with_v_and_bias_in_the_loop(xs, v, W, W_v, U, b, h0, c0):
    """Only products have to leave; sums may stay. Returns a list of states."""
    T, N, D = xs.shape
    of_x, of_v = xs.reshape(T * N, D).dot(W.T), v.dot(W_v.T)
    hs, h, c = [], h0, c0
    for t in range(T):
        rows = of_x[t * N : (t + 1) * N]
        i, f, g, o = np.split(rows + of_v + h.dot(U.T) + b, 4, axis=1)
        c = lc.sigmoid(f) * c + lc.sigmoid(i) * np.tanh(g)
        h = lc.sigmoid(o) * np.tanh(c)
        hs.append(h)
    return hs


def in_place_and_in_blocks(xs, v, W, W_v, U, b, h0, c0):
    """As fast as the chapter gets: gates in blocks, and the sigmoids' sign in the weights."""
    (T, N, D), H = xs.shape, h0.shape[1]
    sign = np.repeat(np.array([-1, -1, 1, -1], xs.dtype), H)[:, None]
    of_v = np.matmul(v, (W_v * sign).T) + b * sign[:, 0]
    of_x = np.empty((T * N, 4 * H), xs.dtype)
    np.matmul(xs.reshape(-1, D), (W * sign).T, out=of_x)
    of_x = of_x.reshape(T, N, 4 * H)
    of_x += of_v
    of_x = of_x.reshape(T, N, 4, H).swapaxes(1, 2)
    U = (U * sign).T.copy()
    hs, h, c = np.empty((T, N, H), xs.dtype), h0, c0.copy()
    with np.errstate(over="ignore"):
        for t in range(T):
            a = of_x[t] + (h @ U).reshape(N, 4, H).swapaxes(0, 1)
            i, f, o = (1 / (1 + np.exp(a[k])) for k in (0, 1, 3))
            c *= f
            c += i * np.tanh(a[2])
            h = np.tanh(c, out=hs[t])
            h *= o
    return hs


def sums_with_einsum(das, xs, hs, h0):
    """Sums over steps and sequences, as the formulas have them."""
    before = np.concatenate([h0[None], hs])[:-1]
    return (
        np.einsum("tnk,tnd->kd", das, xs),
        np.einsum("tnk,tnj->kj", das, before),
        np.einsum("tnk->k", das),
    )


def sums_with_tensordot(das, xs, hs, h0):
    """One product in all: x and the state before it side by side."""
    before = np.empty_like(hs)
    before[0], before[1:] = h0, hs[:-1]
    both = np.tensordot(
        das, np.concatenate([xs, before], axis=2), axes=((0, 1), (0, 1))
    )
    D = xs.shape[2]
    return both[:, :D], both[:, D:], das.sum(axis=(0, 1))


def sums_sequence_by_sequence(das, xs, hs, h0):
    """The first step on its own, and rows in another order: sequence by sequence."""
    T, N, K = das.shape
    da, x = (a.swapaxes(0, 1).reshape(N * T, -1) for a in (das, xs))
    dU = np.dot(das[0].T, h0)
    if T > 1:
        dU = dU + np.dot(
            das[1:].reshape(-1, K).T, hs[:-1].reshape((T - 1) * N, -1)
        )
    return x.T.dot(da).T, dU, da.sum(axis=0)


RIGHT = {
    "hoist": (
        with_two_axes,
        with_three_axes,
        with_einsum,
        with_tensordot,
        with_joined_inputs,
        with_v_and_bias_in_the_loop,
        in_place_and_in_blocks,
    ),
    "deferred": (
        sums_with_einsum,
        sums_with_tensordot,
        sums_sequence_by_sequence,
    ),
}
