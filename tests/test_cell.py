import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import LSTMParams, example, lstm_step


def draw(N, D, H, seed, dtype=np.float64, scale=1.0):
    """Random parameters, input and states, biases and states included."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (scale * rng.normal(size=shape)).astype(dtype)

    params = LSTMParams(normal(4 * H, D), normal(4 * H, H), normal(4 * H))
    return normal(N, D), normal(N, H), normal(N, H), params


SIZES = {
    "N": st.integers(1, 5),
    "D": st.integers(1, 5),
    "H": st.integers(1, 5),
    "seed": st.integers(0, 99),
}


def test_parity_with_torch(torch):
    @given(**SIZES)
    def check(N, D, H, seed):
        x, h_prev, c_prev, params = draw(N, D, H, seed)
        theirs = torch.nn.LSTMCell(D, H, dtype=torch.float64)
        with torch.no_grad():
            theirs.weight_ih.copy_(torch.from_numpy(params.weight_ih))
            theirs.weight_hh.copy_(torch.from_numpy(params.weight_hh))
            # Two biases that only matter as a sum.
            theirs.bias_ih.copy_(torch.from_numpy(params.bias) - 0.5)
            theirs.bias_hh.fill_(0.5)
            state = torch.from_numpy(h_prev), torch.from_numpy(c_prev)
            h_torch, c_torch = theirs(torch.from_numpy(x), state)
        h, c, _ = lstm_step(x, h_prev, c_prev, params)
        np.testing.assert_allclose(h, h_torch.numpy(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(c, c_torch.numpy(), rtol=0, atol=1e-12)

    check()


@given(**SIZES, scale=st.floats(0.01, 1e4))
def test_hidden_state_is_bounded_and_cell_state_grows_by_at_most_one(N, D, H, seed, scale):
    x, h_prev, c_prev, params = draw(N, D, H, seed, scale=scale)
    h, c, _ = lstm_step(x, h_prev, c_prev, params)
    assert (np.abs(h) <= 1).all()
    assert (np.abs(c) <= np.abs(c_prev) + 1).all()


@given(**SIZES)
def test_rows_of_a_batch_do_not_see_each_other(N, D, H, seed):
    x, h_prev, c_prev, params = draw(N, D, H, seed)
    h, c, _ = lstm_step(x, h_prev, c_prev, params)
    for n in range(N):
        row = slice(n, n + 1)
        h_n, c_n, _ = lstm_step(x[row], h_prev[row], c_prev[row], params)
        np.testing.assert_allclose(h_n, h[row], atol=1e-14)
        np.testing.assert_allclose(c_n, c[row], atol=1e-14)


def test_candidate_mirrored_mirrors_what_is_written():
    x, h_prev, _, params = draw(3, 4, 2, 0)
    empty = np.zeros((3, 2))
    _, written, _ = lstm_step(x, h_prev, empty, params)
    for part in params.gate("g"):
        part *= -1  # views: this changes params
    _, mirrored, _ = lstm_step(x, h_prev, empty, params)
    np.testing.assert_array_equal(mirrored, -written)


def test_cache_holds_what_the_step_computed():
    h, c, cache = lstm_step(example.xs[0], example.h0, example.c0, example.params)
    np.testing.assert_array_equal(cache.f * cache.c_prev + cache.i * cache.g, c)
    np.testing.assert_array_equal(cache.o * cache.tanh_c, h)
    assert cache.params is example.params
    np.testing.assert_array_equal(cache.x, example.xs[0])
    np.testing.assert_array_equal(cache.h_prev, example.h0)
    np.testing.assert_array_equal(cache.c_prev, example.c0)
    np.testing.assert_array_equal(cache.tanh_c, np.tanh(c))
    h += 1
    c += 1
    assert not np.array_equal(cache.h, h)
    assert not np.array_equal(cache.c, c)


def test_float32_stays_float32():
    x, h_prev, c_prev, params = draw(2, 3, 4, 0, np.float32)
    h, c, cache = lstm_step(x, h_prev, c_prev, params)
    assert {array.dtype for array in (h, c, *cache[:-1])} == {np.dtype(np.float32)}
    wide = lstm_step(*draw(2, 3, 4, 0))
    np.testing.assert_allclose(h, wide[0], atol=1e-6)


def test_arguments_are_left_alone():
    x, h_prev, c_prev, params = draw(2, 3, 4, 0)
    before = [array.copy() for array in (x, h_prev, c_prev, params.weight_ih, params.bias)]
    _, c, _ = lstm_step(x, h_prev, c_prev, params)
    for was, now in zip(before, (x, h_prev, c_prev, params.weight_ih, params.bias), strict=True):
        np.testing.assert_array_equal(was, now)
    assert not np.shares_memory(c, c_prev)


@given(H=st.integers(1, 6), D=st.integers(1, 6), bias=st.floats(-3, 3))
def test_init(H, D, bias):
    params = LSTMParams.init(D, H, rng=np.random.default_rng(0), forget_bias=bias)
    assert (params.input_size, params.hidden_size) == (D, H)
    weights = np.concatenate([params.weight_ih.ravel(), params.weight_hh.ravel()])
    assert (np.abs(weights) <= 1 / np.sqrt(H)).all()
    assert len(np.unique(weights)) == weights.size
    wide = LSTMParams.init(D, 32, rng=np.random.default_rng(0)).weight_hh * np.sqrt(32)
    assert wide.min() < -0.99 < 0.99 < wide.max()  # uniform over the whole range
    assert abs(wide.mean()) < 0.05
    np.testing.assert_array_equal(params.gate("f")[2], bias)
    for name in "igo":
        np.testing.assert_array_equal(params.gate(name)[2], 0)
    again = LSTMParams.init(D, H, rng=np.random.default_rng(0), forget_bias=bias, dtype=np.float32)
    np.testing.assert_allclose(again.weight_ih, params.weight_ih, rtol=1e-6)


def test_the_forget_bias_is_one_unless_said_otherwise():
    params = LSTMParams.init(3, 2, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(params.gate("f")[2], 1)


def test_lists_of_whole_numbers_become_float_arrays():
    params = LSTMParams([[1]] * 4, [[2]] * 4, [3] * 4)
    for array, value in zip(params.arrays(), (1, 2, 3), strict=True):
        assert array.dtype == np.float64
        assert (array == value).all()


def test_gate_slices_are_in_the_order_i_f_g_o():
    params = LSTMParams(np.arange(8.0)[:, None], np.zeros((8, 2)), np.arange(8.0))
    for k, name in enumerate("ifgo"):
        W, _, b = params.gate(name)
        np.testing.assert_array_equal(W[:, 0], [2 * k, 2 * k + 1])
        np.testing.assert_array_equal(b, [2 * k, 2 * k + 1])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda params: params.gate("z"), "^name must be one of i, f, g, o, got 'z'$"),
        (lambda _: LSTMParams(np.ones((8, 3)), np.ones((8, 3)), np.ones(8)), r"weight_hh has shape \(8, 3\), expected \(12, 3\)"),
        (lambda _: LSTMParams(np.ones((4, 3)), np.ones((8, 2)), np.ones(8)), r"weight_ih has shape \(4, 3\), expected \(8, D\)"),
        (lambda _: LSTMParams(np.ones((8, 3)), np.ones((8, 2)), np.ones(4)), r"bias has shape \(4,\), expected \(8,\)"),
        (lambda _: LSTMParams(np.ones((8, 0)), np.ones((8, 2)), np.ones(8)), "with D at least 1"),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_get_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call(LSTMParams.init(3, 2, rng=np.random.default_rng(0)))
    assert "\n" not in str(caught.value)


def test_a_step_takes_the_largest_sums_and_refuses_those_that_may_overflow():
    params = LSTMParams(np.full((4, 2), 0.5), np.zeros((4, 1)), np.zeros(4))
    zeros = np.zeros((1, 1))
    _, c, cache = lstm_step(np.full((1, 2), 8e307), zeros, zeros, params)
    assert c == cache.i == cache.f == cache.g == cache.o == 1
    for x in ([9e307, 9e307], [1e308, -1e308]):  # of which the second one's sum is 0
        with pytest.raises(ValueError, match="so large that a sum may leave the range of float64"):
            lstm_step(np.array([x]), zeros, zeros, params)
