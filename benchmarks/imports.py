"""What `import lstm_course` adds to `import numpy`: `python -m benchmarks.imports`.

Each import is timed in a new process, in turns with NumPy's alone, so that both meet the same
machine. The goal is a median below 50 ms.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 7
GOAL = 0.050


def seconds(module: str) -> float:
    """Return how long a new process takes that imports a module and ends."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def differences(rounds: int = ROUNDS) -> list[float]:
    """Return what the course adds to NumPy, round by round, after one round that is not counted."""
    pairs = [(seconds("numpy"), seconds("lstm_course")) for _ in range(rounds + 1)]
    return [course - numpy for numpy, course in pairs[1:]]


def main() -> None:
    """Print the median, and whether the goal is met."""
    found = sorted(differences())
    median = statistics.median(found)
    print(
        f"import lstm_course adds {1000 * median:.0f} ms to import numpy "
        f"(median of {len(found)}, {1000 * found[0]:.0f} to {1000 * found[-1]:.0f}); "
        f"goal: below {1000 * GOAL:.0f} ms, {'met' if median < GOAL else 'missed'}"
    )


if __name__ == "__main__":
    main()
