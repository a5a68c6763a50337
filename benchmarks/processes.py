"""Measure one update of the text model in one process and in two: `python -m benchmarks.processes`.

About six minutes. Both numbers of processes take turns; each process has one thread, so two are
faster than one only where sharing the batch saves more than averaging the gradients costs.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.timing import median, quartiles
from lstm_course import experiments
from lstm_course.pytorch.distributed import Run, Settings, join
from lstm_course.tasks import python_reference

ROOT = Path(__file__).parent.parent
BATCHES = (2, 8, 32, 128)
WINDOW, HIDDEN = 32, 256
ROUNDS, SECONDS = 5, 2.0


def worker() -> None:
    """Time all batches in this process, one of those that torchrun has started; print the times."""
    torch.set_num_threads(1)
    join()
    text = python_reference()
    found = {}
    for batch in BATCHES:
        run = Run(text, Settings(batch=batch, window=WINDOW, hidden_size=HIDDEN))
        parameters = list(run.model.parameters())
        gradient = torch.zeros(sum(p.numel() for p in parameters))

        def share(run: Run = run) -> None:
            with run.model.no_sync():  # forward and backward of this process's rows, no averaging
                run.loss(run.training, run.updates).backward()

        found[batch] = {
            "update": times(run.update),
            "share": times(share),
            "averaging": times(lambda gradient=gradient: dist.all_reduce(gradient)),
        }
    if dist.get_rank() == 0:
        print(json.dumps({"parameters": gradient.numel(), "seconds": found}))
    dist.destroy_process_group()


def times(run: Callable[[], object]) -> list[float]:
    """Return seconds of single runs, as many in each process as fit into SECONDS."""
    run()
    seconds: list[float] = []
    start = time.perf_counter()
    go_on = torch.ones(1)
    while go_on.item():
        dist.barrier()
        before = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - before)
        go_on.fill_(time.perf_counter() - start < SECONDS)
        dist.broadcast(go_on, src=0)
    return seconds


def launch(processes: int) -> dict[str, dict[str, list[float]]]:
    """Run the worker in so many processes; return its times."""
    answer = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone",
         f"--nproc-per-node={processes}", "-m", "benchmarks.processes", "worker"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    return json.loads(answer.stdout)


def main() -> None:
    """Measure in turns, print the table, write the record."""
    rounds = [{processes: launch(processes) for processes in (1, 2)} for _ in range(ROUNDS)]
    rows = {}
    for batch in map(str, BATCHES):
        rows[batch] = {}
        for processes in (1, 2):
            kinds = rounds[0][processes]["seconds"][batch]
            for kind in kinds:
                values = [t for one in rounds for t in one[processes]["seconds"][batch][kind]]
                rows[batch][f"{kind}, {processes}"] = [round(1e3 * q, 3) for q in quartiles(values)]
        gains = [
            median(one[1]["seconds"][batch]["update"]) / median(one[2]["seconds"][batch]["update"])
            for one in rounds
        ]
        rows[batch]["times faster in two"] = sorted(round(gain, 3) for gain in gains)
        print(batch, rows[batch], flush=True)
    path = experiments.record(
        "processes",
        "python -m benchmarks.processes",
        {
            "torch": torch.__version__,
            "window": WINDOW,
            "hidden size": HIDDEN,
            "parameters": rounds[0][1]["parameters"],
            "milliseconds": rows,
        },
    )
    print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    worker() if sys.argv[1:] == ["worker"] else main()
