from itertools import pairwise

import numpy as np
import pytest

from lstm_course import tasks
from lstm_course.tasks.scenes import EMPTY, NAMES


@pytest.fixture(scope="module")
def drawn():
    images = np.random.default_rng(0).random((40, 8, 8)) + 0.1
    labels = np.arange(40) % 10
    return images, labels, tasks.scenes(1000, images, labels, rng=np.random.default_rng(1))


def test_pictures_hold_the_images_of_their_digits_and_nothing_else(drawn):
    images, labels, (pictures, _, places) = drawn
    used = set()
    for picture, digits in zip(pictures, places, strict=True):
        for row in range(2):
            for column in range(2):
                part = picture[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                if digits[row, column] == EMPTY:
                    assert not part.any()
                else:
                    (k,) = np.flatnonzero((images == part).all(axis=(1, 2)))
                    assert labels[k] == digits[row, column]
                    used.add(k)
    assert len(used) == 40


def test_each_form_is_drawn_as_often_as_another_at_all_its_places(drawn):
    filled = drawn[2].places != EMPTY
    ones, across, down, one_two, two_one = 0, 0, 0, 0, 0
    for one in filled:
        across += one.sum() == 2 and one.all(axis=1).any()
        down += one.sum() == 2 and one.all(axis=0).any()
        ones += one.sum() == 1
        one_two += one.sum() == 3 and one[1].all()
        two_one += one.sum() == 3 and one[0].all()
    counts = np.array([ones, across, down, one_two, two_one])
    assert counts.sum() == 1000  # and no diagonal
    assert (np.abs(counts - 200) < 50).all()
    assert len({one.tobytes() for one in filled}) == 4 + 2 + 2 + 4


def read(caption):
    """Return rows of digits, as a listener would draw them."""
    digit = {name: k for k, name in enumerate(NAMES)}

    def digits(words):
        return [digit[word] for word in words if word in digit]

    words = caption.split()
    for name, turned in (("above", False), ("below", True)):
        if name in words:
            parts = [digits(words[: words.index(name)]), digits(words[words.index(name) + 1 :])]
            return parts[::-1] if turned else parts
    for name, turned in (("left", False), ("right", True)):
        if name in words:
            assert words[words.index(name) - 2 : words.index(name) + 2] == ["to", "the", name, "of"]
            parts = [digits(words[:2]), digits(words[-2:])]
            return [[*parts[turned], *parts[not turned]]]
    return [digits(words)]


def test_captions_are_true(drawn):
    _, _, (_, captions, places) = drawn
    for said, digits in zip(captions, places, strict=True):
        rows = [[int(k) for k in row if k != EMPTY] for row in digits]
        rows = [row for row in rows if row]
        assert len(said) == len(set(said)) == (1 if rows == [rows[0]] and len(rows[0]) == 1 else 2)
        for one in said:
            assert read(one) == rows
            words = one.split()
            for before, word in pairwise(words):
                if word in NAMES:
                    assert before == ("an" if word == "eight" else "a")


def test_draws_depend_on_the_generator_alone_and_float32_stays(drawn):
    images, labels, scenes = drawn
    again = tasks.scenes(1000, images, labels, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(again.pictures, scenes.pictures)
    assert again.captions == scenes.captions
    half = tasks.scenes(5, images.astype(np.float32), labels, rng=np.random.default_rng(1))
    assert half.pictures.dtype == np.float32


@pytest.mark.parametrize("places", [[[1, -1], [-1, 2]], [[-1, -1], [-1, -1]], [[1, 2], [3, 4]]])
def test_some_scenes_have_no_words(places):
    with pytest.raises(ValueError, match="there are no words for it"):
        tasks.true_captions(np.array(places))


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"N": 0}, ValueError, "N must be at least 1, got 0"),
        ({"rng": 3}, TypeError, "rng must be a numpy.random.Generator"),
        ({"images": np.zeros((2, 64))}, ValueError, r"images has shape \(2, 64\), expected \(M, 8, 8\)"),
        ({"labels": [1]}, ValueError, r"labels has shape \(1,\), expected \(2,\)"),
        ({"labels": [1, 10]}, ValueError, "labels holds 1 to 10, expected 0 to 9"),
        ({"labels": [1.0, 2.0]}, TypeError, "labels must be whole numbers, got dtype float64"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(change, error, sentence):
    arguments = {
        "N": 3,
        "images": np.zeros((2, 8, 8)),
        "labels": [1, 2],
        "rng": np.random.default_rng(0),
    } | change
    with pytest.raises(error, match=sentence):
        tasks.scenes(**arguments)
