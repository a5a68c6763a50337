"""Which character comes next? An LSTM, a vanilla RNN, n-grams and compressors, on two texts.

Python's language reference, without its repetitions, is real English. The stories come from a
grammar, which gives a lower bound on the bits per character. Each network gets the initialization,
the learning rate and the weight decay that worked best on three seeds that are not used again.
`brief` does the same with any other text within minutes:
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

UPDATES = {"reference": 2000, "stories": 2400}
STARTS = {
    "LSTM": ("LSTM, bias 1", "LSTM, bias 3"),
    "plain": ("plain, uniform", "plain, orthogonal"),
}
RATES = {"LSTM": (0.3, 0.1, 0.03, 0.01), "plain": (0.03, 0.01, 0.003, 0.001)}
DECAYS = (0.1, 0.0, 0.3, 1.0)  # the first is used while starts and rates are chosen
SEEDS, TUNING_SEEDS, PROCESSES = range(5), range(100, 103), 2
TEMPERATURES = (0.3, 0.6, 1.0, 1.4)


class Counting(NamedTuple):
    """The measurements that need no network, on one text."""

    counted: str


def written(run: Run, model: SequenceModel) -> list[dict[str, Any]]:
    """Let a model write 1,000 characters at each temperature, and rate its words.

    `known` is the share of its words of at least four letters that occur in the training part.
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
    """Save a model next to the record, in half precision."""
    arrays = [array.astype(np.float16) for array in model.arrays]
    characters = np.array(list(corpus(name).alphabet.characters))
    np.savez_compressed(RESULTS / f"next_character-{name}.npz", *arrays, characters=characters)


def load(name: str) -> tuple[SequenceModel, tasks.Alphabet]:
    """Return the LSTM of seed 0 trained on "reference" or "stories", and its alphabet.

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
    """Train a model and take all measurements; save the LSTM of the first seed.

    `best` holds the smoothing and the order of the n-grams to compare with.
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


def best_run(tuning: list[dict[str, Any]], text: str, kind: str) -> Run:
    """Return the setting of a text and a kind whose best losses have the lowest mean."""
    looks: dict[Run, list[float]] = {}
    for one in tuning:
        if one["text"] == text and one["model"] in STARTS[kind]:
            setting = Run(*(one[field] for field in Run._fields))._replace(seed=TUNING_SEEDS[0])
            looks.setdefault(setting, []).append(min(one["looks"]))
    return min(looks, key=lambda setting: float(np.mean(looks[setting])))


def tune(text: str, kind: str, kept: Path) -> list[dict[str, Any]]:
    """Try every start with every rate, then decays with the best, then rates with the best decay.

    Every setting is trained as long as the runs that count, from each of the tuning seeds.
    """
    settings = [
        Run(text, start, rate, DECAYS[0], UPDATES[text], TUNING_SEEDS[0])
        for start in STARTS[kind]
        for rate in RATES[kind]
    ]

    def tried() -> list[dict[str, Any]]:
        runs = [run._replace(seed=s) for run in dict.fromkeys(settings) for s in TUNING_SEEDS]
        return resume(runs, tuned, kept, processes=PROCESSES)

    best = best_run(tried(), text, kind)
    settings += [best._replace(decay=decay) for decay in DECAYS]
    best = best_run(tried(), text, kind)
    settings += [best._replace(learning_rate=rate) for rate in RATES[kind]]
    return tried()


def measure(kept: Path) -> dict[str, Any]:
    """Count, tune, and train; finished runs are kept in a file."""
    results: dict[str, Any] = {"counted": {}, "tuning": [], "runs": []}
    for name in UPDATES:
        (counts,) = resume([Counting(name)], _counted, kept)
        results["counted"][counts.pop("counted")] = counts
        for kind in STARTS:
            results["tuning"] += tune(name, kind, kept)
            run = best_run(results["tuning"], name, kind)
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
    """Train a model to rate its setting."""
    return {**run._asdict(), "looks": train(run)[1]}


def excerpt(text: str, length: int = 432) -> str:
    """Return a piece that starts a paragraph, where quotes and brackets change most often."""
    changes = np.abs(np.diff(tasks.quoted(text) * 1)) + np.abs(np.diff(tasks.bracketed(text) * 1))
    starts = [one.end() for one in re.finditer("\n\n", text) if one.end() < len(text) - length]
    start = max(starts, key=lambda start: changes[start : start + length].sum())
    return text[start : start + length]


def rounded(value: Any) -> Any:
    """Round all floats in nested lists and dicts to four decimal places."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return round(value, 4) if isinstance(value, float) else value


def brief(name: str) -> None:
    """Compare two networks, n-grams and compressors on a text file, and print bits per character.

    The n-grams' order is chosen on the text's own validation part; the networks use the settings
    recorded for the reference.
    """
    row = "{:34}{:>8.3f} bits per character".format
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
