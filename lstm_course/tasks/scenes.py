"""Pictures of one to three handwritten digits, and the captions that are true of each."""

from typing import NamedTuple

import numpy as np

from lstm_course._checks import Array, float_array, generator, size

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""The digits as words. It's "an eight", and "a" before all others."""

FORMS = ("one", "above", "beside", "one above two", "two above one")
"""The ways to arrange digits in a scene."""

EMPTY = -1


class Scenes(NamedTuple):
    """Pictures with their captions."""

    pictures: Array  # (N, 16, 16) how dark each pixel is, from 0 to 1
    captions: list[list[str]]  # all true captions of each picture, one or two
    places: Array  # (N, 2, 2) the digit in each quarter of a picture, or EMPTY


def scenes(N: int, images: Array, labels: Array, *, rng: np.random.Generator) -> Scenes:
    """Compose pictures from images of digits. All forms of scene are equally likely.

    Parameters
    ----------
    N
        How many.
    images
        (M, 8, 8) images of digits, as `digits` returns them, or some of those.
    labels
        (M,) the digits that they show, 0 to 9.
    rng
        The source of randomness: it draws forms, places and images.

    Returns
    -------
    Scenes.

    Raises
    ------
    TypeError, ValueError
        N is below 1, rng is not a Generator, images or labels have another shape, or a label is not
        a digit.

    Examples
    --------
    >>> from lstm_course.tasks.digits import digits
    >>> drawn = scenes(3, *digits(), rng=np.random.default_rng(1))
    >>> for places, captions in zip(drawn.places, drawn.captions):
    ...     print(places.tolist(), *captions, sep="; ")
    [[-1, -1], [8, 3]]; an eight to the left of a three; a three to the right of an eight
    [[-1, -1], [-1, 7]]; a seven
    [[6, -1], [0, -1]]; a six above a zero; a zero below a six
    """
    N, rng = size("N", N), generator("rng", rng)
    images = float_array("images", images, ("M", 8, 8))
    labels = np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels has shape {labels.shape}, expected {images.shape[:1]}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be whole numbers, got dtype {labels.dtype}")
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"labels holds {labels.min()} to {labels.max()}, expected 0 to 9")
    pictures, places = np.zeros((N, 16, 16), images.dtype), np.full((N, 2, 2), EMPTY)
    for n in range(N):
        for row, column in _taken(FORMS[rng.integers(len(FORMS))], *rng.integers(2, size=2)):
            k = rng.integers(len(images))
            pictures[n, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = images[k]
            places[n, row, column] = labels[k]
    return Scenes(pictures, [true_captions(one) for one in places], places)


def true_captions(places: Array) -> list[str]:
    """Return the true captions of a scene: two, or one if it holds a single digit.

    Parameters
    ----------
    places
        (2, 2) the digit in each quarter, or EMPTY; one to three digits, not on a diagonal.

    Raises
    ------
    ValueError
        There are no words for such a scene.

    Examples
    --------
    >>> true_captions(np.array([[3, -1], [8, -1]]))
    ['a three above an eight', 'an eight below a three']
    >>> true_captions(np.array([[-1, 5], [2, 7]]))
    ['a five above a two and a seven', 'a two and a seven below a five']
    """
    filled = np.asarray(places) != EMPTY
    rows = [[_name(k) for k in row if k != EMPTY] for row in places]
    above, below = (" and ".join(row) for row in rows)
    if filled.sum() == 1:
        return [above or below]
    if filled.sum() == 3 or (filled.sum() == 2 and filled.all(axis=0).any()):
        return [f"{above} above {below}", f"{below} below {above}"]
    if filled.sum() == 2 and filled.all(axis=1).any():
        left, right = rows[0] or rows[1]
        return [f"{left} to the left of {right}", f"{right} to the right of {left}"]
    raise ValueError(f"places is {np.asarray(places).tolist()}, and there are no words for it")


def _taken(form: str, row: int, column: int) -> list[tuple[int, int]]:
    """Return the quarters that a form of scene fills, given the choices that it makes."""
    if form == "one":
        return [(row, column)]
    if form == "above":
        return [(0, column), (1, column)]
    if form == "beside":
        return [(row, 0), (row, 1)]
    lonely = 0 if form == "one above two" else 1
    return [(lonely, column), (1 - lonely, 0), (1 - lonely, 1)]


def _name(digit: int) -> str:
    return f"{'an' if digit == 8 else 'a'} {NAMES[digit]}"
