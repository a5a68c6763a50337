"""Every gradient, beside central differences and beside torch's autograd."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_course import (
    LSTMParams,
    RNNParams,
    lstm_backward,
    lstm_forward,
    lstm_step,
    lstm_step_backward,
    rnn_backward,
    rnn_forward,
    trace,
)
from lstm_course.gradcheck import gradcheck, relative_error, slices

SIZES = {"T": st.integers(2, 6), "N": st.integers(2, 4), "D": st.integers(1, 4), "H": st.integers(1, 4), "seed": st.integers(0, 99)}  # fmt: skip


class Draw:
    """Random sequences, states, parameters, and the gradients that come in from a loss."""

    def __init__(self, T, N, D, H, seed, dtype=np.float64):
        rng = np.random.default_rng(seed)

        def normal(*shape):
            return rng.normal(size=shape).astype(dtype)

        self.params = LSTMParams(normal(4 * H, D), normal(4 * H, H), normal(4 * H))
        self.rnn = RNNParams(normal(H, D), normal(H, H), normal(H))
        self.xs, self.h0, self.c0 = normal(T, N, D), normal(N, H), normal(N, H)
        self.dhs, self.dh_T, self.dc_T = normal(T, N, H), normal(N, H), normal(N, H)
        self.dcs = normal(T, N, H)


@settings(max_examples=25)
@given(N=SIZES["N"], D=SIZES["D"], H=SIZES["H"], seed=SIZES["seed"])
def test_one_step_against_central_differences(N, D, H, seed):
    d = Draw(1, N, D, H, seed)
    x = d.xs[0]

    def loss():
        h, c, _ = lstm_step(x, d.h0, d.c0, d.params)
        return (h * d.dh_T).sum() + (c * d.dc_T).sum()

    cache = lstm_step(x, d.h0, d.c0, d.params)[2]
    dx, dh_prev, dc_prev, grads = lstm_step_backward(d.dh_T, d.dc_T, cache)
    report = gradcheck(
        loss,
        {"x": x, "h_prev": d.h0, "c_prev": d.c0} | slices(d.params),
        {"x": dx, "h_prev": dh_prev, "c_prev": dc_prev} | slices(grads),
    )
    assert report.passed, report


@settings(max_examples=25)
@given(**SIZES)
def test_through_time_against_central_differences(T, N, D, H, seed):
    d = Draw(T, N, D, H, seed)

    def loss():
        hs, (h_T, c_T), cache = lstm_forward(d.xs, d.params, d.h0, d.c0)
        ends = (h_T * d.dh_T).sum() + (c_T * d.dc_T).sum()
        return (hs * d.dhs).sum() + (trace(cache)["c"] * d.dcs).sum() + ends

    cache = lstm_forward(d.xs, d.params, d.h0, d.c0)[2]
    dxs, dh0, dc0, grads = lstm_backward(d.dhs, cache, d.dh_T, d.dc_T, d.dcs)
    report = gradcheck(
        loss,
        {"xs": d.xs, "h0": d.h0, "c0": d.c0} | slices(d.params),
        {"xs": dxs, "h0": dh0, "c0": dc0} | slices(grads),
    )
    assert report.passed, report


@settings(max_examples=25)
@given(**SIZES)
def test_rnn_against_central_differences(T, N, D, H, seed):
    d = Draw(T, N, D, H, seed)

    def loss():
        hs, h_T = rnn_forward(d.xs, d.rnn, d.h0)
        return (hs * d.dhs).sum() + (h_T * d.dh_T).sum()

    hs, _ = rnn_forward(d.xs, d.rnn, d.h0)
    dxs, dh0, grads = rnn_backward(d.dhs, d.xs, hs, d.rnn, d.h0, d.dh_T)
    report = gradcheck(
        loss,
        {"xs": d.xs, "h0": d.h0} | slices(d.rnn),
        {"xs": dxs, "h0": dh0} | slices(grads),
    )
    assert report.passed, report


def autograd(torch, module, d, states, gradients):
    """Return torch's gradients for xs, the initial states and the parameters."""
    xs = torch.from_numpy(d.xs).requires_grad_()
    states = [torch.from_numpy(state[None]).requires_grad_() for state in states]
    hs, finals = module(xs, tuple(states) if len(states) == 2 else states[0])
    finals = finals if len(states) == 2 else (finals,)
    loss = (hs * torch.from_numpy(d.dhs)).sum()
    for final, gradient in zip(finals, gradients, strict=True):
        loss = loss + (final[0] * torch.from_numpy(gradient)).sum()
    loss.backward()
    parameters = [module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0]
    gradients = [xs.grad, *(state.grad[0] for state in states), *(p.grad for p in parameters)]
    return [gradient.numpy() for gradient in gradients]


