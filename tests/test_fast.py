import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_course import LSTMParams, _memory, fast, lstm_backward, lstm_forward

SIZES = {
    "T": st.integers(1, 9),
    "N": st.integers(1, 6),
    "D": st.integers(1, 5),
    "H": st.integers(1, 5),
    "seed": st.integers(0, 99),
}


def draw(T, N, D, H, seed, dtype=np.float64, scale=1.0):
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (scale * rng.normal(size=shape)).astype(dtype)

    params = LSTMParams(normal(4 * H, D), normal(4 * H, H), normal(4 * H))
    return normal(T, N, D), params, normal(N, H), normal(N, H)


def compare(xs, params, h0, c0, tolerance):
    """Compare every result of the fast and of the readable version."""
    rng = np.random.default_rng(1)
    hs, finals, cache = fast.lstm_forward(xs, params, h0, c0)
    expected, last, readable = lstm_forward(xs, params, h0, c0)
    dhs, dh_T, dc_T, dcs = (
        rng.normal(size=shape).astype(xs.dtype) for shape in (hs.shape, *[h0.shape] * 2, hs.shape)
    )
    ours = fast.lstm_backward(dhs, cache, dh_T, dc_T, dcs)
    theirs = lstm_backward(dhs, readable, dh_T, dc_T, dcs)
    for one, other in zip((hs, *finals), (expected, *last), strict=True):
        assert one.dtype == other.dtype == xs.dtype
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    ours, theirs = ((*all_[:3], *all_[3].arrays()) for all_ in (ours, theirs))
    largest = max(
        abs(array).max() for array in theirs
    )  # of the terms that may cancel in the others
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype == xs.dtype
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * largest)


@given(**SIZES)
def test_float64_equals_the_readable_version(T, N, D, H, seed):
    compare(*draw(T, N, D, H, seed), 1e-12)


@given(**SIZES)
def test_float32_equals_the_readable_version(T, N, D, H, seed):
    compare(*draw(T, N, D, H, seed, np.float32, scale=0.5), 1e-5)


@pytest.mark.parametrize(("T", "N"), [(1, 1), (700, 1), (70, 8), (3, 600), (2, 1024)])
def test_blocks_of_steps_fit_together(T, N):
    compare(*draw(T, N, 3, 4, 0), 1e-12)


@settings(max_examples=20)
@given(**SIZES)
def test_large_arguments_saturate_without_a_warning(T, N, D, H, seed):
    xs, params, h0, c0 = draw(T, N, D, H, seed, scale=300.0)
    hs, (_, c_T), _ = fast.lstm_forward(xs, params, h0, c0)
    expected, (_, c_expected), _ = lstm_forward(xs, params, h0, c0)
    np.testing.assert_allclose(hs, expected, atol=1e-12)
    np.testing.assert_allclose(c_T, c_expected, rtol=1e-12)


FORWARD = (lstm_forward, fast.lstm_forward, fast.lstm_infer)


@pytest.mark.parametrize("forward", FORWARD)
@pytest.mark.parametrize(("dtype", "large"), [(np.float64, 1e300), (np.float32, 1e30)])
def test_the_largest_sums_shut_and_open_gates_entirely(forward, dtype, large):
    xs, params, _, c0 = draw(4, 3, 2, 5, 0, dtype)
    h0 = np.full_like(c0, -large)
    hs, (h_T, c_T), *_ = forward(xs * dtype(large), params, h0, c0)
    (_, _, cache) = lstm_forward(xs * dtype(large), params, h0, c0)
    for step in cache:
        assert set(np.unique([step.i, step.f, step.o, abs(step.g)])) <= {0, 1}
    np.testing.assert_array_equal(c_T, cache[-1].c)
    np.testing.assert_allclose(hs, [step.h for step in cache], rtol=0, atol=np.finfo(dtype).eps)
    np.testing.assert_array_equal(h_T, hs[-1])


@pytest.mark.parametrize("forward", FORWARD)
@pytest.mark.parametrize(
    "large",
    [
        {"xs": 5e307},
        {"h0": 5e307},
        {"weight_ih": 5e307},
        {"weight_hh": 5e307},
        {"bias": 5e307},
        {"xs": 1e200, "weight_ih": 1e200},
    ],
)
def test_sums_that_may_overflow_are_refused(forward, large):
    # Of inf, -inf and NaN each may come out, by the order in which a library adds.
    xs, params, h0, c0 = draw(4, 3, 2, 5, 0)
    for name, array in (("xs", xs), ("h0", h0), *vars(params).items()):
        array *= large.get(name, 1)
    with pytest.raises(ValueError, match=r"so large that a sum may leave the range of float64: "):
        forward(xs, params, h0, c0)


def test_the_order_of_adding_does_not_decide_what_is_refused():
    params = LSTMParams(np.ones((4, 3)), np.ones((4, 1)), np.zeros(4))
    for order in ([1, 1, -1], [1, -1, 1], [-1, 1, 1]):
        xs = 1.2e308 * np.array(order)[None, None]
        for forward in FORWARD:
            with pytest.raises(ValueError, match=r"is inf, expected at most 8.99e\+307"):
                forward(xs, params)


def test_a_tanh_is_right_to_within_4e_16():
    rng = np.random.default_rng(0)
    a = np.concatenate([rng.normal(size=20_000) * 10.0**k for k in range(-20, 4)])
    ours, exact = np.empty_like(a), np.tanh(a.astype(np.longdouble))
    with np.errstate(over="ignore", under="ignore"):  # as where it is used
        fast._tanh(a, ours)
    assert abs(ours - exact).max() < 4e-16


