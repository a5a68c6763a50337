import sys
import threading

import numpy as np
import pytest

from lstm_course import _memory, fast
from lstm_course.cell import LSTMParams

SHAPE = (3, _memory.LARGE // 8)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(_memory, "_kept", [])


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_that_nothing_refers_to_serves_again():
    first = _memory.empty(SHAPE, np.float64)
    assert first.shape == SHAPE
    assert first.dtype == np.float64
    where = address(first)
    del first
    again = _memory.empty((SHAPE[1], 5), np.float32)  # other shape, other type, a little less
    assert address(again) == where
    assert again.shape == (SHAPE[1], 5)
    assert again.dtype == np.float32


@pytest.mark.parametrize(
    "hold", [lambda a: a, lambda a: a[1:, ::2].T, lambda a: a.view(np.int64), memoryview]
)
def test_memory_in_use_does_not(hold):
    first = _memory.empty(SHAPE, np.float64)
    first[...] = 1.0
    held = hold(first)
    before = np.array(held)
    del first
    _memory.empty(SHAPE, np.float64)[...] = 2.0
    np.testing.assert_array_equal(np.array(held), before)


def test_small_and_much_larger_memory_is_left_alone():
    small = _memory.empty((2, 3), np.float32)
    assert (small.shape, small.dtype, _memory._kept) == ((2, 3), np.float32, [])
    _memory.empty((3 * _memory.LARGE,), np.uint8)
    _memory.empty((_memory.LARGE,), np.uint8)
    assert [one.nbytes // _memory.LARGE for one in _memory._kept] == [3, 1]


def test_no_more_is_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(_memory, "KEPT", 4 * _memory.LARGE)
    held = [_memory.empty((_memory.LARGE,), np.uint8) for _ in range(6)]
    for k, array in enumerate(held):
        array[...] = k
    assert len(_memory._kept) == 4
    assert [array[0] for array in held] == list(range(6))


def test_threads_never_share(monkeypatch):
    clashes = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(mark):
        for _ in range(200):
            array = _memory.empty((_memory.LARGE,), np.uint8)
            array[:8] = mark
            if (array[:8] != mark).any():
                clashes.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert not clashes


def test_a_second_run_finds_the_memory_of_the_first_and_results_stay(monkeypatch):
    monkeypatch.setattr(_memory, "LARGE", 1)
    rng = np.random.default_rng(0)
    params = LSTMParams.init(3, 4, rng=rng)
    xs = rng.normal(size=(6, 2, 3))

    def run(xs):
        hs, finals, cache = fast.lstm_forward(xs, params)
        dxs, dh0, dc0, grads = fast.lstm_backward(np.ones_like(hs), cache)
        return [hs, *finals, dxs, dh0, dc0, *grads.arrays()], cache

    first, cache = run(xs)
    before = [array.copy() for array in first]
    gates = cache.blocks.copy()
    run(-xs)
    for array, copy in zip(first, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(cache.blocks, gates)
    sizes = []
    for _ in range(6):
        run(-xs)
        sizes.append(len(_memory._kept))
    assert sizes[2] == sizes[-1] < 20  # each run takes several
