"""Rain in, river out: LSTMs against vanilla RNNs, boosted trees, linear filters, and buckets.

Every model is fitted to the discharge of five water years. The rest is cut in two halves. One half
chooses the settings and the number of updates, and the other is held out; then the halves swap
roles. So each day after the training years is held out once. Networks and boosted trees have
twenty settings each, tried with three seeds that are used for nothing else, and five other seeds
are trained with the best one. The buckets are calibrated on the training years alone.
"""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array
from lstm_course.cell import LSTMParams
from lstm_course.experiments import resume
from lstm_course.fast import lstm_forward
from lstm_course.layers import LSTM, Linear
from lstm_course.losses import mean_squared_error
from lstm_course.models import (
    BucketParams,
    SequenceModel,
    buckets,
    potential_evaporation,
)
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.tasks import nash_sutcliffe, river, river_windows, water_years
from lstm_course.tasks.river import AREA
from lstm_course.training import Batch, Trainer

DAYS, WEATHER, DISCHARGE = river()
WATER_YEARS = water_years(DAYS)
POTENTIAL = potential_evaporation(DAYS, WEATHER)
MM = 86.4 / AREA
"""Millimetres a day over the catchment that make one cubic metre a second."""

TRAINING_YEARS = range(1980, 1985)
HALVES = (WATER_YEARS > 1984) & (WATER_YEARS < 1987), WATER_YEARS >= 1987
"""Days of the two halves, the second of which goes on until December 1988."""

UNITS = 16
RATES = {"LSTM": (0.3, 0.1, 0.03, 0.01, 0.003), "RNN": (0.03, 0.01, 0.003, 0.001, 0.0003)}
PENALTIES = {"LSTM": (0.0, 0.001, 0.003, 0.01), "RNN": (0.003, 0.01, 0.03, 0.1)}
"""Twenty settings each, around what suits the kind of network."""

SEEDS, TUNING_SEEDS = range(5), range(100, 103)
PIECE, BURN_IN, BATCH = 365, 180, 8
UPDATES, EVERY, PATIENCE = 2400, 25, 16
FEWER_YEARS = (1, 2, 3)
MADE_YEARS, FIRST_UPDATES = 40, 1500

STRENGTHS = tuple(10.0**k for k in np.linspace(-2, 7.5, 20).round(1))
LEAVES, TREES = (4, 8, 16, 32), 1000
STEPS = (0.2, 0.1, 0.05, 0.02, 0.01)
TIME_CONSTANTS = (1, 2, 4, 8, 16, 32, 64, 128)

BOUNDS = (
    (-2.0, 3.0),
    (0.5, 8.0),
    (50.0, 600.0),
    (0.3, 6.0),
    (0.5, 2.5),
    (0.0, 3.0),
    (0.005, 0.3),
    (0.0, 1.5),
    (0.001, 0.1),
    (0.05, 1.0),
)
"""Within which each of the buckets' parameters is calibrated, in the order of `BucketParams`."""
POPULATION, GENERATIONS = 8, 200

PULSE, AFTER = 20.0, 60
"""An extra rain of so many mm, and the days for which the answer is followed."""


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    fold: int  # the half that chooses; the other one is held out
    model: str  # LSTM or RNN
    lesson: str  # "weather", "weather and season", or "buckets first"
    years: int  # how many training years, of those up to 1984
    learning_rate: float
    l2: float
    seed: int


