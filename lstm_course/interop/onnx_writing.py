"""A model in an ONNX file, for other runtimes."""

from __future__ import annotations  # what to_onnx needs comes after it

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import float_dtype
from lstm_course._files import write_whole
from lstm_course.interop.onnx_maps import OPERATORS, node_of, onnx_package
from lstm_course.interop.stacking import cells_in
from lstm_course.layers import LSTM, Recurrent
from lstm_course.models import FinalStateModel, InitialState, SequenceModel
from lstm_course.rnn import RNN
from lstm_course.variants import CELLS, Variant

OPSET, IR_VERSION = 17, 8
"""The formats of the files: those of 2022, which all later runtimes read."""


def to_onnx(
    model: SequenceModel | LSTM | RNN | Variant,
    path: str | os.PathLike[str],
    *,
    dtype: DTypeLike = np.float32,
) -> None:
    """Write a model to an ONNX file, for any number of steps T and of sequences N.

    Inputs and outputs of the file are named as in `forward`: "inputs" and "outputs" of a
    model, "xs" and "hs" of a layer, and the final states "h_T" and, where the cell has one, "c_T".
    Three inputs may be left out: "lengths", which are then T for all, and the initial states "h0"
    and "c0", which are then the model's own, or 0. (When it loads the file, ONNX Runtime warns that
    they are not constant.) For a FinalStateModel, "outputs" is just the last row, (N, K). Dropout
    is left out, since it only acts in training.

    Parameters
    ----------
    model
        A SequenceModel, FinalStateModel, LSTM, RNN, or a Variant "standard", "coupled",
        "peepholes", "clipped", "GRU" or "GRU, reset before".
    path
        The file.
    dtype
        float32 or float64, of parameters, inputs and outputs. ONNX Runtime only has recurrent
        operators for float32.

    Raises
    ------
    ImportError
        The package onnx is not installed.
    TypeError, ValueError
        ONNX has no operator for the model, or `dtype` is something else.
    OSError
        The file cannot be written.

    References
    ----------
    The operators LSTM, GRU and RNN of https://onnx.ai/onnx/operators/, in opset 17. The attribute
    `clip` bounds "the input of activations", which here and in ONNX Runtime means the gates' sums,
    but not the cell state before the last tanh.

    Examples
    --------
    >>> import tempfile
    >>> from lstm_course.interop import from_onnx
    >>> model = LSTM(3, 2, num_layers=2, bidirectional=True, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(model, Path(folder) / "model.onnx", dtype=np.float64)
    ...     same = from_onnx(Path(folder) / "model.onnx")
    >>> all(map(np.array_equal, model.arrays, same.arrays))
    True
    """
    graph = _Graph(onnx_package("to_onnx"), float_dtype("dtype", dtype))
    whole = type(model) in (SequenceModel, FinalStateModel)
    layer: Any = getattr(model, "recurrent", model) if whole else model
    if not isinstance(layer, Recurrent):
        raise TypeError(
            f"model is a {type(model).__name__}, expected a SequenceModel, FinalStateModel, LSTM, "
            "RNN or Variant"
        )
    kind = type(cells_in(layer)[0])
    if kind not in OPERATORS:
        known = [repr(name) for name, one in CELLS.items() if one in OPERATORS]
        raise ValueError(
            f"model has cells of {kind.__name__}, for which ONNX has no operator, expected those "
            f"of an LSTM, an RNN, or a Variant {', '.join(known)}"
        )
    ends = (_write_model if whole else _write_bare)(graph, model)
    for letter, width in zip(layer.states, layer.state_sizes, strict=True):
        cells = layer.num_layers * layer.directions
        final = graph.add("Concat", *ends[letter], axis=0)
        graph.output(f"{letter}_T", final, (cells, "N", width))
    write_whole(Path(path).absolute(), graph.serialized())


def _write_bare(graph: _Graph, layer: Any) -> dict[str, list[str]]:
    """Write a recurrent layer alone; return the names of its final states, layer by layer."""
    xs = graph.input("xs", ("T", "N", layer.input_size))
    hs, ends = _write_layer(graph, layer, xs, xs, InitialState(layer))
    graph.output("hs", hs, ("T", "N", layer.output_size))
    return ends


