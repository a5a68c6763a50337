"""The recall problem: one symbol in a long sequence is marked, and is the answer at the end."""

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import float_dtype, generator, size
from lstm_course.training import Batch

SYMBOLS = 4
"""How many symbols there are."""


def recall(T: int, N: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Batch:
    """Draw sequences of the recall problem.

    Every step brings one of four symbols, and a mark that is 1 at one step in the first half and 0
    elsewhere. After the last step the answer is the marked symbol. Baseline: a guess is wrong
    three times in four.

    Parameters
    ----------
    T
        Steps, at least 2.
    N
        Sequences.
    rng
        The source of randomness.
    dtype
        float32 or float64.

    Returns
    -------
    Batch of inputs (T, N, 5), one-hot symbols and the mark; targets (T, N), the marked symbol at
    the last step and 0 elsewhere; and a mask that is true at the last step.

    Raises
    ------
    TypeError, ValueError
        A size is too small, rng is not a Generator, or dtype is not float32 or float64.

    References
    ----------
    The adding problem, `adding`, with one mark, and a symbol in the place of a number.

    Examples
    --------
    >>> batch = recall(4, 1, rng=np.random.default_rng(0))
    >>> batch.inputs[:, 0]
    array([[0., 0., 0., 1., 1.],
           [0., 0., 1., 0., 0.],
           [0., 0., 1., 0., 0.],
           [0., 1., 0., 0., 0.]])
    >>> batch.targets[-1]
    array([3])
    """
    T, N = size("T", T), size("N", N)
    if T < 2:
        raise ValueError(f"T must be at least 2, got {T}")
    dtype = float_dtype("dtype", dtype)
    symbols = generator("rng", rng).integers(0, SYMBOLS, (T, N))
    rows = np.arange(N)
    marked = rng.integers(0, T // 2, N)
    marks = np.zeros((T, N, 1), dtype)
    marks[marked, rows] = 1
    targets = np.zeros((T, N), int)
    targets[-1] = symbols[marked, rows]
    mask = np.zeros((T, N), bool)
    mask[-1] = True
    inputs = np.concatenate([np.eye(SYMBOLS, dtype=dtype)[symbols], marks], axis=2)
    return Batch(inputs, targets, mask)
