"""The gender of the subject: small stories in which pronouns follow the last subject."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lstm_course._checks import Array, generator, size

WOMEN = ("Anna", "Clara", "Emma", "Julia", "Maria", "Nora", "the queen", "the aunt")
MEN = ("Ben", "David", "Jonas", "Lukas", "Paul", "Tom", "the king", "the uncle")
"""Names and roles. A role has two words, of which the second tells the gender."""

PRONOUNS = (("she", "he"), ("her", "his"))
"""Pronouns: subjects and possessives."""

_OPENERS = ("later", "then", "at night", "in spring", "by the lake")
_PLACES = ("at night", "in spring", "by the lake")
_ALONE = ("slept", "laughed", "waited", "sang")
_MEETING = ("met", "saw", "called", "thanked", "helped")
_OWNING = ("lost", "found", "fed", "took")
_THINGS = ("coat", "keys", "dog", "book")
_NOUNS = ("night", "wind", "lake", "town")
_ADJECTIVES = ("cold", "dark", "quiet", "old")

WORDS = tuple(
    dict.fromkeys(
        word
        for group in (
            *((".", "and", "the", "it", "rained", "snowed", "was"), *PRONOUNS, WOMEN, MEN),
            *(_OPENERS, _ALONE, _MEETING, _OWNING, _THINGS, _NOUNS, _ADJECTIVES),
        )
        for phrase in group
        for word in phrase.split()
    )
)
"""The vocabulary, each word once. The number of a word is its place."""

_NUMBERS = {word: k for k, word in enumerate(WORDS)}
_FEMALE = {phrase.split()[-1] for phrase in (*WOMEN, *(she for she, _ in PRONOUNS))}
_MALE = {phrase.split()[-1] for phrase in (*MEN, *(he for _, he in PRONOUNS))}

GENDER = np.array([(word in _FEMALE) - (word in _MALE) for word in WORDS])
"""For each word's number: 1 for a woman's words, -1 for a man's, 0 for all others."""

OTHER, SUBJECT, OBJECT, PRONOUN = range(4)
"""What a word may be: something else, a new subject, someone met, or a pronoun."""


class GenderStories(NamedTuple):
    """Stories, one per column, with what a reader knows after each word; all arrays are (T, N)."""

    words: Array
    """The numbers of the words, a full stop first."""
    kind: Array
    """OTHER, SUBJECT, OBJECT or PRONOUN."""
    subject: Array
    """Gender of the last subject, this word included: 1 a woman, -1 a man, 0 if none yet."""


def gender_stories(
    T: int,
    N: int,
    *,
    rng: np.random.Generator,
    change: float = 0.25,
    pronoun: float = 0.35,
) -> GenderStories:
    """Draw stories in which pronouns follow the most recent subject.

    With probability `change`, a sentence is about someone new; with probability `pronoun`, it is
    about the same person as before, by a pronoun; otherwise it is about the weather or the town,
    and nobody. The first sentence names someone. Women and men are equally likely, regardless of
    the subject before. The subject sleeps, has lost a coat, or meets someone else. The person met
    may have the other gender, and does not become the subject. Possessives refer to the subject.
    One sentence in three begins with a time or a place, so that subjects have no fixed place.

    Parameters
    ----------
    T
        Words per story, including a full stop before it. The last sentence is cut there.
    N
        Stories.
    rng
        The source of randomness.
    change, pronoun
        Probabilities of two kinds of sentence, each from 0 to 1 and together at most 1.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, rng is not a Generator, or a probability is out of its range.

    Examples
    --------
    >>> stories = gender_stories(16, 1, rng=np.random.default_rng(299))
    >>> read(stories.words[:, 0])
    '. Emma met Jonas in spring and found her book . Julia fed her coat .'
    >>> stories.subject[:, 0]
    array([0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    """
    size("T", T)
    size("N", N)
    generator("rng", rng)
    for name, value in (("change", change), ("pronoun", pronoun)):
        if not (isinstance(value, int | float) and 0 <= value <= 1):
            raise ValueError(f"{name} must be from 0 to 1, got {value!r}")
    if change + pronoun > 1:
        raise ValueError(f"change and pronoun are {change + pronoun} together, expected at most 1")
    columns = [_Writer(rng, change, pronoun).story(T) for _ in range(N)]
    return GenderStories(*np.array(columns).transpose(2, 1, 0))


