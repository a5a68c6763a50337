import numpy as np
import pytest

from lstm_course import tasks
from lstm_course.tasks.temporal_order import CLASSES, SYMBOLS


def rng(seed=0):
    return np.random.default_rng(seed)


def test_adding_wants_the_sum_of_the_two_marked_numbers():
    xs, targets, mask, _, _ = tasks.adding(9, 500, rng=rng())
    numbers, marks = xs[:, :, 0], xs[:, :, 1]
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert set(np.unique(marks)) == {0, 1}
    assert (marks[:4].sum(axis=0) == 1).all()  # one in the first half
    assert (marks[4:].sum(axis=0) == 1).all()
    assert (marks.sum(axis=1) > 0).all()  # everywhere in its half
    for n in range(500):
        assert np.isclose(targets[-1, n, 0], numbers[marks[:, n] == 1, n].sum())
    assert mask[-1].all()
    assert not mask[:-1].any()


def test_adding_has_the_baseline_that_its_docstring_states():
    targets = tasks.adding(5, 100_000, rng=rng()).targets[-1]
    assert np.isclose(np.mean((targets - 1) ** 2), 1 / 6, atol=2e-3)


def test_temporal_order_wants_the_signals_in_their_order():
    xs, targets, mask, _, _ = tasks.temporal_order(30, 500, rng=rng())
    symbols = xs.argmax(axis=2)
    assert (xs.sum(axis=2) == 1).all()
    places = []
    for n in range(500):
        signals = np.flatnonzero(symbols[:, n] >= 4)
        assert len(signals) == 2
        places.append(signals)
        assert "".join(SYMBOLS[k] for k in symbols[signals, n]) == CLASSES[targets[-1, n]]
    first, second = np.array(places).T
    assert set(first) == {3, 4, 5}
    assert set(second) == {15, 16, 17}
    assert np.allclose(np.bincount(targets[-1]) / 500, 0.25, atol=0.06)
    assert set(symbols.ravel()) == set(range(6))
    assert mask[-1].all()
    assert not mask[:-1].any()


def test_recall_wants_the_marked_symbol():
    xs, targets, mask, _, _ = tasks.recall(9, 500, rng=rng())
    symbols, marks = xs[:, :, :4], xs[:, :, 4]
    assert (symbols.sum(axis=2) == 1).all()
    assert (marks[:4].sum(axis=0) == 1).all()  # in the first half
    assert (marks[4:] == 0).all()
    assert (marks[:4].sum(axis=1) > 0).all()  # everywhere in it
    for n in range(500):
        assert symbols[marks[:, n] == 1, n, targets[-1, n]] == [1]
    assert np.allclose(np.bincount(targets[-1]) / 500, 0.25, atol=0.06)
    assert mask[-1].all()
    assert not mask[:-1].any()


@pytest.mark.parametrize("task", [tasks.adding, tasks.recall, tasks.temporal_order])
def test_draws_depend_on_the_generator_alone_and_float32_stays(task):
    for one, other in zip(task(20, 3, rng=rng(1)), task(20, 3, rng=rng(1)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(task(20, 3, rng=rng(1)).inputs, task(20, 3, rng=rng(2)).inputs)
    half = task(20, 3, rng=rng(1), dtype=np.float32)
    assert half.inputs.dtype == np.float32
    np.testing.assert_allclose(half.inputs, task(20, 3, rng=rng(1)).inputs, atol=1e-7)


def test_text_survives_its_alphabet_and_windows_want_the_next_character():
    text = tasks.python_reference()
    alphabet = tasks.Alphabet(text)
    numbers = alphabet.encode(text)
    assert alphabet.decode(numbers) == text
    assert set(np.unique(numbers)) == set(range(len(alphabet)))
    inputs, targets, *_ = tasks.windows(numbers, 20, 300, rng=rng())
    assert inputs.shape == targets.shape == (20, 300)
    np.testing.assert_array_equal(inputs[1:], targets[:-1])
    for n in range(300):
        assert alphabet.decode([*inputs[:, n], targets[-1, n]]) in text


def test_windows_reach_both_ends_of_a_text():
    inputs, targets, *_ = tasks.windows(np.arange(5), 2, 200, rng=rng())
    assert set(inputs[0]) == {0, 1, 2}
    assert targets.max() == 4


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
        (lambda: tasks.Alphabet("cat").encode("cart"), ValueError, "text holds 'r', which is not in the alphabet"),
        (lambda: tasks.windows(np.arange(3), 3, 1, rng=rng()), ValueError, r"numbers has shape \(3,\), expected more than T = 3"),
        (lambda: tasks.windows(np.arange(9), 3, 0, rng=rng()), ValueError, "N must be at least 1, got 0"),
        (lambda: tasks.windows(np.arange(9), 3, 1, rng=None), TypeError, "rng must be a numpy.random.Generator"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
