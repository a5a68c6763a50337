import importlib.util
import re

import numpy as np
import pytest

import lstm_course as lc
from conftest import need
from lstm_course import interop
from lstm_course.gradcheck import relative_error
from lstm_course.interop.orders import ORDERS, reordered
from lstm_course.interop.stacking import two_biases


def test_the_table_that_is_read_is_the_one_that_is_used():
    rows = re.findall(r"^(\w+) +(\w \w \w \w) (\w \w \w) ", interop.__doc__, re.MULTILINE)
    read = {name: tuple(order.replace(" ", "") for order in orders) for name, *orders in rows}
    assert read == {name: (orders["LSTM"], orders["GRU"]) for name, orders in ORDERS.items()}
    assert "peepholes in the order i, o, f (here i, f, o)" in interop.__doc__
    assert (ORDERS["ONNX"]["peepholes"], ORDERS["lstm_course"]["peepholes"]) == ("iof", "ifo")


def test_every_order_has_the_same_letters():
    for orders in ORDERS.values():
        for kind, order in orders.items():
            assert sorted(order) == sorted(ORDERS["lstm_course"][kind])


@pytest.mark.parametrize("framework", ["PyTorch", "cuDNN"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_what_is_copied_as_it_stands_is_in_our_order(framework, kind):
    assert ORDERS[framework][kind] == ORDERS["lstm_course"][kind]


@pytest.mark.parametrize("trailing", [(), (3,), (2, 3)])
def test_slices_are_found_by_their_letters(trailing):
    array = np.random.default_rng(0).normal(size=(8, *trailing))
    found = reordered(array, "ifgo", "iofg")
    for k, letter in enumerate("iofg"):
        wanted = array[2 * "ifgo".index(letter) :][:2]
        np.testing.assert_array_equal(found[2 * k : 2 * k + 2], wanted)
    np.testing.assert_array_equal(reordered(found, "iofg", "ifgo"), array)


def test_a_slice_that_is_not_there_is_0_and_one_that_is_not_wanted_is_left_out():
    array = np.arange(1.0, 7.0)
    np.testing.assert_array_equal(reordered(array, "igo", "iofg"), [1, 2, 5, 6, 0, 0, 3, 4])
    np.testing.assert_array_equal(reordered(array, "igo", "oi"), [5, 6, 1, 2])


def test_what_is_reordered_is_copied():
    array = np.ones(4)
    reordered(array, "ifgo", "ifgo")[:] = 2
    np.testing.assert_array_equal(array, np.ones(4))


@pytest.mark.slow
def test_the_arrays_of_an_lstm_are_in_the_order_of_cudnn_by_the_reference_of_jax():
    need(importlib.util.find_spec("jax"), "JAX", "pip install jax")
    import jax
    from jax.experimental.rnn import lstm_ref

    rng, (T, N, D, H) = np.random.default_rng(0), (5, 3, 4, 2)
    params = lc.LSTMParams(*(rng.normal(size=s) for s in ((4 * H, D), (4 * H, H), 4 * H)))
    xs, h0, c0 = (rng.normal(size=s) for s in ((T, N, D), (N, H), (N, H)))
    b_ih, b_hh = two_biases(params)
    with jax.enable_x64(True):
        ys, h_T, c_T = lstm_ref(
            jax.numpy.asarray(xs.swapaxes(0, 1)),
            *(start[None] for start in (h0, c0)),
            *({0: array} for array in (params.weight_ih, params.weight_hh, b_ih, b_hh)),
            seq_lengths=np.full(N, T, np.int32),
            input_size=D,
            hidden_size=H,
            num_layers=1,
            dropout=0.0,
            bidirectional=False,
        )
    hs, finals, _ = lc.lstm_forward(xs, params, h0, c0)
    found = np.swapaxes(ys, 0, 1), h_T[0], c_T[0]
    for one, other in zip(found, (hs, *finals), strict=True):
        assert relative_error(np.asarray(one), other) <= 1e-12
