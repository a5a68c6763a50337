"""What all maps share: layers made of cells from elsewhere, and biases in pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.cell import LSTMParams
from lstm_course.layers import LSTM, Stack
from lstm_course.rnn import RNN, RNNParams
from lstm_course.variants import CELLS, GRUParams, Variant


def stacked(
    cells: Sequence[Any],
    directions: int = 1,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Any:
    """Return a layer with copies of the parameters of its cells.

    Parameters
    ----------
    cells
        Parameters of one kind, layer by layer, forward direction first.
    directions
        1 or 2.
    dropout
        Between layers. With a single layer it would do nothing, so it's left out.
    rng
        The source of randomness for dropout; np.random.default_rng(0) if not given.

    Returns
    -------
    An LSTM of LSTMParams, an RNN of RNNParams, a Variant of others.

    Raises
    ------
    ValueError
        The cells do not fit on top of each other.

    Examples
    --------
    >>> from lstm_course import example
    >>> stacked([example.params]).forward(example.xs)[0].shape
    (3, 1, 2)
    """
    first, layers = cells[0], len(cells) // directions
    sizes = {"input_size": first.input_size, "hidden_size": first.hidden_size}
    how: dict[str, Any] = {"num_layers": layers, "bidirectional": directions == 2}
    how["dropout"] = dropout if layers > 1 else 0.0
    more: dict[str, Any] = {"rng": np.random.default_rng(0) if rng is None else rng}
    more["dtype"] = first.weight_ih.dtype
    layer: LSTM | RNN | Variant
    if isinstance(first, LSTMParams):
        layer = LSTM(**sizes, **how, **more)
    elif isinstance(first, RNNParams):
        if len(cells) > 1:
            raise ValueError(f"{len(cells)} vanilla RNN cells came, expected 1")
        layer = RNN(**sizes, **more)
    else:
        (name,) = (name for name, kind in CELLS.items() if kind is type(first))
        more |= {setting: getattr(first, setting) for setting in first.settings}
        layer = Variant(name, **sizes, **how, **more, **first.further_sizes())
    kinds = sorted({type(cell).__name__ for cell in cells})
    if len(kinds) > 1:
        raise ValueError(f"the cells are {' and '.join(kinds)}, expected one kind")
    for k, (cell, made) in enumerate(zip(cells, cells_in(layer), strict=True)):
        came, expected = ([array.shape for array in one.arrays()] for one in (cell, made))
        if came != expected:
            raise ValueError(f"cell {k} has arrays of shapes {came}, expected {expected}")
        for array, value in zip(made.arrays(), cell.arrays(), strict=True):
            array[...] = value
    return layer


def two_biases(cell: Any) -> tuple[Array, Array]:
    """Return a cell's biases for W and for U, or its only one and 0.

    Examples
    --------
    >>> from lstm_course import example
    >>> [bias.any() for bias in two_biases(example.params)]
    [np.True_, np.False_]
    """
    if isinstance(cell, GRUParams):
        return cell.bias_ih, cell.bias_hh
    return cell.bias, np.zeros_like(cell.bias)


def cells_in(layer: Any) -> Sequence[Any]:
    """Return the parameters of a layer's cells, layer by layer, forward direction first."""
    return layer.params if isinstance(layer, Stack) else (layer.params,)
