import numpy as np

from lstm_course import tasks


def rng(seed=0):
    return np.random.default_rng(seed)


def test_recall_wants_the_marked_symbol():
    xs, targets, mask, _, _ = tasks.recall(9, 500, rng=rng())
    symbols, marks = xs[:, :, :4], xs[:, :, 4]
    assert (symbols.sum(axis=2) == 1).all()
    assert (marks[:4].sum(axis=0) == 1).all()  # in the first half
    assert (marks[4:] == 0).all()
    assert (marks[:4].sum(axis=1) > 0).all()  # everywhere in it
    for n in range(500):
        assert symbols[marks[:, n] == 1, n, targets[-1, n]] == [1]
    assert np.allclose(np.bincount(targets[-1]) / 500, 0.25, atol=0.06)
    assert mask[-1].all()
    assert not mask[:-1].any()
