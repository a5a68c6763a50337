"""Which products a function makes of its arguments, however it writes them."""

import copy

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.engine.products import counted, counting

A = counted(np.arange(24.0).reshape(2, 3, 4), "A")
B = counted(np.arange(20.0).reshape(5, 4), "B")
ROWS = A.reshape(-1, 4)


@pytest.mark.parametrize(
    ("product", "calls", "products"),
    [
        (lambda: ROWS @ B.T, 1, 1),
        (lambda: A @ B.T, 1, 2),
        (lambda: np.matmul(A, B.T), 1, 2),
        (lambda: np.matmul(ROWS, B.T, out=np.empty((6, 5))), 1, 1),
        (lambda: ROWS @ np.ones((4, 5)), 1, 1),
        (lambda: np.ones((5, 6)) @ ROWS, 1, 1),
        (lambda: ROWS.dot(B.T), 1, 1),
        (lambda: ROWS.dot(B.T, out=np.empty((6, 5))), 1, 1),
        (lambda: np.dot(ROWS, B.T), 1, 1),
        (lambda: np.inner(ROWS, B), 1, 1),
        (lambda: np.tensordot(A, B, axes=(2, 1)), 1, 1),
        (lambda: np.einsum("tnd,kd->tnk", A, B), 1, 1),
        (lambda: np.linalg.multi_dot([ROWS, B.T, np.ones((5, 2))]), 1, 1),
        (lambda: (ROWS[:, None] * B).sum(axis=2), 1, 1),
        (lambda: [row @ B.T for row in ROWS], 6, 6),
        (lambda: np.concatenate([ROWS, np.ones((6, 1))], 1) @ np.ones(5), 1, 1),
        (lambda: np.stack([2 * ROWS, -ROWS]).copy() @ np.ones(4), 1, 2),
        (lambda: (ROWS @ B.T) @ np.ones((5, 5)), 1, 1),  # a product has no origin
        (lambda: lc.sigmoid(ROWS @ B.T) @ np.ones((5, 5)), 1, 1),
        (lambda: np.zeros_like(ROWS) @ np.ones(4), 0, 0),
        (lambda: np.einsum("tnd->dnt", A), 0, 0),
        (lambda: ROWS * 2 + ROWS, 0, 0),
        (lambda: np.split(ROWS, 2)[0][0, 0], 0, 0),
    ],
)
def test_products_are_counted(product, calls, products):
    with counting() as found:
        product()
    assert len(found) == calls
    assert sum(one.products for one in found) == products


def test_results_are_those_of_plain_arrays():
    a, b = np.asarray(A), np.asarray(B)
    assert np.array_equal(A @ B.T, a @ b.T)
    assert np.array_equal(A.reshape(-1, 4).dot(B.T), a.reshape(-1, 4).dot(b.T))
    assert type(np.einsum("tnd,kd->tnk", A, B)) is np.ndarray
    changed = copy.deepcopy(A)
    changed += 1
    assert np.array_equal(changed, a + 1)
    assert changed.origins == {"A"}
    assert np.array_equal(A, a)


def test_what_is_counted_ends_with_the_block():
    with counting() as first:
        A @ B.T
    with counting() as second:
        pass
    A @ B.T
    assert (len(first), len(second)) == (1, 0)
