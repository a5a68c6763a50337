"""The package as a submission finds it in the sandbox: without what a question asks for."""

import ast
import inspect
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lstm_course
from lstm_course.grading import guest

LEFT_OUT = ("exercises", "experiments", "grading", "interop", "pytorch", "__pycache__")
"""Question banks with their solutions, and what needs more than NumPy."""
KEPT: dict[str, tuple[str, ...]] = {
    "exercises/engine": ("feedback", "products", "observing", "launching"),
    "grading": ("wire", "guest", "inside"),
}
"""What of it is there all the same: what runs beside an answer, and knows no right one."""
NOT_DRAWN = ("figures", "diagram", "unrolled")
"""Modules whose names can be imported, but that draw nothing."""
CHECKS = """
def __getattr__(name):
    from lstm_course.grading import guest

    return getattr(guest, name)
"""


def write(folder: Path, forbidden: Iterable[Callable[..., Any]]) -> None:
    """Write a copy of the package into a folder.

    Parameters
    ----------
    folder
        An empty folder; the package becomes one inside it.
    forbidden
        Functions and classes of the package that only raise an error in the copy.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write(Path(folder), [lstm_course.lstm_step])
    ...     copy = (Path(folder) / "lstm_course/cell.py").read_text()
    >>> "refuse('lstm_course.cell.lstm_step')" in copy
    True
    """
    source = Path(lstm_course.__file__).parent
    package = folder / "lstm_course"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in NOT_DRAWN:
        (package / f"{name}.py").write_text(
            f'"""{guest.NOT_DRAWN}."""\n\n\ndef __getattr__(name):\n'
            f'    raise AttributeError("{guest.NOT_DRAWN}: " + name)\n'
        )
    for part, kept in KEPT.items():
        (package / part).mkdir(parents=True)
        (package / part / "__init__.py").write_text("")
        for name in kept:
            shutil.copy(source / part / f"{name}.py", package / part)
    (package / "exercises/__init__.py").write_text(CHECKS)
    by_module: dict[str, set[str]] = {}
    for one in forbidden:
        one = inspect.unwrap(getattr(one, "__func__", one))
        by_module.setdefault(one.__module__, set()).add(one.__qualname__)
    for module, names in by_module.items():
        file = folder / Path(*module.split(".")).with_suffix(".py")
        if not file.is_file():
            file = file.with_suffix("") / "__init__.py"
        if file.is_file():
            tree = _Cut(module, names).visit(ast.parse(file.read_text(encoding="utf-8")))
            file.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
        elif module.startswith("lstm_course.interop."):  # left out; a bank's own solution is too
            (package / "interop").mkdir(exist_ok=True)
            with (package / "interop/__init__.py").open("a", encoding="utf-8") as stub:
                for name in sorted(names):
                    stub.write(f"def {name}(*given, **named):\n    {_refusal(module, name)}\n")


class _Cut(ast.NodeTransformer):
    """Replaces the bodies of named functions, and of all methods of named classes."""

    def __init__(self, module: str, names: set[str]) -> None:
        self.module, self.names, self.outer = module, names, ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self.outer = self.outer, f"{self.outer}{node.name}."
        if self.outer[:-1] in self.names:
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    self._cut(method, f"{self.outer}{method.name}")
        else:
            self.generic_visit(node)
        self.outer = outer
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if f"{self.outer}{node.name}" in self.names:
            self._cut(node, f"{self.outer}{node.name}")
        return node

    def _cut(self, node: ast.FunctionDef, name: str) -> None:
        node.body = ast.parse(_refusal(self.module, name)).body


def _refusal(module: str, name: str) -> str:
    refused = f"{module}.{name}"
    return f"from lstm_course.grading.guest import refuse; refuse({refused!r})"
