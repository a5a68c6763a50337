import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import lstm_course as lc
from conftest import need
from lstm_course.gradcheck import relative_error
from lstm_course.interop import to_onnx
from lstm_course.layers import Embedding, Linear
from lstm_course.models import FinalStateModel, InitialState, SequenceModel

Variant = lc.variants.Variant
D, H, K, V = 4, 3, 5, 7
CELLS = {"standard": {}, "peepholes": {}, "coupled": {}, "clipped": {"clip": 0.5}, "GRU": {}, "GRU, reset before": {}}  # fmt: skip
SHAPES = [(1, 1), (6, 4), (9, 2)]


@pytest.fixture(scope="module")
def onnx():
    need(importlib.util.find_spec("onnx"), "onnx", "pip install onnx")
    import onnx.reference

    return onnx


@pytest.fixture(scope="module")
def session():
    need(importlib.util.find_spec("onnxruntime"), "ONNX Runtime", "pip install onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it remarks on inputs that may be left out
    return lambda path: onnxruntime.InferenceSession(path, options)


def drawn(model, seed=0):
    """Fill a model with random numbers."""
    rng = np.random.default_rng(seed)
    for array in model.arrays:
        array[...] = rng.normal(size=array.shape)
    return model


def layer_of(cell, layers=1, bidirectional=False, dtype=np.float32, read=D):
    how = {"rng": np.random.default_rng(0), "dtype": dtype}
    if cell == "RNN":
        return drawn(lc.RNN(read, H, **how))
    if cell == "LSTM":
        return drawn(lc.LSTM(read, H, layers, bidirectional, **how))
    return drawn(Variant(cell, read, H, layers, bidirectional, **CELLS[cell], **how))


def model_of(kind, cell="LSTM", bidirectional=False, *, words=False, tied=False, **more):
    """Return a model of two layers, or of one that is as wide as an embedding to which it is tied."""
    how = {"rng": np.random.default_rng(0), "dtype": np.float32}
    layer = layer_of(cell, 1 if cell == "RNN" else 2, bidirectional, read=H if tied else D)
    embedding = Embedding(V, layer.input_size, **how) if words else None
    readout = Linear.tied(embedding) if tied else Linear(layer.output_size, K, **how)
    return drawn(kind(layer, readout, embedding, **more))


def given(layer, T, N, first="xs", words=False):
    """Draw inputs, different lengths, and initial states."""
    rng, cells = np.random.default_rng(T), layer.num_layers * layer.directions
    xs = rng.integers(0, V, (T, N)) if words else rng.normal(size=(T, N, layer.input_size))
    states = {f"{name}0": rng.normal(size=(cells, N, H)) for name in layer.states}
    floats = {first: xs} | states
    feeds = {k: a if a.dtype == int else a.astype(layer.arrays[0].dtype) for k, a in floats.items()}
    return feeds | {"lengths": rng.integers(1, T + 1, N)}


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype == np.float32
        assert relative_error(one, other) <= 1e-5


@pytest.mark.parametrize("cell", ["LSTM", *CELLS, "RNN"])
@pytest.mark.parametrize(
    ("layers", "bidirectional"), [(1, False), (1, True), (2, False), (3, True)]
)
def test_a_layer_gives_the_same_results(onnx, session, tmp_path, cell, layers, bidirectional):
    layer = layer_of(cell, layers, bidirectional)
    path = tmp_path / "layer.onnx"
    to_onnx(layer, path)
    onnx.checker.check_model(path, full_check=True)
    run = session(path).run
    for T, N in SHAPES:
        feeds = given(layer, T, N)
        xs, *states, lengths = feeds.values()
        hs, finals, _ = layer.forward(xs, *states, lengths=lengths, training=False)
        close(run(None, feeds), (hs, *finals))
        hs, finals, _ = layer.forward(xs, training=False)
        close(run(None, {"xs": xs}), (hs, *finals))
        hs, finals, _ = layer.forward(xs, *states, training=False)
        del feeds["lengths"]
        close(run(None, feeds), (hs, *finals))


@pytest.mark.parametrize("cell", ["LSTM", "peepholes", "GRU", "GRU, reset before", "RNN"])
def test_float64_keeps_all_digits(onnx, tmp_path, cell):
    layer = layer_of(cell, 2, dtype=np.float64)
    to_onnx(layer, tmp_path / "layer.onnx", dtype=np.float64)
    feeds = given(layer, 6, 4)
    xs, *states, _ = feeds.values()
    del feeds["lengths"]  # the reference of ONNX itself leaves them out
    graph = onnx.load(tmp_path / "layer.onnx")
    feeds |= {"lengths": np.array([6])}
    hs, finals, _ = layer.forward(xs, *states, training=False)
    for one, other in zip(
        onnx.reference.ReferenceEvaluator(graph).run(None, feeds), (hs, *finals), strict=True
    ):
        assert relative_error(one, other) <= 1e-12


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(
    ("kind", "more"),
    [(SequenceModel, {}), (FinalStateModel, {"reads": "c"}), (FinalStateModel, {"reads": "h"})],
)
@pytest.mark.parametrize("words", [False, True])
def test_a_model_gives_the_same_results(onnx, session, tmp_path, bidirectional, kind, more, words):
    model = model_of(kind, "LSTM", bidirectional, words=words, **more)
    compare(onnx, session, tmp_path, model, words)


@pytest.mark.parametrize("cell", ["GRU", "RNN"])
@pytest.mark.parametrize(("kind", "more"), [(SequenceModel, {}), (FinalStateModel, {"reads": "h"})])
def test_a_model_with_one_state(onnx, session, tmp_path, cell, kind, more):
    compare(onnx, session, tmp_path, model_of(kind, cell, words=True, **more), True)


def test_a_tied_read_out_is_written_once(onnx, session, tmp_path):
    model = model_of(SequenceModel, words=True, tied=True)
    compare(onnx, session, tmp_path, model, True)
    file = onnx.load(tmp_path / "model.onnx")
    assert [list(a.dims) for a in file.graph.initializer].count([V, H]) == 1


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_states_that_are_learned_are_what_is_begun_with(onnx, session, tmp_path, cell):
    layer = layer_of(cell, 2, True)
    rng = np.random.default_rng(0)
    readout = Linear(layer.output_size, K, rng=rng, dtype=np.float32)
    model = drawn(SequenceModel(layer, readout, initial=InitialState(layer)))
    compare(onnx, session, tmp_path, model, False)


def compare(onnx, session, folder, model, words):
    to_onnx(model, folder / "model.onnx")
    onnx.checker.check_model(folder / "model.onnx", full_check=True)
    run = session(folder / "model.onnx").run
    for T, N in SHAPES:
        feeds = given(model.recurrent, T, N, "inputs", words)
        inputs, *states, lengths = feeds.values()
        for how, state, more in (
            (feeds, states, {"lengths": lengths}),
            ({"inputs": inputs}, (), {}),
        ):
            outputs, finals, _ = model.forward(inputs, tuple(state), training=False, **more)
            if isinstance(model, FinalStateModel):
                outputs = outputs[-1]
            close(run(None, how), (outputs, *finals))


def test_names_and_formats(onnx, tmp_path):
    to_onnx(model_of(SequenceModel, words=True), tmp_path / "model.onnx")
    file = onnx.load(tmp_path / "model.onnx")
    assert [value.name for value in file.graph.input] == ["inputs", "lengths", "h0", "c0"]
    assert [value.name for value in file.graph.output] == ["outputs", "h_T", "c_T"]
    assert (file.ir_version, [(one.domain, one.version) for one in file.opset_import]) == (
        8,
        [("", 17)],
    )


def test_a_float64_model_is_rounded_and_dropout_left_out(session, tmp_path):
    layer = drawn(lc.LSTM(D, H, 2, dropout=0.5, rng=np.random.default_rng(0)))
    to_onnx(layer, tmp_path / "layer.onnx")
    xs = np.random.default_rng(1).normal(size=(6, 4, D))
    hs, *_ = session(tmp_path / "layer.onnx").run(None, {"xs": xs.astype(np.float32)})
    assert relative_error(hs, layer.forward(xs, training=False)[0]) <= 1e-5


def captioner():
    rng = np.random.default_rng(0)
    parts = lc.LSTM(D, H, rng=rng), Linear(H, V, rng=rng), Embedding(V, D, rng=rng)
    return lc.models.Captioner(*parts, initial=Linear(2, 2 * H, rng=rng))


KINDS = "expected a SequenceModel, FinalStateModel, LSTM, RNN or Variant"


@pytest.mark.parametrize(
    ("model", "error", "sentence"),
    [
        (None, TypeError, f"model is a NoneType, {KINDS}"),
        (Linear(2, 3, rng=np.random.default_rng(0)), TypeError, f"model is a Linear, {KINDS}"),
        (captioner(), TypeError, f"model is a Captioner, {KINDS}"),
        (lc.example.params, TypeError, f"model is a LSTMParams, {KINDS}"),
        (
            Variant("zoneout", 2, 3, rng=np.random.default_rng(0)), ValueError,
            "model has cells of ZoneoutParams, for which ONNX has no operator, expected those of an LSTM, an RNN, or a "
            "Variant 'standard', 'coupled', 'peepholes', 'clipped', 'GRU', 'GRU, reset before'",
        ),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(onnx, tmp_path, model, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_other_dtypes_are_refused(onnx, tmp_path):
    with pytest.raises(TypeError, match=r"^dtype must be float32 or float64, got float16$"):
        to_onnx(layer_of("LSTM"), tmp_path / "layer.onnx", dtype=np.float16)


@pytest.mark.parametrize("call", ["to_onnx(None, 'model.onnx')", "from_onnx('model.onnx')"])
def test_without_onnx_it_says_what_it_needs(call):
    code = f"import sys; sys.modules['onnx'] = None; import lstm_course as lc; lc.interop.{call}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    name = call.split("(")[0]
    assert run.stderr.endswith(
        f"ImportError: {name} needs the package onnx; to install it: pip install onnx\n"
    ), run.stderr
