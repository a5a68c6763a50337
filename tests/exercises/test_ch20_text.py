"""The chapter's questions: what is said of answers that mix mistakes, and what they are given."""

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.ch20_text import draw, tempered, writing
from lstm_course.losses import softmax


def shape_of_drawn_ones(step, state, start, draws, temperature):
    words, p = writing()(step, state, start, draws, temperature)
    return words, p[np.arange(len(words)), words]


def reads_the_likeliest_and_counts_from_1(step, state, start, draws, temperature):
    words, p = writing(fed=lambda written, p, start: int(np.argmax(p)))(
        step, state, start, draws, temperature
    )
    return words + 1, p


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        (shape_of_drawn_ones, ("Right: words. Wrong: p.", "here (3, 4), got shape (3,)")),
        (reads_the_likeliest_and_counts_from_1, ("In p: The model reads the likeliest",)),
        (
            writing(shown=lambda z, T: tempered(z, T) + 1e-3),
            ("At each step the probabilities must sum to 1", "Right: words. Wrong: p."),
        ),
        (
            writing(choose=lambda p, u: 0 if 0.5 < u < 0.9 else draw(p, u)),
            ("There state = …, ",),
        ),
        (
            writing(choose=lambda p, u: min(1, len(p) - 1)),
            ("A draw of 0 falls on the first", "What you return as words does not depend on"),
        ),
    ],
)
def test_sentences_are_true_of_what_they_are_said_of(answer, sentences):
    message = lc.check("sample", answer).message
    for sentence in sentences:
        assert sentence in message, message
    for never in ("axis of the steps", "Right for K = 1", "array("):
        assert never not in message, message


def with_the_package(step, state, start, draws, temperature):
    return writing(probabilities=lambda z, T: softmax(z / T))(
        step, state, start, draws, temperature
    )


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("temperature", lambda scores, temperature: softmax(scores / temperature)),
        ("sample", with_the_package),
    ],
)
def test_the_package_does_not_write_the_softmax(name, answer):
    assert "they come from lc.losses.softmax" in lc.check(name, answer).message


def test_a_state_that_the_start_has_changed_is_not_thrown_away():
    def anew(step, state, start, draws, temperature):
        now = state
        for word in start:
            scores, now = step(word, now)
        now, words, rows = state, [], []
        for u in draws:
            rows.append(tempered(scores, temperature))
            words.append(draw(rows[-1], u))
            scores, now = step(words[-1], now)
        return np.array(words), np.array(rows)

    assert lc.check("sample", anew).message.startswith(
        "The model has read the start, but it writes"
    )


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("temperature", lambda scores, temperature: tempered(scores, temperature + 1)),
        ("sample", writing(shown=lambda z, T: tempered(z, T) * z)),
    ],
)
def test_a_single_word_whose_probability_is_1_earns_no_praise(name, answer):
    feedback = lc.check(name, answer)
    assert not feedback.passed
    assert "Right for K = 1" not in feedback.message


def test_every_draw_is_from_0_to_below_1():
    given = []

    def counting(step, state, start, draws, temperature):
        if isinstance(draws, np.ndarray) and draws.dtype.kind == "f":  # else exchanged, as a trial
            given.append(draws)
        words, p = writing(draws_used=np.sort)(step, state, start, draws, temperature)
        return words, p + 1e-3

    assert not lc.check("sample", counting).passed
    draws = np.concatenate(given)
    assert len(given) > 20
    assert ((draws >= 0) & (draws < 1)).all()
