"""Large arrays in memory that earlier calls have left, so that the system need not clear more."""

import math
import sys
import threading

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import Array

LARGE = 2**20
"""Below this many bytes, the allocator keeps memory by itself."""
KEPT = 2**29
"""At most this many bytes are kept."""

_kept: list[Array] = []  # bytes, the longest unused first
_lock = threading.Lock()
_only_listed = [np.empty(0)]
_FREE = sys.getrefcount(_only_listed[0])


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return what np.empty returns, in kept memory if some of it is no longer in use.

    When the system hands out memory, it clears each page at first touch. For the arrays of a long
    sequence, that can take longer than running the sequence.
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
