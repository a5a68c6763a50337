"""Captions of pictures in the format of the COCO data set, and a vocabulary for a model."""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lstm_course._checks import Array, size

SPECIAL = ("<start>", "<end>", "<unk>")
"""What comes before a caption, after it, and in place of an unknown word."""
WITHOUT_BLANKS = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""How Unicode's names of letters begin, in scripts without blanks between words."""


def read_captions(path: str | os.PathLike[str]) -> list[tuple[str, list[str]]]:
    """Read a file of captions in the format of COCO, such as captions_val2017.json.

    It reads two lists. Each entry of "images" has an "id" and a "file_name"; each of "annotations"
    has an "image_id" and a "caption". Anything else in the file is ignored.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The name and the captions of each image that has any, in the order of the file.

    Raises
    ------
    ValueError
        The file cannot be read, or is not in that format.

    References
    ----------
    Lin et al. (2014), doi:10.1007/978-3-319-10602-1_48; the format:
    https://cocodataset.org/#format-data.

    Examples
    --------
    >>> import tempfile
    >>> data = {
    ...     "images": [{"id": 7, "file_name": "cat.jpg"}],
    ...     "annotations": [{"image_id": 7, "caption": "A cat on a mat."}],
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "captions.json"
    ...     _ = path.write_text(json.dumps(data))
    ...     read_captions(path)
    [('cat.jpg', ['A cat on a mat.'])]
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # an impossible path
        raise ValueError(f"{path!r} cannot be read: {error}") from None
    try:
        data = json.loads(content.decode("utf-8-sig"))  # with or without a byte order mark
    except ValueError as error:  # bytes that are not text, or text that is not JSON
        raise ValueError(f"{path} does not hold JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} holds JSON that is nested too deeply") from None
    names: dict[int | str, str] = {}
    captions: dict[int | str, list[str]] = {}
    for k, image in enumerate(_entries(path, data, "images")):
        number = _value(path, f"images[{k}]", image, "id", int | str)
        if number in names:
            raise ValueError(f"{path}: images[{k}] has the id {number}, which another one has")
        names[number] = _value(path, f"images[{k}]", image, "file_name", str)
        captions[number] = []
    for k, annotation in enumerate(_entries(path, data, "annotations")):
        number = _value(path, f"annotations[{k}]", annotation, "image_id", int | str)
        if number not in names:
            raise ValueError(f"{path}: annotations[{k}] is for image {number}, which is not there")
        captions[number].append(_value(path, f"annotations[{k}]", annotation, "caption", str))
    return [(name, captions[number]) for number, name in names.items() if captions[number]]


def words_of(caption: str) -> list[str]:
    """Return the words of a caption in lower case, without punctuation.

    Accents and vowel signs belong to their letters, whether or not Unicode has one sign for both.
    Chinese, Japanese, Thai, Lao, Khmer and Burmese put no blanks between words. Finding the words
    would take a dictionary, so each letter, with its marks, counts as a word of its own.

    Raises
    ------
    TypeError
        `caption` is not a string.

    Examples
    --------
    >>> words_of("A dog's ball, and two cats.")
    ['a', "dog's", 'ball', 'and', 'two', 'cats']
    >>> words_of("दो बिल्लियाँ")
    ['दो', 'बिल्लियाँ']
    >>> words_of("两只猫，一个frisbee。")
    ['两', '只', '猫', '一', '个', 'frisbee']
    """
    if not isinstance(caption, str):
        raise TypeError(f"caption must be a string, got {type(caption).__name__}")
    text = unicodedata.normalize("NFC", caption.lower())
    # `re` alone would cut words at marks, and does not know about scripts.
    kinds = "".join(map(_kind, text))
    found = re.finditer(r"SM*|[WM]+(?:['’-][WM]+)*", kinds)
    return [text[slice(*one.span())] for one in found]


@cache
def _kind(character: str) -> str:
    """Return M for a mark or joiner, S for a letter that is its own word, W for others and digits.

    Any other character, such as a blank, is returned as it is.
    """
    if unicodedata.category(character)[0] == "M" or character in "\u200c\u200d":
        return "M"
    name = unicodedata.name(character, "").removeprefix("HALFWIDTH ")
    if character.isalpha() and name.startswith(WITHOUT_BLANKS):
        return "S"
    return "W" if character.isalnum() or character == "_" else character


class Vocabulary:
    """The words of captions: first `SPECIAL`, then the rest from the most frequent on.

    Parameters
    ----------
    captions
        Several strings, such as all captions for training.
    min_count
        Rarer words are left out, and encoded as <unk>.

    Raises
    ------
    TypeError, ValueError
        A caption is not a string, min_count is below 1, or no word is frequent enough.

    Examples
    --------
    >>> vocabulary = Vocabulary(["A cat.", "A dog and a cat."], min_count=2)
    >>> vocabulary.words
    ('<start>', '<end>', '<unk>', 'a', 'cat')
    >>> vocabulary.encode("A cat and a bird.")  # without <start> and <end>
    array([3, 4, 2, 3, 2])
    >>> vocabulary.decode([3, 4, 1, 3])  # up to <end>
    'a cat'
    """

    start, end, unknown = range(3)

    def __init__(self, captions: Iterable[str], min_count: int = 1) -> None:
        min_count = size("min_count", min_count)
        if isinstance(captions, str):
            raise TypeError("captions must be several strings, got one")
        counts = Counter(word for caption in captions for word in words_of(caption))
        frequent = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        if not frequent:
            raise ValueError(f"captions hold no word that occurs {min_count} times or more")
        self.words = (*SPECIAL, *(word for _, word in frequent))
        self._numbers = {word: k for k, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, caption: str) -> Array:
        """Return the numbers of a caption's words."""
        numbers = (self._numbers.get(word, self.unknown) for word in words_of(caption))
        return np.fromiter(numbers, int)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the words up to <end> as text, with blanks where their scripts have them.

        Raises
        ------
        TypeError, ValueError
            Something before <end> is not the number of a word.
        """
        said = []
        for k in numbers:
            if isinstance(k, bool) or not isinstance(k, int | np.integer):
                raise TypeError(f"numbers must hold whole numbers, got {k!r}")
            if not 0 <= k < len(self):
                raise ValueError(f"numbers holds {k}, expected 0 to {len(self) - 1}")
            if k == self.end:
                break
            said.append(self.words[k])
        caption = "".join(said[:1])
        for before, word in pairwise(said):
            close = _kind(before[0]) == _kind(word[0]) == "S"
            caption += word if close else f" {word}"
        return caption


def _entries(path: object, data: object, name: str) -> list[Any]:
    if not isinstance(data, dict) or not isinstance(data.get(name), list):
        raise ValueError(f'{path} has no list "{name}", expected captions in the format of COCO')
    return data[name]


def _value(path: object, place: str, entry: object, name: str, kind: Any) -> Any:
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = "a string" if kind is str else "a whole number or a string"
        raise ValueError(f'{path}: {place} has "{name}" {value!r}, expected {expected}')
    return value
