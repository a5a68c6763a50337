"""Rivals that need no network, for `scripture`: compressors, and counts of characters and words."""

import hashlib
import re
from collections import Counter
from typing import Any

import numpy as np

from lstm_course.experiments.next_character_models import COMPRESSORS, worth_of_pieces
from lstm_course.experiments.scripture_models import Corpus, corpus
from lstm_course.models import NGrams

ORDERS, WORD_ORDERS = range(5, 14), range(1, 5)
RARE = chr(0x10000)
"""The character that stands for all words that occur only once in the training part."""


def tokens(text: str) -> list[str]:
    """Cut a text into words with the space before them, digits, and other single characters.

    Examples
    --------
    >>> tokens("18 And he said, Go.")
    ['1', '8', ' And', ' he', ' said', ',', ' Go', '.']
    """
    return re.findall(r" ?[A-Za-z'-]+|[^A-Za-z'-]", text)


def words(text: str) -> int:
    """Count the words of a text; numbers don't count."""
    return len(re.findall(r"[A-Za-z'-]+", text))


class WordNGrams:
    """N-grams of words: each frequent word becomes a character of its own.

    A word that occurs less than twice in the text is a rare one. It costs the bits of a rare word
    and those of its letters, which n-grams of the rare words' letters spell.

    Parameters
    ----------
    text
        A text to count in.
    order
        The longest sequence of words to count.
    alphabet
        All characters that words may consist of.
    """

    def __init__(self, text: str, order: int, alphabet: str) -> None:
        found = tokens(text)
        counts = Counter(found)
        frequent = sorted(word for word, count in counts.items() if count > 1)
        self.numbers = {word: chr(0x10001 + k) for k, word in enumerate(frequent)}
        rare = "".join(f"{word}\0" for word, count in counts.items() if count == 1)
        self.spelling = NGrams(rare, 6, alphabet + "\0", "witten-bell")
        self.words = NGrams(
            self.encode(found), order, "".join([RARE, *self.numbers.values()]), "kneser-ney"
        )

    def encode(self, found: list[str]) -> str:
        """Write each word as one character."""
        return "".join(self.numbers.get(word, RARE) for word in found)

    def bits(self, text: str) -> float:
        """Return the bits of a whole text."""
        found = tokens(text)
        spelled = (word for word in found if word not in self.numbers)
        letters = sum(float(self.spelling.bits(f"{word}\0", "\0").sum()) for word in spelled)
        return letters + float(self.words.bits(self.encode(found)).sum())


def counted(parts: Corpus | None = None) -> dict[str, Any]:
    """Measure compressors, n-grams of characters and n-grams of words, in bits per character.

    A compressor pays for what the test part adds to the compressed training part. Note that gzip
    looks back 32,768 characters and bz2 900,000 at most, so neither sees all of the training part.
    """
    parts = parts or corpus()
    characters, compressors = parts.alphabet.characters, {}
    for name, compress in COMPRESSORS.items():
        alone, known, both = (
            len(compress(text.encode()))
            for text in (parts.test, parts.training, parts.training + parts.test)
        )
        compressors[name] = {
            "test": 8 * (both - known) / len(parts.test),
            "test alone": 8 * alone / len(parts.test),
        }
    rows = []
    for smoothing in ("kneser-ney", "witten-bell"):
        for order in ORDERS:
            model = NGrams(parts.training, order, characters, smoothing)
            costs = [float(model.bits(text).mean()) for text in parts[1:]]
            rows.append({"smoothing": smoothing, "order": order} | _named(costs))
            del model  # before the next one is counted: each takes gigabytes
    by_words = []
    for order in WORD_ORDERS:
        by_word = WordNGrams(parts.training, order, characters)
        costs = [by_word.bits(text) / len(text) for text in parts[1:]]
        by_words.append({"order": order} | _named(costs))
    return {
        "characters": [len(part) for part in parts],
        "words": [words(part) for part in parts],
        "alphabet": len(characters),
        "sha256": hashlib.sha256("".join(parts).encode()).hexdigest(),
        "compressors": compressors,
        "n-grams": rows,
        "n-grams of words": by_words,
        "frequent words": len(by_word.numbers),
        "rare": float(np.mean([word not in by_word.numbers for word in tokens(parts.test)])),
        "worth": worth_of_pieces(parts.test, parts.training, 800),
    }


def _named(costs: list[float]) -> dict[str, float]:
    return dict(zip(("validation", "test"), costs, strict=True))