def _write_model(graph: _Graph, model: Any) -> dict[str, list[str]]:
    """Write a model; return the names of its final states, layer by layer."""
    layer, embedding, readout = model.recurrent, model.embedding, model.readout
    table = None
    if embedding is None:
        x = inputs = graph.input("inputs", ("T", "N", layer.input_size))
    else:
        inputs = graph.input("inputs", ("T", "N"), np.int64)
        table = graph.constant(embedding.table, "embedding.table")
        x = graph.add("Gather", table, inputs)
    read, ends = _write_layer(graph, layer, x, inputs, model.initial or InitialState(layer))
    final = isinstance(model, FinalStateModel)
    if final:
        sides = graph.add("Transpose", ends[model.reads][-1], perm=[1, 0, 2])  # (N, directions, H)
        read = graph.add("Reshape", sides, graph.constant([0, -1]))
    if table is not None and readout.weight is embedding.table:
        weight = table
    else:
        weight = graph.constant(readout.weight, "readout.weight")
    products = graph.add("MatMul", read, graph.add("Transpose", weight, perm=[1, 0]))
    outputs = graph.add("Add", products, graph.constant(readout.bias, "readout.bias"))
    K = len(readout.bias)
    graph.output("outputs", outputs, ("N", K) if final else ("T", "N", K))
    return ends


def _write_layer(
    graph: _Graph, layer: Any, x: str, inputs: str, initial: InitialState
) -> tuple[str, dict[str, list[str]]]:
    """Write a recurrent layer; return the names of hs and of its final states, layer by layer."""
    cells, directions = cells_in(layer), layer.directions
    T, N = (graph.add("Shape", inputs, start=axis, end=axis + 1) for axis in (0, 1))
    # An input that may be left out has a default for one sequence, which is repeated for all.
    graph.input("lengths", ("N_or_1",), np.int64, default=[np.iinfo(np.int64).max])
    lengths = graph.add("Expand", graph.add("Min", "lengths", T), N)
    lengths = graph.add("Cast", lengths, to=graph.number(np.int32))
    starts = []
    for letter, start in zip(layer.states, initial.arrays, strict=True):
        count, _, width = start.shape
        given = graph.input(f"{letter}0", (count, "N_or_1", width), default=start)
        shape = graph.add("Concat", graph.constant([count]), N, graph.constant([width]), axis=0)
        every = graph.add("Expand", given, shape)
        starts.append(graph.add_all("Split", every, count=layer.num_layers, axis=0))
    ends: dict[str, list[str]] = {letter: [] for letter in layer.states}
    for k, mine in enumerate(zip(*starts, strict=True)):
        node = node_of(cells[k * directions : (k + 1) * directions])
        W, R, B = (graph.constant(getattr(node, name), f"layer{k}.{name}") for name in "WRB")
        P = () if node.P is None else (graph.constant(node.P, f"layer{k}.P"),)
        Y, *finals = graph.add_all(
            *(node.operator, x, W, R, B, lengths, *mine, *P),
            count=1 + len(mine),
            direction="bidirectional" if directions == 2 else "forward",
            hidden_size=layer.hidden_size,
            **node.attributes,
        )
        for letter, final in zip(layer.states, finals, strict=True):
            ends[letter].append(final)
        sides = graph.add("Transpose", Y, perm=[0, 2, 1, 3])  # (T, N, directions, H)
        x = graph.add("Reshape", sides, graph.constant([0, 0, -1]))
    return x, ends


class _Graph:
    """A graph under construction; adding something returns the name under which to find it."""

    def __init__(self, onnx: Any, dtype: np.dtype[Any]) -> None:
        self.onnx, self.dtype = onnx, dtype
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.constants: dict[str, Any] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output."""
        return self.add_all(operator, *inputs, count=1, **attributes)[0]

    def add_all(self, operator: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Add an operator with `count` outputs."""
        names = [f"{operator}_{len(self.nodes)}_{k}" for k in range(count)]
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, names, **attributes))
        return names

    def constant(self, value: Any, name: str = "") -> str:
        """Add numbers; floats get the dtype of the graph."""
        array = np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        name = name or f"constant_{len(self.constants)}"
        self.constants[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def input(
        self,
        name: str,
        shape: Sequence[int | str],
        dtype: DTypeLike | None = None,
        default: Any = None,
    ) -> str:
        """Add an input, which may be left out if there is a default."""
        if default is not None:
            self.constant(default, name)
        self.inputs.append(self._value(name, shape, dtype))
        return name

    def output(self, name: str, value: str, shape: Sequence[int | str]) -> None:
        """Make a value an output, under a name."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(self._value(name, shape, None))

    def number(self, dtype: DTypeLike) -> int:
        """Return ONNX's number of a dtype."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def serialized(self) -> bytes:
        """Return the contents of the file."""
        helper = self.onnx.helper
        constants = list(self.constants.values())
        graph = helper.make_graph(self.nodes, "lstm_course", self.inputs, self.outputs, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        return model.SerializeToString()

    def _value(self, name: str, shape: Sequence[int | str], dtype: DTypeLike | None) -> Any:
        number = self.number(self.dtype if dtype is None else dtype)
        return self.onnx.helper.make_tensor_value_info(name, number, shape)
