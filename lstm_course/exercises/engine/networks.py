"""Trained networks, handed in as weights: read, checked, and tested on fresh sequences."""

import itertools
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstm_course import fast, tasks
from lstm_course._checks import Array
from lstm_course.cell import GATES, LSTMParams
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, WrongAnswer
from lstm_course.exercises.engine.parts import fresh
from lstm_course.exercises.engine.trials import kind

STEPS = 40
"""The length of the sequences."""
FRESH = 2000
"""How many of them the check draws."""
MOST_UNITS = 128
MOST_BYTES = 5_000_000
ARRAYS = ("weight_ih", "weight_hh", "bias", "readout_weight", "readout_bias")
NAMES = ("task", *ARRAYS, "loss")


@dataclass(frozen=True)
class Task:
    """A task, and the errors of guessing, of a model that has begun to learn, and of a good one.

    The error is the share of wrong answers for classes, otherwise the mean squared error.
    """

    draw: Callable[..., Any]
    inputs: int
    outputs: int
    classes: bool
    guessing: float
    start: float
    target: float

    def error(self, outputs: Array, targets: Array) -> float:
        """Return the error of the read-outs (N, K) of the last step."""
        if self.classes:
            return float((outputs.argmax(axis=1) != targets).mean())
        return float(((outputs - targets) ** 2).mean())

    def least_loss(self, error: float) -> float:
        """Return the smallest possible loss at a given error."""
        # In a wrong answer, the right class has at most half of the probability.
        return error * np.log(2) if self.classes else error

    def loss_of_guessing(self) -> float:
        """Return the loss of a model that always gives equal probabilities, or the mean."""
        return float(np.log(self.outputs)) if self.classes else self.guessing

    def large_loss(self) -> float:
        """Return a loss that no fresh model has, only one trained with too large steps."""
        return (2 if self.classes else 10) * self.loss_of_guessing()

    def says(self, error: float) -> str:
        """Return an error in words."""
        return f"{error:.1%} wrong" if self.classes else f"mean squared error {error:.4f}"


TASKS = {
    "adding": Task(tasks.adding, 2, 1, False, 1 / 6, 0.1, 0.005),
    "recall": Task(tasks.recall, 5, 4, True, 0.75, 0.6, 0.05),
    "temporal_order": Task(tasks.temporal_order, 6, 4, True, 0.75, 0.6, 0.05),
}
ONE_OF = ", ".join(TASKS)


@dataclass(frozen=True)
class Network:
    """A learner's network: one layer and its read-out, for a task."""

    task: Task
    params: LSTMParams
    readout_weight: Array
    readout_bias: Array
    loss: float

    def error(self, T: int, N: int, rng: np.random.Generator) -> float:
        """Return the error on freshly drawn sequences."""
        batch = self.task.draw(T, N, rng=rng)
        return self.task.error(self.answers(batch.inputs), batch.targets[-1])

    def answers(self, inputs: Array) -> Array:
        """Return the read-outs of the last step, (N, K)."""
        h_T = fast.lstm_forward(inputs, self.params)[1][0]
        return h_T @ self.readout_weight.T + self.readout_bias

    def with_bias(self, bias: Array) -> "Network":
        """Return the network with another bias."""
        params = LSTMParams(self.params.weight_ih, self.params.weight_hh, bias)
        return Network(self.task, params, self.readout_weight, self.readout_bias, self.loss)

    def reordered(self, order: tuple[int, ...]) -> "Network":
        """Return the network with its slices rearranged: slice k comes from order[k]."""
        arrays = (np.concatenate([np.split(a, 4)[k] for k in order]) for a in self.params.arrays())
        return Network(
            self.task, LSTMParams(*arrays), self.readout_weight, self.readout_bias, self.loss
        )


