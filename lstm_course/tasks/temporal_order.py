"""The temporal order problem: tell the order of two signals, far apart in noise."""

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import float_dtype, generator, size
from lstm_course.training import Batch

SYMBOLS = ("a", "b", "c", "d", "X", "Y")
"""Four symbols that mean nothing, and two signals."""

CLASSES = ("XX", "XY", "YX", "YY")
"""The possible answers: the two signals in their order."""


def temporal_order(
    T: int, N: int, *, rng: np.random.Generator, dtype: DTypeLike = np.float64
) -> Batch:
    """Draw sequences of the temporal order problem.

    One signal, X or Y, comes in the second tenth of the sequence and another in the sixth tenth;
    all other symbols are noise. After the last step the answer is one of four classes, XX, XY, YX
    or YY. Baseline: a guess has a cross-entropy of log 4, about 1.386.

    Parameters
    ----------
    T
        Steps, at least 10.
    N
        Sequences.
    rng
        The source of randomness.
    dtype
        float32 or float64.

    Returns
    -------
    Batch of inputs (T, N, 6), one-hot symbols; targets (T, N), the class at the last step and 0
    elsewhere; and a mask that is true at the last step.

    Raises
    ------
    TypeError, ValueError
        A size is too small, rng is not a Generator, or dtype is not float32 or float64.

    References
    ----------
    After Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, experiment 6a, where
    sequences have 100 to 110 steps and begin and end with symbols of their own; here the signals
    stand at the same shares of any length.

    Examples
    --------
    >>> batch = temporal_order(10, 1, rng=np.random.default_rng(1))
    >>> "".join(SYMBOLS[k] for k in batch.inputs[:, 0].argmax(axis=1))
    'bYddaXddab'
    >>> CLASSES[batch.targets[-1, 0]]
    'YX'
    """
    T, N = size("T", T), size("N", N)
    if T < 10:
        raise ValueError(f"T must be at least 10, got {T}")
    dtype = float_dtype("dtype", dtype)
    symbols = generator("rng", rng).integers(0, 4, (T, N))
    rows = np.arange(N)
    first, second = rng.integers(0, 2, N), rng.integers(0, 2, N)
    symbols[rng.integers(T // 10, 2 * T // 10, N), rows] = 4 + first
    symbols[rng.integers(5 * T // 10, 6 * T // 10, N), rows] = 4 + second
    targets = np.zeros((T, N), int)
    targets[-1] = 2 * first + second
    mask = np.zeros((T, N), bool)
    mask[-1] = True
    return Batch(np.eye(6, dtype=dtype)[symbols], targets, mask)
