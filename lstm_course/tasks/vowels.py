"""Nine speakers say two vowels: sequences of different lengths, to be told apart by speaker."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lstm_course._checks import Array


class Utterances(NamedTuple):
    """Sequences of different lengths, and who speaks in each."""

    xs: list[Array]  # N arrays (T_n, 12)
    speakers: Array  # (N,), whole numbers from 0 to 8


def japanese_vowels() -> tuple[Utterances, Utterances]:
    """Return 270 utterances for training and 370 for testing, by nine male speakers of Japanese.

    Each is /ae/, an a and an e in a row. It was cut into 7 to 29 overlapping pieces of 25.6 ms,
    and each piece is described by 12 numbers, its LPC cepstrum coefficients, which follow the shape
    of the vocal tract. The files ship inside sktime.

    Without listening, the best guess is the speaker with the most utterances in the test part, and
    it's right in 88 of 370, or 24 %. In the training part everyone has 30.

    Returns
    -------
    training, test
        Each with a list of arrays (T_n, 12), and the speakers, from 0 to 8.

    Raises
    ------
    ImportError
        sktime is not installed.

    References
    ----------
    Kudo, Toyama and Shimbo (1999), https://doi.org/10.1016/S0167-8655(99)00077-X.

    Examples
    --------
    >>> training, test = japanese_vowels()
    >>> training.xs[0].shape, training.xs[1].shape, int(training.speakers[-1])
    ((20, 12), (26, 12), 8)
    >>> len(training.xs), len(test.xs)
    (270, 370)
    """
    package = find_spec("sktime")  # the files are all we need, so nothing is imported
    if package is None or package.origin is None:
        raise ImportError("the vowels come with sktime: pip install sktime")
    folder = Path(package.origin).parent / "datasets" / "data" / "JapaneseVowels"
    training, test = (_read(folder / f"JapaneseVowels_{name}.ts") for name in ("TRAIN", "TEST"))
    return training, test


def _read(path: Path) -> Utterances:
    """Read a file of sktime's format: after `@data`, a line per sequence.

    Its channels are separated by colons, and the last is the class, counted from 1.
    """
    _, data = path.read_text(encoding="utf-8").split("@data\n")
    xs, speakers = [], []
    for line in data.splitlines():
        *channels, speaker = line.split(":")
        xs.append(np.array([channel.split(",") for channel in channels], float).T)
        speakers.append(int(speaker) - 1)
    return Utterances(xs, np.array(speakers))
