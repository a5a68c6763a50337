"""How many sunspots next year? LSTMs against an autoregression, the last value, and the mean.

Three stretches are held out in turn, and all earlier years are available: the last 25 of those
calibrate prediction intervals, the 25 before are for validation, and the rest are for training. The
LSTMs work on standardised square roots. The validation years pick the number of updates for every
LSTM, and for each kind the units and the learning rate with the least error, averaged over three
seeds that are used for nothing else. Five other seeds are then trained with that setting.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array
from lstm_course.experiments import resume
from lstm_course.layers import LSTM, Linear
from lstm_course.losses import mean_squared_error
from lstm_course.models import SequenceModel
from lstm_course.optim import Adam
from lstm_course.tasks import series_windows, sunspots
from lstm_course.training import Batch, Trainer

STRETCHES = {1850: 1900, 1900: 1950, 1950: 2009}
"""The first year held out, and the year after the last."""

MODELS = ("LSTM, value", "LSTM, change")
UNITS, LEARNING_RATES = (4, 8), (0.03, 0.01, 0.003, 0.001)
WIDER = (1.0, 0.3, 0.1, *LEARNING_RATES, 0.0003, 0.0001, 0.00003)
"""If the chosen rate is the smallest or largest tried, the next one here is tried too."""

SEEDS, TUNING_SEEDS = range(5), range(100, 103)
PIECE, BURN_IN, BATCH, UPDATES, EVERY = 60, 20, 16, 1000, 25
ORDERS, HORIZONS = range(1, 16), 11
YEARS, NUMBERS = sunspots()


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    start: int  # first year held out
    model: str  # the read-out gives next year's value, or its change from this year's
    units: int
    learning_rate: float
    seed: int


class Parts(NamedTuple):
    """The years of each part, as indices into the series."""

    training: Array
    choosing: Array
    calibration: Array
    held_out: Array


def parts(start: int) -> Parts:
    """Return the parts for the stretch that begins in the year `start`."""
    borders = np.array([YEARS[0], start - 50, start - 25, start, STRETCHES[start]]) - YEARS[0]
    return Parts(*(np.arange(*pair) for pair in pairwise(borders)))


class Forecaster:
    """An LSTM that reads 60 years of square roots and forecasts the next one.

    Parameters
    ----------
    run
        The run that it belongs to.
    """

    def __init__(self, run: Run) -> None:
        rng = np.random.default_rng(run.seed)
        self.model = SequenceModel(
            LSTM(1, run.units, rng=rng, dtype=np.float32),
            Linear(run.units, 1, rng=rng, dtype=np.float32),
        )
        roots = np.sqrt(NUMBERS)
        training = roots[parts(run.start).training]
        self.middle, self.scale = training.mean(), training.std()
        self.series = (roots - self.middle) / self.scale
        self.change = run.model == "LSTM, change"

    def batch(self, places: Array) -> Batch:
        """Return the pieces that end with the numbers at the places, in the model's format."""
        batch = series_windows(self.series, PIECE, places, burn_in=BURN_IN, dtype=np.float32)
        if self.change:
            return batch._replace(targets=batch.targets - batch.inputs)
        return batch

    def ahead(self, places: Array, horizon: int = 1) -> Array:
        """Forecast the numbers at the places, 1, 2, ... `horizon` years ahead.

        Beyond one year, each forecast is made from the forecasts before it. Returns
        (horizon, len(places)) numbers.
        """
        last = places[:, None] - np.arange(1, horizon + 1)  # (N, horizon) the last known year
        rows = series_windows(
            self.series, PIECE, last.ravel() + 1, burn_in=BURN_IN, dtype=np.float32
        ).inputs  # (60, N * horizon, 1)
        outputs, state, _ = self.model.forward(rows, training=False)
        result = np.empty(last.shape)
        now = rows[-1:]
        for years in range(horizon):
            now = outputs[-1:] + now if self.change else outputs[-1:]
            now = np.maximum(now, np.float32(-self.middle / self.scale))  # a root can't be negative
            said = (now.reshape(last.shape) * self.scale + self.middle) ** 2
            result[:, years] = said[:, years]
            outputs, state, _ = self.model.forward(now, state, training=False)
        return result.T


