"""Right answers."""

import bisect
import itertools
import math

import numpy as np

from lstm_course.exercises import ch19_text as exercise


def tempered_with_loops(scores, temperature):
    p = np.empty_like(scores)
    for row, z in zip(p, scores, strict=True):
        powers = [math.exp((v - max(z)) / temperature) for v in z.tolist()]
        row[:] = np.array(powers) / sum(powers)
    return p


def tempered_by_logarithms(scores, temperature):
    log_p = (
        scores - np.logaddexp.reduce(scores, axis=1)[:, None]
    )  # at temperature 1
    log_p = log_p / temperature
    return np.exp(log_p - np.logaddexp.reduce(log_p, axis=1)[:, None])


def write_on_with_bisection(step, state, start, draws, temperature):
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
    def read(words, state, scores=None):
        return (
            (scores, state)
            if not words
            else read(words[1:], *step(words[0], state)[::-1])
        )

    scores, state = read(list(start), state)
    words, rows = (
        np.zeros(len(draws), int),
        np.zeros((len(draws), len(scores)), scores.dtype),
    )
    for t, u in enumerate(draws):
        p = rows[t] = exercise.tempered(scores[None], temperature)[0]
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
        write_on_with_bisection,
        write_on_by_subtraction,
    ),
}
