"""Execute every notebook in place, and generate each student notebook from its master.

A master marks what a student is to write:

    # SOLUTION
    ...
    # END SOLUTION

The student's cell has a line to fill in there. Usage: `make notebooks`, or
`python tools/notebooks.py NOTEBOOK ...` for some of them.
"""

import os
import re
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
SOLUTION = re.compile(r"^( *)# SOLUTION\n.*?^ *# END SOLUTION$", re.DOTALL | re.MULTILINE)
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebooks() -> list[Path]:
    """Return every notebook that a reader can open, masters before students."""
    found = [*(ROOT / "book").rglob("*.ipynb"), *(ROOT / "exercises").rglob("*.ipynb")]
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def student_version(master: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook without its solutions and outputs."""
    student = deepcopy(master)
    for cell in student.cells:
        if cell.cell_type == "code":
            cell.source = SOLUTION.sub(r"\1...  # your code here", cell.source)
            cell.outputs, cell.execution_count = [], None
    return student


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in `folder` and leave nothing in the notebook that changes from run to run."""
    os.environ["LSTM_COURSE_PROGRESS"] = ""  # a check tells nothing of earlier answers
    NotebookClient(
        notebook,
        timeout=120,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata.pop("execution", None)


def read(path: Path) -> nbformat.NotebookNode:
    """Return the notebook stored at `path`."""
    return nbformat.read(path, as_version=4)


def main(names: list[str]) -> None:
    """Execute the named notebooks, or all; a master renews its student notebook too."""
    paths = [Path(name).resolve() for name in names]
    for path in paths:
        if path.name == "student.ipynb" or not path.is_file():
            sys.exit(f"{path} is no notebook to execute (a student's is made from its master)")
    for path in paths or [path for path in notebooks() if path.name != "student.ipynb"]:
        notebook = read(path)
        jobs = {path: notebook}
        if path.name == "master.ipynb":
            jobs[path.with_name("student.ipynb")] = student_version(notebook)
        for target, job in jobs.items():
            print(target.relative_to(ROOT))
            execute(job, target.parent)
            nbformat.write(job, target)


if __name__ == "__main__":
    main(sys.argv[1:])
