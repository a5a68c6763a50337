import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_course import pointwise
from lstm_course.pointwise import sigmoid, tanh

FLOATS = {
    np.float32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    np.float64: st.floats(allow_nan=False, allow_infinity=False),
}
DTYPES = pytest.mark.parametrize("dtype", list(FLOATS))


def lists(dtype):
    return st.lists(FLOATS[dtype], min_size=1, max_size=20).map(lambda x: np.array(x, dtype))


@DTYPES
@pytest.mark.parametrize(
    "function", [sigmoid, pointwise.sigmoid_derivative, tanh, pointwise.tanh_derivative]
)
def test_finite_for_any_finite_input_without_a_warning(function, dtype):
    @given(lists(dtype))
    def check(x):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            y = function(x)
        assert y.dtype == dtype
        assert y.shape == x.shape
        assert np.isfinite(y).all()

    check()
    check.hypothesis.inner_test(
        np.array([-1e4, 1e4, np.finfo(dtype).min, np.finfo(dtype).max], dtype)
    )


@DTYPES
def test_sigmoid_and_tanh_identities(dtype):
    eps = np.finfo(dtype).eps

    @given(lists(dtype))
    def check(x):
        s = sigmoid(x)
        assert ((s >= 0) & (s <= 1)).all()
        np.testing.assert_allclose(s + sigmoid(-x), 1, rtol=2 * eps)
        t = tanh(x)
        assert (np.abs(t) <= 1).all()
        np.testing.assert_array_equal(tanh(-x), -t)
        half = np.clip(x, -100, 100)
        np.testing.assert_allclose(tanh(half), 2 * sigmoid(2 * half) - 1, atol=4 * eps)
        np.testing.assert_allclose(
            pointwise.tanh_derivative(half), 1 - tanh(half) ** 2, atol=4 * eps
        )
        np.testing.assert_allclose(
            pointwise.sigmoid_derivative(x), sigmoid(x) * (1 - sigmoid(x)), atol=eps
        )

    check()


@given(st.floats(-700, 700))
def test_sigmoid_is_exact_to_the_last_digits(x):
    # math.exp and math.log1p in float64 are good to a few units in the last place.
    exact = (
        math.exp(-math.log1p(math.exp(-x))) if x > -30 else math.exp(x - math.log1p(math.exp(x)))
    )
    np.testing.assert_allclose(sigmoid(x), exact, rtol=2e-14)


@given(st.floats(-15, 15))
def test_derivatives_agree_with_central_differences(x):
    eps = 1e-5
    for function, derivative in (
        (sigmoid, pointwise.sigmoid_derivative),
        (tanh, pointwise.tanh_derivative),
    ):
        slope = (function(x + eps) - function(x - eps)) / (2 * eps)
        np.testing.assert_allclose(derivative(x), slope, atol=1e-9)


@given(lists(np.float64), st.randoms())
def test_product_and_sum(a, random):
    a = np.clip(a, -1e100, 1e100)
    b = np.array([random.uniform(-9, 9) for _ in a])
    np.testing.assert_array_equal(pointwise.product(a, b), a * b)
    np.testing.assert_array_equal(pointwise.add(a, b), a + b)
    by_a, by_b = pointwise.product_derivative(a, b)
    np.testing.assert_array_equal(by_a, b)
    np.testing.assert_array_equal(by_b, a)
    by_a, by_b = pointwise.add_derivative(a, b)
    np.testing.assert_array_equal([by_a, by_b], np.ones((2, len(a))))


def test_derivatives_of_the_product_are_not_views():
    a, b = np.array([1.0]), np.array([2.0])
    by_a, by_b = pointwise.product_derivative(a, b)
    by_a[0] = by_b[0] = 9
    assert (a[0], b[0]) == (1, 2)


def test_derivatives_keep_their_digits_where_the_function_is_flat():
    np.testing.assert_allclose(
        pointwise.sigmoid_derivative(np.float32(20)), np.exp(-20.0), rtol=1e-5
    )
    np.testing.assert_allclose(pointwise.sigmoid_derivative(100.0), np.exp(-100.0), rtol=1e-12)
    np.testing.assert_allclose(pointwise.tanh_derivative(25.0), 4 * np.exp(-50.0), rtol=1e-12)


def test_float32_stays_float32():
    a = np.ones(2, np.float32)
    results = [pointwise.product(a, a), pointwise.add(a, a)]
    results += [*pointwise.product_derivative(a, a), *pointwise.add_derivative(a, a)]
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: sigmoid("text"), TypeError, "x must be an array of float32 or float64, got dtype"),
        (lambda: pointwise.sigmoid_derivative("text"), TypeError, "^x must be an array"),
        (lambda: pointwise.tanh_derivative("text"), TypeError, "^x must be an array"),
        (lambda: pointwise.product("text", [1.0]), TypeError, "^a must be an array"),
        (lambda: pointwise.add([1.0], "text"), TypeError, "^b must be an array"),
        (lambda: tanh(None), TypeError, "x must be .* got NoneType"),
        (lambda: sigmoid(1j), TypeError, "got dtype complex128"),
        (lambda: sigmoid(np.ones(2, np.float16)), TypeError, "got dtype float16"),
        (lambda: sigmoid([[1.0], [1.0, 2.0]]), TypeError, "rows of unequal length"),
        (
            lambda: pointwise.product([1.0], [1.0, 2.0]),
            ValueError,
            r"b has shape \(2,\), expected \(1,\)",
        ),
        (
            lambda: pointwise.add([1.0], [[1.0]]),
            ValueError,
            r"b has shape \(1, 1\), expected \(1,\)",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_whole_numbers_are_taken_as_floats():
    assert sigmoid(0) == 0.5
    assert sigmoid(np.array([0, 1])).dtype == np.float64
