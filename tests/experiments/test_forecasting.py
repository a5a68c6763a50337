import numpy as np
import pytest

from lstm_course import experiments
from lstm_course.experiments import forecasting


def test_the_parts_of_a_stretch_follow_one_another():
    for start, stop in forecasting.STRETCHES.items():
        part = forecasting.parts(start)
        np.testing.assert_array_equal(np.concatenate(part), np.arange(stop - 1700))
        assert [len(part.choosing), len(part.calibration)] == [25, 25]
        assert forecasting.YEARS[part.held_out[0]] == start
        assert len(part.training) > forecasting.PIECE


@pytest.mark.parametrize("model", forecasting.MODELS)
def test_a_forecast_depends_on_no_later_number(model, monkeypatch):
    run = forecasting.Run(1950, model, 4, 0.01, 0)
    places = np.array([250, 300])
    before = forecasting.Forecaster(run).ahead(places, 3)
    changed = forecasting.NUMBERS.copy()
    changed[298:] += 50.0
    monkeypatch.setattr(forecasting, "NUMBERS", changed)
    after = forecasting.Forecaster(run).ahead(places, 3)
    np.testing.assert_array_equal(after[:, 0], before[:, 0])
    assert after[2, 1] == before[2, 1]  # known until 297
    assert (after[:2, 1] != before[:2, 1]).all()
    assert (before >= 0).all()


@pytest.mark.parametrize("model", forecasting.MODELS)
def test_two_years_ahead_is_one_year_ahead_of_a_forecast(model, monkeypatch):
    monkeypatch.setattr(forecasting, "PIECE", 59)
    forecaster = forecasting.Forecaster(forecasting.Run(1950, model, 4, 0.01, 0))
    said = forecaster.ahead(np.array([260]), 2)[1, 0]
    known = forecaster.ahead(np.array([259]))[0, 0]  # last known: 258
    forecaster.series[259] = (np.sqrt(known) - forecaster.middle) / forecaster.scale
    monkeypatch.setattr(forecasting, "PIECE", 60)  # the same start, a step more
    np.testing.assert_allclose(forecaster.ahead(np.array([260]))[0, 0], said, rtol=1e-4)


def test_training_sees_no_later_part(monkeypatch):
    monkeypatch.setattr(forecasting, "UPDATES", 50)
    run = forecasting.Run(1850, "LSTM, change", 4, 0.01, 1)
    (_, result), (_, again) = forecasting.train(run), forecasting.train(run)
    assert result == again
    changed = forecasting.NUMBERS.copy()
    changed[forecasting.parts(1850).calibration[0] :] = 1.0
    monkeypatch.setattr(forecasting, "NUMBERS", changed)
    _, other = forecasting.train(run)
    for name in ("updates", "choosing"):
        assert other[name] == result[name]
    assert other["calibration"][0] == result["calibration"][0]  # read before the change
    assert other["held out"] != result["held out"]


def test_an_autoregression_is_found_again():
    draws = np.random.default_rng(0)
    values = np.zeros(4000)
    for t in range(2, len(values)):
        values[t] = 1 + 1.2 * values[t - 1] - 0.7 * values[t - 2] + draws.normal()
    np.testing.assert_allclose(forecasting.fit_ar(values, 2), [1, 1.2, -0.7], atol=0.05)
    assert 2 <= forecasting.ar_order(values) <= 6
    weights = np.array([1, 1.2, -0.7])
    ahead = forecasting.ar_ahead(values, weights, np.array([50, 51]), 2)
    one = 1 + 1.2 * values[49] - 0.7 * values[48]
    np.testing.assert_allclose(ahead[0, 0], one)
    np.testing.assert_allclose(ahead[1, 1], 1 + 1.2 * one - 0.7 * values[49])


def test_baselines_know_only_what_was_known():
    part = forecasting.parts(1900)
    forecasts = forecasting.baselines(1900)
    places = np.concatenate([part.calibration, part.held_out])
    for k in (0, 4, 10):
        again = forecasting.NUMBERS[places - k - 1]
        np.testing.assert_array_equal(forecasts["this year again"][k], again)
    np.testing.assert_array_equal(forecasts["11 years before"][3], forecasting.NUMBERS[places - 11])
    assert all((one >= 0).all() and one.shape == (11, 75) for one in forecasts.values())


