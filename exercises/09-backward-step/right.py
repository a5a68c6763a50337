"""Right answers, each in a way of its own."""

import numpy as np

import lstm_course as lc


def two_flows_by_the_formula(dh, dc, o, h):
    return dc + dh * o * (1 - (h / o) ** 2)


def two_flows_multiplied_out(dh, dc, o, h):
    return dc + dh * (o - h * h / o)


def two_flows_in_two_factors(dh, dc, o, h):
    """1 minus a square is a product, which keeps more digits."""
    tanh_c = h / o
    return dc + dh * o * (1 + tanh_c) * (1 - tanh_c)


def two_flows_with_loops(dh, dc, o, h):
    total = dc.copy()
    for place in np.ndindex(h.shape):
        slope = 1 - (h[place] / o[place]) ** 2
        total[place] += dh[place] * o[place] * slope
    return total


def two_flows_from_c(dh, dc, o, h):
    """Find the cell state first, as in exercise 6."""
    c = np.arctanh(h / o)
    return dc + dh * o / np.cosh(c) ** 2


def forward(x, h_prev, c_prev, W, U, b):
    return lc.lstm_step(x, h_prev, c_prev, lc.LSTMParams(W, U, b))[2]


def all_at_once(dh, dc, x, h_prev, c_prev, W, U, b):
    k = forward(x, h_prev, c_prev, W, U, b)
    whole = dc + dh * k.o * (1 - k.tanh_c**2)
    da_i = whole * k.g * k.i * (1 - k.i)
    da_f = whole * c_prev * k.f * (1 - k.f)
    da_g = whole * k.i * (1 - k.g**2)
    da_o = dh * k.tanh_c * k.o * (1 - k.o)
    da = np.hstack([da_i, da_f, da_g, da_o])
    return da @ W, da @ U, whole * k.f, da.T @ x, da.T @ h_prev, da.sum(0)


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
    """Each gate adds its share to dx and dh_prev; the cache is not used."""
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
    """x and h_prev in one piece, W and U too, and an axis for the gates."""
    k = forward(x, h_prev, c_prev, W, U, b)
    (_, D), H = x.shape, h_prev.shape[1]
    whole = dc + dh * k.o / np.cosh(k.c) ** 2
    da = np.stack(
        [
            whole * k.g * k.i * (1 - k.i),
            whole * c_prev * k.f * (1 - k.f),
            whole * k.i * (1 + k.g) * (1 - k.g),
            dh * k.h * (1 - k.o),  # h is o times tanh(c)
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
        two_flows_by_the_formula,
        two_flows_multiplied_out,
        two_flows_in_two_factors,
        two_flows_with_loops,
        two_flows_from_c,
    ),
    "backward-step": (all_at_once, with_loops, gate_by_gate, joined),
}
