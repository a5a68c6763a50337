"""Measure the layer in PyTorch on a GPU, or on one thread of a CPU: `python -m benchmarks.gpu`.

Under eight minutes. The record has a part for each device; a run renews its own and leaves the
other as it is. What could not be measured stands in it as a sentence.
"""

import os

# Before torch loads: two threads stall whenever anything else runs.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # what an earlier run compiled

import json
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from benchmarks.timing import by_the_wall, compare, median, quartiles, ratios
from benchmarks.torch_rivals import (
    COMPILED,
    FLOOR,
    FORMATS,
    OWN,
    Case,
    error,
    floor,
    graph,
    reference,
    rivals,
)
from lstm_course import experiments

COMMAND = "python -m benchmarks.gpu"
CASES = {  # T, N, D, H
    "cuda": list(
        product(
            [(512, 64, 512, 512), (512, 64, 1024, 1024), (1024, 16, 768, 768)],
            ["bf16", "float16", "TF32", "float32"],
        )
    ),
    "cpu": [
        ((50, 1, 32, 32), "float32"),
        ((100, 32, 64, 128), "float32"),
        ((100, 32, 64, 128), "bf16"),
        ((100, 64, 256, 256), "float32"),
    ],
}
PACKED = {"cuda": ((512, 64, 512, 512), "bf16"), "cpu": ((100, 32, 64, 128), "float32")}
"""The case that is measured with lengths from T down to T / 8 too."""
LIMIT = 100
"""Seconds that a rival may take to get ready: a compiler, with a loop of T steps unrolled."""
MODES = ("forward", "forward and backward")
LATE = "not ready after"
RECORD = Path(experiments.__file__).parent / "results/gpu.json"
CHART = Path(__file__).parent / "results/gpu.png"


