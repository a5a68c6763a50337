"""Each question stands in a notebook and in a bank, and both must say the same of it."""

import re

import notebooks
import pytest

from conftest import ROOT, right_answers
from lstm_course.exercises import BANKS, QUESTIONS
from lstm_course.exercises.engine.functions import FunctionExam

RIGHT = right_answers()


def folder(bank):
    """Return the folder of an exercise, which has its chapter's number."""
    return ROOT / "exercises" / bank.removeprefix("ch").replace("_", "-")


def test_an_exercise_has_a_bank_and_a_folder():
    folders = {path.parent for path in (ROOT / "exercises").glob("*/master.ipynb")}
    assert {folder(bank) for bank in BANKS} == folders


NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


@pytest.mark.parametrize("name", QUESTIONS)
def test_notebook_and_bank_agree(name):
    """Presence, order, number, the function's name, points, their total, the link's text."""
    question = QUESTIONS[name]
    bank = next(bank for bank in BANKS if question in BANKS[bank].QUESTIONS)
    siblings = [one.name for one in BANKS[bank].QUESTIONS]
    path = folder(bank) / "master.ipynb"
    cells = notebooks.read(path).cells
    names = re.findall(r"^# EXERCISE: (.*)$", "\n".join(c.source for c in cells), re.MULTILINE)
    assert names == siblings, f"{path} asks {names}, its bank {siblings}"
    assert name in RIGHT, f"{folder(bank)}/right.py has no answers to {name}"

    place = next(k for k, cell in enumerate(cells) if f"# EXERCISE: {name}\n" in cell.source)
    code = cells[place].source
    text = next(c.source for c in reversed(cells[:place]) if c.source.startswith("## "))
    number, points = siblings.index(name) + 1, question.points
    numbered = f"Question {number}: " * (len(siblings) > 1)
    heading = rf"## {numbered}.+ \({points} point{'s' * (points > 1)}\)\n"
    assert re.match(heading, text), f"{text[:60]!r} does not fit {heading!r}"
    assert f'lc.check("{name}", ' in code
    if isinstance(question.exam, FunctionExam):
        assert f"def {question.exam.name}(" in code

    start = cells[0].source
    total = sum(one.points for one in BANKS[bank].QUESTIONS)
    assert re.search(rf"\b{NUMBERS[total]} points", start, re.IGNORECASE), total
    if bank != "capstone":
        chapter = int(bank[2:4])
        assert re.match(rf"# Exercise {chapter} · ", start)
        assert re.search(rf"\[chapter {chapter}\]\(\.\./\.\./book/\d-\w+/{chapter:02}-", start)
