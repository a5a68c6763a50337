import numpy as np
import pytest

from lstm_course import tasks
from lstm_course.models import BucketParams, buckets, potential_evaporation

PARAMS = BucketParams(0.5, 3.0, 200.0, 2.0, 1.2, 1.0, 0.1, 0.3, 0.02, 0.4)
DAYS, WEATHER, _ = tasks.river()
POTENTIAL = potential_evaporation(DAYS, WEATHER)


def test_no_water_is_lost_or_made():
    done = buckets(WEATHER, POTENTIAL, PARAMS)
    held = done.snow + done.soil + done.upper + done.lower + done.channel
    start = PARAMS.capacity / 2 + 20
    came = np.cumsum(WEATHER[:, 0])
    left = np.cumsum(done.flow + done.evaporation)
    np.testing.assert_allclose(start + came - left, held, rtol=1e-9)
    assert all((one >= 0).all() for one in done)


def test_several_models_run_side_by_side_as_they_do_alone():
    other = PARAMS._replace(threshold=-1.0, capacity=90.0, power=0.0)
    both = BucketParams(*np.transpose([PARAMS, other]))
    flow = buckets(WEATHER[:400], POTENTIAL[:400], both).flow
    for column, params in zip(flow.T, (PARAMS, other), strict=True):
        np.testing.assert_allclose(column, buckets(WEATHER[:400], POTENTIAL[:400], params).flow)


def test_snow_waits_for_the_thaw():
    weather = np.array([[20.0, -4.0, -8.0]] + 9 * [[0.0, -2.0, -6.0]] + 5 * [[0.0, 6.0, 2.0]])
    dry = weather * [0, 1, 1]
    extra = buckets(weather, np.zeros(15), PARAMS).flow - buckets(dry, np.zeros(15), PARAMS).flow
    np.testing.assert_allclose(extra[:10], 0, atol=1e-12)
    assert extra[10] > 0
    snow = buckets(weather, np.zeros(15), PARAMS).snow
    # 3 mm per degree above 0.5, and the days have 4 degrees
    np.testing.assert_allclose(snow[9:12], [20, 9.5, 0])


def test_a_store_without_power_is_a_linear_reservoir():
    params = PARAMS._replace(threshold=-99.0, shape=0.0, percolation=0.0, power=0.0, routing=1.0)
    weather = np.zeros((30, 3))
    weather[0, 0] = 50
    done = buckets(weather, np.zeros(30), params)
    np.testing.assert_allclose(done.upper, 50 * 0.9 ** np.arange(1, 31), rtol=1e-6)


def test_evaporation_is_large_in_summer_and_none_in_hard_frost():
    month = DAYS.astype("datetime64[M]").astype(int) % 12
    by_month = [POTENTIAL[month == k].mean() for k in range(12)]
    assert np.argmax(by_month) in (5, 6, 7)
    assert np.argmin(by_month) in (11, 0)
    assert (POTENTIAL[WEATHER[:, 1:].mean(axis=1) <= -5] == 0).all()
    year = POTENTIAL.sum() / 10
    assert 500 < year < 800  # mm, as in Central Europe
    with pytest.raises(ValueError, match="latitude is 70, expected between -66 and 66"):
        potential_evaporation(DAYS, WEATHER, 70)


def test_bad_input_gets_one_sentence():
    with pytest.raises(ValueError, match=r"potential has shape \(2,\), expected \(3,\)"):
        buckets(np.zeros((3, 3)), np.zeros(2), PARAMS)
    with pytest.raises(ValueError, match="weather holds nan"):
        buckets(np.full((3, 3), np.nan), np.zeros(3), PARAMS)
