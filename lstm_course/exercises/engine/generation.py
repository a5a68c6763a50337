"""Models that continue a text, and beam searches, built from parts that wrong answers replace."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array
from lstm_course.losses import softmax

Step = Callable[[int, Any], tuple[Array, Any]]


def tempered(scores: Array, temperature: float) -> Array:
    """Return the probabilities of each row of scores at a temperature."""
    return softmax(scores / temperature)


def draw(p: Array, u: float) -> int:
    """Return the first word at which the cumulative probability is above u."""
    return int(np.searchsorted(np.cumsum(p)[:-1], u, side="right"))


@dataclass(frozen=True)
class Writer:
    """A model that reads a start and continues it; each part is a function."""

    read: Callable[[list[int]], list[int]] = lambda start: start
    handed_on: Callable[[bool, Any, Any], Any] = lambda reading, before, after: after
    after_start: Callable[[Step, Array, Array, Any, Any], tuple[Array, Any]] = (
        lambda step, start, scores, before, state: (scores, state)
    )
    draws: Callable[[Array], Any] = lambda draws: draws
    probabilities: Callable[[Array, float], Array] = tempered
    choose: Callable[[Array, float], int] = draw
    fed: Callable[[list[int], Array, Array], int] = lambda written, p, start: written[-1]
    scored: Callable[[Array, Array], Array] = lambda before, after: after
    row_of: Callable[[Array, Array], Array] = lambda before, after: before
    shown: Callable[[Array, float], Array] | None = None

    def __call__(
        self, step: Step, state: Any, start: Array, draws: Array, temperature: float
    ) -> tuple[Array, Array]:
        """Return the written words, and the probabilities of each step."""
        before = state
        for word in self.read([int(word) for word in start]):
            before = state
            scores, after = step(word, state)
            state = self.handed_on(True, state, after)
        scores, state = self.after_start(step, start, scores, before, state)
        written: list[int] = []
        rows = []
        for u in self.draws(draws):
            p = self.probabilities(scores, temperature)
            written.append(self.choose(p, float(u)))
            new, after = step(self.fed(written, p, start), state)
            state = self.handed_on(False, state, after)
            rows.append((self.shown or self.probabilities)(self.row_of(scores, new), temperature))
            scores = self.scored(scores, new)
        return np.array(written), np.array(rows)


class Beginning(NamedTuple):
    """The beginning of a caption, as kept in a search."""

    words: tuple[int, ...]
    score: float
    state: Any


class Given(NamedTuple):
    """What a search is given."""

    step: Step
    state: Any
    start: int
    end: int
    width: int
    limit: int


def last_word(one: Beginning, given: Given) -> int:
    """Return the word that the model reads to continue a beginning."""
    return one.words[-1] if one.words else given.start


def has_ended(one: Beginning, given: Given) -> bool:
    """Return whether the last word of a beginning is <end>."""
    return one.words[-1:] == (given.end,)


def ended_stays(one: Beginning, t: int, given: Given) -> list[Beginning] | None:
    """Return what replaces a beginning in round t, or None if it is continued."""
    return [one] if has_ended(one, given) else None


def own_state(one: Beginning, kept: list[Beginning], latest: Any, given: Given) -> Any:
    """Return the state from which to continue a beginning."""
    return one.state


def summed(before: float, log_p: Array, word: int, given: Given) -> float:
    """Return the score of a beginning once a word has been added."""
    return before + float(log_p[word])


def best(candidates: list[Beginning], parents: list[Beginning], given: Given) -> list[Beginning]:
    """Return the candidates to keep, the best first."""
    return best_first(candidates)[: given.width]


def at_the_limit(kept: list[Beginning], t: int, given: Given) -> bool:
    """Return whether the search is over before round t."""
    return t >= given.limit


def the_first(kept: list[Beginning], given: Given) -> Beginning:
    """Return the beginning that is the answer."""
    return kept[0]


def best_first(kept: list[Beginning]) -> list[Beginning]:
    """Return beginnings by their scores, the highest first."""
    return sorted(kept, key=lambda one: -one.score)


def filled(words: Sequence[int], end: int, limit: int) -> Array:
    """Return the words of a caption, padded with <end>."""
    return np.array([*words, *[end] * (limit - len(words))])


@dataclass(frozen=True)
class Search:
    """A beam search; each part is a function."""

    read: Callable[[Beginning, Given], int] = last_word
    finish: Callable[[Beginning, int, Given], list[Beginning] | None] = ended_stays
    state_of: Callable[[Beginning, list[Beginning], Any, Given], Any] = own_state
    score: Callable[[float, Array, int, Given], float] = summed
    keep: Callable[[list[Beginning], list[Beginning], Given], list[Beginning]] = best
    over: Callable[[list[Beginning], int, Given], bool] = at_the_limit
    choose: Callable[[list[Beginning], Given], Beginning] = the_first

    def __call__(
        self, step: Step, state: Any, start: int, end: int, width: int, limit: int
    ) -> tuple[Array, float]:
        """Return the words of the caption it finds, padded with <end>, and its score."""
        given = Given(step, state, start, end, width, limit)
        kept, latest, t = [Beginning((), 0.0, state)], state, 0
        while kept and not self.over(kept, t, given):
            candidates: list[Beginning] = []
            for one in kept:
                finished = self.finish(one, t, given)
                if finished is not None:
                    candidates += finished
                    continue
                before = self.state_of(one, kept, latest, given)
                log_p, latest = step(self.read(one, given), before)
                candidates += [
                    Beginning((*one.words, word), self.score(one.score, log_p, word, given), latest)
                    for word in range(len(log_p))
                ]
            kept, t = self.keep(candidates, kept, given) or kept, t + 1
        chosen = self.choose(kept, given)
        return filled(chosen.words[:limit], end, limit), chosen.score


Keep = Callable[[list[Beginning], list[Beginning], Given], list[Beginning]]


def kept_by(rank: Callable[[Beginning], float], more: int = 0) -> Keep:
    """Return a part that keeps the candidates with the lowest rank."""
    return lambda candidates, parents, given: sorted(candidates, key=rank)[
        : max(0, given.width + more)
    ]
