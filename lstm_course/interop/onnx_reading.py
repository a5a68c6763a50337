"""Reading ONNX: the arrays of one operator, or a model in a file from any program."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from lstm_course._checks import Array, float_array
from lstm_course.cell import LSTMParams
from lstm_course.interop.onnx_maps import ACTIVATIONS, Node, cells_of, onnx_package
from lstm_course.interop.stacking import stacked
from lstm_course.layers import Embedding, Linear
from lstm_course.models import FinalStateModel, InitialState, SequenceModel
from lstm_course.variants import PeepholeParams

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
"""The inputs of an LSTM operator, in order; a GRU and an RNN have the first six."""

MOVES = {
    *("Cast", "Concat", "ConstantOfShape", "Dropout", "Expand", "Flatten", "Gather", "Identity"),
    *("Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
}
"""Operators that only move numbers, or look them up."""

WHOLE = "an embedding, recurrent layers and a linear read-out"


@overload
def from_onnx(W: str | os.PathLike[str]) -> Any: ...


@overload
def from_onnx(
    W: Array, R: Array, B: Array | None = None, P: Array | None = None
) -> LSTMParams | PeepholeParams: ...


def from_onnx(W: Any, R: Any = None, B: Any = None, P: Any = None) -> Any:
    """Return the parameters of one LSTM operator, or the model that an ONNX file holds.

    The file may come from `to_onnx` or from another program, such as PyTorch's exporter. It must
    consist of LSTM, GRU or RNN operators on top of each other, with or without an embedding before
    them, and with or without a linear read-out after them, of every step or of the final state. The
    file is run on a few random numbers, and a model is returned only if it computes the same.

    Parameters
    ----------
    W
        (1, 4H, D) or (4H, D) input weights of an LSTM operator in one direction, slices in the
        order i, o, f, c, where c is the candidate. Or the path of a file, without other arguments.
    R
        (1, 4H, H) or (4H, H) recurrent weights, same order.
    B
        (1, 8H) or (8H,) biases, of W and then of R; 0 if not given.
    P
        (1, 3H) or (3H,) peephole weights, in the order i, o, f, if there are any.

    Returns
    -------
    params or model
        LSTMParams, or PeepholeParams if P is given. For a file, a SequenceModel or a
        FinalStateModel; without a read-out, an LSTM, an RNN or a Variant. It reads (T, N, ...)
        even if the file reads (N, T, ...).

    Raises
    ------
    ImportError
        You gave a file, and the package onnx is not installed.
    TypeError
        An array is not of float32 or float64, or the dtypes differ.
    ValueError
        The arrays do not fit together, or the file cannot be read, or computes something else.

    References
    ----------
    The operators LSTM, GRU and RNN of https://onnx.ai/onnx/operators/.

    Examples
    --------
    >>> W, R, B = np.ones((1, 8, 3)), np.ones((1, 8, 2)), np.repeat(np.arange(8.0), 2)[None]
    >>> from_onnx(W, R, B).bias  # i, f, g, o
    array([ 4.,  4.,  8.,  8., 10., 10.,  6.,  6.])
    """
    if isinstance(W, str | os.PathLike):
        return _read(W)
    W, R = (_with_direction(name, array, 2) for name, array in (("W", W), ("R", R)))
    B, P = (
        None if array is None else _with_direction(name, array, 1)
        for name, array in (("B", B), ("P", P))
    )
    cells = cells_of(Node("LSTM", {}, W, R, B, P))
    if len(cells) > 1:
        raise ValueError(f"R has {len(cells)} directions, expected 1")
    return cells[0]


def _with_direction(name: str, value: Any, dimensions: int) -> Array:
    array = float_array(name, value)
    return array[None] if array.ndim == dimensions else array


def _read(path: str | os.PathLike[str]) -> Any:
    """Return the model that a file holds."""
    onnx = onnx_package("from_onnx")
    try:
        file = onnx.load(path)
    except Exception as error:  # those of protobuf among them
        raise ValueError(f"{path} does not hold a readable ONNX model: {error}") from None
    try:
        return _model(onnx, file)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds a model that the course does not have: {error}") from None


def _model(onnx: Any, file: Any) -> Any:
    """Build a model from a file's constants, and return it if both compute the same."""
    graph = file.graph
    constants = _computed(onnx, file, {})
    nodes = [node for node in graph.node if node.op_type in ACTIVATIONS]
    if not nodes:
        raise ValueError("it has no LSTM, GRU or RNN")
    layers = [cells_of(_node(onnx, node, constants)) for node in nodes]
    directions = sorted({len(cells) for cells in layers})
    if len(directions) > 1:
        raise ValueError("its layers have 1 and 2 directions, expected the same number")
    recurrent = stacked([cell for cells in layers for cell in cells], directions[0])
    embedding = _embedding(graph, constants)
    readout = _readout(onnx, graph, constants, embedding)
    reason = ""
    for batch_first in (False, True):
        inputs, states, feeds = _drawn(graph, recurrent, embedding, batch_first)
        try:
            values = _computed(onnx, file, feeds)
        except ValueError as error:
            reason = reason or str(error)
            continue
        _check_operators(graph, constants, values)
        found = values.get(graph.output[0].name)
        initial = None if states else _initial(recurrent, nodes, values)
        for model, outputs in _models(recurrent, embedding, readout, initial, inputs, states):
            sides = outputs.swapaxes(0, 1) if batch_first and outputs.ndim == 3 else outputs
            if _equal(found, sides):
                return model
        reason = f"its operators are not put together as {WHOLE}"
    raise ValueError(reason)


