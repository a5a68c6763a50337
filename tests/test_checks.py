"""Every argument of every public function is checked: shape, dtype, NaN, and what is no array."""

import numpy as np
import pytest

from lstm_course import (
    LSTMParams,
    RNNParams,
    gates,
    lstm_backward,
    lstm_forward,
    lstm_step,
    lstm_step_backward,
    pointwise,
    rnn_backward,
    rnn_forward,
    rnn_step,
    rnn_step_jacobian,
    sigmoid,
    trace,
)

T, N, D, H = 4, 2, 3, 5
RNG = np.random.default_rng(0)
PARAMS = LSTMParams.init(D, H, rng=RNG)
RNN = RNNParams.init(D, H, rng=RNG)
XS, HS, STATE = RNG.normal(size=(T, N, D)), RNG.normal(size=(T, N, H)), RNG.normal(size=(N, H))
W, U, B = PARAMS.gate("f")
CACHE = lstm_forward(XS, PARAMS, STATE, STATE)[2]

# name: (function, its array arguments, the others)
CALLS = {
    **{
        gate.__name__: (gate, {"x": XS[0], "h_prev": STATE, "W": W, "U": U, "b": B}, {})
        for gate in (gates.forget_gate, gates.input_gate, gates.candidate, gates.output_gate)
    },
    "lstm_step": (lstm_step, {"x": XS[0], "h_prev": STATE, "c_prev": STATE}, {"params": PARAMS}),
    "lstm_step_backward": (lstm_step_backward, {"dh": STATE, "dc": STATE}, {"cache": CACHE[0]}),
    "lstm_forward": (lstm_forward, {"xs": XS, "h0": STATE, "c0": STATE}, {"params": PARAMS}),
    "lstm_backward": (lstm_backward, {"dhs": HS, "dh_T": STATE, "dc_T": STATE, "dcs": HS}, {"cache": CACHE}),
    "rnn_step": (rnn_step, {"x": XS[0], "h_prev": STATE}, {"params": RNN}),
    "rnn_step_jacobian": (rnn_step_jacobian, {"h": STATE}, {"params": RNN}),
    "rnn_forward": (rnn_forward, {"xs": XS, "h0": STATE}, {"params": RNN}),
    "rnn_backward": (
        rnn_backward,
        {"dhs": HS, "xs": XS, "hs": HS, "h0": STATE, "dh_T": STATE},
        {"params": RNN},
    ),
    "LSTMParams": (LSTMParams, dict(zip(("weight_ih", "weight_hh", "bias"), PARAMS.arrays(), strict=True)), {}),
    "RNNParams": (RNNParams, dict(zip(("weight_ih", "weight_hh", "bias"), RNN.arrays(), strict=True)), {}),
}  # fmt: skip
ARGUMENTS = [(name, argument) for name, (_, arrays, _) in CALLS.items() for argument in arrays]
# Parameters and gradients share a class, and a gradient may overflow: it is checked when used.
FINITE = [(name, argument) for name, argument in ARGUMENTS if "Params" not in name]
FINITE = [pair for pair in FINITE if pair[1] not in ("W", "U", "b")]


def call(name, **changes):
    function, arrays, others = CALLS[name]
    return function(**arrays | others | changes)


@pytest.mark.parametrize("name", CALLS)
def test_the_arguments_are_right_before_they_are_spoiled(name):
    call(name)


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_shape(name, argument):
    array = CALLS[name][1][argument]
    for wrong in (
        array[..., None],
        array[None],
        array[:0],
        array.ravel()[:1].reshape((1,) * array.ndim),
    ):
        with pytest.raises(ValueError, match=r"has shape .*, expected"):
            call(name, **{argument: wrong})


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("lstm_step", "x", r"\(N, 3\)"),
        ("lstm_forward", "xs", r"\(T, N, 3\)"),
        ("forget_gate", "W", r"\(H, D\)"),
        ("forget_gate", "x", r"\(N, 3\)"),
        ("LSTMParams", "weight_hh", r"\(4H, H\)"),
        ("LSTMParams", "weight_ih", r"\(20, D\)"),
    ],
)
def test_sizes_that_are_free_have_the_letters_of_the_docstring(name, argument, expected):
    wrong = CALLS[name][1][argument][None]
    with pytest.raises(ValueError, match=rf"{argument} has shape .*, expected {expected}"):
        call(name, **{argument: wrong})


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, argument)
        for name, argument in ARGUMENTS
        if CALLS[name][1][argument] is STATE and name != "rnn_step_jacobian"  # any N will do there
    ],
)
def test_one_row_is_not_broadcast_over_the_batch(name, argument):
    with pytest.raises(ValueError, match=rf"{argument} has shape \(1, 5\), expected \(2, 5\)"):
        call(name, **{argument: STATE[:1]})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_dtype(name, argument):
    array = CALLS[name][1][argument]
    with pytest.raises(
        TypeError, match=r"is float(32|64), expected float(32|64) like the parameters"
    ):
        call(name, **{argument: array.astype(np.float32)})
    for wrong in (array * 1j, array.astype(np.float16), "text", object()):
        with pytest.raises(
            TypeError, match=f"{argument} must be an array of float32 or float64, got"
        ):
            call(name, **{argument: wrong})
    with pytest.raises(TypeError, match=f"{argument} is a masked array"):
        call(name, **{argument: np.ma.masked_array(array)})


