import contextlib
import math
import re
import signal

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises import ch04_forget_gate as exercise


def check(answer):
    return lc.check("forget-gate", answer)


def widening(x, h, c, W, U, b):
    return np.array([[float(v) for v in row] for row in exercise.solution(x, h, c, W, U, b)])


def squeezing(x, h, c, W, U, b):
    return lc.sigmoid(W @ x.squeeze() + U @ h.squeeze() + b)[None] * c


def reshaping(x, h, c, W, U, b):
    return lc.sigmoid(W @ x.reshape(W.shape[1]) + U @ h.reshape(len(b)) + b)[None] * c


def summing_over_the_batch(x, h, c, W, U, b):
    return lc.sigmoid((x @ W.T + h @ U.T + b).sum(axis=0)) * c


def losing_an_axis(x, h, c, W, U, b):
    return exercise.solution(x, h, c, W, U, b)[0]


def overflowing(x, h, c, W, U, b):
    power = np.exp(x @ W.T + h @ U.T + b)
    return power / (1 + power) * c


def overflowing_and_without_bias(x, h, c, W, U, b):
    power = np.exp(x @ W.T + h @ U.T)
    return power / (1 + power) * c


def only_zeros_in_float32(x, h, c, W, U, b):
    return exercise.solution(x, h, c, W, U, b) * (x.dtype == np.float64)


def always_float32(*args):
    return exercise.solution(*args).astype(np.float32)


def exchanged_parameters(x, h_prev, c_prev, U, W, b):
    return exercise.solution(x, h_prev, c_prev, W, U, b)


def sorted_parameters(U, W, b, c_prev, h_prev, x):
    return exercise.solution(x, h_prev, c_prev, W, U, b)


RANDOM = np.random.default_rng(0)


def random(x, h, c, W, U, b):
    return c * RANDOM.random(c.shape)


def checking_itself(*args):
    return lc.check("forget-gate", checking_itself)


class Grumpy(Exception):
    def __str__(self):
        raise RuntimeError


def grumpy(*args):
    raise Grumpy


class Stubborn:
    def __array__(self, *args, **kwargs):
        raise RuntimeError


def endless(*args):
    while True:
        with contextlib.suppress(Exception):
            while True:
                pass


def raising(x, h, c, W, U, b):
    return x @ W @ np.ones(7)


def quitting(*args):
    raise SystemExit


def with_math(x, h, c, W, U, b):
    f = [[1 / (1 + math.exp(-a)) for a in row] for row in x @ W.T + h @ U.T + b]
    return (np.array(f) * c).astype(x.dtype)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (widening, "float32 arguments give a float64 result"),
        (always_float32, "float64 arguments give a float32 result. Something .* always float32"),
        (only_zeros_in_float32, "but wrong values for float32"),
        (squeezing, "Right for one sequence, N = 1, but wrong for batches"),
        (reshaping, "Right for one sequence, N = 1, but wrong for batches"),
        (summing_over_the_batch, "Right for one sequence, N = 1, but wrong for batches"),
        (losing_an_axis, "The axis of the sequences is lost"),
        (overflowing, "Right for small arguments, but not for large ones"),
        (with_math, "Right for small arguments, but not for large ones"),
        (overflowing_and_without_bias, "The bias has no effect"),
        (exchanged_parameters, "Your parameters are in the order x, h_prev, c_prev, U, W, b"),
        (sorted_parameters, "Your parameters are in the order U, W, b, c_prev, h_prev, x"),
        (random, "Called twice"),
        (checking_itself, "lc.check is inside your function"),
        (grumpy, "raised Grumpy"),
        (lambda *args: Stubborn(), "got Stubborn"),
        (lambda *args: args[2] * 1j, "an array of dtype complex128"),
        (
            lambda *args: 0 * args[2],
            "Your result does not depend on x, h_prev, c_prev, W, U, b",
        ),
        (
            lambda *args: exercise.solution(*args).round(4),
            "Close, but off by more than float64 rounding",
        ),
        (
            lambda *args: exercise.solution(*args) * (1 + 1e-5),
            "Close, but off by more than float64 rounding",
        ),
        (raising, r"raised ValueError: .*\nin the line: return x @ W @ np.ones\(7\)"),
        (quitting, "raised SystemExit"),
        (lambda x: x, "Your function takes x. The check calls it with x, h_prev, c_prev"),
        (lambda *args: (args[0], args[1]), "got a tuple of 2"),
        (lambda *args: "text", "got str"),
        (lambda *args: args[2].sum(), "got shape"),
        (lambda *args: args[2] * np.nan, "does not depend on|not a finite number"),
        ("text", "got str"),
        (np.ones((2, 2)), "got ndarray"),
        (lambda *args: 0.123 * args[2], "Your result does not depend on x, h_prev, W, U, b"),
        (
            lambda *args: exercise.solution(*args) ** 3,
            r"entry \(0, 0\) is .* expected .*\nThere c_prev = \[\[-1.1\]\], x, .* all 0",
        ),
    ],
)
def test_whatever_comes_gets_a_sentence(answer, sentence):
    feedback = check(answer)
    assert not feedback.passed
    assert feedback.message
    assert re.search(sentence, feedback.message), feedback


