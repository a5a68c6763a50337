"""Handwritten digits as sequences: row by row, pixel by pixel, or in a shuffled order."""

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import Array, float_array, float_dtype, size
from lstm_course.training import Batch

FORMS = ("rows", "pixels", "permuted")
"""Eight steps of eight pixels, or 64 steps of one pixel, as written or in a fixed random order."""

ORDER = np.random.default_rng(22).permutation(64)
"""The order in which "permuted" reads the pixels; it is the same for every image."""

SHEETS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
"""The first image of each sheet. The labels tell, since the digits begin again."""


def digits() -> tuple[Array, Array]:
    """Return the handwritten digits that come with scikit-learn.

    These are the 1,797 images that the original collection kept for testing, from 13 of its 43
    writers. The file does not say who wrote what, but `writing_sheets` reconstructs part of it.

    Returns
    -------
    images
        (1797, 8, 8) how dark each pixel is, from 0 to 1 in steps of 1/16.
    labels
        (1797,) the digits, 0 to 9.

    Raises
    ------
    ImportError
        scikit-learn is not installed.

    References
    ----------
    Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, doi:10.24432/C50P49.

    Examples
    --------
    >>> images, labels = digits()
    >>> labels[:12]
    array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    >>> for row in images[1]:
    ...     print("".join("-#"[int(dark > 0.5)] for dark in row))
    ---##---
    ---###--
    ---##---
    --###---
    ---##---
    ---##---
    ---##---
    ---###--
    """
    try:
        from sklearn.datasets import load_digits  # here, since the package needs only NumPy
    except ImportError:
        raise ImportError("the digits come with scikit-learn: pip install scikit-learn") from None
    data = load_digits()
    return data.images / 16, data.target


def writing_sheets() -> Array:
    """Return, for each image of `digits`, which of 14 sheets it was written on.

    A sheet is the work of one writer. All had the same 130 digits to write; a few were lost.
    Since thirteen writers filled in fourteen sheets, one writer may have two.

    Returns
    -------
    (1797,) the number of the sheet, 0 to 13.

    Examples
    --------
    >>> sheet = writing_sheets()
    >>> np.bincount(sheet)
    array([130, 126, 130, 130, 130, 130, 130, 123, 128, 130, 128, 130, 122,
           130])
    >>> _, labels = digits()
    >>> labels[sheet == 1][25:40]
    array([5, 6, 7, 8, 9, 0, 9, 5, 5, 6, 5, 0, 9, 8, 9])
    """
    return np.repeat(np.arange(len(SHEETS)), np.diff((*SHEETS, 1797)))


def digit_sequences(
    images: Array, labels: Array, form: str, *, dtype: DTypeLike = np.float64
) -> Batch:
    """Turn images into sequences; after the last step the answer is the digit.

    Parameters
    ----------
    images
        (N, 8, 8) floats.
    labels
        (N,) digits.
    form
        One of `FORMS`.
    dtype
        float32 or float64.

    Returns
    -------
    Batch of inputs, (8, N, 8) rows or (64, N, 1) pixels; targets (T, N), the digit at the last
    step and 0 elsewhere; and a mask that is true at the last step.

    Raises
    ------
    TypeError, ValueError
        Images or labels have another shape, the form is unknown, or dtype is not a float type.

    Examples
    --------
    >>> images, labels = digits()
    >>> batch = digit_sequences(images[:3], labels[:3], "pixels")
    >>> batch.inputs.shape, batch.targets[-1]
    ((64, 3, 1), array([0, 1, 2]))
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
    dtype = float_dtype("dtype", dtype)
    images = float_array("images", images, ("N", 8, 8))
    N = len(images)
    if np.shape(labels) != (N,):
        raise ValueError(f"labels has shape {np.shape(labels)}, expected ({N},)")
    if form == "rows":
        inputs = images.swapaxes(0, 1)  # (8, N, 8)
    else:
        pixels = images.reshape(N, 64).T  # (64, N)
        inputs = (pixels[ORDER] if form == "permuted" else pixels)[:, :, None]
    T = len(inputs)
    targets, mask = np.zeros((T, N), int), np.zeros((T, N), bool)
    targets[-1], mask[-1] = labels, True
    return Batch(np.ascontiguousarray(inputs, dtype), targets, mask)


def blocks(N: int, count: int) -> Array:
    """Return, for each of N items in order, which of `count` blocks of neighbours it belongs to.

    If you hold out a block, you hold out neighbours together: here, a few sheets.

    Parameters
    ----------
    N, count
        How many items, and how many blocks, at most N. Block sizes differ by at most one.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, or there are more blocks than items.

    Examples
    --------
    >>> blocks(7, 3)
    array([0, 0, 0, 1, 1, 2, 2])
    """
    N, count = size("N", N), size("count", count)
    if count > N:
        raise ValueError(f"count is {count}, expected at most N = {N}")
    return np.arange(N) * count // N
