import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import RNNParams, rnn_forward, rnn_step, rnn_step_jacobian


def draw(T, N, D, H, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(dtype)

    return normal(T, N, D), RNNParams(normal(H, D), normal(H, H), normal(H)), normal(N, H)


def test_parity_with_torch(torch):
    @given(st.integers(1, 9), *(st.integers(1, 5),) * 3, st.integers(0, 99))
    def check(T, N, D, H, seed):
        xs, params, h0 = draw(T, N, D, H, seed)
        theirs = torch.nn.RNN(D, H, dtype=torch.float64)
        with torch.no_grad():
            theirs.weight_ih_l0.copy_(torch.from_numpy(params.weight_ih))
            theirs.weight_hh_l0.copy_(torch.from_numpy(params.weight_hh))
            theirs.bias_ih_l0.copy_(torch.from_numpy(params.bias))
            theirs.bias_hh_l0.zero_()
            hs_torch, h_torch = theirs(torch.from_numpy(xs), torch.from_numpy(h0[None]))
        hs, h_T = rnn_forward(xs, params, h0)
        np.testing.assert_allclose(hs, hs_torch.numpy(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(h_T, h_torch[0].numpy(), rtol=0, atol=1e-12)

    check()


def test_it_is_the_step_repeated_and_starts_at_zero():
    xs, params, _ = draw(5, 3, 4, 2, 0)
    hs, h_T = rnn_forward(xs, params)
    h = np.zeros((3, 2))
    for t in range(5):
        h = rnn_step(xs[t], h, params)
        np.testing.assert_allclose(hs[t], h, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(h_T, hs[-1])


def test_jacobian_agrees_with_central_differences():
    xs, params, h0 = draw(1, 3, 4, 2, 0)
    jacobian = rnn_step_jacobian(rnn_step(xs[0], h0, params), params)
    eps = 1e-6
    for k in range(2):
        moved = eps * np.eye(2)[k]
        column = (rnn_step(xs[0], h0 + moved, params) - rnn_step(xs[0], h0 - moved, params)) / (
            2 * eps
        )
        np.testing.assert_allclose(jacobian[:, :, k], column, atol=1e-9)


def test_float32_stays_float32():
    xs, params, h0 = draw(5, 2, 3, 4, 0, np.float32)
    assert rnn_forward(xs, params, h0)[0].dtype == np.float32
    assert rnn_forward(xs, params)[1].dtype == np.float32
    assert (
        RNNParams.init(3, 2, rng=np.random.default_rng(0), dtype=np.float32).bias.dtype
        == np.float32
    )


def test_init_is_uniform_with_no_bias():
    params = RNNParams.init(8, 32, rng=np.random.default_rng(0))
    for weights in (params.weight_ih, params.weight_hh):
        scaled = weights * np.sqrt(32)
        assert -1 <= scaled.min() < -0.98 < 0.98 < scaled.max() <= 1
        assert len(np.unique(scaled)) == scaled.size
    np.testing.assert_array_equal(params.bias, 0)


def test_the_largest_sums_give_1_and_those_that_may_overflow_are_refused():
    params = RNNParams(np.ones((1, 2)), np.ones((1, 1)), np.zeros(1))
    xs = np.array([[[1e307, 1e307]], [[-1e307, -2e307]]])
    hs, _ = rnn_forward(xs, params)
    np.testing.assert_array_equal(hs[:, 0, 0], [1, -1])
    np.testing.assert_array_equal(rnn_step(xs[0], np.zeros((1, 1)), params), 1)
    for call in (lambda: rnn_forward(4 * xs, params), lambda: rnn_step(4 * xs[1], hs[0], params)):
        with pytest.raises(ValueError, match="so large that a sum may leave the range of float64"):
            call()
