"""Training in PyTorch as people write it, and what each step buys.

Two networks are trained with everything that a usual recipe has, and then with one step left out or
replaced. A character model reads Genesis in contiguous streams, is stopped by a part of Exodus and
tested on another; a classifier tells nine speakers by two vowels, in utterances of different
lengths. Everything runs on a GPU unchanged, if there is one.

`python -m lstm_course.experiments.torch_training` repeats only the timings of the record, on a
machine that should be quiet.
"""

import copy
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

from lstm_course._checks import Array
from lstm_course.experiments import record, recorded, resume
from lstm_course.tasks import Alphabet, japanese_vowels, king_james

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
State = tuple[Tensor, Tensor]


# Text


class Settings(NamedTuple):
    """The recipe; each comparison changes one entry of it."""

    dropout: float = 0.2
    clip: float = 1.0
    schedule: str = "cosine"  # or constant, each with or without warm-up
    warmup: int = 100  # updates
    biases: str = "opposite"  # or forget, or PyTorch
    carried: bool = True
    in_order: bool = True  # or windows shuffled, as a DataLoader likes to do
    dtype: str = "float32"  # or bfloat16, float16: under autocast


RECIPE = Settings()
WITHOUT = {
    "clipping": RECIPE._replace(clip=math.inf),
    "warm-up": RECIPE._replace(warmup=0),
    "cosine": RECIPE._replace(schedule="constant"),
    "closed input gate": RECIPE._replace(biases="forget"),
    "biases": RECIPE._replace(biases="PyTorch"),
    "carried state": RECIPE._replace(carried=False),
    "order": RECIPE._replace(in_order=False),
    "order and carried state": RECIPE._replace(in_order=False, carried=False),
    "float32": RECIPE._replace(dtype="bfloat16"),
}
"""The recipe with one step left out, by the name of that step."""
HIDDEN, LAYERS, EMBEDDING, STREAMS, WINDOW = 64, 2, 32, 16, 64
EPOCHS, PATIENCE = 4, 2
RATES = (0.003, 0.01, 0.03, 0.1)
TUNED = ("", "cosine", "warm-up")
"""The recipe, and the changes with a rate of their own; all others take the recipe's."""
TUNING_SEEDS, SEEDS = (100, 101, 102), (0, 1, 2, 3, 4)


class Text(NamedTuple):
    """Parts of a text, encoded, and the number of characters to choose from."""

    characters: int
    training: Tensor
    choosing: Tensor
    held_out: Tensor


@cache
def text() -> Text:
    """Return Genesis for training, and Exodus 1 to 10 to choose by, 11 to 25 held out."""
    chapters = king_james()
    genesis, choosing, held_out = (
        "".join(chapters[part]) for part in (slice(0, 50), slice(50, 60), slice(60, 75))
    )
    alphabet = Alphabet(genesis + choosing + held_out)
    parts = (torch.from_numpy(alphabet.encode(one)) for one in (genesis, choosing, held_out))
    return Text(len(alphabet), *parts)


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """A text cut into N contiguous streams, read T characters at a time.

    Window k holds inputs and targets (T, N). Each stream goes on in window k + 1 where it stopped
    in window k, so a state can be carried from one to the next.
    """

    def __init__(self, numbers: Tensor, N: int, T: int) -> None:
        length = (len(numbers) - 1) // N
        self.x = numbers[: N * length].view(N, length).T
        self.y = numbers[1 : N * length + 1].view(N, length).T
        self.T = T

    def __len__(self) -> int:
        return len(self.x) // self.T

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor]:
        window = slice(k * self.T, (k + 1) * self.T)
        return self.x[window], self.y[window]