class Simulator:
    """A network that turns the weather up to a day into that day's discharge.

    It reads rain and temperatures, standardised over its training years, and says the standardised
    discharge.

    Parameters
    ----------
    run
        The run that it belongs to.
    """

    def __init__(self, run: Run) -> None:
        self.training = np.isin(WATER_YEARS, TRAINING_YEARS[-run.years :])
        known = WEATHER[self.training], DISCHARGE[self.training]
        (self.middle, self.mean), (self.scale, self.spread) = (
            [one.mean(axis=0) for one in known],
            [one.std(axis=0) for one in known],
        )
        angle = 2 * np.pi * (DAYS - DAYS.astype("datetime64[Y]")).astype(int) / 365.25
        season = np.column_stack([np.sin(angle), np.cos(angle)])
        self.season = season if run.lesson == "weather and season" else season[:, :0]
        rng = np.random.default_rng(run.seed)
        D = WEATHER.shape[1] + self.season.shape[1]
        recurrent: RNN | LSTM
        if run.model == "RNN":
            H = rnn_units(D)
            recurrent = RNN(D, H, rng=rng, recurrent="orthogonal", dtype=np.float32)
        else:
            recurrent = LSTM(D, UNITS, rng=rng, dtype=np.float32)
        readout = Linear(recurrent.hidden_size, 1, rng=rng, dtype=np.float32)
        self.model = SequenceModel(recurrent, readout)

    def read(self, weather: Array) -> Array:
        """Return the inputs (K, D) that the network reads."""
        scaled = (weather - self.middle) / self.scale
        if self.season.size:
            scaled = np.column_stack([scaled, self.season])
        return scaled.astype(np.float32)

    def simulate(self, weather: Array = WEATHER) -> Array:
        """Return the discharge of all days, in one run from the first day to the last."""
        said, _, _ = self.model.forward(self.read(weather)[:, None], training=False)
        return said[:, 0, 0].astype(float) * self.spread + self.mean

    def fit(
        self,
        run: Run,
        weather: Array,
        discharge: Array,
        counted: Array,
        updates: int,
        **validation: Any,
    ) -> Trainer:
        """Train on random years of a record, where only some of its days count."""
        inputs, target = self.read(weather), (discharge - self.mean) / self.spread
        (places,) = np.nonzero(counted)
        first, last = max(places[0], PIECE - 1), places[-1]
        optimizer = Adam(self.model.arrays, learning_rate=run.learning_rate)
        trainer = Trainer(self.model, optimizer, mean_squared_error, clip=1.0, l2=run.l2)

        def batch(step: int) -> Batch:
            rng = np.random.default_rng([run.seed, step])
            ends = rng.integers(first, last + 1, BATCH)
            batch = river_windows(inputs, target, PIECE, ends, burn_in=BURN_IN, dtype=np.float32)
            windows = ends - PIECE + 1 + np.arange(PIECE)[:, None]
            return batch._replace(mask=batch.mask & counted[windows][:, :, None])

        trainer.fit(batch, updates, every=EVERY, progress=False, **validation)
        return trainer


def rnn_units(D: int) -> int:
    """Return the units that bring a vanilla RNN closest to the LSTM's number of parameters."""
    wanted = 4 * UNITS * (D + UNITS + 1) + UNITS + 1
    return min(range(1, 200), key=lambda H: abs(H * (D + H + 1) + H + 1 - wanted))


def train(run: Run) -> tuple[Simulator, dict[str, Any]]:
    """Train a network, and return to the update that scores best on the half that chooses.

    Returns it, and what is recorded: the run, `updates` with that update and where training
    stopped, and the Nash-Sutcliffe efficiency on the half that `choosing` used and the one `held
    out`.
    """
    simulator = Simulator(run)
    if run.lesson == "buckets first":
        weather, discharge = made_river(MADE_YEARS)
        everything = np.ones(len(weather), bool)
        simulator.fit(run._replace(l2=0.0), weather, discharge, everything, FIRST_UPDATES)
    choosing, held_out = HALVES[run.fold], HALVES[1 - run.fold]

    def wrong(_: SequenceModel) -> float:
        return -nash_sutcliffe(simulator.simulate()[choosing], DISCHARGE[choosing])

    trainer = simulator.fit(
        run,
        WEATHER,
        DISCHARGE,
        simulator.training,
        UPDATES,
        validate=wrong,
        patience=PATIENCE,
    )
    trainer.restore_best()
    best, score = trainer.history.best() or (0, float("nan"))
    said = simulator.simulate()
    return simulator, {
        **run._asdict(),
        "updates": [best, len(trainer.history.loss)],
        "choosing": round(-score, 4),
        "held out": round(nash_sutcliffe(said[held_out], DISCHARGE[held_out]), 4),
        "simulated": packed(said[held_out]),
    }


def packed(discharge: Array) -> str:
    """Return a series as one line of text, to a tenth of a cubic metre a second."""
    return " ".join(f"{one:.1f}" for one in discharge)


