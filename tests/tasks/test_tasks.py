import re
from collections import Counter
from itertools import accumulate

import numpy as np
import pytest

from lstm_course import tasks
from lstm_course.tasks.digits import FORMS, ORDER, SHEETS
from lstm_course.tasks.stories import SOUNDS
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


def test_no_paragraph_comes_twice_and_tables_are_left_out():
    text = tasks.python_reference()
    distinct = tasks.distinct_paragraphs(text)
    assert tasks.distinct_paragraphs(distinct) == distinct
    paragraphs = [" ".join(one.split()) for one in distinct.split("\n\n")]
    assert len(paragraphs) == len(set(paragraphs))
    assert set(paragraphs) < {" ".join(one.split()) for one in text.split("\n\n")}
    assert 0.6 * len(text) < len(distinct) < 0.9 * len(text)  # it does repeat itself
    assert "+--" not in distinct
    assert tasks.distinct_paragraphs("a\n\n\n\nb\n\n a") == "a\n\nb\n"


def test_quotes_and_brackets_are_open_once_they_are_read():
    text = '(a "b) (c" d)\n\n"e\n\nf ) ((g) h\n\ni'
    quotes = "".join("01"[int(state)] for state in tasks.quoted(text))
    assert quotes == "0001111110000" + "00" + "1110" + "0" * (len(text) - 19)
    depth = [bool(state) for state in tasks.bracketed(text)]
    assert (
        "".join(c for c, inside in zip(text, depth, strict=True) if inside) == '(a "b(c" d((g) h\n'
    )
    np.testing.assert_array_equal(tasks.columns("\nab\n\nc"), [0, 1, 2, 0, 0, 1])


def test_what_a_story_is_worth_is_the_probability_of_its_choices():
    text, bits = tasks.stories(300_000, rng=rng())
    assert len(text) == len(bits) >= 300_000
    assert text.endswith("\n")
    assert (bits > -1e-12).all()
    after = {}  # frequencies after contexts that say all there is to say
    for context in (".\n", " and ", "the cow lay on the ", ". the owl "):
        places = [one.end() for one in re.finditer(re.escape(context), text)]
        after[context] = places
        counts = Counter(text[t] for t in places if t < len(text))
        if context != " and ":
            for t in places[:200]:
                if t < len(text):
                    share = counts[text[t]] / sum(counts.values())
                    assert np.isclose(2 ** -bits[t], share, rtol=0.2), (context, text[t])
    assert (bits[after[" and "]] < 1e-12).all()  # the sound follows from the animal
    assert np.isclose(bits.mean(), 0.38, atol=0.01)


def test_stories_keep_their_animal_and_close_what_they_open():
    text, _ = tasks.stories(50_000, rng=rng())
    animals, named, sounds = tasks.endings(text)
    assert len(animals) == sum(text.count(f"{sound}.") for sound in SOUNDS.values()) > 1000
    assert text.count(" and ") == (sounds - named > 2).sum()
    assert set(animals) == set(SOUNDS)
    for animal, at, sound in zip(animals, named, sounds, strict=True):
        assert text[at - 6 : at + 2] == f"the {animal} "
        assert text[sound:].startswith(SOUNDS[animal] + ".")
        sentence = text[at:sound]
        assert "." not in sentence
        assert sentence.count("(") == sentence.count(")")
    for line in text.splitlines():
        assert line.count('"') in (0, 2)
        assert (line.count('"') == 2) == (" said the " in line)
    assert 0.1 < (sounds - named > 40).mean() < 0.2  # some have to be remembered for long
    assert len({sound[0] for sound in SOUNDS.values()}) == len(SOUNDS)
    again, _ = tasks.stories(50_000, rng=rng())
    assert again == text != tasks.stories(50_000, rng=rng(1))[0]


@pytest.fixture(scope="module")
def images_and_labels():
    return tasks.digits()


def test_digits_are_those_that_their_docstring_states(images_and_labels):
    images, labels = images_and_labels
    assert images.shape == (1797, 8, 8)
    assert set(np.unique(16 * images)) == set(range(17))
    assert (np.bincount(labels) > 170).all()
    assert len(labels) == 1797


