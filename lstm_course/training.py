"""Training: batches, truncated backpropagation, history, early stopping, and checkpoints.

A batch is a function of the step's number. So if a run is killed, it resumes from its checkpoint as
if nothing had happened: it gets the same batches as before.
"""

import io
import json
import os
import signal
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from lstm_course._checks import Array, size, tiny_is_zero, unmasked
from lstm_course._files import write_whole
from lstm_course.layers import check_lengths
from lstm_course.losses import softmax_cross_entropy
from lstm_course.optim import (
    Optimizer,
    Schedule,
    clip_by_global_norm,
    global_norm,
    l2_penalty,
    not_negative,
    positive,
)


class Batch(NamedTuple):
    """What one update sees: the inputs, and what should come out."""

    inputs: Any  # (T, N, D), or (T, N) words, or whatever the model reads
    targets: Array  # (T, N) classes or (T, N, K) values, as the loss wants them
    mask: Array | None = None  # which of the targets count; all if None
    lengths: Array | None = None  # (N,) steps of each sequence; T if None
    goes_on: bool = False  # whether it continues the last batch, with the state carried over


class MiniBatches:
    """A fixed set of sequences in batches, shuffled anew in every epoch.

    Parameters
    ----------
    data
        All sequences as one Batch, side by side.
    batch_size
        How many sequences make a batch. What is left over at the end of an epoch is left out of it.
    seed
        A whole number of at least 0; with the epoch's number, it determines the order.

    Raises
    ------
    TypeError, ValueError
        A size is below 1 or above the number of sequences, the seed is not such a number, or the
        parts of the data do not fit together.

    Examples
    --------
    >>> data = Batch(np.arange(5.0).reshape(1, 5, 1), np.arange(5).reshape(1, 5))
    >>> batches = MiniBatches(data, 2, seed=0)
    >>> [batches(step).targets.tolist() for step in range(3)]  # the third starts an epoch
    [[[2, 4]], [[3, 0]], [[1, 4]]]
    """

    def __init__(self, data: Batch, batch_size: int, *, seed: int) -> None:
        self.data, self.batch_size = _checked(data), size("batch_size", batch_size)
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
        self.seed = int(seed)
        self.count = data.inputs.shape[1]
        if batch_size > self.count:
            raise ValueError(f"batch_size is {batch_size}, expected at most {self.count}")

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step; steps are counted from 0."""
        epoch, k = divmod(step, self.count // self.batch_size)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.count)
        rows = order[k * self.batch_size : (k + 1) * self.batch_size]
        inputs, targets, mask, lengths, _ = self.data
        return Batch(
            inputs[:, rows],
            targets[:, rows],
            None if mask is None else mask[:, rows],
            None if lengths is None else lengths[rows],
        )


class Chunks:
    """Long sequences cut along time, for truncated backpropagation with carried state.

    Every chunk needs targets that count, so a task that only reads the last step can't be cut.

    Parameters
    ----------
    data
        The sequences as one Batch, without lengths.
    chunk
        Steps per chunk; the last chunk of each round may be shorter.

    Raises
    ------
    TypeError, ValueError
        The chunk is below 1 step, the data has lengths, or its parts do not fit together.

    References
    ----------
    Williams and Peng (1990), doi:10.1162/neco.1990.2.4.490.

    Examples
    --------
    >>> data = Batch(np.zeros((5, 1, 1)), np.arange(5).reshape(5, 1))
    >>> for step in range(4):
    ...     batch = Chunks(data, 2)(step)
    ...     print(batch.targets.ravel(), batch.goes_on)
    [0 1] False
    [2 3] True
    [4] True
    [0 1] False
    """

    def __init__(self, data: Batch, chunk: int) -> None:
        self.data, self.chunk = _checked(data), size("chunk", chunk)
        if data.lengths is not None:
            raise ValueError("data has lengths, expected sequences that are cut at the same steps")

    def __call__(self, step: int) -> Batch:
        """Return the chunk of a step; steps are counted from 0."""
        inputs, targets, mask, _, _ = self.data
        k = step % -(-len(inputs) // self.chunk)
        steps = slice(k * self.chunk, (k + 1) * self.chunk)
        cut = None if mask is None else mask[steps]
        return Batch(inputs[steps], targets[steps], cut, goes_on=k > 0)


def _checked(data: Batch) -> Batch:
    """Check that the parts have the same steps and sequences; return them, lengths as an array."""
    shape = np.shape(data.inputs)
    if len(shape) < 2 or 0 in shape[:2]:
        raise ValueError(f"inputs has shape {shape}, expected (T, N, ...) with no size 0")
    for name, array in zip(Batch._fields, data, strict=True):
        unmasked(name, array)
    inputs, targets = np.asarray(data.inputs), np.asarray(data.targets)
    mask = None if data.mask is None else np.asarray(data.mask)
    data = data._replace(inputs=inputs, targets=targets, mask=mask)
    for name, array in (("targets", data.targets), ("mask", data.mask)):
        if array is not None and np.shape(array)[:2] != shape[:2]:
            raise ValueError(f"{name} has shape {np.shape(array)}, expected {shape[:2]} first")
    if data.lengths is None:
        return data
    return data._replace(lengths=check_lengths(data.lengths, *shape[:2]))


@dataclass
class History:
    """The record of a run."""

    loss: list[float] = field(default_factory=list)
    """The loss of every update, including the penalty."""
    norm: list[float] = field(default_factory=list)
    """The global norm of every update's gradient, before clipping."""
    validation: list[tuple[int, float]] = field(default_factory=list)
    """Pairs of the updates done so far and what `validate` returned then."""

    def best(self) -> tuple[int, float] | None:
        """Return the validation with the lowest value, the first if several are equal."""
        known = [one for one in self.validation if not np.isnan(one[1])]
        return min(known, key=lambda one: one[1]) if known else None


