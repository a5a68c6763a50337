"""Where an answer is wrong: which result, slice, axis, factor, size, precision; and the smallest input."""

import dataclasses
import math
import re

import numpy as np
import pytest

from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.trials import GATE_SLICES, Case, Returned


def solution(xs, weight, rate):
    """Return hs (T, N, H), d_weight (4H, D), a list of two arrays, and a loss."""
    a = xs @ weight.T  # (T, N, 4H)
    hs = np.cumsum(a, axis=0)[:, :, : len(weight) // 4]
    d_weight = rate * np.einsum("tnk,tnd->kd", a, xs)
    return hs, d_weight, [a[-1], xs[0]], float((a**2).mean())


def case(T, N, D, H):
    rng = np.random.default_rng([T, N, D, H])
    arguments = {"xs": rng.normal(size=(T, N, D)), "weight": rng.normal(size=(4 * H, D))}
    return Case({"T": T, "N": N, "D": D, "H": H}, {**arguments, "rate": 0.5})


EXAM = FunctionExam(
    name="layer",
    solution=solution,
    returns=(
        Returned("hs", "(T, N, H)"),
        Returned("d_weight", "(4H, D)", slices=GATE_SLICES),
        Returned("ends"),
        Returned("loss"),
    ),
    cases=(
        case(2, 2, 2, 2),
        case(1, 1, 1, 1),
        case(1, 1, 2, 3),
        case(3, 1, 2, 1),
        case(1, 4, 2, 3),
        case(2, 3, 1, 1),
        case(3, 2, 4, 2),
    ),
    mistakes={
        "The mean is a sum.": (
            lambda xs, W, rate: (*solution(xs, W, rate)[:3], float(((xs @ W.T) ** 2).sum())),
        ),
        "The rate is squared.": (
            lambda xs, W, rate: (
                solution(xs, W, rate)[0],
                rate * solution(xs, W, rate)[1],
                *solution(xs, W, rate)[2:],
            ),
        ),
    },
    right="Right.",
    properties={
        "The loss is not negative.": lambda f, rng: f(*case(2, 1, 2, 1).arguments.values())[3] >= 0
    },
)


def said_of(answer):
    feedback = Question("layer", 1, ("", "", ""), EXAM).check(answer)
    assert not feedback.passed
    return feedback.message


def but(**changes):
    """Return a function that is right but for these results."""

    def answer(xs, weight, rate):
        results = dict(
            zip(("hs", "d_weight", "ends", "loss"), solution(xs, weight, rate), strict=True)
        )
        return tuple(
            changes[name](value, xs) if name in changes else value
            for name, value in results.items()
        )

    return answer


def wrong_slice(*wrong):
    def change(d_weight, xs):
        parts = np.split(d_weight, 4)
        return np.concatenate([part**2 + 1 if k in wrong else part for k, part in enumerate(parts)])

    return change


def in_the_order(*order):
    return lambda d_weight, xs: np.concatenate([np.split(d_weight, 4)[k] for k in order])


def when(condition):
    return lambda value, xs: value + 0.1 * condition(xs)


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        (
            but(d_weight=wrong_slice(1)),
            [
                "Right: hs, ends[0], ends[1], loss. Wrong: d_weight.",
                "In d_weight the slice of the forget gate is wrong. Right: input gate, candidate, output gate.",
                "entry (1, 0) of d_weight is",
            ],
        ),
        (
            but(d_weight=wrong_slice(0, 2)),
            ["In d_weight the slices of the input gate and of the candidate are wrong."],
        ),
        (
            but(d_weight=in_the_order(0, 1, 3, 2)),
            [
                "The slices of d_weight are right, but they come in the order input gate, forget gate, output gate, candidate;"
            ],
        ),
        (
            but(hs=lambda hs, xs: hs.transpose(1, 0, 2)),
            ["Wrong: hs.", "axes are swapped: got (N, T, H), expected (T, N, H)"],
        ),
        (but(hs=lambda hs, xs: hs[::-1]), ["hs are right, but in reverse order along the axis T"]),
        (but(hs=lambda hs, xs: hs[0]), ["The axis of the steps is lost"]),
        (but(hs=lambda hs, xs: hs[0, 0]), ["Expected an array hs of shape (T, N, H), here ("]),
        (but(d_weight=lambda d, xs: -d), ["Only the sign of d_weight is wrong"]),
        (but(d_weight=lambda d, xs: 3 * d), ["d_weight is 3 times what's expected"]),
        (but(d_weight=lambda d, xs: d * len(xs)), ["d_weight is T times what's expected"]),
        (but(loss=lambda loss, xs: loss / xs.shape[1]), ["loss is 1/N of what's"]),
        (
            but(hs=when(lambda xs: len(xs) > 1)),
            [
                "Right for one step, T = 1, but wrong for longer sequences.",
                "Wrong for T = 2, N = 3",
            ],
        ),
        (
            but(loss=when(lambda xs: xs.shape[1] > 1)),
            ["Right for one sequence, N = 1, but wrong for batches."],
        ),
        (
            but(loss=when(lambda xs: xs.shape[2] > 1)),
            ["Right for D = 1, but wrong when D is larger."],
        ),
        (
            but(loss=lambda loss, xs: -loss),
            ["The loss is not negative.\nRight: hs", "\nAnother case:\nWrong for"],
        ),
        (but(loss=lambda loss, xs: xs), ["Expected loss as one number, got shape (1, 1, 2)"]),
        (but(loss=lambda loss, xs: "low"), ["Expected loss as one number, got str"]),
        (but(loss=lambda loss, xs: None), ["got NoneType"]),
        (
            but(ends=lambda ends, xs: ends[:1]),
            ["Expected a list ends of 2 arrays, got a list of 1"],
        ),
        (but(ends=lambda ends, xs: ends[0]), ["Expected a list ends of 2 arrays, got an array"]),
        (but(ends=lambda ends, xs: [ends[0], 0 * ends[1]]), ["as ends[1] does not depend on xs"]),
        (
            but(hs=lambda hs, xs: np.full_like(hs, np.nan)),
            [
                "For T = 1, N = 1, D = 1, H = 1 hs is not a finite number: entry (0, 0, 0) is nan, "
                "expected -",
                "\nThere xs = [[[",
            ],
        ),
        (
            lambda *args: tuple(solution(*args)[k] for k in (1, 0, 2, 3)),
            [
                "Your results come in the order d_weight, hs, ends[0], ends[1], loss. The question asks for hs, d_w"
            ],
        ),
        (
            lambda *args: solution(*args)[:2],
            ["Expected 4 results, hs, d_weight, ends, loss, got a tuple of 2"],
        ),
        (lambda *args: solution(*args)[0], ["d_weight, ends, loss, got an array of shape ("]),
        (
            lambda xs, W, rate: (*solution(xs, W, rate)[:3], float(((xs @ W.T) ** 2).sum())),
            ["The mean is a sum."],
        ),
        (
            lambda xs, W, rate: (
                solution(xs, W, rate)[0],
                rate * solution(xs, W, rate)[1],
                solution(xs, W, rate)[2],
                float(((xs @ W.T) ** 2).sum()),
            ),
            [
                "Right: hs, ends[0], ends[1]. Wrong: d_weight, loss.\n"
                "In d_weight: The rate is squared.\n"
                "In loss: The mean is a sum.",
            ],
        ),
        (
            lambda xs, W, rate: (
                solution(xs, W, rate)[0],
                rate * solution(xs, W, rate)[1],
                solution(xs, W, rate)[2],
                float(np.sin(xs).sum()),
            ),
            [
                "In d_weight: The rate is squared.\nWhat you return as loss does not depend on weight.\nWrong for"
            ],
        ),
        (
            but(hs=lambda hs, xs: hs.astype(np.float32)),
            ["float64 arguments give a float32 result hs. Something in your function is always"],
        ),
        (
            but(hs=lambda hs, xs: hs.astype(float)),
            ["float32 arguments give a float64 result hs."],
        ),
        (
            but(hs=lambda hs, xs: hs * (xs.dtype == np.float64)),
            ["Right for float64 arguments, but wrong values of hs for float32 ones."],
        ),
        (
            lambda xs, W, rate: solution(xs, W, rate) if len(xs) > 1 else None,
            ["For T = 1, N = 1, D = 2, H = 3 your function returns None."],
        ),
    ],
)
def test_where_it_is_wrong(answer, sentences):
    message = said_of(answer)
    for sentence in sentences:
        assert sentence in message, message