def test_intervals_hold_as_often_as_they_promise_when_years_can_be_exchanged():
    draws = np.random.default_rng(0)
    inside = []
    for _ in range(4000):
        truth = (10 + draws.normal(size=26)) ** 2
        forecasts = np.full(26, 100.0)
        low, high = forecasting.interval(forecasts[:25], truth[:25], forecasts[25:])
        inside.append(low[0] <= truth[25] <= high[0])
    assert abs(np.mean(inside) - 24 / 26) < 0.015
    with pytest.raises(ValueError, match=r"level is 0.99, expected one that 25 errors can give"):
        forecasting.interval(forecasts[:25], truth[:25], forecasts, 0.99)


def test_settings_are_chosen_by_the_mean_of_the_tuning_seeds():
    tuning = [
        {"start": 1850, "model": "LSTM, value", "units": 4, "learning_rate": rate, "choosing": one}
        for rate, errors in ((0.01, (1.0, 3.0)), (0.003, (1.9, 1.9)))
        for one in errors
    ]
    tuning += [one | {"start": 1900, "learning_rate": 0.1, "choosing": 0.0} for one in tuning[:1]]
    assert forecasting.best_setting(tuning, 1850, "LSTM, value") == (4, 0.003)


def test_measure_widens_a_grid_and_trains_other_seeds(monkeypatch, tmp_path):
    monkeypatch.setattr(forecasting, "STRETCHES", {1850: 1900})
    monkeypatch.setattr(forecasting, "SEEDS", range(2))
    least = {"LSTM, value": (4, 0.1), "LSTM, change": (8, 0.003)}

    def train(run):
        error = abs(np.log(run.learning_rate / least[run.model][1])) + abs(
            run.units - least[run.model][0]
        )
        return None, {**run._asdict(), "updates": 25, "choosing": float(error), "held out": []}

    monkeypatch.setattr(forecasting, "train", train)
    results = forecasting.measure(tmp_path / "kept")
    tried = {model: set() for model in least}
    for one in results["tuning"]:
        tried[one["model"]].add(one["learning_rate"])
        assert set(one) == {*forecasting.Run._fields, "updates", "choosing"}
    assert tried["LSTM, change"] == set(forecasting.LEARNING_RATES)
    assert tried["LSTM, value"] == {0.3, 0.1, *forecasting.LEARNING_RATES}
    assert [(one["units"], one["learning_rate"]) for one in results["runs"]] == [
        least[model] for model in least for _ in range(2)
    ]
    assert [one["seed"] for one in results["runs"]] == [0, 1, 0, 1]


def test_the_record_holds_every_run():
    record = experiments.recorded("forecasting")
    fields = forecasting.Run._fields
    pairs = [(start, model) for start in forecasting.STRETCHES for model in forecasting.MODELS]
    assert record["updates"] == forecasting.UPDATES
    assert not set(forecasting.SEEDS) & set(forecasting.TUNING_SEEDS)
    tuning, runs = (
        [tuple(one[k] for k in fields) for one in record[name]] for name in ("tuning", "runs")
    )
    assert len(set(tuning)) == len(tuning)
    wanted = []
    for pair in pairs:
        units, rate = forecasting.best_setting(record["tuning"], *pair)
        rates = {one[3] for one in tuning if one[:2] == pair}
        assert rates >= set(forecasting.LEARNING_RATES)
        assert min(rates) < rate < max(rates)
        assert {one for one in tuning if one[:2] == pair} == {
            (*pair, size, value, seed)
            for size in forecasting.UNITS
            for value in rates
            for seed in forecasting.TUNING_SEEDS
        }
        wanted += [(*pair, units, rate, seed) for seed in forecasting.SEEDS]
    assert runs == wanted
    for one in record["runs"]:
        truth = forecasting.NUMBERS[forecasting.parts(one["start"]).held_out]
        assert abs(forecasting.rms(np.array(one["held out"]) - truth) - one["ahead"][0]) < 0.05
        assert len(one["calibration"]) == 25
        assert len(one["looks"]) == forecasting.UPDATES // forecasting.EVERY
        assert abs(one["looks"][one["updates"] // forecasting.EVERY - 1] - one["ahead"][0]) < 0.02