def _check_operators(
    graph: Any, constants: Mapping[str, Array], values: Mapping[str, Array]
) -> None:
    """Raise if an operator may do more than a few numbers reveal, like Relu if all are positive."""
    for node in graph.node:
        if node.op_type in {*MOVES, *ACTIVATIONS, "MatMul", "Gemm", "Add"}:
            continue
        for name in node.output:
            if name in values and name not in constants and values[name].dtype.kind == "f":
                raise ValueError(f"it has the operator {node.op_type}, expected {WHOLE}")


def _models(
    recurrent: Any,
    embedding: Embedding | None,
    readout: Linear | None,
    initial: InitialState | None,
    inputs: Array,
    states: Sequence[Array],
) -> Iterator[tuple[Any, Array]]:
    """Yield models that the file may mean, and what a file of each would compute."""
    if readout is None:
        if embedding is None and initial is None:
            hs = recurrent.forward(inputs, *states, training=False)[0]
            yield recurrent, hs
            yield recurrent, _apart(hs, recurrent.directions)
        return
    parts = recurrent, readout, embedding
    model = SequenceModel(*parts, initial=initial)
    yield model, model.forward(inputs, tuple(states), training=False)[0]
    for letter in recurrent.states:
        model = FinalStateModel(*parts, initial=initial, reads=letter)
        yield model, model.forward(inputs, tuple(states), training=False)[0][-1]


def _drawn(
    graph: Any, recurrent: Any, embedding: Embedding | None, batch_first: bool
) -> tuple[Array, list[Array], dict[str, Array]]:
    """Draw a file's inputs; return inputs (T, N, ...), initial states, and both by name."""
    rng, dtype = np.random.default_rng(0), recurrent.arrays[0].dtype
    constants = {tensor.name for tensor in graph.initializer}
    first, *others = (value for value in graph.input if value.name not in constants)
    if len(others) not in (0, len(recurrent.states)):
        names = ", ".join(value.name for value in (first, *others))
        raise ValueError(f"it has the inputs {names}, expected a sequence, or also initial states")
    sizes = [axis.dim_value for axis in first.type.tensor_type.shape.dim[:2]] or [0, 0]
    T, N = (size or usual for size, usual in zip(sizes, (3, 2), strict=True))  # 0 for any
    if batch_first:
        T, N = N, T
    if embedding is None:
        inputs = rng.normal(size=(T, N, recurrent.input_size)).astype(dtype)
    else:
        inputs = rng.integers(0, len(embedding.table), (T, N))
    cells = recurrent.num_layers * recurrent.directions
    shapes = [(cells, N, width) for width in recurrent.state_sizes[: len(others)]]
    states = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    feeds = {first.name: inputs.swapaxes(0, 1) if batch_first else inputs}
    feeds |= {value.name: one for value, one in zip(others, states, strict=True)}
    return inputs, states, feeds


def _embedding(graph: Any, constants: Mapping[str, Array]) -> Embedding | None:
    """Return the table in which a file looks up words, if there is one."""
    for node in graph.node:
        if node.op_type == "Gather" and node.output[0] not in constants:
            table = constants.get(node.input[0])
            if table is not None and table.ndim == 2:
                more: Any = {"rng": np.random.default_rng(0), "dtype": table.dtype}
                embedding = Embedding(*table.shape, **more)
                embedding.table[...] = table
                return embedding
    return None


