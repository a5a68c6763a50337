"""Which character comes next in the King James Bible? A text large enough to be worth reading.

The small LSTM ships with the package. Its rivals, a GRU and a vanilla RNN, have as many parameters
and get the same search for their learning rate, but one seed each: a comparison with five seeds is
made with smaller networks on a part of the text. The large LSTM shows what more parameters bring.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lstm_course import tasks
from lstm_course.experiments import RESULTS, resume
from lstm_course.experiments.next_character import rounded
from lstm_course.experiments.scripture_counts import counted
from lstm_course.experiments.scripture_models import (
    SETTINGS,
    Network,
    Setting,
    Training,
    corpus,
    start,
)
from lstm_course.experiments.scripture_reading import converted, judged, units, written
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.models import SequenceModel

CONTEST = Setting(
    hidden=128,
    layers=1,
    embedding=32,
    dropout=0.0,
    updates=1500,
    batch=32,
    characters=1_000_000,
    fresh=0.02,
)
BRIEF = 400  # updates of the runs that choose the learning rates of the shipped LSTM and its rivals
SEEDS, TUNING_SEEDS, BRIEF_SEEDS = range(5), range(100, 103), (100,)
RATES = {
    "LSTM": (0.002, 0.004, 0.008, 0.016),
    "GRU": (0.002, 0.004, 0.008, 0.016),
    "plain": (0.0005, 0.001, 0.002, 0.004),
}


def size(setting: Setting) -> int:
    """Return how many parameters a network has."""
    with torch.device("meta"):  # without values
        network = Network(setting, len(corpus().alphabet))
    return sum(parameter.numel() for parameter in network.parameters())


def as_large(kind: str, setting: Setting) -> Setting:
    """Return the setting of a kind that comes closest to another's number of parameters."""
    wanted, hidden = size(setting), range(1, 4 * setting.hidden)

    def of_kind(H: int) -> Setting:
        return setting._replace(kind=kind, hidden=H)

    above = bisect_left(hidden, wanted, key=lambda H: size(of_kind(H)))
    return min(map(of_kind, hidden[above - 1 : above + 1]), key=lambda one: abs(size(one) - wanted))


def rate_chosen(setting: Setting, seeds: Sequence[int], kept: Path) -> tuple[float, list[Any]]:
    """Search for the learning rate on the validation part; return it and all the runs.

    The grid grows by factors of 2 until its best rate isn't at an end.
    """
    rates = list(RATES[setting.kind])
    while True:
        runs = [setting._replace(learning_rate=rate, seed=seed) for rate in rates for seed in seeds]
        results = resume(runs, tuned, kept)
        costs = [one["validation"] for one in results]
        means = np.reshape(costs, (len(rates), len(seeds))).mean(axis=1)
        best = int(means.argmin())
        if 0 < best < len(rates) - 1:
            return rates[best], results
        rates = [rates[0] / 2, *rates] if best == 0 else [*rates, rates[-1] * 2]


def tuned(setting: Setting) -> dict[str, Any]:
    """Train a network to rate its setting."""
    training = start(setting)
    cost = training.run(every=setting.updates)[-1]["validation"]
    return {**setting._asdict(), "validation": cost}


