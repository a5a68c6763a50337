import re

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.ch05_input_gate import SETTINGS, _but, input_gate


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (SETTINGS.T, r"five rows f, i, g, here \(5, 3\), got shape \(3, 5\)"),
        (SETTINGS[:, [1, 0, 2]], "Your columns are i, f, g"),
        (SETTINGS[:, [2, 0, 1]], "Your columns are g, f, i"),
        (SETTINGS * np.nan, "finite"),
        (_but(replace=(0, -0.5, 1)), "replace: i = -0.5 isn't a share"),
        (_but(add=(1.5, 0.25, 1)), "add: f = 1.5 isn't a share"),
        (_but(approach=(0.5, 0.25, 2)), "approach: g = 2, but a candidate"),
        (
            _but(keep=(0.5, 0, 0), add=(0, 1, 0.5)),
            "Right: erase, replace, approach. Wrong: keep, add",
        ),
        (
            _but(keep=(0.5, 0, 0)),
            "keep: .* 0.8 into 0.4, expected 0.8; and one of -2 into -1, expected -2",
        ),
        (np.zeros((5, 3)), "Right: erase. Wrong: keep, replace, add, approach"),
        (lambda: SETTINGS, r"Call it: settings\(\)"),
        ((row for row in SETTINGS), "got generator"),
    ],
)
def test_settings_name_what_is_wrong(answer, sentence):
    feedback = lc.check("gate-settings", answer)
    assert not feedback.passed
    assert re.search(sentence, feedback.message), feedback


@pytest.mark.parametrize("stub", [None, ..., [None] * 5, [(1, 0, 0), ...]])
def test_settings_stub_is_not_answered_yet(stub):
    assert not lc.check("gate-settings", stub).answered


def test_two_mistakes_are_told_apart():
    def answer(x, h, W_i, b_i, W_g, b_g):
        both = np.hstack([x, h])
        return lc.sigmoid(both @ W_i.T), lc.sigmoid(both @ W_g.T + b_g)

    message = lc.check("input-gate", answer).message
    assert "In i: The bias has no effect." in message
    assert "In g: You squash the candidate with a sigmoid" in message


def test_a_sentence_on_both_results_is_not_said_of_one():
    def answer(x, h, W_i, b_i, W_g, b_g):
        both = np.hstack([x, h])
        return lc.sigmoid(both @ W_g.T + b_g), 3 * np.tanh(both @ W_i.T + b_i)

    assert "swap" not in lc.check("input-gate", answer).message


def test_two_results_may_come_stacked():
    def stacked(*given):
        return np.stack(input_gate(*given))

    assert lc.check("input-gate", stacked).passed
    three = lc.check("input-gate", lambda *given: np.stack([*stacked(*given), stacked(*given)[0]]))
    assert "Expected 2 results, i, g, got an array of shape (3, " in three.message
