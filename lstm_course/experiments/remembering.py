"""Which models learn to remember, and over how many steps? Vanilla RNNs and LSTMs on two tasks.

Every model gets the learning rate that worked best at the shortest length, on seeds that are not
used again: the one that solved the task soonest or, if none did, left the fewest mistakes. Then it
is trained at every length with several seeds, until it has solved the task or the updates are used
up. A model that solves a task with no seed is not tried at the next length, which is twice as long.
Finished runs are kept in a file next to the record, so that an interrupted experiment resumes where
it stopped.

Which of the biases helps? An ablation sets only some of them, at two lengths. All its models are
tuned alike: if a model's best rate is at either end of the grid, rates beyond it are tried too,
until the best rate has worse ones on both sides. And since rates differ between models, the
ablation is repeated with one rate for all, that of the LSTM with forget bias 1.

Must the biases match the length of the task? In a last part, both biases are set for a fixed number
of steps, and the models are trained at very different lengths, with that same rate.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course import tasks
from lstm_course._checks import Array
from lstm_course.experiments import resume
from lstm_course.layers import LSTM, Linear
from lstm_course.losses import mean_squared_error, softmax_cross_entropy
from lstm_course.models import SequenceModel
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.training import Batch, Trainer

TASKS = ("adding", "temporal order")
MODELS = (
    "plain, uniform",
    "plain, orthogonal",
    "LSTM, bias 1",
    "LSTM, biases equal",
    "LSTM, biases spread",
)
ABLATION = (
    "LSTM, bias 1",
    "LSTM, input biases only",
    "LSTM, forget biases only",
    "LSTM, biases equal",
    "LSTM, bias 3",
)
FIXED = {"LSTM, u = 25": 25.0, "LSTM, u = 1000": 1000.0}  # both biases, at every length
NOT_TOLD = (
    ("adding", "LSTM, u = 25", 200),
    ("temporal order", "LSTM, u = 25", 200),
    ("temporal order", "LSTM, u = 1000", 100),
)
LENGTHS = (50, 100, 200, 400)
ABLATION_LENGTHS = (100, 200)
LEARNING_RATES = (0.03, 0.01, 0.003, 0.001, 0.0003)
ABOVE, BELOW = (0.1, 0.3, 1.0), (0.0001,)  # tried if the best rate is at the grid's end
PARTS = (  # of the record
    "tuning",
    "runs",
    "wider tuning",
    "ablation",
    "ablation at one rate",
    "length not told",
)
SEEDS, TUNING_SEEDS = range(5), (100, 101)
UPDATES, EVERY, BATCH, TEST = 2000, 50, 32, 500
WEIGHTS, BIASES, TRAINING, TESTING, LONGER = range(1, 6)  # each has its own random stream


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    task: str
    model: str
    T: int
    learning_rate: float
    seed: int


def draw(task: str, T: int, N: int, *seed: int) -> Batch:
    """Draw N sequences of a task, in float32."""
    make = tasks.adding if task == "adding" else tasks.temporal_order
    return make(T, N, rng=np.random.default_rng(seed), dtype=np.float32)


def build(run: Run) -> SequenceModel:
    """Make the model of a run, with about 4,500 parameters in its recurrent layer.

    All LSTMs of one seed have the same weights, but different biases. "biases spread" draws a u
    between 1 and T - 1 for each unit, and starts its forget bias at log u and its input bias at
    -log u, after Tallec and Ollivier (2018), doi:10.48550/arXiv.1804.11188, with T as the longest
    time that matters. "biases equal" does the same with u = T / 2 for all; "forget biases only" and
    "input biases only" leave the other gate as it is in "bias 1". "bias 3" is a forget bias too.
    The models of `FIXED` set both biases from the u in their names, at every length.
    """
    rng = np.random.default_rng([run.seed, WEIGHTS])
    D, K = (2, 1) if run.task == "adding" else (6, 4)
    units = 64 if run.model.startswith("plain") else 32
    recurrent: RNN | LSTM
    if run.model.startswith("plain"):
        start = run.model.removeprefix("plain, ")
        recurrent = RNN(D, units, rng=rng, recurrent=start, dtype=np.float32)
    else:
        recurrent = LSTM(D, units, rng=rng, dtype=np.float32)
        if run.model != "LSTM, bias 1":
            u = np.full(units, FIXED.get(run.model, run.T / 2))
            if run.model == "LSTM, biases spread":
                u = np.random.default_rng([run.seed, BIASES]).uniform(1, run.T - 1, units)
            if run.model != "LSTM, input biases only":
                forget = 3.0 if run.model == "LSTM, bias 3" else np.log(u)
                recurrent.params[0].gate("f")[2][:] = forget
            if run.model not in ("LSTM, forget biases only", "LSTM, bias 3"):
                recurrent.params[0].gate("i")[2][:] = -np.log(u)
    return SequenceModel(recurrent, Linear(units, K, rng=rng, dtype=np.float32))


def mistakes(model: SequenceModel, test: Batch) -> float:
    """Return the mean squared error of the adding problem, or the share of wrong classes."""
    outputs: Array = model.forward(test.inputs, training=False)[0][-1]
    wanted = test.targets[-1]
    if wanted.ndim == 1:
        return float(np.mean(outputs.argmax(axis=1) != wanted))
    return float(np.mean((outputs - wanted) ** 2))


def train(run: Run, to_the_end: bool = False) -> tuple[SequenceModel, dict[str, Any]]:
    """Train until `mistakes` on 500 new sequences are at most 0.01, or to the end.

    The same 500 are checked after every 50 updates, and decide when to stop.

    Returns the model, and what is recorded: the run, `curve` with the mistakes at every check,
    `solved` with the updates until then, or None, and `longer`, the mistakes on sequences two and
    four times as long. With `to_the_end`, a run that has solved the task continues anyway, and
    `longer at the end` is recorded too.
    """
    model = build(run)
    loss = mean_squared_error if run.task == "adding" else softmax_cross_entropy
    trainer = Trainer(model, Adam(model.arrays, learning_rate=run.learning_rate), loss, clip=1.0)
    test = draw(run.task, run.T, TEST, run.seed, TESTING)

    def beyond() -> list[float]:
        return [
            round(mistakes(model, draw(run.task, k * run.T, TEST, run.seed, LONGER, k)), 4)
            for k in (2, 4)
        ]

    def look() -> None:
        trainer.fit(
            lambda step: draw(run.task, run.T, BATCH, run.seed, TRAINING, step),
            len(trainer.history.loss) + EVERY,
            progress=False,
        )
        curve.append(mistakes(model, test))

    curve: list[float] = []
    while len(curve) < UPDATES // EVERY and (not curve or curve[-1] > 0.01):
        look()
    result = {
        **run._asdict(),
        "solved": EVERY * len(curve) if curve[-1] <= 0.01 else None,
        "largest norm": round(float(np.max(trainer.history.norm)), 2),
        "curve": [round(value, 4) for value in curve],
        "longer": beyond(),
    }
    if to_the_end:
        while len(curve) < UPDATES // EVERY:
            look()
        result["longer at the end"] = beyond()
    return model, result


def run_all(runs: Iterable[Run], kept: Path) -> list[dict[str, Any]]:
    """Do the runs that are not in `kept` yet, two at a time; return the results of all."""
    return resume(runs, _result, kept, processes=2)


def _result(run: Run) -> dict[str, Any]:
    return train(run, to_the_end=run.seed in SEEDS and min(LENGTHS) == run.T)[1]


def best_rate(
    tuning: list[dict[str, Any]],
    task: str,
    model: str,
    rates: Sequence[float] = LEARNING_RATES,
) -> float:
    """Return the learning rate that solved the task soonest, or came closest to it."""

    def cost(rate: float) -> tuple[float, float]:
        mine = [
            one
            for one in tuning
            if (one["task"], one["model"], one["learning_rate"]) == (task, model, rate)
        ]
        updates = np.mean([one["solved"] or UPDATES for one in mine])
        return float(updates), float(np.mean([one["curve"][-1] for one in mine]))

    return min(rates, key=cost)


def widen(tuning: list[dict[str, Any]], task: str, model: str, kept: Path) -> list[dict[str, Any]]:
    """Tune beyond the grid as long as a model's best rate is at an end of those tried."""
    done: list[dict[str, Any]] = []
    for beyond, at_end in ((ABOVE, max), (BELOW, min)):
        tried: tuple[float, ...] = LEARNING_RATES
        for rate in beyond:
            if best_rate(tuning + done, task, model, tried) != at_end(tried):
                break
            runs = (Run(task, model, LENGTHS[0], rate, seed) for seed in TUNING_SEEDS)
            done += run_all(runs, kept)
            tried = (*tried, rate)
    return done


