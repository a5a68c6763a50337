"""Which part of the cell does the work? Every cell of `variants`, on five tasks.

All cells of a task have as many parameters as an LSTM, to within what whole units allow. Each gets
the same budget of tuning: 30 random settings of a learning rate and a starting bias, trained
briefly; the best five of them at full length; and the best of those, from five new seeds, is what
counts. What the starting bias is to a cell that has no gate to keep its memory is said by `build`.

The LSTM comes in three versions: with the bias of its forget gate tuned, like that of every other
cell, and with that bias at 0 and at 1, where only the rate is tuned.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course import tasks
from lstm_course._checks import Array
from lstm_course.experiments import resume
from lstm_course.experiments.number_unit import leaning
from lstm_course.layers import Embedding, Linear, Recurrent
from lstm_course.losses import mean_squared_error, softmax_cross_entropy
from lstm_course.models import SequenceModel
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.tasks.agreement import WORDS, Sentence
from lstm_course.training import Batch, Chunks, Trainer
from lstm_course.variants import CELLS, Variant

TASKS = ("adding", "temporal order", "recall", "agreement", "text")
MODELS = {
    "LSTM": "standard",
    "LSTM, forget bias 0": "standard",
    "LSTM, forget bias 1": "standard",
    "no input gate": "no input gate",
    "no forget gate": "no forget gate",
    "no forget gate, truncated": "no forget gate, truncated",
    "no output gate": "no output gate",
    "no output tanh": "no output tanh",
    "blind candidate": "blind candidate",
    "coupled gates": "coupled",
    "peepholes": "peepholes",
    "layer norm": "layer norm",
    "GRU": "GRU",
    "GRU, reset before": "GRU, reset before",
    "minimal gated unit": "minimal gated",
    "vanilla RNN": "",
}
"""What is compared, and the cell in `variants.CELLS`."""
FIXED_BIAS = {"LSTM, forget bias 0": 0.0, "LSTM, forget bias 1": 1.0}
UNITS = {"adding": 24, "temporal order": 24, "recall": 24, "agreement": 24, "text": 40}
"""Units of the LSTM; the others have as many parameters."""
EMBEDDING, T, BATCH, TEST = 12, 24, 32, 500
RATES, BIASES = (5e-4, 2e-1), (0.0, 4.0)  # rates are drawn evenly in their logarithm
SETTINGS, BRIEF = 30, 400
FINALISTS, UPDATES, EVERY = 5, 1200, 100
SEEDS, TUNING_SEED, PROCESSES = range(5), 1000, 2
CHARACTERS, CHUNK = 150_000, 24
SETTING, WEIGHTS, TRAINING, VALIDATION, TESTING, SENTENCES = range(6)  # each a stream of its own


class Run(NamedTuple):
    """What determines a run, to the last bit on one machine."""

    task: str
    model: str
    learning_rate: float
    bias: float
    updates: int
    seed: int


def drawn(model: str, k: int) -> tuple[float, float]:
    """Return rate and bias of the k-th setting: the same draws for every model."""
    rng = np.random.default_rng([SETTING, k])
    low, high = np.log(RATES)
    rate, bias = np.exp(rng.uniform(low, high)), rng.uniform(*BIASES)
    return round(float(rate), 6), FIXED_BIAS.get(model, round(float(bias), 3))


def recurrent(cell: str, D: int, H: int, bias: float, rng: np.random.Generator) -> Recurrent:
    """Make a recurrent layer that starts with a bias for keeping its memory.

    It is the bias of the gate that keeps; of a cell without one, minus the bias of the input gate,
    so that less is written; and a vanilla RNN starts with orthogonal recurrent weights where the
    bias is in the upper half of its range, with uniform ones in the lower.
    """
    if not cell:
        start = "orthogonal" if bias > np.mean(BIASES) else "uniform"
        return RNN(D, H, rng=rng, recurrent=start, dtype=np.float32)
    if CELLS[cell].keeps[0]:
        return Variant(cell, D, H, rng=rng, forget_bias=bias, dtype=np.float32)
    layer = Variant(cell, D, H, rng=rng, dtype=np.float32)
    params = layer.params[0]
    params.slice(params.bias, "i")[...] = -bias
    return layer


def sizes(task: str) -> tuple[int, int]:
    """Return the numbers that a task's recurrent layer reads, and those that it is to give."""
    outputs = {"adding": 1, "temporal order": 4, "recall": 4, "agreement": len(WORDS)}
    inputs = {"adding": 2, "temporal order": 6, "recall": 5}
    if task == "text":
        return EMBEDDING, len(characters())
    return inputs.get(task, EMBEDDING), outputs[task]


