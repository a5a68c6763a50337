"""Execute every notebook in place, fold its plumbing, and generate each student notebook.

A cell whose first line is `# @title Draw the figure` is folded, on the site, in Colab and in
JupyterLab alike, and the title says what it does. The line is all that an author writes.

A master marks what a student is to write:

    # SOLUTION
    ...
    # END SOLUTION

The student's cell has a line to fill in there. Usage: `make notebooks`, or
`python tools/notebooks.py NOTEBOOK ...` for some of them.
"""

import json
import os
import re
import sys
import uuid
from copy import deepcopy
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
SOLUTION = re.compile(r"^( *)# SOLUTION\n.*?^ *# END SOLUTION$", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"<svg.*?</svg>", re.DOTALL)
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
TITLE = re.compile(r"# @title (.+)")
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


def fold(cell: nbformat.NotebookNode) -> None:
    """Give a code cell the metadata that folds it, if it has a title, and take it away if not."""
    title = TITLE.match(cell.source)
    tags = [tag for tag in cell.metadata.get("tags", []) if tag != "hide-input"]
    for name in ("cellView", "jupyter", "mystnb", "tags"):
        cell.metadata.pop(name, None)
    if title:
        tags.append("hide-input")  # for the site
        shown = {f"code_prompt_{verb}": title[1] for verb in ("show", "hide")}
        cell.metadata.update(cellView="form", jupyter={"source_hidden": True}, mystnb=shown)
    if tags:
        cell.metadata.tags = tags


def accepted(old: list[nbformat.NotebookNode], new: list[nbformat.NotebookNode]) -> bool:
    """Return whether outputs say the same: text alike, pictures alike but for rounding."""
    texts = [re.sub(r"\bp[0-9a-f]{8}-|\b0x[0-9a-f]+", "", json.dumps(one)) for one in (old, new)]
    texts = [re.sub(r'"execution_count": (null|\d+)', "", text) for text in texts]
    around, pictures = zip(*((PICTURE.sub("", t), PICTURE.findall(t)) for t in texts), strict=True)
    return around[0] == around[1] and all(
        NUMBER.sub("", one) == NUMBER.sub("", other)
        and np.allclose(*(list(map(float, NUMBER.findall(p))) for p in (one, other)), atol=0.02)
        for one, other in zip(*pictures, strict=True)
    )


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in `folder`, and leave stored outputs that still say the same as they are."""
    os.environ["LSTM_COURSE_PROGRESS"] = ""  # a check tells nothing of earlier answers
    stored = [deepcopy(cell.get("outputs", [])) for cell in notebook.cells]
    NotebookClient(
        notebook,
        timeout=120,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # of the kernel, whose warnings are not about cells
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    seen = set[str]()
    for cell, outputs in zip(notebook.cells, stored, strict=True):
        if cell.get("id", "") in seen | {""}:
            cell.id = uuid.uuid4().hex[:8]
        seen.add(cell.id)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            fold(cell)
            if accepted(outputs, cell.outputs):
                for was, now in zip(outputs, cell.outputs, strict=True):
                    now.update(was | {k: v for k, v in now.items() if k == "execution_count"})


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
