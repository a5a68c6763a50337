import importlib.util
import re

import numpy as np
import pytest

import lstm_course as lc
from conftest import need
from lstm_course.gradcheck import relative_error
from lstm_course.interop import from_keras, to_keras
from lstm_course.variants import GRUParams, ResetBeforeGRUParams, StandardParams

T, N, D, H = 5, 3, 4, 2
SHAPES = {
    "LSTM": ((D, 4 * H), (H, 4 * H), (4 * H,)),
    "GRU": ((D, 3 * H), (H, 3 * H), (2, 3 * H)),
    "GRU, reset before": ((D, 3 * H), (H, 3 * H), (3 * H,)),
}
KINDS = {"LSTM": lc.LSTMParams, "GRU": GRUParams, "GRU, reset before": ResetBeforeGRUParams}
EACH_CELL = pytest.mark.parametrize("cell", KINDS)
# PyTorch's kernels, which Keras takes where it can, or Keras's own equations, which multiply
# matrices in float32 whatever their dtype.
EACH_WAY = pytest.mark.parametrize("kernels", ["auto", False])
DTYPES = pytest.mark.parametrize("dtype", ["float64", "float32"])
# NumPy 2 says it of what get_weights() calls.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")


@pytest.fixture(scope="module")
def keras(torch, tmp_path_factory):
    need(importlib.util.find_spec("keras"), "Keras", "pip install keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        import keras
    return keras


def drawn(cell, dtype="float64"):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(dtype) for shape in SHAPES[cell]]


def sequences(cell, dtype="float64"):
    """Draw inputs and initial states."""
    rng = np.random.default_rng(1)
    shapes = [(T, N, D), (N, H), (N, H)][: 3 if cell == "LSTM" else 2]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def built(keras, cell, dtype, **more):
    """Return a Keras layer for inputs (N, T, D)."""
    how = {"return_sequences": True, "return_state": True, "dtype": dtype, **more}
    if cell == "LSTM":
        layer = keras.layers.LSTM(H, **how)
    else:
        layer = keras.layers.GRU(H, reset_after=cell == "GRU", **how)
    layer.build((N, T, D))
    return layer


def run(params, xs, *starts):
    """Return hidden states and final states, as a Keras layer does."""
    if isinstance(params, lc.LSTMParams):
        hs, finals, _ = lc.lstm_forward(xs, params, *starts)
    else:
        hs, h_T, _ = lc.variants.gru_forward(xs, params, *starts)
        finals = (h_T,)
    return hs, *finals


def close(keras, layer, params, cell, dtype):
    exact = dtype == "float64" and layer.use_cudnn and cell != "GRU, reset before"
    xs, *starts = sequences(cell, dtype)
    read, *states = (
        keras.ops.convert_to_tensor(one, dtype=dtype) for one in (xs.swapaxes(0, 1), *starts)
    )
    found = layer(read, initial_state=states)
    hs, *finals = (keras.ops.convert_to_numpy(one) for one in found)
    for one, other in zip((hs.swapaxes(0, 1), *finals), run(params, xs, *starts), strict=True):
        assert one.dtype == other.dtype == dtype
        assert relative_error(one, other) <= (1e-12 if exact else 1e-5)


@pytest.mark.slow
@EACH_CELL
@EACH_WAY
@DTYPES
def test_from_keras_gives_the_same_results(keras, cell, kernels, dtype):
    layer = built(keras, cell, dtype, use_cudnn=kernels)
    layer.set_weights(drawn(cell, dtype))
    params = from_keras(*layer.get_weights())
    assert type(params) is KINDS[cell]
    close(keras, layer, params, cell, dtype)


@pytest.mark.slow
@EACH_CELL
@EACH_WAY
@DTYPES
def test_to_keras_gives_the_same_results(keras, cell, kernels, dtype):
    rng = np.random.default_rng(0)
    params = KINDS[cell].init(D, H, rng=rng, dtype=dtype)
    for array in params.arrays():
        array[...] = rng.normal(size=array.shape)
    layer = built(keras, cell, dtype, use_cudnn=kernels)
    layer.set_weights(to_keras(params))
    close(keras, layer, params, cell, dtype)


@pytest.mark.slow
def test_a_start_of_the_forget_bias_is_an_ordinary_bias(keras):
    layer = built(keras, "LSTM", "float64", unit_forget_bias=True)
    params = from_keras(*layer.get_weights())
    np.testing.assert_array_equal(params.gate("f")[2], np.ones(H))
    assert np.count_nonzero(params.bias) == H
    close(keras, layer, params, "LSTM", "float64")


@EACH_CELL
def test_there_and_back_no_number_changes(cell):
    weights = drawn(cell)
    for one, other in zip(to_keras(from_keras(*weights)), weights, strict=True):
        np.testing.assert_array_equal(one, other)
    standard = StandardParams(*lc.example.params.arrays())
    for one, other in zip(to_keras(standard), to_keras(lc.example.params), strict=True):
        np.testing.assert_array_equal(one, other)


@EACH_CELL
def test_the_numbers_are_copies(cell):
    weights = drawn(cell)
    params = from_keras(*weights)
    before = [array.copy() for array in params.arrays()]
    back = to_keras(params)
    for array in (*weights, *back):
        array += 1
    for one, other in zip(params.arrays(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def changed(cell, **arrays):
    named = dict(zip(("kernel", "recurrent_kernel", "bias"), drawn(cell), strict=True))
    return lambda: from_keras(**named | arrays)


KNOWN = "params must be LSTMParams, StandardParams, GRUParams or ResetBeforeGRUParams, got "


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (changed("LSTM", recurrent_kernel=np.ones((2, 2))), ValueError, "recurrent_kernel has shape (2, 2), expected (H, 4H) of an LSTM or (H, 3H) of a GRU"),
        (changed("LSTM", kernel=np.ones((D, 6))), ValueError, "kernel has shape (4, 6), expected (D, 8)"),
        (changed("LSTM", bias=np.ones((2, 8))), ValueError, "bias has shape (2, 8), expected (8,)"),
        (changed("GRU", bias=np.ones(5)), ValueError, "bias has shape (5,), expected (2, 6) or (6,)"),
        (changed("GRU", bias=None), TypeError, "bias must be an array of float32 or float64, got NoneType"),
        (changed("GRU", kernel=np.ones((D, 6), np.float32)), TypeError, "kernel is float32, expected float64 like the parameters"),
        (lambda: to_keras(None), TypeError, KNOWN + "NoneType"),
        (lambda: to_keras(lc.variants.PeepholeParams.init(D, H, rng=np.random.default_rng(0))), TypeError, KNOWN + "PeepholeParams"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        call()
