"""How fast a class is graded, and whether kills lose anything: `python -m benchmarks.grading`.

Generates a class of mixed quality, grades it while `kill -9` ends the run at random moments, and
compares the rows with those of a run that nobody disturbed. Then a fifth of it is graded once more,
on a machine that is made slow by other processes.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lstm_course.experiments import provenance

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results/grading.json"
SHARE = "lc.sigmoid(x @ W.T + h_prev @ U.T + b)"
ANSWERS = {
    "right": f"return {SHARE} * c_prev",
    "right, slowly": "return np.array([[float(k) for k in row] for row in " + SHARE + " * c_prev])",
    "the gate itself": f"return {SHARE}",
    "added": f"return {SHARE} + c_prev",
    "transposed": f"return ({SHARE} * c_prev).T",
    "an error": "return x @ h_prev",
    "stub": "...",
    "forbidden": "return lc.gates.forget_gate(x, h_prev, W, U, b) * c_prev",
}
PUZZLE = """
f = np.array([0.7, 0.2, 0.6])
lc.check("forget-gate-puzzle", (np.zeros((3, 6)), np.log(f / (1 - f))))
"""


def write_class(folder: Path, count: int, rng: random.Random) -> None:
    """Write notebooks of exercise 4, one in a hundred of which never ends or cannot be read."""
    folder.mkdir()
    for k in range(count):
        path = folder / f"learner{k:05}.ipynb"
        if k % 100 == 99:
            path.write_text("no notebook")
            continue
        body = "while True: pass" if k % 100 == 49 else rng.choice(list(ANSWERS.values()))
        function = f"def forget_gate(x, h_prev, c_prev, W, U, b):\n    {body}\n"
        cells = [
            "import numpy as np\nimport lstm_course as lc",
            f'# EXERCISE: forget-gate\n{function}lc.check("forget-gate", forget_gate)',
            PUZZLE,
        ]
        content = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                {"cell_type": "code", "source": one, "metadata": {}, "outputs": []} for one in cells
            ],
        }
        path.write_text(json.dumps(content))


@contextlib.contextmanager
def crowded(processes: int) -> Iterator[None]:
    """Keep the machine busy with processes that compute all the time."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def timed(*run: Any) -> float:
    """Return the seconds that a run of the command takes."""
    began = time.perf_counter()
    start(*run).wait()
    return time.perf_counter() - began


def rows_in(folder: Path) -> dict[str, bytes]:
    """Return the rows in a folder of results."""
    return {one.name: one.read_bytes() for one in (folder / "rows").iterdir()}


def start(handed_in: Path, out: Path, seed: Path, workers: int) -> "subprocess.Popen[bytes]":
    """Start the command in a process group of its own."""
    command = [sys.executable, "-m", "lstm_course.grading.command", "grade", str(handed_in)]
    command += ["--out", str(out), "--seed-file", str(seed), "--workers", str(workers)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Grade a generated class twice, undisturbed and killed, and record the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many submissions")
    parser.add_argument("--kills", type=int, default=10, help="how often the run is killed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seed = folder / "seed"
        seed.write_text("a secret seed of sixteen bytes or more")
        write_class(folder / "class", options.count, rng)
        seconds = timed(folder / "class", folder / "whole", seed, options.workers)
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        done = []
        for _ in range(options.kills):
            run = start(folder / "class", folder / "killed", seed, options.workers)
            time.sleep(rng.uniform(2, seconds / options.kills))
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            done.append(len(list((folder / "killed/rows").glob("*.json"))))
        start(folder / "class", folder / "killed", seed, options.workers).wait()
        rows, again = rows_in(folder / "whole"), rows_in(folder / "killed")
        same = (folder / "whole/grades.csv").read_bytes() == (
            folder / "killed/grades.csv"
        ).read_bytes()
        few = options.count // 5
        write_class(folder / "few", few, random.Random(0))
        with crowded(4 * options.workers):
            slow = timed(folder / "few", folder / "slow", seed, options.workers)
        slowly = rows_in(folder / "slow")
        statuses = Counter(json.loads(row)["status"] for row in rows.values())
    found: dict[str, Any] = {
        "submissions": options.count,
        "workers": options.workers,
        "seconds": round(seconds, 1),
        "submissions a second and worker": round(options.count / seconds / options.workers, 2),
        "most memory of a process, MB": round(most),
        "rows": len(rows),
        "statuses": dict(statuses),
        "rows done at each kill": done,
        "rows after the last run": len(again),
        "rows that differ": sum(rows[one] != again.get(one) for one in rows),
        "gradebooks are equal": same,
        "beside processes that compute all the time": {
            "processes": 4 * options.workers,
            "submissions": few,
            "submissions a second and worker": round(few / slow / options.workers, 2),
            "rows that differ": sum(slowly[one] != rows.get(one) for one in slowly),
        },
    }
    print(json.dumps(found, indent=1))
    if arguments is None and len(sys.argv) == 1:
        record = provenance("python -m benchmarks.grading") | found
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
