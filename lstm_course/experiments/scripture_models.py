"""Models of the King James Bible, and how they are trained, for `scripture`.

`python -m lstm_course.experiments.scripture_models large --file large.pt` trains
one, on a GPU if there is one. An interrupted training resumes from its file.
"""

import argparse
import math
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lstm_course import tasks
from lstm_course._checks import Array

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
KINDS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "plain": nn.RNN}
WARMUP, CLIP = 100, 1.0


class Corpus(NamedTuple):
    """The Bible in three parts, each of whole chapters."""

    training: str
    validation: str
    test: str

    @property
    def alphabet(self) -> tasks.Alphabet:
        """All characters of all parts, so that no model meets an unknown one."""
        return tasks.Alphabet("".join(sorted(set().union(*self))))


class Setting(NamedTuple):
    """Everything that determines a training, except for the rounding of the machine."""

    kind: str = "LSTM"
    hidden: int = 512
    layers: int = 2
    embedding: int = 64
    dropout: float = 0.1
    learning_rate: float = 0.004
    decay: float = 0.01
    updates: int = 4000
    batch: int = 48
    chunk: int = 100
    seed: int = 0
    characters: int = 0  # of the training part; 0 stands for all
    fresh: float = 0.0  # the share of sequences that go on from a zero state, at each update


SETTINGS = {"large": Setting(), "small": Setting(hidden=384, layers=1, dropout=0.0, fresh=0.02)}


@cache
def corpus() -> Corpus:
    """Return the Bible; every twentieth chapter is for testing, and another for validation."""
    chapters = tasks.king_james()
    training = [one for k, one in enumerate(chapters) if k % 20 not in (9, 19)]
    return Corpus(*map("".join, (training, chapters[9::20], chapters[19::20])))


