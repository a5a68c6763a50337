import importlib.util

import numpy as np
import pytest

import lstm_course as lc
from conftest import need
from lstm_course.gradcheck import relative_error
from lstm_course.interop import from_onnx
from lstm_course.interop.onnx_maps import ACTIVATIONS, OPERATORS, Node, cells_of, node_of
from lstm_course.rnn import RNNParams

T, N, D, H = 5, 3, 4, 2
BLOCKS = {"LSTM": 4, "GRU": 3, "RNN": 1}
INPUTS = ("X", "W", "R", "B", "", "initial_h", "initial_c", "P")


@pytest.fixture(scope="module")
def onnx():
    need(importlib.util.find_spec("onnx"), "onnx", "pip install onnx")
    import onnx.reference

    return onnx


@pytest.fixture(scope="module")
def onnxruntime():
    need(importlib.util.find_spec("onnxruntime"), "ONNX Runtime", "pip install onnxruntime")
    import onnxruntime

    return onnxruntime


def drawn(operator, directions=1, peepholes=False, dtype=np.float64):
    """Draw the arrays of a node, by name."""
    rng, rows = np.random.default_rng(0), BLOCKS[operator] * H
    shapes = {"W": (rows, D), "R": (rows, H), "B": (2 * rows,)}
    shapes |= {"P": (3 * H,)} if peepholes else {}
    return {
        name: rng.normal(size=(directions, *shape)).astype(dtype) for name, shape in shapes.items()
    }


def sequences(operator, directions=1, dtype=np.float64):
    """Draw what a node reads: inputs and initial states, by name."""
    rng = np.random.default_rng(1)
    shapes = {"X": (T, N, D), "initial_h": (directions, N, H)}
    shapes |= {"initial_c": (directions, N, H)} if operator == "LSTM" else {}
    return {name: 2 * rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def written(onnx, operator, arrays, attributes):
    """Return a file with nothing but one operator in it."""
    names = {"X", "initial_h", "initial_c"} if operator == "LSTM" else {"X", "initial_h"}
    inputs = [name if name in names | set(arrays) else "" for name in INPUTS]
    inputs = inputs[: 8 if operator == "LSTM" else 6]
    outputs = ["Y", "Y_h", "Y_c"] if operator == "LSTM" else ["Y", "Y_h"]
    kind = onnx.helper.np_dtype_to_tensor_dtype(arrays["W"].dtype)

    def values(names):
        return [onnx.helper.make_tensor_value_info(name, kind, None) for name in names]

    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, inputs, outputs, hidden_size=H, **attributes)],
        "one",
        values(sorted(names)),
        values(outputs),
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )


def ours(cells, given):
    """Run the cells of both directions; return what the operator does."""
    sides = []
    for k, cell in enumerate(cells):
        xs = given["X"][::-1] if k else given["X"]
        starts = [array[k] for name, array in given.items() if name != "X"]
        if isinstance(cell, lc.LSTMParams):
            hs, finals, _ = lc.lstm_forward(xs, cell, *starts)
        elif isinstance(cell, RNNParams):
            hs, final = lc.rnn_forward(xs, cell, *starts)
            finals = (final,)
        elif "c" in cell.states:
            hs, finals, _ = lc.variants.forward(xs, cell, *starts)
        else:
            hs, final, _ = lc.variants.gru_forward(xs, cell, *starts)
            finals = (final,)
        sides.append((hs[::-1] if k else hs, *finals))
    hs, *finals = zip(*sides, strict=True)
    return np.stack(hs, axis=1), *map(np.stack, finals)


CASES = {
    "LSTM": ("LSTM", False, {}, lc.LSTMParams),
    "peepholes": ("LSTM", True, {}, lc.variants.PeepholeParams),
    "coupled": ("LSTM", False, {"input_forget": 1}, lc.variants.CoupledParams),
    "clipped": ("LSTM", False, {"clip": 0.5}, lc.variants.ClippedParams),
    "GRU": ("GRU", False, {"linear_before_reset": 1}, lc.variants.GRUParams),
    "GRU, reset before": ("GRU", False, {}, lc.variants.ResetBeforeGRUParams),
    "RNN": ("RNN", False, {}, RNNParams),
}
EACH_CASE = pytest.mark.parametrize("case", CASES)
DIRECTIONS = pytest.mark.parametrize("directions", [1, 2])


def setting(case, directions, dtype):
    operator, peepholes, attributes, kind = CASES[case]
    attributes = attributes | {"direction": "bidirectional" if directions == 2 else "forward"}
    arrays = drawn(operator, directions, peepholes, dtype)
    cells = cells_of(Node(operator, attributes, **arrays))
    assert [type(cell) for cell in cells] == [kind] * directions
    return operator, attributes, arrays, cells, sequences(operator, directions, dtype)