class CharacterModel(nn.Module):
    """Scores for the next character: an embedding, a stacked LSTM, and a linear read-out."""

    def __init__(self, characters: int, embedding: int, H: int, layers: int, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding)
        self.lstm = nn.LSTM(embedding, H, layers, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(H, characters)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Turn characters (T, N) into scores (T, N, K), and return the final state."""
        hs, state = self.lstm(self.embedding(x), state)
        return self.readout(self.dropout(hs)), state


def set_biases(lstm: nn.LSTM, forget: float, write: float) -> None:
    """Start an nn.LSTM with these biases of the forget and the input gate, and 0 for the others.

    It has two biases per gate, which are added, so one of them is set to 0.
    """
    for name, bias in lstm.named_parameters():
        if name.startswith("bias"):
            nn.init.zeros_(bias)
        if name.startswith("bias_ih"):
            i, f, _, _ = bias.data.chunk(4)
            i.fill_(write)
            f.fill_(forget)


def warmup_cosine(step: int, warmup: int, total: int) -> float:
    """Return the share of the learning rate at a step: up a ramp, then down half a cosine.

    Examples
    --------
    >>> [round(warmup_cosine(step, 2, 6), 2) for step in range(6)]
    [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


class Training:
    """The recipe, or a change of it: a model and all that trains it."""

    def __init__(self, numbers: Tensor, characters: int, settings: Settings, rate: float, *,
                 seed: int, epochs: int = EPOCHS, H: int = HIDDEN, streams: int = STREAMS,
                 window: int = WINDOW) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.settings, self.seed = settings, seed
        self.windows = Windows(numbers, streams, window)
        self.model = CharacterModel(characters, EMBEDDING, H, LAYERS, settings.dropout).to(DEVICE)
        if settings.biases != "PyTorch":
            set_biases(self.model.lstm, 1.0, -1.0 if settings.biases == "opposite" else 0.0)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), rate)
        total = epochs * len(self.windows)

        def share(step: int) -> float:
            if settings.schedule == "cosine":
                return warmup_cosine(step, settings.warmup, total)
            return min(1.0, (step + 1) / max(settings.warmup, 1))

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, share)
        self.dtype = getattr(torch, settings.dtype)
        self.scaler = torch.amp.GradScaler(DEVICE.type, enabled=self.dtype == torch.float16)
        self.state: State | None = None
        self.place, self.epochs = 0, 0  # the next window, and how many epochs are done
        self.own = torch.Generator()  # without it, every DataLoader draws from the global one
        self.norms: list[float] = []

    def update(self, x: Tensor, y: Tensor) -> float:
        """Take one step; return the loss."""
        self.model.train()
        state = self.state if self.settings.carried else None
        with autocast(self.dtype):
            scores, state = self.model(x, state)
            loss = cross_entropy(scores.flatten(0, 1), y.flatten())
        self.state = tuple(s.detach() for s in state)
        self.optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        self.norms.append(float(norm))
        return float(loss.detach())

    def epoch(self, limit: int | None = None) -> list[float]:
        """Read on to the end of the text, or `limit` windows; return the losses."""
        end = len(self.windows)
        order = [*range(end)]
        if not self.settings.in_order:
            np.random.default_rng([self.seed, self.epochs]).shuffle(order)
        rest = order[self.place :][:limit]
        losses = []
        for x, y in DataLoader(self.windows, batch_size=None, sampler=rest, generator=self.own):
            losses.append(self.update(x.to(DEVICE), y.to(DEVICE)))
            self.place += 1
        if self.place == end:
            self.place, self.state, self.epochs = 0, None, self.epochs + 1
        return losses


def autocast(dtype: torch.dtype) -> torch.autocast:
    """Return a context in which matrix products are computed in a shorter dtype than float32."""
    return torch.autocast(DEVICE.type, dtype, enabled=dtype != torch.float32)


@torch.no_grad()
def bits(model: CharacterModel, numbers: Tensor, *, training: bool = False, carried: bool = True,
         streams: int = STREAMS, window: int = WINDOW) -> float:  # fmt: skip
    """Return the bits per character of a text, read in streams.

    With `training`, dropout stays on, as it does if someone forgets `model.eval()`.
    """
    model.train(training)
    state, losses = None, []
    own = torch.Generator()  # so that judging a model changes nothing in its training
    for x, y in DataLoader(Windows(numbers, streams, window), batch_size=None, generator=own):
        scores, state = model(x.to(DEVICE), state if carried else None)
        losses.append(cross_entropy(scores.flatten(0, 1), y.to(DEVICE).flatten()).item())
    return float(np.mean(losses) / math.log(2))


class Run(NamedTuple):
    """Everything that determines a run of the character model."""

    without: str  # the step that's left out, or nothing
    rate: float
    seed: int
    dropout: float = RECIPE.dropout


