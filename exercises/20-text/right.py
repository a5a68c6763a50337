"""Right answers, each in a way of its own.

The solution itself stands in the master notebook, and as `exercise.tempered` in
lstm_course/exercises/ch20_text.py, where the check has it from.
"""

import bisect
import itertools
import math

import numpy as np

from lstm_course.exercises import ch20_text as exercise


def tempered_with_loops(scores, temperature):
    p = np.empty_like(scores)
    for row, z in zip(p, scores, strict=True):
        powers = [math.exp((v - max(z)) / temperature) for v in z.tolist()]
        row[:] = np.array(powers) / sum(powers)
    return p


def tempered_by_logarithms(scores, temperature):
    """Divide log probabilities; logaddexp sums exponentials without overflow."""
    log_p = scores - np.logaddexp.reduce(scores, axis=1)[:, None]
    log_p = log_p / temperature
    return np.exp(log_p - np.logaddexp.reduce(log_p, axis=1)[:, None])


def write_on_in_one_loop(step, state, start, draws, temperature):
    """Read the start and then what is written, and let bisection find the word."""
    written, rows = [], []
    for t, word in enumerate(
        itertools.chain(start.tolist(), iter(lambda: written[-1], None))
    ):
        scores, state = step(word, state)
        if t + 1 < len(start):
            continue
        p = tempered_with_loops(scores[None], temperature)[0].tolist()
        rows.append(np.array(p, scores.dtype))
        upto = list(itertools.accumulate(p))
        place = bisect.bisect_right(upto, float(draws[len(written)]))
        written.append(min(place, len(p) - 1))
        if len(written) == len(draws):
            return written, rows


def write_on_by_subtraction(step, state, start, draws, temperature):
    """Walk along the words, and take each one's probability off the draw."""
    for word in start:
        scores, state = step(word, state)
    words = np.zeros(len(draws), int)
    rows = np.zeros((len(draws), len(scores)), scores.dtype)
    for t, u in enumerate(draws):
        p = rows[t] = tempered_by_logarithms(scores[None], temperature)[0]
        left, word = float(u), 0
        while word < len(p) - 1 and left >= p[word]:
            left -= p[word]
            word += 1
        words[t] = word
        scores, state = step(word, state)
    return words, rows


RIGHT = {
    "temperature": (
        exercise.tempered,
        tempered_with_loops,
        tempered_by_logarithms,
    ),
    "sample": (
        exercise.write_on,
        exercise.writing(),
        write_on_in_one_loop,
        write_on_by_subtraction,
    ),
}
