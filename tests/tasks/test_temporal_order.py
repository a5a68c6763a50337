import numpy as np

from lstm_course import tasks
from lstm_course.tasks.temporal_order import CLASSES, SYMBOLS


def rng(seed=0):
    return np.random.default_rng(seed)


def test_temporal_order_wants_the_signals_in_their_order():
    xs, targets, mask, _, _ = tasks.temporal_order(30, 500, rng=rng())
    symbols = xs.argmax(axis=2)
    assert (xs.sum(axis=2) == 1).all()
    places = []
    for n in range(500):
        signals = np.flatnonzero(symbols[:, n] >= 4)
        assert len(signals) == 2
        places.append(signals)
        assert "".join(SYMBOLS[k] for k in symbols[signals, n]) == CLASSES[targets[-1, n]]
    first, second = np.array(places).T
    assert set(first) == {3, 4, 5}
    assert set(second) == {15, 16, 17}
    assert np.allclose(np.bincount(targets[-1]) / 500, 0.25, atol=0.06)
    assert set(symbols.ravel()) == set(range(6))
    assert mask[-1].all()
    assert not mask[:-1].any()
