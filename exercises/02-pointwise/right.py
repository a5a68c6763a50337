"""Right answers, each in a way of its own."""

import math

import numpy as np

import lstm_course as lc


def sigmoid_with_one_power(x):
    small = np.exp(-np.abs(x))  # in 0 to 1, whatever x is
    return np.where(x >= 0, 1, small) / (1 + small)


def sigmoid_without_branches(x):
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def sigmoid_with_a_mask(x):
    result = np.empty_like(x)
    positive = x >= 0
    result[positive] = 1 / (1 + np.exp(-x[positive]))
    small = np.exp(x[~positive])
    result[~positive] = small / (1 + small)
    return result


def sigmoid_piece_by_piece(x):
    def where_negative(x):
        return np.exp(x) / (1 + np.exp(x))

    def elsewhere(x):
        return 1 / (1 + np.exp(-x))

    return np.piecewise(x, [x < 0], [where_negative, elsewhere])


def sigmoid_with_loops(x):
    def one(a):
        if a >= 0:
            return 1 / (1 + math.exp(-a))
        return math.exp(a) / (1 + math.exp(a))

    return np.array([[one(float(a)) for a in row] for row in x], dtype=x.dtype)


def sigmoid_from_tanh(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def sigmoid_from_its_logarithm(x):
    return np.exp(-np.logaddexp(0, -x))


def tanh_by_stretching(x, sigmoid):
    return 2 * sigmoid(2 * x) - 1


def tanh_by_symmetry(x, sigmoid):
    # 1 is the share and what is left of it: sigmoid(2x) + sigmoid(-2x)
    return sigmoid(2 * x) - sigmoid(-2 * x)


def sigmoid_derivative_from_two_shares(x):
    return lc.sigmoid(x) * lc.sigmoid(-x)


def sigmoid_derivative_from_one_power(x):
    small = np.exp(-np.abs(x))  # the slope at x is that at -x
    return small / (1 + small) ** 2


def sigmoid_derivative_from_cosh(x):
    with np.errstate(over="ignore"):  # one over infinity is 0, as it should be
        return 0.25 / np.cosh(x / 2) ** 2


def tanh_derivative_from_sigmoid(x):
    return 4 * sigmoid_derivative_from_two_shares(2 * x)


def tanh_derivative_from_one_power(x):
    small = np.exp(-2 * np.abs(x))
    return 4 * small / (1 + small) ** 2


def tanh_derivative_from_cosh(x):
    with np.errstate(over="ignore"):
        return np.cosh(x) ** -2.0


def chain_backward(w, x, c):
    s = lc.sigmoid(w * x)
    to_product = c * s * (1 - s)
    return to_product * x, to_product * w, s


def chain_with_loops(w, x, c):
    dw, dx, dc = (np.empty_like(w) for _ in range(3))
    for place in np.ndindex(w.shape):
        s = 1 / (1 + np.exp(-w[place] * x[place]))
        to_product = c[place] * s * (1 - s)
        dw[place] = to_product * x[place]
        dx[place] = to_product * w[place]
        dc[place] = s
    return [dw, dx, dc]  # a list will do, too


RIGHT = {
    "sigmoid": (
        sigmoid_with_one_power,
        sigmoid_without_branches,
        sigmoid_with_a_mask,
        sigmoid_piece_by_piece,
        sigmoid_with_loops,
        sigmoid_from_tanh,
        sigmoid_from_its_logarithm,
    ),
    "tanh": (tanh_by_stretching, tanh_by_symmetry),
    "sigmoid-derivative": (
        sigmoid_derivative_from_two_shares,
        sigmoid_derivative_from_one_power,
        sigmoid_derivative_from_cosh,
    ),
    "tanh-derivative": (
        tanh_derivative_from_sigmoid,
        tanh_derivative_from_one_power,
        tanh_derivative_from_cosh,
    ),
    "chain": (chain_backward, chain_with_loops),
}
