"""Right answers."""

import numpy as np

import lstm_course as lc
from lstm_course.exercises import ch07_whole_cell as exercise


def with_the_package(x, h_prev, c_prev, W, U, b):
    return lc.lstm_step(x, h_prev, c_prev, lc.LSTMParams(W, U, b))[:2]


def with_loops(x, h_prev, c_prev, W, U, b):
    N, H = h_prev.shape
    h, c = np.empty_like(h_prev), np.empty_like(h_prev)
    for n in range(N):
        for j in range(H):
            a_i, a_f, a_g, a_o = (
                W[k * H + j] @ x[n] + U[k * H + j] @ h_prev[n] + b[k * H + j]
                for k in range(4)
            )
            c[n, j] = lc.sigmoid(a_f) * c_prev[n, j] + lc.sigmoid(
                a_i
            ) * np.tanh(a_g)
            h[n, j] = lc.sigmoid(a_o) * np.tanh(c[n, j])
    return h, c


def with_einsum(x, h_prev, c_prev, W, U, b):
    H = h_prev.shape[1]
    a = np.einsum("nd,khd->knh", x, W.reshape(4, H, -1))
    a += np.einsum("nj,khj->knh", h_prev, U.reshape(4, H, H)) + b.reshape(
        4, 1, H
    )
    i, f, o = lc.sigmoid(a[[0, 1, 3]])
    c = f * c_prev + i * np.tanh(a[2])
    return o * np.tanh(c), c


def with_concatenation(x, h_prev, c_prev, W, U, b):
    H = len(b) // 4
    a = (
        np.concatenate([h_prev, x], axis=1) @ np.concatenate([U, W], axis=1).T
        + b
    )
    shares = lc.sigmoid(a)
    c = shares[:, H : 2 * H] * c_prev + shares[:, :H] * np.tanh(
        a[:, 2 * H : 3 * H]
    )
    return [shares[:, 3 * H :] * np.tanh(c), c]


def onnx_by_rows(x, h_prev, c_prev, W, R, B):
    H = h_prev.shape[1]
    rows = np.arange(4 * H).reshape(4, H)[[0, 2, 3, 1]].ravel()
    bias = B[0, : 4 * H] + B[0, 4 * H :]
    return with_the_package(
        x, h_prev, c_prev, W[0][rows], R[0][rows], bias[rows]
    )


def onnx_by_names(x, h_prev, c_prev, W, R, B):
    H = h_prev.shape[1]
    a = {}
    for k, name in enumerate("iofg"):
        part = slice(k * H, (k + 1) * H)
        a[name] = x @ W[0, part].T + B[0, part]
        a[name] += h_prev @ R[0, part].T + B[0, 4 * H :][part]
    c = lc.sigmoid(a["f"]) * c_prev + lc.sigmoid(a["i"]) * np.tanh(a["g"])
    return lc.sigmoid(a["o"]) * np.tanh(c), c


RIGHT = {
    "lstm-step": (
        exercise.lstm_step,
        with_the_package,
        with_loops,
        with_einsum,
        with_concatenation,
    ),
    "foreign-order": (exercise.onnx_solution, onnx_by_rows, onnx_by_names),
}