@EACH_CASE
@DIRECTIONS
def test_cells_compute_what_onnx_runtime_does(onnx, onnxruntime, case, directions):
    operator, attributes, arrays, cells, given = setting(case, directions, np.float32)
    file = written(onnx, operator, arrays, attributes)
    found = onnxruntime.InferenceSession(file.SerializeToString()).run(None, given)
    for one, other in zip(found, ours(cells, given), strict=True):
        assert relative_error(one, other) <= 1e-5


@pytest.mark.parametrize("case", ["LSTM", "peepholes", "GRU", "GRU, reset before", "RNN"])
def test_cells_compute_what_the_specification_says_to_the_last_digits(onnx, case):
    operator, attributes, arrays, cells, given = setting(case, 1, np.float64)
    file = written(onnx, operator, arrays, attributes)
    found = onnx.reference.ReferenceEvaluator(file).run(None, given)
    for one, other in zip(found, ours(cells, given), strict=True):
        assert relative_error(one, other) <= 1e-12


@EACH_CASE
@DIRECTIONS
def test_there_and_back_no_weight_changes(case, directions):
    *_, cells, _ = setting(case, directions, np.float32)
    for one, other in zip(cells_of(node_of(cells)), cells, strict=True):
        assert type(one) is type(other)
        assert getattr(one, "clip", None) == getattr(other, "clip", None)
        for array, same in zip(one.arrays(), other.arrays(), strict=True):
            np.testing.assert_array_equal(array, same)


def test_every_operator_and_every_cell_is_tried():
    assert {CASES[case][0] for case in CASES} == set(ACTIVATIONS)
    assert {CASES[case][3] for case in CASES} | {lc.variants.StandardParams} == set(OPERATORS)


@pytest.mark.parametrize("peepholes", [False, True])
def test_arrays_of_one_direction_with_its_axis_or_without(peepholes):
    arrays = drawn("LSTM", peepholes=peepholes)
    (expected,) = cells_of(Node("LSTM", {}, **arrays))
    for given in (arrays, {name: array[0] for name, array in arrays.items()}):
        params = from_onnx(**given)
        assert type(params) is type(expected)
        for one, other in zip(params.arrays(), expected.arrays(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_without_biases_they_are_0():
    arrays = drawn("LSTM")
    del arrays["B"]
    params = from_onnx(**arrays)
    assert not params.bias.any()
    assert from_onnx(**arrays, B=None, P=None).bias.dtype == np.float64


def test_the_numbers_are_copies():
    arrays = drawn("LSTM", peepholes=True)
    params = from_onnx(**arrays)
    before = [array.copy() for array in params.arrays()]
    for array in arrays.values():
        array += 1
    for one, other in zip(params.arrays(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def changed(**arrays):
    return lambda: from_onnx(**(drawn("LSTM", peepholes=True) | arrays))


def node(operator="LSTM", **attributes):
    return lambda: cells_of(Node(operator, attributes, **drawn(operator)))


TWO = drawn("LSTM", 2)
NOT_OURS = "{} with {} is a cell that the course does not have"


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (changed(W=np.ones((7, D))), ValueError, r"W has shape \(1, 7, 4\), expected \(1, 8, D\)"),
        (changed(R=np.ones((6, H))), ValueError, r"R has shape \(1, 6, 2\), expected \(1, 8, 2\)"),
        (changed(B=np.ones(8)), ValueError, r"B has shape \(1, 8\), expected \(1, 16\)"),
        (changed(P=np.ones(4)), ValueError, r"P has shape \(1, 4\), expected \(1, 6\)"),
        (changed(R=None), TypeError, "R must be an array of float32 or float64, got NoneType"),
        (changed(W=np.ones((8, D), np.float16)), TypeError, "W must be an array of float32 or float64, got dtype float16"),
        (changed(B=np.ones(16, np.float32)), TypeError, "B is float32, expected float64 like the parameters"),
        (lambda: from_onnx(**TWO), ValueError, "R has 2 directions, expected 1"),
        (node(direction="reverse"), ValueError, NOT_OURS.format("LSTM", "direction reverse")),
        (node(activations=["Sigmoid", "Tanh", "Relu"]), ValueError, NOT_OURS.format("LSTM", "activations")),
        (node(layout=1), ValueError, NOT_OURS.format("LSTM", "layout")),
        (node(clip=1.0, input_forget=1), ValueError, NOT_OURS.format("LSTM", "input_forget and clip")),
        (node("GRU", clip=1.0), ValueError, NOT_OURS.format("GRU", "clip")),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        call()


@DIRECTIONS
def test_attributes_that_say_what_is_usual_change_nothing(directions):
    usual = {
        "activations": ["Sigmoid", "Tanh", "Tanh"] * directions,
        "layout": 0,
        "input_forget": 0,
    }
    usual |= {"direction": ["forward", "bidirectional"][directions - 1], "clip": 0.5}
    cells = cells_of(Node("LSTM", usual, **drawn("LSTM", directions)))
    assert [type(cell) for cell in cells] == [lc.variants.ClippedParams] * directions
