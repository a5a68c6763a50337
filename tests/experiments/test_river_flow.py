import itertools

import numpy as np
import pytest

from lstm_course import experiments
from lstm_course.cell import LSTMParams, lstm_step
from lstm_course.experiments import river_flow
from lstm_course.experiments.river_flow import Calibration, Run, Simulator, Trees
from lstm_course.layers import LSTM
from lstm_course.models import BucketParams, buckets
from lstm_course.rnn import RNN

RUN = Run(0, "LSTM", "weather", 5, 0.01, 0.001, 1)
PARAMS = BucketParams(1.0, 3.0, 220.0, 1.5, 1.8, 0.9, 0.08, 0.4, 0.01, 0.3)


@pytest.fixture
def small(monkeypatch):
    """Make everything small."""
    changes = {"UPDATES": 4, "EVERY": 2, "PIECE": 30, "BURN_IN": 10, "BATCH": 3, "UNITS": 4}
    changes |= {"FIRST_UPDATES": 2, "MADE_YEARS": 1, "TREES": 5, "POPULATION": 1, "GENERATIONS": 1}
    changes |= {
        "RATES": dict.fromkeys(("LSTM", "RNN"), (0.03, 0.01)),
        "STEPS": (0.1,),
        "LEAVES": (4,),
    }
    changes |= {"PENALTIES": dict.fromkeys(("LSTM", "RNN"), (0.0,))}
    changes |= {"SEEDS": range(2), "TUNING_SEEDS": range(100, 102), "FEWER_YEARS": (1,)}
    changes |= {"AFTER": 12, "STRENGTHS": (1.0, 10.0), "calibrated": lambda: PARAMS}
    for name, value in changes.items():
        monkeypatch.setattr(river_flow, name, value)
    days = river_flow.pulse_days()
    monkeypatch.setattr(river_flow, "pulse_days", lambda: tuple(some[:1] for some in days))


def test_the_parts_are_water_years_that_do_not_overlap():
    training = np.isin(river_flow.WATER_YEARS, river_flow.TRAINING_YEARS)
    first, second = river_flow.HALVES
    assert (training.astype(int) + first + second <= 1).all()
    days = river_flow.DAYS
    assert [str(days[part][k]) for part in (training, first, second) for k in (0, -1)] == [
        "1979-10-01",
        "1984-09-30",
        "1984-10-01",
        "1986-09-30",
        "1986-10-01",
        "1988-12-31",
    ]
    held_out = river_flow.held_out_days()
    assert len(set(held_out)) == len(held_out) == (first | second).sum()


@pytest.mark.parametrize("lesson", ["weather", "weather and season"])
@pytest.mark.parametrize("model", ["LSTM", "RNN"])
def test_a_day_s_discharge_depends_on_no_later_weather_and_on_no_discharge(model, lesson):
    simulator = Simulator(RUN._replace(model=model, lesson=lesson))
    kind = {"LSTM": LSTM, "RNN": RNN}[model]
    assert isinstance(simulator.model.recurrent, kind)
    before = simulator.simulate()
    weather = river_flow.WEATHER.copy()
    weather[2000:] += 5
    after = simulator.simulate(weather)
    np.testing.assert_array_equal(after[:2000], before[:2000])
    assert (after[2000:] != before[2000:]).any()


def test_the_two_kinds_of_network_are_of_one_size():
    sizes = [
        sum(a.size for a in Simulator(RUN._replace(model=model)).model.arrays)
        for model in ("LSTM", "RNN")
    ]
    assert abs(sizes[1] / sizes[0] - 1) < 0.03


def test_training_and_choosing_see_nothing_that_is_held_out(small, monkeypatch):
    (_, result), (_, again) = river_flow.train(RUN), river_flow.train(RUN)
    assert result == again
    changed = river_flow.DISCHARGE.copy()
    changed[river_flow.HALVES[1]] *= 3
    monkeypatch.setattr(river_flow, "DISCHARGE", changed)
    _, other = river_flow.train(RUN)
    for name in ("updates", "choosing", "simulated"):
        assert other[name] == result[name]
    assert other["held out"] != result["held out"]


