"""Yearly sunspot numbers, and windows of a series for a network to read."""

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import Array, finite, float_array, float_dtype, size
from lstm_course.training import Batch

_DECADES = """
1700  5 11 16 23 36 58 29 20 10 8
1710  3 0 0 2 11 27 47 63 60 39
1720  28 26 22 11 21 40 78 122 103 73
1730  47 35 11 5 16 34 70 81 111 101
1740  73 40 20 16 5 11 22 40 60 80.9
1750  83.4 47.7 47.8 30.7 12.2 9.6 10.2 32.4 47.6 54
1760  62.9 85.9 61.2 45.1 36.4 20.9 11.4 37.8 69.8 106.1
1770  100.8 81.6 66.5 34.8 30.6 7 19.8 92.5 154.4 125.9
1780  84.8 68.1 38.5 22.8 10.2 24.1 82.9 132 130.9 118.1
1790  89.9 66.6 60 46.9 41 21.3 16 6.4 4.1 6.8
1800  14.5 34 45 43.1 47.5 42.2 28.1 10.1 8.1 2.5
1810  0 1.4 5 12.2 13.9 35.4 45.8 41.1 30.1 23.9
1820  15.6 6.6 4 1.8 8.5 16.6 36.3 49.6 64.2 67
1830  70.9 47.8 27.5 8.5 13.2 56.9 121.5 138.3 103.2 85.7
1840  64.6 36.7 24.2 10.7 15 40.1 61.5 98.5 124.7 96.3
1850  66.6 64.5 54.1 39 20.6 6.7 4.3 22.7 54.8 93.8
1860  95.8 77.2 59.1 44 47 30.5 16.3 7.3 37.6 74
1870  139 111.2 101.6 66.2 44.7 17 11.3 12.4 3.4 6
1880  32.3 54.3 59.7 63.7 63.5 52.2 25.4 13.1 6.8 6.3
1890  7.1 35.6 73 85.1 78 64 41.8 26.2 26.7 12.1
1900  9.5 2.7 5 24.4 42 63.5 53.8 62 48.5 43.9
1910  18.6 5.7 3.6 1.4 9.6 47.4 57.1 103.9 80.6 63.6
1920  37.6 26.1 14.2 5.8 16.7 44.3 63.9 69 77.8 64.9
1930  35.7 21.2 11.1 5.7 8.7 36.1 79.7 114.4 109.6 88.8
1940  67.8 47.5 30.6 16.3 9.6 33.2 92.6 151.6 136.3 134.7
1950  83.9 69.4 31.5 13.9 4.4 38 141.7 190.2 184.8 159
1960  112.3 53.9 37.6 27.9 10.2 15.1 47 93.8 105.9 105.5
1970  104.5 66.6 68.9 38 34.5 15.5 12.6 27.5 92.5 155.4
1980  154.6 140.4 115.9 66.6 45.9 17.9 13.4 29.4 100.2 157.6
1990  142.6 145.7 94.3 54.6 29.9 17.5 8.6 21.5 64.3 93.3
2000  119.6 111 104 63.7 40.4 29.8 15.2 7.5 2.9
"""


def sunspots() -> tuple[Array, Array]:
    """Return the yearly mean sunspot numbers of 1700 to 2008.

    The number counts groups of spots ten times and single spots once, so it has no unit. This is
    version 1 of the series, which the National Geophysical Data Center of the United States put
    in the public domain. Version 2, of 2015, has another scale, and its licence excludes
    commercial use.

    Returns
    -------
    years
        (309,) whole numbers.
    numbers
        (309,) floats, at least 0.

    References
    ----------
    Clette, Svalgaard, Vaquero and Cliver (2014), doi:10.1007/s11214-014-0074-2.

    Examples
    --------
    >>> years, numbers = sunspots()
    >>> int(years[numbers.argmax()]), float(numbers.max())
    (1957, 190.2)
    """
    rows = [line.split() for line in _DECADES.strip().splitlines()]
    numbers = np.array([float(number) for _, *decade in rows for number in decade])
    return int(rows[0][0]) + np.arange(len(numbers)), numbers


def series_windows(
    values: Array, T: int, ends: Array, *, burn_in: int = 0, dtype: DTypeLike = np.float64
) -> Batch:
    """Cut windows from a series; at every step the target is the next value.

    Parameters
    ----------
    values
        The series, one number per step.
    T
        Steps per window.
    ends
        (N,) where in the series the last target of each window is; at least T.
    burn_in
        How many first steps of a window do not count, since hardly anything has been read; fewer
        than T.
    dtype
        float32 or float64.

    Returns
    -------
    A Batch of inputs and targets (T, N, 1), the values and those that follow them; and a mask.

    Raises
    ------
    TypeError, ValueError
        The values are not a series of finite numbers, a window does not lie within it, or no step
        would count.

    Examples
    --------
    >>> batch = series_windows(np.arange(10.0), 3, [3, 9], burn_in=2)
    >>> batch.inputs[:, :, 0].T, batch.targets[:, :, 0].T
    (array([[0., 1., 2.],
           [6., 7., 8.]]), array([[1., 2., 3.],
           [7., 8., 9.]]))
    >>> batch.mask[:, 0, 0]
    array([False, False,  True])
    """
    dtype = float_dtype("dtype", dtype)
    T = size("T", T)
    values = finite("values", float_array("values", values, ("K",)))
    ends = np.asarray(ends)
    if ends.ndim != 1 or ends.size == 0 or ends.dtype.kind not in "iu":
        raise ValueError(f"ends is {ends!r}, expected whole numbers in a row")
    if ends.min() < T or ends.max() >= len(values):
        raise ValueError(
            f"ends holds {ends.min()} to {ends.max()}, expected {T} to {len(values) - 1}"
        )
    if not 0 <= burn_in < T:
        raise ValueError(f"burn_in is {burn_in}, expected 0 to {T - 1}")
    pieces = values[ends - T + np.arange(T + 1)[:, None]][:, :, None].astype(dtype)  # (T + 1, N, 1)
    mask = np.zeros((T, len(ends), 1), bool)
    mask[burn_in:] = True
    return Batch(pieces[:-1], pieces[1:], mask)