def test_a_hidden_state_of_1e_16_is_right_to_within_the_bound_and_in_float32_to_all_digits():
    for dtype, close in ((np.float64, {"rtol": 0, "atol": 4e-16}), (np.float32, {"rtol": 1e-6})):
        xs, params, *_ = draw(1, 2, 3, 4, 0, dtype)
        params.gate("g")[0][...] *= dtype(1e-16)
        params.gate("g")[2][...] = 0
        hs = fast.lstm_forward(xs, params)[0]
        expected = lstm_forward(xs, params)[0]
        assert 0 < abs(expected).max() < 1e-15
        np.testing.assert_allclose(hs, expected, **close)


def test_a_hundred_thousand_steps():
    xs, params, h0, c0 = draw(100_000, 1, 2, 2, 0, scale=0.5)
    hs, finals, cache = fast.lstm_forward(xs, params, h0, c0)
    for start in (0, 60_000, 99_000):  # from the state that the fast version had by then
        steps = slice(start, start + 1000)
        expected, last, _ = lstm_forward(
            xs[steps], params, cache.hs_ones[start, :, :2], cache.cs[start]
        )
        np.testing.assert_allclose(hs[steps], expected, rtol=0, atol=1e-12)
    for one, other in zip(finals, last, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@given(**SIZES)
def test_without_a_cache_the_results_are_the_same(T, N, D, H, seed):
    xs, params, h0, c0 = draw(T, N, D, H, seed)
    hs, finals, _ = fast.lstm_forward(xs, params, h0, c0)
    again, last = fast.lstm_infer(xs, params, h0, c0)
    for one, other in zip((hs, *finals), (again, *last), strict=True):
        np.testing.assert_array_equal(one, other)


def test_memory_without_a_cache_does_not_grow_with_the_cells(monkeypatch):
    xs, params, h0, c0 = draw(4000, 1, 1, 16, 0)

    def peak(run):
        monkeypatch.setattr(_memory, "_kept", [])  # what earlier tests have left would not count
        tracemalloc.start()
        run(xs, params, h0, c0)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size / (4000 * 16 * 8)  # in units of the hidden states that are returned

    assert peak(fast.lstm_infer) < 3 < 8 < peak(fast.lstm_forward)


def test_the_order_of_memory_does_not_matter():
    xs, params, h0, c0 = draw(4, 3, 3, 2, 0)

    def turned(array):
        return array.T.copy().T

    other = LSTMParams(*map(turned, params.arrays()))
    assert not other.weight_hh.flags.c_contiguous
    hs, _, cache = fast.lstm_forward(xs, params, h0, c0)
    same, _, turned_cache = fast.lstm_forward(turned(xs), other, turned(h0), turned(c0))
    np.testing.assert_allclose(same, hs, rtol=0, atol=1e-14)
    ours = fast.lstm_backward(hs, cache, hs[0], hs[1], hs)
    theirs = fast.lstm_backward(turned(hs), turned_cache, hs[0], hs[1], turned(hs))
    for one, two in zip(
        (*ours[:3], *ours[3].arrays()), (*theirs[:3], *theirs[3].arrays()), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-14)


def test_results_are_copies_and_the_cache_serves_twice():
    xs, params, h0, c0 = draw(4, 2, 3, 2, 0)
    hs, (h_T, c_T), cache = fast.lstm_forward(xs, params, h0, c0)
    dhs = np.ones_like(hs)
    once = fast.lstm_backward(dhs, cache)
    for array in (hs, h_T, c_T):
        array[...] = np.nan
    again = fast.lstm_backward(dhs, cache)
    for one, other in zip(once[:3], again[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert (dhs == 1).all()


XS, PARAMS, H0, C0 = draw(4, 2, 3, 2, 0)
CACHE = fast.lstm_forward(XS, PARAMS)[2]
DHS = np.ones((4, 2, 2))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: fast.lstm_forward(XS[0], PARAMS), ValueError, r"xs has shape \(2, 3\), expected \(T, N, 3\)"),
        (lambda: fast.lstm_forward(XS * np.nan, PARAMS), ValueError, "xs holds nan"),
        (lambda: fast.lstm_forward(XS, None), TypeError, "params must be an LSTMParams, got NoneType"),
        (lambda: fast.lstm_forward(XS.astype(np.float32), PARAMS), TypeError, "xs is float32, expected float64"),
        (lambda: fast.lstm_forward(XS, PARAMS, H0[:1]), ValueError, r"h0 has shape \(1, 2\), expected \(2, 2\)"),
        (lambda: fast.lstm_forward(XS, PARAMS, H0, C0 * np.inf), ValueError, "c0 holds"),
        (lambda: fast.lstm_forward(XS[:0], PARAMS), ValueError, "with T at least 1"),
        (lambda: fast.lstm_backward(DHS, None), TypeError, "cache must be a SequenceCache, got NoneType"),
        (lambda: fast.lstm_backward(DHS[1:], CACHE), ValueError, r"dhs has shape \(3, 2, 2\), expected \(4, 2, 2\)"),
        (lambda: fast.lstm_backward(DHS * np.nan, CACHE), ValueError, "dhs holds nan"),
        (lambda: fast.lstm_backward(DHS, CACHE, H0[:1]), ValueError, r"dh_T has shape \(1, 2\), expected \(2, 2\)"),
        (lambda: fast.lstm_backward(DHS, CACHE, H0, C0 * np.nan), ValueError, "dc_T holds nan"),
        (lambda: fast.lstm_backward(DHS, CACHE, dcs=DHS[1:]), ValueError, r"dcs has shape \(3, 2, 2\), expected \(4, 2, 2\)"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