def test_features_of_a_day_know_nothing_of_the_next():
    x = river_flow.features(river_flow.WEATHER[:60])
    changed = river_flow.WEATHER[:60].copy()
    changed[40:] += 3
    y = river_flow.features(changed)
    np.testing.assert_array_equal(y[:40], x[:40])
    assert (y[40, :24] != x[40, :24]).all()
    np.testing.assert_allclose(x[:, :3], river_flow.WEATHER[:60])  # an average of one day
    np.testing.assert_array_equal(x[3:, -9:-6], river_flow.WEATHER[2:59])


def test_a_calibration_stays_within_its_bounds_and_reads_training_years_alone(small, monkeypatch):
    run = Calibration(5, True, 0)
    result = river_flow.calibrate(run)
    for value, (low, high) in zip(result["params"], river_flow.BOUNDS, strict=True):
        assert low <= value <= high
    without = river_flow.calibrate(run._replace(snow=False))["params"]
    snow = buckets(river_flow.WEATHER, river_flow.POTENTIAL, BucketParams(*without)).snow
    assert not snow.any()
    changed = river_flow.DISCHARGE.copy()
    changed[river_flow.HALVES[0] | river_flow.HALVES[1]] = 1 + np.arange(1553) % 7
    monkeypatch.setattr(river_flow, "DISCHARGE", changed)
    assert river_flow.calibrate(run)["params"] == result["params"]


def test_made_years_are_made_of_training_months(small, monkeypatch):
    monkeypatch.setattr(river_flow, "MADE_YEARS", 2)
    weather, discharge = river_flow.made_river(2)
    assert len(weather) == len(discharge)
    assert 2 * 365 <= len(weather) <= 2 * 366
    training = np.isin(river_flow.WATER_YEARS, river_flow.TRAINING_YEARS)
    known = {tuple(day) for day in river_flow.WEATHER[training]}
    assert all(tuple(day) in known for day in weather)


def test_a_unit_that_is_switched_off_shows_its_mean(small):
    simulator = Simulator(RUN)
    W, U, b, V, d = (array.astype(float) for array in simulator.model.arrays)
    params, inputs = LSTMParams(W, U, b), simulator.read(river_flow.WEATHER).astype(float)[:200]
    unit, mean, means = 2, None, []
    for _ in range(2):  # first without, to know the mean
        h, c, said = np.zeros((1, 4)), np.zeros((1, 4)), []
        if mean is not None:
            h[0, unit] = mean
        for x in inputs:
            h, c, _ = lstm_step(x[None], h, c, params)
            means.append(h[0, unit])
            if mean is not None:
                h[0, unit] = mean
            said.append((h @ V.T + d).item())
        mean = np.mean(means)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(river_flow, "WEATHER", river_flow.WEATHER[:200])
        patch.setattr(river_flow, "DAYS", river_flow.DAYS[:200])
        off = river_flow.switched_off(simulator, unit)
    np.testing.assert_allclose(off, np.array(said) * simulator.spread + simulator.mean, rtol=1e-4)


def test_extra_flow_of_the_buckets_waits_for_the_thaw(monkeypatch):
    monkeypatch.setattr(river_flow, "calibrated", lambda: PARAMS)
    frost, mild = river_flow.pulse_days()
    temperature = river_flow.WEATHER[:, 1:].mean(axis=1)
    assert all((temperature[day : day + 10] < 0).all() for day in frost)
    assert all((temperature[day : day + 10] > 5).all() for day in mild)
    cold, warm = (
        river_flow.extra_flow(river_flow.buckets_flow, days[:3]) for days in (frost, mild)
    )
    assert cold[:9].sum() < 0.2 < warm[:9].sum()
    assert cold[9:].sum() > 1
    assert cold.sum() < river_flow.PULSE


def test_probes_read_what_is_there(small):
    draws = np.random.default_rng(0)
    snow = river_flow.snow_pack()
    noise = draws.normal(size=(len(snow), 3))
    assert abs(river_flow.correlations(noise, snow)).max() < 0.2
    assert river_flow.read_snow(noise, snow) < 0.05
    mixed = np.column_stack([noise, 2 * snow + noise[:, 0]])
    assert river_flow.correlations(mixed, snow)[3] > 0.95
    assert river_flow.read_snow(mixed, snow) > 0.99


