"""Measure the cell in NumPy beside its rivals on one thread; `make bench`, about ten minutes.

Every number is taken in turns with what it is compared to. The record goes where its chapter loads
it from, the chart to benchmarks/results.
"""

import os

# Before NumPy and torch load: two threads stall whenever anything else runs.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import linecache
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import onnxruntime
import torch
from tqdm import tqdm

import lstm_course as lc
from benchmarks import rivals
from benchmarks.operations import measure
from benchmarks.rivals import FLOOR, SIZES, Case
from benchmarks.timing import compare, median, quartiles, ratios
from lstm_course import experiments

ROOT = Path(__file__).parent.parent
CHAPTER = ROOT / "book/4-fast/15-numpy-speed.ipynb"
FORWARD, BACKWARD = ("hoisted", "one_exponential", "in_place", "in_blocks"), ("deferred",)
"""The rungs between readable and fast, functions of the chapter."""
PIECES = ("input_part", "sigmoid_in_place", "memory_for", "loop_backward")
"""The first functions of the chapter's cells that hold what the rungs share."""
CHART = Path(__file__).parent / "results/cpu.png"
NOISE = 0.10
"""Above this spread of one unchanging run, the quartiles' distance over the median, beware."""


def row(seconds: Mapping[str, list[float]]) -> dict[str, Any]:
    """Return quartiles: milliseconds, ratios to the floor and to torch.nn.LSTM."""
    one: dict[str, Any] = {"rounds": len(seconds[FLOOR]), "milliseconds": {}}
    for name, values in seconds.items():
        one["milliseconds"][name] = [round(1e3 * q, 3) for q in quartiles(values)]
    for reference in (FLOOR, "torch.nn.LSTM"):
        one[f"over {reference}"] = {
            name: ratios(values, seconds[reference]) for name, values in seconds.items()
        }
    return one


def table(build: Callable[[Case], rivals.Runs], title: str) -> dict[str, Any]:
    """Compare all rivals at all sizes, print the medians and return the rows."""
    print(f"\n{title}: milliseconds (times {FLOOR}, times torch.nn.LSTM), medians")
    rows = {}
    for size, sizes in SIZES.items():
        for dtype in (np.float32, np.float64):
            case = Case(sizes, dtype)
            runs = build(case)
            rivals.check(runs, dtype)
            rows[f"{size} {dtype.__name__}"] = one = row(compare(runs))
            columns = (
                f"{name} {q[1]:.2f} ({one[f'over {FLOOR}'][name][1]:.2f}, "
                f"{one['over torch.nn.LSTM'][name][1]:.2f})"
                for name, q in one["milliseconds"].items()
            )
            print(f"{size} {dtype.__name__}: " + "   ".join(columns), flush=True)
    return rows


def rungs(*others: str) -> dict[str, Callable[..., Any]]:
    """Return what stands between readable and fast, as chapter 15 (numpy-speed) defines it.

    Cells that begin with one of `others` run too; `inspect` knows the source of all.
    """
    names = (*PIECES, *FORWARD, *BACKWARD)
    space: dict[str, Any] = {"np": np, "lc": lc}
    for cell in nbformat.read(CHAPTER, as_version=4).cells:
        if cell.source.startswith((*(f"def {name}(" for name in names), *others)):
            file = f"{CHAPTER.name}, cell {cell.id}"
            lines = cell.source.splitlines(keepends=True)
            linecache.cache[file] = (len(cell.source), None, lines, file)
            exec(compile(cell.source, file, "exec"), space)
    return space


def ladder() -> dict[str, Any]:
    """Time the rungs of chapter 15 (numpy-speed)."""
    space = rungs()
    table: dict[str, Any] = {"forward": {}, "backward": {}}
    for size, sizes in tqdm(SIZES.items(), desc="ladder", leave=False):
        case = Case(sizes, np.float32)
        kept, cache = (package.lstm_forward(case.xs, case.params)[2] for package in (lc, lc.fast))
        forward = {
            "readable": lc.lstm_forward,
            **{name: space[name] for name in FORWARD},
            "fast": lc.fast.lstm_forward,
        }
        table["forward"][size] = times_faster(
            {name: partial(run, case.xs, case.params) for name, run in forward.items()}
        )
        table["backward"][size] = times_faster(
            {
                "readable": partial(lc.lstm_backward, case.dhs, kept),
                **{name: partial(space[name], case.dhs, kept) for name in BACKWARD},
                "fast": partial(lc.fast.lstm_backward, case.dhs, cache),
            }
        )
    for direction, sizes_ in table.items():
        print(f"\n{direction}, float32: the time of the readable version over each rung's, medians")
        for size, one in sizes_.items():
            print(f"{size}: " + "   ".join(f"{name} {q[1]:.2f}" for name, q in one.items()))
    return table


