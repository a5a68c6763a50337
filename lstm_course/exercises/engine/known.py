"""Which known mistakes an answer has made: one, one in each result, or two at once."""

import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.lines import Line, Lines
from lstm_course.exercises.engine.trials import (
    Answer,
    Outcome,
    Returned,
    Trial,
    agree,
    attempt,
    overflows,
    raw_results,
    take_apart,
    usable,
)

SECONDS = 1.2
"""How long to search for two mistakes at once."""
TWO = "Two mistakes at once.\nFirst: {}\nThen: {}"


@dataclass(frozen=True)
class Known:
    """The known mistakes of a question, tried on the same cases as an answer.

    A mistake is only reported if it explains some failing trial: with the same numbers or, if there
    are none, with the same error.
    """

    mistakes: Mapping[str, tuple[Answer, ...]]
    returns: tuple[Returned, ...]
    trials: Sequence[Trial]
    outcomes: dict[tuple[int, int], Outcome] = field(default_factory=dict)

    def find(self) -> tuple[str, dict[int, str]]:
        """Return the sentence of the mistake made, or sentences for some of the wrong results."""
        told = self._telling()
        wrong = {k for n in told for k in self.trials[n].wrong()}
        # Many mistakes give the same non-finite results.
        plain = {
            k for n in told for k in self.trials[n].wrong() if _is_finite(self.trials[n].got[k])
        }
        explained: dict[int, str] = {}
        for sentence, mistake in self._all() if wrong else ():
            same = self._same(mistake, told, wrong)
            alike = {k for k in same & wrong if self._fails_alike(mistake, told, k)}
            if len(same) == len(self.trials[0].parts) and alike:
                return sentence, {}
            for k in plain & alike:
                explained.setdefault(k, sentence)
        return "", explained

    def find_two(self, answer: Answer) -> str:
        """Return a sentence for two mistakes at once, the earlier one first, or an empty string."""
        until = time.perf_counter() + SECONDS
        return self._in_another_order(answer, until) or self._composed(until)

    def _all(self) -> Iterator[tuple[str, Answer]]:
        for sentence, mistakes in self.mistakes.items():
            for mistake in mistakes:
                yield sentence, mistake

    def _telling(self) -> list[int]:
        """Return the indices of the trials that can tell mistakes apart.

        In the large case, an exponential that overflows would hide a second mistake.
        """
        return [
            n
            for n, trial in enumerate(self.trials)
            if not (trial.case.large and overflows(trial.got))
        ]

    def _outcome(self, mistake: Answer, n: int) -> Outcome:
        trial, key = self.trials[n], (id(mistake), n)
        if key not in self.outcomes:
            self.outcomes[key] = attempt(mistake, self.returns, trial.parts, trial.case.arguments)
        return self.outcomes[key]

    def _same(self, mistake: Answer, told: list[int], wrong: set[int]) -> set[int]:
        """Return which results of a mistake agree in all trials, with numbers in at least one.

        Stop as soon as none of the wrong results agree. An integer, such as an index, easily agrees
        by chance: it only counts if everything else agrees too, or is right.
        """
        parts = self.trials[0].parts
        right = set(range(len(parts)))
        same = {k for k in right if not all(isinstance(self.trials[n].got[k], str) for n in told)}
        for n in told:
            trial, outcome = self.trials[n], self._outcome(mistake, n)
            same = {k for k in same if agree(trial.got[k], outcome[k])}
            right = {k for k in right if agree(trial.parts[k].expected, outcome[k])}
            if not same & wrong:
                return set()
        return {
            k
            for k in same
            if parts[k].expected.dtype.kind != "i" or len(same | right) == len(parts)
        }

    def _fails_alike(self, mistake: Answer, told: list[int], k: int) -> bool:
        """Return whether a mistake and an answer fail in the same way, not just both."""
        return any(
            _reason(self.trials[n].got[k]) == _reason(self._outcome(mistake, n)[k])
            for n in told
            if k in self.trials[n].wrong()
        )

    def _in_another_order(self, answer: Answer, until: float) -> str:
        """Say that the results come in another order, and which other mistake was made."""
        parts = self.trials[0].parts
        reordered = list(self._reordered(answer))
        if not all(any(trial.wrong() for trial in trials) for _, trials in reordered):
            return ""  # only the order is wrong
        for order, trials in reordered:
            if time.perf_counter() > until:
                break
            sentence, _ = Known(self.mistakes, self.returns, trials, self.outcomes).find()
            if sentence:
                return TWO.format(
                    sentence,
                    f"Your results come in the order {', '.join(parts[k].name for k in order)}. "
                    f"The question asks for {', '.join(part.name for part in parts)}.",
                )
        return ""

    def _reordered(self, answer: Answer) -> Iterator[tuple[tuple[int, ...], list[Trial]]]:
        """Return orders in which all results have the right shapes, and the new trials."""
        count = len(self.trials[0].parts)
        raw = raw_results(answer, self.trials)
        if count != len(self.returns) or count == 1 or any(results is None for results in raw):
            return
        for order in _orders(count):
            trials = [
                trial._replace(
                    got=tuple(
                        usable(results[order.index(k)], part) for k, part in enumerate(trial.parts)
                    )
                )
                for trial, results in zip(self.trials, raw, strict=True)
                if results
            ]
            if not any(isinstance(got, str) for trial in trials for got in trial.got):
                yield order, trials

    def _composed(self, until: float) -> str:
        """Say which two mistakes in different lines together make up the answer."""
        told = self._telling()
        failing = [self.trials[n] for n in told if self.trials[n].wrong()]
        for first, second, both in _pairs(self.mistakes):
            if not failing or time.perf_counter() > until:
                break
            if self._may_give(both, failing[0]) and all(
                all(map(agree, self.trials[n].got, self._outcome(both, n))) for n in told
            ):
                return TWO.format(first, second)
        return ""

    def _may_give(self, both: Lines, trial: Trial) -> bool:
        """Return whether two mistakes may give this result, faster than a trial would."""
        try:
            with np.errstate(all="ignore"):
                result = both(*trial.case.arguments.values())
                arrays = map(np.asarray, take_apart(result, self.returns, trial.parts))
                return all(
                    isinstance(got, str) or (one.shape == got.shape and agree(got, one))
                    for got, one in zip(trial.got, arrays, strict=True)
                )
        except Exception:  # two mistakes may well raise one
            return False