def train(run: Run, epochs: int = EPOCHS) -> dict[str, Any]:
    """Train, and go back to the epoch that chose best; stop after two epochs without a new best.

    Returns the run; `curve` with the bits per character of every epoch, on the training part
    (during training) and on the choosing part; `epoch` with the best; `held out` with the bits on
    the held-out part, also if each window starts from zero, and if dropout stays on; and `norms`
    with the gradients' median and largest norm, and the share of updates with one above 1.
    """
    settings = WITHOUT[run.without] if run.without else RECIPE
    parts = text()
    training = Training(
        parts.training,
        parts.characters,
        settings._replace(dropout=run.dropout),
        run.rate,
        seed=run.seed,
        epochs=epochs,
    )
    curve: list[list[float]] = []
    best, kept_at, kept = math.inf, 0, copy.deepcopy(training.model.state_dict())
    for epoch in range(epochs):
        losses = training.epoch()
        chosen = bits(training.model, parts.choosing)
        curve.append([round(float(np.mean(losses) / math.log(2)), 4), round(chosen, 4)])
        if chosen < best:
            best, kept, kept_at = chosen, copy.deepcopy(training.model.state_dict()), epoch + 1
        elif not chosen < math.inf or epoch + 1 >= kept_at + PATIENCE:
            break
    training.model.load_state_dict(kept)
    norms = np.array(training.norms)
    return {
        **run._asdict(),
        "curve": curve,
        "epoch": kept_at,
        "choosing": round(best, 4),
        "held out": {
            "as trained": round(bits(training.model, parts.held_out), 4),
            "from zero": round(bits(training.model, parts.held_out, carried=False), 4),
            "dropout on": round(bits(training.model, parts.held_out, training=True), 4),
        },
        "norms": [round(float(x), 3) for x in (np.median(norms), norms.max(), (norms > 1).mean())],
    }


# Speakers

READINGS = ("packed", "last real row", "last row", "padded in front")
"""Where the state after an utterance is read: with packing, or in a padded batch."""
UNITS, BATCH, PASSES, WAIT = 64, 32, 100, 15
SPEAKER_RATES = (0.003, 0.01, 0.03, 0.1)
Utterance = tuple[Tensor, int]


class Parts(NamedTuple):
    """Utterances for training, to choose by, and held out."""

    training: list[Utterance]
    choosing: list[Utterance]
    held_out: list[Utterance]


@cache
def utterances(scaled: bool = True) -> Parts:
    """Return the Japanese vowels; every fifth utterance of the training part is to choose by.

    `scaled` standardises the 12 numbers by their means and spreads in the part that trains.
    """
    given, held_out = japanese_vowels()
    choose = np.arange(len(given.xs)) % 5 == 4
    rows = np.concatenate([x for x, chosen in zip(given.xs, choose, strict=True) if not chosen])
    mean, spread = (rows.mean(0), rows.std(0)) if scaled else (0.0, 1.0)

    def pairs(xs: Sequence[Array], speakers: Array) -> list[Utterance]:
        return [
            (torch.tensor((x - mean) / spread, dtype=torch.float32), int(speaker))
            for x, speaker in zip(xs, speakers, strict=True)
        ]

    both = pairs(given.xs, given.speakers)
    return Parts(
        [one for one, chosen in zip(both, choose, strict=True) if not chosen],
        [one for one, chosen in zip(both, choose, strict=True) if chosen],
        pairs(held_out.xs, held_out.speakers),
    )


def collate(pairs: Sequence[Utterance], side: str = "right") -> tuple[Tensor, Tensor, Tensor]:
    """Pad utterances to the longest; return inputs (T, N, D), lengths (N,) and speakers (N,)."""
    xs, speakers = zip(*pairs, strict=True)
    lengths = torch.tensor([len(x) for x in xs])
    return pad_sequence(list(xs), padding_side=side), lengths, torch.tensor(speakers)


