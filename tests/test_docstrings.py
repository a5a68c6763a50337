"""What ruff lets go in a docstring: sections that are missing, misspelt or out of order."""

import ast
import inspect
import re

import pytest

from conftest import ROOT

ORDER = ["Parameters", "Returns", "Yields", "Raises", "Notes", "References", "Examples"]
MODULES = [
    path
    for path in sorted((ROOT / "lstm_course").rglob("*.py"))
    if "engine" not in path.parts
    and not re.match(r"ch\d\d_|capstone", path.name)
    and (path.parent.name != "experiments" or path.name == "__init__.py")
]
WITHOUT_EXAMPLE = {"Run", "train", "join"}  # of pytorch.distributed, which starts processes
EACH_MODULE = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: path.relative_to(ROOT / "lstm_course").as_posix()
)


def public(path):
    """Yield functions, classes and their methods, with their docstrings, if they have public names."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node, ast.get_docstring(node) or ""


def sections(docstring):
    return re.findall(r"^([A-Z][a-z]+(?: [A-Z][a-z]+)?)\n-{3,}$", docstring, re.MULTILINE)


def raises(node):
    """Return whether a function, or a class when it is made, raises an error in its own lines."""
    if isinstance(node, ast.ClassDef):
        made = [n for n in node.body if getattr(n, "name", "") in ("__init__", "__post_init__")]
        return any(isinstance(n, ast.Raise) for method in made for n in ast.walk(method))
    return any(isinstance(n, ast.Raise) for n in ast.walk(node))


@EACH_MODULE
def test_sections_are_known_in_order_and_complete(path):
    for node, docstring in public(path):
        found = sections(docstring)
        assert found == [name for name in ORDER if name in found], f"{node.name}: {found}"
        if "Parameters" not in found:
            continue
        if node.name not in WITHOUT_EXAMPLE:
            assert "Examples" in found, f"{node.name} has no example"
            assert ">>> " in docstring.split("Examples\n")[1], (
                f"{node.name}: its example runs nothing"
            )
        if raises(node):
            assert "Raises" in found, f"{node.name} raises errors that its docstring does not name"


def test_every_task_has_an_example_and_a_test_file():
    from lstm_course import tasks

    for name in tasks.__all__:
        if not inspect.isfunction(getattr(tasks, name)):
            continue  # what a task returns
        docstring = getattr(tasks, name).__doc__ or ""
        assert "Examples" in sections(inspect.cleandoc(docstring)), f"tasks.{name} has no example"
    for path in (ROOT / "lstm_course/tasks").glob("[a-z]*.py"):
        assert (ROOT / f"tests/tasks/test_{path.name}").is_file(), f"{path.name} has no test file"


def test_what_stands_in_a_paper_says_in_which():
    sources = {
        path.stem: len(
            re.findall(r"^ +References\n +-{3,}\n", path.read_text(encoding="utf-8"), re.MULTILINE)
        )
        for path in MODULES
    }
    for module in ("gates", "cell", "sequence", "rnn", "layers", "losses", "optim", "gradcheck"):
        assert sources[module] >= 1, module