def _readout(
    onnx: Any, graph: Any, constants: Mapping[str, Array], embedding: Embedding | None
) -> Linear | None:
    """Return the linear map in a file, if there is one."""
    for node in graph.node:
        if node.op_type not in ("MatMul", "Gemm") or node.output[0] in constants:
            continue
        weight = constants.get(node.input[1])
        if weight is None or weight.ndim != 2:
            continue
        if not _attributes(onnx, node).get("transB"):
            weight = weight.T
        if embedding is not None and np.array_equal(weight, embedding.table):
            readout = Linear.tied(embedding)
        else:
            K, D = weight.shape
            readout = Linear(D, K, rng=np.random.default_rng(0), dtype=weight.dtype)
            readout.weight[...] = weight
        added = [*node.input[2:]]
        for other in graph.node:
            if other.op_type == "Add" and node.output[0] in other.input:
                added += other.input
        for name in added:
            if name in constants:
                readout.bias[...] += constants[name].ravel()
        return readout
    return None


def _initial(
    recurrent: Any, nodes: Sequence[Any], values: Mapping[str, Array]
) -> InitialState | None:
    """Return the initial states that a file holds, if they are not 0."""
    initial, directions = InitialState(recurrent), recurrent.directions
    for k, node in enumerate(nodes):
        given = _given(node, values)
        for letter, array in zip(recurrent.states, initial.arrays, strict=True):
            if f"initial_{letter}" in given:
                start = given[f"initial_{letter}"][:, :1]
                array[k * directions : (k + 1) * directions] = start
    return initial if any(array.any() for array in initial.arrays) else None


def _computed(onnx: Any, file: Any, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return, by name, all values in a file that can be computed from these inputs."""
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in file.graph.initializer}
    values |= feeds
    for node in file.graph.node:
        read, made = ([name for name in names if name] for names in (node.input, node.output))
        if any(name not in values for name in read):
            continue
        if node.op_type in ACTIVATIONS:
            outputs = _run(onnx, node, values)
            values |= {name: one for name, one in zip(node.output, outputs, strict=False) if name}
            continue
        empty = onnx.helper.make_empty_tensor_value_info
        graph = onnx.helper.make_graph(
            [node], "node", [empty(name) for name in dict.fromkeys(read)], list(map(empty, made))
        )
        alone = onnx.helper.make_model(graph, opset_imports=file.opset_import)
        try:
            evaluator = onnx.reference.ReferenceEvaluator(alone)
            outputs = evaluator.run(None, {name: values[name] for name in read})
        except Exception as error:  # of many kinds
            raise ValueError(f"its operator {node.op_type} cannot be run: {error}") from None
        values |= dict(zip(made, outputs, strict=True))
    return values


def _run(onnx: Any, node: Any, values: Mapping[str, Array]) -> tuple[Array, ...]:
    """Return the outputs of a recurrent operator, computed by the course's own layers."""
    given, cells = _given(node, values), cells_of(_node(onnx, node, values))
    layer = stacked(cells, len(cells))
    starts = [given.get(f"initial_{letter}") for letter in layer.states]
    lengths = given.get("sequence_lens")
    hs, finals, _ = layer.forward(given["X"], *starts, lengths=lengths, training=False)
    return _apart(hs, len(cells)), *finals


def _apart(hs: Array, directions: int) -> Array:
    """Return hidden states as ONNX's operators do, (T, directions, N, H)."""
    T, N, width = hs.shape
    return hs.reshape(T, N, directions, width // directions).transpose(0, 2, 1, 3)


def _given(node: Any, values: Mapping[str, Array]) -> dict[str, Array]:
    named = zip(INPUTS, node.input, strict=False)
    return {what: values[name] for what, name in named if name in values}


def _node(onnx: Any, node: Any, values: Mapping[str, Array]) -> Node:
    given = _given(node, values)
    if not {"W", "R"} <= set(given):
        raise ValueError(f"its operator {node.op_type} has weights that are not constants")
    arrays = (given.get(name) for name in "WRBP")
    return Node(node.op_type, _attributes(onnx, node), *arrays)


def _attributes(onnx: Any, node: Any) -> dict[str, Any]:
    def text(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    found = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return {
        name: list(map(text, value)) if isinstance(value, list) else text(value)
        for name, value in found.items()
    }


def _equal(found: Any, expected: Array) -> bool:
    """Return whether both are the same to within rounding."""
    if np.shape(found) != expected.shape:
        return False
    return np.allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))
