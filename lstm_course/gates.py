"""The four gate computations, one by one: an affine map of the input and hidden state, squashed.

All four have the same form. They differ in their weights and in what squashes the result: a
sigmoid for what lets something through (0 to 1), tanh for what is written (-1 to 1).
"""

from lstm_course._checks import Array, finite, float_array, tiny_is_zero
from lstm_course.pointwise import sigmoid, tanh


@tiny_is_zero
def preactivation(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return W x + U h_prev + b for every row of a batch.

    This equals one map of the concatenation: [W, U] [x; h_prev] + b.

    Parameters
    ----------
    x
        (N, D) input of this step.
    h_prev
        (N, H) hidden state of the step before.
    W
        (H, D) input weights.
    U
        (H, H) recurrent weights.
    b
        (H,) bias.

    Returns
    -------
    (N, H) array of any real values.

    Raises
    ------
    TypeError
        An argument is not a float array, or the dtypes differ.
    ValueError
        A shape does not fit, or x or h_prev holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> W, U, b = np.array([[2.0, 0.0]]), np.array([[0.5]]), np.array([1.0])
    >>> preactivation(np.array([[1.0, 3.0]]), np.array([[0.4]]), W, U, b)
    array([[3.2]])
    """
    W = float_array("W", W, ("H", "D"))
    H, D = W.shape
    U = float_array("U", U, (H, H), W.dtype)
    b = float_array("b", b, (H,), W.dtype)
    x = finite("x", float_array("x", x, ("N", D), W.dtype))
    h_prev = finite("h_prev", float_array("h_prev", h_prev, (x.shape[0], H), W.dtype))
    return x @ W.T + h_prev @ U.T + b  # (N, H)


def forget_gate(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return f = sigmoid(W x + U h_prev + b), the share of each cell entry that is kept.

    Parameters, errors: as in `preactivation`.

    Returns
    -------
    (N, H) array in [0, 1], to multiply the old cell state by. Near 0 it erases, near 1 it keeps.

    References
    ----------
    Gers, Schmidhuber and Cummins (2000), doi:10.1162/089976600300015015, section 3.

    Examples
    --------
    >>> from lstm_course import example
    >>> forget_gate(example.xs[0], example.h0, *example.params.gate("f")).round(4)
    array([[0.1419, 0.6682]])
    """
    return sigmoid(preactivation(x, h_prev, W, U, b))


def input_gate(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return i = sigmoid(W x + U h_prev + b), the share of each candidate that is written.

    Parameters, errors: as in `preactivation`.

    Returns
    -------
    (N, H) array in [0, 1].

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, section 4.

    Examples
    --------
    >>> from lstm_course import example
    >>> input_gate(example.xs[0], example.h0, *example.params.gate("i")).round(4)
    array([[0.1091, 0.7685]])
    """
    return sigmoid(preactivation(x, h_prev, W, U, b))


def candidate(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return g = tanh(W x + U h_prev + b), the new content offered to the cell state.

    Parameters, errors: as in `preactivation`.

    Returns
    -------
    (N, H) array in [-1, 1].

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, section 4, where
    the candidate's squashing function has range [-2, 2]; tanh has since become the standard.

    Examples
    --------
    >>> from lstm_course import example
    >>> candidate(example.xs[0], example.h0, *example.params.gate("g")).round(4)
    array([[ 0.9051, -0.7616]])
    """
    return tanh(preactivation(x, h_prev, W, U, b))


def output_gate(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return o = sigmoid(W x + U h_prev + b), the share of each cell entry that is shown.

    Parameters, errors: as in `preactivation`.

    Returns
    -------
    (N, H) array in [0, 1].

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, section 4.

    Examples
    --------
    >>> from lstm_course import example
    >>> output_gate(example.xs[0], example.h0, *example.params.gate("o")).round(4)
    array([[0.525, 0.832]])
    """
    return sigmoid(preactivation(x, h_prev, W, U, b))
