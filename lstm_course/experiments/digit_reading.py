"""Can a final state hold a whole image? LSTMs, vanilla RNNs and baselines on handwritten digits.

The images come sheet by sheet. The sheets are split into five blocks; in fold k, block k is held
out, the next one is for validation, and three are for training. So no model is tested on a sheet
of which it has seen a part. Every fold takes the settings that validate best: a network's learning
rate and epoch, the C of logistic regression, the number of nearest neighbours. The fold's number
also serves as the seed.

The runs that read row by row are repeated with the images shuffled, to see what that changes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array
from lstm_course.cell import LSTMParams
from lstm_course.experiments import resume
from lstm_course.layers import LSTM, Linear
from lstm_course.models import FinalStateModel
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.sequence import lstm_forward, trace
from lstm_course.tasks import blocks, digit_sequences, digits, writing_sheets
from lstm_course.training import Batch, MiniBatches, Trainer

FORMS = ("rows", "pixels", "permuted")
LEARNING_RATES = {
    "LSTM, c": (0.03, 0.01, 0.003),
    "LSTM, h": (0.03, 0.01, 0.003),
    "RNN": (0.003, 0.001, 0.0003),
}
"""The rates each model can choose from; row by row, only the first two."""
FOLDS, UNITS, BATCH, EPOCHS = 5, 32, 32, 80
STRENGTHS, NEIGHBOURS = (0.01, 0.1, 1, 10, 100), (1, 3, 5, 9)


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    form: str  # rows, pixels or permuted
    model: str  # the network, and which state is read out
    shuffled: bool  # whether each part gets images of every sheet
    fold: int
    learning_rate: float


class Parts(NamedTuple):
    """Three parts of the images, each as a pair of images and labels."""

    training: tuple[Array, Array]
    choosing: tuple[Array, Array]
    held_out: tuple[Array, Array]


def parts(fold: int, shuffled: bool = False) -> Parts:
    """Return the three parts of a fold, from 0 to 4."""
    sheet = writing_sheets()
    block = blocks(sheet[-1] + 1, FOLDS)[sheet]
    if shuffled:
        block = np.random.default_rng(0).permutation(block)
    images, labels = digits()
    held_out, choosing = block == fold, block == (fold + 1) % FOLDS
    rows = ~held_out & ~choosing, choosing, held_out
    return Parts(*((images[row], labels[row]) for row in rows))


def build(form: str, model: str, seed: int) -> FinalStateModel:
    """Make a model: an LSTM with 32 units and forget bias 1, or a vanilla RNN of about its size.

    The vanilla RNN starts with a rotation, and has the number of units that brings its parameter
    count closest to the LSTM's.
    """
    rng = np.random.default_rng(seed)
    D = 8 if form == "rows" else 1
    recurrent: RNN | LSTM
    if model == "RNN":
        wanted = 4 * UNITS * (D + UNITS + 1) + 10 * (UNITS + 1)
        units = min(range(1, 200), key=lambda H: abs(H * (D + H + 1) + 10 * (H + 1) - wanted))
        recurrent = RNN(D, units, rng=rng, recurrent="orthogonal", dtype=np.float32)
    else:
        recurrent = LSTM(D, UNITS, rng=rng, dtype=np.float32)
    readout = Linear(recurrent.hidden_size, 10, rng=rng, dtype=np.float32)
    return FinalStateModel(recurrent, readout, reads="c" if model == "LSTM, c" else "h")


def right(model: FinalStateModel, batch: Batch) -> float:
    """Return the share of digits that are classified correctly."""
    said = model.forward(batch.inputs, training=False)[0][-1].argmax(axis=1)
    return float(np.mean(said == batch.targets[-1]))


def right_early(model: FinalStateModel, batch: Batch) -> list[float]:
    """Return the accuracy when a sequence ends after 1/8, 2/8, ... of its steps.

    The model was trained to answer after the last step.
    """
    T, N = batch.inputs.shape[:2]
    shares = []
    for eighth in range(1, 9):
        part = model.forward(batch.inputs, lengths=np.full(N, T * eighth // 8), training=False)
        shares.append(float(np.mean(part[0][-1].argmax(axis=1) == batch.targets[-1])))
    return shares


def train(run: Run, epochs: int = EPOCHS) -> tuple[FinalStateModel, dict[str, Any]]:
    """Train, and return to the epoch that validates best.

    Returns the model, and what is recorded: the run, `chosen` with that epoch and its accuracy on
    the validation part, `held out` with the accuracy on the held-out part, and `early` with the
    results of `right_early` there.
    """
    training, choosing, held_out = (
        digit_sequences(*part, run.form, dtype=np.float32) for part in parts(run.fold, run.shuffled)
    )
    model = build(run.form, run.model, run.fold)
    trainer = Trainer(model, Adam(model.arrays, learning_rate=run.learning_rate), clip=1.0)
    batches = MiniBatches(training, BATCH, seed=run.fold)
    updates = batches.count // BATCH
    history = trainer.fit(
        batches,
        epochs * updates,
        validate=lambda _: -right(model, choosing),
        every=updates,
        progress=False,
    )
    trainer.restore_best()
    curve = [-value for _, value in history.validation]
    return model, {
        **run._asdict(),
        "chosen": [int(np.argmax(curve)) + 1, round(max(curve), 4)],
        "held out": round(right(model, held_out), 4),
        "early": [round(share, 4) for share in right_early(model, held_out)],
    }


def trace_of(model: FinalStateModel, images: Array) -> dict[str, Array]:
    """Return an LSTM's gates and states as it reads images row by row, (8, N, H) each."""
    rows = digit_sequences(images, np.zeros(len(images), int), "rows").inputs
    arrays = (array.astype(float) for array in model.recurrent.arrays)
    return trace(lstm_forward(rows, LSTMParams(*arrays))[2])