def train(run: Run) -> tuple[Forecaster, dict[str, Any]]:
    """Train a forecaster, and return to the update that validates best.

    Returns it, and what is recorded: the run, `updates`, `choosing` with the root mean squared
    error of square roots on the validation part, the one-year forecasts of `calibration` and
    `held out` years, the root mean squared error of the held-out numbers 1 to 11 years `ahead`, and
    under `looks` the error one year ahead after 25, 50, ... updates, which is used for no choice.
    """
    forecaster, part = Forecaster(run), parts(run.start)
    model = forecaster.model
    optimizer = Adam(model.arrays, learning_rate=run.learning_rate)
    trainer = Trainer(model, optimizer, mean_squared_error, clip=1.0)

    def batch(step: int) -> Batch:
        rng = np.random.default_rng([run.seed, step])
        return forecaster.batch(rng.integers(PIECE, len(part.training), BATCH))

    looks = []

    def choose(_: SequenceModel) -> float:
        looks.append(rms(forecaster.ahead(part.held_out)[0] - NUMBERS[part.held_out]))
        roots = np.sqrt(forecaster.ahead(part.choosing)[0])
        return rms(roots - np.sqrt(NUMBERS[part.choosing]))

    history = trainer.fit(batch, UPDATES, validate=choose, every=EVERY, progress=False)
    trainer.restore_best()
    updates, best = history.best() or (0, float("nan"))
    return forecaster, {
        **run._asdict(),
        "updates": updates,
        "choosing": round(best, 4),
        "calibration": forecaster.ahead(part.calibration)[0].round(1).tolist(),
        "held out": forecaster.ahead(part.held_out)[0].round(1).tolist(),
        "ahead": [
            round(rms(said - NUMBERS[part.held_out]), 2)
            for said in forecaster.ahead(part.held_out, HORIZONS)
        ],
        "looks": [round(one, 2) for one in looks],
    }


def rms(errors: Array) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean(errors**2)))


def fit_ar(values: Array, order: int, skip: int = 0) -> Array:
    """Fit an autoregression by least squares.

    Parameters
    ----------
    values
        (K,) a series.
    order
        How many earlier values it reads.
    skip
        How many values at the start are not forecast, at least `order`, so that fits of several
        orders see the same years.

    Returns
    -------
    (order + 1,) the constant, and the weights of the values 1, 2, ... steps earlier.

    References
    ----------
    Yule (1927), doi:10.1098/rsta.1927.0007, who fitted order 2 to sunspot numbers.

    Examples
    --------
    >>> fit_ar(np.array([1.0, 3.0, 7.0, 15.0, 31.0]), 1).round(4)  # twice the last one, and 1
    array([1., 2.])
    """
    skip = max(skip, order)
    rows = [values[skip - k : len(values) - k] for k in range(1, order + 1)]
    design = np.column_stack([np.ones(len(values) - skip), *rows])
    return np.linalg.lstsq(design, values[skip:], rcond=None)[0]


def ar_order(values: Array) -> int:
    """Return the order, up to 15, with the lowest Akaike information criterion.

    References
    ----------
    Akaike (1974), doi:10.1109/TAC.1974.1100705.
    """

    def criterion(order: int) -> float:
        weights = fit_ar(values, order, max(ORDERS))
        places = np.arange(max(ORDERS), len(values))
        errors = values[places] - ar_ahead(values, weights, places)[0]
        return float(len(places) * np.log(np.mean(errors**2)) + 2 * (order + 1))

    return min(ORDERS, key=criterion)


def ar_ahead(values: Array, weights: Array, places: Array, horizon: int = 1) -> Array:
    """Forecast the values at the places 1 to `horizon` steps ahead; (horizon, len(places))."""
    order = len(weights) - 1
    result = np.empty((horizon, len(places)))
    for years in range(1, horizon + 1):
        known = [values[places - years - k] for k in range(order)]  # the newest first
        for _ in range(years):
            said = weights[0] + np.dot(weights[1:], known)
            known = [said, *known[:-1]]
        result[years - 1] = said
    return result


