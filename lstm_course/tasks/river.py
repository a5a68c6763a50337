"""Ten years of a river: rain and temperature of every day, and the water that it carried."""

import csv
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import Array, finite, float_array, float_dtype, size
from lstm_course.training import Batch

AREA = 2976.41
"""Square kilometres that drain to the gauge, as spotpy's own example for these data has it."""


def river() -> tuple[Array, Array, Array]:
    """Return the days of 1979 to 1988, their weather, and the discharge of the Fulda in Germany.

    The table ships inside spotpy, as the data of an example. The example names the weather
    "Grebenau avg", and its `AREA` is that of the gauge Grebenau, south of Kassel. The table does
    not say which stations the weather comes from, or how they were averaged.

    The mean discharge has a Nash-Sutcliffe efficiency of 0. If yesterday's discharge were known, it
    would score 0.82 over the ten years.

    Returns
    -------
    days
        (3653,) dates, as datetime64.
    weather
        (3653, 3): rain or snow in mm, and the highest and lowest temperature in degrees Celsius.
    discharge
        (3653,) in cubic metres a second.

    Raises
    ------
    ImportError
        spotpy is not installed.

    References
    ----------
    Houska, Kraft, Chamorro-Chavez and Breuer (2015), doi:10.1371/journal.pone.0145180 (spotpy);
    Jehn, Breuer, Houska, Bestian and Kraft (2018), doi:10.5194/hess-22-4565-2018, who model the
    same catchment.

    Examples
    --------
    >>> days, weather, discharge = river()
    >>> print(days[0], weather[0], discharge[0])  # a cold New Year
    1979-01-01 [  1.  -12.9 -20.1] 143.0
    """
    package = find_spec("spotpy")  # the file is all we need, so nothing is imported
    if package is None or package.origin is None:
        raise ImportError("the river comes with spotpy: pip install spotpy")
    path = Path(package.origin).parent / "examples" / "cmf_data" / "fulda_climate.csv"
    with path.open(encoding="utf-8", newline="") as file:
        _, _, *rows = csv.reader(file)  # names, units, and a line per day
    days = [datetime.strptime(date, "%d.%m.%Y").date() for date, *_ in rows]
    warmest, coldest, _, rain, discharge = np.array([row[1:] for row in rows], float).T
    weather = np.column_stack([rain, warmest, coldest])
    return np.array(days, "datetime64[D]"), weather, discharge


def water_years(days: Array) -> Array:
    """Return the water year of each day, which begins in October and is named after its end.

    Snow that falls in December and melts in March belongs to one water year, but to two calendar
    years.

    Parameters
    ----------
    days
        (K,) dates, as datetime64.

    Returns
    -------
    (K,) whole numbers.

    Raises
    ------
    TypeError
        Something else than dates came.

    Examples
    --------
    >>> water_years(np.array(["1986-09-30", "1986-10-01"], "datetime64[D]"))
    array([1986, 1987])
    """
    days = np.asarray(days)
    if days.dtype.kind != "M":
        raise TypeError(f"days must be an array of datetime64, got dtype {days.dtype}")
    later = days.astype("datetime64[M]") + 3  # October becomes January
    return later.astype("datetime64[Y]").astype(int) + 1970


