"""Models of text, and how they are compared, for `next_character`.

A text has three parts. Eight tenths are for training, the ninth is for validation (learning rates,
orders, when to stop), and the last is for testing only.
"""

import bz2
import gzip
import hashlib
import lzma
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from lstm_course import tasks
from lstm_course._checks import Array
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.models import NGrams, SequenceModel
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.training import Batch, Chunks, Trainer

UNITS = {"stories": (64, 16), "reference": (128, 32)}
"""Units of the LSTM and columns of the embedding; vanilla RNNs have as many parameters."""
LATER_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01)
ORDERS = range(1, 15)
BATCH, CHUNK, LOOKS, CLIP = 32, 64, 20, 1.0
STORIES = 400_000
DISTANCES = (2, 10, 20, 40, 80)
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 9),
    "bz2": lambda data: bz2.compress(data, 9),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
}
WEIGHTS, SHIFTS, SAMPLING = 1, 2, 3  # each has its own random stream


class Corpus(NamedTuple):
    """A text in three parts."""

    training: str
    validation: str
    test: str

    @property
    def alphabet(self) -> tasks.Alphabet:
        """All characters of all parts, so that no model meets an unknown one."""
        return tasks.Alphabet("".join(self))


class Run(NamedTuple):
    """Everything that determines a run, to the last bit on one machine."""

    text: str
    model: str
    learning_rate: float
    decay: float
    updates: int
    seed: int


@cache
def corpus(name: str) -> Corpus:
    """Return "reference", "stories", or a text file of that name, split eight to one to one."""
    if name == "reference":
        text = tasks.distinct_paragraphs(tasks.python_reference())
    elif name == "stories":
        text = tasks.stories(STORIES, rng=np.random.default_rng(0))[0]
    else:
        text = tasks.read_text(name)
    first, second = 8 * len(text) // 10, 9 * len(text) // 10
    return Corpus(text[:first], text[first:second], text[second:])


def build(run: Run) -> SequenceModel:
    """Make the model of a run; a vanilla RNN gets about as many parameters as the LSTM."""
    rng = np.random.default_rng([run.seed, WEIGHTS])
    K = len(corpus(run.text).alphabet)
    H, E = UNITS["stories" if run.text == "stories" else "reference"]
    recurrent: RNN | LSTM
    if run.model.startswith("LSTM"):
        bias = float(run.model.removeprefix("LSTM, bias "))
        recurrent = LSTM(E, H, rng=rng, forget_bias=bias, dtype=np.float32)
    else:
        wanted = 4 * H * (E + H + 1) + K * H  # = H (E + H + 1) + K H with other H: solve for it
        half = (E + 1 + K) / 2
        H = round(np.sqrt(half**2 + wanted) - half)
        start = run.model.removeprefix("plain, ")
        recurrent = RNN(E, H, rng=rng, recurrent=start, dtype=np.float32)
    readout = Linear(H, K, rng=rng, dtype=np.float32)
    return SequenceModel(recurrent, readout, Embedding(K, E, rng=rng, dtype=np.float32))


def parameters(model: SequenceModel) -> int:
    """Count the parameters of a model."""
    return sum(array.size for array in model.arrays)


def bits(model: SequenceModel, numbers: Array) -> Array:
    """Return -log2 of the probability of each character of a text except the first."""
    parts: list[Array] = []
    state: tuple[Array, ...] = ()
    for start in range(0, len(numbers) - 1, 2000):
        piece = numbers[start : start + 2001]
        outputs, state, _ = model.forward(piece[:-1, None], state, training=False)
        parts.append(bits_of(outputs, piece[1:, None]))
    return np.concatenate(parts)


def bits_of(outputs: Array, wanted: Array) -> Array:
    """Return -log2 of the probability of each target, as one row."""
    chosen = np.take_along_axis(outputs, wanted[..., None], axis=-1)[..., 0]
    return ((np.logaddexp.reduce(outputs, axis=-1) - chosen) / np.log(2)).ravel()


