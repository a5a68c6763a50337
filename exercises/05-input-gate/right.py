"""Right answers."""

import numpy as np

import lstm_course as lc
from lstm_course.exercises import ch05_input_gate as exercise


def with_loops(x, h_prev, W_i, U_i, b_i, W_g, U_g, b_g):
    i, g = np.empty_like(h_prev), np.empty_like(h_prev)
    for result, squash, W, U, b in (
        (i, lc.sigmoid, W_i, U_i, b_i),
        (g, np.tanh, W_g, U_g, b_g),
    ):
        for n in range(len(x)):
            for j in range(len(b)):
                result[n, j] = squash(W[j] @ x[n] + U[j] @ h_prev[n] + b[j])
    return i, g


def with_einsum(x, h, W_i, U_i, b_i, W_g, U_g, b_g):
    a = np.einsum("nd,khd->knh", x, np.array([W_i, W_g]))
    a += (
        np.einsum("nj,khj->knh", h, np.array([U_i, U_g]))
        + np.array([b_i, b_g])[:, None]
    )
    return lc.sigmoid(a[0]), np.tanh(a[1])


def with_concatenation(x, h, W_i, U_i, b_i, W_g, U_g, b_g):
    both = np.concatenate([x, h], axis=1)
    a = both @ np.block([[W_i, U_i], [W_g, U_g]]).T + np.concatenate(
        [b_i, b_g]
    )
    H = len(b_i)
    return [lc.sigmoid(a[:, :H]), 2 * lc.sigmoid(2 * a[:, H:]) - 1]


def update_with_loops(c_prev, f, i, g):
    c = np.empty_like(c_prev)
    for place in np.ndindex(c.shape):
        c[place] = f[place] * c_prev[place] + i[place] * g[place]
    return c


def update_with_stacks(c_prev, f, i, g):
    return np.sum(np.stack([f, i]) * np.stack([c_prev, g]), axis=0)


RIGHT = {
    "input-gate": (
        exercise.input_gate,
        with_loops,
        with_einsum,
        with_concatenation,
    ),
    "cell-update": (
        exercise.cell_update,
        update_with_loops,
        update_with_stacks,
    ),
    "gate-settings": (
        exercise.SETTINGS,
        [(1, 0.3, 0), (0, 0, 1), (0, 0.5, -1), (1, 0.5, 0.5), (0.5, 1, 0.5)],
        ((1, 0, -1), [0, 1, 0], [0, 0.625, -0.8], [1, 0.25, 1], [0.5, 0.5, 1]),
    ),
}
