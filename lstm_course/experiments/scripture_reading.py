"""What trained models of the King James Bible know, write and remember; for `scripture`."""

import re
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from lstm_course import interop, tasks
from lstm_course._checks import Array
from lstm_course.experiments.next_character_models import bits_of, by_distance, worth
from lstm_course.experiments.next_character_units import (
    all_units,
    controls,
    found,
    state_of,
    traced,
    without,
)
from lstm_course.experiments.scripture_counts import words
from lstm_course.experiments.scripture_models import DEVICE, Network, Setting, corpus
from lstm_course.layers import Embedding, Linear
from lstm_course.models import SequenceModel, sample
from lstm_course.tasks import king_james

TEMPERATURES, LENGTH = (0.5, 0.8, 1.0), 800
PROMPTS = (("Psalms 150", "Psalms 151"), ("Matthew 28", "Matthew 29"))
"""Chapters to read, and headings of chapters that don't exist."""
EVERY, PIECES = 5, 20
TAKEN_OUT = (1, 2, 4, 8, 16, 32)


def converted(network: Network) -> SequenceModel:
    """Return an LSTM of PyTorch as a model of ours."""
    recurrent = interop.from_pytorch(network.recurrent)
    table, weight, bias = (
        parameter.detach().cpu().numpy()
        for parameter in (network.embedding.weight, *network.readout.parameters())
    )
    rng = np.random.default_rng(0)
    readout = Linear(weight.shape[1], len(weight), rng=rng, dtype=np.float32)
    embedding = Embedding(*table.shape, rng=rng, dtype=np.float32)
    for array, values in zip(
        (*readout.arrays, *embedding.arrays), (weight, bias, table), strict=True
    ):
        array[...] = values
    return SequenceModel(recurrent, readout, embedding)


def verse_numbers(text: str) -> tuple[Array, Array, Array]:
    r"""Return where numbers of verses start and end, and how far each is from the one before.

    The first verse of a chapter is left out, since its number is always the same. The end is the
    place of the space behind the number.

    Examples
    --------
    >>> verse_numbers("Psalms 1\n1 Blessed\n2 But his\n")
    (array([19]), array([20]), array([9]))
    """
    numbers = list(re.finditer(r"(?<=[^\n]\n)(\d+) ", text))
    pairs = [(a, b) for a, b in pairwise(numbers) if b[1] != "1"]
    return (
        np.array([b.start() for _, b in pairs], int),
        np.array([b.end(1) for _, b in pairs], int),
        np.array([b.start() - a.end(1) for a, b in pairs], int),
    )


def kinds(text: str) -> Array:
    """Say of each character whether it belongs to a "number", a "heading" or a "verse"."""
    names = np.full(len(text), "verse", "U7")
    for heading in re.finditer(r"(?:\A|(?<=\n)\n)[^\n]+ \d+\n", text):
        names[heading.start() : heading.end()] = "heading"
    for number in re.finditer(r"(?<=[^\n]\n)\d+ ", text):
        names[number.start() : number.end()] = "number"
    return names


@torch.no_grad()
def read(network: Network, numbers: Array) -> tuple[Array, Array]:
    """Return the bits of each character of a text, and whether it was the most probable one.

    Both are for all characters but the first; computed in float32 with the state carried over.
    """
    network.eval()
    state, bits, right = None, [], []
    for start in range(0, len(numbers) - 1, 2000):
        piece = numbers[start : start + 2001]
        outputs, state = network(torch.as_tensor(piece[:-1, None], device=DEVICE), state)
        scores = outputs.cpu().numpy()
        bits.append(bits_of(scores, piece[1:, None]))
        right.append(scores[:, 0].argmax(axis=-1) == piece[1:])
    return np.concatenate(bits), np.concatenate(right)


def judged(network: Network, text: str) -> dict[str, Any]:
    """Measure bits per character and per word, and how often the number of a verse is right."""
    before = "\n\n"  # as at all headings but the first
    bits, right = (one[1:] for one in read(network, corpus().alphabet.encode(before + text)))
    named = kinds(text)
    starts, ends, distances = verse_numbers(text)
    spans = zip(starts, ends + 1, strict=True)
    counted = np.array([right[start:end].all() for start, end in spans])
    return {
        "test": float(bits.mean()),
        "per word": float(bits.sum() / words(text)),
        **{name: float(bits[named == name].mean()) for name in ("verse", "number", "heading")},
        "numbers right": float(counted.mean()),
        "by distance": by_distance(counted, distances),
    }


def copied(text: str, training: str) -> str:
    """Return the longest piece of a text that occurs in the training part."""
    best, start = "", 0
    for end in range(1, len(text) + 1):
        while text[start:end] not in training:
            start += 1
        best = max(best, text[start:end], key=len)
    return best


def written(model: SequenceModel, seed: int) -> list[dict[str, Any]]:
    """Let a model write chapters that don't exist, at each temperature, and rate the results."""
    alphabet, training = corpus().alphabet, corpus().training
    chapters = {chapter.split("\n")[0]: chapter for chapter in king_james()}
    results = []
    for last, heading in PROMPTS:
        start = alphabet.encode(f"\n\n{chapters[last]}{heading}\n1 ")
        for temperature in TEMPERATURES:
            rng = np.random.default_rng(seed)
            numbers = sample(model, start, LENGTH, temperature=temperature, rng=rng)
            text = alphabet.decode(numbers)
            results.append(
                {
                    "heading": heading,
                    "temperature": temperature,
                    **worth(text, training),
                    "copied": copied(text, training),
                    "text": text,
                }
            )
    return results


