"""Every question of every exercise: right answers, known mistakes, and whatever else comes."""

import re
import signal
import sys

import notebooks
import numpy as np
import pytest

import lstm_course as lc
from conftest import ROOT, right_answers
from lstm_course.exercises import BANKS, QUESTIONS
from lstm_course.exercises.engine.functions import FunctionExam, _cast
from lstm_course.exercises.engine.trials import expect

RIGHT = right_answers()

FUNCTIONS = [name for name, q in QUESTIONS.items() if isinstance(q.exam, FunctionExam)]
SEVERAL = [name for name in FUNCTIONS if len(QUESTIONS[name].exam.returns) > 1]
EACH = pytest.mark.parametrize("name", QUESTIONS)
EACH_FUNCTION = pytest.mark.parametrize("name", FUNCTIONS)

CODE = ("@", ".T ", "np.", "lambda", "**", "->", ");")


def told(name, answer):
    """Check a wrong answer and return the sentence."""
    feedback = QUESTIONS[name].check(answer)
    assert not feedback.passed
    assert feedback.points == 0
    assert feedback.answered
    assert feedback.message
    return feedback.message


def parameters(name):
    return list(QUESTIONS[name].exam.cases[0].arguments)


def folder(bank):
    """Return the folder of an exercise, which has its chapter's number."""
    return ROOT / "exercises" / bank.removeprefix("ch").replace("_", "-")


def test_an_exercise_has_a_bank_and_a_folder_and_questions_have_one_name_each():
    folders = {path.parent for path in (ROOT / "exercises").glob("*/master.ipynb")}
    assert {folder(bank) for bank in BANKS} == folders
    assert len(QUESTIONS) == sum(len(bank.QUESTIONS) for bank in BANKS.values())


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


@EACH
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


@pytest.mark.parametrize(
    ("name", "k"), [(name, k) for name, answers in RIGHT.items() for k in range(len(answers))]
)
def test_right_answers_pass(name, k):
    feedback = QUESTIONS[name].check(RIGHT[name][k])
    assert feedback.passed, feedback
    assert feedback.points == QUESTIONS[name].points > 0
    assert feedback.message


@EACH
def test_a_question_has_right_answers_mistakes_and_hints(name):
    question = QUESTIONS[name]
    assert len(RIGHT[name]) >= 2
    assert len(question.exam.mistakes) >= 6
    assert len(question.hints) == len(set(question.hints)) == 3
    for text in (*question.hints, *question.exam.mistakes):
        assert text.endswith((".", "?"))
        assert not any(code in text for code in CODE), text


@pytest.mark.parametrize(
    ("name", "sentence"), [(name, s) for name, q in QUESTIONS.items() for s in q.exam.mistakes]
)
def test_known_mistakes_are_named(name, sentence):
    for mistake in QUESTIONS[name].exam.mistakes[sentence]:
        assert told(name, mistake) == sentence


@EACH_FUNCTION
def test_each_property_holds_for_right_answers_and_fails_for_a_wrong_one(name):
    exam = QUESTIONS[name].exam
    wrong = [
        *(mistake for mistakes in exam.mistakes.values() for mistake in mistakes),
        *(lambda *args, k=k: scaled(exam.solution(*args), k) for k in (-3, 3)),
    ]
    for sentence in {**exam.properties, **exam.demands}:
        failed = []
        for answer in (*RIGHT[name], *wrong):
            try:
                exam._check_properties(
                    answer, {sentence: {**exam.properties, **exam.demands}[sentence]}
                )
                failed.append(False)
            except Exception:
                failed.append(True)
        assert not any(failed[: len(RIGHT[name])]), sentence
        assert any(failed), sentence


def scaled(result, factor):
    if isinstance(result, tuple | list):
        return type(result)(scaled(one, factor) for one in result)
    return result * factor


def not_implemented(*args):
    raise NotImplementedError


@EACH
@pytest.mark.parametrize("stub", [None, ...])
def test_a_stub_is_not_answered_yet(name, stub):
    feedback = QUESTIONS[name].check(stub)
    assert not feedback.answered
    worth = f"{feedback.out_of} point{'s' if feedback.out_of > 1 else ''}"
    assert repr(feedback).startswith(f"– {name}: not answered yet ({worth}).")


@EACH_FUNCTION
@pytest.mark.parametrize("stub", [lambda *args: None, lambda *args: ..., not_implemented])
def test_a_stub_of_a_function_is_not_answered_yet(name, stub):
    assert not QUESTIONS[name].check(stub).answered


@pytest.mark.parametrize("name", SEVERAL)
def test_several_dots_are_a_stub(name):
    count = len(QUESTIONS[name].exam.returns)
    assert not QUESTIONS[name].check(lambda *args: (...,) * count).answered


