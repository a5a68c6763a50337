"""What the units of a trained text model remember, with controls; for `next_character`."""

import copy
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from lstm_course import tasks
from lstm_course._checks import Array
from lstm_course.experiments.next_character_models import (
    SHIFTS,
    Run,
    bits,
    bits_of,
    build,
    by_distance,
    corpus,
)
from lstm_course.layers import LSTM
from lstm_course.models import SequenceModel
from lstm_course.rnn import RNN, rnn_forward
from lstm_course.sequence import lstm_forward, trace
from lstm_course.tasks.stories import ACTIONS, PLACES, SOUNDS

SHORT, TAKEN_OUT = 10_000, (1, 2, 4, 8, 16)
FOLLOWED = {"quotes": tasks.quoted, "brackets": tasks.bracketed, "column": tasks.columns}


def states(model: SequenceModel, numbers: Array) -> Array:
    """Return tanh c of every unit, or h of a vanilla RNN, at each character: (characters, units).

    Both lie between -1 and 1, and tanh c is what the output gate shows of a cell state to the rest
    of the network.
    """
    return state_of(traced(model, numbers))


def state_of(seen: dict[str, Array]) -> Array:
    """Return tanh c from `traced`, or h if there is no c."""
    return np.tanh(seen["c"]) if "c" in seen else seen["h"]


def traced(model: SequenceModel, numbers: Array) -> dict[str, Array]:
    """Return gates and states of every unit at each character, each (characters, units)."""
    assert model.embedding is not None
    xs = model.embedding.table[numbers][:, None]
    if isinstance(model.recurrent, RNN):
        return {"h": rnn_forward(xs, model.recurrent.params)[0][:, 0]}
    seen = trace(lstm_forward(xs, model.recurrent.params[0])[2])
    return {name: values[:, 0] for name, values in seen.items()}


def fits(seen: Array, wanted: Array) -> Array:
    """Return each unit's R squared, the share of the variance of a row of numbers it explains.

    For a row of words, it is the share of the unit's own variance that lies between the words.
    """
    if wanted.dtype.kind == "U":
        groups = [seen[wanted == word] for word in np.unique(wanted)]
        between = sum(len(one) * (one.mean(0) - seen.mean(0)) ** 2 for one in groups)
        return between / np.maximum(len(seen) * seen.var(0), 1e-12)
    a, b = seen - seen.mean(0), wanted - wanted.mean()
    return (a * b[:, None]).sum(0) ** 2 / np.maximum((a**2).sum(0) * (b**2).sum(), 1e-12)


def found(seen: Sequence[Array], wanted: Sequence[Array]) -> tuple[int, float]:
    """Choose the unit with the best fit in the first part; return it and its fit in the second."""
    unit = int(fits(seen[0], wanted[0]).argmax())
    return unit, float(fits(seen[1], wanted[1])[unit])


