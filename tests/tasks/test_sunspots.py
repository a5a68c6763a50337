import numpy as np

from lstm_course import tasks


def test_sunspots_are_the_series_that_its_docstring_states():
    years, numbers = tasks.sunspots()
    assert (years == np.arange(1700, 2009)).all()
    assert len(numbers) == 309
    assert years[numbers == 0].tolist() == [1711, 1712, 1810]
    # years of the cycles' maxima, from 1755 on, as they are numbered since Wolf
    known = (1761, 1769, 1778, 1787, 1804, 1816, 1830, 1837, 1848, 1860, 1870, 1883, 1893, 1905)
    known += (1917, 1928, 1937, 1947, 1957, 1968, 1979, 1989, 2000)
    for year in known:
        around = numbers[year - 1700 - 3 : year - 1700 + 4]
        assert around.max() == numbers[year - 1700]
    assert np.isclose(numbers.sum(), 15373.4)


def test_series_windows_want_the_next_value_and_read_nothing_later():
    values = np.random.default_rng(0).normal(size=50)
    inputs, targets, mask, _, _ = tasks.series_windows(values, 7, np.array([7, 20, 49]), burn_in=4)
    assert inputs.shape == targets.shape == mask.shape == (7, 3, 1)
    for n, end in enumerate((7, 20, 49)):
        np.testing.assert_array_equal(inputs[:, n, 0], values[end - 7 : end])
        assert targets[-1, n, 0] == values[end]
    np.testing.assert_array_equal(inputs[1:], targets[:-1])
    assert mask[4:].all()
    assert not mask[:4].any()