def unpacked(text: str) -> Array:
    """Return the series of such a line."""
    return np.array(text.split(), float)


def later_days() -> Array:
    """Return whether a day lies after the training years, in either half."""
    return HALVES[0] | HALVES[1]


# Rivals


def features(weather: Array) -> Array:
    """Return what trees and linear maps read of each day: the last three days, and slow averages.

    The averages are exponential, of rain and both temperatures, with `TIME_CONSTANTS` in days.
    """
    averages = []
    for days in TIME_CONSTANTS:
        now, series = weather[0], []
        for today in weather:
            now = now + (today - now) / days
            series.append(now)
        averages.append(series)
    before = [weather[np.maximum(np.arange(len(weather)) - k, 0)] for k in (1, 2, 3)]
    return np.concatenate([*averages, *before], axis=1)


def linear(fold: int) -> dict[str, Any]:
    """Fit linear maps with twenty penalties; return the choice and what it says."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, training = features(WEATHER), np.isin(WATER_YEARS, TRAINING_YEARS)
    choosing, held_out = HALVES[fold], HALVES[1 - fold]
    scores, said = [], []
    for strength in STRENGTHS:
        model = make_pipeline(StandardScaler(), Ridge(strength))
        model.fit(x[training], DISCHARGE[training])
        simulated = model.predict(x)
        scores.append(nash_sutcliffe(simulated[choosing], DISCHARGE[choosing]))
        said.append(simulated[held_out])
    best = int(np.argmax(scores))
    return {
        "fold": fold,
        "strength": STRENGTHS[best],
        "choosing": [round(score, 4) for score in scores],
        "held out": round(nash_sutcliffe(said[best], DISCHARGE[held_out]), 4),
        "simulated": packed(said[best]),
    }


class Trees(NamedTuple):
    """A run of boosted trees; it is the same for both folds, up to the number of trees kept."""

    step: float  # by how much each tree corrects the ones before
    leaves: int
    seed: int


def boosted(run: Trees) -> dict[str, Any]:
    """Boost trees, and keep as many of them as score best on the half that chooses.

    Returns the run, and for each fold the number of `trees`, the score on the half that `choosing`
    used and on the one `held out`, and what is `simulated` there.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, training = features(WEATHER), np.isin(WATER_YEARS, TRAINING_YEARS)
    model = HistGradientBoostingRegressor(
        learning_rate=run.step,
        max_leaf_nodes=run.leaves,
        max_iter=TREES,
        max_features=0.5,
        early_stopping=False,
        random_state=run.seed,
    ).fit(x[training], DISCHARGE[training])
    later = later_days()
    said = np.array(list(model.staged_predict(x[later])))  # (trees, days)
    halves = [said[:, half[later]] for half in HALVES]
    scores = np.array(
        [
            [nash_sutcliffe(one, DISCHARGE[half]) for one in series]
            for series, half in zip(halves, HALVES, strict=True)
        ]
    )
    best = scores.argmax(axis=1)
    return {
        **run._asdict(),
        "trees": [int(k) + 1 for k in best],
        "choosing": [round(float(scores[fold, best[fold]]), 4) for fold in (0, 1)],
        "held out": [round(float(scores[1 - fold, best[fold]]), 4) for fold in (0, 1)],
        "simulated": [packed(halves[1 - fold][best[fold]]) for fold in (0, 1)],
    }


class Calibration(NamedTuple):
    """A calibration of the buckets."""

    years: int
    snow: bool  # without, everything falls as rain
    seed: int


