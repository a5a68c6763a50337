"""Verbs that agree with a distant subject: which models learn it, and how far they generalize.

Language models of the small grammar of `tasks.agreement`, vanilla RNNs and LSTMs with about as many
parameters, learn from sentences whose subject and verb are at most 8 or at most 16 steps apart.
They must choose was or were in new sentences, up to 48 steps apart. Each model has the learning
rate with the lowest loss, averaged over three seeds that are not used again, on sentences no longer
than those it learned from: nothing is chosen by performance at greater distances. `number_unit`
looks inside the models that learned from the longer sentences. Finished runs are kept in a file
next to the record, so that an interrupted experiment resumes where it stopped.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course import tasks
from lstm_course._checks import Array
from lstm_course.experiments import RESULTS, resume
from lstm_course.experiments.number_unit import (
    WAS,
    WERE,
    accuracy,
    choice_loss,
    look_inside,
    rounded,
)
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.models import SequenceModel
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.tasks.agreement import NOUNS, WORDS, Sentence, encode
from lstm_course.training import Batch, Trainer

MODELS = ("plain, uniform", "plain, orthogonal", "LSTM")
LONGEST = (8, 16)
LEARNING_RATES = (0.03, 0.01, 0.003, 0.001, 0.0003)
SEEDS, TUNING_SEEDS = range(5), range(100, 103)
UPDATES, EVERY, PATIENCE = 12_000, 500, 6  # at most, at each of two rates; and when to stop
STEPS, BATCH, PROCESSES = 40, 32, 2
SENTENCES, EMBEDDING = 20_000, 16
UNITS, PLAIN_UNITS = 32, 62  # so that all models have about as many parameters
BINS = ((1, 8), (9, 16), (17, 32), (33, 48))
MOST = 3  # attractors; larger numbers count as this one
IN_CELL, PROBES = 200, 1000  # sentences: per bin and number of attractors; for probing
TRAIN, VALIDATE, TEST, PROBE, WEIGHTS, TRAINING = range(6)  # one random stream each


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    model: str
    longest: int
    learning_rate: float
    seed: int


@cache
def training_sentences(longest: int) -> tuple[Sentence, ...]:
    """Return the training sentences of all models with this longest distance."""
    rng = np.random.default_rng([TRAIN, longest])
    return tuple(tasks.agreement(SENTENCES, rng=rng, distances=(1, longest)))


@cache
def text(longest: int) -> Array:
    """Return the training sentences as one text, in word numbers."""
    return encode(word for one in training_sentences(longest) for word in one.words)


@cache
def questions(stream: int) -> dict[tuple[int, int], list[Sentence]]:
    """Draw sentences for each bin of distances and attractors; the words before the verb are new.

    Returns
    -------
    Up to 200 sentences for each pair of a bin's index in `BINS` and a number of attractors; pairs
    with fewer than 50 are left out.
    """
    rng = np.random.default_rng([stream])
    seen = {one.words[: one.verb] for longest in LONGEST for one in training_sentences(longest)}
    cells: dict[tuple[int, int], list[Sentence]] = defaultdict(list)
    for one in tasks.agreement(200 * IN_CELL, rng=rng, more=0.8, distances=(1, BINS[-1][1])):
        place = next(k for k, (_, high) in enumerate(BINS) if one.distance <= high)
        cell = cells[place, min(one.attractors, MOST)]
        if len(cell) < IN_CELL and one.words[: one.verb] not in seen:
            cell.append(one)
    return {key: many for key, many in sorted(cells.items()) if 4 * len(many) >= IN_CELL}


def pooled(
    cells: dict[tuple[int, int], list[Sentence]], longest: int, attractors: int = 0
) -> list[Sentence]:
    """Return the sentences up to a distance, with at least this number of attractors."""
    return [
        one
        for (_, least), many in cells.items()
        for one in many
        if one.distance <= longest and least >= attractors
    ]


def probes() -> list[Sentence]:
    """Draw up to 1,000 sentences with attractors to find the unit that carries the number."""
    rng = np.random.default_rng([PROBE])
    many = tasks.agreement(3 * PROBES, rng=rng, more=0.8, distances=(5, 16))
    return [one for one in many if one.attractors > 0][:PROBES]


def build(run: Run) -> SequenceModel:
    """Make the model of a run: embedding, recurrent layer, and scores of the next word."""
    rng = np.random.default_rng([WEIGHTS, run.seed])
    embedding = Embedding(len(WORDS), EMBEDDING, rng=rng, dtype=np.float32)
    recurrent: RNN | LSTM
    if run.model == "LSTM":
        recurrent = LSTM(EMBEDDING, UNITS, rng=rng, dtype=np.float32)
    else:
        start = run.model.removeprefix("plain, ")
        recurrent = RNN(EMBEDDING, PLAIN_UNITS, rng=rng, recurrent=start, dtype=np.float32)
    readout = Linear(recurrent.hidden_size, len(WORDS), rng=rng, dtype=np.float32)
    return SequenceModel(recurrent, readout, embedding)


def train(run: Run) -> tuple[SequenceModel, dict[str, Any]]:
    """Train a language model until it stops improving, then once more at a tenth of the rate.

    Both times it stops 3,000 updates after its best moment, and returns to it. The criterion is
    the choice between was and were, in new sentences no longer than those it learns from.

    Returns the model, its loss in that choice, and the number of updates at each rate.
    """
    model = build(run)
    optimizer = Adam(model.arrays, learning_rate=run.learning_rate)
    numbers, asked = text(run.longest), pooled(questions(VALIDATE), run.longest)
    done = []
    for slower in (1, 10):
        optimizer.learning_rate = run.learning_rate / slower
        trainer = Trainer(model, optimizer, clip=1.0)

        def batches(step: int, phase: int = slower) -> Batch:
            rng = np.random.default_rng([TRAINING, run.seed, phase, step])
            return tasks.windows(numbers, STEPS, BATCH, rng=rng)

        history = trainer.fit(
            batches,
            UPDATES,
            validate=lambda model: choice_loss(model, asked),
            every=EVERY,
            patience=PATIENCE,
            progress=False,
        )
        trainer.restore_best()
        done.append(len(history.loss))
    return model, {"loss": round(choice_loss(model, asked), 5), "updates": done}


class NGram:
    """Counts which verb followed the longest matching context that was ever seen before one.

    Parameters
    ----------
    numbers
        A text.
    order
        The most words that it uses, including the verb.
    """

    def __init__(self, numbers: Array, order: int) -> None:
        self.order = order
        self.counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        words = [int(number) for number in numbers]
        for place, word in enumerate(words):
            if word in (WAS, WERE):
                for length in range(min(order, place + 1)):
                    self.counts[tuple(words[place - length : place])][word] += 1

    def accuracy(self, sentences: Sequence[Sentence]) -> float:
        """Return the share of sentences that it gets right; a tie counts one half."""
        total = 0.0
        for one in sentences:
            before = [0, *encode(one.words[: one.verb]).tolist()]
            longest = min(self.order - 1, len(before))
            contexts = (tuple(before[len(before) - k :]) for k in range(longest, -1, -1))
            counts = next(self.counts[words] for words in contexts if words in self.counts)
            right, wrong = (counts[word] for word in ((WAS, WERE), (WERE, WAS))[one.plural])
            total += 0.5 if right == wrong else right > wrong
        return total / len(sentences)


def nearest_noun(sentences: Sequence[Sentence], first: bool = False) -> float:
    """Return the accuracy of making the verb agree with the last noun before it, or the first."""
    total = 0
    for one in sentences:
        nouns = [word for word in one.words[: one.verb] if word in _NUMBER]
        total += _NUMBER[nouns[0 if first else -1]] == one.plural
    return total / len(sentences)


_NUMBER = dict.fromkeys(NOUNS, False) | dict.fromkeys(NOUNS.values(), True)


def _result(run: Run) -> dict[str, Any]:
    model, how = train(run)
    stream = VALIDATE if run.seed in TUNING_SEEDS else TEST
    cells = questions(stream)
    result = {
        **run._asdict(),
        **how,
        "accuracy": rounded(accuracy(model, many) for many in cells.values()),
    }
    if run.seed in SEEDS and run.longest == max(LONGEST):
        asked = pooled(questions(TEST), 16, attractors=1)
        result["inside"] = look_inside(model, probes(), asked)
    return result


def best_rate(tuning: Sequence[dict[str, Any]], model: str, longest: int) -> float:
    """Return the learning rate with the lowest loss, averaged over seeds."""

    def mean(rate: float) -> float:
        key = (model, longest, rate)
        mine = [
            one["loss"]
            for one in tuning
            if (one["model"], one["longest"], one["learning_rate"]) == key
        ]
        return float(np.mean(mine))

    return min(LEARNING_RATES, key=mean)


def baselines(longest: int) -> dict[str, Any]:
    """Return the accuracies of baselines that do not learn to remember, for each cell of the test.

    The order of the n-gram is the one that does best on the tuning sentences, with or without
    attractors, up to `longest`.
    """
    asked = pooled(questions(VALIDATE), longest)
    grams = {order: NGram(text(longest), order) for order in range(1, 11)}
    order = max(grams, key=lambda order: grams[order].accuracy(asked))
    cells = questions(TEST).values()
    return {
        "longest": longest,
        "majority": rounded(grams[1].accuracy(many) for many in cells),
        "n-gram": rounded(grams[order].accuracy(many) for many in cells),
        "order": order,
        "last noun": rounded(nearest_noun(many) for many in cells),
        "first noun": rounded(nearest_noun(many, first=True) for many in cells),
    }


def trained() -> SequenceModel:
    """Return the LSTM of seed 0 that the command saved, trained on the longer sentences."""
    model = build(Run("LSTM", max(LONGEST), 0.0, 0))
    file = files("lstm_course.experiments") / "results" / "verb_number.npz"
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
        for array, name in zip(model.arrays, stored.files, strict=True):
            array[...] = stored[name]
    return model


def measure(kept: Path) -> dict[str, Any]:
    """Tune, train, and save one model next to the record; finished runs are kept in a file."""
    pairs = [(model, longest) for longest in LONGEST for model in MODELS]
    tuning = resume(
        [Run(*p, rate, seed) for p in pairs for rate in LEARNING_RATES for seed in TUNING_SEEDS],
        _result,
        kept,
        processes=PROCESSES,
    )
    rates = {pair: best_rate(tuning, *pair) for pair in pairs}
    runs = resume(
        [Run(*p, rates[p], seed) for p in pairs for seed in SEEDS],
        _result,
        kept,
        processes=PROCESSES,
    )
    model, _ = train(Run("LSTM", max(LONGEST), rates["LSTM", max(LONGEST)], 0))
    arrays: dict[str, Any] = {f"array {k}": array for k, array in enumerate(model.arrays)}
    np.savez(RESULTS / "verb_number.npz", **arrays)
    return {
        "cells": [[*key, len(many)] for key, many in questions(TEST).items()],
        "baselines": [baselines(longest) for longest in LONGEST],
        "tuning": tuning,
        "runs": runs,
    }
