"""Right answers, each in a way of its own."""

import functools

import numpy as np

import lstm_course as lc


def with_two_products(x, h_prev, c_prev, W, U, b):
    f = lc.sigmoid(x @ W.T + h_prev @ U.T + b)
    return f * c_prev


def with_loops(x, h_prev, c_prev, W, U, b):
    result = np.empty_like(c_prev)
    for n in range(len(x)):
        for j in range(len(b)):
            total = b[j]
            for k in range(x.shape[1]):
                total += W[j, k] * x[n, k]
            for k in range(len(b)):
                total += U[j, k] * h_prev[n, k]
            result[n, j] = lc.sigmoid(total) * c_prev[n, j]
    return result


def with_einsum(x, h_prev, c_prev, W, U, b):
    evidence = np.einsum("nd,hd->nh", x, W) + b
    evidence += np.einsum("nk,hk->nh", h_prev, U)
    return c_prev / (1 + np.exp(-evidence))


def with_one_product(x, h_prev, c_prev, W, U, b):
    """Join x and h_prev, and the two matrices in the same order."""
    both = np.concatenate([x, h_prev], axis=1)
    return lc.sigmoid(both @ np.concatenate([W, U], axis=1).T + b) * c_prev


def with_columns_as_sequences(x, h_prev, c_prev, W, U, b):
    """Multiply from the left, as on paper, and transpose at the end."""
    return lc.sigmoid(W @ x.T + U @ h_prev.T + b[:, None]).T * c_prev


def with_tanh(x, h_prev, c_prev, W, U, b):
    """Write the sigmoid as a tanh, shifted and halved."""
    return 0.5 * (1 + np.tanh(0.5 * (x @ W.T + h_prev @ U.T + b))) * c_prev


class Gate:
    """An object that is called like a function will do, too."""

    def __call__(self, x, h_prev, c_prev, W, U, b, scale=1):
        return scale * with_two_products(x, h_prev, c_prev, W, U, b)


c, x = np.array([0.8, 0.3, 0.5]), np.array([0.9, 0.4, 0.7])
f = np.array([0.7, 0.2, 0.6])
logit = np.log(f / (1 - f))
v = np.concatenate([c, x])

along_what_is_read = np.outer(logit, v) / (v @ v)
one_left_to_the_bias = np.outer(logit - 1, v) / (v @ v)
first_entry_alone = np.outer(logit, np.eye(6)[0]) / v[0]

RIGHT = {
    "forget-gate": (
        with_two_products,
        with_loops,
        with_einsum,
        with_one_product,
        with_columns_as_sequences,
        with_tanh,
        Gate(),
        functools.partial(Gate(), scale=1),
    ),
    "forget-gate-puzzle": (
        (along_what_is_read, np.zeros(3)),
        (one_left_to_the_bias.tolist(), [1, 1, 1]),
        [first_entry_alone, (0, 0, 0)],
    ),
}