def test_an_endless_answer_is_stopped(monkeypatch):
    before = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr("lstm_course.exercises.engine.feedback.SECONDS", 0.2)
    assert "did not finish within 0.2 seconds" in check(endless).message
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


V = np.concatenate([exercise.PUZZLE_C, exercise.PUZZLE_X])
LOGIT = np.log(exercise.PUZZLE_F / (1 - exercise.PUZZLE_F))


def rows(a, v=V):
    return np.outer(a, v) / (v @ v)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((rows(exercise.PUZZLE_F), np.zeros(3)), "before the sigmoid"),
        ((rows(np.log(exercise.PUZZLE_F)), np.zeros(3)), "invert the exponential"),
        (
            (rows(LOGIT, np.concatenate([exercise.PUZZLE_X, exercise.PUZZLE_C])), np.zeros(3)),
            r"fit \[x; c\]",
        ),
        ((np.zeros((3, 6)), LOGIT), "row 0 of W is 0"),
        ((rows(LOGIT), 0), r"b second, here \(3,\), got shape \(\)\.$"),
        (rows(LOGIT), r"got an array of shape \(3, 6\)"),
        ((np.zeros((3, 6)), LOGIT.round(2)), "Close"),
        (
            (np.zeros((6, 3)), LOGIT),
            r"W first, here \(3, 6\), got shape \(6, 3\)",
        ),
        ((np.zeros((3, 6)), np.zeros(3)), "Unit 1 is furthest off"),
        ((rows(-LOGIT), np.zeros(3)), "A sign is wrong"),
        ((rows(2 * LOGIT), np.zeros(3)), "2 times what it should be"),
        ((rows(np.arctanh(exercise.PUZZLE_F)), np.zeros(3)), "You invert tanh"),
        (lambda: None, "Call it: puzzle"),
        ((np.full((3, 6), np.nan), LOGIT), "finite"),
        ((np.zeros((3, 6)), "text"), "got str"),
        (LOGIT, r"Expected a pair \(W, b\)"),
        ((1, 2, 3), r"Expected a pair \(W, b\)"),
    ],
)
def test_puzzle_names_what_is_wrong(answer, sentence):
    feedback = lc.check("forget-gate-puzzle", answer)
    assert not feedback.passed
    assert re.search(sentence, feedback.message), feedback


@pytest.mark.parametrize("stub", [None, ..., (None, None), (np.zeros((3, 6)), None)])
def test_puzzle_stub_is_not_answered_yet(stub):
    assert not lc.check("forget-gate-puzzle", stub).answered