def calibrate(run: Calibration) -> dict[str, Any]:
    """Calibrate the buckets on training years, by differential evolution.

    References
    ----------
    Storn and Price (1997), doi:10.1023/A:1008202821328.
    """
    from scipy.optimize import differential_evolution

    bounds = BOUNDS if run.snow else ((-60.0, -60.0), *BOUNDS[1:])  # never that cold
    counted = np.isin(WATER_YEARS, TRAINING_YEARS[-run.years :])
    until = np.flatnonzero(counted)[-1] + 1
    observed = DISCHARGE[counted] * MM

    def error(params: Array) -> Array:
        """Return the mean squared error of each of S sets of parameters (10, S)."""
        flow = buckets(WEATHER[:until], POTENTIAL[:until], BucketParams(*params)).flow
        return np.mean((flow[counted[:until]].T - observed) ** 2, axis=-1)

    found = differential_evolution(
        error,
        bounds,
        maxiter=GENERATIONS,
        popsize=POPULATION,
        tol=1e-6,
        rng=run.seed,
        polish=False,
        vectorized=True,
        updating="deferred",
    )
    said = buckets(WEATHER, POTENTIAL, BucketParams(*found.x)).flow / MM
    return {
        **run._asdict(),
        "params": [round(float(one), 5) for one in found.x],
        "training": round(nash_sutcliffe(said[counted], DISCHARGE[counted]), 4),
        "held out": [round(nash_sutcliffe(said[half], DISCHARGE[half]), 4) for half in HALVES],
    }


def made_river(years: int) -> tuple[Array, Array]:
    """Return weather and discharge of years that never were.

    Each month's weather is that of the same month in a training year, drawn at random, and the
    discharge comes from the buckets of the record, calibrated on the training years.
    """
    rng = np.random.default_rng(0)
    month = DAYS.astype("datetime64[M]").astype(int) % 12
    drawn = []
    for _, k in itertools.product(range(years), (9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8)):
        year = rng.choice(TRAINING_YEARS)
        drawn.append(np.flatnonzero((year == WATER_YEARS) & (month == k)))
    places = np.concatenate(drawn)
    flow = buckets(WEATHER[places], POTENTIAL[places], calibrated()).flow
    return WEATHER[places], flow / MM


@functools.cache
def calibrated() -> BucketParams:
    """Return the buckets' parameters, calibrated on all training years."""
    return BucketParams(*calibrate(Calibration(len(TRAINING_YEARS), True, 0))["params"])


# A look inside


def snow_pack() -> Array:
    """Return the snow of the calibrated buckets in mm, day by day."""
    return buckets(WEATHER, POTENTIAL, calibrated()).snow


def buckets_flow(weather: Array) -> Array:
    """Return the discharge that the calibrated buckets make of the weather of all days."""
    return buckets(weather, POTENTIAL, calibrated()).flow / MM


def pulse_days() -> tuple[Array, Array]:
    """Return days after the training years that begin ten days of frost, or of mild winter.

    In frost the ten days' means are below 0 degrees, in mild weather they are above 5; both from
    November to March.
    """
    mean, month = WEATHER[:, 1:].mean(axis=1), DAYS.astype("datetime64[M]").astype(int) % 12
    coming = np.lib.stride_tricks.sliding_window_view(mean, 10)
    coming = coming[: len(DAYS) - AFTER]
    allowed = (later_days() & np.isin(month, (10, 11, 0, 1, 2)))[: len(coming)]
    frost, mild = (coming < 0).all(axis=1), (coming > 5).all(axis=1)
    return np.flatnonzero(allowed & frost), np.flatnonzero(allowed & mild)


def extra_flow(simulate: Callable[[Array], Array], days: Array) -> Array:
    """Return by how much a rain of 20 mm raises the discharge, in mm a day.

    Parameters
    ----------
    simulate
        Turns the weather of all days into their discharge, in cubic metres a second.
    days
        (N,) the days on which it rains, each in a run of its own.

    Returns
    -------
    (60,) the mean over these days, from the day of the rain on.
    """
    before, curves = simulate(WEATHER), []
    for day in days:
        weather = WEATHER.copy()
        weather[day, 0] += PULSE
        curves.append((simulate(weather) - before)[day : day + AFTER] * MM)
    return np.mean(curves, axis=0)


def states(simulator: Simulator) -> Array:
    """Return what a network remembers (K, H): an LSTM's cell states, an RNN's hidden states."""
    recurrent, inputs = simulator.model.recurrent, simulator.read(WEATHER)[:, None]
    if isinstance(recurrent, RNN):
        return recurrent.forward(inputs)[0][:, 0].astype(float)
    return lstm_forward(inputs, LSTMParams(*recurrent.arrays))[2].cs[-len(DAYS) :, 0].astype(float)


