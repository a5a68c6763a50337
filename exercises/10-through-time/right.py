"""Right answers."""

import numpy as np

import lstm_course as lc
from lstm_course.exercises import ch09_backward_step as backward_step
from lstm_course.exercises import ch10_through_time as exercise


def forward(xs, h0, c0, W, U, b):
    return lc.lstm_forward(xs, lc.LSTMParams(W, U, b), h0, c0)[2]


def as_in_the_chapter(dhs, dh_T, dc_T, xs, h0, c0, W, U, b):
    cache = forward(xs, h0, c0, W, U, b)
    dxs, totals, dh, dc = [], [np.zeros_like(p) for p in (W, U, b)], dh_T, dc_T
    for t in reversed(range(len(xs))):
        dx, dh, dc, grads = lc.lstm_step_backward(dhs[t] + dh, dc, cache[t])
        dxs.append(dx)
        for total, part in zip(totals, grads.arrays(), strict=True):
            total += part
    return np.array(dxs[::-1]), dh, dc, *totals


def by_recursion(dhs, dh_T, dc_T, xs, h0, c0, W, U, b):
    """The first step forward, the rest by itself, and one step back."""
    if not len(xs):
        nothing = (np.zeros_like(array) for array in (W, U, b))
        return xs[:0], dh_T, dc_T, *nothing
    h, c, _ = lc.lstm_step(xs[0], h0, c0, lc.LSTMParams(W, U, b))
    dxs, dh, dc, *later = by_recursion(
        dhs[1:], dh_T, dc_T, xs[1:], h, c, W, U, b
    )
    dx, dh, dc, *own = backward_step.solution(
        dhs[0] + dh, dc, xs[0], h0, c0, W, U, b
    )
    return (
        np.concatenate([dx[None], dxs]),
        dh,
        dc,
        *(a + b for a, b in zip(later, own, strict=True)),
    )


def products_after_the_walk(dhs, dh_T, dc_T, xs, h0, c0, W, U, b):
    """Keep da of every step; all products with x and h at the end, by einsum."""
    (T, N, _), H = xs.shape, U.shape[1]
    k = lc.trace(forward(xs, h0, c0, W, U, b))
    h_prev = np.concatenate([h0[None], k["h"][:-1]])
    c_prev = np.concatenate([c0[None], k["c"][:-1]])
    da = np.empty((T, N, 4 * H), xs.dtype)
    dh, dc = dh_T, dc_T
    for t in range(T - 1, -1, -1):
        i, f, g, o = (k[name][t] for name in "ifgo")
        dh = dh + dhs[t]
        dc = dc + dh * o / np.cosh(k["c"][t]) ** 2
        da[t] = np.hstack(
            [
                dc * g * i * (1 - i),
                dc * c_prev[t] * f * (1 - f),
                dc * i * (1 - g * g),
                dh * k["h"][t] * (1 - o),
            ]
        )
        dh, dc = da[t] @ U, dc * f
    dW, dU = (
        np.einsum("tna,tnd->ad", da, xs),
        np.einsum("tna,tnh->ah", da, h_prev),
    )
    return [da @ W, dh, dc, dW, dU, da.sum(axis=(0, 1))]


def truncated_with_step_back(dhs, xs, W, U, b, k):
    """One forward pass; on the way back dh and dc are set to 0 where a chunk ends."""
    zero = np.zeros_like(dhs[0])
    cache = forward(xs, zero, zero, W, U, b)
    total, dh, dc = 0, zero, zero
    for t in range(len(xs) - 1, -1, -1):
        if (t + 1) % k == 0:
            dh = dc = zero
        _, dh, dc, grads = lc.lstm_step_backward(dhs[t] + dh, dc, cache[t])
        total = total + np.array([*grads.arrays(), None], dtype=object)[:3]
    return tuple(total)


def truncated_with_a_while_loop(dhs, xs, W, U, b, k):
    params = lc.LSTMParams(W, U, b)
    dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    state = None, None
    while len(xs):
        _, state, cache = lc.fast.lstm_forward(xs[:k], params, *state)
        grads = lc.fast.lstm_backward(dhs[:k], cache)[3]
        dW, dU, db = (
            dW + grads.weight_ih,
            dU + grads.weight_hh,
            db + grads.bias,
        )
        xs, dhs = xs[k:], dhs[k:]
    return dW, dU, db


RIGHT = {
    "through-time": (
        exercise.through_time,
        exercise.walk_with(),
        as_in_the_chapter,
        by_recursion,
        products_after_the_walk,
    ),
    "truncated": (
        exercise.truncated,
        truncated_with_step_back,
        truncated_with_a_while_loop,
    ),
}
