"""Right answers."""

import numpy as np

import lstm_course as lc
from lstm_course.exercises import ch15_numpy_speed as exercise


def loop(of_x, U, h0, c0):
    hs, h, c = [], h0, c0
    for row in of_x:
        i, f, g, o = np.split(row + h @ U.T, 4, axis=1)
        c = lc.sigmoid(f) * c + lc.sigmoid(i) * np.tanh(g)
        h = lc.sigmoid(o) * np.tanh(c)
        hs.append(h)
    return np.stack(hs)


def with_reshape(xs, W, U, b, h0, c0):
    T, N, D = xs.shape
    return loop((xs.reshape(-1, D) @ W.T + b).reshape(T, N, -1), U, h0, c0)


def with_einsum(xs, W, U, b, h0, c0):
    return loop(np.einsum("tnd,kd->tnk", xs, W) + b, U, h0, c0)


def with_tensordot(xs, W, U, b, h0, c0):
    return loop(b + np.tensordot(xs, W, axes=(2, 1)), U, h0, c0)


def with_bias_in_the_loop(xs, W, U, b, h0, c0):
    """A product for each gate, and loops over rows and units for the rest."""
    (T, N, D), H = xs.shape, h0.shape[1]
    rows = xs.reshape(T * N, D)
    of_x = [
        rows.dot(W[k * H : (k + 1) * H].T.copy()).reshape(T, N, H)
        for k in range(4)
    ]
    hs, h, c = np.empty((T, N, H), xs.dtype), h0.copy(), c0.copy()
    for t in range(T):
        for n in range(N):
            before = h[n].copy()
            for j in range(H):
                i, f, g, o = (
                    of_x[k][t, n, j] + U[k * H + j] @ before + b[k * H + j]
                    for k in range(4)
                )
                c[n, j] = lc.sigmoid(f) * c[n, j] + lc.sigmoid(i) * np.tanh(g)
                h[n, j] = lc.sigmoid(o) * np.tanh(c[n, j])
        hs[t] = h
    return hs


def in_place(xs, W, U, b, h0, c0):
    """In blocks and in place, the bias inside the product and the sigmoids' sign in the weights."""
    (T, N, D), H = xs.shape, h0.shape[1]
    sign = np.repeat(np.array([-1, -1, 1, -1], xs.dtype), H)
    with_ones = np.concatenate(
        [xs.reshape(-1, D), np.ones((T * N, 1), xs.dtype)], axis=1
    )
    weights = np.concatenate([W, b[:, None]], axis=1) * sign[:, None]
    of_x = np.empty((T * N, 4 * H), xs.dtype)
    np.matmul(with_ones, weights.T, out=of_x)
    of_x = of_x.reshape(T, N, 4, H).swapaxes(1, 2)
    U = (U * sign[:, None]).T.copy()
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
    before = np.concatenate([h0[None], hs])[:-1]
    return (
        np.einsum("tnk,tnd->kd", das, xs),
        np.einsum("tnk,tnj->kj", das, before),
        np.einsum("tnk->k", das),
    )


def sums_with_tensordot(das, xs, hs, h0):
    before = np.empty_like(hs)
    before[0], before[1:] = h0, hs[:-1]
    both = np.tensordot(
        das, np.concatenate([xs, before], axis=2), axes=((0, 1), (0, 1))
    )
    D = xs.shape[2]
    return both[:, :D], both[:, D:], das.sum(axis=(0, 1))


def sums_transposed(das, xs, hs, h0):
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
        with_reshape,
        with_einsum,
        with_tensordot,
        with_bias_in_the_loop,
        in_place,
    ),
    "deferred": (
        exercise.deferred,
        sums_with_einsum,
        sums_with_tensordot,
        sums_transposed,
    ),
}
