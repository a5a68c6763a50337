"""What a question forbids earns nothing, however an answer comes by it."""

import contextlib
import functools
import warnings

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.trials import Case, Returned
from lstm_course.exercises.engine.watching import SILENCERS, is_of_the_package, watching

CASES = tuple(
    Case({"N": n}, {"x": np.random.default_rng(n).normal(size=(n, 2)), "sigmoid": lc.sigmoid})
    for n in (2, 1, 3)
)


def question(**changes):
    exam = {
        "name": "tanh",
        "solution": lambda x, sigmoid: lc.tanh(x),
        "returns": (Returned(shape="(N, 2)"),),
        "cases": CASES,
        "mistakes": {},
        "right": "Right.",
        "forbidden": (lc.tanh,),
        **changes,
    }
    return Question("tanh", 1, ("", "", ""), FunctionExam(**exam))


class Cell:
    def through_a_method(self, x, sigmoid):
        return lc.tanh(x)


def helper(x):
    return functools.reduce(lambda _, one: lc.pointwise.tanh(one), [x], None)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, sigmoid: lc.tanh(x),
        lambda x, sigmoid: helper(x),
        lambda x, sigmoid: np.array(list(map(lc.tanh, x))),
        lambda x, sigmoid: functools.partial(lc.tanh)(x) if len(x) > 2 else np.tanh(x),
        lambda x, sigmoid: (lc.tanh(x), np.tanh(x))[1],
        Cell().through_a_method,
    ],
)
def test_a_forbidden_function_is_found_and_named(answer):
    feedback = question().check(answer)
    assert not feedback.passed
    assert "they come from lc.tanh, which is not allowed here" in feedback.message


def test_what_is_not_forbidden_may_be_called():
    def answer(x, sigmoid):
        return 2 * lc.sigmoid(2 * x) - 1

    assert question().check(answer).passed
    assert question(forbidden=(lc.sigmoid,)).check(lambda x, sigmoid: np.tanh(x)).passed
    assert "from lc.sigmoid" in question(forbidden=(lc.sigmoid,)).check(answer).message


def test_a_function_that_the_exam_hands_in_may_call_what_is_forbidden():
    given = {"__name__": "lstm_course.exercises.some_bank", "lc": lc}
    exec("def given(x): return lc.tanh(x)", given)
    with watching([lc.tanh]) as called:
        given["given"](np.ones(2))
    assert called == []


def test_the_solution_is_forbidden_without_being_named():
    def solution(x):
        return lc.tanh(x)

    cases = tuple(Case(case.sizes, {"x": case.arguments["x"]}) for case in CASES)
    message = question(solution=lc.tanh, cases=cases, forbidden=()).check(solution).message
    assert "they come from lc.tanh" in message


def test_a_wrong_answer_is_told_what_is_wrong_first():
    message = question().check(lambda x, sigmoid: lc.tanh(x) + 1).message
    assert message.startswith("Wrong for N = 1")


def test_what_the_package_calls_for_the_learner_counts():
    x, b = np.ones((1, 2)), np.ones(2)
    with watching([lc.sigmoid, lc.tanh]) as called:
        lc.gates.forget_gate(x, x, np.eye(2), np.eye(2), b)
    assert called == [lc.sigmoid]
    with watching([lc.LSTM]) as called:
        lc.LSTM(2, 2, rng=np.random.default_rng(0))
    assert called == [lc.LSTM]


@pytest.mark.parametrize(
    ("own", "of_the_package"),
    [
        (lc.tanh, True),
        (functools.partial(functools.partial(lc.tanh)), True),
        (lc.LSTM(2, 2, rng=np.random.default_rng(0)).forward, True),
        (np.tanh, False),
        (helper, False),
        (functools.partial(helper), False),
    ],
)
def test_the_package_s_own_functions_are_known(own, of_the_package):
    assert is_of_the_package(own) == of_the_package


def overflowing(x):
    return 1 / (1 + np.exp(-x))


@np.errstate(over="ignore")
def decorated(x):
    return overflowing(x)


def in_a_block(x):
    with np.errstate(all="ignore"):
        return overflowing(x)


def on_a_stack(x):
    with contextlib.ExitStack() as stack:
        stack.enter_context(np.errstate(over="ignore"))
        return overflowing(x)


def for_all(x):
    np.seterr(over="ignore")
    return overflowing(x)


def filtered(x):
    warnings.simplefilter("ignore")
    return overflowing(x)


def caught(x):
    with warnings.catch_warnings(record=True):
        return overflowing(x)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (decorated, "np.errstate"),
        (lambda x: decorated(x), "np.errstate"),
        (in_a_block, "np.errstate"),
        (on_a_stack, "np.errstate"),
        (for_all, "np.seterr"),
        (filtered, "warnings.simplefilter"),
        (caught, "warnings.catch_warnings"),
    ],
)
def test_an_overflow_that_is_silenced_is_found(answer, name):
    message = lc.check("sigmoid", answer).message
    assert message.startswith("The values are right, but your function silences NumPy's warnings")
    assert f"with {name}." in message


def test_libraries_may_silence_what_they_do_inside():
    with watching(SILENCERS) as called:
        np.isclose(np.inf, np.ones(2))
        np.testing.assert_allclose(1, 1)
        lc.sigmoid(np.array([-1e4]))
    assert called == []
