"""Large arrays in memory that earlier calls have left, which the system need not find again."""

import math
import sys
import threading

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import Array

LARGE = 2**20
"""Bytes below which the allocator keeps memory by itself."""
KEPT = 2**29
"""Bytes that are kept at most."""

_kept: list[Array] = []  # bytes, the longest unused first
_lock = threading.Lock()
_only_listed = [np.empty(0)]
_FREE = sys.getrefcount(_only_listed[0])


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return what np.empty returns, in kept memory if there is some that nothing refers to.

    A system that hands out memory clears it, page by page as it is touched; for the arrays of a
    long sequence that can take longer than the sequence.
    """
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    with _lock:
        free = [
            k
            for k in range(len(_kept))
            if size <= _kept[k].nbytes <= 2 * size and sys.getrefcount(_kept[k]) == _FREE
        ]
        if free:
            memory = _kept.pop(min(free, key=lambda k: _kept[k].nbytes))
        else:
            memory = np.empty(size, np.uint8)
        _kept.append(memory)
        while sum(one.nbytes for one in _kept) > KEPT:
            del _kept[0]
        return memory[:size].view(dtype).reshape(shape)