@EACH
@pytest.mark.parametrize("answer", ["text", {"a": 1}, object(), 3.5, np.ones(2)])
def test_things_that_are_no_answer(name, answer):
    assert "xpected" in told(name, answer)


@EACH_FUNCTION
@pytest.mark.parametrize(
    "result", ["text", {"a": 1}, object(), np.ones((7, 7, 7)), np.array("text"), [[1], [2, 3]]]
)
def test_results_that_are_none(name, result):
    assert "xpected" in told(name, lambda *args: result)


@EACH_FUNCTION
def test_functions_that_cannot_be_called_so(name):
    names = parameters(name)
    assert f"calls it with {', '.join(names)}" in told(name, lambda: 0)
    more = eval(f"lambda {', '.join([*names, 'more'])}: 0")
    assert f"takes {', '.join(names)}, more" in told(name, more)
    if len(names) > 1:
        backward = eval(f"lambda {', '.join(reversed(names))}: 0")
        assert f"stand in the order {', '.join(reversed(names))}" in told(name, backward)


@EACH_FUNCTION
def test_a_function_that_raises(name):
    def raising(*args):
        raise KeyError("my own words")

    assert "raised KeyError: 'my own words'\nin the line: raise KeyError" in told(name, raising)
    assert "raised SystemExit" in told(name, lambda *args: sys.exit())


@EACH_FUNCTION
def test_a_function_that_prints_is_silenced(name, capsys):
    def noisy(*args):
        print("noise")
        print("noise", file=sys.stderr)
        np.log(np.zeros(1))  # warns
        return RIGHT[name][0](*args)

    demands = QUESTIONS[name].exam.demands
    feedback = QUESTIONS[name].check(noisy)
    assert feedback.passed or feedback.message in demands
    assert capsys.readouterr() == ("", "")


@EACH_FUNCTION
def test_a_function_that_changes_its_arguments(name):
    arguments = QUESTIONS[name].exam.cases[0].arguments
    for k, (argument, value) in enumerate(arguments.items()):
        if not isinstance(value, np.ndarray):
            continue

        def mutating(*args, k=k):
            result = RIGHT[name][0](*args)
            args[k][...] = args[k] == 0
            return result

        assert f"changes {argument} in place" in told(name, mutating)


def cast(result, dtype):
    if isinstance(result, tuple | list):
        return type(result)(cast(one, dtype) for one in result)
    return np.asarray(result).astype(dtype)


@EACH_FUNCTION
def test_float32_and_float64_are_told_apart(name):
    assert "float32" in told(name, lambda *args: cast(RIGHT[name][0](*args), np.float32))
    exam = QUESTIONS[name].exam
    arguments = {k: _cast(value, np.float32) for k, value in exam.cases[-1].arguments.items()}
    parts = expect(exam.solution, exam.returns, arguments)
    if not any(part.expected.dtype == np.float32 for part in parts):
        return  # a number of Python's has one kind of float
    assert "float32 arguments give a float64 result" in told(
        name, lambda *args: cast(RIGHT[name][0](*args), np.float64)
    )


@pytest.mark.parametrize("name", SEVERAL)
def test_several_results(name):
    right, names = RIGHT[name][0], [returned.name for returned in QUESTIONS[name].exam.returns]
    assert QUESTIONS[name].check(lambda *args: list(right(*args))).passed
    assert f"Expected {len(names)} results, {', '.join(names)}" in told(
        name, lambda *args: right(*args)[0]
    )
    assert told(name, lambda *args: tuple(right(*args))[::-1])
    for k, returned in enumerate(names):

        def doubled(*args, k=k):
            results = list(right(*args))
            results[k] = scaled(results[k], 2)
            return results

        message = told(name, doubled)
        assert returned in message or message in QUESTIONS[name].exam.mistakes, message


@EACH_FUNCTION
def test_an_endless_function_is_stopped(name, monkeypatch):
    def endless(*args):
        while True:
            pass

    before = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr("lstm_course.exercises.engine.feedback.SECONDS", 0.1)
    assert told(name, endless) == "Your function did not end within 0.1 seconds."
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_hints_are_text():
    for name, question in QUESTIONS.items():
        for k in (1, 2, 3):
            assert repr(lc.hint(name, k)) == f"Hint {k} of 3: {question.hints[k - 1]}"
    with pytest.raises(ValueError, match="strength is 4, expected 1, 2 or 3"):
        lc.hint("tanh", 4)
    with pytest.raises(ValueError, match="there is no question 'tan'"):
        lc.hint("tan")


def test_unknown_question():
    with pytest.raises(ValueError, match="there is no question 'forgot-gate', expected one of"):
        lc.check("forgot-gate", None)