class SpeakerModel(nn.Module):
    """Scores of nine speakers, from the hidden state after the utterance."""

    def __init__(self, H: int, dropout: float, reading: str) -> None:
        super().__init__()
        self.lstm = nn.LSTM(12, H)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(H, 9)
        self.reading = reading

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Turn utterances (T, N, 12) of these lengths into scores (N, 9)."""
        if self.reading == "packed":
            _, (h_n, _) = self.lstm(pack_padded_sequence(x, lengths, enforce_sorted=False))
            return self.readout(self.dropout(h_n[-1]))
        hs, _ = self.lstm(x)
        rows = lengths - 1 if self.reading == "last real row" else torch.full_like(lengths, -1)
        return self.readout(self.dropout(hs[rows, torch.arange(len(lengths))]))


def batches(
    pairs: list[Utterance], reading: str, size: int, order: Any = None
) -> "DataLoader[Any]":
    """Return batches in a reading's form: shuffled with an order's generator, or as they come."""
    side = "left" if reading == "padded in front" else "right"
    return DataLoader(
        pairs,  # type: ignore[arg-type]  # a list has all that a Dataset needs
        batch_size=size,
        shuffle=order is not None,
        generator=order,
        collate_fn=lambda some: collate(some, side),
    )


@torch.no_grad()
def judged(model: SpeakerModel, pairs: list[Utterance], size: int = 1000) -> tuple[float, Tensor]:
    """Return the mean loss over utterances, and which of them are classified correctly."""
    model.eval()
    losses, right = [], []
    for x, lengths, speakers in batches(pairs, model.reading, size):
        scores, speakers = model(x.to(DEVICE), lengths), speakers.to(DEVICE)
        losses.append(cross_entropy(scores, speakers, reduction="none"))
        right.append(scores.argmax(1) == speakers)
    return float(torch.cat(losses).mean()), torch.cat(right)


SPEAKER_WITHOUT: dict[str, dict[str, Any]] = {
    "closed input gate": {"biases": "forget"},
    "biases": {"biases": "PyTorch"},
    "dropout": {"dropout": 0.0},
    "scaling": {"scaled": False},
}
"""The classifier that reads the last real row, with one step left out."""


class SpeakerRun(NamedTuple):
    """Everything that determines a run of the classifier."""

    reading: str
    rate: float
    seed: int
    biases: str = "opposite"
    dropout: float = 0.5
    scaled: bool = True


def tell_speakers(run: SpeakerRun, passes: int = PASSES) -> dict[str, Any]:
    """Train a classifier, and go back to the pass that chose best.

    Returns the run; `chosen` with that pass, the number of passes, and its loss and accuracy on the
    choosing part; and `held out` with the share of held-out utterances that are classified
    correctly in one batch, in batches of 32, and each alone.
    """
    torch.manual_seed(run.seed)
    order = torch.Generator().manual_seed(run.seed)
    parts = utterances(run.scaled)
    model = SpeakerModel(UNITS, run.dropout, run.reading).to(DEVICE)
    if run.biases != "PyTorch":
        set_biases(model.lstm, 1.0, -1.0 if run.biases == "opposite" else 0.0)
    optimizer = torch.optim.AdamW(model.parameters(), run.rate)
    best, at = (math.inf, 0.0), 0
    for done in range(1, passes + 1):
        model.train()
        for x, lengths, speakers in batches(parts.training, run.reading, BATCH, order):
            loss = cross_entropy(model(x.to(DEVICE), lengths), speakers.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        value, right = judged(model, parts.choosing)
        if value < best[0]:
            best, at = (value, float(right.float().mean())), done
            kept = copy.deepcopy(model.state_dict())
        elif done >= at + WAIT:
            break
    model.load_state_dict(kept)
    shares = [judged(model, parts.held_out, size)[1].float().mean() for size in (1000, 32, 1)]
    return {
        **run._asdict(),
        "chosen": [at, done, *(round(x, 4) for x in best)],
        "held out": [round(float(share), 4) for share in shares],
    }


def discriminant(points: int = 3) -> float:
    """Return the share of held-out utterances that linear discriminant analysis gets right.

    It sees each utterance at its beginning, middle and end (or at more points), and is fitted to
    all 270 training utterances.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    def features(xs: Sequence[Any]) -> Any:
        places = [np.linspace(0, len(x) - 1, points) for x in xs]
        return np.array(
            [
                [np.interp(at, np.arange(len(x)), channel) for channel in x.T]
                for x, at in zip(xs, places, strict=True)
            ]
        ).reshape(len(xs), -1)

    training, test = japanese_vowels()
    model = LinearDiscriminantAnalysis().fit(features(training.xs), training.speakers)
    return float(model.score(features(test.xs), test.speakers))


# Together


def best_rate(tuning: Sequence[dict[str, Any]], score: Callable[[dict[str, Any]], float]) -> float:
    """Return the rate whose runs have the lowest mean score."""
    scores: dict[float, list[float]] = {}
    for one in tuning:
        scores.setdefault(one["rate"], []).append(score(one))
    return min(scores, key=lambda rate: float(np.mean(scores[rate])))


def measure_text(kept: Path) -> dict[str, Any]:
    """Tune the recipe and two changes of it; leave out one step at a time."""
    tuning, rates = [], {}
    for without in TUNED:
        grid = [Run(without, rate, seed) for rate in RATES for seed in TUNING_SEEDS]
        tuning += (mine := resume(grid, train, kept))
        rates[without] = best_rate(mine, lambda one: one["choosing"])
    rate = rates[""]
    runs = [
        Run(name, rates.get(name, rate), seed)
        for name in ("", *WITHOUT)
        for seed in (SEEDS if name != "clipping" else SEEDS[:1])  # it never clips
    ]
    runs += [Run("", rate, seed, dropout=0.0) for seed in SEEDS]
    return {"tuning": tuning, "runs": resume(runs, train, kept)}