def fill(torch, module, params):
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.from_numpy(params.weight_ih))
        module.weight_hh_l0.copy_(torch.from_numpy(params.weight_hh))
        module.bias_ih_l0.copy_(torch.from_numpy(params.bias) - 0.5)
        module.bias_hh_l0.fill_(0.5)
    return module


def test_lstm_against_autograd(torch):
    @settings(max_examples=25)
    @given(**SIZES)
    def check(T, N, D, H, seed):
        d = Draw(T, N, D, H, seed)
        module = fill(torch, torch.nn.LSTM(D, H, dtype=torch.float64), d.params)
        theirs = autograd(torch, module, d, (d.h0, d.c0), (d.dh_T, d.dc_T))
        cache = lstm_forward(d.xs, d.params, d.h0, d.c0)[2]
        dxs, dh0, dc0, grads = lstm_backward(d.dhs, cache, d.dh_T, d.dc_T)
        for ours, other in zip((dxs, dh0, dc0, *grads.arrays()), theirs, strict=True):
            assert relative_error(ours, other) <= 1e-11

    check()


def test_rnn_against_autograd(torch):
    @settings(max_examples=25)
    @given(**SIZES)
    def check(T, N, D, H, seed):
        d = Draw(T, N, D, H, seed)
        module = fill(torch, torch.nn.RNN(D, H, dtype=torch.float64), d.rnn)
        theirs = autograd(torch, module, d, (d.h0,), (d.dh_T,))
        hs, _ = rnn_forward(d.xs, d.rnn, d.h0)
        dxs, dh0, grads = rnn_backward(d.dhs, d.xs, hs, d.rnn, d.h0, d.dh_T)
        for ours, other in zip((dxs, dh0, *grads.arrays()), theirs, strict=True):
            assert relative_error(ours, other) <= 1e-11

    check()


def test_gradients_left_out_are_zeros():
    d = Draw(4, 2, 3, 2, 0)
    cache = lstm_forward(d.xs, d.params, d.h0, d.c0)[2]
    zeros = np.zeros_like(d.h0)
    for one, other in zip(
        lstm_backward(d.dhs, cache)[:3], lstm_backward(d.dhs, cache, zeros, zeros)[:3], strict=True
    ):
        np.testing.assert_array_equal(one, other)
    hs, _ = rnn_forward(d.xs, d.rnn)
    one = rnn_backward(d.dhs, d.xs, hs, d.rnn)[1]
    np.testing.assert_array_equal(one, rnn_backward(d.dhs, d.xs, hs, d.rnn, zeros, zeros)[1])


def test_a_sequence_of_one_step_goes_back_as_the_step_does():
    d = Draw(1, 3, 4, 2, 0)
    cache = lstm_forward(d.xs, d.params, d.h0, d.c0)[2]
    (dx,), *states, grads = lstm_backward(d.dhs, cache, dc_T=d.dc_T)
    expected = lstm_step_backward(d.dhs[0], d.dc_T, cache[0])
    for one, other in zip((dx, *states), expected[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(grads.arrays(), expected[3].arrays(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_given_is_changed():
    d = Draw(4, 2, 3, 2, 0)
    cache = lstm_forward(d.xs, d.params, d.h0, d.c0)[2]
    before = [array.copy() for array in (d.dhs, d.dh_T, d.dc_T, *d.params.arrays(), cache[1].c)]
    lstm_backward(d.dhs, cache, d.dh_T, d.dc_T)
    for was, now in zip(
        before, (d.dhs, d.dh_T, d.dc_T, *d.params.arrays(), cache[1].c), strict=True
    ):
        np.testing.assert_array_equal(was, now)


def test_float32_stays_float32():
    d = Draw(4, 2, 3, 2, 0, np.float32)
    cache = lstm_forward(d.xs, d.params, d.h0, d.c0)[2]
    *arrays, grads = lstm_backward(d.dhs, cache, d.dh_T, d.dc_T)
    hs, _ = rnn_forward(d.xs, d.rnn, d.h0)
    *more, rnn_grads = rnn_backward(d.dhs, d.xs, hs, d.rnn, d.h0)
    for array in (*arrays, *grads.arrays(), *more, *rnn_grads.arrays()):
        assert array.dtype == np.float32


def test_bad_input_gets_one_sentence():
    d = Draw(4, 2, 3, 5, 0)
    cache = lstm_forward(d.xs, d.params, d.h0, d.c0)[2]
    with pytest.raises(TypeError, match=r"^cache must be a StepCache, got list$"):
        lstm_step_backward(d.dh_T, d.dc_T, cache)
    with pytest.raises(ValueError, match=r"dhs has shape \(4, 2, 1\), expected \(4, 2, 5\)"):
        lstm_backward(d.dhs[..., :1], cache)
    with pytest.raises(ValueError, match=r"^cache is empty, expected one StepCache per step$"):
        lstm_backward(d.dhs, [])
