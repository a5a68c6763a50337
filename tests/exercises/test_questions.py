"""Every question of every exercise: right answers, known mistakes, and whatever else comes."""

import signal
import sys

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused, right_answers
from lstm_course.exercises import BANKS, QUESTIONS
from lstm_course.exercises.engine.functions import FunctionExam, _cast
from lstm_course.exercises.engine.trials import expect
from lstm_course.exercises.engine.watching import is_of_the_package

RIGHT = right_answers()

FUNCTIONS = [name for name, q in QUESTIONS.items() if isinstance(q.exam, FunctionExam)]
SEVERAL = [name for name in FUNCTIONS if len(QUESTIONS[name].exam.returns) > 1]
EACH = pytest.mark.parametrize("name", QUESTIONS)
EACH_FUNCTION = pytest.mark.parametrize("name", FUNCTIONS)

CODE = ("@", ".T ", "np.", "lambda", "**", "->", ");")


def parameters(name):
    return list(QUESTIONS[name].exam.cases[0].arguments)


def test_every_question_has_a_name_of_its_own_and_right_answers():
    assert len(QUESTIONS) == sum(len(bank.QUESTIONS) for bank in BANKS.values())
    for name in QUESTIONS:
        assert name in RIGHT, f"no right.py has answers to {name}"
    assert RIGHT.keys() <= QUESTIONS.keys()


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
    assert len(RIGHT[name]) >= 2, f"{name} has one right answer in right.py, expected two"
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
        assert refused(name, mistake) == sentence


@EACH
def test_what_is_forbidden_is_of_the_package(name):
    for function in getattr(QUESTIONS[name].exam, "forbidden", ()):
        assert is_of_the_package(function), function


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
    assert "xpected" in refused(name, answer)


@EACH_FUNCTION
@pytest.mark.parametrize(
    "result", ["text", {"a": 1}, object(), np.ones((7, 7, 7)), np.array("text"), [[1], [2, 3]]]
)
def test_results_that_are_none(name, result):
    assert "xpected" in refused(name, lambda *args: result)


@EACH_FUNCTION
def test_functions_that_cannot_be_called_so(name):
    names = parameters(name)
    assert f"calls it with {', '.join(names)}" in refused(name, lambda: 0)
    more = eval(f"lambda {', '.join([*names, 'more'])}: 0")
    assert f"takes {', '.join(names)}, more" in refused(name, more)
    if len(names) > 1:
        backward = eval(f"lambda {', '.join(reversed(names))}: 0")
        assert f"are in the order {', '.join(reversed(names))}" in refused(name, backward)


@EACH_FUNCTION
def test_a_function_that_raises(name):
    def raising(*args):
        raise KeyError("my own words")

    assert "raised KeyError: 'my own words'\nin the line: raise KeyError" in refused(name, raising)
    assert "raised SystemExit" in refused(name, lambda *args: sys.exit())


@EACH_FUNCTION
def test_what_a_function_prints_is_part_of_the_feedback_alone(name, capsys):
    def noisy(*args):
        print("noise")
        print("noise", file=sys.stderr)
        np.log(np.zeros(1))  # warns
        return RIGHT[name][0](*args)

    demands = QUESTIONS[name].exam.demands
    feedback = QUESTIONS[name].check(noisy)
    assert feedback.passed or feedback.message in demands
    assert feedback.printed == "noise\nnoise\n"
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

        assert f"changes {argument} in place" in refused(name, mutating)


def cast(result, dtype):
    if isinstance(result, tuple | list):
        return type(result)(cast(one, dtype) for one in result)
    return np.asarray(result).astype(dtype)


@EACH_FUNCTION
def test_float32_and_float64_are_told_apart(name):
    exam = QUESTIONS[name].exam
    results = expect(exam.solution, exam.returns, exam.cases[-1].arguments)
    if not any(part.expected.dtype.kind == "f" for part in results):
        return  # a code may be a whole number of any kind
    assert "float32" in refused(name, lambda *args: cast(RIGHT[name][0](*args), np.float32))
    arguments = {k: _cast(value, np.float32) for k, value in exam.cases[-1].arguments.items()}
    parts = expect(exam.solution, exam.returns, arguments)
    if not any(part.expected.dtype == np.float32 for part in parts):
        return  # a number of Python's has one kind of float
    assert "float32 arguments give a float64 result" in refused(
        name, lambda *args: cast(RIGHT[name][0](*args), np.float64)
    )


@pytest.mark.parametrize("name", SEVERAL)
def test_several_results(name):
    right, names = RIGHT[name][0], [returned.name for returned in QUESTIONS[name].exam.returns]
    assert QUESTIONS[name].check(lambda *args: list(right(*args))).passed
    assert f"Expected {len(names)} results, {', '.join(names)}" in refused(
        name, lambda *args: right(*args)[0]
    )
    assert refused(name, lambda *args: tuple(right(*args))[::-1])
    for k, returned in enumerate(names):

        def doubled(*args, k=k):
            results = list(right(*args))
            results[k] = scaled(results[k], 2)
            return results

        message = refused(name, doubled)
        assert returned in message or message in QUESTIONS[name].exam.mistakes, message


@EACH_FUNCTION
def test_an_endless_function_is_stopped(name, monkeypatch):
    def endless(*args):
        while True:
            pass

    before = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr("lstm_course.exercises.engine.feedback.SECONDS", 0.1)
    assert refused(name, endless) == "Your function did not finish within 0.1 seconds."
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
    with pytest.raises(
        ValueError, match="there is no question 'forgot-gate', expected 'forget-gate'"
    ):
        lc.check("forgot-gate", None)
    with pytest.raises(ValueError, match="there is no question 'x', expected one of"):
        lc.check("x", None)
