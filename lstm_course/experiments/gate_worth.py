"""Which part of the cell does the work? Every cell of `variants`, on five tasks.

All cells of a task have as many parameters as an LSTM, to the nearest unit. Each gets the same
tuning budget: 30 random settings of learning rate and starting bias, trained briefly; the best
three of them at full length, from two seeds each; and the best of those, from eight new seeds, is
what counts. A run ends as soon as it has solved its task; only the text task is never solved.
`recurrent` says what the starting bias does in a cell without a gate that keeps its memory.

The starting bias opens the gate that keeps and closes the input gate by as much, where a cell has
both, as coupled gates do by construction. The value of that start is measured with LSTMs whose
forget bias alone is tuned, or is fixed at 0 or 1 so that only the rate is tuned; and, on two tasks,
with cells that lack another part and start with the forget bias only.
"""

from collections.abc import Callable, Iterable, Sequence
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
from lstm_course.optim import Adam, Cosine
from lstm_course.rnn import RNN
from lstm_course.tasks.agreement import WORDS, Sentence
from lstm_course.training import Batch, Chunks, Trainer
from lstm_course.variants import CELLS, Variant

TASKS = ("adding", "temporal order", "recall", "agreement", "text")
MODELS = {
    "LSTM": "standard",
    "LSTM, forget bias only": "standard, forget bias only",
    "LSTM, forget bias 0": "standard, forget bias only",
    "LSTM, forget bias 1": "standard, forget bias only",
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
"""What is compared, and its cell in `variants.CELLS`, or how `recurrent` starts it."""
OTHER_START = {
    f"{cell}, forget bias only": f"{cell}, forget bias only"
    for cell in ("no output gate", "no output tanh", "blind candidate", "peepholes", "layer norm")
}
OTHER_START_TASKS = ("adding", "temporal order")
FIXED_BIAS = {"LSTM, forget bias 0": 0.0, "LSTM, forget bias 1": 1.0}
UNITS = {"adding": 24, "temporal order": 24, "recall": 24, "agreement": 24, "text": 40}
"""Units of the LSTM; the others have as many parameters."""
EMBEDDING, T, BATCH, TEST = 12, 50, 32, 400
RATES, BIASES = (1e-4, 2e-1), (0.0, 4.0)  # rates are drawn uniformly on a log scale
SETTINGS, FINALISTS, EVERY = 30, 3, 25
UPDATES = dict.fromkeys(TASKS, (400, 1200)) | {"text": (150, 600)}  # brief, and at full length
SEEDS, FINAL_SEEDS, TUNING_SEED, PROCESSES = range(8), (100, 101), 1000, 2
SOLVED = 0.01  # a run with at most these mistakes has solved its task
COLUMNS = ("learning_rate", "bias", "updates", "seed", "solved", "best look")  # of tuning runs
CHARACTERS, CHUNK = 150_000, 24
SETTING, WEIGHTS, TRAINING, VALIDATION, TESTING, SENTENCES = range(6)  # one random stream each


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    task: str
    model: str
    learning_rate: float
    bias: float
    updates: int
    seed: int


def drawn(model: str, k: int) -> tuple[float, float]:
    """Return the rate and bias of the k-th setting: the same draws for every model."""
    rng = np.random.default_rng([SETTING, k])
    low, high = np.log(RATES)
    rate, bias = np.exp(rng.uniform(low, high)), rng.uniform(*BIASES)
    return round(float(rate), 6), FIXED_BIAS.get(model, round(float(bias), 3))


def recurrent(cell: str, D: int, H: int, bias: float, rng: np.random.Generator) -> Recurrent:
    """Make a recurrent layer that starts with a bias for keeping its memory.

    The gate that keeps starts with this bias, and the input gate with minus this bias, so that
    little is written; a cell whose name ends in ", forget bias only" gets the former alone. A
    vanilla RNN starts with orthogonal recurrent weights if the bias is in the upper half of its
    range, and with uniform ones otherwise.
    """
    if not cell:
        start = "orthogonal" if bias > np.mean(BIASES) else "uniform"
        return RNN(D, H, rng=rng, recurrent=start, dtype=np.float32)
    name = cell.removesuffix(", forget bias only")
    kind = CELLS[name]
    forget_bias = bias if kind.keeps[0] else None
    layer = Variant(name, D, H, rng=rng, forget_bias=forget_bias, dtype=np.float32)
    if "i" in kind.gates and name == cell:
        params = layer.params[0]
        params.slice(params.input_bias, "i")[...] = -bias
    return layer


def models(task: str) -> dict[str, str]:
    """Return the models that are compared on a task."""
    return MODELS | (OTHER_START if task in OTHER_START_TASKS else {})


def sizes(task: str) -> tuple[int, int]:
    """Return how many numbers the recurrent layer reads, and the read-out gives, per step."""
    outputs = {"adding": 1, "temporal order": 4, "recall": 4, "agreement": len(WORDS)}
    inputs = {"adding": 2, "temporal order": 6, "recall": 5}
    if task == "text":
        return EMBEDDING, len(characters())
    return inputs.get(task, EMBEDDING), outputs[task]


@cache
def units(task: str, model: str) -> int:
    """Return the number of units that brings a model's parameter count nearest to the LSTM's."""
    D, K = sizes(task)

    def count(cell: str, H: int) -> int:
        layer = recurrent(cell, D, H, 0.0, np.random.default_rng(0))
        return sum(array.size for array in layer.arrays) + K * (H + 1)

    wanted = count("standard", UNITS[task])
    return min(range(8, 4 * UNITS[task]), key=lambda H: abs(count(models(task)[model], H) - wanted))


def build(run: Run) -> SequenceModel:
    """Make the model of a run."""
    rng = np.random.default_rng([WEIGHTS, run.seed])
    (D, K), H = sizes(run.task), units(run.task, run.model)
    layer = recurrent(models(run.task)[run.model], D, H, run.bias, rng)
    readout = Linear(H, K, rng=rng, dtype=np.float32)
    words = {"agreement": len(WORDS), "text": K}.get(run.task)
    embedding = Embedding(words, D, rng=rng, dtype=np.float32) if words else None
    return SequenceModel(layer, readout, embedding)


@cache
def sentences(stream: int) -> tuple[Sentence, ...]:
    """Draw sentences with a noun of the other number between subject and verb.

    No evaluation sentence shares the words before its verb with a training sentence.
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
    """Return a part of the stories in columns: 8/10 training, 1/10 validation, 1/10 testing."""
    text = tasks.stories(CHARACTERS, rng=np.random.default_rng(0))[0]
    tenth = len(text) // 10
    start, stop = {TRAINING: (0, 8), VALIDATION: (8, 9), TESTING: (9, 10)}[stream]
    numbers = characters().encode(text[start * tenth : stop * tenth])
    columns = numbers[: len(numbers) // BATCH * BATCH].reshape(BATCH, -1).T
    return Batch(columns[:-1], columns[1:])


def batches(run: Run) -> Callable[[int], Batch]:
    """Return a function that gives the batch of each update."""
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
    """Draw N sequences of one of the tasks without words."""
    make = {"adding": tasks.adding, "temporal order": tasks.temporal_order, "recall": tasks.recall}
    return make[task](T, N, rng=rng, dtype=np.float32)


def measured(model: SequenceModel, task: str, stream: int) -> tuple[float, float]:
    """Return the loss and the mistakes on sequences not used for training.

    The loss is in bits, and mistakes are the share of wrong answers; for adding, both are the mean
    squared error.
    """
    if task == "agreement":
        many = sentences(stream)
        plural = np.array([one.plural for one in many])
        odds = leaning(model, many)
        loss = np.logaddexp(0, np.where(plural, -odds, odds)).mean() / np.log(2)
        return float(loss), float(np.mean((odds > 0) != plural))
    batch = stories(stream) if task == "text" else _test(task, stream)
    outputs: Array = model.forward(batch.inputs, training=False)[0]
    if task == "adding":
        loss, _ = mean_squared_error(outputs, batch.targets, batch.mask)
        return float(loss), float(loss)
    loss, _ = softmax_cross_entropy(outputs, batch.targets, batch.mask)
    wrong = outputs.argmax(axis=-1) != batch.targets
    if batch.mask is not None:
        wrong = wrong[batch.mask]
    return float(loss / np.log(2)), float(wrong.mean())


@cache
def _test(task: str, stream: int) -> Batch:
    return synthetic(task, TEST, np.random.default_rng([stream]))


def train(run: Run) -> dict[str, Any]:
    """Train until the task is solved, or to the end; the learning rate falls along a cosine.

    Every 25 updates, the loss is measured on validation sequences, and their mistakes decide
    whether the task is solved; the best model by that loss is measured on test sequences.
    """
    model = build(run)
    loss = mean_squared_error if run.task == "adding" else softmax_cross_entropy
    optimizer = Adam(model.arrays, learning_rate=run.learning_rate)
    schedule = Cosine(run.learning_rate, run.updates)
    trainer = Trainer(model, optimizer, loss, clip=1.0, schedule=schedule)
    give, mistakes = batches(run), 1.0

    def look(model: SequenceModel) -> float:
        nonlocal mistakes
        found, mistakes = measured(model, run.task, VALIDATION)
        return found

    while len(trainer.history.loss) < run.updates and mistakes > SOLVED:
        done = len(trainer.history.loss)
        trainer.fit(give, done + EVERY, every=EVERY, validate=look, progress=False)
    trainer.restore_best()
    looks = [round(float(value), 5) for _, value in trainer.history.validation]
    found, left = measured(model, run.task, TESTING)
    solved = len(trainer.history.loss) if mistakes <= SOLVED else None
    return {
        **run._asdict(),
        "solved": solved,
        "looks": looks,
        "loss": round(found, 5),
        "mistakes": round(left, 5),
    }


def cost(results: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Return the cost of runs of one setting: updates until solved, then the best loss."""
    updates = np.mean([one["solved"] or one["updates"] for one in results])
    looks = [np.nan_to_num(min(one["looks"]), nan=np.inf) for one in results]
    return float(updates), float(np.mean(looks))


def best_of(results: list[dict[str, Any]], count: int) -> list[tuple[float, float]]:
    """Return the rates and biases of the best settings, the best one first."""
    settings: dict[tuple[float, float], list[dict[str, Any]]] = {}
    for one in results:
        settings.setdefault((one["learning_rate"], one["bias"]), []).append(one)
    return sorted(settings, key=lambda setting: cost(settings[setting]))[:count]


def measure(kept: Path) -> dict[str, Any]:
    """Tune and run every model on every task; finished runs are kept in a file."""
    tuning: dict[str, dict[str, list[list[Any]]]] = {task: {} for task in TASKS}
    runs: list[dict[str, Any]] = []

    def row(one: dict[str, Any]) -> list[Any]:
        known = [look for look in one["looks"] if not np.isnan(look)]
        return [{**one, "best look": min(known, default=None)}[column] for column in COLUMNS]

    def do(some: Iterable[Run]) -> dict[str, list[dict[str, Any]]]:
        sorted_: dict[str, list[dict[str, Any]]] = {}
        for one in resume(some, train, kept, processes=PROCESSES):
            sorted_.setdefault(one["model"], []).append(one)
        return sorted_

    for task in TASKS:
        few, many = UPDATES[task]
        brief = do(
            Run(task, model, *drawn(model, k), few, TUNING_SEED + k)
            for k in range(SETTINGS)
            for model in models(task)
        )
        long = do(
            Run(task, model, *setting, many, seed)
            for model in models(task)
            for setting in best_of(brief[model], FINALISTS)
            for seed in FINAL_SEEDS
        )
        final = do(
            Run(task, model, *best_of(long[model], 1)[0], many, seed)
            for model in models(task)
            for seed in SEEDS
        )
        for model in models(task):
            tuning[task][model] = [row(one) for one in brief[model] + long[model]]
            runs += final[model]
    _, worth = tasks.stories(CHARACTERS, rng=np.random.default_rng(0))
    return {
        "units": {task: {model: units(task, model) for model in models(task)} for task in TASKS},
        "rates": RATES,
        "biases": BIASES,
        "source of the stories": round(float(worth[9 * len(worth) // 10 :].mean()), 4),
        "tuning columns": COLUMNS,
        "tuning": tuning,
        "runs": runs,
    }
