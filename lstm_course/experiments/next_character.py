"""Which character comes next? An LSTM, a plain cell, counts and compressors, on two texts.

Python's language reference, without what it repeats, is real English. Stories come from a grammar,
which says how many bits a character is worth at least. Each network gets the learning rate, and
then the weight decay, that served it best on a seed that is not used again. `brief` does the same
with any other text within some minutes:
`python -m lstm_course.experiments next_character --file novel.txt`.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course import tasks
from lstm_course.experiments import RESULTS, recorded, resume
from lstm_course.experiments.next_character_models import (
    SAMPLING,
    Run,
    compared,
    corpus,
    counted,
    train,
    worth,
)
from lstm_course.experiments.next_character_units import gates, inside, units_of_stories
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.models import SequenceModel, sample

UPDATES = {"stories": 2400, "reference": 2000}
TUNING_UPDATES = {"stories": 1000, "reference": 500}
RATES = (0.03, 0.01, 0.003)
DECAYS = {"stories": (0.0, 0.1), "reference": (0.0, 0.1, 0.3, 1.0)}
SEEDS, TUNING_SEED, PROCESSES = range(5), 100, 2
MODELS = ("LSTM, bias 1", "LSTM, bias 3", "plain, uniform", "plain, orthogonal")
TEMPERATURES = (0.3, 0.6, 1.0, 1.4)


class Counting(NamedTuple):
    """What needs no network, on one text."""

    counted: str


def written(run: Run, model: SequenceModel) -> list[dict[str, Any]]:
    """Let a model write 1,000 characters at each temperature, and count what its words are worth.

    `known` is the share of its words of four letters and more that the training part holds.
    """
    alphabet, training = corpus(run.text).alphabet, corpus(run.text).training
    start = alphabet.encode(training[:64])
    results = []
    for temperature in TEMPERATURES:
        rng = np.random.default_rng([run.seed, SAMPLING])
        text = alphabet.decode(sample(model, start, 1000, temperature=temperature, rng=rng))
        results.append({"temperature": temperature, **worth(text, training), "text": text})
    return results


def save(name: str, model: SequenceModel) -> None:
    """Keep a model beside the record, in half precision."""
    arrays = [array.astype(np.float16) for array in model.arrays]
    characters = np.array(list(corpus(name).alphabet.characters))
    np.savez_compressed(RESULTS / f"next_character-{name}.npz", *arrays, characters=characters)


def load(name: str) -> tuple[SequenceModel, tasks.Alphabet]:
    """Return the LSTM of seed 0 that was trained on "reference" or on "stories", and its alphabet.

    Its parameters were rounded to half precision; it computes with float32.

    Examples
    --------
    >>> model, alphabet = load("stories")
    >>> outputs, *_ = model.forward(alphabet.encode("the cat sat on the ma")[:, None])
    >>> alphabet.decode([outputs[-1, 0].argmax()])
    't'
    """
    with np.load(RESULTS / f"next_character-{name}.npz", allow_pickle=False) as file:
        arrays = [file[f"arr_{k}"].astype(np.float32) for k in range(len(file.files) - 1)]
        alphabet = tasks.Alphabet("".join(file["characters"]))
    rng = np.random.default_rng(0)
    (V, E), (K, H) = arrays[0].shape, arrays[-2].shape
    model = SequenceModel(
        LSTM(E, H, rng=rng, dtype=np.float32),
        Linear(H, K, rng=rng, dtype=np.float32),
        Embedding(V, E, rng=rng, dtype=np.float32),
    )
    for array, stored in zip(model.arrays, arrays, strict=True):
        array[...] = stored
    return model, alphabet


def study(run: Run, best: dict[str, Any]) -> dict[str, Any]:
    """Train a model and measure all there is to measure; keep an LSTM of the first seed.

    `best` has smoothing and order of the n-grams to compare with.
    """
    model, looks = train(run)
    result: dict[str, Any] = {**run._asdict(), "looks": looks, **compared(run, model, best)}
    if run.text == "stories":
        result["told"] = units_of_stories(run, model)
    elif isinstance(model.recurrent, LSTM):
        result["written"] = written(run, model)
    if run.text != "stories":
        result["inside"] = inside(run, model)
    if isinstance(model.recurrent, LSTM):
        result["gates"] = gates(run, model)
        if run.seed == SEEDS[0]:
            save(run.text, model)
    return result


def best_run(tuning: list[dict[str, Any]], text: str, model: str, updates: int) -> Run:
    """Return the run with the best look, of a model or of several whose names begin alike."""
    mine = [
        one
        for one in tuning
        if (one["text"], one["updates"]) == (text, updates) and one["model"].startswith(model)
    ]
    best = min(mine, key=lambda one: min(one["looks"]))
    return Run(*(best[field] for field in Run._fields))


def measure(kept: Path) -> dict[str, Any]:
    """Count, tune, and run; what is finished is kept in a file."""
    results: dict[str, Any] = {"counted": {}, "tuning": [], "runs": []}
    for name in UPDATES:
        (counts,) = resume([Counting(name)], _counted, kept)
        results["counted"][counts.pop("counted")] = counts
        first = TUNING_UPDATES[name]
        results["tuning"] += resume(
            [Run(name, model, r, 0.0, first, TUNING_SEED) for model in MODELS for r in RATES],
            tuned,
            kept,
        )
        for model in ("LSTM", "plain"):
            run = best_run(results["tuning"], name, model, first)._replace(updates=UPDATES[name])
            results["tuning"] += resume(
                [run._replace(decay=decay) for decay in DECAYS[name]], tuned, kept
            )
            run = best_run(results["tuning"], name, model, UPDATES[name])
            results["runs"] += resume(
                [run._replace(seed=seed) for seed in SEEDS],
                partial(study, best=counts["best"]),
                kept,
                processes=PROCESSES,
            )
    results["excerpt"] = excerpt(corpus("reference").test)
    return dict(rounded(results))


def _counted(one: Counting) -> dict[str, Any]:
    return {**one._asdict(), **counted(one.counted)}


def tuned(run: Run) -> dict[str, Any]:
    """Train a model for the sake of its learning rate."""
    return {**run._asdict(), "looks": train(run)[1]}


def excerpt(text: str, length: int = 432) -> str:
    """Return a piece, from the start of a paragraph, where quotes and brackets change most."""
    changes = np.abs(np.diff(tasks.quoted(text) * 1)) + np.abs(np.diff(tasks.bracketed(text) * 1))
    starts = [one.end() for one in re.finditer("\n\n", text) if one.end() < len(text) - length]
    start = max(starts, key=lambda start: changes[start : start + length].sum())
    return text[start : start + length]


def rounded(value: Any) -> Any:
    """Round all numbers in nested lists and dicts to four digits behind the point."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def brief(name: str) -> None:
    """Compare two networks, n-grams and compressors on the text of a file, and print the bits.

    The n-grams' order is chosen on the text's own validation part; networks are set as those that
    were recorded for the reference.
    """
    row = "{:34}{:>8.3f} bits a character".format
    rows = counted(name)
    best = min(rows["n-grams"], key=lambda one: one["validation"])
    print(row(f"{best['order']}-grams, {best['smoothing']}", best["test"]))
    print(row("the same, counting on", rows["while counting"]))
    for compressor, one in rows["compressors"].items():
        print(row(compressor, one["test"]))
    for one in recorded("next_character")["runs"]:
        if one["text"] == "reference" and one["seed"] == SEEDS[0]:
            run = Run(*(one[field] for field in Run._fields))
            run = run._replace(text=name, updates=UPDATES["reference"])
            result = compared(run, train(run)[0], rows["best"])
            print(row(run.model, result["test"]))
            print(row("the same, learning on", result["while learning"]))
            print(row("both learn and count on, mixed", result["mixed, while learning"]))