def one_array(solution, cases):
    exam = FunctionExam("f", solution, (Returned(shape="(N,)"),), cases, {}, "Right.")
    return Question("f", 1, ("", "", ""), exam)


def test_what_matters_by_its_sign_or_its_size_alone_is_not_said_to_be_ignored():
    cases = tuple(
        Case({"N": n}, dict(zip("abc", np.random.default_rng(n).normal(size=(3, n)), strict=True)))
        for n in (2, 1, 3)
    )
    question = one_array(lambda a, b, c: a * b + c, cases)
    for answer in (lambda a, b, c: a * np.sign(b), lambda a, b, c: a * (abs(b) < 10)):
        message = question.check(answer).message
        assert "Your result does not depend on c." in message


def test_results_that_are_not_finite_do_not_show_which_mistake_it_is():
    def division_by_0(*given):
        hs, *others = solution(*given)
        return hs * np.nan, *others

    def that_and_twice_the_weight(*given):
        hs, d_weight, *others = division_by_0(*given)
        return hs, 2 * d_weight, *others

    exam = dataclasses.replace(EXAM, mistakes={"Twice.": (that_and_twice_the_weight,)})
    question = Question("layer", 1, ("", "", ""), exam)
    assert question.check(that_and_twice_the_weight).message == "Twice."
    assert "Twice." not in question.check(division_by_0).message