def correlations(series: Array, snow: Array) -> Array:
    """Return each column's correlation with the snow pack, on the days after training."""
    later = later_days()
    return np.array([np.corrcoef(column[later], snow[later])[0, 1] for column in series.T])


def read_snow(series: Array, snow: Array) -> float:
    """Return how well a linear map of states, fitted in the training years, tells later snow.

    The score is the share of the variance that it explains.
    """
    training, later = np.isin(WATER_YEARS, TRAINING_YEARS), later_days()
    x = (series - series[training].mean(0)) / (series[training].std(0) + 1e-9)
    x = np.column_stack([np.ones(len(x)), x])
    penalty = np.eye(x.shape[1])
    weights = np.linalg.solve(x[training].T @ x[training] + penalty, x[training].T @ snow[training])
    return nash_sutcliffe(x[later] @ weights, snow[later])


def switched_off(simulator: Simulator, unit: int) -> Array:
    """Return the discharge of all days if a unit of an LSTM always shows its mean hidden state.

    The mean is one number, so its share of every sum moves into the bias.
    """
    W, U, b, V, d = (array.astype(float) for array in simulator.model.arrays)
    inputs = simulator.read(WEATHER)[:, None].astype(float)
    hs, _, _ = lstm_forward(inputs, LSTMParams(W, U, b))
    mean = hs[:, 0, unit].mean()
    b, d = b + U[:, unit] * mean, d + V[:, unit] * mean
    U[:, unit], V[:, unit] = 0, 0
    hs, _, _ = lstm_forward(inputs, LSTMParams(W, U, b))
    return (hs[:, 0] @ V.T + d)[:, 0] * simulator.spread + simulator.mean


def inside(run: Run, simulator: Simulator) -> dict[str, Any]:
    """Look for snow in a trained network.

    Returns each unit's `correlation` with the snow pack, and the share of it that a linear map can
    `read` from all units, for the `trained` and the `untrained` network; and under `pulses` the
    extra flow after a rain in frost and in mild weather. For an LSTM also under `trace` the cell
    state with the largest correlation, in the second half, and under `off` the error with each unit
    switched off, over the error with none, from December to March and in the other months.
    """
    snow, result = snow_pack(), dict[str, Any]()
    for name, one in (("trained", simulator), ("untrained", Simulator(run))):
        series = states(one)
        result[name] = {
            "correlation": [round(float(r), 3) for r in correlations(series, snow)],
            "read": round(read_snow(series, snow), 3),
        }
    result["pulses"] = [rounded(extra_flow(simulator.simulate, days)) for days in pulse_days()]
    if run.model == "LSTM":
        unit = int(np.argmax(np.abs(result["trained"]["correlation"])))
        result["trace"] = " ".join(f"{x:.3f}" for x in states(simulator)[HALVES[1], unit])
        result["off"] = off(simulator)
    return result


def off(simulator: Simulator) -> list[list[float]]:
    """Return, for each unit, the error with it switched off over the error with none.

    There are two ratios per unit: from December to March, and in the other months.
    """
    winter = np.isin(DAYS.astype("datetime64[M]").astype(int) % 12, (11, 0, 1, 2))
    seasons = later_days() & winter, later_days() & ~winter

    def errors(said: Array) -> Array:
        return np.array([rms(said[days] - DISCHARGE[days]) for days in seasons])

    whole = errors(simulator.simulate())
    return [rounded(errors(switched_off(simulator, k)) / whole) for k in range(UNITS)]


def rounded(values: Array) -> list[float]:
    """Return values as a list that a record can hold."""
    return [round(float(x), 4) for x in values]


def rms(errors: Array) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean(errors**2)))


# Comparing


def held_out_days() -> Array:
    """Return the places of all held-out days, in the order in which the folds hold them out."""
    return np.concatenate([np.flatnonzero(HALVES[1 - fold]) for fold in (0, 1)])


