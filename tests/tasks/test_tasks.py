import numpy as np
import pytest

from lstm_course import tasks


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("task", [tasks.adding, tasks.recall, tasks.temporal_order])
def test_draws_depend_on_the_generator_alone_and_float32_stays(task):
    for one, other in zip(task(20, 3, rng=rng(1)), task(20, 3, rng=rng(1)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(task(20, 3, rng=rng(1)).inputs, task(20, 3, rng=rng(2)).inputs)
    half = task(20, 3, rng=rng(1), dtype=np.float32)
    assert half.inputs.dtype == np.float32
    np.testing.assert_allclose(half.inputs, task(20, 3, rng=rng(1)).inputs, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: tasks.adding(1, 3, rng=rng()), ValueError, "T must be at least 2, got 1"),
        (lambda: tasks.temporal_order(9, 3, rng=rng()), ValueError, "T must be at least 10, got 9"),
        (lambda: tasks.adding(9, 0, rng=rng()), ValueError, "N must be at least 1, got 0"),
        (lambda: tasks.adding(9, 3, rng=0), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: tasks.adding(9, 3, rng=rng(), dtype=int), TypeError, "dtype must be float32 or float64"),
        (lambda: tasks.Alphabet(""), ValueError, "text is empty, expected at least one character"),
        (lambda: tasks.Alphabet(b"cat"), TypeError, "text must be a string, got bytes"),
        (lambda: tasks.Alphabet("cat", min_count=0), ValueError, "min_count must be at least 1, got 0"),
        (lambda: tasks.Alphabet("cat", min_count=2), ValueError, "text holds no character that occurs 2 times or more"),
        (lambda: tasks.Alphabet("cat").encode("cart"), ValueError, "text holds 'r', which is not in the alphabet"),
        (lambda: tasks.distinct_paragraphs(b"a"), TypeError, "text must be a string, got bytes"),
        (lambda: tasks.quoted(None), TypeError, "text must be a string, got NoneType"),
        (lambda: tasks.bracketed(["a"]), TypeError, "text must be a string, got list"),
        (lambda: tasks.columns(3), TypeError, "text must be a string, got int"),
        (lambda: tasks.stories(0, rng=rng()), ValueError, "length must be at least 1, got 0"),
        (lambda: tasks.stories(9, rng=0), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: tasks.windows(np.arange(3), 3, 1, rng=rng()), ValueError, r"numbers has shape \(3,\), expected more than T = 3"),
        (lambda: tasks.windows(np.arange(9), 3, 0, rng=rng()), ValueError, "N must be at least 1, got 0"),
        (lambda: tasks.windows(np.arange(9), 3, 1, rng=None), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: tasks.digit_sequences(np.zeros((2, 8, 8)), np.zeros(2, int), "columns"), ValueError, "form is 'columns', expected one of rows, pixels, permuted"),
        (lambda: tasks.digit_sequences(np.zeros((2, 64)), np.zeros(2, int), "rows"), ValueError, r"images has shape \(2, 64\), expected \(N, 8, 8\)"),
        (lambda: tasks.digit_sequences(np.zeros((2, 8, 8)), np.zeros(3, int), "rows"), ValueError, r"labels has shape \(3,\), expected \(2,\)"),
        (lambda: tasks.blocks(3, 4), ValueError, "count is 4, expected at most N = 3"),
        (lambda: tasks.series_windows(np.zeros(9), 3, [2]), ValueError, "ends holds 2 to 2, expected 3 to 8"),
        (lambda: tasks.series_windows(np.zeros(9), 3, [9]), ValueError, "ends holds 9 to 9, expected 3 to 8"),
        (lambda: tasks.series_windows(np.zeros(9), 3, [5.0]), ValueError, "expected whole numbers in a row"),
        (lambda: tasks.series_windows(np.zeros(9), 3, [5], burn_in=3), ValueError, "burn_in is 3, expected 0 to 2"),
        (lambda: tasks.series_windows(np.array([1.0, np.nan]), 1, [1]), ValueError, "values holds nan at index"),
        (lambda: tasks.river_windows(np.zeros((9, 3)), np.zeros(8), 3, [5]), ValueError, r"discharge has shape \(8,\), expected \(9,\)"),
        (lambda: tasks.river_windows(np.zeros((9, 3)), np.zeros(9), 3, [1]), ValueError, "ends holds 1 to 1, expected 2 to 8"),
        (lambda: tasks.river_windows(np.zeros((9, 3)), np.zeros(9), 3, [5.0]), ValueError, "expected whole numbers in a row"),
        (lambda: tasks.river_windows(np.zeros((9, 3)), np.zeros(9), 3, [5], burn_in=3), ValueError, "burn_in is 3, expected 0 to 2"),
        (lambda: tasks.water_years(np.zeros(3)), TypeError, "days must be an array of datetime64, got dtype float64"),
        (lambda: tasks.nash_sutcliffe(np.zeros(3), np.zeros(2)), ValueError, r"simulated has shape \(3,\), expected \(2,\)"),
        (lambda: tasks.nash_sutcliffe(np.zeros(3), np.ones(3)), ValueError, "observed is 1.0 throughout, expected values that vary"),
        (lambda: tasks.kling_gupta(np.ones(3), np.arange(3.0)), ValueError, "simulated is 1.0 throughout, expected values that vary"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