class Model(Protocol):
    """What a `Trainer` trains: a SequenceModel, or anything with these parts."""

    @property
    def arrays(self) -> Sequence[Array]:
        """The parameters."""

    @property
    def grads(self) -> Sequence[Array]:
        """Their gradients, in the same order."""

    @property
    def rngs(self) -> Sequence[np.random.Generator]:
        """The generators that `forward` draws from."""

    @property
    def recurrent(self) -> Any:
        """The recurrent layer."""

    def forward(
        self, inputs: Array, state: tuple[Array, ...] = (), lengths: Any = None
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Return outputs, final states and a cache."""

    def backward(self, doutputs: Array, cache: Any) -> None:
        """Add to the gradients."""

    def zero_grads(self) -> None:
        """Set all gradients to 0."""


class Trainer:
    """Trains a model, update by update.

    Parameters
    ----------
    model
        A SequenceModel, or anything with the parts of `Model`.
    optimizer
        An optimizer of the model's arrays.
    loss
        Takes outputs, targets and mask; returns the loss and the gradient of the outputs.
    clip
        The largest global norm of the gradient; None for no clipping.
    l2
        Strength of the L2 penalty on all matrices (biases are left out).
    schedule
        A Cosine or Steps, which sets the optimizer's learning rate before every update. A run with
        a schedule resumes where the schedule was. If you changed the learning rate by hand, a run
        does not resume.

    Raises
    ------
    ValueError
        The optimizer does not hold the model's arrays, or a number is out of its range.

    Examples
    --------
    >>> from lstm_course.layers import Linear
    >>> from lstm_course.models import SequenceModel
    >>> from lstm_course.optim import Adam
    >>> from lstm_course.rnn import RNN
    >>> rng = np.random.default_rng(0)
    >>> model = SequenceModel(RNN(1, 4, rng=rng), Linear(4, 2, rng=rng))
    >>> trainer = Trainer(model, Adam(model.arrays, learning_rate=0.1), clip=1.0)
    >>> xs = rng.normal(size=(3, 8, 1))
    >>> data = Batch(xs, (xs[:, :, 0] > 0).astype(int))  # is the input positive?
    >>> history = trainer.fit(lambda step: data, steps=50, progress=False)
    >>> history.loss[0] > 0.5, history.loss[-1] < 0.1
    (True, True)
    """

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        loss: Callable[..., tuple[float, Array]] = softmax_cross_entropy,
        *,
        clip: float | None = None,
        l2: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        mine, theirs = ([id(a) for a in one.arrays] for one in (model, optimizer))
        if mine != theirs:
            raise ValueError("optimizer holds other arrays than model, expected model.arrays")
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.schedule = schedule
        self.clip = None if clip is None else positive("clip", clip)
        self.l2 = not_negative("l2", l2)
        self.history = History()
        self.state: tuple[Array, ...] = ()
        self.best = [array.copy() for array in model.arrays]
        self._written: Path | None = None

    @tiny_is_zero
    def update(self, batch: Batch) -> float:
        """Take one step down the gradient of one batch; return the loss before it.

        Raises
        ------
        ValueError
            Something does not fit, or is NaN or infinite. In that case nothing has changed.
        """
        rngs = [(rng.bit_generator, rng.bit_generator.state) for rng in self.model.rngs]
        if self.schedule is not None:
            self.optimizer.learning_rate = self.schedule(len(self.history.loss))
        try:
            loss, norm, state = self._gradient(batch)
            self.optimizer.step(self.model.grads)
        except BaseException:
            for generator, before in rngs:
                generator.state = before
            raise
        self.state = state
        self.history.loss.append(loss)
        self.history.norm.append(norm)
        return loss

    def _gradient(self, batch: Batch) -> tuple[float, float, tuple[Array, ...]]:
        """Put the gradient into model.grads, clipped; return loss, norm and final states."""
        model = self.model
        if batch.goes_on and not self.state:
            raise ValueError("batch goes on from an earlier one, but none came before")
        if batch.goes_on and getattr(model.recurrent, "directions", 1) == 2:
            raise ValueError("batch goes on from an earlier one, but model reads from both ends")
        start = self.state if batch.goes_on else ()
        outputs, state, cache = model.forward(batch.inputs, start, batch.lengths)
        loss, doutputs = self.loss(outputs, batch.targets, batch.mask)
        model.zero_grads()
        model.backward(doutputs, cache)
        rows = zip(model.arrays, model.grads, self.optimizer.moves, strict=True)
        learned = [(array, grad) for array, grad, moves in rows if moves]
        if self.l2:
            pairs = [pair for pair in learned if pair[0].ndim > 1]
            weights, of_weights = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            loss += l2_penalty(weights, of_weights, self.l2)
        grads = [grad for _, grad in learned]  # frozen arrays don't count
        if self.clip is None:
            return float(loss), global_norm(grads), state
        return float(loss), clip_by_global_norm(grads, self.clip), state

    def fit(
        self,
        batches: Callable[[int], Batch],
        steps: int,
        *,
        validate: Callable[[Any], float] | None = None,
        every: int = 100,
        patience: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        progress: bool = True,
    ) -> History:
        """Update until `steps` updates are done, including those before this call.

        Parameters
        ----------
        batches
            Returns the batch of a step; steps are counted from 0.
        steps
            How many updates in all.
        validate
            Called after every `every` updates; returns a number, where lower is better.
        every
            Updates between two validations, and between two checkpoints. Both also come after
            the last update.
        patience
            Stop after this many validations in a row without a new best.
        checkpoint
            A file. If it exists when a run begins, the run resumes from it. So after a kill,
            just make the same call again, with the same settings.
        progress
            Whether to show a progress bar.

        Returns
        -------
        The history, including earlier calls. To get back the arrays of the best validation,
        call `restore_best`.

        Raises
        ------
        TypeError, ValueError
            An argument is out of its range, or the checkpoint is from another run. (It is then
            left alone.)
        """
        steps, every = size("steps", steps), size("every", every)
        if patience is not None:
            patience = size("patience", patience)
            if validate is None:
                raise ValueError("patience is given and validate is not, expected both")
        if checkpoint is not None:
            path = Path(checkpoint).absolute()
            if not path.parent.is_dir():
                raise ValueError(f"checkpoint is {checkpoint}, but its folder does not exist")
            if path.exists() and not self.history.loss:
                self.load(path)
            elif path.exists() and path != self._written:
                raise ValueError(f"checkpoint is {checkpoint}, which another run wrote")
        with _bar(steps, len(self.history.loss), progress) as bar:
            while True:
                done = len(self.history.loss)
                noted = [at for at, _ in self.history.validation[-1:]] == [done]
                if done and (done % every == 0 or done == steps) and not noted:
                    bar.set_postfix(loss=f"{self.history.loss[-1]:.3g}")
                    if validate is not None:  # after an interrupt, the one that it cut short
                        self._note(done, validate(self.model))
                    if checkpoint is not None:
                        self.save(checkpoint)
                if done >= steps or self._out_of(patience):
                    return self.history
                batch = batches(done)
                with _whole():
                    self.update(batch)
                bar.update()

    def restore_best(self) -> None:
        """Put back the arrays as they were at the best validation.

        Raises
        ------
        ValueError
            There was no validation, or all of them returned NaN.
        """
        if self.history.best() is None:
            raise ValueError("there is no validation yet, expected one to go back to")
        for array, best in zip(self.model.arrays, self.best, strict=True):
            array[...] = best

    def _note(self, done: int, value: float) -> None:
        before = self.history.best()
        self.history.validation.append((done, float(value)))
        if self.history.best() != before:
            self.best = [array.copy() for array in self.model.arrays]

    def _out_of(self, patience: int | None) -> bool:
        if patience is None or not self.history.validation:
            return False
        best = self.history.best()
        at = self.history.validation.index(best) if best else -1
        return len(self.history.validation) - 1 - at >= patience

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything that the next update depends on to a file.

        The file is written under a temporary name and then renamed, so `path` always holds a
        whole checkpoint, the old one or the new one.
        """
        path = Path(path).absolute()
        rngs = [rng.bit_generator.state for rng in self.model.rngs]
        about = {"settings": self._settings(), "history": asdict(self.history), "rngs": rngs}
        text = json.dumps(about, default=np.ndarray.tolist)  # some generators hold arrays
        packed = io.BytesIO()
        arrays: dict[str, Any] = {"about": np.array(text), **self._arrays()}
        np.savez(packed, **arrays)
        write_whole(path, packed.getbuffer())
        self._written = path

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go back to where the run was when it wrote a checkpoint.

        Raises
        ------
        ValueError
            The file is not a checkpoint, or is from another run. In that case nothing has changed.
        """
        path = Path(path).absolute()
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                stored = {name: file[name] for name in file.files}
            about = json.loads(str(stored.pop("about")))
            settings, rngs = dict(about["settings"]), list(about["rngs"])
            history = History(
                [float(loss) for loss in about["history"]["loss"]],
                [float(norm) for norm in about["history"]["norm"]],
                [(int(done), float(value)) for done, value in about["history"]["validation"]],
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is not a readable checkpoint: {error}") from None
        for name, mine in self._settings().items():
            if settings.get(name) != mine:
                raise ValueError(
                    f"{path} was written with {name} = {settings.get(name)}, this run has {mine}"
                )
        state = tuple(stored.pop(name) for name in sorted(stored) if name.startswith("state"))
        arrays = {name: a for name, a in self._arrays().items() if not name.startswith("state")}
        if {n: a.shape for n, a in stored.items()} != {n: a.shape for n, a in arrays.items()}:
            raise ValueError(f"{path} is not a readable checkpoint: other arrays in it")
        for name, array in arrays.items():
            array[...] = stored[name]
        for rng, was in zip(self.model.rngs, rngs, strict=True):
            rng.bit_generator.state = was
        self.state, self.history, self._written = state, history, path
        self.optimizer.steps = len(history.loss)

    def _arrays(self) -> dict[str, Array]:
        groups = {
            "array": self.model.arrays,
            "best": self.best,
            "buffer": self.optimizer.buffers,
            "state": self.state,
        }
        return {f"{name} {k}": a for name, group in groups.items() for k, a in enumerate(group)}

    def _settings(self) -> dict[str, Any]:
        """Return what must be the same in the runs that write and read a checkpoint."""
        numbers = {k: v for k, v in vars(self.optimizer).items() if isinstance(v, float)}
        if self.schedule is not None:
            del numbers["learning_rate"]
        return {
            "schedule": repr(self.schedule),
            "frozen": self.optimizer.moves.count(False),
            "arrays": [f"{array.dtype} {array.shape}" for array in self.model.arrays],
            "optimizer": type(self.optimizer).__name__,
            "loss": getattr(self.loss, "__name__", type(self.loss).__name__),
            "clip": self.clip,
            "l2": self.l2,
            "dropout": getattr(getattr(self.model.recurrent, "dropout", None), "rate", 0.0),
            "generators": [type(rng.bit_generator).__name__ for rng in self.model.rngs],
        } | numbers


@contextmanager
def _whole() -> Iterator[None]:
    """Hold Ctrl-C back until an update is done; a second Ctrl-C interrupts at once.

    Only the main thread may do this, and only the main thread gets a Ctrl-C.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed: list[tuple[int, Any]] = []

    def once(number: int, frame: Any) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append((number, frame))

    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        before(*pressed[0])


def _bar(steps: int, done: int, progress: bool) -> Any:
    from tqdm import tqdm  # here, since importing the package needs only NumPy

    return tqdm(total=steps, initial=done, disable=not progress, unit="update")
