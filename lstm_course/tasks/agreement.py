"""Number agreement: was or were, after a subject that may be far from its verb."""

import csv
import gzip
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lstm_course._checks import Array, generator, size
from lstm_course.training import Batch

NOUNS = {
    "cat": "cats",
    "dog": "dogs",
    "bird": "birds",
    "mouse": "mice",
    "horse": "horses",
    "cow": "cows",
    "goose": "geese",
    "fox": "foxes",
    "wolf": "wolves",
    "duck": "ducks",
    "pig": "pigs",
    "hen": "hens",
}
"""Singular and plural."""

COPULAS = ("was", "were")
"""The verbs that agree, singular and plural. All other verbs are the same in both numbers."""

_PREPOSITIONS = ("near", "behind", "beside")
_INTRANSITIVE = ("ate", "slept", "ran")
_TRANSITIVE = ("chased", "saw", "heard")
_ADVERBS = ("already", "often", "quietly")
_ADJECTIVES = ("full", "hungry", "tired", "happy")

WORDS = (
    *(".", "the", "which", *COPULAS),
    *(form for pair in NOUNS.items() for form in pair),
    *(_PREPOSITIONS + _INTRANSITIVE + _TRANSITIVE + _ADVERBS + _ADJECTIVES),
)
"""The vocabulary. The number of a word is its place."""

_NUMBERS = {word: k for k, word in enumerate(WORDS)}
_PLURALS = frozenset(NOUNS.values())
_TAGS = {"VBZ": False, "VBP": True}
_COUNTS = ("subj_index", "verb_index", "n_intervening", "n_diff_intervening", "distance")
_COLUMNS = ("sentence", "verb_pos", *_COUNTS)

EXAMPLE = Path(__file__).with_name("agreement.tsv")
"""A table for `read_agreement`: ten made-up sentences, with all columns of the public data."""


class Sentence(NamedTuple):
    """A sentence, with the places of the subject and the verb that agree."""

    words: tuple[str, ...]
    subject: int
    """Place of the subject's noun, counted from 0."""
    verb: int
    """Place of its verb."""
    plural: bool
    """Whether both are plural."""
    between: int
    """How many nouns come between them."""
    attractors: int
    """How many of these have the other number."""

    @property
    def distance(self) -> int:
        """Steps from the subject to its verb: 1 if the verb follows at once."""
        return self.verb - self.subject


def agreement(
    N: int, *, rng: np.random.Generator, more: float = 0.5, distances: tuple[int, int] = (1, 16)
) -> list[Sentence]:
    """Draw sentences of a small grammar in which the subject and its verb agree in number.

    A sentence is a noun phrase, was or were, an adjective and a full stop; one in five begins with
    another noun phrase, "near the dogs". A noun phrase is the article and a noun, singular or
    plural at random. With probability `more`, the noun is modified in one of five ways, all
    equally likely: "near the dogs", "which ate", "which saw the dogs", "which the dogs saw", "which
    the dogs were near". Nouns in a modifier may be modified too, but a clause that is inside
    another ("which the dogs which the fox saw heard") never holds a third one. Adverbs
    come before half of the verbs other than was and were, and "near the dogs" may follow them.

    Parameters
    ----------
    N
        Sentences.
    rng
        The source of randomness.
    more
        From 0 to 0.8. The higher it is, the longer the sentences.
    distances
        Smallest and largest distance from the subject to its verb; other sentences are redrawn.

    Raises
    ------
    TypeError, ValueError
        A number is out of its range, or rng is not a Generator.

    References
    ----------
    Sentences in the manner of Elman (1991), doi:10.1007/BF00114844; number, distance and
    attractors after Linzen, Dupoux and Goldberg (2016), doi:10.1162/tacl_a_00115.

    Examples
    --------
    >>> for one in agreement(3, rng=np.random.default_rng(1), distances=(4, 8)):
    ...     print(*one.words, one.plural, one.distance, one.attractors)
    the mice which the dog was near were happy . True 6 1
    the mouse which already heard the mouse was full . False 6 0
    behind the cat the pig which the hens were near was hungry . False 6 1
    """
    size("N", N)
    generator("rng", rng)
    if not (isinstance(more, int | float) and 0 <= more <= 0.8):  # near 0.9, sentences never end
        raise ValueError(f"more must be from 0 to 0.8, got {more!r}")
    low, high = distances
    if (
        size("distances", low) > size("distances", high)
        or low == high == 2
        or (low > 1 and not more)
    ):
        raise ValueError(f"distances is {distances}, and no sentence has such a distance")
    sentences: list[Sentence] = []
    while len(sentences) < N:
        one = _Writer(rng, more).sentence()
        if low <= one.distance <= high:
            sentences.append(one)
    return sentences


