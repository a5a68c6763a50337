"""Parameters to and from Keras, as arrays: its kernels are transposed, with a column per unit."""

from typing import Any

import numpy as np

from lstm_course._checks import Array, float_array
from lstm_course.cell import LSTMParams
from lstm_course.interop.orders import ORDERS, reordered
from lstm_course.variants import GRUParams, ResetBeforeGRUParams, StandardParams


def from_keras(
    kernel: Any, recurrent_kernel: Any, bias: Any
) -> LSTMParams | GRUParams | ResetBeforeGRUParams:
    """Return the parameters of a Keras layer, given what its `get_weights()` returns.

    Parameters
    ----------
    kernel
        (D, 4H) input weights of a keras.layers.LSTM, in the order i, f, c, o, where c is the
        candidate; (D, 3H) of a keras.layers.GRU, in the order z, r, h.
    recurrent_kernel
        (H, 4H) or (H, 3H) recurrent weights, same order.
    bias
        (4H,) of an LSTM; (2, 3H) of a GRU with reset_after=True, Keras's default, with one row each
        for input and recurrent weights; (3H,) of a GRU with reset_after=False. For a layer with
        use_bias=False, pass zeros of the same shape.

    Returns
    -------
    params
        LSTMParams, GRUParams, or ResetBeforeGRUParams, with copies of the numbers. In Keras as
        here, z = 1 keeps the old state. `unit_forget_bias` only affects where training starts.

    Raises
    ------
    TypeError
        An array is not of float32 or float64, or the dtypes differ.
    ValueError
        The shapes are neither those of an LSTM nor those of a GRU.

    References
    ----------
    https://keras.io/api/layers/recurrent_layers/lstm/,
    https://keras.io/api/layers/recurrent_layers/gru/.

    Examples
    --------
    >>> params = from_keras(np.ones((3, 8)), np.ones((2, 8)), np.array([1, 1, 2, 2, 3, 3, 4, 4]))
    >>> params.gate("g")[2]
    array([3., 3.])
    >>> type(from_keras(np.ones((3, 6)), np.ones((2, 6)), np.zeros((2, 6)))).__name__
    'GRUParams'
    """
    recurrent_kernel = float_array("recurrent_kernel", recurrent_kernel, ("H", "kH"))
    (H, columns), dtype = recurrent_kernel.shape, recurrent_kernel.dtype
    if columns not in (3 * H, 4 * H):
        raise ValueError(
            f"recurrent_kernel has shape {(H, columns)}, expected (H, 4H) of an LSTM or (H, 3H) "
            "of a GRU"
        )
    kernel = float_array("kernel", kernel, ("D", columns), dtype)
    bias = float_array("bias", bias, dtype=dtype)
    shapes = [(columns,)] if columns == 4 * H else [(2, columns), (columns,)]
    if bias.shape not in shapes:
        raise ValueError(f"bias has shape {bias.shape}, expected {' or '.join(map(str, shapes))}")
    kind = "LSTM" if columns == 4 * H else "GRU"
    weight_ih, weight_hh, *biases = (
        reordered(array, ORDERS["Keras"][kind], ORDERS["lstm_course"][kind])
        for array in (kernel.T, recurrent_kernel.T, *bias.reshape(-1, columns))
    )
    if kind == "LSTM":
        return LSTMParams(weight_ih, weight_hh, biases[0])
    if len(biases) == 2:
        return GRUParams(weight_ih, weight_hh, *biases)
    return ResetBeforeGRUParams(weight_ih, weight_hh, biases[0], np.zeros_like(biases[0]))


def to_keras(
    params: LSTMParams | StandardParams | GRUParams | ResetBeforeGRUParams,
) -> tuple[Array, Array, Array]:
    """Return what `set_weights` of a Keras layer takes.

    Parameters
    ----------
    params
        LSTMParams or StandardParams for a keras.layers.LSTM, GRUParams for a keras.layers.GRU,
        ResetBeforeGRUParams for one with reset_after=False.

    Returns
    -------
    kernel, recurrent_kernel, bias
        In the shapes that `from_keras` takes.

    Raises
    ------
    TypeError
        `params` is something else.

    References
    ----------
    As for `from_keras`.

    Examples
    --------
    >>> from lstm_course import example
    >>> [array.shape for array in to_keras(example.params)]
    [(3, 8), (2, 8), (8,)]
    """
    kind = {
        LSTMParams: "LSTM",
        StandardParams: "LSTM",
        GRUParams: "GRU",
        ResetBeforeGRUParams: "GRU",
    }.get(type(params))
    if kind is None:
        raise TypeError(
            "params must be LSTMParams, StandardParams, GRUParams or ResetBeforeGRUParams, "
            f"got {type(params).__name__}"
        )
    weight_ih, weight_hh, *biases = (
        reordered(array, ORDERS["lstm_course"][kind], ORDERS["Keras"][kind])
        for array in params.arrays()
    )
    bias = np.stack(biases) if type(params) is GRUParams else np.sum(biases, axis=0)
    return weight_ih.T, weight_hh.T, bias
