import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import LSTMParams, example, lstm_forward, lstm_step, trace


def draw(T, N, D, H, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(size=shape).astype(dtype)

    params = LSTMParams(normal(4 * H, D), normal(4 * H, H), normal(4 * H))
    return normal(T, N, D), params, normal(N, H), normal(N, H)


def test_parity_with_torch(torch):
    @given(st.integers(1, 9), *(st.integers(1, 5),) * 3, st.integers(0, 99))
    def check(T, N, D, H, seed):
        xs, params, h0, c0 = draw(T, N, D, H, seed)
        theirs = torch.nn.LSTM(D, H, dtype=torch.float64)
        with torch.no_grad():
            theirs.weight_ih_l0.copy_(torch.from_numpy(params.weight_ih))
            theirs.weight_hh_l0.copy_(torch.from_numpy(params.weight_hh))
            theirs.bias_ih_l0.copy_(torch.from_numpy(params.bias) + 0.25)
            theirs.bias_hh_l0.fill_(-0.25)
            states = tuple(torch.from_numpy(state[None]) for state in (h0, c0))
            hs_torch, (h_torch, c_torch) = theirs(torch.from_numpy(xs), states)
        hs, (h_T, c_T), _ = lstm_forward(xs, params, h0, c0)
        np.testing.assert_allclose(hs, hs_torch.numpy(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(h_T, h_torch[0].numpy(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(c_T, c_torch[0].numpy(), rtol=0, atol=1e-12)

    check()


def test_it_is_the_step_repeated():
    xs, params, h, c = draw(6, 3, 4, 2, 0)
    hs, (h_T, c_T), cache = lstm_forward(xs, params, h, c)
    for t in range(6):
        h, c, step = lstm_step(xs[t], h, c, params)
        np.testing.assert_array_equal(hs[t], h)
        np.testing.assert_array_equal(cache[t].f, step.f)
    np.testing.assert_array_equal(h_T, h)
    np.testing.assert_array_equal(c_T, c)


def test_states_start_at_zero():
    xs, params, h0, _ = draw(4, 3, 4, 2, 0)
    zeros = np.zeros_like(h0)
    np.testing.assert_array_equal(
        lstm_forward(xs, params)[0], lstm_forward(xs, params, zeros, zeros)[0]
    )


@given(cut=st.integers(1, 7))
def test_a_run_can_be_continued(cut):
    xs, params, h0, c0 = draw(8, 2, 3, 4, 0)
    hs, (h_T, c_T), _ = lstm_forward(xs, params, h0, c0)
    first, states, _ = lstm_forward(xs[:cut], params, h0, c0)
    second, (h_end, c_end), _ = lstm_forward(xs[cut:], params, *states)
    np.testing.assert_array_equal(np.concatenate([first, second]), hs)
    np.testing.assert_array_equal(h_end, h_T)
    np.testing.assert_array_equal(c_end, c_T)


def test_the_past_does_not_depend_on_the_future():
    xs, params, *_ = draw(6, 2, 3, 4, 0)
    changed = xs.copy()
    changed[4, 1] += 1
    different = (lstm_forward(xs, params)[0] != lstm_forward(changed, params)[0]).any(axis=-1)
    assert different[4:, 1].all()
    different[4:, 1] = False
    assert not different.any()


def test_float32_stays_float32():
    xs, params, h0, c0 = draw(5, 2, 3, 4, 0, np.float32)
    hs, (h_T, c_T), _ = lstm_forward(xs, params, h0, c0)
    assert hs.dtype == h_T.dtype == c_T.dtype == np.float32
    assert lstm_forward(xs, params)[0].dtype == np.float32


def test_final_states_do_not_share_memory_with_the_outputs_of_the_caller():
    xs, params, h0, c0 = draw(2, 2, 3, 4, 0)
    hs, (h_T, c_T), cache = lstm_forward(xs, params, h0, c0)
    h_T += 1
    c_T += 1
    assert not np.array_equal(hs[-1], h_T)
    assert not np.array_equal(cache[-1].h, h_T)
    assert not np.array_equal(cache[-1].c, c_T)


def test_trace_stacks_every_step():
    *_, cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    traces = trace(cache)
    assert set(traces) == {"i", "f", "g", "o", "c", "tanh_c", "h"}
    assert {values.shape for values in traces.values()} == {(3, 1, 2)}
    np.testing.assert_array_equal(traces["c"][1], cache[1].c)
