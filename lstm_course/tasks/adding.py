"""The adding problem: two numbers in a long sequence are marked, and the answer is their sum."""

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import float_dtype, generator, size
from lstm_course.training import Batch


def adding(T: int, N: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> Batch:
    """Draw sequences of the adding problem.

    Every step brings a number, uniform between 0 and 1, and a mark. The mark is 1 at two steps,
    one in the first half and one in the second, and 0 elsewhere. After the last step the answer
    is the sum of the two marked numbers. Baseline: always answering 1, the mean, has a mean
    squared error of 1/6.

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
    Batch of inputs (T, N, 2), numbers and marks; targets (T, N, 1), the sums at the last step and
    0 elsewhere; and a mask that is true at the last step.

    Raises
    ------
    TypeError, ValueError
        A size is too small, rng is not a Generator, or dtype is not float32 or float64.

    References
    ----------
    After Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, experiment 4, where
    numbers lie between -1 and 1 and lengths vary; numbers from 0 to 1 and their plain sum as in Le,
    Jaitly and Hinton (2015), doi:10.48550/arXiv.1504.00941.

    Examples
    --------
    >>> batch = adding(4, 1, rng=np.random.default_rng(0))
    >>> batch.inputs[:, 0].round(2)
    array([[0.64, 1.  ],
           [0.27, 0.  ],
           [0.04, 0.  ],
           [0.02, 1.  ]])
    >>> batch.targets[-1, 0].round(2)
    array([0.65])
    """
    T, N = size("T", T), size("N", N)
    if T < 2:
        raise ValueError(f"T must be at least 2, got {T}")
    dtype = float_dtype("dtype", dtype)
    numbers = generator("rng", rng).random((T, N))
    rows = np.arange(N)
    first, second = rng.integers(0, T // 2, N), rng.integers(T // 2, T, N)
    marks = np.zeros((T, N))
    marks[first, rows] = marks[second, rows] = 1
    targets = np.zeros((T, N, 1))
    targets[-1, :, 0] = (numbers * marks).sum(axis=0)
    mask = np.zeros((T, N, 1), bool)
    mask[-1] = True
    return Batch(np.stack([numbers, marks], axis=2).astype(dtype), targets.astype(dtype), mask)
