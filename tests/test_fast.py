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
