import importlib.util

import numpy as np
import pytest

import lstm_course as lc
from conftest import need
from lstm_course.interop import from_onnx, to_onnx
from lstm_course.layers import Embedding, Linear
from lstm_course.models import FinalStateModel, InitialState, SequenceModel

Variant = lc.variants.Variant
D, H, K, V = 4, 3, 5, 7


@pytest.fixture(scope="module")
def onnx():
    need(importlib.util.find_spec("onnx"), "onnx", "pip install onnx")
    import onnx

    return onnx


def drawn(model):
    """Fill a model with random numbers."""
    rng = np.random.default_rng(0)
    for array in model.arrays:
        array[...] = rng.normal(size=array.shape)
    return model


def equal(one, other):
    assert type(one) is type(other)
    assert getattr(one, "cell", None) == getattr(other, "cell", None)
    assert getattr(one, "settings", None) == getattr(other, "settings", None)
    for array, same in zip(one.arrays, other.arrays, strict=True):
        assert array.dtype == same.dtype
        np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("cell", "more"),
    [("LSTM", {}), ("peepholes", {}), ("coupled", {}), ("clipped", {"clip": 0.5}), ("GRU", {}), ("GRU, reset before", {}), ("RNN", {})],
)  # fmt: skip
def test_layers_come_back_as_they_were_written(onnx, tmp_path, cell, more, dtype):
    how = {"rng": np.random.default_rng(0), "dtype": dtype}
    if cell == "RNN":
        layers = [lc.RNN(D, H, **how)]
    elif cell == "LSTM":
        layers = [lc.LSTM(D, H, **how), lc.LSTM(D, H, 3, True, **how)]
    else:
        layers = [Variant(cell, D, H, **more, **how), Variant(cell, D, H, 3, True, **more, **how)]
    for layer in layers:
        to_onnx(drawn(layer), tmp_path / "layer.onnx", dtype=dtype)
        equal(from_onnx(tmp_path / "layer.onnx"), layer)


def test_a_standard_variant_comes_back_as_an_lstm(onnx, tmp_path):
    layer = drawn(Variant("standard", D, H, 2, rng=np.random.default_rng(0)))
    to_onnx(layer, tmp_path / "layer.onnx", dtype=np.float64)
    back = from_onnx(str(tmp_path / "layer.onnx"))
    assert type(back) is lc.LSTM
    for array, same in zip(back.arrays, layer.arrays, strict=True):
        np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize(
    ("kind", "more"),
    [(SequenceModel, {}), (FinalStateModel, {"reads": "c"}), (FinalStateModel, {"reads": "h"})],
)
def test_models_come_back_as_they_were_written(
    onnx, tmp_path, bidirectional, words, learned, kind, more
):
    rng = np.random.default_rng(0)
    layer = lc.LSTM(D, H, 2, bidirectional, rng=rng)
    embedding = Embedding(V, D, rng=rng) if words else None
    initial = InitialState(layer) if learned else None
    readout = Linear(layer.output_size, K, rng=rng)
    model = drawn(kind(layer, readout, embedding, initial=initial, **more))
    to_onnx(model, tmp_path / "model.onnx", dtype=np.float64)
    back = from_onnx(tmp_path / "model.onnx")
    equal(back, model)
    equal(back.recurrent, layer)
    assert getattr(back, "reads", None) == getattr(model, "reads", None)


def test_a_tied_read_out_comes_back_tied(onnx, tmp_path):
    rng = np.random.default_rng(0)
    embedding = Embedding(V, H, rng=rng)
    model = drawn(SequenceModel(lc.LSTM(H, H, rng=rng), Linear.tied(embedding), embedding))
    to_onnx(model, tmp_path / "model.onnx", dtype=np.float64)
    back = from_onnx(tmp_path / "model.onnx")
    equal(back, model)
    assert back.readout.weight is back.embedding.table


# What others have written.


def export(torch, module, arguments, path, **more):
    torch.onnx.export(module.eval(), arguments, path, dynamo=False, opset_version=17, **more)


def in_pytorch(torch, kind, batch_first, words, reads):
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(V, D)
            how = {"num_layers": 2, "bidirectional": reads != "last", "batch_first": batch_first}
            self.recurrent = kind(D, H, **how)
            self.linear = torch.nn.Linear(2 * H if reads != "last" else H, K)

        def forward(self, x):
            hs, state = self.recurrent(self.embedding(x) if words else x)
            if reads == "every":
                return self.linear(hs)
            if reads == "last":
                return self.linear(hs[:, -1] if batch_first else hs[-1])
            h = state[0] if isinstance(state, tuple) else state
            return self.linear(torch.cat([h[-2], h[-1]], dim=-1))

    return Whole()


def quiet(test):
    """Leave out what PyTorch's exporter has to say."""
    for warning in (
        "ignore:You are using the legacy TorchScript-based ONNX export",
        "ignore::DeprecationWarning:torch.onnx",
        "ignore::torch.jit.TracerWarning",
        "ignore:Exporting a model to ONNX with a batch_size other than 1",
    ):
        test = pytest.mark.filterwarnings(warning)(test)
    return test


