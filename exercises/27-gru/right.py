"""Right answers, each in a way of its own."""

import numpy as np

import lstm_course as lc
from lstm_course import variants


def coupled_by_three_slices(x, h_prev, c_prev, W, U, b):
    a_i, a_g, a_o = np.split(x @ W.T + h_prev @ U.T + b, 3, axis=1)
    i = lc.sigmoid(a_i)
    c = (1 - i) * c_prev + i * np.tanh(a_g)
    return lc.sigmoid(a_o) * np.tanh(c), c


def coupled_by_moving(x, h_prev, c_prev, W, U, b):
    """From c_prev a share of the way towards the candidate."""
    H = h_prev.shape[1]
    joined = np.hstack([x, h_prev]) @ np.hstack([W, U]).T + b
    candidate = np.tanh(joined[:, H : 2 * H])
    c = c_prev + lc.sigmoid(joined[:, :H]) * (candidate - c_prev)
    return lc.sigmoid(joined[:, 2 * H :]) * np.tanh(c), c


def coupled_by_the_standard_step(x, h_prev, c_prev, W, U, b):
    """1 minus a sigmoid is the sigmoid of the opposite sum."""

    def with_forget_gate(stacked):
        i, g, o = np.split(stacked, 3)
        return np.concatenate([i, -i, g, o])

    params = lc.LSTMParams(*map(with_forget_gate, (W, U, b)))
    h, c, _ = lc.lstm_step(x, h_prev, c_prev, params)
    return h, c


def coupled_with_loops(x, h_prev, c_prev, W, U, b):
    N, H = h_prev.shape
    h, c = np.empty_like(h_prev), np.empty_like(c_prev)
    for n, j in np.ndindex(N, H):
        a_i, a_g, a_o = W[j::H] @ x[n] + U[j::H] @ h_prev[n] + b[j::H]
        i = lc.sigmoid(a_i)
        c[n, j] = (1 - i) * c_prev[n, j] + i * np.tanh(a_g)
        h[n, j] = lc.sigmoid(a_o) * np.tanh(c[n, j])
    return h, c


def gate_by_what_the_step_did(dc, i, c_prev, c):
    return dc * (c - c_prev) * (1 - i)


def gate_by_the_candidate(dc, i, c_prev, c):
    """Find g first, and go back by both ways."""
    g = (c - (1 - i) * c_prev) / i
    di = dc * g - dc * c_prev
    return di * i * (1 - i)


def gate_by_another_difference(dc, i, c_prev, c):
    """g - c is what the kept share of c_prev keeps c away from g."""
    g = (c - (1 - i) * c_prev) / i
    return dc * (g - c) * i


def gate_with_loops(dc, i, c_prev, c):
    da = np.zeros_like(dc)
    for place in np.ndindex(dc.shape):
        moved = c[place] - c_prev[place]
        da[place] = dc[place] * (moved - moved * i[place])
    return da


def gru_by_two_products(x, h_prev, M_x, M_h):
    ones = np.ones((len(x), 1), x.dtype)
    a_r, a_z, a_n = np.split(np.hstack([x, ones]) @ M_x, 3, axis=1)
    u_r, u_z, u_n = np.split(np.hstack([h_prev, ones]) @ M_h, 3, axis=1)
    r, z = lc.sigmoid(a_r + u_r), lc.sigmoid(a_z + u_z)
    n = np.tanh(a_n + r * u_n)
    return (1 - z) * n + z * h_prev


def gru_by_moving(x, h_prev, M_x, M_h):
    """From n a share of the way towards h_prev; both gates in one sigmoid."""
    H = h_prev.shape[1]
    a, u = x @ M_x[:-1] + M_x[-1], h_prev @ M_h[:-1] + M_h[-1]
    gates = lc.sigmoid((a + u)[:, : 2 * H])
    n = np.tanh(a[:, 2 * H :] + gates[:, :H] * u[:, 2 * H :])
    return n + gates[:, H:] * (h_prev - n)


def gru_with_one_product(x, h_prev, M_x, M_h):
    """One product for all sums; the candidate's two parts in slices of their own."""
    (N, D), H = x.shape, h_prev.shape[1]
    M = np.zeros((D + H + 2, 4 * H), x.dtype)
    M[: D + 1, : 3 * H] = M_x
    M[D + 1 :, : 2 * H] = M_h[:, : 2 * H]
    M[D + 1 :, 3 * H :] = M_h[:, 2 * H :]
    one = np.ones((N, 1), x.dtype)
    r, z, n, u_n = np.split(np.hstack([x, one, h_prev, one]) @ M, 4, axis=1)
    r, z = lc.sigmoid(r), lc.sigmoid(z)
    return (1 - z) * np.tanh(n + r * u_n) + z * h_prev


def gru_with_loops(x, h_prev, M_x, M_h):
    N, H = h_prev.shape
    h = np.empty_like(h_prev)
    for n in range(N):
        for j in range(H):
            a = x[n] @ M_x[:-1, j::H] + M_x[-1, j::H]
            u = h_prev[n] @ M_h[:-1, j::H] + M_h[-1, j::H]
            r, z = lc.sigmoid(a[:2] + u[:2])
            h[n, j] = (1 - z) * np.tanh(a[2] + r * u[2]) + z * h_prev[n, j]
    return h