def times_faster(runs: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return how many times faster than the first each is, as quartiles."""
    seconds = compare(runs)
    first = next(iter(seconds.values()))
    return {name: ratios(first, values) for name, values in seconds.items()}


def growth() -> dict[str, Any]:
    """Time forward and backward at growing T; fit the exponent p of T ** p from T = 200 on."""
    steps = [50, 100, 200, 400, 800, 1600, 3200]
    names = ("fast", "torch.nn.LSTM", "LSTMCell loop")
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for T in tqdm(steps, desc="growth in T", leave=False):
        runs = rivals.training(Case((T, 16, 32, 64), np.float32))
        values = compare({name: runs[name] for name in names})
        for name in names:
            seconds[name].append(median(values[name]))
    exponents = {
        name: round(float(np.polyfit(np.log(steps[2:]), np.log(values[2:]), 1)[0]), 3)
        for name, values in seconds.items()
    }
    print("\ntime grows as T to the power of", exponents)
    return {"N D H": [16, 32, 64], "steps": steps, "seconds": seconds, "exponent": exponents}


def memory() -> dict[str, Any]:
    """Return the most memory that one forward and backward run takes beyond its inputs, in MB."""
    print("\npeak memory of forward and backward, float32, MB")
    rows: dict[str, Any] = {}
    for size in ("S2", "S3", "S4", "S5"):
        rows[size] = {}
        for name in ("fast", "torch.nn.LSTM", "LSTMCell loop"):
            answer = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", name, size],
                check=True, capture_output=True, text=True, cwd=ROOT,
            )  # fmt: skip
            rows[size][name] = float(answer.stdout)
        print(f"{size}: {rows[size]}", flush=True)
    return rows


def operations() -> dict[str, Any]:
    """Measure single operations in both types."""
    found = {dtype.__name__: _rounded(measure(dtype)) for dtype in (np.float32, np.float64)}
    print("\noperations:", found)
    return found


def _rounded(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _rounded(value) for name, value in tree.items()}
    return float(f"{tree:.3g}")


def imports() -> dict[str, Any]:
    """Time a fresh interpreter that imports NumPy, and one that imports the package."""
    seconds = compare(
        {
            module: partial(subprocess.run, [sys.executable, "-c", f"import {module}"], check=True)
            for module in ("numpy", "lstm_course")
        }
    )
    added = round(1e3 * (median(seconds["lstm_course"]) - median(seconds["numpy"])), 1)
    print(f"importing lstm_course adds {added} ms to importing NumPy")
    return {"added milliseconds": added}


def noise(rows: Mapping[str, Any]) -> float:
    """Return the largest spread of the floor, the run that never changes; warn where it is wide."""
    spreads = {}
    for name, one in rows.items():
        low, middle, high = one["milliseconds"][FLOOR]
        spreads[name] = round((high - low) / middle, 3)
    worst = max(spreads, key=lambda name: spreads[name])
    if spreads[worst] > NOISE:
        print(
            f"\nWARNING: the same products took times that spread by {spreads[worst]:.0%}"
            f" ({worst}). This machine was busy: repeat before believing a ratio."
        )
    return spreads[worst]


def chart(rows: Mapping[str, Any]) -> None:
    """Draw forward and backward of all rivals over the floor."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained", sharey=True)
    for panel, dtype in zip(panels, ("float32", "float64"), strict=True):
        names = [name for name in rows[f"S1 {dtype}"]["milliseconds"] if name != FLOOR]
        for k, name in enumerate(names):
            quartile = np.array([rows[f"{size} {dtype}"][f"over {FLOOR}"][name] for size in SIZES])
            x = np.arange(len(SIZES)) + (k - (len(names) - 1) / 2) / (len(names) + 1)
            panel.bar(x, quartile[:, 1], 1 / (len(names) + 1), label=name)
            panel.vlines(x, quartile[:, 0], quartile[:, 2], color="0.3", linewidth=1)
        panel.axhline(1, color="0.3", linewidth=1)
        labels = [f"{name}\n" + "\n".join(map(str, sizes)) for name, sizes in SIZES.items()]
        panel.set_xticks(range(len(SIZES)), labels)
        panel.set(
            yscale="log", title=dtype, ylabel=f"time over {FLOOR}" if panel is panels[0] else ""
        )
        panel.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    panels[0].legend(frameon=False)
    figure.suptitle("Forward and backward, one thread (below each size: T, N, D, H)")
    CHART.parent.mkdir(exist_ok=True)
    figure.savefig(CHART, dpi=150)
    plt.close(figure)


def main() -> None:
    """Measure, print the tables, write record and chart."""
    torch.set_num_threads(1)
    results: dict[str, Any] = {"threads": 1, "sizes T N D H": SIZES}
    results["torch"], results["onnxruntime"] = torch.__version__, onnxruntime.__version__
    results["import"] = imports()
    results["operations"] = operations()
    results["ladder"] = ladder()
    results["forward"] = table(rivals.forward, "forward")
    results["training"] = table(rivals.training, "forward and backward")
    results["growth"] = growth()
    results["memory"] = memory()
    results["noise"] = max(noise(results["forward"]), noise(results["training"]))
    path = experiments.record("speed", "python -m benchmarks.cpu", results)
    chart(results["training"])
    print(f"\nwritten: {path.relative_to(ROOT)}, {CHART.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