def rates_tried(tuning: list[dict[str, Any]], task: str, model: str) -> list[float]:
    """Return the learning rates tried for a model, the grid's first, so that they win ties."""
    tried = (one["learning_rate"] for one in tuning if (one["task"], one["model"]) == (task, model))
    return list(dict.fromkeys(tried))


def measure(kept: Path) -> dict[str, Any]:
    """Tune and train; finished runs are kept in a file."""

    def tune(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
        T = LENGTHS[0]
        return run_all(
            (Run(*p, T, r, s) for p in pairs for r in LEARNING_RATES for s in TUNING_SEEDS), kept
        )

    def race(rates: dict[tuple[str, str], float], lengths: Sequence[int]) -> list[dict[str, Any]]:
        pairs, runs = list(rates), []
        for T in lengths:
            done = run_all((Run(*pair, T, rates[pair], s) for pair in pairs for s in SEEDS), kept)
            solved = {(one["task"], one["model"]) for one in done if one["solved"]}
            pairs = [pair for pair in pairs if pair in solved]
            runs += done
        return runs

    pairs = [(task, model) for task in TASKS for model in MODELS]
    tuning = tune(pairs)
    runs = race({pair: best_rate(tuning, *pair) for pair in pairs}, LENGTHS)

    pairs = [(task, model) for task in TASKS for model in ABLATION]
    wider = tune([pair for pair in pairs if pair[1] not in MODELS])
    for pair in dict.fromkeys([*pairs, *((task, model) for task in TASKS for model in MODELS)]):
        wider += widen(tuning + wider, *pair, kept)
    every = tuning + wider
    rates = {pair: best_rate(every, *pair, rates_tried(every, *pair)) for pair in pairs}
    same = {(task, model): rates[task, ABLATION[0]] for task, model in pairs}
    far = [Run(*one, rates[one[0], ABLATION[0]], seed) for one in NOT_TOLD for seed in SEEDS]
    return {
        "updates": UPDATES,
        "tuning": tuning,
        "runs": runs,
        "wider tuning": wider,
        "ablation": race(rates, ABLATION_LENGTHS),
        "ablation at one rate": race(same, ABLATION_LENGTHS),
        "length not told": run_all(far, kept),
    }
