"""The orders in which frameworks stack gates, in one table, and how to get from one to another."""

import numpy as np

from lstm_course._checks import Array
from lstm_course.cell import GATES
from lstm_course.variants import GRUParams

ORDERS = {
    "lstm_course": {"LSTM": "".join(GATES), "GRU": GRUParams.gates, "RNN": "h", "peepholes": "ifo"},
    "PyTorch": {"LSTM": "ifgo", "GRU": "rzn"},
    "cuDNN": {"LSTM": "ifgo", "GRU": "rzn"},
    "Keras": {"LSTM": "ifgo", "GRU": "zrn"},
    "Flax": {"LSTM": "ifgo", "GRU": "rzn"},
    "ONNX": {"LSTM": "iofg", "GRU": "zrn", "RNN": "h", "peepholes": "iof"},
}
"""The slices of each framework's arrays, in this course's letters."""


def reordered(array: Array, came: str, wanted: str) -> Array:
    """Return a copy of an array with its slices along the first axis in another order.

    Parameters
    ----------
    array
        (kH, ...), slices in the order `came`.
    came, wanted
        A letter for each slice. Slices that are wanted but did not come are 0.

    Returns
    -------
    (kH, ...) slices in the order `wanted`.

    Examples
    --------
    >>> reordered(np.array([1, 2, 3, 4, 5, 6, 7, 8]), "ifgo", "iofg")
    array([1, 2, 7, 8, 3, 4, 5, 6])
    >>> reordered(np.array([1, 2, 5, 6, 7, 8]), "igo", "iofg")  # coupled gates: no f
    array([1, 2, 7, 8, 0, 0, 5, 6])
    """
    blocks = dict(zip(came, np.split(array, len(came)), strict=True))
    absent = np.zeros_like(blocks[came[0]])
    return np.concatenate([blocks.get(letter, absent) for letter in wanted])