def baselines(start: int) -> dict[str, Array]:
    """Return forecasts of the calibration and held-out years of a stretch, (11, N) each, by name.

    Entry [k, n] is for year n, made k + 1 years earlier. Autoregressions are fitted to numbers and
    to their square roots, with Akaike's order, and to roots with Yule's order, 2. They and the mean
    need no validation part, so they are fitted to it too.
    """
    part = parts(start)
    seen = np.concatenate([part.training, part.choosing])
    places = np.concatenate([part.calibration, part.held_out])
    ahead = np.arange(1, HORIZONS + 1)[:, None]
    roots = np.sqrt(NUMBERS)
    forecasts = {
        "mean": np.full((HORIZONS, len(places)), NUMBERS[seen].mean()),
        "this year again": NUMBERS[places - ahead],
        "11 years before": NUMBERS[np.broadcast_to(places - 11, (HORIZONS, len(places)))],
    }
    for name, values, order in (
        ("AR, numbers", NUMBERS, ar_order(NUMBERS[seen])),
        ("AR, roots", roots, ar_order(roots[seen])),
        ("AR(2), roots", roots, 2),
    ):
        weights = fit_ar(values[seen], order)
        said = np.maximum(ar_ahead(values, weights, places, HORIZONS), 0)
        forecasts[name] = said if values is NUMBERS else said**2
    return forecasts


def interval(
    past: Array, truth: Array, forecasts: Array, level: float = 0.9
) -> tuple[Array, Array]:
    """Return prediction intervals whose width on the scale of roots comes from past errors.

    Half the width is one of n past errors: counting from the smallest, that of rank
    (n + 1) * level, rounded up. If past and new years are exchangeable, a new number lies in its
    interval with a probability of at least `level`.

    Parameters
    ----------
    past, truth
        (n,) forecasts of years that had no part in the fit, and the true numbers.
    forecasts
        (N,) new forecasts.
    level
        Between 0 and n / (n + 1).

    Returns
    -------
    The lower and upper ends, (N,) each.

    Raises
    ------
    ValueError
        There are too few past errors for that level.

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), doi:10.1080/01621459.2017.1307116.

    Examples
    --------
    >>> past, truth = np.array([4.0, 9.0, 16.0]), np.array([9.0, 9.0, 25.0])
    >>> interval(past, truth, np.array([36.0]), 0.5)
    (array([25.]), array([49.]))
    """
    errors = np.sort(np.abs(np.sqrt(past) - np.sqrt(truth)))
    rank = int(np.ceil((len(errors) + 1) * level))
    if not 0 < rank <= len(errors):
        raise ValueError(f"level is {level}, expected one that {len(errors)} errors can give")
    roots = np.sqrt(forecasts)
    return np.maximum(roots - errors[rank - 1], 0) ** 2, (roots + errors[rank - 1]) ** 2


def best_setting(tuning: list[dict[str, Any]], start: int, model: str) -> tuple[int, float]:
    """Return the units and the learning rate with the least validation error."""
    errors: dict[tuple[int, float], list[float]] = {}
    for one in tuning:
        if (one["start"], one["model"]) == (start, model):
            errors.setdefault((one["units"], one["learning_rate"]), []).append(one["choosing"])
    return min(errors, key=lambda setting: float(np.mean(errors[setting])))


def tune(start: int, model: str, kept: Path) -> list[dict[str, Any]]:
    """Try all settings, and more learning rates until the best is neither smallest nor largest."""
    rates, done = list(LEARNING_RATES), list[dict[str, Any]]()
    while True:
        runs = [
            Run(start, model, units, rate, seed)
            for rate in rates
            for units in UNITS
            for seed in TUNING_SEEDS
        ]
        done += resume(runs, _tuning, kept)
        tried = sorted({one["learning_rate"] for one in done})
        _, best = best_setting(done, start, model)
        at = WIDER.index(best) + (best == tried[0]) - (best == tried[-1])
        if not 0 <= at < len(WIDER) or WIDER[at] in tried:
            return done
        rates = [WIDER[at]]


def measure(kept: Path) -> dict[str, Any]:
    """Choose the settings, then do the runs; finished ones are kept in a file."""
    results: dict[str, Any] = {"updates": UPDATES, "tuning": [], "runs": []}
    for start in STRETCHES:
        for model in MODELS:
            tuning = tune(start, model, kept)
            setting = best_setting(tuning, start, model)
            runs = [Run(start, model, *setting, seed) for seed in SEEDS]
            results["tuning"] += tuning
            results["runs"] += resume(runs, _result, kept)
    return results


def _result(run: Run) -> dict[str, Any]:
    return train(run)[1]


def _tuning(run: Run) -> dict[str, Any]:
    return {
        key: one
        for key, one in _result(run).items()
        if key in (*Run._fields, "updates", "choosing")
    }