@cache
def units(task: str, model: str) -> int:
    """Return how many units bring a model's parameters nearest to the LSTM's."""
    D, K = sizes(task)

    def count(cell: str, H: int) -> int:
        layer = recurrent(cell, D, H, 0.0, np.random.default_rng(0))
        return sum(array.size for array in layer.arrays) + K * (H + 1)

    wanted = count("standard", UNITS[task])
    return min(range(8, 4 * UNITS[task]), key=lambda H: abs(count(MODELS[model], H) - wanted))


def build(run: Run) -> SequenceModel:
    """Make the model of a run."""
    rng = np.random.default_rng([WEIGHTS, run.seed])
    (D, K), H = sizes(run.task), units(run.task, run.model)
    layer = recurrent(MODELS[run.model], D, H, run.bias, rng)
    readout = Linear(H, K, rng=rng, dtype=np.float32)
    words = {"agreement": len(WORDS), "text": K}.get(run.task)
    embedding = Embedding(words, D, rng=rng, dtype=np.float32) if words else None
    return SequenceModel(layer, readout, embedding)


@cache
def sentences(stream: int) -> tuple[Sentence, ...]:
    """Draw sentences with a noun of the other number between subject and verb.

    What stands before the verb of those to look at is not among the sentences to train with.
    """
    rng = np.random.default_rng([SENTENCES, stream])
    many = tasks.agreement(40 * TEST if stream == TRAINING else 8 * TEST, rng=rng, more=0.7)
    found = [one for one in many if one.attractors > 0]
    if stream == TRAINING:
        return tuple(found)
    seen = {one.words[: one.verb] for one in sentences(TRAINING)}
    return tuple([one for one in found if one.words[: one.verb] not in seen][:TEST])


@cache
def characters() -> tasks.Alphabet:
    """Return the alphabet of the stories."""
    return tasks.Alphabet(tasks.stories(CHARACTERS, rng=np.random.default_rng(0))[0])