def river_windows(
    weather: Array,
    discharge: Array,
    T: int,
    ends: Array,
    *,
    burn_in: int = 0,
    dtype: DTypeLike = np.float64,
) -> Batch:
    """Cut windows from a record of weather and discharge; the target is the same day's discharge.

    Parameters
    ----------
    weather
        (K, D), scaled as the network should read it.
    discharge
        (K,), scaled as the network should say it.
    T
        Days per window.
    ends
        (N,) the place of each window's last day; at least T - 1.
    burn_in
        How many first days of a window don't count, since too little of the past has been read;
        fewer than T.
    dtype
        float32 or float64.

    Returns
    -------
    A Batch of inputs (T, N, D), targets (T, N, 1) and a mask like the targets.

    Raises
    ------
    TypeError, ValueError
        The arrays are not finite floats of one length, a window does not lie within them, or no
        day would count.

    Examples
    --------
    >>> weather, discharge = np.zeros((10, 3)), np.arange(10.0)
    >>> batch = river_windows(weather, discharge, 3, [2, 9], burn_in=2)
    >>> batch.inputs.shape, batch.targets[:, :, 0].T
    ((3, 2, 3), array([[0., 1., 2.],
           [7., 8., 9.]]))
    >>> batch.mask[:, 0, 0]
    array([False, False,  True])
    """
    dtype = float_dtype("dtype", dtype)
    T = size("T", T)
    weather = finite("weather", float_array("weather", weather, ("K", "D")))
    discharge = finite("discharge", float_array("discharge", discharge, (len(weather),)))
    ends = np.asarray(ends)
    if ends.ndim != 1 or ends.size == 0 or ends.dtype.kind not in "iu":
        raise ValueError(f"ends is {ends!r}, expected whole numbers in a row")
    if ends.min() < T - 1 or ends.max() >= len(weather):
        raise ValueError(
            f"ends holds {ends.min()} to {ends.max()}, expected {T - 1} to {len(weather) - 1}"
        )
    if not 0 <= burn_in < T:
        raise ValueError(f"burn_in is {burn_in}, expected 0 to {T - 1}")
    places = ends - T + 1 + np.arange(T)[:, None]  # (T, N)
    mask = np.zeros((T, len(ends), 1), bool)
    mask[burn_in:] = True
    return Batch(weather[places].astype(dtype), discharge[places, None].astype(dtype), mask)


def nash_sutcliffe(simulated: Array, observed: Array) -> float:
    """Return the Nash-Sutcliffe efficiency: the share of the variance that is explained.

    1 is perfect, and the mean of what was observed scores 0.

    Parameters
    ----------
    simulated, observed
        (K,) floats; the observed ones are not all the same.

    Raises
    ------
    TypeError, ValueError
        The arrays are not finite floats of one length, or the observed ones don't vary.

    References
    ----------
    Nash and Sutcliffe (1970), https://doi.org/10.1016/0022-1694(70)90255-6.

    Examples
    --------
    >>> nash_sutcliffe(np.array([1.0, 2.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    -1.0
    """
    simulated, observed = _pair(simulated, observed)
    errors, spread = simulated - observed, observed - observed.mean()
    return float(1 - np.sum(errors**2) / np.sum(spread**2))


def kling_gupta(simulated: Array, observed: Array) -> float:
    """Return the Kling-Gupta efficiency, which weighs three faults alike.

    It is 1 minus the distance of (correlation, ratio of standard deviations, ratio of means) from
    (1, 1, 1). So 1 is perfect.

    Parameters
    ----------
    simulated, observed
        (K,) floats, neither all the same; the observed ones have a mean other than 0.

    Raises
    ------
    TypeError, ValueError
        The arrays are not finite floats of one length, or one of them doesn't vary.

    References
    ----------
    Gupta, Kling, Yilmaz and Martinez (2009), doi:10.1016/j.jhydrol.2009.08.003, equation 9.

    Examples
    --------
    >>> observed = np.array([1.0, 2.0, 3.0])
    >>> round(kling_gupta(2 * observed, observed), 4)  # the right shape, but twice too much
    -0.4142
    """
    simulated, observed = _pair(simulated, observed)
    if np.ptp(simulated) == 0:
        raise ValueError(f"simulated is {simulated[0]} throughout, expected values that vary")
    faults = (
        np.corrcoef(simulated, observed)[0, 1] - 1,
        simulated.std() / observed.std() - 1,
        simulated.mean() / observed.mean() - 1,
    )
    return float(1 - np.sqrt(np.sum(np.square(faults))))


def _pair(simulated: Array, observed: Array) -> tuple[Array, Array]:
    """Return both as finite arrays of one length, or say what is wrong."""
    observed = finite("observed", float_array("observed", observed, ("K",)))
    simulated = finite("simulated", float_array("simulated", simulated, observed.shape))
    if np.ptp(observed) == 0:
        raise ValueError(f"observed is {observed[0]} throughout, expected values that vary")
    return simulated, observed
