"""Stories about a cat on a mat: text from a small grammar, with the bits per character."""

import re
from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np

from lstm_course._checks import Array, generator, size

SOUNDS = {
    "cat": "purred",
    "cow": "mooed",
    "dog": "barked",
    "hen": "clucked",
    "owl": "hooted",
    "pig": "grunted",
}
"""What each animal does at the end of its sentence. The first letters differ."""
ACTIONS = ("sat", "lay", "ran", "hid", "ate")
PLACES = ("mat", "rug", "bed", "wall")
SPEAKERS = ("man", "woman", "child")


def stories(length: int, *, rng: np.random.Generator) -> tuple[str, Array]:
    """Write whole lines until there are at least `length` characters.

    A sentence names an animal and ends with its sound: "the cat purred." In between it may say
    what the animal did: "the cat sat on the mat, ran and purred." Brackets may say what *another*
    animal did, without a sound. A line has one sentence or several, and may be quoted as a whole,
    as said by somebody.

    Parameters
    ----------
    length
        The least number of characters.
    rng
        The source of randomness.

    Returns
    -------
    text
        Lines, each with its end of line.
    bits
        -log2 of the probability of each character given all before it, from the grammar itself.
        On average, no model can need fewer bits, unless it has seen the text before.

    Raises
    ------
    TypeError, ValueError
        length is below 1, or rng is not a Generator.

    Examples
    --------
    >>> text, bits = stories(40, rng=np.random.default_rng(4))
    >>> print(text, end="")
    "the hen ate and clucked." said the woman.
    >>> bits.shape == (len(text),)
    True
    """
    writer = _Writer(generator("rng", rng))
    length = size("length", length)
    while len(writer.bits) < length:
        writer.line()
    return "".join(writer.parts), np.array(writer.bits)


def endings(text: str) -> tuple[list[str], Array, Array]:
    """Find where the sentences of stories name an animal, and where its sound begins.

    Parameters
    ----------
    text
        A text from `stories`.

    Returns
    -------
    animals
        The animal that each sentence is about.
    named
        (S,) places in the text of the last character of that name.
    sounds
        (S,) places of the first character of the sound, which depends on the animal alone.

    Examples
    --------
    >>> endings("the cat sat on the mat (the dog hid) and purred. the hen clucked.")
    (['cat', 'hen'], array([ 6, 55]), array([41, 57]))
    """
    found = list(re.finditer(rf"the ({'|'.join(SOUNDS)}) (?:[^.]* and )?(\w+)\.", text))
    return (
        [one[1] for one in found],
        np.array([one.end(1) - 1 for one in found], int),
        np.array([one.start(2) for one in found], int),
    )


class _Choice:
    """A choice between strings with their probabilities; none of them begins another."""

    def __init__(self, options: Mapping[str, float]) -> None:
        self.texts = list(options)
        self.upto = np.cumsum(list(options.values()))
        self.bits = []
        for chosen in self.texts:
            left, bits = 1.0, []  # probability of all options that match what is written so far
            for k in range(1, len(chosen) + 1):
                alike = sum(p for text, p in options.items() if text[:k] == chosen[:k])
                bits.append(float(np.log2(left / alike)))
                left = alike
            self.bits.append(bits)

    @classmethod
    def equal(cls, texts: Iterable[str]) -> Self:
        """Return a choice where all strings have the same probability."""
        texts = list(texts)
        return cls(dict.fromkeys(texts, 1 / len(texts)))


_LINE = _Choice({"the ": 0.5, '"the ': 0.5})
_MORE = {end: _Choice({" the ": 0.6, end: 0.4}) for end in ("\n", '" said the ')}
_SPEAKER = _Choice.equal(SPEAKERS)
_ANIMAL = _Choice.equal(f"{name} " for name in SOUNDS)
_OTHER = {
    f"{name} ": _Choice.equal(f"{other} " for other in SOUNDS if other != name) for name in SOUNDS
}
_FIRST = {
    f"{name} ": _Choice({f"{sound}.": 0.3} | dict.fromkeys(ACTIONS, 0.7 / len(ACTIONS)))
    for name, sound in SOUNDS.items()
}
_ACTION = _Choice.equal(ACTIONS)
_PLACE = _Choice.equal(PLACES)
_THEN = (  # after an action, and after a place
    _Choice({" and ": 0.4, ", ": 0.2, " (the ": 0.2, " on the ": 0.2}),
    _Choice({" and ": 0.5, ", ": 0.25, " (the ": 0.25}),
)
_THEN_INSIDE = (  # the same, between brackets
    _Choice({")": 0.5, ", ": 0.3, " on the ": 0.2}),
    _Choice({")": 0.6, ", ": 0.4}),
)
_AFTER_BRACKET = _Choice({" and ": 0.6, ", ": 0.4})


class _Writer:
    """Writes from left to right."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.parts: list[str] = []
        self.bits: list[float] = []

    def write(self, text: str) -> None:
        """Write what has to come."""
        self.parts.append(text)
        self.bits += [0.0] * len(text)

    def choose(self, choice: _Choice) -> str:
        """Write one of several strings and return it."""
        k = int(np.searchsorted(choice.upto[:-1], self.rng.random(), side="right"))
        self.parts.append(choice.texts[k])
        self.bits += choice.bits[k]
        return choice.texts[k]

    def line(self) -> None:
        """Write one sentence or several, perhaps quoted."""
        end = '" said the ' if self.choose(_LINE) == '"the ' else "\n"
        self.sentence()
        while self.choose(_MORE[end]) != end:
            self.sentence()
        if end != "\n":
            self.choose(_SPEAKER)
            self.write(".\n")

    def sentence(self) -> None:
        """Write from the animal to the full stop; "the " is already there."""
        animal = self.choose(_ANIMAL)
        if self.choose(_FIRST[animal]) not in ACTIONS:
            return  # it was the sound
        then = self.where(_THEN)
        while then != " and ":
            if then == " (the ":
                self.choose(_OTHER[animal])
                inside = ", "
                while inside != ")":
                    self.choose(_ACTION)
                    inside = self.where(_THEN_INSIDE)
                then = self.choose(_AFTER_BRACKET)
            else:
                self.choose(_ACTION)
                then = self.where(_THEN)
        self.write(SOUNDS[animal.strip()] + ".")

    def where(self, then: tuple[_Choice, _Choice]) -> str:
        """Perhaps write where something was done, then how it goes on; return the latter."""
        after_action, after_place = then
        chosen = self.choose(after_action)
        if chosen == " on the ":
            self.choose(_PLACE)
            chosen = self.choose(after_place)
        return chosen
