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


NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@pytest.mark.parametrize("bank", BANKS)
def test_an_exercise_asks_its_banks_questions_in_their_order(bank):
    path = folder(bank) / "master.ipynb"
    cells = notebooks.read(path).cells
    asked = re.findall(r"^# EXERCISE: (\S*)", "\n".join(c.source for c in cells), re.MULTILINE)
    known = [question.name for question in BANKS[bank].QUESTIONS]
    assert asked == known, f"{path} asks {asked}, its bank {known}"

    start, total = cells[0].source, sum(question.points for question in BANKS[bank].QUESTIONS)
    words = f"{NUMBERS[total]} points"
    assert re.search(rf"\b{words}", start, re.IGNORECASE), (
        f"{path}: the introduction should say {words!r} in words, the sum of the bank's"
    )
    if bank != "capstone":
        chapter = int(bank[2:4])
        assert start.startswith(f"# Exercise {chapter} · ")
        link = rf"\[chapter {chapter}\]\(\.\./\.\./book/\d-\w+/{chapter:02}-"
        assert re.search(link, start), f"{path}: the introduction has no link to its chapter"


@pytest.mark.parametrize("name", QUESTIONS)
def test_notebook_and_bank_agree(name):
    """Heading, number, points, the function's name and parameters, solution, right answers."""
    question = QUESTIONS[name]
    bank = next(bank for bank in BANKS if question in BANKS[bank].QUESTIONS)
    siblings = [one.name for one in BANKS[bank].QUESTIONS]
    path = folder(bank) / "master.ipynb"
    cells = notebooks.read(path).cells
    places = [k for k, cell in enumerate(cells) if f"# EXERCISE: {name}\n" in cell.source]
    assert len(places) == 1, f"{path} has {len(places)} cells that begin with # EXERCISE: {name}"
    code, before = cells[places[0]].source, cells[: places[0]]

    number, points = siblings.index(name) + 1, question.points
    worth = f"({points} point{'s' * (points > 1)})"
    headings = [c.source.splitlines()[0] for c in before if c.source.startswith("## ")]
    heading = headings[-1] if headings else "missing"
    numbered = f"## Question {number}: " if len(siblings) > 1 else "## "
    assert re.fullmatch(rf"{re.escape(numbered)}.+{re.escape(worth)}", heading), (
        f"{path}: the heading of {name} is {heading!r}, expected {numbered + 'TITLE ' + worth!r}"
    )
    assert len(notebooks.SOLUTION.findall(code)) == 1, (
        f"{path}, {name}: expected one # SOLUTION ... # END SOLUTION"
    )
    wanted = f'lc.check("{name}", '
    if isinstance(question.exam, FunctionExam):
        exam = question.exam
        flat = re.sub(r"\s|,(?=\s*\))", "", code)
        definition = f"def {exam.name}({', '.join(exam.cases[0].arguments)})"
        assert re.sub(r"\s", "", definition) in flat, f"{path}, {name}: no {definition!r}"
        wanted += f"{exam.name})"
    assert wanted in code, f"{path}, {name}: no {wanted!r}"
    answers = len(RIGHT.get(name, ()))
    assert answers >= 2, (
        f"{folder(bank)}/right.py has {answers} right answers to {name}, expected two"
    )