def resampled(simulated: list[Array], draws: int = 4000) -> Array:
    """Return Nash-Sutcliffe efficiencies of series over months drawn with replacement.

    Days that follow one another have similar errors, so whole months are drawn, and the same ones
    for all series. That lets you compare two series draw by draw.

    Parameters
    ----------
    simulated
        S series of all held-out days, in the order of `held_out_days`.
    draws
        How often to draw.

    Returns
    -------
    (S, draws)

    References
    ----------
    Künsch (1989), doi:10.1214/aos/1176347265.
    """
    places = held_out_days()
    observed = DISCHARGE[places]
    _, month = np.unique(DAYS[places].astype("datetime64[M]"), return_inverse=True)
    rng = np.random.default_rng(0)
    times = rng.multinomial(month.max() + 1, np.full(month.max() + 1, 1 / (month.max() + 1)), draws)

    def total(values: Array) -> Array:
        return times @ np.bincount(month, values)  # (draws,)

    spread = total(observed**2) - total(observed) ** 2 / total(np.ones(len(observed)))
    return np.array([1 - total((said - observed) ** 2) / spread for said in simulated])


def best_setting(tuning: list[dict[str, Any]], names: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the setting, the values of these names, with the best mean on the choosing half."""
    scores: dict[tuple[Any, ...], list[float]] = {}
    for one in tuning:
        scores.setdefault(tuple(one[name] for name in names), []).append(one["choosing"])
    return max(scores, key=lambda setting: float(np.mean(scores[setting])))


def measure(kept: Path) -> dict[str, Any]:
    """Calibrate, tune, and do the runs; finished ones are kept in a file."""
    import scipy
    import sklearn

    years = len(TRAINING_YEARS)
    results: dict[str, Any] = {
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
        "buckets": resume(
            [
                *(Calibration(years, True, seed) for seed in SEEDS),
                *(Calibration(few, True, 0) for few in FEWER_YEARS),
                Calibration(years, False, 0),
            ],
            calibrate,
            kept,
        ),
        "linear": [linear(fold) for fold in (0, 1)],
        "tuning": [],
        "runs": [],
        "trees": {"tuning": [], "runs": []},
    }
    results["pulses"] = [rounded(extra_flow(buckets_flow, days)) for days in pulse_days()]
    for fold, model in itertools.product((0, 1), ("LSTM", "RNN")):
        grid = [
            Run(fold, model, "weather", years, rate, l2, seed)
            for rate in RATES[model]
            for l2 in PENALTIES[model]
            for seed in TUNING_SEEDS
        ]
        tuning = resume(grid, _tuning, kept)
        rate, l2 = best_setting(tuning, ("learning_rate", "l2"))
        results["tuning"] += tuning
        lessons = [("weather", years)]
        if model == "LSTM":
            lessons += [("weather and season", years), ("buckets first", years)]
            lessons += [("weather", few) for few in FEWER_YEARS]
        for lesson, few in lessons:
            runs = [Run(fold, model, lesson, few, rate, l2, seed) for seed in SEEDS]
            main = (lesson, few) == ("weather", years)
            results["runs"] += resume(runs, _whole if main else _score, kept)
    shapes = itertools.product(STEPS, LEAVES, TUNING_SEEDS)
    tuned = resume([Trees(*shape) for shape in shapes], _boosted, kept)
    results["trees"]["tuning"] = tuned
    for fold in (0, 1):
        mine = [{**one, "choosing": one["choosing"][fold]} for one in tuned]
        step, leaves = best_setting(mine, ("step", "leaves"))
        chosen = [Trees(step, leaves, seed) for seed in SEEDS]
        results["trees"]["runs"] += [
            {
                **one,
                "fold": fold,
                **{
                    name: one[name][fold] for name in ("trees", "choosing", "held out", "simulated")
                },
            }
            for one in resume(chosen, boosted, kept)
        ]
    return results


def _whole(run: Run) -> dict[str, Any]:
    simulator, result = train(run)
    return result if run.fold else {**result, "inside": inside(run, simulator)}


def _score(run: Run) -> dict[str, Any]:
    return {key: one for key, one in train(run)[1].items() if key != "simulated"}


def _tuning(run: Run) -> dict[str, Any]:
    return {key: one for key, one in _score(run).items() if key != "held out"}


def _boosted(run: Trees) -> dict[str, Any]:
    hidden = ("simulated", "held out")
    return {key: one for key, one in boosted(run).items() if key not in hidden}
