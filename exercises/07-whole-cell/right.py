"""Right answers, each in a way of its own."""

import numpy as np

import lstm_course as lc


def from_four_sums(a, c_prev):
    """Return h and c, given all four sums side by side."""
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    c = lc.sigmoid(a_f) * c_prev + lc.sigmoid(a_i) * np.tanh(a_g)
    return lc.sigmoid(a_o) * np.tanh(c), c


def by_joining_the_inputs(x, h_prev, c_prev, M):
    ones = np.ones((len(x), 1), x.dtype)
    return from_four_sums(np.hstack([x, h_prev, ones]) @ M, c_prev)


def by_cutting_the_matrix(x, h_prev, c_prev, M):
    D = x.shape[1]
    return from_four_sums(x @ M[:D] + h_prev @ M[D:-1] + M[-1], c_prev)


def by_padding(x, h_prev, c_prev, M):
    joined = np.concatenate([x, h_prev], axis=1)
    with_ones = np.pad(joined, [(0, 0), (0, 1)], constant_values=1)
    return list(from_four_sums(with_ones @ M, c_prev))


def with_gates_on_an_axis(x, h_prev, c_prev, M):
    """One matrix per gate, and all four products at once."""
    D, H = x.shape[1], h_prev.shape[1]
    four = M.reshape(-1, 4, H)
    a = np.einsum("nd,dkh->knh", x, four[:D]) + four[-1][:, None]
    a += np.einsum("nj,jkh->knh", h_prev, four[D:-1])
    i, f, o = lc.sigmoid(a[[0, 1, 3]])
    c = f * c_prev + i * np.tanh(a[2])
    return o * np.tanh(c), c


def with_loops(x, h_prev, c_prev, M):
    N, H = h_prev.shape
    h, c = np.empty_like(h_prev), np.empty_like(h_prev)
    for n in range(N):
        inputs = np.concatenate([x[n], h_prev[n]])
        for j in range(H):
            a_i, a_f, a_g, a_o = inputs @ M[:-1, j::H] + M[-1, j::H]
            c[n, j] = lc.sigmoid(a_f) * c_prev[n, j]
            c[n, j] += lc.sigmoid(a_i) * np.tanh(a_g)
            h[n, j] = lc.sigmoid(a_o) * np.tanh(c[n, j])
    return h, c


def onnx_by_reordering(x, h_prev, c_prev, W, R, B):
    def in_our_order(stacked):
        i, o, f, g = np.split(stacked, 4)
        return np.concatenate([i, f, g, o])

    of_input, of_state = np.split(B[0], 2)
    bias = (of_input + of_state)[:, None]
    rows = np.concatenate([W[0], R[0], bias], axis=1)  # a row per sum
    return by_joining_the_inputs(x, h_prev, c_prev, in_our_order(rows).T)


def onnx_by_rows(x, h_prev, c_prev, W, R, B):
    """Pick rows by their numbers, and take the package's step."""
    H = h_prev.shape[1]
    rows = np.arange(4 * H).reshape(4, H)[[0, 2, 3, 1]].ravel()
    bias = B[0, : 4 * H] + B[0, 4 * H :]
    params = lc.LSTMParams(W[0][rows], R[0][rows], bias[rows])
    h, c, _ = lc.lstm_step(x, h_prev, c_prev, params)
    return h, c


def onnx_by_names(x, h_prev, c_prev, W, R, B):
    """Leave the parameters alone, and give each slice its right name."""
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
        by_joining_the_inputs,
        by_cutting_the_matrix,
        by_padding,
        with_gates_on_an_axis,
        with_loops,
    ),
    "foreign-order": (onnx_by_reordering, onnx_by_rows, onnx_by_names),
}