def test_digit_sequences_hold_every_pixel_in_the_order_of_their_form(images_and_labels):
    images, labels = (array[5:25] for array in images_and_labels)
    rows, pixels, permuted = (tasks.digit_sequences(images, labels, form) for form in FORMS)
    for n in range(20):
        np.testing.assert_array_equal(rows.inputs[:, n], images[n])
        np.testing.assert_array_equal(pixels.inputs[:, n, 0], images[n].ravel())
        np.testing.assert_array_equal(permuted.inputs[:, n, 0], images[n].ravel()[ORDER])
    assert sorted(ORDER) == list(range(64))
    assert (np.diff(ORDER) == 1).sum() < 5  # neighbours do not stay together
    for batch in (rows, pixels, permuted):
        np.testing.assert_array_equal(batch.targets[-1], labels)
        assert batch.mask[-1].all()
        assert not batch.mask[:-1].any()
    half = tasks.digit_sequences(images, labels, "rows", dtype=np.float32).inputs
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, rows.inputs)  # sixteenths are exact


def edits(a, b):
    """Return how many labels are to be lost, added or replaced to get from a to b."""
    row = np.arange(len(b) + 1)
    for n, label in enumerate(a, 1):
        new = np.minimum(row[1:] + 1, row[:-1] + (b != label))
        row = np.array(list(accumulate(new, lambda left, up: min(left + 1, up), initial=n)))
    return row[-1]


def test_sheets_begin_where_the_labels_begin_again(images_and_labels):
    _, labels = images_and_labels
    sheet = tasks.writing_sheets()
    starts = [*SHEETS, len(labels)]
    assert (np.flatnonzero(np.diff(sheet)) + 1).tolist() == starts[1:-1]
    wanted = labels[:130]
    for begin, start, end in zip(starts, starts[1:], starts[2:], strict=False):
        cost = {
            cut: edits(labels[begin:cut], wanted) + edits(labels[cut:end], wanted)
            for cut in range(start - 10, start + 11)
        }
        assert cost.pop(start) < min(cost.values())
        assert edits(labels[start:end], wanted) <= 8


def test_blocks_are_neighbours_of_nearly_equal_size():
    for N, count in ((1797, 5), (7, 7), (10, 3)):
        block = tasks.blocks(N, count)
        assert (np.diff(block) >= 0).all()
        sizes = np.bincount(block)
        assert len(sizes) == count
        assert sizes.max() - sizes.min() <= 1


def test_sunspots_are_the_series_that_its_docstring_states():
    years, numbers = tasks.sunspots()
    assert (years == np.arange(1700, 2009)).all()
    assert len(numbers) == 309
    assert years[numbers == 0].tolist() == [1711, 1712, 1810]
    # years of the cycles' maxima, from 1755 on, as they are numbered since Wolf
    known = (1761, 1769, 1778, 1787, 1804, 1816, 1830, 1837, 1848, 1860, 1870, 1883, 1893, 1905)
    known += (1917, 1928, 1937, 1947, 1957, 1968, 1979, 1989, 2000)
    for year in known:
        around = numbers[year - 1700 - 3 : year - 1700 + 4]
        assert around.max() == numbers[year - 1700]
    assert np.isclose(numbers.sum(), 15373.4)


def test_series_windows_want_the_next_value_and_read_nothing_later():
    values = np.random.default_rng(0).normal(size=50)
    inputs, targets, mask, _, _ = tasks.series_windows(values, 7, np.array([7, 20, 49]), burn_in=4)
    assert inputs.shape == targets.shape == mask.shape == (7, 3, 1)
    for n, end in enumerate((7, 20, 49)):
        np.testing.assert_array_equal(inputs[:, n, 0], values[end - 7 : end])
        assert targets[-1, n, 0] == values[end]
    np.testing.assert_array_equal(inputs[1:], targets[:-1])
    assert mask[4:].all()
    assert not mask[:4].any()


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
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
