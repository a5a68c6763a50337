"""An autograder for Gradescope: the same grading, packed and run as its containers want it.

The package is a zip file with `setup.sh`, which Gradescope runs once to build an image, and
`run_autograder`, which it runs for each submission.
"""

import json
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lstm_course._files import write_whole
from lstm_course.exercises.engine.feedback import REPOSITORY
from lstm_course.grading import marking, results
from lstm_course.grading.submissions import find

SETUP = f"""#!/usr/bin/env bash
# Needs Python 3.11 or newer: choose an image with Ubuntu 24.04 or newer.
set -euo pipefail
apt-get update -qq
apt-get install -y -qq git python3-venv
python3 -m venv /opt/lstm-course
/opt/lstm-course/bin/pip install -q 'lstm-course[grading] @ git+{REPOSITORY}'
/opt/lstm-course/bin/python -c 'from lstm_course.grading import sandbox; sandbox.warm_up()'
"""
RUN = """#!/usr/bin/env bash
exec "${PYTHON:-/opt/lstm-course/bin/python}" -m lstm_course.grading.gradescope \
"${AUTOGRADER:-/autograder}"
"""


def pack(path: Path, banks: Sequence[str], seed: bytes) -> None:
    """Write an autograder package for some exercises.

    Parameters
    ----------
    path
        The zip file to write. It holds the seed, so only instructors may see it.
    banks
        The names of the exercises' banks.
    seed
        The secret that hidden inputs are drawn from.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     pack(Path(folder) / "autograder.zip", ["ch04_forget_gate"], b"sixteen bytes of it")
    ...     zipfile.ZipFile(Path(folder) / "autograder.zip").namelist()
    ['setup.sh', 'run_autograder', 'settings.json']
    """
    settings = json.dumps({"banks": list(banks), "seed": seed.hex()})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in (("setup.sh", SETUP), ("run_autograder", RUN)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16  # executable
            packed.writestr(entry, text)
        packed.writestr(zipfile.ZipInfo("settings.json"), settings)


def main(root: Path) -> None:
    """Grade what is in root/submission, and write root/results/results.json."""
    settings = json.loads((root / "source/settings.json").read_text(encoding="utf-8"))
    seed = bytes.fromhex(settings["seed"])
    rows = [
        replace(marking.row(one, seed, settings["banks"]), learner="submission")
        for one in find(root / "submission")
    ]
    (root / "results").mkdir(exist_ok=True)
    content = json.dumps(results.gradescope(rows), indent=1)
    write_whole(root / "results/results.json", content.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
