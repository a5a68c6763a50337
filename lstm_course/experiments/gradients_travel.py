"""How far do gradients travel, before and after training? Vanilla RNNs and LSTMs on one task.

Every model learns *temporal order* over 30 steps, at the learning rate that worked best on three
seeds that are not used again: the one at which most runs learned; on a tie, the one with the fewest
updates, then the lowest loss. If the best rate is at an end of the grid, rates beyond it are tried.
Then each model is trained with ten other seeds, until it has learned or the updates are used up,
and once more with one rate for all. The record holds how much of the gradient is left after each
number of steps back, before and after training, which paths it takes, how the state moves, how
large the gradient became in training, and what one step along the largest does. A last part trains
with plain gradient descent, with and without clipping, at several rates. Finished runs are kept in
a file next to the record.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course import tasks
from lstm_course._checks import Array
from lstm_course.cell import LSTMParams
from lstm_course.experiments import resume
from lstm_course.layers import LSTM, Linear
from lstm_course.losses import softmax_cross_entropy
from lstm_course.models import SequenceModel
from lstm_course.optim import SGD, Adam
from lstm_course.rnn import RNN
from lstm_course.sequence import lstm_backward, lstm_forward
from lstm_course.training import Batch, Trainer

MODELS = ("plain cell", "plain, rotation", "LSTM, bias 0", "LSTM, bias 1", "LSTM, bias 3")
LSTMS = MODELS[2:]
LEARNING_RATES = (0.1, 0.03, 0.01, 0.003, 0.001)
BEYOND = (1.0, 0.3, 0.0003, 0.0001)  # tried if the best rate is at an end
ONE_RATE = 0.01
SEEDS, TUNING_SEEDS = range(10), range(100, 103)
UPDATES, LEARNED = 1000, 0.1  # most updates; mean loss of ten updates that counts as learned
UNITS, STEPS, BATCH, TEST = 16, 30, 32, 200
BACK, BLOCK = 25, 5  # steps back for the paths; updates per recorded largest norm
WAYS = ("ifgo", "g", "ifo", "")  # all, candidate only, gates only, golden line only
THRESHOLDS = (0.02, 0.05, 0.1, 0.2)
STEP_RATE = 0.1  # of the one step along the largest gradient
DESCENT_MODELS = ("plain, rotation", "LSTM, bias 3")
DESCENT_RATES, DESCENT_SEEDS = (0.5, 0.15, 0.05), range(3)
DESCENT_STEPS, DESCENT_UPDATES = 20, 1500


class Run(NamedTuple):
    """Everything that determines a run with Adam, clipped at norm 1, bit for bit on one machine."""

    model: str
    learning_rate: float
    seed: int


class Descent(NamedTuple):
    """Everything that determines a run with plain gradient descent."""

    model: str
    rate: float
    clip: float | None
    seed: int


def build(name: str, seed: int) -> SequenceModel:
    """Make a fresh network of 16 units; LSTMs with the same seed differ only in the forget bias."""
    rng = np.random.default_rng(seed)
    recurrent: RNN | LSTM
    if name.startswith("LSTM, bias "):
        recurrent = LSTM(6, UNITS, rng=rng, forget_bias=float(name.removeprefix("LSTM, bias ")))
    else:
        start = "orthogonal" if name == "plain, rotation" else "uniform"
        recurrent = RNN(6, UNITS, rng=rng, recurrent=start)
    return SequenceModel(recurrent, Linear(UNITS, 4, rng=rng))


def draw(steps: int, count: int, *seed: int) -> Batch:
    """Draw sequences of the task."""
    return tasks.temporal_order(steps, count, rng=np.random.default_rng(seed))


def learned(losses: Sequence[float]) -> bool:
    """Return whether the mean loss of the last ten updates is below 0.1."""
    return len(losses) >= 10 and float(np.mean(losses[-10:])) < LEARNED


def train(
    model: SequenceModel, trainer: Trainer, steps: int, seed: int, updates: int
) -> tuple[list[Array], Batch]:
    """Train until learned, or for all updates; return weights and batch of the largest gradient."""
    loss, norm = trainer.history.loss, trainer.history.norm
    while len(loss) < updates and not learned(loss):
        batch = draw(steps, BATCH, seed, len(loss))
        before = [array.copy() for array in model.arrays]
        trainer.update(batch)
        if norm[-1] == max(norm):
            largest = before, batch
    return largest


def by_lag(model: SequenceModel, batch: Batch, keep: str = "ifgo") -> Array:
    """Return the size of the input's gradient 0, 1, 2, ... steps back, relative to the last step's.

    The loss asks for the class after the right one, so that a trained network has a gradient too.
    An LSTM's detour through the hidden state can be cut except for some of the four blocks of U;
    without any of them, only the golden line is left.
    """
    hs, _, cache = model.recurrent.forward(batch.inputs)
    outputs, _ = model.readout.forward(hs)
    _, doutputs = softmax_cross_entropy(outputs, (batch.targets + 1) % 4, batch.mask)
    dhs = doutputs @ model.readout.weight
    if isinstance(model.recurrent, RNN) or keep == "ifgo":
        dxs = model.recurrent.backward(dhs, cache)[0]
    else:
        W, U, b = model.recurrent.params[0].arrays()
        kept = np.repeat([name in keep for name in "ifgo"], UNITS)
        cut = LSTMParams(W, U * kept[:, None], b)
        steps = lstm_forward(batch.inputs, LSTMParams(W, U, b))[2]
        dxs = lstm_backward(dhs, [step._replace(params=cut) for step in steps])[0]
    sizes: Array = np.linalg.norm(dxs, axis=(1, 2))[::-1]
    return sizes / sizes[0]


def states(model: SequenceModel, batch: Batch) -> dict[str, Array]:
    """Return the states over a batch, (T, N, H): h of a vanilla RNN, h and c of an LSTM."""
    if isinstance(model.recurrent, RNN):
        return {"h": model.recurrent.forward(batch.inputs)[0]}
    cache = lstm_forward(batch.inputs, model.recurrent.params[0])[2]
    return {
        "h": np.stack([step.o * step.tanh_c for step in cache]),
        "c": np.stack([step.c for step in cache]),
    }


def movement(values: Array, batch: Batch) -> dict[str, Any]:
    """Return how much of a state (T, N, H) is rewritten per step, and by which units.

    Moves are measured relative to each unit's range. `rewritten` is the share of moves above each
    threshold, `own past` the mean R squared of units, predicted from their values one step before,
    `busiest quarter` that quarter's share of a step's movement, `at signals` the same where a
    signal is read, and `signals over noise` the mean move there, relative to other steps.
    """
    moves = np.abs(np.diff(values, axis=0)) / np.ptp(values, axis=(0, 1))
    old, new = (part.reshape(-1, UNITS).T for part in (values[:-1], values[1:]))
    past = [np.corrcoef(*pair)[0, 1] ** 2 for pair in zip(old, new, strict=True)]
    most = np.sort(moves)[..., -UNITS // 4 :].sum(axis=-1) / moves.sum(axis=-1)
    signal = batch.inputs[1:, :, 4:].any(axis=2)
    return {
        "rewritten": rounded((moves > theta).mean() for theta in THRESHOLDS),
        "own past": round(float(np.mean(past)), 4),
        "busiest quarter": round(float(most.mean()), 4),
        "at signals": round(float(most[signal].mean()), 4),
        "signals over noise": round(float(moves[signal].mean() / moves[~signal].mean()), 4),
    }


def one_step(name: str, largest: tuple[list[Array], Batch]) -> list[float]:
    """Go back to before the largest gradient, and take one plain gradient descent step along it.

    Returns the loss on that batch before the step, after it, and after the same step clipped at 1.
    """
    arrays, batch = largest
    found = []
    for clip in (None, 1.0):
        model = build(name, 0)
        for array, value in zip(model.arrays, arrays, strict=True):
            array[...] = value
        start = Trainer(model, SGD(model.arrays, learning_rate=STEP_RATE), clip=clip).update(batch)
        outputs = model.forward(batch.inputs)[0]
        found.append(float(softmax_cross_entropy(outputs, batch.targets, batch.mask)[0]))
    return rounded([start, *found])


def rounded(values: Iterable[float], digits: int = 4) -> list[float]:
    """Return numbers rounded for the record."""
    return [round(float(value), digits) for value in values]


def run(one: Run) -> dict[str, Any]:
    """Train a network; look inside it unless its seed is for tuning.

    Returns what is recorded: `solved` with the updates until it had learned, or None, and `loss`,
    the mean of the last ten; then `right`, the accuracy on 200 test sequences, `norm` with the
    first, median and largest gradient norm in training, `norms` with the largest of every five
    updates, `one step` from `one_step`, the logarithms of `by_lag` `before` and `after` training,
    for LSTMs those of each of the `ways` 25 steps back, and the movement of `fresh` and `trained`
    states.
    """
    model = build(one.model, one.seed)
    trainer = Trainer(model, Adam(model.arrays, learning_rate=one.learning_rate), clip=1.0)
    largest = train(model, trainer, STEPS, one.seed, UPDATES)
    loss, norm = trainer.history.loss, trainer.history.norm
    result = {
        **one._asdict(),
        "solved": len(loss) if learned(loss) else None,
        "loss": round(float(np.mean(loss[-10:])), 4),
    }
    if one.seed in TUNING_SEEDS:
        return result
    test, fresh = draw(STEPS, TEST, 999), build(one.model, one.seed)
    said = model.forward(test.inputs)[0][-1].argmax(axis=1)
    result |= {
        "right": round(float(np.mean(said == test.targets[-1])), 4),
        "norm": rounded([norm[0], float(np.median(norm)), max(norm)]),
        "norms": rounded([max(norm[k : k + BLOCK]) for k in range(0, len(norm), BLOCK)], 3),
        "one step": one_step(one.model, largest),
        "before": rounded(np.log10(by_lag(fresh, test)), 3),
        "after": rounded(np.log10(by_lag(model, test)), 3),
    }
    if one.model.startswith("LSTM"):
        ways = [by_lag(model, test, keep)[min(BACK, STEPS - 1)] for keep in WAYS]
        result["ways"] = rounded(np.log10(ways), 3)
    for when, network in (("fresh", fresh), ("trained", model)):
        many = states(network, test)
        result[when] = {name: movement(values, test) for name, values in many.items()}
    return result


def descend(one: Descent) -> dict[str, Any]:
    """Train with plain gradient descent; return the run, and `solved` with the updates, or None."""
    model = build(one.model, one.seed)
    trainer = Trainer(model, SGD(model.arrays, learning_rate=one.rate), clip=one.clip)
    train(model, trainer, DESCENT_STEPS, one.seed, DESCENT_UPDATES)
    loss = trainer.history.loss
    return {**one._asdict(), "solved": len(loss) if learned(loss) else None}


def best_rate(tuning: Sequence[dict[str, Any]], model: str) -> float:
    """Return the learning rate with the most runs that learned, fewest updates, and lowest loss."""

    def cost(rate: float) -> tuple[float, ...]:
        mine = [one for one in tuning if (one["model"], one["learning_rate"]) == (model, rate)]
        solved = [one["solved"] for one in mine]
        updates = float(np.mean([UPDATES if one is None else one for one in solved]))
        return solved.count(None), updates, float(np.mean([one["loss"] for one in mine]))

    return min(rates_tried(tuning, model), key=cost)


def rates_tried(tuning: Sequence[dict[str, Any]], model: str) -> list[float]:
    """Return the learning rates tried for a model, the largest first."""
    return sorted({one["learning_rate"] for one in tuning if one["model"] == model}, reverse=True)


def tune(model: str, kept: Path) -> list[dict[str, Any]]:
    """Try the grid, and rates beyond either end as long as the best rate lies there."""
    rates = list(LEARNING_RATES)
    while True:
        tuning = resume([Run(model, r, s) for r in rates for s in TUNING_SEEDS], run, kept)
        best = best_rate(tuning, model)
        if best == max(rates):
            more = min((rate for rate in BEYOND if rate > best), default=None)
        else:
            more = max((rate for rate in BEYOND if rate < min(rates)), default=None)
        if more is None or min(rates) < best < max(rates):
            return tuning
        rates = sorted([*rates, more], reverse=True)


def measure(kept: Path) -> dict[str, Any]:
    """Tune, train, and descend; finished runs are kept in a file."""
    tuning = [one for model in MODELS for one in tune(model, kept)]
    rates = {model: best_rate(tuning, model) for model in MODELS}
    descents = [
        Descent(model, rate, clip, seed)
        for model in DESCENT_MODELS
        for rate in DESCENT_RATES
        for clip in (1.0, None)
        for seed in DESCENT_SEEDS
    ]
    return {
        "updates": UPDATES,
        "rates": rates,
        "tuning": tuning,
        "runs": resume([Run(m, rates[m], s) for m in MODELS for s in SEEDS], run, kept),
        "runs at one rate": resume([Run(m, ONE_RATE, s) for m in LSTMS for s in SEEDS], run, kept),
        "descent": resume(descents, descend, kept),
    }