class _Writer:
    """Writes one sentence, word by word."""

    def __init__(self, rng: np.random.Generator, more: float) -> None:
        self.rng, self.more = rng, more
        self.words: list[str] = []

    def sentence(self) -> Sentence:
        if self.rng.random() < 0.2:
            self.one_of(_PREPOSITIONS)
            self.noun()
        plural = self.noun()
        subject = len(self.words) - 1
        self.modifier()
        verb = len(self.words)
        self.words.append(COPULAS[plural])
        self.one_of(_ADJECTIVES)
        self.words.append(".")
        nouns = [
            word for word in self.words[subject + 1 : verb] if word in _PLURALS or word in NOUNS
        ]
        attractors = sum((word in _PLURALS) != plural for word in nouns)
        return Sentence(tuple(self.words), subject, verb, plural, len(nouns), attractors)

    def noun(self) -> bool:
        self.words.append("the")
        plural = bool(self.rng.random() < 0.5)
        self.one_of(tuple(NOUNS.values() if plural else NOUNS))
        return plural

    def modifier(self, inside: bool = False) -> None:
        if self.rng.random() >= self.more:
            return
        kind = self.rng.integers(5)
        if kind == 0:  # near the dogs
            self.place(inside)
            return
        self.words.append("which")
        if kind == 1:  # ate
            self.verb(_INTRANSITIVE)
            self.place_or_not(inside)
        elif kind == 2:  # saw the dogs
            self.verb(_TRANSITIVE)
            self.noun()
            self.modifier(inside)
        else:
            plural = self.noun()
            if not inside:
                self.modifier(inside=True)
            if kind == 3:  # the dogs saw
                self.verb(_TRANSITIVE)
                self.place_or_not(inside)
            else:  # the dogs were near
                self.words.append(COPULAS[plural])
                self.one_of(_PREPOSITIONS)

    def place(self, inside: bool) -> None:
        self.one_of(_PREPOSITIONS)
        self.noun()
        self.modifier(inside)

    def place_or_not(self, inside: bool) -> None:
        if self.rng.random() < self.more:
            self.place(inside)

    def verb(self, verbs: Sequence[str]) -> None:
        if self.rng.random() < 0.5:
            self.one_of(_ADVERBS)
        self.one_of(verbs)

    def one_of(self, words: Sequence[str]) -> None:
        self.words.append(words[int(self.rng.integers(len(words)))])


def encode(words: Iterable[str]) -> Array:
    """Return the number of each word, its place in `WORDS`.

    Raises
    ------
    ValueError
        A word is not in the vocabulary.

    Examples
    --------
    >>> encode(["the", "cats", "were"])
    array([1, 6, 4])
    """
    words = list(words)
    foreign = [word for word in words if word not in _NUMBERS]
    if foreign:
        raise ValueError(f"words holds {foreign[0]!r}, which is not in the vocabulary")
    return np.array([_NUMBERS[word] for word in words], int)


