"""Right answers."""

import numpy as np

import lstm_course as lc
from lstm_course.exercises import ch09_backward_step as backward_step


def forward(xs, h0, c0, W, U, b):
    """What each step kept."""
    return lc.lstm_forward(xs, lc.LSTMParams(W, U, b), h0, c0)[2]


def lists_turned_round(dhs, dcs, xs, h0, c0, W, U, b):
    """The chapter's loop, with the row of dcs added where dc enters a step."""
    cache = forward(xs, h0, c0, W, U, b)
    dxs, totals = [], [np.zeros_like(array) for array in (W, U, b)]
    dh = dc = np.zeros_like(h0)
    for t in reversed(range(len(xs))):
        dh, dc = dh + dhs[t], dc + dcs[t]
        dx, dh, dc, grads = lc.lstm_step_backward(dh, dc, cache[t])
        dxs.append(dx)
        for total, part in zip(totals, grads.arrays(), strict=True):
            total += part
    return np.array(dxs[::-1]), dh, dc, *totals


def by_recursion(dhs, dcs, xs, h0, c0, W, U, b):
    """The first step forward, all others by itself, and the first step back."""
    if not len(xs):
        nothing = (np.zeros_like(array) for array in (h0, c0, W, U, b))
        return xs[:0], *nothing
    h, c, _ = lc.lstm_step(xs[0], h0, c0, lc.LSTMParams(W, U, b))
    dxs, dh, dc, *later = by_recursion(dhs[1:], dcs[1:], xs[1:], h, c, W, U, b)
    dx, dh, dc, *own = backward_step.solution(
        dhs[0] + dh, dcs[0] + dc, xs[0], h0, c0, W, U, b
    )
    shares = (a + b for a, b in zip(later, own, strict=True))
    return np.concatenate([dx[None], dxs]), dh, dc, *shares


def products_after_the_walk(dhs, dcs, xs, h0, c0, W, U, b):
    """Keep da of every step, and multiply by x and h once, at the end."""
    (T, N, _), H = xs.shape, U.shape[1]
    k = lc.trace(forward(xs, h0, c0, W, U, b))
    h_prev = np.concatenate([h0[None], k["h"][:-1]])
    c_prev = np.concatenate([c0[None], k["c"][:-1]])
    da = np.empty((T, N, 4 * H), xs.dtype)
    dh = dc = np.zeros_like(h0)
    for t in range(T - 1, -1, -1):
        i, f, g, o = (k[name][t] for name in "ifgo")
        dh = dh + dhs[t]
        dc = dc + dcs[t] + dh * o / np.cosh(k["c"][t]) ** 2
        da[t] = np.hstack(
            [
                dc * g * i * (1 - i),
                dc * c_prev[t] * f * (1 - f),
                dc * i * (1 - g * g),
                dh * k["h"][t] * (1 - o),
            ]
        )
        dh, dc = da[t] @ U, dc * f
    dW = np.einsum("tna,tnd->ad", da, xs)
    dU = np.einsum("tna,tnh->ah", da, h_prev)
    return da @ W, dh, dc, dW, dU, da.sum(axis=(0, 1))


def one_walk_with_cuts(dhs, xs, W, U, b, k):
    """One forward pass; on the way back dh and dc are 0 where a chunk ends."""
    zero = np.zeros_like(dhs[0])
    cache = forward(xs, zero, zero, W, U, b)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh = dc = zero
    for t in range(len(xs) - 1, -1, -1):
        if (t + 1) % k == 0:
            dh = dc = zero
        _, dh, dc, grads = lc.lstm_step_backward(dhs[t] + dh, dc, cache[t])
        dW += grads.weight_ih
        dU += grads.weight_hh
        db += grads.bias
    return dW, dU, db


def chunks_cut_off_the_front(dhs, xs, W, U, b, k):
    """A while loop; the fast functions start from states of 0 by themselves."""
    params = lc.LSTMParams(W, U, b)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    state = None, None
    while len(xs):
        _, state, cache = lc.fast.lstm_forward(xs[:k], params, *state)
        grads = lc.fast.lstm_backward(dhs[:k], cache)[3]
        dW = dW + grads.weight_ih
        dU = dU + grads.weight_hh
        db = db + grads.bias
        xs, dhs = xs[k:], dhs[k:]
    return dW, dU, db


RIGHT = {
    "through-time": (
        lists_turned_round,
        by_recursion,
        products_after_the_walk,
    ),
    "truncated": (
        one_walk_with_cuts,
        chunks_cut_off_the_front,
    ),
}
