"""What a check says beside right and wrong: what was printed, whose error it is, where to go on."""

import address
import numpy as np
import pytest

import lstm_course as lc
from conftest import ROOT
from lstm_course.exercises import QUESTIONS
from lstm_course.exercises.engine.feedback import PRINTED, Question
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.trials import Case, Returned

CASES = tuple(Case({"N": n}, {"x": np.arange(1.0, n + 1)}) for n in (2, 1, 3))


def check(answer, **changes):
    exam = {
        "name": "double",
        "solution": lambda x: 2 * x,
        "returns": (Returned(shape="(N,)"),),
        "cases": CASES,
        "mistakes": {},
        "right": "Right.",
        **changes,
    }
    return Question("double", 1, ("", "", ""), FunctionExam(**exam)).check(answer)


def printing(x):
    print("x is", x)
    return 2 * x


def test_what_the_first_call_prints_is_shown():
    feedback = check(printing)
    assert repr(feedback) == (
        "✓ double: 1 of 1 point.\n  Right.\n  Your function printed:\n    x is [1. 2.]"
    )
    wrong = repr(check(lambda x: printing(x) + 1))
    assert wrong.count("x is") == 1
    assert wrong.endswith("Your function printed:\n    x is [1. 2.]")


def test_what_is_printed_before_an_error_is_shown():
    def failing(x):
        print("here")
        raise ValueError("there")

    assert "Your function printed:\n    here" in repr(check(failing))


@pytest.mark.parametrize("text", ["line\n" * 100, "letters " * 1000])
def test_of_much_that_is_printed_the_beginning_is_shown(text):
    def talking(x):
        print(text)
        return 2 * x

    shown = repr(check(talking)).split("Your function printed:\n")[1].splitlines()
    assert len(shown) <= PRINTED[0] + 1
    assert len("".join(shown)) <= PRINTED[1] + 50
    assert shown[-1].strip() == "..."


def test_silence_is_not_mentioned():
    assert "printed" not in repr(check(lambda x: 2 * x))
    assert "printed" not in repr(check(printing, name="another") and check(lambda x: 3 * x))


def test_an_error_of_a_check_is_not_the_learner_s():
    def solution(x):
        return {}["nothing"]

    feedback = check(lambda x: 2 * x, solution=solution)
    assert not feedback.passed
    assert feedback.message.startswith("The check itself failed, so this says nothing about your")
    assert "KeyError: 'nothing' (test_feedback.py, line " in feedback.message


def given_function():
    """Return a function that stands in a bank, and raises for what it does not know."""
    namespace = {}
    file = str(ROOT / "lstm_course" / "exercises" / "ch99_bank.py")
    exec(compile("def step(word):\n    return {0: 1.0}[word]", file, "exec"), namespace)
    return namespace["step"]


def test_an_error_in_a_function_that_is_given_says_where_it_was_called():
    step = given_function()
    cases = tuple(Case({"N": n}, {"x": np.ones(n), "step": step}) for n in (2, 1, 3))

    def answer(x, step):
        return x * step(5)

    message = check(answer, cases=cases, solution=lambda x, step: x * step(0)).message
    assert message.startswith(
        "A function that was passed to yours raised KeyError: 5\n"
        "in the line: return x * step(5)\nIt was called with x (1,), step a function."
    )


def test_an_error_without_a_line_of_the_learner_s_is_the_check_s():
    message = check(given_function()).message
    assert message.startswith("The check itself raised TypeError: unhashable type")
    assert "not a line of yours" in message


def test_an_error_of_what_is_written_in_c_is_the_learner_s():
    assert check(np.linalg.inv).message.startswith("Your function raised LinAlgError")
    assert check("text".join).message.startswith("Your function raised TypeError")


@pytest.mark.parametrize("name", QUESTIONS)
def test_other_right_answers_are_shown_to_those_who_pass(name):
    place = lc.exercises._others(name)
    repository = address.mentions(*address.address())[0]
    assert place.startswith(f"{repository}/blob/main/exercises/")
    assert (ROOT / place.removeprefix(f"{repository}/blob/main/")).is_file()


def test_the_address_of_other_answers_ends_the_feedback():
    right = repr(lc.check("tanh", lambda x, sigmoid: 2 * sigmoid(2 * x) - 1))
    assert right.splitlines()[-1].startswith("  Other right answers, to compare with yours: https")
    assert "Other right answers" not in repr(lc.check("tanh", lambda x, sigmoid: sigmoid(x)))
    assert "Other right answers" not in repr(lc.check("tanh", None))