def was_or_were(sentences: Sequence[Sentence]) -> Batch:
    """Turn sentences into the question which verb comes next.

    Parameters
    ----------
    sentences
        N sentences of the vocabulary `WORDS`.

    Returns
    -------
    Batch of inputs (T, N), a full stop and all words before the verb, then full stops; targets
    (T, N), the number of the right verb at each sentence's last step and 0 elsewhere; a
    mask that is true at the last steps; and the lengths.

    Raises
    ------
    ValueError
        There are no sentences, or one of them has a word that is not in the vocabulary.

    Examples
    --------
    >>> batch = was_or_were([Sentence(("the", "cats", "were", "full", "."), 1, 2, True, 0, 0)])
    >>> [WORDS[k] for k in batch.inputs[:, 0]], WORDS[batch.targets[-1, 0]]
    (['.', 'the', 'cats'], 'were')
    """
    if not sentences:
        raise ValueError("sentences is empty, expected at least one")
    lengths = np.array([one.verb + 1 for one in sentences])
    T, rows = lengths.max(), np.arange(len(sentences))
    inputs = np.zeros((T, len(sentences)), int)
    for n, one in enumerate(sentences):
        inputs[1 : one.verb + 1, n] = encode(one.words[: one.verb])
    targets, mask = np.zeros_like(inputs), np.zeros(inputs.shape, bool)
    targets[lengths - 1, rows] = [_NUMBERS[COPULAS[one.plural]] for one in sentences]
    mask[lengths - 1, rows] = True
    return Batch(inputs, targets, mask, lengths)


def read_agreement(path: str | os.PathLike[str]) -> list[Sentence]:
    """Read a table of subject-verb pairs in the format of Linzen, Dupoux and Goldberg.

    It keeps all sentences of the table, whatever their vocabulary.

    Parameters
    ----------
    path
        A tab-separated file with a line of column names, gzipped if its name ends in .gz. The
        columns read are `sentence`, words between blanks; `verb_pos`, VBZ or VBP (plural);
        `subj_index` and `verb_index`, places counted from 1; `n_intervening` and
        `n_diff_intervening`, nouns between the two and those of the other number; and `distance`.

    Raises
    ------
    ValueError
        The file cannot be read, a column is missing, or a line contradicts itself; the message
        says which.

    References
    ----------
    Linzen, Dupoux and Goldberg (2016), doi:10.1162/tacl_a_00115; columns as in the table that
    they have published with it.

    Examples
    --------
    >>> for one in read_agreement(EXAMPLE)[:2]:
    ...     print(*one.words, one.plural, one.distance, one.attractors)
    the cat which already ate is full False 4 0
    the cats which already ate are full True 4 0
    """
    try:
        return _table(Path(path))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def _table(path: Path) -> list[Sentence]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        names, *lines = file.read().splitlines() or [""]
    columns = names.split("\t")
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]}, expected {', '.join(_COLUMNS)}")
    sentences = []
    for number, line in enumerate(lines, 2):
        (fields,) = csv.reader([line], delimiter="\t")
        if len(fields) != len(columns):  # a quotation mark opens the sentence, without quoting
            fields = line.split("\t")
        row = dict(zip(columns, fields, strict=False))
        sentences.append(_sentence(row, f"{path}, line {number}"))
    return sentences


def _sentence(row: dict[str, str], where: str) -> Sentence:
    """Return a row of the table as a sentence, or raise and say what is wrong with it."""
    words, tag = row["sentence"].split(), row.get("verb_pos")
    if tag not in _TAGS:
        raise ValueError(f"{where}: verb_pos is {tag!r}, expected VBZ or VBP")
    counts = []
    for name in _COUNTS:
        if not row.get(name, "").isdecimal():
            raise ValueError(f"{where}: {name} is {row.get(name)!r}, expected a whole number")
        counts.append(int(row[name]))
    subject, verb, between, attractors, distance = counts
    if not 1 <= subject < verb <= len(words):
        raise ValueError(
            f"{where}: subj_index is {subject} and verb_index {verb}, expected two places in "
            f"their order among {len(words)} words"
        )
    if distance != verb - subject:
        raise ValueError(f"{where}: distance is {distance}, expected {verb} - {subject}")
    if attractors > between:
        raise ValueError(
            f"{where}: n_diff_intervening is {attractors}, expected at most {between}, which is "
            "n_intervening"
        )
    return Sentence(tuple(words), subject - 1, verb - 1, _TAGS[tag], between, attractors)