@quiet
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("reads", ["every", "last", "final"])
@pytest.mark.parametrize("dynamic", [False, True])
def test_what_pytorch_writes_is_read(
    onnx, torch, tmp_path, kind, batch_first, words, reads, dynamic
):
    torch.manual_seed(0)
    module = in_pytorch(torch, getattr(torch.nn, kind), batch_first, words, reads)
    x = torch.randint(V, (5, 2)) if words else torch.randn(5, 2, D)
    more = (
        {"input_names": ["x"], "dynamic_axes": {"x": {0: "first", 1: "second"}}} if dynamic else {}
    )
    export(torch, module, (x,), tmp_path / "model.onnx", **more)
    model = from_onnx(tmp_path / "model.onnx")
    assert type(model) is (SequenceModel if reads == "every" else FinalStateModel)
    assert (model.embedding is not None) == words
    given = (x.transpose(0, 1) if batch_first else x).numpy()
    outputs, *_ = model.forward(given, training=False)
    outputs = outputs if reads == "every" else outputs[-1]
    expected = module(x)
    expected = expected.transpose(0, 1) if batch_first and reads == "every" else expected
    np.testing.assert_allclose(outputs, expected.detach().numpy(), atol=1e-6)


@quiet
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_layers_alone_with_initial_states_as_inputs(onnx, torch, tmp_path, kind):
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(D, H, num_layers=2, bidirectional=True)
    states = [torch.randn(4, 2, H) for _ in range(2 if kind == "LSTM" else 1)]
    hx = tuple(states) if kind == "LSTM" else states[0]
    export(torch, module, (torch.randn(5, 2, D), hx), tmp_path / "layer.onnx")
    equal(from_onnx(tmp_path / "layer.onnx"), lc.interop.from_pytorch(module))


