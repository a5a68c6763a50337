import numpy as np

from lstm_course import tasks


def rng(seed=0):
    return np.random.default_rng(seed)


def test_adding_wants_the_sum_of_the_two_marked_numbers():
    xs, targets, mask, _, _ = tasks.adding(9, 500, rng=rng())
    numbers, marks = xs[:, :, 0], xs[:, :, 1]
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert set(np.unique(marks)) == {0, 1}
    assert (marks[:4].sum(axis=0) == 1).all()  # one in the first half
    assert (marks[4:].sum(axis=0) == 1).all()
    assert (marks.sum(axis=1) > 0).all()  # everywhere in its half
    for n in range(500):
        assert np.isclose(targets[-1, n, 0], numbers[marks[:, n] == 1, n].sum())
    assert mask[-1].all()
    assert not mask[:-1].any()


def test_adding_has_the_baseline_that_its_docstring_states():
    targets = tasks.adding(5, 100_000, rng=rng()).targets[-1]
    assert np.isclose(np.mean((targets - 1) ** 2), 1 / 6, atol=2e-3)
