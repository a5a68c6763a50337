"""A river as learners write it: what is said of slips that are easily made."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused
from lstm_course import tasks
from lstm_course.exercises import ch25_river as river
from lstm_course.models import BucketParams, buckets


def test_the_examples_of_the_text():
    observed = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(river.efficiencies(2 * observed, observed), [-6, 1 - np.sqrt(2)])
    left, water = river.snow_day(
        np.full(3, 10.0), np.full(3, 5.0), np.array([-2.0, 2.0, 5.0]), 0.0, 3.0
    )
    np.testing.assert_allclose([left, water], [[15, 4, 0], [0, 11, 15]])


def test_the_answers_are_what_the_package_does():
    for case in river.EFFICIENCIES_QUESTION.exam.cases:
        simulated, observed = case.arguments.values()
        wanted = tasks.nash_sutcliffe(simulated, observed), tasks.kling_gupta(simulated, observed)
        np.testing.assert_allclose(river.efficiencies(simulated, observed), wanted)
    _, weather, _ = tasks.river()
    weather = weather[:200]
    params = BucketParams(0.5, 3.0, 200.0, 2.0, 1.2, 1.0, 0.1, 0.3, 0.02, 0.4)
    snow = np.zeros(1)
    for day, wanted in zip(weather, buckets(weather, np.zeros(200), params).snow, strict=True):
        snow, _ = river.snow_day(snow, day[:1], day[1:].mean(keepdims=True), 0.5, 3.0)
        np.testing.assert_allclose(snow, wanted)


def test_the_cells_are_reservoirs():
    outflow, let_in = np.array([0.5, 0.1, 0.02]), np.array([0.5, 0.7, 0.9])
    W, b = river.reservoirs(outflow, let_in, 10.0, np.full(3, 0.2))
    rain = np.random.default_rng(0).gamma(0.5, 4.0, size=(40, 1, 1))
    _, _, cache = lc.lstm_forward(rain, lc.LSTMParams(W, np.zeros((12, 3)), b))
    cells = lc.trace(cache)["c"][:, 0]
    inflow = let_in * np.tanh(rain[:, 0] * W[6:9, 0])
    content = np.zeros(3)
    for t in range(40):
        content = (1 - outflow) * content + inflow[t]
        np.testing.assert_allclose(cells[t], content)


def with_faults(r=lambda r: r, root=np.sqrt):
    def efficiencies(simulated, observed):
        nse = 1 - np.mean((simulated - observed) ** 2) / observed.var()
        apart = (
            r(np.corrcoef(simulated, observed)[0, 1]) - 1,
            simulated.std() / observed.std() - 1,
            simulated.mean() / observed.mean() - 1,
        )
        return float(nse), float(1 - root(np.sum(np.square(apart))))

    return efficiencies


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (with_faults(r=lambda r: r**2), "You square the correlation"),
        (with_faults(root=lambda x: x), "the root is missing"),
        (lambda s, o: with_faults()(o, s), "swap the two arguments"),
    ],
)
def test_a_fault_in_an_efficiency_is_named(answer, said):
    assert lc.check("efficiencies", with_faults()).passed
    assert said.lower() in refused("efficiencies", answer).lower()


def test_the_package_s_efficiencies_are_not_allowed():
    def efficiencies(simulated, observed):
        return tasks.nash_sutcliffe(simulated, observed), tasks.kling_gupta(simulated, observed)

    assert "which is not allowed here" in refused("efficiencies", efficiencies)


def test_water_that_is_made_or_lost_is_noticed():
    def leaking(snow, fallen, temperature, threshold, melt):
        left, water = river.snow_day(snow, fallen, temperature, threshold, melt)
        return left, 0.97 * water

    assert "Water is lost or made" in refused("snow-day", leaking)


def test_a_gate_that_keeps_the_outflow_is_named():
    def reservoirs(outflow, let_in, rain, stored):
        return river.reservoirs(1 - outflow, let_in, rain, stored)

    assert "It's named after forgetting" in refused("reservoir-cell", reservoirs)
