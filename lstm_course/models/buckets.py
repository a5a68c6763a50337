"""A conceptual rainfall-runoff model: the buckets that hydrologists put in place of a landscape."""

from typing import NamedTuple

import numpy as np

from lstm_course._checks import Array, finite, float_array


class BucketParams(NamedTuple):
    """The ten parameters of `buckets`: numbers, or arrays (S,) for S models at once."""

    threshold: float | Array  # degrees Celsius; colder days bring snow, and warmer ones melt it
    melt: float | Array  # mm that melt per day and degree above the threshold
    capacity: float | Array  # mm that the soil holds
    shape: float | Array  # how much a wet soil sends on more of the water than a dry one
    thirst: float | Array  # evaporation from a full soil, as a multiple of the potential one
    percolation: float | Array  # mm a day from the upper store to the lower one, at most
    quick: float | Array  # share of the upper store that leaves on a day, when it holds 1 mm
    power: float | Array  # how much that share grows with what the store holds
    slow: float | Array  # share of the lower store that leaves on a day
    routing: float | Array  # share of the water in the channels that leaves on a day


class Buckets(NamedTuple):
    """What `buckets` returns: two fluxes and the content of each store, (K, ...) in mm."""

    flow: Array
    evaporation: Array
    snow: Array
    soil: Array
    upper: Array
    lower: Array
    channel: Array


def buckets(weather: Array, potential: Array, params: BucketParams) -> Buckets:
    """Run a landscape of five buckets: snow, soil, an upper and a lower store, and the channels.

    Cold days fill the snow pack, warm days melt it. The soil passes on the more, the fuller it is,
    and evaporates. What it passes on fills the upper store, which empties the quicker the more it
    holds, and seeps into the lower one, which empties slowly. This is the structure of HBV.

    Parameters
    ----------
    weather
        (K, 3) rain, highest and lowest temperature of each day, as `tasks.river` returns them.
    potential
        (K,) evaporation in mm if water were plenty, from `potential_evaporation`.
    params
        The parameters, one number each, or (S,) for S models that run side by side.

    Returns
    -------
    Flow, evaporation, and what each store holds at the end of each day.

    Raises
    ------
    TypeError, ValueError
        The weather or the evaporation is not an array of finite floats of that shape.

    References
    ----------
    Lindström, Johansson, Persson, Gardelin and Bergström (1997),
    https://doi.org/10.1016/S0022-1694(97)00041-3 (HBV-96).

    Examples
    --------
    >>> params = BucketParams(0.0, 3.0, 200.0, 1.0, 1.0, 1.0, 0.1, 0.0, 0.01, 0.5)
    >>> weather = np.array([[10.0, -3.0, -5.0], [0.0, 3.0, -1.0], [0.0, 9.0, 5.0]])
    >>> buckets(weather, np.zeros(3), params).snow  # falls, melts by 3 mm a degree
    array([10.,  7.,  0.])
    """
    weather = finite("weather", float_array("weather", weather, ("K", 3)))
    potential = finite("potential", float_array("potential", potential, (len(weather),)))
    p = BucketParams(*(np.asarray(one, float) for one in params))
    snow = upper = channel = np.zeros_like(p.threshold)
    soil, lower = p.capacity / 2, snow + 20  # any guess: the first months are there to forget it
    days = []
    for (rain, warmest, coldest), demand in zip(weather, potential, strict=True):
        warmth = (warmest + coldest) / 2 - p.threshold
        melted = np.minimum(snow, p.melt * np.maximum(warmth, 0))
        water = melted + np.where(warmth < 0, 0, rain)
        snow = snow + rain - water

        passed_on = water * np.minimum(soil / p.capacity, 1) ** p.shape
        soil = soil + water - passed_on
        evaporated = np.minimum(soil, p.thirst * demand * np.minimum(soil / p.capacity, 1))
        soil = soil - evaporated

        upper = upper + passed_on
        seeped = np.minimum(upper, p.percolation)
        upper = upper - seeped
        released = np.minimum(upper, p.quick * upper ** (1 + p.power))
        upper = upper - released
        lower = lower + seeped
        base = p.slow * lower
        lower = lower - base

        channel = channel + released
        arrived = p.routing * channel
        channel = channel - arrived
        days.append((base + arrived, evaporated, snow, soil, upper, lower, channel))
    return Buckets(*(np.array(column) for column in zip(*days, strict=True)))


def potential_evaporation(days: Array, weather: Array, latitude: float = 51.0) -> Array:
    """Return the evaporation in mm a day that temperature and the sun's height would allow.

    Parameters
    ----------
    days
        (K,) dates, as datetime64.
    weather
        (K, 3) rain, highest and lowest temperature of each day.
    latitude
        In degrees north, between the polar circles.

    Returns
    -------
    (K,) at least 0.

    Raises
    ------
    TypeError, ValueError
        The weather is not an array of finite floats of that shape, or the latitude is too high.

    References
    ----------
    Oudin et al. (2005), doi:10.1016/j.jhydrol.2004.08.026, equation 3; the radiation outside the
    atmosphere as in Allen, Pereira, Raes and Smith (1998), FAO Irrigation and Drainage Paper 56,
    equation 21.

    Examples
    --------
    >>> days = np.array(["1986-01-15", "1986-07-15"], "datetime64[D]")
    >>> potential_evaporation(days, np.array([[0.0, 2.0, -4.0], [0.0, 24.0, 12.0]])).round(1)
    array([0.1, 3.8])
    """
    weather = finite("weather", float_array("weather", weather, (len(days), 3)))
    if not abs(latitude) < 66:
        raise ValueError(f"latitude is {latitude}, expected between -66 and 66")
    year = days.astype("datetime64[Y]").astype("datetime64[D]")
    angle = 2 * np.pi * ((days - year).astype(int) + 1) / 365
    north, tilt = np.radians(latitude), 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(-np.tan(north) * np.tan(tilt))
    height = sunset * np.sin(north) * np.sin(tilt) + np.cos(north) * np.cos(tilt) * np.sin(sunset)
    radiation = 24 * 60 / np.pi * 0.0820 * (1 + 0.033 * np.cos(angle)) * height  # MJ / m2 / day
    warmth = weather[:, 1:].mean(axis=1) + 5
    return radiation / 2.45 * np.maximum(warmth, 0) / 100  # 2.45 MJ evaporate a kilogram
