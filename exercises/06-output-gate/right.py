"""Right answers, each in a way of its own."""

import math

import numpy as np

import lstm_course as lc


def gate_of_one_sum(x, h_prev, c, W, U, p, b):
    return lc.sigmoid(x @ W.T + h_prev @ U.T + p * c + b)


def gate_with_loops(x, h_prev, c, W, U, p, b):
    o = np.empty_like(h_prev)
    for n, j in np.ndindex(o.shape):
        a = W[j] @ x[n] + U[j] @ h_prev[n] + p[j] * c[n, j] + b[j]
        o[n, j] = lc.sigmoid(a)
    return o


def gate_row_by_row(x, h_prev, c, W, U, p, b):
    rows = zip(x, h_prev, c, strict=True)
    return [lc.sigmoid(W @ x + U @ h + p * c + b) for x, h, c in rows]


def gate_with_a_diagonal_matrix(x, h_prev, c, W, U, p, b):
    """A peephole is a map whose matrix has zeros off its diagonal."""
    everything = np.concatenate([x, h_prev, c], axis=1)
    maps = np.concatenate([W, U, np.diag(p)], axis=1)
    return lc.sigmoid(everything @ maps.T + b)


def gate_with_einsum(x, h_prev, c, W, U, p, b):
    a = np.einsum("nd,hd->nh", x, W) + np.einsum("nk,hk->nh", h_prev, U)
    a += np.einsum("nh,h->nh", c, p) + b
    return 0.5 * (1 + np.tanh(0.5 * a))


def gate_with_the_formula_of_the_sigmoid(x, h_prev, c, W, U, p, b):
    return 1 / (1 + np.exp(-(x @ W.T + h_prev @ U.T + p * c + b)))


def hidden_by_numpy(o, c):
    return o * np.tanh(c)


def hidden_with_loops(o, c):
    h = np.empty_like(c)
    for place in np.ndindex(c.shape):
        h[place] = o[place] * math.tanh(c[place])
    return h


def hidden_from_sigmoid(o, c):
    return o * (2 * lc.sigmoid(2 * c) - 1)


def behind_by_numpy(h, o):
    return np.arctanh(h / o)


def behind_with_logarithm(h, o):
    """The fraction (1 + h/o) / (1 - h/o), extended by o."""
    return 0.5 * np.log((o + h) / (o - h))


def behind_with_logit(h, o):
    share = (1 + h / o) / 2  # tanh(c) is a sigmoid of 2c, stretched
    return 0.5 * (np.log(share) - np.log(1 - share))


def bound_of_the_size(c0, T):
    return np.tanh(np.abs(c0) + T)


def bound_step_by_step(c0, T):
    farthest = abs(c0)
    for _ in range(T):
        farthest = farthest + 1  # all is kept, and 1 is written
    return np.tanh(farthest)


def bound_of_both_signs(c0, T):
    """The larger of what an upward and a downward run can reach."""
    return np.maximum(np.tanh(c0 + T), -np.tanh(c0 - T))


RIGHT = {
    "output-gate": (
        gate_of_one_sum,
        gate_with_loops,
        gate_row_by_row,
        gate_with_a_diagonal_matrix,
        gate_with_einsum,
        gate_with_the_formula_of_the_sigmoid,
    ),
    "hidden-state": (
        hidden_by_numpy,
        hidden_with_loops,
        hidden_from_sigmoid,
    ),
    "cell-behind": (
        behind_by_numpy,
        behind_with_logarithm,
        behind_with_logit,
    ),
    "bound": (bound_of_the_size, bound_step_by_step, bound_of_both_signs),
}
