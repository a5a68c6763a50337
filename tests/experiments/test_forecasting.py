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


def test_the_record_holds_every_run_of_the_design():
    record = experiments.recorded("forecasting")
    fields = forecasting.Run._fields
    assert [
        forecasting.Run(*(one[k] for k in fields)) for one in record["runs"]
    ] == forecasting.design()
    best = forecasting.best_runs(record["runs"])
    assert set(best) == {
        (start, model) for start in forecasting.STRETCHES for model in forecasting.MODELS
    }
    chosen = [one for group in best.values() for one in group]
    for one in record["runs"]:
        assert (one in chosen) == ("held out" in one)
    for (start, model), group in best.items():
        assert [one["seed"] for one in group] == list(forecasting.SEEDS)
        part, costs = forecasting.parts(start), {}
        for one in record["runs"]:
            if (one["start"], one["model"]) == (start, model):
                costs.setdefault((one["units"], one["learning_rate"]), []).append(one["choosing"])
        assert np.isclose(
            np.mean([one["choosing"] for one in group]), min(map(np.mean, costs.values()))
        )
        for one in group:
            truth = forecasting.NUMBERS[part.held_out]
            assert abs(forecasting.rms(np.array(one["held out"]) - truth) - one["ahead"][0]) < 0.05
            assert len(one["calibration"]) == 25
