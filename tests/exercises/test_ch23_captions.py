"""What exercise 22 says to wrong answers that are no known mistakes."""

import re

import numpy as np
import pytest

from conftest import refused
from lstm_course.exercises import QUESTIONS
from lstm_course.exercises import ch23_captions as captions
from lstm_course.models import beam_search

WIDE = next(iter(captions.BEAM_PROPERTIES))
LONGER = next(iter(captions.SCORE_PROPERTIES))


def scored(change):
    """Return a search with the right words and a changed score."""

    def answer(step, state, start, end, width, limit):
        words, score = captions.beam_search(step, state, start, end, width, limit)
        return words, change(score)

    return answer


def test_start_and_end_are_any_two_words():
    for name in ("caption-score", "beam-search"):
        given = [case.arguments for case in QUESTIONS[name].exam.cases]
        assert len({one["end"] for one in given}) > 2
    assert len({one["start"] for one in given}) > 2


def test_a_width_is_not_spoken_of_where_the_words_are_right():
    for change in (lambda score: 3 - score, lambda score: score**2, lambda score: score / 3):
        message = refused("beam-search", scored(change))
        assert WIDE not in message
        assert "Right: words. Wrong: score." in message


def test_a_width_that_makes_the_words_worse_is_spoken_of():
    def worst_first(step, state, start, end, width, limit):
        words, score = captions.searching(keep=captions.kept_by(lambda one: one.score))(
            step, state, start, end, width, limit
        )
        return (
            (words, score - 1)
            if width > 1
            else captions.beam_search(step, state, start, end, width, limit)
        )

    assert refused("beam-search", worst_first).startswith(WIDE)


def test_a_search_shows_the_log_probabilities_that_it_has_to_read():
    message = refused("beam-search", scored(lambda score: 3 * score - 1))
    assert "array" not in message
    rows = re.findall(r"\[([-\d., ]+)\] after", message)
    assert rows
    assert all(
        np.isclose(np.exp([float(v) for v in row.split(",")]).sum(), 1, 1e-3) for row in rows
    )


@pytest.mark.parametrize("width", [2, 3, 4, 5, 12])
def test_a_width_without_effect_is_told_as_such(width):
    always = width

    def fixed(step, state, start, end, width, limit):
        return captions.beam_search(step, state, start, end, always, limit)

    assert refused("beam-search", fixed).startswith("The width has no effect")


def test_the_package_does_not_search():
    def with_the_package(step, state, start, end, width, limit):
        def steps(words, states):
            pairs = [
                step(int(word), [part[0, [k]] for part in states]) for k, word in enumerate(words)
            ]
            log_p, after = zip(*pairs, strict=True)
            return np.array(log_p), tuple(
                np.concatenate(parts)[None] for parts in zip(*after, strict=True)
            )

        found = beam_search(
            steps,
            tuple(part[None] for part in state),
            start=start,
            end=end,
            width=width,
            limit=limit,
        )[0]
        return np.array(captions.filled(found.words, end, limit)), found.log_probability

    assert "they come from lc.models.beam_search" in refused("beam-search", with_the_package)


def test_a_product_of_many_probabilities_is_found_out():
    def product(p, words, end, alpha):
        scores = np.zeros(words.shape[1], p.dtype)
        for n, caption in enumerate(words.T.tolist()):
            length = caption.index(end) + 1 if end in caption else len(caption)
            chosen = [p[t, n, word] for t, word in enumerate(caption[:length])]
            scores[n] = np.log(np.prod(chosen)) / length**alpha
        return scores

    assert refused("caption-score", product) == captions.LONG


def test_every_probability_is_above_0_in_the_cases_and_where_one_is_shown():
    exam = QUESTIONS["caption-score"].exam
    assert all((case.arguments["p"] > 0).all() for case in exam.cases)
    wrong = captions.scoring(score=lambda s: s.total / (s.length + 7))
    (shown,) = re.findall(r"There p = (.*), words", refused("caption-score", wrong))
    numbers = re.findall(r"\d\.\d*", shown)
    assert numbers
    assert all(float(number) > 0 for number in numbers)


def test_a_word_of_probability_1_makes_no_caption_less_probable():
    assert LONGER == "With alpha = 0, no further word may make a caption more probable."
    assert LONGER in refused("caption-score", lambda *given: 5 - captions.caption_scores(*given))