def followed(text: str) -> dict[str, Array]:
    """Return what a unit might follow in whole chapters, at each character: numbers, or words.

    "column" is the place in the line, "verse" the verse's number, "last digit" that of the number,
    as a word, and "New Testament" whether the book belongs to it.
    """
    titles = [chapter.split("\n")[0].rsplit(" ", 1)[0] for chapter in king_james()]
    new_testament = set(titles[titles.index("Matthew") :])
    verses: list[int] = []
    new: list[bool] = []
    for heading, *lines in (chapter.split("\n") for chapter in text.split("\n\n")[:-1]):
        verses += [0] * (len(heading) + 1)
        for line in lines:
            verses += [int(line.split(" ")[0])] * (len(line) + 1)
        verses.append(verses[-1])  # the empty line
        new += [heading.rsplit(" ", 1)[0] in new_testament] * (len(verses) - len(new))
    return {
        "column": tasks.columns(text).astype(np.float32),
        "verse": np.array(verses, np.float32),
        "last digit": np.array([str(verse % 10) for verse in verses]),
        "New Testament": np.array(new, np.float32),
    }


def some(text: str) -> str:
    """Return every fifth chapter of a part, since units are many and so are measurements."""
    return "".join(chapter + "\n\n" for chapter in text.split("\n\n")[:-1:EVERY])


def asked(model: SequenceModel, text: str) -> dict[str, float]:
    """Measure how often the number of a verse is right, and the bits of numbers and of the rest.

    The text is read in pieces, side by side, since that is faster.
    """
    numbers = corpus().alphabet.encode(text)
    length = len(numbers) // PIECES
    pieces = numbers[: length * PIECES].reshape(PIECES, length).T
    outputs, *_ = model.forward(pieces[:-1], training=False)
    costs, right = (np.full((PIECES, length), value) for value in (np.nan, 0.0))
    costs[:, 1:] = bits_of(outputs, pieces[1:]).reshape(length - 1, PIECES).T
    right[:, 1:] = (outputs.argmax(axis=-1) == pieces[1:]).T
    cost, good, of_numbers = costs.ravel(), right.ravel(), kinds(text)[: costs.size] == "number"
    starts, ends, _ = verse_numbers(text[: costs.size])
    spans = zip(starts, ends, strict=True)
    return {
        "numbers right": float(np.mean([good[start : end + 1].all() for start, end in spans])),
        "number": float(np.nanmean(cost[of_numbers])),
        "elsewhere": float(np.nanmean(cost[~of_numbers])),
    }


def units(setting: Setting, model: SequenceModel) -> dict[str, Any]:
    """Look for units of an LSTM that follow something, and take units out.

    As in `next_character`, a unit is chosen on the validation part and judged on the test part, and
    the controls are the same search with shifted targets (the best of 20) and in a network before
    training. `harm` is what replacing a unit's hidden state by its mean does to the verses' numbers
    and elsewhere, on the validation part; "order" lists the units by the harm to numbers, and
    "taken out" what happens on the test part without the first of them, and without as many others.
    """
    texts = [some(part) for part in corpus()[1:]]
    numbers = [corpus().alphabet.encode(text) for text in texts]
    torch.manual_seed(setting.seed)
    untrained = converted(Network(setting, len(corpus().alphabet)))
    traces = [traced(model, part) for part in numbers]
    seen = [state_of(one) for one in traces]
    fresh = [state_of(traced(untrained, part)) for part in numbers]
    rng = np.random.default_rng(setting.seed)
    wanted = [followed(text) for text in texts]
    results: dict[str, Any] = {}
    for name in wanted[0]:
        targets = [one[name] for one in wanted]
        unit, fit = found(seen, targets)
        results[name] = {
            "unit": unit,
            "fit": fit,
            "shifted": max(controls(seen, targets, rng)),
            "untrained": found(fresh, targets)[1],
            "forget gate": float(traces[1]["f"][:, unit].mean()),
        }
        if targets[0].dtype.kind == "f":
            results[name]["all units"] = all_units(seen, targets)
            results[name]["all units, untrained"] = all_units(fresh, targets)
    means = traces[0]["h"].mean(axis=0)
    intact = [asked(model, text) for text in texts]
    harm = [
        {key: value - intact[0][key] for key, value in asked(spoiled, texts[0]).items()}
        for spoiled in (without(model, [unit], means) for unit in range(len(means)))
    ]
    order = np.argsort([-one["number"] for one in harm])

    def left(chosen: Array) -> dict[str, float]:
        return asked(without(model, chosen.tolist(), means), texts[1])

    return {
        "followed": results,
        "intact": intact[1],
        "harm": harm,
        "order": order.tolist(),
        "taken out": [
            {"units": k, "first": left(order[:k]), "others": left(rng.permutation(order[k:])[:k])}
            for k in TAKEN_OUT
        ],
    }
