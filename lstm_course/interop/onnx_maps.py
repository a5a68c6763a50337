"""One node of ONNX's recurrent operators: a cell's arrays in its order, and back."""

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import float_array
from lstm_course.cell import LSTMParams
from lstm_course.interop.orders import ORDERS, reordered
from lstm_course.interop.stacking import two_biases
from lstm_course.rnn import RNNParams
from lstm_course.variants import (
    ClippedParams,
    CoupledParams,
    GRUParams,
    PeepholeParams,
    ResetBeforeGRUParams,
    StandardParams,
)

OPERATORS: dict[type, tuple[str, ...]] = {
    LSTMParams: ("LSTM",),
    StandardParams: ("LSTM",),
    PeepholeParams: ("LSTM", "P"),
    CoupledParams: ("LSTM", "input_forget"),
    ClippedParams: ("LSTM", "clip"),
    GRUParams: ("GRU", "linear_before_reset"),
    ResetBeforeGRUParams: ("GRU",),
    RNNParams: ("RNN",),
}
"""The operator that computes each cell, and the input or attribute that selects the cell."""

ACTIVATIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
"""The activations that an operator uses in each direction, unless told otherwise."""


class Node(NamedTuple):
    """A recurrent operator; its arrays have a row for each direction."""

    operator: str
    attributes: dict[str, Any]
    W: Any  # (directions, kH, D)
    R: Any  # (directions, kH, H)
    B: Any = None  # (directions, 2kH): biases of W, then of R
    P: Any = None  # (directions, 3H)


def node_of(cells: Sequence[Any]) -> Node:
    """Return the node of one layer.

    Parameters
    ----------
    cells
        The parameters of each direction, all of one kind, which must be in `OPERATORS`.

    References
    ----------
    https://onnx.ai/onnx/operators/onnx__LSTM.html, and likewise of GRU and RNN.

    Examples
    --------
    >>> from lstm_course import example
    >>> node = node_of([example.params])
    >>> node.operator, node.W.shape, node.R.shape, node.B.shape
    ('LSTM', (1, 8, 3), (1, 8, 2), (1, 16))
    """
    kind = type(cells[0])
    operator, *special = OPERATORS[kind]
    rows = []
    for cell in cells:
        weight_ih, weight_hh, *biases = (
            reordered(array, _ours(kind), ORDERS["ONNX"][operator])
            for array in (cell.weight_ih, cell.weight_hh, *two_biases(cell))
        )
        rows.append((weight_ih, weight_hh, np.concatenate(biases)))
    W, R, B = (np.stack(arrays) for arrays in zip(*rows, strict=True))
    P = None
    if kind is PeepholeParams:
        orders = ORDERS["lstm_course"]["peepholes"], ORDERS["ONNX"]["peepholes"]
        P = np.stack([reordered(cell.peephole.ravel(), *orders) for cell in cells])
    attributes = {name: getattr(cells[0], name, 1) for name in special if name != "P"}
    return Node(operator, attributes, W, R, B, P)


def cells_of(node: Node) -> list[Any]:
    """Return the parameters of each direction of a node.

    Parameters
    ----------
    node
        An operator with all its attributes.

    Raises
    ------
    TypeError, ValueError
        The arrays do not fit together, or the course doesn't have this cell.

    References
    ----------
    As for `node_of`.

    Examples
    --------
    >>> from lstm_course import example
    >>> (cell,) = cells_of(node_of([example.params]))
    >>> np.array_equal(cell.weight_ih, example.params.weight_ih)
    True
    """
    kind, operator = _kind(node), node.operator
    R = float_array("R", node.R, ("directions", "kH", "H"))
    directions, H = len(R), R.shape[2]
    rows = len(ORDERS["ONNX"][operator]) * H
    R = float_array("R", R, (directions, rows, H))
    W = float_array("W", node.W, (directions, rows, "D"), R.dtype)
    B = np.zeros((directions, 2 * rows), R.dtype) if node.B is None else node.B
    B = float_array("B", B, (directions, 2 * rows), R.dtype)
    cells = []
    for k in range(directions):
        weight_ih, weight_hh, b_ih, b_hh = (
            reordered(array, ORDERS["ONNX"][operator], _ours(kind))
            for array in (W[k], R[k], *np.split(B[k], 2))
        )
        arrays = [weight_ih, weight_hh, *((b_ih, b_hh) if operator == "GRU" else (b_ih + b_hh,))]
        if kind is PeepholeParams:
            P = float_array("P", node.P, (directions, 3 * H), R.dtype)[k]
            orders = ORDERS["ONNX"]["peepholes"], ORDERS["lstm_course"]["peepholes"]
            arrays.append(reordered(P, *orders).reshape(3, H))
        settings = {name: node.attributes[name] for name in getattr(kind, "settings", ())}
        cells.append(kind(*arrays, **settings))
    return cells


def _ours(kind: type) -> str:
    """Return the order of a cell's slices."""
    return getattr(kind, "gates", ORDERS["lstm_course"][OPERATORS[kind][0]])


def _kind(node: Node) -> Any:
    """Return which cell a node computes."""
    operator, attributes = node.operator, node.attributes
    bidirectional = attributes.get("direction") == "bidirectional"
    usual = ACTIVATIONS[operator] * (2 if bidirectional else 1)
    special = {
        "P": node.P is not None,
        "input_forget": attributes.get("input_forget", 0) != 0,
        "clip": "clip" in attributes,
        "linear_before_reset": attributes.get("linear_before_reset", 0) != 0,
        "layout": attributes.get("layout", 0) != 0,
        "activations": attributes.get("activations", usual) != usual,
        "direction reverse": attributes.get("direction") == "reverse",
    }
    wanted = operator, *(name for name, there in special.items() if there)
    for kind, what in OPERATORS.items():
        if what == wanted:
            return kind
    raise ValueError(
        f"{operator} with {' and '.join(wanted[1:])} is a cell that the course does not have"
    )


def onnx_package(function: str) -> Any:
    """Return the package onnx, with its evaluator, or raise and say that a function needs it."""
    try:
        importlib.import_module("onnx.reference")
    except ImportError:
        raise ImportError(
            f"{function} needs the package onnx; to install it: pip install onnx"
        ) from None
    return importlib.import_module("onnx")