class Network(nn.Module):
    """Embedding, recurrent layers and readout."""

    def __init__(self, setting: Setting, characters: int) -> None:
        super().__init__()
        kind, hidden, layers, embedding, dropout, *_ = setting
        between = dropout if layers > 1 else 0.0  # nn.LSTM warns if there is nothing in between
        self.embedding = nn.Embedding(characters, embedding)
        self.recurrent = KINDS[kind](embedding, hidden, layers, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(hidden, characters)
        if kind == "LSTM":
            for name, values in self.recurrent.named_parameters():
                if name.startswith("bias_ih"):
                    nn.init.ones_(values[hidden : 2 * hidden])  # the forget gate's

    def forward(self, numbers: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the logits (T, N, K) for numbers (T, N), and the state after the last step."""
        hidden, state = self.recurrent(self.embedding(numbers), state)
        return self.readout(self.dropout(hidden)), state


class Training:
    """Truncated backpropagation through time, with everything that an interrupted run needs.

    Parameters
    ----------
    setting
        What to train, and how.
    training, validation
        Numbers of characters, in a row.
    characters
        The size of the alphabet.
    threads
        How many threads share the sequences of a batch. On a CPU that others use as well, each
        gets further alone than all do in step.
    half
        Whether to multiply in bfloat16.
    """

    def __init__(
        self,
        setting: Setting,
        training: Array,
        validation: Array,
        characters: int,
        *,
        threads: int = 1,
        half: bool = True,
    ) -> None:
        torch.manual_seed(setting.seed)
        self.setting, self.threads, self.half = setting, threads, half
        self.training = torch.as_tensor(training)
        self.validation = torch.as_tensor(validation)
        self.network = Network(setting, characters).to(DEVICE)
        self.parameters = list(self.network.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, setting.learning_rate, weight_decay=setting.decay
        )
        self.update, self.seconds = 0, 0.0
        self.states: list[Any] = [None] * threads
        self.log: list[dict[str, float]] = []

    def rate(self) -> float:
        """Return the learning rate: it rises for 100 updates, then falls to 0 along a cosine."""
        share = self.update / self.setting.updates
        rising = min(1.0, (self.update + 1) / WARMUP)
        return self.setting.learning_rate * rising * 0.5 * (1 + float(np.cos(np.pi * share)))

    def batch(self) -> tuple[Tensor, bool]:
        """Return the next piece of all sequences (chunk + 1, N), and whether a round begins.

        Each round cuts the text at other places.
        """
        N, T = self.setting.batch, self.setting.chunk
        chunks = (len(self.training) // N - 1) // T
        around, k = divmod(self.update, chunks)
        shift = int(np.random.default_rng([self.setting.seed, around]).integers(len(self.training)))
        starts = torch.arange(N) * (len(self.training) // N) + k * T + shift
        places = (starts + torch.arange(T + 1)[:, None]) % len(self.training)
        return self.training[places].to(DEVICE), k == 0

    def gradients(self, share: int, numbers: Tensor) -> tuple[float, tuple[Tensor, ...]]:
        """Return the loss in bits and the gradients of one thread's share of the sequences."""
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=self.half):
            outputs, state = self.network(numbers[:-1], self.states[share])
        state = state if isinstance(state, tuple) else (state,)
        rng = np.random.default_rng([self.setting.seed, share, self.update])
        carried = torch.as_tensor(rng.random((numbers.shape[1], 1)) >= self.setting.fresh)
        kept = tuple(one.detach().float() * carried.to(DEVICE) for one in state)
        self.states[share] = kept if len(kept) > 1 else kept[0]
        loss = nn.functional.cross_entropy(outputs.float().flatten(0, 1), numbers[1:].flatten())
        return float(loss.detach()) / math.log(2), torch.autograd.grad(loss, self.parameters)

    def step(self, pool: ThreadPoolExecutor) -> float:
        """Make one update; return the loss in bits per character."""
        numbers, begins = self.batch()
        if begins:
            self.states = [None] * self.threads
        shares = numbers.chunk(self.threads, dim=1)
        results = list(pool.map(self.gradients, range(self.threads), shares))
        losses, gradients = zip(*results, strict=True)
        for parameter, *parts in zip(self.parameters, *gradients, strict=True):
            parameter.grad = sum(parts[1:], parts[0]) / self.threads
        nn.utils.clip_grad_norm_(self.parameters, CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.optimizer.step()
        self.update += 1
        return float(np.mean(losses))

    def run(
        self, file: Path | None = None, *, minutes: float = np.inf, every: int = 400
    ) -> list[dict[str, float]]:
        """Train until the planned number of updates, or for some minutes; return the log.

        The file is written, and the validation part read, after every few updates.
        """
        began, spent, losses = time.monotonic(), self.seconds, []
        with ThreadPoolExecutor(self.threads, initializer=_alone) as pool:
            while self.update < self.setting.updates and self.seconds - spent < 60 * minutes:
                losses.append(self.step(pool))
                self.seconds = spent + time.monotonic() - began
                if self.update % every == 0 or self.update == self.setting.updates:
                    look = {
                        "update": self.update,
                        "seconds": self.seconds,
                        "training": float(np.mean(losses)),
                        "validation": bits(self.network, self.validation, half=self.half),
                    }
                    self.log.append(look)
                    losses.clear()
                    if file:
                        self.save(file)
                    print(*(f"{name} {value:.4g}" for name, value in look.items()), flush=True)
        return self.log

    def save(self, file: Path) -> None:
        """Write everything that `load` needs; an interruption leaves the old file as it was."""
        kept = {
            "setting": self.setting._asdict(),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "states": self.states,
            "update": self.update,
            "seconds": self.seconds,
            "log": self.log,
            "random": torch.get_rng_state(),
        }
        new = file.with_suffix(".new")
        torch.save(kept, new)
        new.replace(file)

    def load(self, file: Path) -> None:
        """Go on where a file was written."""
        kept = torch.load(file, map_location=DEVICE, weights_only=True)
        if (setting := Setting(**kept["setting"])) != self.setting:
            raise ValueError(f"{file} was written with the {setting}, expected {self.setting}")
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.update, self.seconds, self.log = kept["update"], kept["seconds"], kept["log"]
        self.states = kept["states"]
        torch.set_rng_state(kept["random"].cpu())


def _alone() -> None:
    """Leave a thread of a pool to itself: PyTorch would start more, which wait for each other."""
    torch.set_num_threads(1)


@torch.no_grad()
def bits(network: Network, numbers: Tensor, *, columns: int = 32, half: bool = False) -> float:
    """Return the mean bits per character of a text that is read in parallel pieces."""
    network.eval()
    pieces = numbers[: len(numbers) // columns * columns].reshape(columns, -1).T.to(DEVICE)
    state, total = None, 0.0
    for start in range(0, len(pieces) - 1, 256):
        piece = pieces[start : start + 257]
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=half):
            outputs, state = network(piece[:-1], state)
        total += float(
            nn.functional.cross_entropy(
                outputs.float().flatten(0, 1), piece[1:].flatten(), reduction="sum"
            )
        )
    network.train()
    return total / math.log(2) / (pieces.shape[1] * (len(pieces) - 1))


def start(setting: Setting, *, threads: int = 1, half: bool = True) -> Training:
    """Return a training on the Bible, before its first update."""
    alphabet = corpus().alphabet
    training, validation = map(alphabet.encode, corpus()[:2])
    training = training[: setting.characters or len(training)]
    return Training(setting, training, validation, len(alphabet), threads=threads, half=half)


def main() -> None:
    """Train a model from the command line."""
    parser = argparse.ArgumentParser(prog="python -m lstm_course.experiments.scripture_models")
    parser.add_argument("name", choices=SETTINGS)
    parser.add_argument("--file", type=Path, required=True, help="where to keep the model")
    parser.add_argument("--updates", type=int, help="the planned number of updates")
    parser.add_argument("--rate", type=float, help="the highest learning rate")
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after some minutes")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    setting = SETTINGS[options.name]
    setting = setting._replace(
        updates=options.updates or setting.updates,
        learning_rate=options.rate or setting.learning_rate,
    )
    torch.set_num_threads(1)
    training = start(setting, threads=options.threads)
    if options.file.exists():
        training.load(options.file)
    training.run(options.file, minutes=options.minutes)


if __name__ == "__main__":
    main()
