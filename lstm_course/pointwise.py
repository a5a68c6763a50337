"""The pointwise operations that make up an LSTM, each next to its derivative.

Pointwise means that entry k of the result depends on entry k of the arguments alone.
"""

import numpy as np

from lstm_course._checks import Array, float_array, tiny_is_zero


@tiny_is_zero
def product(a: Array, b: Array) -> Array:
    """Multiply two arrays entry by entry (the Hadamard product, written a * b).

    This is how a gate acts: one factor is the gate, the other is what passes through it.

    Parameters
    ----------
    a, b
        Float arrays of the same shape.

    Returns
    -------
    Array of the same shape.

    Raises
    ------
    TypeError
        An argument is not an array of float32 or float64.
    ValueError
        The shapes differ. (Nothing is broadcast, so axes can't be mixed up silently.)

    Examples
    --------
    >>> product([0.2, 0.8, 0.5], [0.3, 0.7, 0.4]).round(2)
    array([0.06, 0.56, 0.2 ])
    """
    a, b = _pair(a, b)
    return a * b


def product_derivative(a: Array, b: Array) -> tuple[Array, Array]:
    """Return d(a*b)/da = b and d(a*b)/db = a: each factor is the other's derivative.

    Parameters, errors: as in `product`.

    Examples
    --------
    >>> by_a, by_b = product_derivative([0.2, 0.8], [0.3, 0.7])
    >>> by_a, by_b
    (array([0.3, 0.7]), array([0.2, 0.8]))
    """
    a, b = _pair(a, b)
    return b.copy(), a.copy()  # copies, since gradients are added up in place


def add(a: Array, b: Array) -> Array:
    """Add two arrays entry by entry.

    Parameters
    ----------
    a, b
        Float arrays of the same shape.

    Returns
    -------
    Array of the same shape.

    Raises
    ------
    TypeError
        An argument is not an array of float32 or float64.
    ValueError
        The shapes differ.

    Examples
    --------
    >>> add([0.5, 0.1, 0.3], [0.4, 0.7, 0.2]).round(1)
    array([0.9, 0.8, 0.5])
    """
    a, b = _pair(a, b)
    return a + b


def add_derivative(a: Array, b: Array) -> tuple[Array, Array]:
    """Return d(a+b)/da = 1 and d(a+b)/db = 1: a sum passes a gradient on unchanged.

    Parameters, errors: as in `add`.

    Examples
    --------
    >>> add_derivative([0.5, 0.1], [0.4, 0.7])
    (array([1., 1.]), array([1., 1.]))
    """
    a, b = _pair(a, b)
    return np.ones_like(a), np.ones_like(b)


@tiny_is_zero
def sigmoid(x: Array) -> Array:
    """Squash every entry into [0, 1]: 1 / (1 + exp(-x)), without overflow for any finite x.

    The exponential is only ever taken of -abs(x), so it stays in [0, 1]. For x < 0, expanding the
    fraction by exp(x) gives exp(x) / (1 + exp(x)).

    Parameters
    ----------
    x
        Float array of any shape.

    Returns
    -------
    Array of the same shape and dtype. Rounded to 1 above about 37 in float64, 17 in float32.

    Raises
    ------
    TypeError
        `x` is not an array of float32 or float64.

    Examples
    --------
    >>> sigmoid([-1e4, 0.0, 1e4])
    array([0. , 0.5, 1. ])
    """
    return _sigmoid(float_array("x", x))


@tiny_is_zero
def sigmoid_derivative(x: Array) -> Array:
    """Return sigmoid'(x) = sigmoid(x) * (1 - sigmoid(x)), at most 1/4, reached at x = 0.

    `x` is the argument of the sigmoid, not its value. The second factor is computed as
    sigmoid(-x): 1 - sigmoid(x) would round to 0 for large x.

    Parameters, errors: as in `sigmoid`.

    Examples
    --------
    >>> sigmoid_derivative([0.0, 2.0]).round(4)
    array([0.25 , 0.105])
    """
    x = float_array("x", x)
    # Not s * (1 - s), since the difference has no digits left where s is near 1.
    return _sigmoid(x) * _sigmoid(-x)


@tiny_is_zero
def tanh(x: Array) -> Array:
    """Squash every entry into [-1, 1]: (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Parameters
    ----------
    x
        Float array of any shape.

    Returns
    -------
    Array of the same shape and dtype. It equals 2 * sigmoid(2x) - 1.

    Raises
    ------
    TypeError
        `x` is not an array of float32 or float64.

    Examples
    --------
    >>> tanh([0.7, 0.1, 0.5]).round(4)
    array([0.6044, 0.0997, 0.4621])
    """
    return np.tanh(float_array("x", x))


@tiny_is_zero
def tanh_derivative(x: Array) -> Array:
    """Return tanh'(x) = 1 - tanh(x)**2, at most 1, reached at x = 0.

    `x` is the argument of tanh, not its value. With
    s = exp(-2 abs(x)), it is computed as 4 s / (1 + s)**2, which stays exact where
    1 - tanh(x)**2 would cancel.

    Parameters, errors: as in `tanh`.

    Examples
    --------
    >>> tanh_derivative([0.0, 1.0]).round(4)
    array([1.  , 0.42])
    """
    # Not 1 - tanh(x)**2, for the same reason; exp of a negative number cannot overflow.
    small = np.exp(-np.abs(float_array("x", x))) ** 2
    return 4 * small / (1 + small) ** 2


def _sigmoid(x: Array) -> Array:
    # The exponential of a negative number may round to 0, which is right; it is never infinite.
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def _pair(a: Array, b: Array) -> tuple[Array, Array]:
    a = float_array("a", a)
    b = float_array("b", b)
    if a.dtype != b.dtype:
        raise TypeError(f"b is {b.dtype}, expected {a.dtype}, the dtype of a")
    if a.shape != b.shape:
        raise ValueError(f"b has shape {b.shape}, expected {a.shape}, the shape of a")
    return a, b
