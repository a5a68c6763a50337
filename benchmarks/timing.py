"""How it is measured: in turns, on one thread, medians with their quartiles."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)
Clock = Callable[[Callable[[], object], int], float]
"""Returns seconds a run, of a run that is repeated so many times."""
TURN = 0.02


def by_the_wall(run: Callable[[], object], repeats: int) -> float:
    """Return seconds a run, of so many in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def by_this_thread(run: Callable[[], object], repeats: int) -> float:
    """Return seconds of the CPU a run, of so many in a row: what others take is not in it."""
    start = time.thread_time()
    for _ in range(repeats):
        run()
    return (time.thread_time() - start) / repeats


def alternate(
    runs: Mapping[Name, Callable[[], object]], rounds: int, clock: Clock = by_the_wall
) -> dict[Name, list[float]]:
    """Return seconds a run for each over so many rounds, taking turns, after one that warms up.

    A turn of a short run is many of them in a row, TURN seconds: else each would find the caches
    as its rivals left them.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in runs}
    repeats = {name: max(1, round(TURN / clock(run, 1))) for name, run in runs.items()}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(clock(run, repeats[name]))
    return seconds


def compare(
    runs: Mapping[Name, Callable[[], object]], limit: float = 5.0, clock: Clock = by_the_wall
) -> dict[Name, list[float]]:
    """Take turns for about so many seconds: 5 to 50 rounds."""
    one_round = sum(max(TURN, clock(run, 1)) for run in runs.values())
    return alternate(runs, min(50, max(5, int(limit / one_round))), clock)


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def quartiles(values: Sequence[float]) -> list[float]:
    """Return lower quartile, median and upper quartile."""
    return statistics.quantiles(values, n=4, method="inclusive")


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return the quartiles of the ratio within a round, which a slow round leaves alone."""
    return [round(q, 3) for q in quartiles([a / b for a, b in zip(above, below, strict=True)])]
