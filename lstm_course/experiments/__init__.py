"""Runs that take longer than a chapter may: each has a command, and its results are recorded.

`make experiments` repeats them; a chapter loads what was recorded and repeats a part of it.
"""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np


def recorded(name: str) -> dict[str, Any]:
    """Return the recorded results of an experiment, with date, command, machine and versions.

    Raises
    ------
    ValueError
        There is no record of that name.

    Examples
    --------
    >>> recorded("remembering")["command"]
    'python -m lstm_course.experiments.remembering'
    """
    file = files(__name__) / "results" / f"{name}.json"
    if not file.is_file():
        raise ValueError(f"name is {name!r}, and there is no record of that experiment")
    return dict(json.loads(file.read_text()))


def record(name: str, command: str, results: Mapping[str, Any]) -> Path:
    """Write what a command has measured beside what others have; return the file."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.write_text(json.dumps(provenance(command) | dict(results), indent=1) + "\n")
    return path


def provenance(command: str) -> dict[str, Any]:
    """Return command, date, machine and versions, as every record states them."""
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": _processor(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")
