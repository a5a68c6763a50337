"""Experiments that run too long for a chapter: each has a command, and its results are recorded.

`python -m lstm_course.experiments NAME` repeats one, `make experiments` all of them; a chapter
loads the record and repeats part of it.
"""

import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"  # records, and finished runs of unfinished experiments


def recorded(name: str) -> dict[str, Any]:
    """Return the recorded results of an experiment, with date, command, machine and versions.

    Raises
    ------
    ValueError
        There is no record of that name.

    Examples
    --------
    >>> recorded("remembering")["command"]
    'python -m lstm_course.experiments remembering'
    """
    file = files(__name__) / "results" / f"{name}.json"
    if not file.is_file():
        raise ValueError(f"name is {name!r}, but there is no record of that experiment")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def record(name: str, command: str, results: Mapping[str, Any]) -> Path:
    """Write the results of a command to its record; return the file."""
    path = RESULTS / f"{name}.json"
    text = json.dumps(provenance(command) | dict(results), indent=1) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


def resume(
    runs: Iterable[Any],
    do: Callable[[Any], dict[str, Any]],
    kept: Path,
    *,
    processes: int = 1,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Do the runs that are not in a file yet; return the results of all.

    Parameters
    ----------
    runs
        NamedTuples of one type, each with everything that determines a run.
    do
        Returns the results of a run, including its own fields, in a form that JSON can hold.
    kept
        A file with a line for each finished run. After an interruption, make the same call again.
    processes
        How many runs to do at a time; if several, `do` must be defined at the top of a module.
    progress
        Whether to show a progress bar.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from typing import NamedTuple
    >>> class Run(NamedTuple):
    ...     seed: int
    >>> def square(run):
    ...     print("seed", run.seed)
    ...     return {"seed": run.seed, "square": run.seed**2}
    >>> with TemporaryDirectory() as folder:
    ...     kept = Path(folder) / "squares.part"
    ...     some = resume([Run(2)], square, kept, progress=False)
    ...     resume([Run(2), Run(3)], square, kept, progress=False)
    seed 2
    seed 3
    [{'seed': 2, 'square': 4}, {'seed': 3, 'square': 9}]
    """
    from tqdm import tqdm  # here, since importing the package needs only NumPy

    runs = list(runs)

    def key(one: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(one[name] for name in runs[0]._fields)

    done: dict[tuple[Any, ...], dict[str, Any]] = {}
    written = kept.read_text(encoding="utf-8") if kept.exists() and runs else ""
    for line in written.splitlines():
        try:
            one = json.loads(line)
        except ValueError:
            continue  # an empty line, or one that was cut short
        if set(runs[0]._fields) <= set(one):
            done[key(one)] = one
    left = [run for run in runs if tuple(run) not in done]
    processes = min(processes, len(left))
    with get_context("spawn").Pool(processes) if processes > 1 else nullcontext() as pool:
        results = pool.imap_unordered(do, left) if pool else map(do, left)
        for one in tqdm(results, total=len(left), disable=not progress, unit="run"):
            done[key(one)] = one
            with kept.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(one))  # after a line that was cut short
    return [done[tuple(run)] for run in runs]


def provenance(command: str) -> dict[str, Any]:
    """Return the command, date, machine and versions, as in every record."""
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": _processor(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }


def _processor() -> str:
    """Return the processor's name, if the system reveals it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
