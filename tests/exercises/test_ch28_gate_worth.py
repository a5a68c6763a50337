"""Effects and verdicts as learners write them: what is said of slips that are easily made."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused
from lstm_course.exercises import ch28_gate_worth as gate_worth


def test_the_example_of_the_text():
    found = gate_worth.effect(np.array([100.0, 400.0]), np.array([200.0, 200.0]), 1.0)
    np.testing.assert_allclose(found, [1, 0.5, 2])


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(2000):
        standard = np.exp(rng.normal(5, 0.5, 8))
        variant = standard * np.exp(rng.normal(np.log(1.3), 0.4, 8))
        _, low, high = gate_worth.effect(variant, standard, 2.365)
        held += low < 1.3 < high
    assert abs(held / 2000 - 0.95) < 0.015


def test_the_spread_is_named():
    def with_error(error):
        def effect(variant, standard, quantile):
            d = np.log(variant / standard)
            half = quantile * error(d)
            return np.exp(d.mean()), np.exp(d.mean() - half), np.exp(d.mean() + half)

        return effect

    assert lc.check("effect", with_error(lambda d: d.std(ddof=1) / len(d) ** 0.5)).passed
    assert "ddof=1" in refused("effect", with_error(lambda d: d.std() / len(d) ** 0.5))
    assert "root of S" in refused("effect", with_error(lambda d: d.std(ddof=1)))


@pytest.mark.parametrize("least", [1.1, 1.25, 2.0])
def test_a_verdict_holds_for_every_ratio_inside_the_interval(least):
    rng = np.random.default_rng(0)
    low = np.exp(rng.normal(0, 0.5, 200))
    high = low * np.exp(rng.exponential(0.4, 200))
    codes = gate_worth.verdict(low, high, least)
    assert set(codes) == {0, 1, 2, 3}
    for a, b, code in zip(low, high, codes, strict=True):
        inside = np.linspace(a, b, 3000)
        regions = np.where(inside > least, 1, np.where(inside < 1 / least, 2, 3))
        assert (code == regions).all() if code else len(set(regions)) > 1


def test_significant_is_not_what_matters():
    def by_one(low, high, least):
        return np.where(low > 1, 1, np.where(high < 1, 2, 0))

    assert "enough to matter" in refused("verdict", by_one)