def bits_while_learning(model: SequenceModel, numbers: Array, rate: float) -> Array:
    """Do the same as `bits`, but learn from every 64 characters once they have been predicted.

    The model's arrays are restored afterwards.
    """
    before = [array.copy() for array in model.arrays]
    trainer = Trainer(model, Adam(model.arrays, learning_rate=rate), clip=CLIP)
    batches = Chunks(Batch(numbers[:-1, None], numbers[1:, None]), CHUNK)
    parts = []
    for step in range(-(-(len(numbers) - 1) // CHUNK)):
        batch = batches(step)
        outputs, *_ = model.forward(batch.inputs, trainer.state, training=False)
        parts.append(bits_of(outputs, batch.targets))
        trainer.update(batch)
    for array, saved in zip(model.arrays, before, strict=True):
        array[...] = saved
    return np.concatenate(parts)


def train(run: Run) -> tuple[SequenceModel, list[float]]:
    """Train a model; return it at its lowest validation loss, and all validation losses.

    It reads chunks of 64 characters from 32 places in the text, and carries the state over. The
    learning rate is divided by 3 after 60 % of the updates, and again after 85 %.
    """
    alphabet, parts = corpus(run.text).alphabet, corpus(run.text)
    training = _columns(alphabet.encode(parts.training))
    validation = _columns(alphabet.encode(parts.validation))
    model = build(run)
    optimizer = Adam(model.arrays, learning_rate=run.learning_rate, weight_decay=run.decay)
    trainer = Trainer(model, optimizer, clip=CLIP)
    batches, every = Chunks(training, CHUNK), run.updates // LOOKS

    def look(model: SequenceModel) -> float:
        outputs, *_ = model.forward(validation.inputs, training=False)
        return float(bits_of(outputs, validation.targets).mean())

    for k in range(LOOKS):
        slower = 1 + 2 * (k >= 0.6 * LOOKS) + 6 * (k >= 0.85 * LOOKS)
        optimizer.learning_rate = run.learning_rate / slower
        trainer.fit(batches, (k + 1) * every, every=every, validate=look, progress=False)
    trainer.restore_best()
    return model, [value for _, value in trainer.history.validation]


def _columns(numbers: Array) -> Batch:
    """Cut a text into pieces that are read in parallel."""
    L = len(numbers) // BATCH
    pieces = numbers[: L * BATCH].reshape(BATCH, L).T
    return Batch(pieces[:-1], pieces[1:])


def searched(name: str) -> list[dict[str, Any]]:
    """Return bits per character for n-grams of all orders and both smoothings."""
    parts, rows = corpus(name), []
    for smoothing in ("kneser-ney", "witten-bell"):
        for order in ORDERS:
            model = NGrams(parts.training, order, parts.alphabet.characters, smoothing)
            validation, test = (float(model.bits(part)[1:].mean()) for part in parts[1:])
            rows.append(
                {"smoothing": smoothing, "order": order, "validation": validation, "test": test}
            )
    return rows


def ngrams(name: str, smoothing: str, order: int) -> NGrams:
    """Count the training part of a text."""
    parts = corpus(name)
    return NGrams(parts.training, order, parts.alphabet.characters, smoothing)


@cache
def ngram_bits(name: str, smoothing: str, order: int) -> dict[str, Array]:
    """Return the bits of all characters but the first, for "validation", "test", "while counting".

    The last is the test part, for n-grams that keep counting.
    """
    parts, model = corpus(name), ngrams(name, smoothing, order)
    results = {part: model.bits(getattr(parts, part))[1:] for part in ("validation", "test")}
    return {**results, "while counting": bits_while_counting(model, parts.test)}


def bits_while_counting(model: NGrams, text: str) -> Array:
    """Return the bits of all characters but the first, and count every 64 once predicted.

    `bits_while_learning` learns from the same groups of 64. This changes the model.
    """
    model.add(text[:1])
    pieces = []
    for start in range(1, len(text), CHUNK):
        piece = text[start : start + CHUNK]
        pieces.append(model.bits(piece, text[max(0, start - model.order) : start]))
        model.add(piece)
    return np.concatenate(pieces)


def worth(text: str, training: str) -> dict[str, float]:
    """Return which shares of the words of at least four letters are known, and different."""
    words = re.findall(r"[A-Za-z]{4,}", text)
    known = set(re.findall(r"[A-Za-z]{4,}", training))
    return {
        "known": sum(word in known for word in words) / max(1, len(words)),
        "different": len(set(words)) / max(1, len(words)),
    }


def worth_of_pieces(text: str, training: str, length: int = 1000) -> dict[str, float]:
    """Return the mean of `worth` over pieces as long as the texts that models write."""
    starts = range(0, len(text) - length + 1, length)
    rows = [worth(text[start : start + length], training) for start in starts]
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def counted(name: str) -> dict[str, Any]:
    """Measure everything on a text that needs no network: n-grams of all orders, and compressors.

    A compressor pays for what the test part adds to the compressed training part.
    """
    parts, rows, compressors = corpus(name), searched(name), {}
    row = min(rows, key=lambda row: row["validation"])
    best = {key: row[key] for key in ("smoothing", "order")}
    for compressor, compress in COMPRESSORS.items():
        alone, known, both = (
            len(compress(text.encode()))
            for text in (parts.test, parts.training, parts.training + parts.test)
        )
        compressors[compressor] = {
            "test": 8 * (both - known) / len(parts.test),
            "test alone": 8 * alone / len(parts.test),
        }
    return {
        "characters": [len(part) for part in parts],
        "alphabet": len(parts.alphabet),
        "sha256": hashlib.sha256("".join(parts).encode()).hexdigest(),
        "n-grams": rows,
        "best": best,
        "while counting": float(ngram_bits(name, **best)["while counting"].mean()),
        "compressors": compressors,
        "words": worth_of_pieces(parts.test, parts.training),
        **(_about_stories(ngrams(name, **best)) if name == "stories" else {}),
    }


def _about_stories(best: NGrams) -> dict[str, Any]:
    """Return the grammar's own bits on the test part, and how often n-grams get sounds right."""
    text, worth = tasks.stories(STORIES, rng=np.random.default_rng(0))
    test = corpus("stories").test
    _, named, sounds = tasks.endings(test)
    right = [
        best.alphabet[best.probabilities(test[at - best.order : at]).argmax()] == test[at]
        for at in sounds
    ]
    return {
        "source": float(worth[len(text) - len(test) + 1 :].mean()),
        "right": by_distance(np.array(right), sounds - named),
    }


def compared(run: Run, model: SequenceModel, best: dict[str, Any]) -> dict[str, Any]:
    """Measure a trained model on the test part: alone, while learning, and mixed with n-grams.

    The learning rate while reading, and the weight in the mixture, are chosen on the validation
    part. `best` holds the smoothing and the order of the n-grams.
    """
    parts, alphabet = corpus(run.text), corpus(run.text).alphabet
    validation, test = (alphabet.encode(part) for part in parts[1:])

    def cost(rate: float) -> float:
        return float(bits_while_learning(model, validation[:10_000], rate).mean())

    def mixed(share: float, mine: Array, counts: Array) -> float:
        return float(-np.log2(share * 2**-mine + (1 - share) * 2**-counts).mean())

    later = min(LATER_RATES, key=cost)
    still, moving = bits(model, test), bits_while_learning(model, test, later)
    counts = ngram_bits(run.text, **best)
    on_validation = bits(model, validation), counts["validation"]
    share = min((k / 20 for k in range(21)), key=lambda share: mixed(share, *on_validation))
    return {
        "parameters": parameters(model),
        "recurrent units": model.recurrent.hidden_size,
        "test": float(still.mean()),
        "while learning": float(moving.mean()),
        "later rate": later,
        "share": share,
        "mixed": mixed(share, still, counts["test"]),
        "mixed, while learning": mixed(share, moving, counts["while counting"]),
    }


def by_distance(right: Array, distances: Array) -> list[list[int]]:
    """Count right answers and all answers for each span of distances."""
    spans = zip(DISTANCES, (*DISTANCES[1:], np.inf), strict=True)
    within = [(distances >= low) & (distances < high) for low, high in spans]
    return [[int(right[which].sum()), int(which.sum())] for which in within]
