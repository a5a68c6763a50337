"""Training the text model in many processes, each with its share of every batch.

    torchrun --standalone --nproc-per-node=2 -m lstm_course.pytorch.distributed --checkpoint run.pt

starts two processes on this machine; without torchrun there is one. A batch is a function of the
update's number, and the processes share its rows. So a run is the same, to within rounding, in any
number of processes, and if it's killed, it resumes from its checkpoint as if nothing had happened.
"""

import argparse
import math
import os
import pickle
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from lstm_course._checks import size
from lstm_course.optim import positive
from lstm_course.pytorch.module import LSTM
from lstm_course.tasks import Alphabet, python_reference, read_text, windows


@dataclass(frozen=True)
class Settings:
    """What a run depends on besides its text; a checkpoint with other settings is refused."""

    batch: int = 64
    window: int = 128
    hidden_size: int = 256
    num_layers: int = 1
    learning_rate: float = 0.002
    clip: float = 1.0
    seed: int = 0


class TextModel(nn.Module):
    """Scores for the next character: an embedding, LSTM layers, and a linear read-out.

    Parameters
    ----------
    characters
        K, how many there are.
    hidden_size
        H, also the size of the embedding.
    num_layers
        How many LSTM layers.

    Examples
    --------
    >>> TextModel(26, 8, 1)(torch.zeros(5, 3, dtype=torch.long)).shape
    torch.Size([5, 3, 26])
    """

    def __init__(self, characters: int, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        size("hidden_size", hidden_size)
        self.lstm = LSTM(hidden_size, hidden_size, num_layers)
        self.embedding = nn.Embedding(characters, hidden_size)
        self.readout = nn.Linear(hidden_size, characters)

    def forward(self, characters: Tensor) -> Tensor:
        """Turn characters (T, N) into scores (T, N, K)."""
        hs, _ = self.lstm(self.embedding(characters))
        return self.readout(hs)


class Run:
    """One process's part in training the text model; the process group must exist already.

    Nine tenths of the text are for training, and the last tenth is held out.

    Parameters
    ----------
    text
        A text of more than ten windows, the same in every process.
    settings
        The same in every process.

    Raises
    ------
    ValueError
        The processes cannot share a batch evenly, or the text is too short.
    """

    def __init__(self, text: str, settings: Settings) -> None:
        self.settings, self.losses = settings, list[float]()
        self._mine = list[Tensor]()  # of the updates since `agree`, the losses of this one's rows
        positive("learning_rate", settings.learning_rate)
        positive("clip", settings.clip)
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        if settings.batch % self.world:
            raise ValueError(
                f"batch is {settings.batch}, expected a multiple of the {self.world} processes"
            )
        if len(text) < 11 * settings.window:
            raise ValueError(
                f"text has {len(text)} characters, expected {11 * settings.window} or more"
            )
        self.alphabet = Alphabet(text)
        self.training, self.held_out = np.split(self.alphabet.encode(text), [9 * len(text) // 10])
        self.device = _device()
        torch.manual_seed(settings.seed)
        model = TextModel(len(self.alphabet), settings.hidden_size, settings.num_layers)
        self.model = DistributedDataParallel(model.to(self.device))
        self.optimizer = torch.optim.Adam(self.model.parameters(), settings.learning_rate)

    @property
    def updates(self) -> int:
        """The number of updates done."""
        return len(self.losses) + len(self._mine)

    def update(self) -> None:
        """Take one step down the gradient of the whole batch."""
        loss = self.loss(self.training, self.updates)
        self.optimizer.zero_grad()
        loss.backward()  # here the processes average their gradients, and wait for nothing else
        nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self._mine.append(loss.detach())

    def agree(self) -> None:
        """Bring `losses` of whole batches up to date, in nats. All processes must take part."""
        if self._mine:
            self.losses += self._means(torch.stack(self._mine))
            self._mine.clear()

    def bits(self) -> float:
        """Return the bits per character of the text that is held out, on one batch of it."""
        with torch.no_grad():
            loss = self.loss(self.held_out, 0)
        return self._means(loss[None])[0] / math.log(2)

    def loss(self, numbers: Any, step: int) -> Tensor:
        """Draw the batch of a step as all processes do; return the loss of this one's rows."""
        rng = np.random.default_rng([self.settings.seed, step])
        batch = windows(numbers, self.settings.window, self.settings.batch, rng=rng)
        mine = slice(self.rank, None, self.world)
        x, y = (torch.from_numpy(a[:, mine]).to(self.device) for a in batch[:2])
        return cross_entropy(self.model(x).flatten(0, 1), y.flatten())

    def _means(self, losses: Tensor) -> list[float]:
        dist.all_reduce(losses)
        return [total / self.world for total in losses.tolist()]

    def save(self, path: Path) -> None:
        """Write a checkpoint; `path` always holds a whole one, the old one or the new one.

        All processes must take part.
        """
        self.agree()
        if self.rank:  # one process is enough, since all have the same
            return
        beside = path.with_name(f"{path.name}.part")
        parts = {
            "about": self._about(),
            "model": self.model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
        }
        try:
            torch.save(parts, beside)
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise

    def load(self, path: Path) -> None:
        """Go back to where the run was when it wrote a checkpoint.

        Raises
        ------
        ValueError
            The file is not a checkpoint, or is from another run.
        """
        try:
            parts = torch.load(path, map_location=self.device, weights_only=True)
            about, losses = dict(parts["about"]), list(parts["losses"])
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.PickleError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"{path} is not a readable checkpoint: {reason}") from None
        for name, mine in self._about().items():
            if about.get(name) != mine:
                raise ValueError(
                    f"{path} was written with {name} = {about.get(name)}, this run has {mine}"
                )
        self.model.module.load_state_dict(parts["model"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.losses = losses
        self._mine.clear()

    def _about(self) -> dict[str, Any]:
        return asdict(self.settings) | {"characters": self.alphabet.characters}


def train(run: Run, steps: int, *, every: int = 100, checkpoint: Path | None = None) -> None:
    """Update until `steps` updates are done, including those of an existing checkpoint.

    Parameters
    ----------
    run
        This process's part.
    steps
        How many updates in all.
    every
        Updates between two reports, and between two checkpoints.
    checkpoint
        A file that all processes can read and write.

    Raises
    ------
    TypeError, ValueError
        A number is below 1, or the checkpoint is from another run.
    """
    steps, every = size("steps", steps), size("every", every)
    if checkpoint is not None and not checkpoint.absolute().parent.is_dir():
        raise ValueError(f"checkpoint is {checkpoint}, but its folder does not exist")
    if checkpoint is not None and checkpoint.exists():
        run.load(checkpoint)
        _say(run, f"going on after update {run.updates}")
    while run.updates < steps:
        run.update()
        if run.updates % every == 0 or run.updates == steps:
            run.agree()
            if checkpoint is not None:
                run.save(checkpoint)
            loss, bits = run.losses[-1] / math.log(2), run.bits()
            _say(run, f"update {run.updates}: {loss:.3f} bits, held out {bits:.3f}")


def main(arguments: list[str] | None = None) -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser("lstm_course.pytorch.distributed", description=__doc__)
    parser.add_argument("--file", type=Path, help="a text; Python's language reference if none")
    parser.add_argument("--steps", type=int, default=1000, help="updates in all")
    parser.add_argument("--every", type=int, default=100, help="updates from report to report")
    parser.add_argument("--checkpoint", type=Path, help="where to write, and to go on from")
    for field in fields(Settings):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=type(field.default), default=field.default)
    options = vars(parser.parse_args(arguments))
    settings = Settings(**{field.name: options.pop(field.name) for field in fields(Settings)})
    file = options.pop("file")
    join()
    try:
        text = read_text(file) if file else python_reference()
        train(Run(text, settings), options.pop("steps"), **options)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    finally:
        dist.destroy_process_group()


def join() -> None:
    """Make this process one of those that torchrun started, or the only one."""
    device = _device()
    first = int(os.environ.get("LOCAL_RANK", 0)) == 0
    if device.type == "cpu" and torch.cuda.is_available() and first:
        print("There are more processes than GPUs on this machine: all run on the CPU.", flush=True)
    backend = "nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if "RANK" in os.environ:
        rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        store, *_ = next(dist.rendezvous("env://", rank, world))
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            # It outlives the processes, so restarted ones would read old addresses.
            store = dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
    else:
        rank, world, store = 0, 1, dist.HashStore()
    dist.init_process_group(backend, store=store, rank=rank, world_size=world)


def _device() -> torch.device:
    """Return this process's GPU, counted on its machine, or the CPU if there are too few GPUs."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if torch.cuda.is_available() and processes <= torch.cuda.device_count():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")


def _say(run: Run, text: str) -> None:
    if run.rank == 0:
        print(text, flush=True)


if __name__ == "__main__":
    main()