def test_the_input_shown_makes_no_result_a_thousand_times_as_large():
    cases = tuple(Case({"N": n}, {"a": np.full(n, 2.0), "b": np.full(n, 0.5)}) for n in (2, 1, 3))
    question = one_array(lambda a, b: a / (abs(b) + 1e-8), cases)
    message = question.check(lambda a, b: a / (abs(b) + 1e-2)).message
    assert "There a = [2.], b = [0.5]." in message


def test_two_arguments_exchanged():
    def solution(a, b):
        return a - 2 * b

    cases = tuple(
        Case({"N": n}, dict(zip("ab", np.random.default_rng(n).normal(size=(2, n)), strict=True)))
        for n in (2, 1, 3)
    )
    exam = FunctionExam("f", solution, (Returned(shape="(N,)"),), cases, {}, "Right.")
    question = Question("f", 1, ("", "", ""), exam)
    assert question.check(lambda p, q: q - 2 * p).message == "Your function mixes up a and b."


def test_arguments_are_not_said_to_be_exchanged_where_the_cases_that_fail_do_not_show_it():
    """With a and b the same, as in all cases but the last, nothing tells them apart."""
    same = [Case({"N": n}, {"a": np.ones(n), "b": np.ones(n)}) for n in (2, 1, 3, 4)]
    last = Case({"N": 2}, {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 5.0])})
    question = one_array(lambda a, b: a - 2 * b, (*same, last))
    message = question.check(lambda a, b: a - 2 * b + (a - b) ** 2).message
    assert message.startswith("Wrong for N = 2: entry (1,) is ")


def loss_of(x):
    return -np.log(x)


def quotient_of(x):
    return np.where(x > 0, -np.log(np.maximum(x, 1e-9)), x / x)


@pytest.mark.parametrize(
    ("answer", "got", "cause"),
    [
        (loss_of, "inf", "the logarithm of 0, in the line: return -np.log(x)"),
        (quotient_of, "nan", "0 divided by 0, or infinity by infinity, in the line: return"),
        (lambda x: -np.log(x - 0.1), "nan", "the logarithm of a negative number, in the"),
        (lambda x: x**-1, "inf", "a division by 0, in the line: "),
        (lambda x: np.arccos(x + 2), "nan", "invalid value encountered in arccos, in the line: "),
    ],
)
def test_why_a_result_is_not_finite(answer, got, cause):
    cases = tuple(Case({"N": n}, {"x": np.linspace(0, 1, n + 1)}) for n in (2, 1, 3))
    question = one_array(lambda x: -np.log(np.maximum(x, 0.5)), cases)
    message = question.check(answer).message
    assert f"your result is not a finite number: entry (0,) is {got}, expected 0.6931." in message
    assert f"\nNumPy's first warning on the way: {cause}" in message
    assert message.endswith("\nThere x = [0., 1.].")


