"""How a guest in bubblewrap begins: it imports what is large, limits itself for good, and serves.

The grader sends this module into the sandbox beside `guest`. Limits count from here on, so that
they are the learner's, whatever size and speed a build of PyTorch has.
"""

import contextlib
import math
import mmap
import os
import resource
import struct

from lstm_course.grading import guest

FILES, THREADS = 64, 256


def serve(seconds: float, memory: int) -> None:
    """Serve the grader at the other end of standard input and output, within limits.

    From now on, all threads together may take `seconds` of processor time, and `memory` bytes of
    address space beyond what is taken already.
    """
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)

    def exchange(message: bytes) -> bytes:
        sink.write(struct.pack("<I", len(message)) + message)
        sink.flush()
        length = source.read(4)
        return source.read(*struct.unpack("<I", length)) if length else os._exit(0)

    for name in ("torch", "triton.language"):
        with contextlib.suppress(ImportError):
            __import__(name)
    _limit(seconds, memory)
    guest.serve(exchange)


def _limit(seconds: float, memory: int) -> None:
    """Set limits that this process can't raise again."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime + seconds)
    space = _address_space() + memory
    for limit, most in (
        (resource.RLIMIT_CPU, until),
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_NPROC, THREADS),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most + (limit == resource.RLIMIT_CPU)))


def _address_space() -> int:
    """Return how many bytes of address space are taken: there is no /proc to read it from."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    low, high = 0, 1 << 47
    while high - low > mmap.PAGESIZE:
        middle = (low + high) // 2
        resource.setrlimit(resource.RLIMIT_AS, (middle, most))
        try:
            mmap.mmap(-1, mmap.PAGESIZE).close()
            high = middle
        except OSError:
            low = middle
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    return high