class _Writer:
    """Writes one story, word by word."""

    def __init__(self, rng: np.random.Generator, change: float, pronoun: float) -> None:
        self.rng, self.change, self.pronoun = rng, change, pronoun
        self.rows: list[tuple[int, int, int]] = []
        self.gender = 0
        self.person = ""

    def story(self, T: int) -> list[tuple[int, int, int]]:
        self.say(".")
        self.about_someone(new=True)
        while len(self.rows) < T:
            kind = self.rng.random()
            if kind < self.change + self.pronoun:
                self.about_someone(new=kind < self.change)
            else:
                self.about_nobody()
        return self.rows[:T]

    def say(self, phrase: str, kind: int = OTHER) -> None:
        *before, last = phrase.split()
        self.rows += [(_NUMBERS[word], OTHER, self.gender) for word in before]
        if kind == SUBJECT:
            self.gender = int(GENDER[_NUMBERS[last]])
        self.rows.append((_NUMBERS[last], kind, self.gender))

    def one_of(self, phrases: Sequence[str]) -> str:
        return phrases[int(self.rng.integers(len(phrases)))]

    def someone(self) -> str:
        """Pick anybody but the subject; women and men are equally likely."""
        group = WOMEN if self.rng.random() < 0.5 else MEN
        return self.one_of([person for person in group if person != self.person])

    def about_someone(self, new: bool) -> None:
        if self.rng.random() < 1 / 3:
            self.say(self.one_of(_OPENERS))
        if new:
            self.person = self.someone()
            self.say(self.person, SUBJECT)
        else:
            self.say(PRONOUNS[0][self.gender < 0], PRONOUN)
        kind = self.rng.random()
        if kind < 1 / 4:
            self.say(self.one_of(_ALONE))
        elif kind < 1 / 2:
            self.own()
        else:
            self.say(self.one_of(_MEETING))
            self.say(self.someone(), OBJECT)
        if self.rng.random() < 1 / 3:
            self.say(self.one_of(_PLACES))
        if self.rng.random() < 1 / 3:
            self.say("and")
            self.own()
        self.say(".")

    def own(self) -> None:
        self.say(self.one_of(_OWNING))
        self.say(PRONOUNS[1][self.gender < 0], PRONOUN)
        self.say(self.one_of(_THINGS))

    def about_nobody(self) -> None:
        while True:
            kind = self.rng.random()
            if kind < 1 / 3:
                self.say("it")
                self.say(self.one_of(("rained", "snowed")))
            else:
                self.say("the")
                self.say(self.one_of(_NOUNS))
                self.say("was")
                self.say(self.one_of(_ADJECTIVES))
            if self.rng.random() < 1 / 2:
                break
            self.say("and")
        self.say(".")


def read(words: Array) -> str:
    """Return words, given by their numbers (T,), as text.

    Raises
    ------
    ValueError
        A number is not that of a word.

    Examples
    --------
    >>> read(np.array([0, 1]))
    '. and'
    """
    words = np.asarray(words)
    wrong = words[(words < 0) | (words >= len(WORDS))]
    if wrong.size:
        raise ValueError(f"words holds {wrong[0]}, expected 0 to {len(WORDS) - 1}")
    return " ".join(WORDS[k] for k in words)


def since_cue(stories: GenderStories) -> tuple[Array, Array]:
    """Count how long ago the subject's gender was last told, and who has been met since.

    Subjects and their pronouns tell the gender. For the word at each step, only the words before
    it count.

    Returns
    -------
    steps
        (T, N) words since the last one that told it: 1 if it comes right before; 0 if none.
    others
        (T, N) people of the other gender met in between.

    Examples
    --------
    >>> stories = gender_stories(16, 1, rng=np.random.default_rng(299))
    >>> steps, others = since_cue(stories)
    >>> print(steps[8, 0], others[8, 0])  # "her" is seven words after Emma, with Jonas in between
    7 1
    """
    words, kind, subject = stories
    steps, others = np.zeros((2, *words.shape), int)
    for t in range(1, len(words)):
        told = np.isin(kind[t - 1], (SUBJECT, PRONOUN))
        steps[t] = np.where(told, 1, np.where(steps[t - 1] > 0, steps[t - 1] + 1, 0))
        other = (kind[t - 1] == OBJECT) & (GENDER[words[t - 1]] == -subject[t - 1])
        others[t] = np.where(told, 0, others[t - 1] + other)
    return steps, others