def _pairs(mistakes: Mapping[str, tuple[Answer, ...]]) -> Iterator[tuple[str, str, Lines]]:
    """Return answers with two mistakes in different lines, and their sentences."""
    families: dict[tuple[object, ...], list[tuple[str, Lines]]] = {}
    for sentence, answers in mistakes.items():
        for one in answers:
            if isinstance(one, Lines):
                key = (one.arguments, one.results, *one.names())
                families.setdefault(key, []).append((sentence, one))
    for family in families.values():
        changes = _changes([one for _, one in family])
        names = family[0][1].names()
        found = [
            (names.index(next(iter(change))), sentence, one, change)
            for (sentence, one), change in zip(family, changes, strict=True)
            if change
        ]
        found.sort(key=lambda entry: entry[0])
        for (_, a, one, mine), (_, b, _, other) in itertools.combinations(found, 2):
            if a != b and not mine.keys() & other.keys():
                yield a, b, one.but(**other)


def _changes(family: list[Lines]) -> list[dict[str, Line]]:
    """Return the lines that each answer changes: under any name, most have the right line."""
    names = family[0].names()
    right = {
        name: Counter(id(one.line(name)) for one in family).most_common(1)[0][0] for name in names
    }
    return [
        {name: one.line(name) for name in names if id(one.line(name)) != right[name]}
        for one in family
    ]


def _orders(count: int) -> Iterator[tuple[int, ...]]:
    """Return possible orders of the results; if there are many, only those with two swapped."""
    if count <= 4:
        yield from itertools.islice(itertools.permutations(range(count)), 1, None)
        return
    for one, other in itertools.combinations(range(count), 2):
        order = list(range(count))
        order[one], order[other] = other, one
        yield tuple(order)


def _reason(got: Array | str) -> str:
    """Return what identifies the failure of an unusable result, or nothing for numbers."""
    if not isinstance(got, str):
        return ""
    raised = re.search(r" raised (\w+)", got)
    return raised[1] if raised else got.partition("\n")[0]


def _is_finite(got: Array | str) -> bool:
    return isinstance(got, str) or bool(np.isfinite(got).all())
