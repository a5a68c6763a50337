"""Print the most memory one training run takes: `python -m benchmarks.memory NAME SIZE` (Linux)."""

import ctypes
import os
import sys
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch

from benchmarks.rivals import SIZES, Case, training


def status(field: str) -> float:
    """Return a field of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    name, size = sys.argv[1:]
    torch.set_num_threads(1)
    training(Case((2, 2, 4, 4), np.float32))[name]()  # what a first run loads
    run = training(Case(SIZES[size], np.float32))[name]
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed before would not count when used again
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    results = run()
    print(round(status("VmHWM") - before, 1))