NOT_FINITE = (
    "Some of the weights are NaN or infinite, so training has diverged. Try a smaller learning "
    "rate or gradient clipping."
)
NO_TASK = f"Expected task to be one of {ONE_OF}, got something else."
OTHER_TASK = (
    "Your arrays fit another task than the one you name: compare the numbers of inputs and outputs."
)
TWO_BIASES = (
    "Expected one bias of 4H numbers. PyTorch's two only count together: hand in their sum, "
    "under the name bias."
)
TRANSPOSED = (
    "Expected weight_ih of shape (4H, D) and weight_hh of shape (4H, H), but yours are transposed."
)
READOUT_TRANSPOSED = "Expected readout_weight of shape (K, H), got (H, K): it's transposed."
ONE_LAYER = "Expected one layer in one direction: weights with two axes, and a bias with one."
TOO_LARGE = f"Expected at most {MOST_UNITS} units. 16 are enough to reach the target."
SAME_FOR_ALL = (
    "Every sequence gets the same answer, so nothing you read reaches the end. Are these the "
    "weights you trained?"
)


@dataclass(frozen=True)
class NetworkExam(Exam):
    """Whether a trained network stays below an error on freshly drawn sequences.

    The answer is the name of an .npz file with the arrays of `NAMES`, or a dictionary of them.
    """

    level: str
    mistakes: Mapping[str, tuple[Any, ...]]

    def examine(self, answer: Any) -> str:
        """Examine a hand-in; return its error, with the limit and the error of guessing."""
        if answer is None or answer is Ellipsis:
            raise NotAnswered(
                "You've handed in nothing. The function that writes the file has "
                "to return its name."
            )
        network = _network(_read(answer))
        limit = getattr(network.task, self.level)
        error = network.error(STEPS, FRESH, fresh())
        says = network.task.says
        message = (
            f"On {FRESH} fresh sequences: {says(error)}. Needed: at most {says(limit)}. "
            f"Guessing: {says(network.task.guessing)}."
        )
        if error <= limit:
            return f"Right. {message}"
        raise WrongAnswer(f"{message}\n{_fault(network, error, limit)}")


def _read(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Mapping):
        return dict(answer)
    if not isinstance(answer, str | os.PathLike):
        raise WrongAnswer(f"Expected the name of an .npz file, got {kind(answer)}.")
    path = Path(answer)
    if not path.is_file():
        raise WrongAnswer(f"Expected the name of an .npz file, but there is no file {path}.")
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        if size > MOST_BYTES:
            raise WrongAnswer(f"Expected at most {MOST_BYTES:,} bytes, but {path} holds {size:,}.")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        raise WrongAnswer(
            f"Expected an .npz file of plain arrays, but {path} cannot be read as one."
        ) from None


def _network(given: dict[str, Any]) -> Network:
    if "bias" not in given and any(str(name).startswith("bias_") for name in given):
        raise WrongAnswer(TWO_BIASES)
    lacking = [name for name in NAMES if name not in given]
    if lacking:
        raise WrongAnswer(f"Expected {', '.join(NAMES)}. Missing: {', '.join(lacking)}.")
    name = given["task"]
    name = name.item() if isinstance(name, np.ndarray) and name.shape == () else name
    if not isinstance(name, str) or name not in TASKS:
        raise WrongAnswer(NO_TASK)
    W, U, b, V, v = (_floats(array, given[array]) for array in ARRAYS)
    loss = _floats("loss", given["loss"])
    if loss.shape != ():
        raise WrongAnswer(f"Expected loss to be one number, got shape {loss.shape}.")
    _check_shapes(TASKS[name], W, U, b, V, v)
    if not all(np.isfinite(array).all() for array in (W, U, b, V, v)):
        raise WrongAnswer(NOT_FINITE)
    return Network(TASKS[name], LSTMParams(W, U, b), V, v, float(loss))


def _floats(name: str, value: Any) -> Array:
    try:
        array = np.array(value)
    except Exception:  # an object may do anything when turned into an array
        array = np.array(None)
    if array.dtype.kind not in "fiu":
        raise WrongAnswer(f"Expected {name} to be an array of real numbers, got {kind(value)}.")
    return array.astype(float)