def measure_speakers(kept: Path) -> dict[str, Any]:
    """Tune and run the classifier with each reading, and with one step left out at a time."""
    tuning, runs = [], []
    forms: list[tuple[str, dict[str, Any]]] = [(reading, {}) for reading in READINGS]
    forms += [("last real row", change) for change in SPEAKER_WITHOUT.values()]
    for reading, change in forms:
        grid = [
            SpeakerRun(reading, rate, seed, **change)
            for rate in SPEAKER_RATES
            for seed in TUNING_SEEDS
        ]
        tuning += (mine := resume(grid, tell_speakers, kept))
        rate = best_rate(mine, lambda one: one["chosen"][2])
        chosen = [SpeakerRun(reading, rate, seed, **change) for seed in SEEDS]
        runs += resume(chosen, tell_speakers, kept)
    return {"tuning": tuning, "runs": runs, "discriminant": round(discriminant(), 4)}


# Timings


def side_by_side(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, Any]:
    """Time runs in turn, round after round, after one round that warms up.

    Returns the median milliseconds of each, and `times as long` with quartiles of its ratio to the
    first in the same round. Other work on the machine disturbs ratios less than times.
    """
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(_seconds(run))
    first = np.array(next(iter(seconds.values())))
    return {
        name: {
            "milliseconds": round(1e3 * float(np.median(times)), 3),
            "times as long": [
                round(float(q), 3) for q in np.quantile(np.array(times) / first, (0.25, 0.5, 0.75))
            ],
        }
        for name, times in seconds.items()
    }


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def updates(changes: dict[str, dict[str, Any]], H: int) -> dict[str, Callable[[], object]]:
    """Return an update of the character model with H units, for each change of the settings."""
    parts = text()
    x, y = (one.to(DEVICE) for one in Windows(parts.training, STREAMS, WINDOW)[0])
    runs: dict[str, Callable[[], object]] = {}
    for name, change in changes.items():
        settings = RECIPE._replace(**change)
        training = Training(parts.training, parts.characters, settings, 0.001, seed=0, H=H)
        runs[name] = partial(training.update, x, y)
    return runs


def compiled(H: int) -> dict[str, Callable[[], object]]:
    """Return forward and backward of the character model, plain and after torch.compile."""
    parts = text()
    x, _ = Windows(parts.training, STREAMS, WINDOW)[0]
    model = CharacterModel(parts.characters, EMBEDDING, H, LAYERS, RECIPE.dropout).to(DEVICE)

    def step(model: Callable[..., Any]) -> Callable[[], object]:
        return lambda: model(x.to(DEVICE))[0].sum().backward()

    return {"plain": step(model), "compiled": step(torch.compile(model))}


def graphs() -> int:
    """Return how many graphs torch.compile makes of the character model; 0 if it gives up."""
    model = CharacterModel(10, EMBEDDING, 8, LAYERS, RECIPE.dropout)
    x = torch.zeros((4, 2), dtype=torch.long)
    return int(torch._dynamo.explain(model)(x).graph_count)


def orders() -> dict[str, list[list[int]]]:
    """Return the places of the utterances that train, batch by batch, in two kinds of batches."""
    lengths = [len(x) for x, _ in utterances().training]
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(len(lengths)).tolist()
    return {
        "shuffled": [shuffled[k : k + BATCH] for k in range(0, len(lengths), BATCH)],
        "bucketed": [*bucketed(lengths, BATCH, rng=rng)],
    }


def passes() -> dict[str, Callable[[], object]]:
    """Return passes over the utterances that train, with each way of forming batches."""
    pairs = utterances().training

    def one(reading: str, order: list[list[int]]) -> Callable[[], object]:
        model = SpeakerModel(UNITS, 0.0, reading).to(DEVICE)
        batches = [collate([pairs[k] for k in some]) for some in order]

        def run() -> None:
            for x, lengths, speakers in batches:
                cross_entropy(model(x.to(DEVICE), lengths), speakers.to(DEVICE)).backward()

        return run

    def plain(run: Callable[[], object]) -> Callable[[], object]:
        def without_onednn() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of graphics cards that aren't there
                with torch.backends.mkldnn.flags(enabled=False):
                    run()

        return without_onednn

    readings = {"padded": "last real row", "packed": "packed"}
    runs = {
        f"{name}, {kind}": one(reading, order)
        for name, reading in readings.items()
        for kind, order in orders().items()
    }
    first, last = "padded, shuffled", "packed, shuffled"
    return runs | {f"{name}, without oneDNN": plain(runs[name]) for name in (first, last)}


