import subprocess
import sys

import numpy as np
import pytest

from lstm_course import tasks
from lstm_course.tasks.river import AREA


def test_the_river_is_the_series_that_its_docstring_states():
    days, weather, discharge = tasks.river()
    assert (np.diff(days) == np.timedelta64(1, "D")).all()
    assert [str(days[0]), str(days[-1])] == ["1979-01-01", "1988-12-31"]
    assert weather.shape == (len(days), 3)
    assert np.isfinite(weather).all()
    rain, warmest, coldest = weather.T
    assert (rain >= 0).all()
    assert (warmest >= coldest).all()
    assert discharge.min() == 8.55
    assert str(days[discharge.argmax()]) == "1984-02-08"
    # what runs off is less than what falls
    flow = discharge.mean() * 86.4 / AREA
    assert 0.35 < flow / rain.mean() < 0.45


def test_yesterday_s_discharge_is_the_baseline_that_the_docstring_states():
    _, _, discharge = tasks.river()
    assert round(tasks.nash_sutcliffe(discharge[:-1], discharge[1:]), 2) == 0.82
    mean = np.full(len(discharge), discharge.mean())
    assert tasks.nash_sutcliffe(mean, discharge) == 0


def test_reading_the_river_imports_nothing_of_spotpy():
    code = (
        "import sys; from lstm_course import tasks; tasks.river(); print('spotpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_spotpy_one_sentence_says_what_to_install(monkeypatch):
    module = sys.modules["lstm_course.tasks.river"]  # the package has a function of that name
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="the river comes with spotpy: pip install spotpy"):
        tasks.river()


def test_water_years_begin_in_october():
    days = np.arange("1980-01-01", "1982-01-01", dtype="datetime64[D]")
    years = tasks.water_years(days)
    assert np.bincount(years)[1980:].tolist() == [274, 365, 92]
    assert (np.diff(years) >= 0).all()


def test_windows_want_the_discharge_of_the_same_day():
    draws = np.random.default_rng(0)
    weather, discharge = draws.normal(size=(50, 3)), draws.normal(size=50)
    ends = np.array([6, 20, 49])
    inputs, targets, mask, _, _ = tasks.river_windows(weather, discharge, 7, ends, burn_in=4)
    assert inputs.shape == (7, 3, 3)
    assert targets.shape == mask.shape == (7, 3, 1)
    for n, end in enumerate(ends):
        np.testing.assert_array_equal(inputs[:, n], weather[end - 6 : end + 1])
        np.testing.assert_array_equal(targets[:, n, 0], discharge[end - 6 : end + 1])
    assert mask[4:].all()
    assert not mask[:4].any()


def test_efficiencies_are_those_of_their_equations():
    draws = np.random.default_rng(1)
    observed = draws.gamma(2.0, size=200)
    simulated = 1.2 * observed + draws.normal(size=200)
    share = np.mean((simulated - observed) ** 2) / observed.var()
    assert np.isclose(tasks.nash_sutcliffe(simulated, observed), 1 - share)
    r = np.corrcoef(simulated, observed)[0, 1]
    apart = [r - 1, simulated.std() / observed.std() - 1, simulated.mean() / observed.mean() - 1]
    assert np.isclose(tasks.kling_gupta(simulated, observed), 1 - np.linalg.norm(apart))
    for efficiency in (tasks.nash_sutcliffe, tasks.kling_gupta):
        assert np.isclose(efficiency(observed, observed), 1)
    # the decomposition by which Gupta et al. derive the one from the other, their equation 4
    alpha, beta = simulated.std() / observed.std(), (simulated - observed).mean() / observed.std()
    assert np.isclose(tasks.nash_sutcliffe(simulated, observed), 2 * alpha * r - alpha**2 - beta**2)
