"""Right answers."""

import math

import numpy as np

import lstm_course as lc
from lstm_course.exercises import ch09_backward_step as exercise


def two_flows_with_loops(dh, dc, o, c):
    total = dc.copy()
    for place in np.ndindex(c.shape):
        total[place] += dh[place] * o[place] * (1 - math.tanh(c[place]) ** 2)
    return total


def two_flows_from_cosh(dh, dc, o, c):
    return np.add(dc, np.multiply(dh, o) / np.cosh(c) ** 2)


def forward(x, h_prev, c_prev, W, U, b):
    return lc.lstm_step(x, h_prev, c_prev, lc.LSTMParams(W, U, b))[2]


def with_loops(dh, dc, x, h_prev, c_prev, W, U, b):
    k = forward(x, h_prev, c_prev, W, U, b)
    (N, D), H = x.shape, h_prev.shape[1]
    results = [np.zeros_like(array) for array in (x, h_prev, c_prev, W, U, b)]
    dx, dh_prev, dc_prev, dW, dU, db = results
    for n in range(N):
        for j in range(H):
            i, f, g, o = (gate[n, j] for gate in (k.i, k.f, k.g, k.o))
            whole = dc[n, j] + dh[n, j] * o * (1 - k.tanh_c[n, j] ** 2)
            dc_prev[n, j] = whole * f
            four = (
                whole * g * i * (1 - i),
                whole * c_prev[n, j] * f * (1 - f),
                whole * i * (1 - g * g),
                dh[n, j] * k.tanh_c[n, j] * o * (1 - o),
            )
            for gate, da in enumerate(four):
                row = gate * H + j
                db[row] += da
                for d in range(D):
                    dW[row, d] += da * x[n, d]
                    dx[n, d] += da * W[row, d]
                for m in range(H):
                    dU[row, m] += da * h_prev[n, m]
                    dh_prev[n, m] += da * U[row, m]
    return results


def gate_by_gate(dh, dc, x, h_prev, c_prev, W, U, b):
    H = len(b) // 4
    a = x @ W.T + h_prev @ U.T + b
    i, f, g, o = (
        squash(a[:, k * H : (k + 1) * H])
        for k, squash in enumerate(
            (lc.sigmoid, lc.sigmoid, np.tanh, lc.sigmoid)
        )
    )
    c = f * c_prev + i * g
    do, dc = dh * np.tanh(c), dc + dh * o * (1 - np.tanh(c) ** 2)
    gradients = (
        dc * g * i * (1 - i),
        dc * c_prev * f * (1 - f),
        dc * i * (1 - g**2),
        do * (o - o**2),
    )
    dx, dh_prev = np.zeros_like(x), np.zeros_like(h_prev)
    parts = []
    for k, da in enumerate(gradients):
        rows = slice(k * H, (k + 1) * H)
        dx += da @ W[rows]
        dh_prev += da @ U[rows]
        parts.append((da.T @ x, da.T @ h_prev, da.sum(axis=0)))
    dW, dU, db = (np.concatenate(part) for part in zip(*parts, strict=True))
    return dx, dh_prev, dc * f, dW, dU, db


def joined(dh, dc, x, h_prev, c_prev, W, U, b):
    """With [x; h_prev] and [W U] in one piece, gates on an axis of their own, and einsum."""
    k = forward(x, h_prev, c_prev, W, U, b)
    (_, D), H = x.shape, h_prev.shape[1]
    whole = dc + dh * k.o / np.cosh(k.c) ** 2
    da = np.stack(
        [
            whole * k.g * k.i * (1 - k.i),
            whole * c_prev * k.f * (1 - k.f),
            whole * k.i * (1 + k.g) * (1 - k.g),
            dh * k.h * (1 - k.o),
        ]
    )  # (4, N, H)
    both = np.concatenate([x, h_prev], axis=1)
    maps = np.concatenate([W, U], axis=1).reshape(4, H, D + H)
    back = np.einsum("gnh,ghk->nk", da, maps)
    weights = np.einsum("gnh,nk->ghk", da, both).reshape(4 * H, D + H)
    db = da.sum(axis=1).ravel()
    return (
        back[:, :D],
        back[:, D:],
        whole * k.f,
        weights[:, :D],
        weights[:, D:],
        db,
    )


RIGHT = {
    "two-flows": (
        exercise.two_flows,
        two_flows_with_loops,
        two_flows_from_cosh,
    ),
    "backward-step": (
        exercise.solution,
        exercise.step_with(),
        with_loops,
        gate_by_gate,
        joined,
    ),
}
