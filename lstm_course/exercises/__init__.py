"""Graded exercises: feedback on answers, hints, and points, but never the solution."""

import difflib
import importlib
import json
import os
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

import lstm_course
from lstm_course.exercises.engine import record
from lstm_course.exercises.engine.feedback import (
    REPOSITORY,
    Feedback,
    Question,
)
from lstm_course.exercises.engine.record import Progress
from lstm_course.exercises.engine.sources import source_of

_MODULES = [module.name for module in pkgutil.iter_modules(__path__)]
BANKS = {
    name: importlib.import_module(f"{__name__}.{name}")
    for name in [*sorted(name for name in _MODULES if re.match(r"ch\d\d_", name)), "capstone"]
}
"""The modules with each chapter's questions, by name, in order."""

QUESTIONS: dict[str, Question] = {
    question.name: question for bank in BANKS.values() for question in bank.QUESTIONS
}

PRELUDE = """
import math
import numpy as np
import lstm_course as lc
from lstm_course import example
"""
"""What runs before an answer whose source stands alone."""


def check(name: str, answer: object) -> Feedback:
    """Say whether an answer to an exercise is right and, if not, what is wrong.

    Points are kept across notebooks; a later wrong answer takes none away.

    Parameters
    ----------
    name
        The question's name in its notebook.
    answer
        What the question asks for, usually a function.

    Returns
    -------
    Feedback, which a notebook shows as text. An untouched stub is "not answered yet".

    Raises
    ------
    ValueError
        There is no question of that name.

    Examples
    --------
    >>> check("forget-gate", None)
    – forget-gate: not answered yet (4 points).
    >>> from lstm_course.gates import forget_gate
    >>> check("forget-gate", lambda x, h, c, W, U, b: forget_gate(x, h, W, U, b))
    ... # doctest: +ELLIPSIS
    ✗ forget-gate: 0 of 4 points.
      This is the gate f itself. The question asks for what passes through it.
      Wrong for N = 1, D = 1, H = 1: entry (0, 0) is 0.2696, expected -0.3093.
      There x = [[0.3947]], h_prev = [[0.5839]], ...
    """
    with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
        feedback = _question(name).check(answer)  # whatever the notebook has set
    if feedback.passed:
        feedback = replace(feedback, others=_others(name))
    return record.remember(feedback, source_of(name, answer) if feedback.passed else "")


class Hint(str):
    """A hint, which a notebook shows as plain text."""

    def __repr__(self) -> str:
        return str(self)


def hint(name: str, strength: int = 1) -> Hint:
    """Give a hint: where to look (1), how to go about it (2), or nearly the formula, in words (3).

    Parameters
    ----------
    name
        The question's name in its notebook.
    strength
        1, 2 or 3.

    Raises
    ------
    ValueError
        There is no question of that name, or no hint of that strength.

    Examples
    --------
    >>> hint("tanh", 3)
    Hint 3 of 3: Take the sigmoid of twice x, double it, and subtract 1.
    """
    hints = _question(name).hints
    if strength not in (1, 2, 3):
        raise ValueError(f"strength is {strength!r}, expected 1, 2 or 3")
    return Hint(f"Hint {int(strength)} of 3: {hints[int(strength) - 1]}")


def progress(*notebooks: str | os.PathLike[str]) -> Progress:
    """Show which questions are done, and the points earned.

    Parameters
    ----------
    notebooks
        Paths of saved notebooks whose outputs count too. (Anyone can edit an output: for grades,
        there is `lstm-course grade`.)

    Raises
    ------
    ValueError
        One of the files is not a notebook.

    Examples
    --------
    >>> check("tanh", lambda x, sigmoid: 2 * sigmoid(2 * x) - 1).points
    1
    >>> progress().points
    1
    """
    entries, note, _ = record.load()
    earned = {name: entry["points"] for name, entry in entries.items()}
    for path in notebooks:
        for name, points in record.points_in(path, QUESTIONS).items():
            earned[name] = max(points, earned.get(name, 0))
    return progress_of(earned, note)


def certificate(path: str | os.PathLike[str], learner: str) -> Progress:
    """Write the sources of the answers that earned points to a JSON file.

    Parameters
    ----------
    path
        The file to write, for instance "certificate.json".
    learner
        The name of the person who earned the points.

    Returns
    -------
    The points that the file can prove. An answer whose source is unknown is left out, such as a
    lambda outside a notebook.

    Raises
    ------
    ValueError
        No name is given.

    Examples
    --------
    >>> def stretched(x, sigmoid):
    ...     return 2 * sigmoid(2 * x) - 1
    >>> check("tanh", stretched).points
    1
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     certificate(Path(folder) / "certificate.json", "your name").points
    1
    """
    if not isinstance(learner, str) or not learner.strip():
        raise ValueError(f"learner is {learner!r}, expected a name")
    entries, note, _ = record.load()
    known = {name: entries[name] for name in QUESTIONS if name in entries}
    certified = {name: entry["points"] for name, entry in known.items() if entry["source"]}
    content = {
        "learner": learner,
        "lstm_course": lstm_course.__version__,
        "points": sum(certified.values()),
        "answers": [
            {"question": name, "points": points, "source": entries[name]["source"]}
            for name, points in certified.items()
        ],
    }
    Path(path).write_text(json.dumps(content, indent=1), encoding="utf-8")
    unknown = ", ".join(name for name in known if name not in certified)
    if unknown:
        left_out = f"Left out, because the source is unknown: {unknown}. Run the cell again."
        note = "\n".join(filter(None, [note, left_out]))
    return progress_of(certified, note)


def _others(name: str) -> str:
    """Return the address of right answers to a question and the others in its bank."""
    bank = next(bank for bank in BANKS if any(q.name == name for q in BANKS[bank].QUESTIONS))
    folder = bank.removeprefix("ch").replace("_", "-")
    return f"{REPOSITORY}/blob/main/exercises/{folder}/right.py"


def _question(name: str) -> Question:
    if not isinstance(name, str) or name not in QUESTIONS:
        near = difflib.get_close_matches(str(name).lower().replace(" ", "-"), QUESTIONS, n=3)
        expected = f"one of {sorted(QUESTIONS)}" if not near else " or ".join(map(repr, near))
        raise ValueError(f"there is no question {name!r}, expected {expected}")
    return QUESTIONS[name]


def progress_of(earned: Mapping[str, int], note: str = "") -> Progress:
    """Return the points earned, by question, as they are shown."""
    known = {
        name: min(earned[name], question.points)
        for name, question in QUESTIONS.items()
        if earned.get(name)
    }
    rungs = {
        name.removeprefix("ch").replace("_", " "): tuple(bank.QUESTIONS)
        for name, bank in BANKS.items()
    }
    return Progress(known, rungs, note)


__all__ = [
    "QUESTIONS",
    "Feedback",
    "Hint",
    "Progress",
    "Question",
    "certificate",
    "check",
    "hint",
    "progress",
    "progress_of",
]