def test_resampled_efficiencies_scatter_around_the_real_ones():
    places = river_flow.held_out_days()
    observed = river_flow.DISCHARGE[places]
    half = 0.5 * observed + 0.5 * observed.mean()
    drawn = river_flow.resampled([observed, half, np.full(len(observed), observed.mean())], 500)
    np.testing.assert_array_equal(drawn[0], 1)
    assert abs(np.median(drawn[1]) - 0.75) < 0.03
    assert -0.1 < np.median(drawn[2]) <= 0.0
    assert (drawn[2] <= 1e-9).all()  # the mean of the months drawn is a better rival


def test_what_is_packed_comes_out_again():
    values = np.array([1.25, 103.04, -0.3])
    np.testing.assert_allclose(river_flow.unpacked(river_flow.packed(values)), values, atol=0.051)


@pytest.mark.slow
def test_measure_does_all_runs_and_goes_on_after_an_interruption(small, tmp_path, monkeypatch):
    results = river_flow.measure(tmp_path / "kept")
    assert len(results["tuning"]) == 2 * 2 * 2 * 2
    main = [one for one in results["runs"] if "simulated" in one]
    assert [(one["fold"], one["model"], one["seed"]) for one in main] == list(
        itertools.product((0, 1), ("LSTM", "RNN"), (0, 1))
    )
    for one in main:
        half = river_flow.HALVES[1 - one["fold"]]
        assert len(river_flow.unpacked(one["simulated"])) == half.sum()
        assert ("inside" in one) == (one["fold"] == 0)
    lessons = {(one["lesson"], one["years"]) for one in results["runs"]}
    assert lessons == {
        ("weather", 5),
        ("weather and season", 5),
        ("buckets first", 5),
        ("weather", 1),
    }
    inside = next(one["inside"] for one in main if "inside" in one)
    assert len(inside["off"]) == len(inside["trained"]["correlation"]) == 4
    assert [len(curve) for curve in inside["pulses"]] == [12, 12]

    def never(run):
        raise AssertionError("done again")

    for name in ("train", "calibrate", "boosted"):
        monkeypatch.setattr(river_flow, name, never)
    assert river_flow.measure(tmp_path / "kept")["runs"] == results["runs"]


def test_the_record_holds_every_run():
    record = experiments.recorded("river_flow")
    assert not set(river_flow.SEEDS) & set(river_flow.TUNING_SEEDS)
    tuned = [tuple(one[name] for name in Run._fields) for one in record["tuning"]]
    assert tuned == [
        Run(fold, model, "weather", 5, rate, l2, seed)
        for fold in (0, 1)
        for model in ("LSTM", "RNN")
        for rate in river_flow.RATES[model]
        for l2 in river_flow.PENALTIES[model]
        for seed in river_flow.TUNING_SEEDS
    ]
    trees = [tuple(one[name] for name in Trees._fields) for one in record["trees"]["tuning"]]
    shapes = itertools.product(river_flow.STEPS, river_flow.LEAVES, river_flow.TUNING_SEEDS)
    assert trees == list(shapes)
    for fold, model in itertools.product((0, 1), ("LSTM", "RNN")):
        mine = [one for one in record["tuning"] if (one["fold"], one["model"]) == (fold, model)]
        rate, l2 = river_flow.best_setting(mine, ("learning_rate", "l2"))
        assert rate not in (river_flow.RATES[model][0], river_flow.RATES[model][-1])
        runs = [one for one in record["runs"] if (one["fold"], one["model"]) == (fold, model)]
        assert all((one["learning_rate"], one["l2"]) == (rate, l2) for one in runs)
        kinds = dict.fromkeys((one["lesson"], one["years"]) for one in runs)
        for kind in kinds:
            seeds = [one["seed"] for one in runs if (one["lesson"], one["years"]) == kind]
            assert seeds == list(river_flow.SEEDS)
