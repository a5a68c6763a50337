"""Right answers, each in a way of its own."""

import numpy as np

import lstm_course as lc


def by_joining_the_inputs(x, h_prev, W_i, b_i, W_g, b_g):
    both = np.concatenate([x, h_prev], axis=1)
    return lc.sigmoid(both @ W_i.T + b_i), np.tanh(both @ W_g.T + b_g)


def by_cutting_the_matrices(x, h_prev, W_i, b_i, W_g, b_g):
    D = x.shape[1]

    def total(W, b):
        return x @ W[:, :D].T + h_prev @ W[:, D:].T + b

    return lc.sigmoid(total(W_i, b_i)), np.tanh(total(W_g, b_g))


def with_loops(x, h_prev, W_i, b_i, W_g, b_g):
    i, g = np.empty_like(h_prev), np.empty_like(h_prev)
    for n in range(len(x)):
        both = np.append(x[n], h_prev[n])
        for j in range(len(b_i)):
            i[n, j] = lc.sigmoid(W_i[j] @ both + b_i[j])
            g[n, j] = np.tanh(W_g[j] @ both + b_g[j])
    return i, g


def with_one_product(x, h_prev, W_i, b_i, W_g, b_g):
    """Stack the two matrices as well: one product gives both sums."""
    both = np.hstack([x, h_prev])
    a = both @ np.vstack([W_i, W_g]).T + np.append(b_i, b_g)
    a_i, a_g = np.hsplit(a, 2)
    return [lc.sigmoid(a_i), 2 * lc.sigmoid(2 * a_g) - 1]


def with_einsum(x, h_prev, W_i, b_i, W_g, b_g):
    both = np.c_[x, h_prev]
    a_i, a_g = np.einsum("nd,khd->knh", both, np.array([W_i, W_g]))
    return lc.sigmoid(a_i + b_i), np.tanh(a_g + b_g)


def update_by_two_products(c_prev, f, i, g):
    return f * c_prev + i * g


def update_of_a_copy(c_prev, f, i, g):
    c = c_prev.copy()  # the caller keeps the old one
    c *= f
    c += i * g
    return c


def update_with_loops(c_prev, f, i, g):
    c = np.empty_like(c_prev)
    for place in np.ndindex(c.shape):
        c[place] = f[place] * c_prev[place] + i[place] * g[place]
    return c


def update_with_stacks(c_prev, f, i, g):
    return np.sum(np.stack([f, i]) * np.stack([c_prev, g]), axis=0)


# Rows keep, erase, replace, add, approach; columns f, i, g.
shut_or_open = np.array(
    [[1, 0, 0], [0, 0, 0], [0, 1, -0.5], [1, 1, 0.25], [0.5, 0.5, 1]]
)
half_open = [
    (1, 0.3, 0),
    (0, 0, 1),
    (0, 0.5, -1),
    (1, 0.5, 0.5),
    (0.5, 1, 0.5),
]
in_unequal_parts = (
    (1, 0, -1),
    [0, 1, 0],
    [0, 0.625, -0.8],
    [1, 0.25, 1],
    [0.5, 0.5, 1],
)

RIGHT = {
    "input-gate": (
        by_joining_the_inputs,
        by_cutting_the_matrices,
        with_loops,
        with_one_product,
        with_einsum,
    ),
    "cell-update": (
        update_by_two_products,
        update_of_a_copy,
        update_with_loops,
        update_with_stacks,
    ),
    "gate-settings": (shut_or_open, half_open, in_unequal_parts),
}
