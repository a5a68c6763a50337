"""Measure the package beside its rivals, on one thread, in turn, and record the result.

Two questions: what does importing the package cost, and how far is the readable forward pass
from torch.nn.LSTM? Ratios of medians are what counts; the spread says how far to trust them.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Before NumPy and torch load: two threads stall whenever anything else runs.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import torch

import lstm_course as lc
from lstm_course import experiments

RESULTS = Path(__file__).parent / "results" / "cpu.json"
SIZES = {"S1": (50, 1, 32, 32), "S2": (100, 32, 64, 128), "S3": (100, 64, 256, 256)}  # T, N, D, H
ROUNDS = 15


def alternate(rivals: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return seconds for each rival over ROUNDS rounds, taking turns, after one warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for round_ in range(-1, ROUNDS):
        for name, run in rivals.items():
            start = time.perf_counter()
            run()
            if round_ >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def summary(seconds: list[float]) -> dict[str, float]:
    """Return median, least and most, in milliseconds."""
    return {
        "median_ms": round(1e3 * statistics.median(seconds), 3),
        "min_ms": round(1e3 * min(seconds), 3),
        "max_ms": round(1e3 * max(seconds), 3),
    }


def forward(T: int, N: int, D: int, H: int, dtype: type) -> dict[str, dict[str, float]]:
    """Time the forward pass of the readable loop and of torch.nn.LSTM, with equal weights."""
    rng = np.random.default_rng(0)
    params = lc.LSTMParams.init(D, H, rng=rng, dtype=dtype)
    xs = rng.normal(size=(T, N, D)).astype(dtype)
    theirs = torch.nn.LSTM(D, H, dtype=torch.from_numpy(xs).dtype)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.from_numpy(params.weight_ih))
        theirs.weight_hh_l0.copy_(torch.from_numpy(params.weight_hh))
        theirs.bias_ih_l0.copy_(torch.from_numpy(params.bias))
        theirs.bias_hh_l0.zero_()
        tensor = torch.from_numpy(xs)
        close = 1e-4 if dtype == np.float32 else 1e-12
        assert np.allclose(
            lc.lstm_forward(xs, params)[0], theirs(tensor)[0].numpy(), rtol=0, atol=close
        )
        seconds = alternate(
            {
                "lstm_course": lambda: lc.lstm_forward(xs, params),
                "torch.nn.LSTM": lambda: theirs(tensor),
            }
        )
    return {name: summary(values) for name, values in seconds.items()}


def imports() -> dict[str, dict[str, float]]:
    """Time a fresh interpreter that imports NumPy, and one that imports the package."""

    def fresh(module: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True)

    seconds = alternate({"numpy": fresh("numpy"), "lstm_course": fresh("lstm_course")})
    return {name: summary(values) for name, values in seconds.items()}


def main() -> None:
    """Measure, print the table, write the JSON."""
    torch.set_num_threads(1)
    started = imports()
    added = started["lstm_course"]["median_ms"] - started["numpy"]["median_ms"]
    print(f"importing lstm_course adds {added:.0f} ms to importing NumPy")
    table = {}
    print(f"\nforward pass, one thread, median of {ROUNDS} (least to most), ms")
    for name, sizes in SIZES.items():
        for dtype in (np.float32, np.float64):
            row = forward(*sizes, dtype)
            ours, theirs = row["lstm_course"], row["torch.nn.LSTM"]
            ratio = ours["median_ms"] / theirs["median_ms"]
            table[f"{name} {dtype.__name__}"] = {"T N D H": sizes, **row, "ratio": round(ratio, 2)}
            columns = "   ".join(
                f"{who} {one['median_ms']:8.2f} ({one['min_ms']:.2f} to {one['max_ms']:.2f})"
                for who, one in (("readable", ours), ("torch", theirs))
            )
            print(f"{name} {dtype.__name__}: {columns}   ratio {ratio:.2f}")
    RESULTS.parent.mkdir(exist_ok=True)
    about = experiments.provenance("make bench")
    about["machine"]["threads used"] = 1
    about["versions"]["torch"] = torch.__version__
    record = {
        **about,
        "import": {**started, "added_ms": round(added, 1)},
        "forward": table,
    }
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    print(f"\nwritten to {RESULTS.relative_to(Path(__file__).parent.parent)}")


if __name__ == "__main__":
    main()