def test_large_arguments_are_told_with_what_numpy_warns_of():
    small = tuple(Case({"N": n}, {"x": np.arange(1.0, n + 1)}) for n in (2, 1, 3))
    large = Case({"N": 2}, {"x": np.array([-1000.0, 1000.0])}, large=True)
    question = one_array(lambda x: np.logaddexp(0, x), (*small, large, small[0]))
    head = "Right for small arguments, but not for large ones"
    assert question.check(lambda x: np.log(1 + np.exp(x))).message.startswith(
        f"{head}: your result is not a finite number.\nNumPy's first warning on the way: an "
        "exponential that overflows, in the line: "
    )
    message = question.check(lambda x: np.array([math.log(1 + math.exp(a)) for a in x])).message
    assert message.startswith(f"{head}. Your function raised OverflowError")


def test_a_result_whose_numbers_say_nothing_is_told_in_words():
    told = ("you write into a", "you write around b")
    exam = FunctionExam(
        "f",
        lambda a: (a, np.zeros(2)),
        (Returned("a", "(N,)"), Returned("what is written elsewhere", "(2)", told=told)),
        tuple(Case({"N": n}, {"a": np.full(n, 0.5)}) for n in (2, 1, 3)),
        {},
        "Right.",
    )
    question = Question("f", 1, ("", "", ""), exam)
    once, twice = (
        question.check(lambda a, k=k: (a, np.array([3.0, 3.0 * k]))).message for k in (0, 1)
    )
    assert "Wrong: what is written elsewhere." in once
    assert once.endswith("For N = 1: you write into a.\nThere a all 0.")
    assert "For N = 1: you write into a and you write around b." in twice


def test_the_input_shown_is_small_and_round():
    message = said_of(but(d_weight=lambda d, xs: d + np.sin(xs).sum()))
    assert "Wrong for T = 1, N = 1, D = 1, H = 1: entry (0, 0) of d_weight is " in message
    (given,) = re.findall(r"^There (.*)\.$", message, re.MULTILINE)
    assert re.fullmatch(r"xs = \[\[\[ ?-?\d\.\d?\]\]\], rate = 0.5, weight all 0", given), given


def test_arguments_of_other_kinds():
    def solution(words, vocabulary, count):
        return np.eye(len(vocabulary))[[vocabulary.index(word) for word in words]] * count

    vocabulary = ["the", "cat", "sat"]
    cases = tuple(
        Case({"T": len(words)}, {"words": words, "vocabulary": vocabulary, "count": 2})
        for words in (["the", "cat", "sat"], ["cat"])
    )
    exam = FunctionExam("encode", solution, (Returned(shape="(T, 3)"),), cases, {}, "Right.")
    question = Question("encode", 1, ("", "", ""), exam)
    assert question.check(solution).passed
    message = question.check(lambda w, v, c: solution(w, v, c) + 1).message
    assert "There words = ['cat'], vocabulary = ['the', 'cat', 'sat'], count = 2." in message

    def popping(words, vocabulary, count):
        return solution([words.pop()], vocabulary, count)

    assert question.check(popping).message.startswith("Your function changes words in place")
    assert "words a list of 3" in question.check(lambda w, v, c: w + 1).message


def test_a_case_shows_what_it_has_to_show_in_place_of_its_arguments():
    cases = tuple(
        Case({"N": n}, {"f": np.sin, "a": np.ones(n)}, shown=f"There f is the sine of {n}.")
        for n in (2, 1)
    )
    question = one_array(lambda f, a: np.where(a == 1, f(a), np.nan), cases)
    message = question.check(lambda f, a: f(a) + a / 7).message
    assert message.endswith("expected 0.8415.\nThere f is the sine of 1.")


def test_a_slow_answer_is_not_called_again_and_again(monkeypatch):
    calls = []

    def wrong(*args):
        calls.append(args)
        return but(hs=lambda hs, xs: hs + np.sin(xs.sum()))(*args)

    patient = said_of(wrong), len(calls)
    calls.clear()
    monkeypatch.setattr("lstm_course.exercises.engine.diagnosis.SLOW", 0)
    assert "entry (0, 0, 0) of hs is" in said_of(wrong)
    assert len(calls) < patient[1] / 2
