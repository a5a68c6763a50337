import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import LSTMParams, RNNParams, gradcheck


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5))
def test_both_methods_find_the_gradient(values):
    x = np.array(values)
    exact = np.exp(x) * x + np.exp(x)
    by_differences = gradcheck.central_difference(lambda: (x * np.exp(x)).sum(), x)
    np.testing.assert_allclose(by_differences, exact, rtol=1e-7, atol=1e-7)
    by_complex_step = gradcheck.complex_step(lambda x: (x * np.exp(x)).sum(), x)
    np.testing.assert_allclose(by_complex_step, exact, rtol=1e-14, atol=1e-14)


def test_arrays_are_put_back_even_views():
    full = np.arange(6.0).reshape(2, 3)
    gradient = gradcheck.central_difference(lambda: (full**2).sum(), full[1])
    np.testing.assert_allclose(gradient, [6, 8, 10], atol=1e-8)
    np.testing.assert_array_equal(full, np.arange(6.0).reshape(2, 3))


def test_report_names_the_slice_that_is_wrong():
    params = LSTMParams.init(3, 2, rng=np.random.default_rng(0))
    arrays = gradcheck.slices(params)
    right = {name: 2 * array for name, array in arrays.items()}

    def loss():
        return sum((array**2).sum() for array in params.arrays())

    assert gradcheck.gradcheck(loss, arrays, right).passed
    wrong = right | {"weight_hh.g": 2.001 * arrays["weight_hh.g"]}
    report = gradcheck.gradcheck(loss, arrays, wrong)
    assert report.wrong == ["weight_hh.g"]
    assert not report.passed
    assert "1 of 12 gradients wrong" in repr(report)
    assert "weight_hh.g" in repr(report)


def test_the_tolerance_divides_right_from_wrong():
    x = np.array([1.0])
    for error, passed in ((5e-8, True), (2e-7, False), (-2e-7, False)):
        claimed = {"x": 2 * x * (1 + error)}
        assert gradcheck.gradcheck(lambda: (x**2).sum(), {"x": x}, claimed).passed == passed


def test_slices_are_views_and_cover_everything():
    for params, count in (
        (LSTMParams.init(3, 2, rng=np.random.default_rng(0)), 12),
        (RNNParams.init(3, 2, rng=np.random.default_rng(0)), 3),
    ):
        views = gradcheck.slices(params)
        assert len(views) == count
        for view in views.values():
            view[:] = 7
        assert all((array == 7).all() for array in params.arrays())


def test_relative_error_of_zeros_is_zero():
    assert gradcheck.relative_error(np.zeros(3), np.zeros(3)) == 0
    assert gradcheck.relative_error(np.zeros(3), np.ones(3)) == 1


X = np.ones(2)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: gradcheck.central_difference(lambda: 0.0, X.astype("f")), TypeError, "x must be an array of float64, got float32"),
        (lambda: gradcheck.central_difference(lambda: 0.0, [1.0]), TypeError, "x must be an array of float64, got list"),
        (lambda: gradcheck.complex_step(lambda x: np.abs(x).sum(), X), TypeError, "returned a real number"),
        (lambda: gradcheck.gradcheck(lambda: 0.0, {"x": X}, {"y": X}), ValueError, r"the names \['y'\], expected \['x'\]"),
        (lambda: gradcheck.gradcheck(lambda: 0.0, {"x": X}, {"x": X[:1]}), ValueError, r"gradients\['x'\] has shape \(1,\), expected \(2,\)"),
        (lambda: gradcheck.gradcheck(lambda: 0.0, {"x": X}, {"x": X * np.nan}), ValueError, "holds nan"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