def forward(x, h_prev, W, U, b_ih, b_hh):
    """What the step kept."""
    params = variants.GRUParams(W, U, b_ih, b_hh)
    return variants.gru_step(x, h_prev, params)[1].steps[0]


def back_all_at_once(dh, x, h_prev, W, U, b_ih, b_hh):
    s = forward(x, h_prev, W, U, b_ih, b_hh)
    u_n = np.split(s.u, 3, axis=1)[2]
    da_n = dh * (1 - s.z) * (1 - s.n**2)
    da_r = da_n * u_n * s.r * (1 - s.r)
    da_z = dh * (h_prev - s.n) * s.z * (1 - s.z)
    da = np.hstack([da_r, da_z, da_n])
    du = np.hstack([da_r, da_z, da_n * s.r])
    dh_prev = dh * s.z + du @ U
    return da @ W, dh_prev, da.T @ x, du.T @ h_prev, da.sum(0), du.sum(0)


def back_gate_by_gate(dh, x, h_prev, W, U, b_ih, b_hh):
    """Each slice adds its share; the cache is not used."""
    H = h_prev.shape[1]
    rows = [slice(k * H, (k + 1) * H) for k in range(3)]
    a = [x @ W[k].T + b_ih[k] for k in rows]
    u = [h_prev @ U[k].T + b_hh[k] for k in rows]
    r, z = lc.sigmoid(a[0] + u[0]), lc.sigmoid(a[1] + u[1])
    n = np.tanh(a[2] + r * u[2])
    of_n = dh * (1 - z) / np.cosh(a[2] + r * u[2]) ** 2
    of_x = (of_n * u[2] * (r - r * r), dh * (h_prev - n) * (z - z * z), of_n)
    of_h = (*of_x[:2], of_n * r)
    dx, dh_prev = np.zeros_like(x), dh * z
    dW, dU = np.empty_like(W), np.empty_like(U)
    db_ih, db_hh = np.empty_like(b_ih), np.empty_like(b_hh)
    for k, one, other in zip(rows, of_x, of_h, strict=True):
        dx += one @ W[k]
        dh_prev += other @ U[k]
        dW[k], dU[k] = one.T @ x, other.T @ h_prev
        db_ih[k], db_hh[k] = one.sum(axis=0), other.sum(axis=0)
    return dx, dh_prev, dW, dU, db_ih, db_hh


def back_with_loops(dh, x, h_prev, W, U, b_ih, b_hh):
    s = forward(x, h_prev, W, U, b_ih, b_hh)
    (N, D), H = x.shape, h_prev.shape[1]
    results = [np.zeros_like(array) for array in (x, h_prev, W, U, b_ih, b_hh)]
    dx, dh_prev, dW, dU, db_ih, db_hh = results
    for n in range(N):
        for j in range(H):
            r, z, new = s.r[n, j], s.z[n, j], s.n[n, j]
            dh_prev[n, j] += dh[n, j] * z
            da_n = dh[n, j] * (1 - z) * (1 - new * new)
            da_z = dh[n, j] * (h_prev[n, j] - new) * z * (1 - z)
            da_r = da_n * s.u[n, 2 * H + j] * r * (1 - r)
            pairs = (da_r, da_r), (da_z, da_z), (da_n, da_n * r)
            for k, (da, du) in enumerate(pairs):
                row = k * H + j
                db_ih[row] += da
                db_hh[row] += du
                for d in range(D):
                    dW[row, d] += da * x[n, d]
                    dx[n, d] += da * W[row, d]
                for m in range(H):
                    dU[row, m] += du * h_prev[n, m]
                    dh_prev[n, m] += du * U[row, m]
    return results


def back_with_four_slices(dh, x, h_prev, W, U, b_ih, b_hh):
    """As if the candidate's two parts were slices of their own: r, z, n, u."""
    H = h_prev.shape[1]
    W4 = np.concatenate([W, np.zeros_like(W[:H])])
    U4 = np.concatenate([U[: 2 * H], np.zeros_like(U[:H]), U[2 * H :]])
    s = forward(x, h_prev, W, U, b_ih, b_hh)
    of_n = dh * (1 - s.z) * (1 + s.n) * (1 - s.n)
    four = np.concatenate(
        [
            of_n * s.u[:, 2 * H :] * s.r * (1 - s.r),
            dh * (h_prev - s.n) * s.z * (1 - s.z),
            of_n,
            of_n * s.r,
        ],
        axis=1,
    )
    db = four.sum(axis=0)
    dU4 = four.T @ h_prev
    return (
        four @ W4,
        four @ U4 + dh * s.z,
        (four.T @ x)[: 3 * H],
        np.concatenate([dU4[: 2 * H], dU4[3 * H :]]),
        db[: 3 * H],
        np.concatenate([db[: 2 * H], db[3 * H :]]),
    )


RIGHT = {
    "coupled-step": (
        coupled_by_three_slices,
        coupled_by_moving,
        coupled_by_the_standard_step,
        coupled_with_loops,
    ),
    "coupled-gate": (
        gate_by_what_the_step_did,
        gate_by_the_candidate,
        gate_by_another_difference,
        gate_with_loops,
    ),
    "gru-step": (
        gru_by_two_products,
        gru_by_moving,
        gru_with_one_product,
        gru_with_loops,
    ),
    "gru-backward": (
        back_all_at_once,
        back_gate_by_gate,
        back_with_loops,
        back_with_four_slices,
    ),
}