def compared(setting: Setting) -> dict[str, Any]:
    """Train one of the small networks with five seeds, and judge it on the test part."""
    training = start(setting)
    log = training.run(every=setting.updates // 5)
    return {
        **setting._asdict(),
        "parameters": size(setting),
        "log": [one["validation"] for one in log],
        "judged": judged(training.network, corpus().test),
    }


def trained(setting: Setting, name: str, kept: Path) -> Training:
    """Train a network, or go on where its file was written."""
    file = kept.with_name(f"scripture-{name}.part")
    training = start(setting)
    if file.exists():
        training.load(file)
    training.run(file)
    return training


class Part(NamedTuple):
    """A part of the measurements."""

    part: str


def keep(part: str, do: Callable[[], Any], kept: Path) -> Any:
    """Take a part of the measurements, unless the file has it already."""
    return resume([Part(part)], lambda one: one._asdict() | {"result": do()}, kept)[0]["result"]


def shown(name: str, setting: Setting, kept: Path) -> dict[str, Any]:
    """Train one of the models for show, and judge it on the test part."""

    def do() -> dict[str, Any]:
        training = trained(setting, name, kept)
        judgement = judged(training.network, corpus().test)
        if name == "LSTM":
            save(converted(training.network))
        return {
            **setting._asdict(),
            "parameters": size(setting),
            "log": training.log,
            "judged": judgement,
        }

    return dict(keep(name, do, kept))


def rivals(kind: str, kept: Path) -> dict[str, Any]:
    """Search for the learning rate of the shipped LSTM or a rival of its size, and train it."""
    setting = as_large(kind, SETTINGS["small"])
    rate, tuning = rate_chosen(setting._replace(updates=BRIEF), BRIEF_SEEDS, kept)
    return shown(kind, setting._replace(learning_rate=rate), kept) | {"tuning": tuning}


def contest(kind: str, kept: Path) -> dict[str, Any]:
    """Compare a kind of small networks: three seeds choose the learning rate, five others count."""
    setting = as_large(kind, CONTEST)
    rate, tuning = rate_chosen(setting, TUNING_SEEDS, kept)
    runs = [setting._replace(learning_rate=rate, seed=seed) for seed in SEEDS]
    return {"tuning": tuning, "runs": resume(runs, compared, kept)}


def inside(kept: Path) -> dict[str, Any]:
    """Let the shipped LSTM and the large one write, and look inside the shipped one."""
    results: dict[str, Any] = {}
    for name, setting in (("LSTM", rivals("LSTM", kept)), ("large", SETTINGS["large"]._asdict())):
        fields = Setting(**{key: setting[key] for key in Setting._fields})
        model = converted(trained(fields, name, kept).network)
        results[name] = keep(f"written, {name}", partial(written, model, fields.seed), kept)
        if name == "LSTM":
            results["units"] = keep("units", partial(units, fields, model), kept)
    return results


def measure(kept: Path) -> dict[str, Any]:
    """Train, count and compare; finished runs are kept in a file, and models next to it."""
    torch.set_num_threads(1)
    results = {
        "models": {kind: rivals(kind, kept) for kind in RATES},
        "large": shown("large", SETTINGS["large"], kept),
        "counted": keep("counted", counted, kept),
        "contest": {kind: contest(kind, kept) for kind in RATES},
        **inside(kept),
        "torch": torch.__version__,
    }
    for name in (*RATES, "large"):
        kept.with_name(f"scripture-{name}.part").unlink()
    return dict(rounded(results))


def save(model: SequenceModel) -> None:
    """Save the shipped LSTM next to the record, in half precision."""
    arrays = [array.astype(np.float16) for array in model.arrays]
    characters = np.array(list(corpus().alphabet.characters))
    np.savez_compressed(RESULTS / "scripture.npz", *arrays, characters=characters)


def load() -> tuple[SequenceModel, tasks.Alphabet]:
    """Return the small LSTM that `measure` has saved, and its alphabet.

    Its parameters were rounded to half precision; it computes with float32.

    Examples
    --------
    >>> model, alphabet = load()  # doctest: +SKIP
    >>> start = alphabet.encode("And the LORD sai")[:, None]  # doctest: +SKIP
    >>> outputs, *_ = model.forward(start, training=False)  # doctest: +SKIP
    >>> alphabet.decode([outputs[-1, 0].argmax()])  # doctest: +SKIP
    'd'
    """
    with np.load(RESULTS / "scripture.npz", allow_pickle=False) as file:
        arrays = [file[f"arr_{k}"].astype(np.float32) for k in range(len(file.files) - 1)]
        alphabet = tasks.Alphabet("".join(file["characters"]))
    rng = np.random.default_rng(0)
    (K, E), H = arrays[0].shape, arrays[2].shape[1]
    model = SequenceModel(
        LSTM(E, H, rng=rng, dtype=np.float32),
        Linear(H, K, rng=rng, dtype=np.float32),
        Embedding(K, E, rng=rng, dtype=np.float32),
    )
    for array, stored in zip(model.arrays, arrays, strict=True):
        array[...] = stored
    return model, alphabet