@cache
def stories(stream: int) -> Batch:
    """Return a part of the stories in columns: eight tenths to train with, one each to look at."""
    text = tasks.stories(CHARACTERS, rng=np.random.default_rng(0))[0]
    tenth = len(text) // 10
    start, stop = {TRAINING: (0, 8), VALIDATION: (8, 9), TESTING: (9, 10)}[stream]
    numbers = characters().encode(text[start * tenth : stop * tenth])
    columns = numbers[: len(numbers) // BATCH * BATCH].reshape(BATCH, -1).T
    return Batch(columns[:-1], columns[1:])


def batches(run: Run) -> Callable[[int], Batch]:
    """Return what gives the batch of each update."""
    if run.task == "text":
        return Chunks(stories(TRAINING), CHUNK)

    def batch(step: int) -> Batch:
        rng = np.random.default_rng([TRAINING, run.seed, step])
        if run.task == "agreement":
            many = sentences(TRAINING)
            return tasks.was_or_were([many[k] for k in rng.integers(0, len(many), BATCH)])
        return synthetic(run.task, BATCH, rng)

    return batch


def synthetic(task: str, N: int, rng: np.random.Generator) -> Batch:
    """Draw N sequences of one of the tasks that need no words."""
    make = {"adding": tasks.adding, "temporal order": tasks.temporal_order, "recall": tasks.recall}
    return make[task](T, N, rng=rng, dtype=np.float32)


def measured(model: SequenceModel, task: str, stream: int) -> dict[str, float]:
    """Return the loss on sequences that were not trained with, and the share of mistakes.

    Losses are in bits, and a mean squared error for adding, where a mistake is to be off by more
    than 0.1.
    """
    if task == "agreement":
        many = sentences(stream)
        plural = np.array([one.plural for one in many])
        odds = leaning(model, many)
        loss = np.logaddexp(0, np.where(plural, -odds, odds)).mean() / np.log(2)
        return {"loss": float(loss), "mistakes": float(np.mean((odds > 0) != plural))}
    batch = stories(stream) if task == "text" else _test(task, stream)
    outputs: Array = model.forward(batch.inputs, training=False)[0]
    if task == "adding":
        loss, _ = mean_squared_error(outputs, batch.targets, batch.mask)
        wrong = np.abs(outputs[-1] - batch.targets[-1]) > 0.1
        return {"loss": float(loss), "mistakes": float(wrong.mean())}
    loss, _ = softmax_cross_entropy(outputs, batch.targets, batch.mask)
    wrong = outputs.argmax(axis=-1) != batch.targets
    if batch.mask is not None:
        wrong = wrong[batch.mask]
    return {"loss": float(loss / np.log(2)), "mistakes": float(wrong.mean())}


@cache
def _test(task: str, stream: int) -> Batch:
    return synthetic(task, TEST, np.random.default_rng([stream]))


def train(run: Run) -> dict[str, Any]:
    """Train and look every 100 updates; the model of the best look is measured on the test part.

    The learning rate is divided by 3 after 60 % of the updates, and again after 85 %.
    """
    model = build(run)
    loss = mean_squared_error if run.task == "adding" else softmax_cross_entropy
    optimizer = Adam(model.arrays, learning_rate=run.learning_rate)
    trainer = Trainer(model, optimizer, loss, clip=1.0)
    give = batches(run)
    for done in range(0, run.updates, EVERY):
        slower = 1 + 2 * (done >= 0.6 * run.updates) + 6 * (done >= 0.85 * run.updates)
        optimizer.learning_rate = run.learning_rate / slower
        trainer.fit(
            give,
            done + EVERY,
            every=EVERY,
            validate=lambda model: measured(model, run.task, VALIDATION)["loss"],
            progress=False,
        )
    trainer.restore_best()
    looks = [round(float(value), 5) for _, value in trainer.history.validation]
    test = {k: round(v, 5) for k, v in measured(model, run.task, TESTING).items()}
    return {**run._asdict(), "looks": looks, **test}


def best_of(results: list[dict[str, Any]], count: int) -> list[Run]:
    """Return the runs with the best looks; one that went wrong comes last."""
    ordered = sorted(results, key=lambda one: float(np.nan_to_num(min(one["looks"]), nan=np.inf)))
    return [Run(*(one[field] for field in Run._fields)) for one in ordered[:count]]


def measure(kept: Path) -> dict[str, Any]:
    """Tune and run every model on every task; finished runs are kept in a file."""
    tuning: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    for task in TASKS:
        for model in MODELS:
            settings = [
                Run(task, model, *drawn(model, k), BRIEF, TUNING_SEED + k) for k in range(SETTINGS)
            ]
            brief = resume(settings, train, kept, processes=PROCESSES)
            finalists = [run._replace(updates=UPDATES) for run in best_of(brief, FINALISTS)]
            long = resume(finalists, train, kept, processes=PROCESSES)
            (best,) = best_of(long, 1)
            tuning += brief + long
            seeds = [best._replace(seed=seed) for seed in SEEDS]
            runs += resume(seeds, train, kept, processes=PROCESSES)
    H = {task: {model: units(task, model) for model in MODELS} for task in TASKS}
    _, worth = tasks.stories(CHARACTERS, rng=np.random.default_rng(0))
    return {
        "units": H,
        "rates": RATES,
        "biases": BIASES,
        "source of the stories": round(float(worth[9 * len(worth) // 10 :].mean()), 4),
        "tuning": tuning,
        "runs": runs,
    }