def graph_of(onnx, nodes, arrays, first, outputs=("y",), kind=None, dims=("T", "N", D)):
    """Return a file of nodes such as ("MatMul", "h W", "y", attributes)."""
    helper = onnx.helper
    made = [
        helper.make_node(
            operator, ["" if name == "-" else name for name in read.split()], write.split(), **more
        )
        for operator, read, write, more in nodes
    ]
    graph = helper.make_graph(
        made,
        "by_hand",
        [helper.make_tensor_value_info(first, kind or onnx.TensorProto.DOUBLE, dims)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def arrays_of(operator="LSTM", directions=1):
    rng = np.random.default_rng(0)
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator] * H
    shapes = {"W": (rows, D), "R": (rows, H), "B": (2 * rows,)}
    return {name: rng.normal(size=(directions, *shape)) for name, shape in shapes.items()}


def lstm(operator="LSTM", read="x W R B", made="Y", **attributes):
    return operator, read, made, {"hidden_size": H, **attributes}


READ = {"V": np.ones((K, H)), "b": np.arange(5.0), "axis": [1]}
EVERY = ("Squeeze", "Y axis", "h", {})


@pytest.mark.parametrize(
    ("operator", "directions"), [("LSTM", 1), ("LSTM", 2), ("GRU", 1), ("GRU", 2), ("RNN", 1)]
)
def test_an_operator_alone_is_a_layer(onnx, tmp_path, operator, directions):
    direction = {"direction": "bidirectional"} if directions == 2 else {}
    file = graph_of(
        onnx, [lstm(operator, made="y", **direction)], arrays_of(operator, directions), "x"
    )
    onnx.save(file, tmp_path / "layer.onnx")
    layer = from_onnx(tmp_path / "layer.onnx")
    assert (layer.input_size, layer.hidden_size, layer.directions) == (D, H, directions)


def test_a_gemm_of_the_final_state(onnx, tmp_path):
    nodes = [
        lstm(made="Y last c"),
        ("Squeeze", "last first", "h", {}),
        ("Gemm", "h V b", "y", {"transB": 1}),
    ]
    file = graph_of(onnx, nodes, arrays_of() | READ | {"first": [0]}, "x")
    onnx.save(file, tmp_path / "model.onnx")
    model = from_onnx(tmp_path / "model.onnx")
    assert model.reads == "h"
    np.testing.assert_array_equal(model.readout.weight, READ["V"])
    np.testing.assert_array_equal(model.readout.bias, READ["b"])


def test_a_gemm_of_every_step(onnx, tmp_path):
    shapes = {"rows": [-1, H], "steps": [3, 2, K]}
    nodes = [
        lstm(made="Y"),
        ("Reshape", "Y rows", "h", {}),
        ("Gemm", "h V b", "scores", {"transB": 1}),
        ("Reshape", "scores steps", "y", {}),
    ]
    file = graph_of(onnx, nodes, arrays_of() | READ | shapes, "x", dims=(3, 2, D))
    onnx.save(file, tmp_path / "model.onnx")
    model = from_onnx(tmp_path / "model.onnx")
    assert type(model) is SequenceModel
    np.testing.assert_array_equal(model.readout.weight, READ["V"])


def test_an_input_of_any_shape(onnx, tmp_path):
    file = graph_of(onnx, [lstm(made="y")], arrays_of(), "x", dims=None)
    onnx.save(file, tmp_path / "layer.onnx")
    assert type(from_onnx(tmp_path / "layer.onnx")) is lc.LSTM


def test_words_of_32_bits_and_weights_made_on_the_way(onnx, tmp_path):
    arrays = arrays_of() | READ | {"table": np.random.default_rng(0).normal(size=(V, D))}
    nodes = [
        ("Gather", "table words", "x", {}),
        ("Identity", "W", "W2", {}),
        lstm(read="x W2 R B"),
        EVERY,
        ("Transpose", "V", "V2", {}),
        ("MatMul", "h V2", "y", {}),
    ]
    file = graph_of(onnx, nodes, arrays, "words", kind=onnx.TensorProto.INT32, dims=("T", "N"))
    onnx.save(file, tmp_path / "model.onnx")
    model = from_onnx(tmp_path / "model.onnx")
    np.testing.assert_array_equal(model.embedding.table, arrays["table"])
    assert not model.readout.bias.any()


WHOLE = "an embedding, recurrent layers and a linear read-out"
TWO = {name + "2": array for name, array in arrays_of(directions=2).items()}


@pytest.mark.parametrize(
    ("nodes", "arrays", "sentence"),
    [
        ([("Identity", "x", "y", {})], {}, "it has no LSTM, GRU or RNN"),
        ([lstm(made="Y"), EVERY, ("Softmax", "h", "y", {})], READ, f"it has the operator Softmax, expected {WHOLE}"),
        ([lstm(made="Y"), ("Relu", "Y", "y", {})], {}, f"it has the operator Relu, expected {WHOLE}"),
        ([lstm(made="y", direction="reverse")], {}, "LSTM with direction reverse is a cell that the course does not have"),
        ([("Mul", "x x", "W2", {}), lstm(read="x W2 R B", made="y")], {}, "its operator LSTM has weights that are not constants"),
        ([lstm(made="Y"), ("Strange", "Y", "y", {})], {}, "its operator Strange cannot be run: .*"),
        ([lstm(made="Y"), EVERY, lstm("GRU", "h W2 R2 B2", "y")], {"axis": [1], **{k + "2": a for k, a in arrays_of("GRU").items()}}, "the cells are LSTMParams and ResetBeforeGRUParams, expected one kind"),
        ([lstm(made="Y"), EVERY, lstm(read="h W R B", made="y")], {"axis": [1]}, r"cell 1 has arrays of shapes \[\(12, 4\), .*\], expected \[\(12, 3\), .*\]"),
        ([lstm(made="Y"), EVERY, ("Transpose", "h", "y", {"perm": [2, 1, 0]})], {"axis": [1]}, f"its operators are not put together as {WHOLE}"),
        ([lstm(made="Y"), EVERY, ("MatMul", "h V2", "a", {}), ("Add", "a b", "b2", {}), ("Relu", "b2", "y", {})], {"axis": [1], "V2": np.ones((H, K)), "b": np.full(K, 99.0)}, f"it has the operator Relu, expected {WHOLE}"),
        ([("MatMul", "x M", "x2", {}), lstm(read="x2 W R B", made="y")], {"M": np.ones((D, D))}, "readout reads 4 numbers per step, expected 3"),
        ([lstm(made="Y"), EVERY, lstm(read="h W2 R2 B2", made="y", direction="bidirectional")], {"axis": [1], **TWO}, "its layers have 1 and 2 directions, expected the same number"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_gets_one_sentence(onnx, tmp_path, nodes, arrays, sentence):
    file = graph_of(onnx, nodes, arrays_of() | arrays, "x")
    onnx.save(file, tmp_path / "model.onnx")
    with pytest.raises(
        ValueError, match=f"model.onnx holds a model that the course does not have: {sentence}$"
    ):
        from_onnx(tmp_path / "model.onnx")


def test_inputs_that_are_not_known_are_named(onnx, tmp_path):
    file = graph_of(onnx, [lstm(made="y", read="x W R B - h c")], arrays_of(), "x")
    for name in ("h", "c", "further"):
        kind = onnx.TensorProto.DOUBLE
        file.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, [1, "N", H]))
    onnx.save(file, tmp_path / "layer.onnx")
    with pytest.raises(
        ValueError, match="it has the inputs x, h, c, further, expected a sequence, or"
    ):
        from_onnx(tmp_path / "layer.onnx")
    del file.graph.input[-1]
    onnx.save(file, tmp_path / "layer.onnx")
    assert type(from_onnx(tmp_path / "layer.onnx")) is lc.LSTM


@pytest.mark.parametrize("content", [None, b"", b"neither a model nor anything else"])
def test_other_files_get_one_sentence(onnx, tmp_path, content):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ValueError,
        match=r"model.onnx (does not hold a readable ONNX model|holds a model that the course does not)",
    ):
        from_onnx(path)