def ridge(x: Array, y: Array, strength: float = 0.01) -> Callable[[Array], Array]:
    """Fit y (N, K) by a linear map of standardised x (N, D), with a small penalty; return the map.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> ridge(x, 3 * x)(np.array([[1.0], [3.0]])).round(1)  # the penalty pulls to the mean
    array([[3. ],
           [8.9]])
    """
    middle, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    x = (x - middle) / scale
    penalty = strength * len(x) * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + penalty, x.T @ (y - y.mean(axis=0)))
    return lambda new: (new - middle) / scale @ weights + y.mean(axis=0)


def inside(run: Run, epochs: int = EPOCHS) -> dict[str, Any]:
    """Train an LSTM row by row, and probe its states with linear maps fitted afterwards.

    Returns the fold; under `class` the accuracy on held-out digits of maps fitted to the cell state
    after 1, 2, ... 8 rows, of the trained and the untrained LSTM, or to the pixels of those rows;
    and under `picture` how much of the variance of each row's pixels is explained by a map of the
    final state, or by the mean picture of the right digit.
    """
    model, _ = train(run, epochs)
    part = parts(run.fold, run.shuffled)
    (images, labels), (new, wanted) = part.training, part.held_out
    known = np.eye(10)[labels]

    def named(x: Array, new_x: Array) -> float:
        return round(float(np.mean(ridge(x, known)(new_x).argmax(axis=1) == wanted)), 4)

    def explained(guesses: list[Array]) -> list[float]:
        wrong = [((new[:, row] - guesses[row]) ** 2).sum() for row in range(8)]
        spread = [((new[:, row] - images[:, row].mean(axis=0)) ** 2).sum() for row in range(8)]
        return [round(float(1 - a / b), 4) for a, b in zip(wrong, spread, strict=True)]

    result: dict[str, Any] = {"fold": run.fold, "class": {}, "picture": {}}
    for name, one in (("trained", model), ("untrained", build("rows", run.model, run.fold))):
        old, later = trace_of(one, images), trace_of(one, new)
        result["class"][name] = [named(old["c"][t], later["c"][t]) for t in range(8)]
        for state in "ch":
            x, new_x = old[state][-1], later[state][-1]
            guesses = [ridge(x, images[:, row])(new_x) for row in range(8)]
            result["picture"][f"{name}, {state}"] = explained(guesses)
    flat, new_flat = images.reshape(-1, 64), new.reshape(-1, 64)
    result["class"]["pixels"] = [named(flat[:, : 8 * t], new_flat[:, : 8 * t]) for t in range(1, 9)]
    means = np.array([images[labels == k].mean(axis=0) for k in range(10)])
    result["picture"]["digit"] = explained([means[wanted, row] for row in range(8)])
    return result


def baselines(fold: int, shuffled: bool) -> dict[str, Any]:
    """Return the accuracy of logistic regression and nearest neighbours, given all 64 pixels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    training, choosing, held_out = (
        (images.reshape(-1, 64), labels) for images, labels in parts(fold, shuffled)
    )
    result: dict[str, Any] = {"fold": fold, "shuffled": shuffled}
    for name, grid, make in (
        ("logistic regression", STRENGTHS, lambda C: LogisticRegression(C=C, max_iter=5000)),
        ("nearest neighbours", NEIGHBOURS, KNeighborsClassifier),
    ):
        models = [make(value).fit(*training) for value in grid]
        shares = [model.score(*choosing) for model in models]
        best = int(np.argmax(shares))
        result[name] = {
            "chosen": [grid[best], round(shares[best], 4)],
            "held out": round(models[best].score(*held_out), 4),
        }
    return result


def best_runs(runs: list[dict[str, Any]]) -> dict[tuple[str, str, bool], list[dict[str, Any]]]:
    """Return each fold's run that validated best, by form, model and whether shuffled."""
    best: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    for form, model, shuffled in {(one["form"], one["model"], one["shuffled"]) for one in runs}:
        mine = [
            one
            for one in runs
            if (one["form"], one["model"], one["shuffled"]) == (form, model, shuffled)
        ]
        best[form, model, shuffled] = [
            max((one for one in mine if one["fold"] == fold), key=lambda one: one["chosen"][1])
            for fold in sorted({one["fold"] for one in mine})
        ]
    return best


def design() -> list[Run]:
    """Return all runs."""
    return [
        Run(form, model, shuffled, fold, rate)
        for shuffled, forms in ((False, FORMS), (True, FORMS[:1]))
        for form in forms
        for model, rates in LEARNING_RATES.items()
        for fold in range(FOLDS)
        for rate in rates[: 2 if form == "rows" else 3]
    ]


def measure(kept: Path) -> dict[str, Any]:
    """Do all runs, look inside the best, try the baselines; keep finished runs in a file."""
    import sklearn

    runs = resume(design(), _result, kept, processes=2)
    best = [
        Run(*(one[name] for name in Run._fields))
        for one in best_runs(runs)["rows", "LSTM, c", False]
    ]
    return {
        "scikit-learn": sklearn.__version__,
        "epochs": EPOCHS,
        "runs": runs,
        "inside": [inside(run) for run in best],
        "baselines": [baselines(fold, mixed) for mixed in (False, True) for fold in range(FOLDS)],
    }


def _result(run: Run) -> dict[str, Any]:
    return train(run)[1]
