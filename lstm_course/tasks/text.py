"""Text, character by character: predict which one comes next."""

import os
from collections import Counter
from collections.abc import Iterable

import numpy as np

from lstm_course._checks import Array, generator, size, whole_numbers
from lstm_course.training import Batch


def read_text(path: str | os.PathLike[str]) -> str:
    r"""Return the text of a UTF-8 file, whatever the locale. Each end of line becomes \n.

    A byte order mark, with which some editors begin, is left out.

    Raises
    ------
    ValueError
        The file cannot be read, is empty, or is not UTF-8; the message says which.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "cats.txt"
    ...     _ = path.write_bytes("\ufeffthe cat\r\nsat".encode())
    ...     read_text(path)
    'the cat\nsat'
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 from byte {error.start} on; convert it, for instance with iconv"
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if not text:
        raise ValueError(f"{path} is empty, expected a text")
    return text


def python_reference() -> str:
    """Return English text that comes with every Python: its language reference, topic by topic.

    It's about half a million characters, and differs between versions of Python.

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
    from pydoc_data.topics import topics  # here, since it takes a while and few callers need it

    return "\n".join(topics[name] for name in sorted(topics))


class Alphabet:
    """The characters of a text, numbered in their order.

    If Unicode's replacement character, `Alphabet.unknown`, is among them, it stands for all
    characters that aren't. If your model has to read any text, let it learn what that character
    means: with `min_count`, the rare characters of the training text are encoded as it.

    Parameters
    ----------
    text
        A text with at least one character.
    min_count
        Rarer characters are left out. If it's above 1, `unknown` is added.

    Raises
    ------
    TypeError, ValueError
        `text` is not a string, or is empty; min_count is below 1; or no character is frequent
        enough.

    Examples
    --------
    >>> alphabet = Alphabet("the cat sat")
    >>> alphabet.characters
    ' acehst'
    >>> alphabet.encode("cat")
    array([2, 1, 6])
    >>> alphabet.decode([5, 1, 6])
    'sat'
    >>> alphabet = Alphabet("the cat sat", min_count=2)
    >>> alphabet.decode(alphabet.encode("at the zoo"))
    'at t�� ���'
    """

    unknown = "\ufffd"

    def __init__(self, text: str, min_count: int = 1) -> None:
        min_count = size("min_count", min_count)
        counts = Counter(_string("text", text))
        if not counts:
            raise ValueError("text is empty, expected at least one character")
        frequent = {character for character, count in counts.items() if count >= min_count}
        if not frequent:
            raise ValueError(f"text holds no character that occurs {min_count} times or more")
        if min_count > 1:
            frequent.add(self.unknown)
        self.characters = "".join(sorted(frequent))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> Array:
        """Return the number of each character; for a foreign one, that of `unknown`.

        Raises
        ------
        ValueError
            A character is not in the alphabet, and neither is `unknown`.
        """
        numbers = {character: k for k, character in enumerate(self.characters)}
        foreign = sorted(set(_string("text", text)) - numbers.keys())
        if foreign and self.unknown not in numbers:
            raise ValueError(f"text holds {foreign[0]!r}, which is not in the alphabet")
        unknown = numbers.get(self.unknown)
        return np.array([numbers.get(character, unknown) for character in text], int)

    def decode(self, numbers: Iterable[int]) -> str:
        """Turn numbers back into text.

        Raises
        ------
        TypeError, ValueError
            Something in `numbers` is not the number of a character.
        """
        numbers = whole_numbers("numbers", list(numbers) or np.empty(0, int))
        wrong = (numbers < 0) | (numbers >= len(self))
        if wrong.any():
            raise ValueError(f"numbers holds {numbers[wrong][0]}, expected 0 to {len(self) - 1}")
        return "".join(self.characters[k] for k in numbers.ravel())


def windows(numbers: Array, T: int, N: int, *, rng: np.random.Generator) -> Batch:
    """Cut windows from a text at random places; at each character the target is the next one.

    Parameters
    ----------
    numbers
        A text of more than T characters, encoded.
    T
        Characters per window.
    N
        How many windows.
    rng
        The source of randomness.

    Returns
    -------
    A Batch of inputs and targets (T, N), the characters and those that follow them.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, rng is not a Generator, or the text is too short.

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


def distinct_paragraphs(text: str) -> str:
    r"""Leave out repeated paragraphs, and tables drawn in characters.

    If a text repeats itself, you test a model on what it was trained on. Two paragraphs count as
    the same if only white space differs. Empty lines separate paragraphs.

    Raises
    ------
    TypeError
        `text` is not a string.

    Examples
    --------
    >>> distinct_paragraphs("One.\n\nTwo,\nthree.\n\n  Two, three.\n\n+---+\n| 4 |\n+---+")
    'One.\n\nTwo,\nthree.\n'
    """
    paragraphs: dict[str, str] = {}
    for paragraph in _string("text", text).split("\n\n"):
        if "+--" not in paragraph and "+==" not in paragraph:
            paragraphs.setdefault(" ".join(paragraph.split()), paragraph.strip("\n"))
    paragraphs.pop("", None)
    return "\n\n".join(paragraphs.values()) + "\n"


def quoted(text: str) -> Array:
    """Return for each character whether straight double quotes are open once it has been read.

    An empty line closes them.

    Raises
    ------
    TypeError
        `text` is not a string.

    Examples
    --------
    >>> quoted('a "b" c').astype(int)
    array([0, 0, 1, 1, 0, 0, 0])
    """
    state, states = False, []
    for t, character in enumerate(_string("text", text)):
        if character == '"':
            state = not state
        elif text[t - 1 : t + 1] == "\n\n":
            state = False
        states.append(state)
    return np.array(states, bool)


def bracketed(text: str) -> Array:
    """Return for each character whether a round bracket is open once it has been read.

    An empty line closes what is open; a closing bracket without an opening one does nothing.

    Raises
    ------
    TypeError
        `text` is not a string.

    Examples
    --------
    >>> bracketed("a (b (c) d) e").astype(int)
    array([0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    """
    depth, states = 0, []
    for t, character in enumerate(_string("text", text)):
        if text[t - 1 : t + 1] == "\n\n":
            depth = 0
        depth = max(0, depth + (character == "(") - (character == ")"))
        states.append(depth > 0)
    return np.array(states, bool)


def columns(text: str) -> Array:
    r"""Count for each character how many its line has so far; an end of line counts as 0.

    Raises
    ------
    TypeError
        `text` is not a string.

    Examples
    --------
    >>> columns("the\ncat")
    array([1, 2, 3, 0, 1, 2, 3])
    """
    column, states = 0, []
    for character in _string("text", text):
        column = 0 if character == "\n" else column + 1
        states.append(column)
    return np.array(states, int)


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    return value