def controls(
    seen: Sequence[Array], wanted: Sequence[Array], rng: np.random.Generator
) -> list[float]:
    """Return the fits of the chosen units when targets are shifted by 20 random distances."""
    shortest = min(map(len, wanted))
    shifts = rng.integers(shortest // 10, shortest - shortest // 10, 20)
    return [found(seen, [np.roll(part, k) for part in wanted])[1] for k in shifts]


def all_units(seen: Sequence[Array], wanted: Sequence[Array]) -> float:
    """Fit a line to all units in the first part; return R squared in the second."""
    known, new = (np.column_stack([part, np.ones(len(part))]) for part in seen)
    ridge = 1e-3 * len(known) * np.eye(known.shape[1])
    weights = np.linalg.solve(known.T @ known + ridge, known.T @ wanted[0])
    return float(1 - np.mean((new @ weights - wanted[1]) ** 2) / wanted[1].var())


def inside(run: Run, model: SequenceModel) -> dict[str, Any]:
    """Look for units that follow quotes, brackets and the place in the line.

    A unit is chosen on the validation part and judged on the test part. The controls are the same
    search for targets shifted by a random distance (the best of 20 searches), and for the model
    before training. For comparison, the R squared of a linear fit to all units is given too.
    """
    parts, alphabet = corpus(run.text), corpus(run.text).alphabet
    numbers = [alphabet.encode(part) for part in parts[1:]]
    seen = tuple(states(model, part) for part in numbers)
    fresh = tuple(states(build(run), part) for part in numbers)
    rng = np.random.default_rng([run.seed, SHIFTS])
    results = {}
    for name, state in FOLLOWED.items():
        wanted = tuple(state(part).astype(np.float32) for part in parts[1:])
        unit, fit = found(seen, wanted)
        results[name] = {
            "unit": unit,
            "fit": fit,
            "shifted": max(controls(seen, wanted, rng)),
            "untrained": found(fresh, wanted)[1],
            "all units": all_units(seen, wanted),
            "all units, untrained": all_units(fresh, wanted),
        }
    return results


def gates(run: Run, model: SequenceModel) -> dict[str, list[float]]:
    """Return for each gate the share of its values below 0.1 and above 0.9 on the test part.

    The keys are "i", "f" and "o", and each with " before training" added.
    """
    parts, results = corpus(run.text), {}
    numbers = parts.alphabet.encode(parts.test)
    for one, when in ((model, ""), (build(run), " before training")):
        seen = traced(one, numbers)
        for gate in "ifo":
            shares = seen[gate] < 0.1, seen[gate] > 0.9
            results[gate + when] = [float(share.mean()) for share in shares]
    return results


def decisions(text: str) -> dict[str, Array]:
    """Return places in stories where the next character depends on something long before.

    "animal": the first character of a sound. "quotes": the character after a sentence, a quotation
    mark or not. "brackets": the character after an action or a place, a closing bracket or not.
    """
    ends = re.finditer(rf"(?:{'|'.join(SOUNDS.values())})\.", text)
    clauses = re.finditer(rf" (?:{'|'.join((*ACTIONS, *PLACES))})(?=[ ,)])", text)
    return {
        "animal": tasks.endings(text)[2],
        "quotes": np.array([one.end() for one in ends if one.end() < len(text)]),
        "brackets": np.array([one.end() for one in clauses]),
    }


def between(text: str) -> tuple[Array, Array]:
    """Return the places in stories between an animal and its sound, and that animal at each.

    They run from the second character after the name to the one before the sound.
    """
    animals, named, sounds = tasks.endings(text)
    spans = [range(first + 2, last) for first, last in zip(named, sounds, strict=True)]
    names = [animal for animal, span in zip(animals, spans, strict=True) for _ in span]
    return np.array([place for span in spans for place in span]), np.array(names)


def units_of_stories(run: Run, model: SequenceModel) -> dict[str, Any]:
    """Measure on stories whether a model still knows the animal, and which LSTM units hold what.

    `right` counts, by characters since the animal was named, the sentences whose sound starts with
    the most probable character. `quotation mark` is the mean probability of one after a sentence,
    inside quotes and outside. For an LSTM, there follows for each of the `decisions`:

    - `fits` of every unit's tanh c to the deciding state, at all characters (for the animal:
      `between` it and its sound), the units' "order" by fit on the validation part, the "fit" of
      the first of them on the test part, and "shifted", the best of 20 such searches with the
      targets shifted by a random distance;
    - `harm`, unit by unit: how many more bits the decided character costs if the unit's hidden
      state is replaced by its mean, and `worst`, the unit that does most harm in the first half
      of the characters, with its harm in the second;
    - for the animal, `forget gate`, the mean of every unit's gate between animal and sound.

    `left` is the share of right sounds if the first 1, 2, 4 ... units of the animal's order are
    all replaced, and `left at random` the mean over five draws of as many of the other units.
    Harm and the shares left are measured on the first 10,000 characters of the test part.
    """
    parts, alphabet = corpus(run.text), corpus(run.text).alphabet
    validation, test = (alphabet.encode(part) for part in parts[1:])
    _, named, sounds = tasks.endings(parts.test)
    outputs, *_ = model.forward(test[:, None], training=False)
    right = outputs[sounds - 1, 0].argmax(axis=-1) == test[sounds]
    places = decisions(parts.test)
    scores = outputs[places["quotes"] - 1, 0]
    mark = np.full(len(scores), alphabet.encode('"')[0])
    p, within = 2.0 ** -bits_of(scores, mark), tasks.quoted(parts.test)[places["quotes"] - 1]
    results: dict[str, Any] = {
        "right": by_distance(right, sounds - named),
        "quotation mark": [float(p[within].mean()), float(p[~within].mean())],
    }
    if not isinstance(model.recurrent, LSTM):
        return results
    rng = np.random.default_rng([run.seed, SHIFTS])
    traces = traced(model, validation), traced(model, test)
    held = between(parts.validation), between(parts.test)
    for name in places:
        if name == "animal":
            cells = tuple(
                state_of(seen)[where] for seen, (where, _) in zip(traces, held, strict=True)
            )
            wanted = tuple(names for _, names in held)
        else:
            cells = tuple(map(state_of, traces))
            wanted = tuple(FOLLOWED[name](part).astype(np.float32) for part in parts[1:])
        order = np.argsort(-fits(cells[0], wanted[0]))
        results[name] = {
            "order": order.tolist(),
            "fit": found(cells, wanted)[1],
            "shifted": max(controls(cells, wanted, rng)),
            "fits": fits(cells[1], wanted[1]).tolist(),
        }
    results["animal"]["forget gate"] = traces[1]["f"][held[1][0]].mean(axis=0).tolist()

    short, means = test[:SHORT], traces[0]["h"].mean(axis=0)
    before = bits(model, short)
    harm = [bits(without(model, [k], means), short) - before for k in range(len(means))]
    for name, at in places.items():
        first, second = (at[(low <= at) & (at < low + SHORT // 2)] - 1 for low in (0, SHORT // 2))
        where = np.concatenate([first, second])
        results[name]["harm"] = [float(more[where].mean()) for more in harm]
        unit = int(np.argmax([more[first].mean() for more in harm]))
        results[name]["worst"] = {"unit": unit, "harm": float(harm[unit][second].mean())}

    def share(units: Sequence[int]) -> float:
        outputs, *_ = without(model, units, means).forward(short[:, None], training=False)
        where = sounds[sounds < SHORT]
        return float((outputs[where - 1, 0].argmax(axis=-1) == short[where]).mean())

    order = results["animal"]["order"]
    results["taken out"] = [0, *TAKEN_OUT]
    results["left"] = [share(order[:k]) for k in results["taken out"]]
    results["left at random"] = [
        float(np.mean([share(rng.permutation(order[k:])[:k].tolist()) for _ in range(5)]))
        for k in results["taken out"]
    ]
    return results


def without(model: SequenceModel, units: Sequence[int], means: Array) -> SequenceModel:
    """Return a copy of an LSTM model that treats some units' hidden states as constants."""
    copied = copy.deepcopy(model)
    assert isinstance(copied.recurrent, LSTM)
    _, U, b = copied.recurrent.params[0].arrays()
    V, d = copied.readout.arrays
    for weight, bias in ((U, b), (V, d)):
        bias += weight[:, units] @ means[units]
        weight[:, units] = 0
    return copied
