from itertools import accumulate

import numpy as np
import pytest

from lstm_course import tasks
from lstm_course.tasks.digits import FORMS, ORDER, SHEETS


@pytest.fixture(scope="module")
def images_and_labels():
    return tasks.digits()


def edits(a, b):
    """Return how many labels are to be lost, added or replaced to get from a to b."""
    row = np.arange(len(b) + 1)
    for n, label in enumerate(a, 1):
        new = np.minimum(row[1:] + 1, row[:-1] + (b != label))
        row = np.array(list(accumulate(new, lambda left, up: min(left + 1, up), initial=n)))
    return row[-1]


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


@pytest.mark.slow
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