def _check_shapes(task: Task, W: Array, U: Array, b: Array, V: Array, v: Array) -> None:
    if W.ndim != 2 or U.ndim != 2:
        raise WrongAnswer(ONE_LAYER)
    if U.shape[1] == 4 * U.shape[0] or W.shape[1] == max(U.shape) != W.shape[0]:
        raise WrongAnswer(TRANSPOSED)
    H = U.shape[1]
    if b.shape in ((8 * H,), (2, 4 * H)):
        raise WrongAnswer(TWO_BIASES)
    if b.ndim != 1:
        raise WrongAnswer(ONE_LAYER)
    if not 1 <= H <= MOST_UNITS:
        raise WrongAnswer(TOO_LARGE)
    D, K = W.shape[1], len(v) if v.ndim == 1 else 0
    if V.shape == (H, K) and H != K:
        raise WrongAnswer(READOUT_TRANSPOSED)
    shapes = {
        "weight_ih": (W, (4 * H, D)),
        "weight_hh": (U, (4 * H, H)),
        "bias": (b, (4 * H,)),
        "readout_weight": (V, (K, H)),
        "readout_bias": (v, (K,)),
    }
    for name, (array, expected) in shapes.items():
        if array.shape != expected:
            raise WrongAnswer(
                f"Expected {name} of shape {expected}, got {array.shape}. (weight_hh says that "
                f"there are {H} units, readout_bias that there are {K} outputs.)"
            )
    if (task.inputs, task.outputs) != (D, K):
        if any((other.inputs, other.outputs) == (D, K) for other in TASKS.values()):
            raise WrongAnswer(OTHER_TASK)
        raise WrongAnswer(
            f"Expected {task.inputs} inputs and {task.outputs} outputs for this task, "
            f"got {D} and {K}."
        )


def _fault(network: Network, error: float, limit: float) -> str:
    """Say why a network fails, from the plainest cause to the most general."""
    task, rng = network.task, fresh()
    batch = task.draw(STEPS, 200, rng=rng)
    for order in itertools.permutations(range(4)):
        if list(order) != [0, 1, 2, 3]:
            other = network.reordered(order)
            if task.error(other.answers(batch.inputs), batch.targets[-1]) < 0.5 * limit:
                slices = ", ".join(GATES[order.index(k)] for k in range(4))
                return (
                    f"Your slices come in the order {slices}: read that way, the same weights do "
                    "what they should. The course uses i, f, g, o."
                )
    half = network.with_bias(network.params.bias / 2)
    if task.error(half.answers(batch.inputs), batch.targets[-1]) < 0.5 * limit:
        return (
            "Your bias counts twice: halve it, and the same weights do what they should. Add "
            "PyTorch's two biases only once."
        )
    if error > 0.9 * task.guessing and network.loss > task.large_loss():
        return (
            f"The training loss you report, {network.loss:.2g}, is far above that of guessing, "
            f"{task.loss_of_guessing():.2g}: the learning rate is too large. (Or you report a sum "
            "instead of a mean.)"
        )
    if np.ptp(network.answers(batch.inputs), axis=0).max() < 1e-9:
        raise WrongAnswer(SAME_FOR_ALL)
    if network.loss < 0.5 * task.least_loss(error):
        return (
            f"The training loss you report, {network.loss:.2g}, is too small for such an error. "
            "Either the model has learned its training sequences by heart (draw new ones for every "
            "update), or the loss isn't this task's: it counts other steps, or uses another length "
            "or other targets. Or these aren't its weights: perhaps one of PyTorch's two biases is "
            "left out."
        )
    # A network that only needs more updates may also do a little better here.
    if network.error(STEPS // 2, 500, rng) <= 0.5 * limit:
        return (
            "On sequences half as long it's good enough, so it forgets on the way. Train at the "
            "full length, and start with gates that keep for that long, as "
            "chapter 14 (remembering) does."
        )
    if error > 0.9 * task.guessing:
        return (
            "No better than guessing. Are these the trained weights? If so, keep in mind that "
            "training can look like this for hundreds of updates, and that the gates' initial "
            "biases decide for how many. See chapter 14 (remembering)."
        )
    return "It has learned something, but not enough: train for longer."