@pytest.mark.parametrize(("name", "argument"), FINITE)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_finite(name, argument, value):
    array = CALLS[name][1][argument].copy()
    array.flat[-1] = value
    with pytest.raises(
        ValueError, match=rf"{argument} holds {value} at index \(.*\), expected finite"
    ):
        call(name, **{argument: array})


@pytest.mark.parametrize(
    "name", [name for name, (_, _, others) in CALLS.items() if "params" in others]
)
def test_params(name):
    kind = type(CALLS[name][2]["params"])
    for wrong in (None, STATE, RNN if kind is LSTMParams else PARAMS):
        with pytest.raises(
            TypeError, match=f"^params must be an {kind.__name__}, got {type(wrong).__name__}$"
        ):
            call(name, params=wrong)
    for k, field in enumerate(("weight_ih", "weight_hh", "bias")):
        arrays = [array.copy() for array in CALLS[name][2]["params"].arrays()]
        arrays[k].flat[0] = np.nan
        with pytest.raises(ValueError, match=f"params.{field} holds nan"):
            call(name, params=kind(*arrays))


@pytest.mark.parametrize("kind", [LSTMParams, RNNParams])
@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"input_size": 0}, ValueError, "input_size must be at least 1, got 0"),
        ({"hidden_size": -1}, ValueError, "hidden_size must be at least 1, got -1"),
        ({"hidden_size": 2.0}, TypeError, "hidden_size must be a whole number, got 2.0"),
        ({"input_size": True}, TypeError, "input_size must be a whole number, got True"),
        ({"rng": 0}, TypeError, "rng must be a numpy.random.Generator such as .*, got int"),
        ({"dtype": int}, TypeError, "dtype must be float32 or float64, got int64"),
        ({"dtype": "float99"}, TypeError, "dtype must be float32 or float64, got 'float99'"),
    ],
)
def test_init(kind, changes, error, sentence):
    with pytest.raises(error, match=sentence):
        kind.init(**{"input_size": 3, "hidden_size": 2, "rng": RNG} | changes)


@pytest.mark.parametrize("wrong", [np.nan, None, "a", [1.0, 2.0]])
def test_forget_bias(wrong):
    with pytest.raises((TypeError, ValueError), match=r"^forget_bias (must|holds|has)"):
        LSTMParams.init(3, 2, rng=RNG, forget_bias=wrong)


@pytest.mark.parametrize(
    ("wrong", "came"),
    [
        (lstm_forward(XS, PARAMS), "a tuple with ndarray"),
        (CACHE[0], "StepCache"),
        (HS, "ndarray"),
        (None, "NoneType"),
        ([CACHE[0], None], "a list with NoneType"),
    ],
)
def test_a_cache_that_is_none(wrong, came):
    sentence = rf"^cache must be the third result of lstm_forward, a list of StepCache, got {came}$"
    for function in (trace, lambda cache: lstm_backward(HS, cache)):
        with pytest.raises(TypeError, match=sentence):
            function(wrong)


def test_an_object_whose_conversion_fails():
    class Stubborn:
        def __array__(self, *args, **kwargs):
            raise RuntimeError("no")

    with pytest.raises(TypeError, match="x cannot be read as an array: no"):
        sigmoid(Stubborn())


def test_pairs_must_have_one_dtype():
    with pytest.raises(TypeError, match="b is float32, expected float64, the dtype of a"):
        pointwise.product(np.ones(2), np.ones(2, np.float32))