def bucketed(lengths: Sequence[int], N: int, *, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield batches of N places whose sequences are about equally long, in random order.

    Examples
    --------
    >>> [*bucketed([3, 9, 4, 8, 3], 2, rng=np.random.default_rng(0))]
    [[0, 4], [2, 3], [1]]
    """
    order = np.lexsort((rng.random(len(lengths)), np.array(lengths)))  # ties in random order
    batches = np.array_split(order, range(N, len(lengths), N))
    for k in rng.permutation(len(batches)):
        yield batches[k].tolist()


def padding(order: Sequence[Sequence[int]], lengths: Sequence[int]) -> float:
    """Return the share of rows that are padding.

    Examples
    --------
    >>> padding([[0, 1]], [2, 8])
    0.375
    """
    rows = sum(max(lengths[k] for k in batch) * len(batch) for batch in order)
    return 1 - sum(lengths) / rows


def loaders() -> dict[str, Callable[[], object]]:
    """Return epochs of reading, without training, by this process and by others for it."""
    windows = Windows(text().training, STREAMS, WINDOW)

    def epoch(workers: int) -> Callable[[], object]:
        loader = DataLoader(
            windows, batch_size=None, num_workers=workers, persistent_workers=workers > 0
        )
        return lambda: [None for _ in loader]

    return {f"{workers} workers": epoch(workers) for workers in (0, 1, 2)}


def same_bits(limit: int = 100) -> dict[str, bool]:
    """Return whether a run's losses are the same to the last bit if it's repeated in some way."""
    parts = text()

    def losses(threads: int) -> list[float]:
        torch.set_num_threads(threads)
        rate = RATES[2]
        return Training(parts.training, parts.characters, RECIPE, rate, seed=0).epoch(limit)

    before = torch.get_num_threads()
    one, again, two = losses(1), losses(1), losses(2)
    torch.set_num_threads(before)
    return {"with the same seed": one == again, "with two threads": one == two}


def profile(H: int = HIDDEN, updates_seen: int = 20) -> list[dict[str, Any]]:
    """Return the operations of an update that take longest by themselves, and their shares."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    update = updates({"": {}}, H)[""]
    update()
    with profiler(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(updates_seen):
            update()
    rows = seen.key_averages()
    total = sum(row.self_cpu_time_total for row in rows)
    return [
        {
            "operation": row.key,
            "calls": row.count / updates_seen,
            "share": round(row.self_cpu_time_total / total, 4),
        }
        for row in sorted(rows, key=lambda row: -row.self_cpu_time_total)[:12]
    ]


def measure_timings(rounds: int = 21) -> dict[str, Any]:
    """Time every step that costs or saves time; a few minutes, with one thread."""
    torch.set_num_threads(1)
    dtypes = {name: {"dtype": name} for name in ("float32", "bfloat16")}
    lengths = [len(x) for x, _ in utterances().training]
    return {
        "device": DEVICE.type,
        "autocast": {
            str(H): side_by_side(updates(dtypes, H), max(5, rounds * 64 // H))
            for H in (HIDDEN, 256, 512)
        },
        "compile": {"graphs": graphs(), **side_by_side(compiled(HIDDEN), rounds)},
        "recipe": side_by_side(
            updates(
                {"recipe": {}, "dropout": {"dropout": 0.0}, "clipping": {"clip": math.inf}}, HIDDEN
            ),
            rounds,
        ),
        "packing": side_by_side(passes(), rounds),
        "padding": {kind: round(padding(order, lengths), 4) for kind, order in orders().items()},
        "workers": side_by_side(loaders(), rounds),
        "same bits": same_bits(),
        "profile": profile(),
    }


def measure(kept: Path) -> dict[str, Any]:
    """Do all runs, then the timings."""
    torch.set_num_threads(1)
    return {
        "torch": torch.__version__,
        "text": measure_text(kept),
        "speakers": measure_speakers(kept),
        "timings": measure_timings(),
    }


if __name__ == "__main__":
    results = recorded("torch_training")
    old = {key: results[key] for key in ("torch", "text", "speakers")}
    print(record("torch_training", results["command"], {**old, "timings": measure_timings()}))