def on_the_gpu(run: Callable[[], object], repeats: int) -> float:
    """Return seconds a run, of so many in a row, by the device's own clock."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(repeats):
        run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / repeats


CLOCKS = {"cuda": on_the_gpu, "cpu": by_the_wall}


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError where the block takes longer."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again, where something swallows the first
    logging.disable()  # a compiler that is stopped prints pages
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        logging.disable(logging.NOTSET)


def prepare(
    case: Case, training: bool, missing: Mapping[str, str]
) -> tuple[dict[str, Callable[[], object]], dict[str, dict[str, Any]]]:
    """Return runs that are ready and right, and what is known of each and of the others."""
    runs: dict[str, Callable[[], object]] = {FLOOR: floor(case, training)}
    errors: dict[str, float] = {}
    ready: dict[str, float] = {}
    reasons = dict(missing)
    expected = reference(case, training)
    for name, make in rivals(case, training).items():
        if name in reasons:
            continue
        try:
            start = time.perf_counter()
            with at_most(LIMIT):
                run = make()
                found = run()
        except Exception as problem:  # that a rival cannot run here is a result too
            sentence = f"{type(problem).__name__}: {problem}".splitlines()[0]
            late = "TimeoutError" in sentence  # which a compiler wraps into an error of its own
            reasons[name] = f"{LATE} {LIMIT} seconds, T = {len(case.sizes)}" if late else sentence
            continue
        ready[name] = round(time.perf_counter() - start, 3)
        errors[name] = float(f"{error(found, expected):.2g}")
        if errors[name] <= case.format.tolerance:
            runs[name] = run
        else:
            reasons[name] = f"relative error {errors[name]}, above {case.format.tolerance}"
    if OWN in reasons:
        raise RuntimeError(f"nothing can be compared to {OWN}: {reasons[OWN]}")
    return runs, {"seconds of the first run": ready, "error": errors, "not measured": reasons}


def row(case: Case, training: bool, device: str, missing: Mapping[str, str]) -> dict[str, Any]:
    """Measure all rivals at one size and in one format."""
    torch.compiler.reset()  # after eight recompilations it would silently compile no more
    runs, known = prepare(case, training, missing)
    seconds = compare(runs, limit=3.0, clock=CLOCKS[device])
    medians = {name: median(values) for name, values in seconds.items()}
    return {
        **known,
        "rounds": len(seconds[OWN]),
        "least megabytes": round(case.least_bytes(training) / 1e6, 2),
        "milliseconds": {n: [round(1e3 * q, 3) for q in quartiles(seconds[n])] for n in runs},
        f"over {OWN}": {n: ratios(seconds[n], seconds[OWN]) for n in runs},
        f"over {FLOOR}": {n: ratios(seconds[n], seconds[FLOOR]) for n in runs},
        "microseconds a step": {n: round(1e6 * medians[n] / len(case.sizes), 2) for n in runs},
        "TFLOP/s": {
            n: float(f"{case.operations(training) / medians[n] / 1e12:.3g}")
            for n in runs
            if n != FLOOR
        },
    }


def cases(device: str) -> Iterator[tuple[dict[str, Any], list[int]]]:
    """Yield what a row is of, and how many sequences have each step."""
    for sizes, format in CASES[device]:
        T, N, _, _ = sizes
        yield {"T N D H": sizes, "format": format, "lengths": "equal"}, [N] * T
    sizes, format = PACKED[device]
    T, N, _, _ = sizes
    lengths = np.linspace(T, T / 8, N).astype(int)
    what = {"T N D H": sizes, "format": format, "lengths": "T to T/8"}
    yield what, [int((lengths > t).sum()) for t in range(T)]


def table(device: str) -> list[dict[str, Any]]:
    """Measure every size and format, forward and both ways; print the medians."""
    rows = []
    hopeless: dict[str, str] = {}
    compiled_in = (CASES[device][0][1], "equal")
    for what, sizes in cases(device):
        format = FORMATS[what["format"]]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = format.tf32
        *_, D, H = what["T N D H"]
        case = Case(sizes, D, H, format, device)
        missing = {}
        if (what["format"], what["lengths"]) != compiled_in:
            missing = dict.fromkeys(COMPILED, f"tried in {compiled_in[0]} and equal lengths only")
        for training in (False, True):
            one = row(case, training, device, hopeless | missing)
            hopeless |= {n: why for n, why in one["not measured"].items() if why.startswith(LATE)}
            rows.append(what | {"mode": MODES[training]} | one)
            print(*what.values(), MODES[training], sep=", ")
            for name, (_, middle, _) in one["milliseconds"].items():
                print(f"  {name}: {middle} ms, {one[f'over {OWN}'][name][1]} times {OWN}")
            for name, why in one["not measured"].items():
                print(f"  {name}: {why}")
            print(end="", flush=True)
    return rows


def launches(device: str) -> dict[str, float]:
    """Return what an operation on one number costs, in microseconds: its launch."""
    one = torch.zeros(1, device=device)

    def thousand() -> None:
        for _ in range(1000):
            one.zero_()

    runs = {"one by one": thousand}
    if device == "cuda":
        runs["in a graph"] = graph(thousand)
    seconds = compare(runs, limit=1.0, clock=CLOCKS[device])
    return {name: round(1e3 * median(values), 3) for name, values in seconds.items()}


def measure(device: str) -> dict[str, Any]:
    """Return the device's part of the record."""
    results = experiments.provenance(COMMAND)
    results["versions"]["torch"] = torch.__version__
    if device == "cuda":
        import triton

        results["machine"]["gpu"] = torch.cuda.get_device_name()
        results["versions"] |= {
            "triton": triton.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    else:
        results["threads"] = torch.get_num_threads()
    results["tolerance"] = {name: FORMATS[name].tolerance for _, name in CASES[device]}
    results["microseconds a launch"] = launches(device)
    results["rows"] = table(device)
    spreads = [(q[2] - q[0]) / q[1] for q in (r["milliseconds"][FLOOR] for r in results["rows"])]
    results["noise"] = round(max(spreads), 3)
    return results


def store(device: str, results: Mapping[str, Any]) -> None:
    """Renew the device's part of the record."""
    record = {"cpu": None, "cuda": None}
    if RECORD.is_file():
        record = json.loads(RECORD.read_text(encoding="utf-8"))
    RECORD.write_text(json.dumps(record | {device: results}, indent=1) + "\n")


def chart() -> None:
    """Draw what is recorded: a row of panels a device, forward and both ways."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    record = json.loads(RECORD.read_text(encoding="utf-8"))
    devices = [device for device in ("cpu", "cuda") if record[device]]
    figure, panels = plt.subplots(
        len(devices), 2, figsize=(14, 5 * len(devices)), layout="constrained", squeeze=False
    )
    for (device, mode), panel in zip(product(devices, MODES), panels.flat, strict=True):
        rows = [one for one in record[device]["rows"] if one["mode"] == mode]
        names = list(dict.fromkeys(name for one in rows for name in one["milliseconds"]))
        for k, name in enumerate(names):
            measured = [one[f"over {OWN}"].get(name, [np.nan] * 3) for one in rows]
            low, middle, high = np.array(measured).T
            x = np.arange(len(rows)) + (k - (len(names) - 1) / 2) / (len(names) + 1)
            panel.bar(x, middle, 1 / (len(names) + 1), label=name)
            panel.vlines(x, low, high, color="0.3", linewidth=1)
        labels = [
            "\n".join([*map(str, one["T N D H"]), one["format"], one["lengths"]]) for one in rows
        ]
        panel.set_xticks(range(len(rows)), labels, size=7)
        panel.axhline(1, color="0.3", linewidth=1)
        panel.set(yscale="log", title=f"{device}, {mode}", ylabel=f"time over {OWN}")
    panels[0, 0].legend(frameon=False)
    figure.suptitle(f"The same layer as {OWN} (below each size: T, N, D, H)")
    CHART.parent.mkdir(exist_ok=True)
    figure.savefig(CHART, dpi=120)
    plt.close(figure)


def main() -> None:
    """Measure the device that is there, write its part of the record, and draw the chart."""
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    results = measure(device)
    store(device, results)
    chart()
    print(f"the step floor, which never changes, took times that spread by {results['noise']:.0%}")
    print(f"written: the part {device!r} of {RECORD.name}, {CHART.name}")


if __name__ == "__main__":
    main()
