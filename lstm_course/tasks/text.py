"""Text, character by character: which character comes next."""

from collections.abc import Iterable

import numpy as np

from lstm_course._checks import Array, generator, size
from lstm_course.training import Batch


def python_reference() -> str:
    """Return English text that every Python has: its language reference, topic after topic.

    Editions differ from version to version of Python, half a million characters more or less.

    References
    ----------
    The Python Language Reference, https://docs.python.org/3/reference, as `pydoc_data.topics`
    holds it.

    Examples
    --------
    >>> text = python_reference()
    >>> len(text) > 300_000, "assignment" in text
    (True, True)
    """
    from pydoc_data.topics import topics  # here, since it takes a while and few need it

    return "\n".join(topics[name] for name in sorted(topics))


class Alphabet:
    """The characters of a text, numbered in their order.

    Parameters
    ----------
    text
        Some text with at least one character.

    Raises
    ------
    TypeError, ValueError
        `text` is no string, or empty.

    Examples
    --------
    >>> alphabet = Alphabet("the cat sat")
    >>> alphabet.characters
    ' acehst'
    >>> alphabet.encode("cat")
    array([2, 1, 6])
    >>> alphabet.decode([5, 1, 6])
    'sat'
    """

    def __init__(self, text: str) -> None:
        self.characters = "".join(sorted(set(_string("text", text))))
        if not self.characters:
            raise ValueError("text is empty, expected at least one character")

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Array:
        """Return the number of each character.

        Raises
        ------
        ValueError
            A character is not in the alphabet.
        """
        numbers = {character: k for k, character in enumerate(self.characters)}
        foreign = sorted(set(_string("text", text)) - numbers.keys())
        if foreign:
            raise ValueError(f"text holds {foreign[0]!r}, which is not in the alphabet")
        return np.array([numbers[character] for character in text], int)

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of the numbers."""
        return "".join(self.characters[k] for k in numbers)


def windows(numbers: Array, T: int, N: int, *, rng: np.random.Generator) -> Batch:
    """Cut pieces of a text at random places; at each character the next one is wanted.

    Parameters
    ----------
    numbers
        A text of more than T characters, encoded.
    T
        Characters of a piece.
    N
        Pieces.
    rng
        The source of randomness.

    Returns
    -------
    Batch of inputs and targets (T, N), characters and those that follow them.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, an rng is none, or the text is too short.

    Examples
    --------
    >>> batch = windows(np.arange(10), 3, 2, rng=np.random.default_rng(0))
    >>> batch.inputs.T, batch.targets.T
    (array([[5, 6, 7],
           [4, 5, 6]]), array([[6, 7, 8],
           [5, 6, 7]]))
    """
    T, N = size("T", T), size("N", N)
    numbers = np.asarray(numbers)
    if numbers.ndim != 1 or len(numbers) <= T:
        raise ValueError(f"numbers has shape {numbers.shape}, expected more than T = {T} in a row")
    places = generator("rng", rng).integers(0, len(numbers) - T, N)
    pieces = numbers[np.arange(T + 1)[:, None] + places]  # (T + 1, N)
    return Batch(pieces[:-1], pieces[1:])


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    return value
