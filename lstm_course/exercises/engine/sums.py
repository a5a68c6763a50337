"""Mistakes in the affine sum that every gate begins with, for all questions that contain one."""

from collections.abc import Callable

import numpy as np

from lstm_course._checks import Array

Sum = Callable[[Array, Array, Array, Array, Array], Array]


def affine(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return the sum itself, W x + U h_prev + b for every row of a batch."""
    return x @ W.T + h_prev @ U.T + b


SUMS: dict[str, tuple[Sum, ...]] = {
    "The bias has no effect.": (lambda x, h, W, U, b: x @ W.T + h @ U.T,),
    "The bias enters with the wrong sign.": (lambda x, h, W, U, b: x @ W.T + h @ U.T - b,),
    "The bias is counted twice, once with each map.": (
        lambda x, h, W, U, b: x @ W.T + h @ U.T + 2 * b,
    ),
    "W and U have changed places: W belongs to the input x, U to the hidden state h_prev.": (
        lambda x, h, W, U, b: x @ U.T + h @ W.T + b,
    ),
    "x and h_prev are joined in one order, W and U in the other. Both pairs need the same.": (
        lambda x, h, W, U, b: np.hstack([h, x]) @ np.hstack([W, U]).T + b,
        lambda x, h, W, U, b: np.hstack([x, h]) @ np.hstack([U, W]).T + b,
    ),
    "x and h_prev are added before any weight has touched them. Each has a map of its own.": (
        lambda x, h, W, U, b: (x + h) @ W.T + b,
        lambda x, h, W, U, b: (x + h) @ U.T + b,
        lambda x, h, W, U, b: (x + h) @ (W + U).T + b,
    ),
    "The two maps are multiplied. They have to be added.": (
        lambda x, h, W, U, b: (x @ W.T) * (h @ U.T) + b,
    ),
    "The sum reads the input x alone: the hidden state has no effect.": (
        lambda x, h, W, U, b: x @ W.T + b,
    ),
    "The sum reads the hidden state h_prev alone: the input has no effect.": (
        lambda x, h, W, U, b: h @ U.T + b,
    ),
}
"""A sentence, and the sums that it describes; for the parameters of one gate or of four stacked."""

AXES: dict[str, tuple[Sum, ...]] = {
    "A wrong axis: row j of W and U belongs to unit j, and your product runs along columns.": (
        lambda x, h, W, U, b: x @ W + h @ U + b,
    ),
    "A wrong axis in U: its row j belongs to unit j, and your product runs along columns.": (
        lambda x, h, W, U, b: x @ W.T + h @ U + b,
    ),
    "A wrong axis in W: its row j belongs to unit j, and your product runs along columns.": (
        lambda x, h, W, U, b: x @ W + h @ U.T + b,
    ),
    "A wrong axis: entry j of b belongs to unit j, and you add it to row j of the batch.": (
        lambda x, h, W, U, b: x @ W.T + h @ U.T + b[:, None],
    ),
    "A wrong axis: your sum has one column per sequence. In a batch sequences are rows.": (
        lambda x, h, W, U, b: W @ x.T + U @ h.T + b,
    ),
    "A wrong axis: your product sums over the rows of x and h_prev, which are the sequences.": (
        lambda x, h, W, U, b: W @ x + U @ h + b,
        lambda x, h, W, U, b: W @ x + U @ h + b[:, None],
    ),
}
"""The same for one gate alone: with the parameters of four such products do not fit."""
