"""What learners have handed in: found in a folder, and read as plain data within bounds.

Nothing here runs, imports, unpickles, compiles or parses a learner's code. A file that is broken,
huge or hostile ends in one sentence about it, and every learner gets a row.
"""

import hashlib
import json
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOTEBOOK, CERTIFICATE, ZIP = ".ipynb", ".json", ".zip"
LARGEST_FILE = 20_000_000  # bytes
MOST_BRACKETS = 1_000_000  # each becomes a list or an object, tens of bytes for one byte of a file
MOST_CELLS = 2_000
MOST_ANSWERS = 500
MOST_CHARACTERS = 1_000_000  # of code, in all
MOST_ENTRIES = 10_000  # files and folders of one learner
LONGEST_NAME = 120

_CANVAS = re.compile(r"([^_]+)(?:_LATE)?_([0-9]{1,20})_[0-9]{1,20}_.")
_MOODLE = re.compile(r"([^_]+)_([0-9]{1,20})_assignsubmission_[a-z]")
_UNKNOWN = "\ufffd"  # stands for what can't be shown


@dataclass(frozen=True)
class Submission:
    """One learner's file, not yet read.

    `learner` is taken from the file's or folder's name, and `number` is the user's at Canvas or the
    participant's at Moodle, else empty. `path` is the file itself, or the learner's folder if there
    is nothing to grade in it. `name` tells where it lies within the folder that is graded.
    `learner` and `name` are printable text, and no two learners or files have the same.
    """

    learner: str
    path: Path
    name: str
    number: str = ""


@dataclass(frozen=True)
class Answers:
    """What a submission asks to have graded.

    `cells` are the sources of a notebook's code cells, in order; `certified` has the source for
    each question in a certificate; `digest` is the SHA-256 of the file, in hexadecimal.
    """

    cells: tuple[str, ...]
    certified: Mapping[str, str]
    digest: str


class Unreadable(Exception):
    """A submission that can't be graded.

    `status` is "unreadable", "refused" or "nothing found", and `sentence` tells in one line what
    came and what was expected.
    """

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def find(folder: str | os.PathLike[str]) -> list[Submission]:
    """Return what has been handed in, sorted by learner and name.

    Parameters
    ----------
    folder
        one file, or a folder of files and of folders, one for each learner, in which files may
        lie at any depth; downloads from Canvas and Moodle are recognized by their names

    Returns
    -------
    list of Submission
        Notebooks, certificates, zip files, and all links and devices, which `read` refuses. A
        learner's folder without any of these is a submission too. Hidden files, `__MACOSX` and
        all other files are left out.

    Raises
    ------
    ValueError
        if there is no such file or folder, or the folder can't be read

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "ada.ipynb").touch()
    ...     Path(folder, "gracehopper_LATE_42_1815_student.ipynb").touch()
    ...     for submission in find(folder):
    ...         print([submission.learner, submission.number])
    ['ada', '']
    ['gracehopper_42', '42']
    """
    top = Path(folder)
    if not os.path.lexists(top):
        raise ValueError(f"there is no file or folder {_plain(top.name)}, expected submissions")
    if not top.is_dir():
        found = [(_who(top.stem), top)]
    else:
        try:
            names = [name for name in os.listdir(top) if not _is_ignored(name)]
        except OSError as error:
            said = f"the folder {_plain(top.name)} can't be read ({error.strerror})"
            raise ValueError(said) from None
        found = []
        for path in map(top.joinpath, names):
            is_folder = stat.S_ISDIR(_mode(path))
            paths = _of_learner(path) if is_folder else [path] if _is_wanted(path) else []
            found += [(_who(path.name if is_folder else path.stem), one) for one in paths]
    inside = top if top.is_dir() else top.parent
    places = {path: (path.relative_to(inside).as_posix(), "") for _, path in found}
    learners = _distinct(who for who, _ in found)
    labels = _distinct(places.values())
    submissions = [
        Submission(learners[who], path, labels[places[path]], who[1]) for who, path in found
    ]
    return sorted(submissions, key=lambda submission: (submission.learner, submission.name))


def read(submission: Submission) -> Answers:
    r"""Return the code in a notebook or certificate; which of them it is, the content decides.

    What IPython adds to Python is taken out: a line that starts with `%`, `!` or `?`, or that asks
    for help with a `?` at its end, becomes `pass`. A cell that starts with `%%` becomes empty, but
    of one that starts with `%%time`, `%%timeit` or `%%capture` only that line goes. Such lines
    stay as they are inside brackets and triple quotes. What stands after an equals sign, as in
    `files = !ls`, stays too.

    Raises
    ------
    Unreadable
        if there is nothing to grade, or it's not what was expected, or more than is read

    Examples
    --------
    >>> import tempfile
    >>> cell = {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1"]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "ada.ipynb")
    ...     _ = path.write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
    ...     read(find(path)[0]).cells
    ('pass\nx = 1',)
    """
    try:
        content = _bytes(submission.path)
        cells, certified = _asked(_parsed(content))
    except Unreadable as problem:
        sentence = f"{_plain(submission.path.name)} {problem.sentence}"
        raise Unreadable(problem.status, sentence) from None
    return Answers(cells, certified, hashlib.sha256(content).hexdigest())


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_wanted(path: Path) -> bool:
    """Tell whether a path gets a row; links and devices do, lest a learner be passed over."""
    known = path.suffix.lower() in (NOTEBOOK, CERTIFICATE, ZIP)
    return known or not stat.S_ISREG(_mode(path))


def _mode(path: Path) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _of_learner(folder: Path) -> list[Path]:
    try:
        return _contents(folder) or [folder]
    except Unreadable:
        return [folder]  # reading it tells why


def _contents(folder: Path) -> list[Path]:
    """Return what is wanted in a folder, at any depth, with each inner folder that can't be read.

    The error's sentence lacks its subject.
    """
    found, waiting, entries = [], [folder], 0
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as scanned:
                for entry in scanned:
                    entries += 1
                    if entries > MOST_ENTRIES:
                        said = f"holds more than {MOST_ENTRIES:,} files and folders; expected a few"
                        raise Unreadable("refused", said)
                    path = here / entry.name
                    if _is_ignored(entry.name):
                        continue
                    if stat.S_ISDIR(_mode(path)):
                        waiting.append(path)
                    elif _is_wanted(path):
                        found.append(path)
        except OSError as error:
            if here == folder:
                raise _failed(error) from None
            found.append(here)
    return found


def _failed(error: OSError) -> Unreadable:
    return Unreadable("unreadable", f"can't be read ({error.strerror})")


def _who(name: str) -> tuple[str, str]:
    """Return the learner and number that a name tells; no learner's name holds an underscore."""
    if moodle := _MOODLE.match(name):
        return moodle[1], moodle[2]
    if canvas := _CANVAS.match(name):
        return f"{canvas[1]}_{canvas[2]}", canvas[2]
    return name, ""


def _distinct(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return a printable text for each pair of a name and number, so that no two are equal."""
    shown = {name: _plain(name[0]) for name in sorted(set(names))}
    counts = Counter(shown.values())
    taken = {text for text in shown.values() if counts[text] == 1}
    for name, text in shown.items():
        if counts[text] > 1:
            shown[name] = next(tagged for tagged in _tagged(text, name) if tagged not in taken)
            taken.add(shown[name])
    return shown


def _tagged(text: str, name: tuple[str, str]) -> Iterator[str]:
    """Return the text with a number or digest; longer ones for who forges a short one."""
    digest = hashlib.sha256(ascii(name).encode()).hexdigest()
    for tag in filter(None, (name[1], digest[:8], digest[:16], digest)):
        yield f"{_shortened(text, LONGEST_NAME - len(tag) - 3)} ({tag})"


def _plain(text: str) -> str:
    """Return printable text in one line, whatever a file is called."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    shown = "".join(letter if letter.isprintable() else _UNKNOWN for letter in spaced)
    return _shortened(shown, LONGEST_NAME) or _UNKNOWN


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: limit // 2] + "…" + text[len(text) - (limit - limit // 2 - 1) :]


# From here to the end, the sentence of an error lacks its subject: the file's name.


def _bytes(path: Path) -> bytes:
    """Return what a file holds, opened once and without following a link or waiting for a pipe."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        raise _failed(error) from None
    if stat.S_ISDIR(mode):
        _contents(path)
        said = f"holds neither a notebook ({NOTEBOOK}) nor a certificate ({CERTIFICATE})"
        raise Unreadable("nothing found", said)
    if stat.S_ISLNK(mode):
        raise Unreadable("refused", "is a link; expected the file itself")
    _must_be_file(mode)
    if path.suffix.lower() == ZIP:
        raise Unreadable("refused", "is a zip file; unpack it first")
    flags = os.O_RDONLY
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            found = os.fstat(file.fileno())  # it may have been exchanged since
            _must_be_file(found.st_mode)
            _must_be_small(found.st_size)
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _failed(error) from None
    _must_be_small(len(content))
    return content


def _must_be_file(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Unreadable("refused", "is a device, pipe or socket; expected a file")


def _must_be_small(size: int) -> None:
    if size > LARGEST_FILE:
        said = f"is {-(-size // 10**6)} MB; at most {LARGEST_FILE // 10**6} MB are read"
        raise Unreadable("refused", said)


def _parsed(content: bytes) -> Any:
    """Return the JSON in a file, with every number as a float."""
    expected = f"expected a saved notebook ({NOTEBOOK}) or certificate ({CERTIFICATE})"
    if not content:
        raise Unreadable("unreadable", f"is empty; {expected}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("unreadable", f"is not UTF-8 text; {expected}") from None
    if text.count("[") + text.count("{") > MOST_BRACKETS:
        said = f"has more than {MOST_BRACKETS:,} brackets; expected a notebook with smaller outputs"
        raise Unreadable("refused", said)
    try:
        # An int of many digits takes quadratic time, or raises ValueError.
        return json.loads(text, parse_int=float)
    except json.JSONDecodeError as error:
        said = f"is not JSON from line {error.lineno} on; {expected}"
        raise Unreadable("unreadable", said) from None
    except RecursionError:
        raise Unreadable("unreadable", f"is nested too deeply; {expected}") from None


def _asked(content: Any) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return a notebook's cells, or a certificate's answers, and nothing for the other."""
    if not isinstance(content, dict):
        said = f"holds {_kind(content)}; expected a notebook or certificate"
        raise Unreadable("unreadable", said)
    if "answers" in content and "nbformat" not in content:
        return (), _certified(content["answers"])
    return tuple(map(_python, _sources(content))), {}


def _certified(answers: Any) -> dict[str, str]:
    """Return the source for each question; of several for one, the last."""
    if not isinstance(answers, list):
        said = f"has answers that are {_kind(answers)}; expected a list"
        raise Unreadable("unreadable", said)
    if not answers:
        raise Unreadable("nothing found", "is a certificate without answers")
    if len(answers) > MOST_ANSWERS:
        said = f"has {len(answers):,} answers; at most {MOST_ANSWERS} are read"
        raise Unreadable("refused", said)
    certified = {}
    for place, answer in enumerate(answers, 1):
        if not isinstance(answer, dict):
            said = f"has an answer {place} that is {_kind(answer)}; expected an object"
            raise Unreadable("unreadable", said)
        for key in ("question", "source"):
            if not isinstance(answer.get(key), str):
                said = f"has an answer {place} whose {key} is {_kind(answer.get(key))}"
                raise Unreadable("unreadable", f"{said}; expected text")
        certified[_whole(answer["question"])] = _whole(answer["source"])
    _must_be_short(sum(len(answer["question"]) + len(answer["source"]) for answer in answers))
    return certified


def _sources(notebook: dict[str, Any]) -> list[str]:
    """Return the sources of a notebook's code cells."""
    key, cells = _cells(notebook)
    sources = []
    for place, cell in enumerate(cells, 1):
        if not isinstance(cell, dict):
            said = f"has a cell {place} that is {_kind(cell)}; expected an object"
            raise Unreadable("unreadable", said)
        if not isinstance(cell.get("cell_type"), str):
            said = f"has a cell {place} whose cell_type is {_kind(cell.get('cell_type'))}"
            raise Unreadable("unreadable", f"{said}; expected text")
        if cell["cell_type"] != "code":
            continue
        lines = cell.get(key)
        if isinstance(lines, str):
            lines = [lines]
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            what = "a list of other things" if isinstance(lines, list) else _kind(lines)
            said = f"has a cell {place} whose {key} is {what}; expected text or a list of lines"
            raise Unreadable("unreadable", said)
        sources.append(_whole("".join(lines)))
    if not sources:
        raise Unreadable("nothing found", "is a notebook without code cells")
    if len(sources) > MOST_CELLS:
        said = f"has {len(sources):,} code cells; at most {MOST_CELLS:,} are read"
        raise Unreadable("refused", said)
    _must_be_short(sum(map(len, sources)))
    return sources


def _cells(notebook: dict[str, Any]) -> tuple[str, list[Any]]:
    """Return the key under which a code cell has its source, and the cells."""
    version = notebook.get("nbformat")
    if version == 4:
        return "source", _list(notebook, "cells")
    if version == 3:
        cells = []
        for sheet in _list(notebook, "worksheets"):
            if not isinstance(sheet, dict):
                said = f"has a worksheet that is {_kind(sheet)}; expected an object"
                raise Unreadable("unreadable", said)
            cells += _list(sheet, "cells")
        return "input", cells
    said = f"{version:g}" if type(version) is float else f"that is {_kind(version)}"
    said = f"has an nbformat {said}" if "nbformat" in notebook else "has no nbformat"
    raise Unreadable("unreadable", f"{said}; expected a notebook with nbformat 3 or 4")


def _list(holder: dict[str, Any], key: str) -> list[Any]:
    value = holder.get(key)
    if not isinstance(value, list):
        said = f"has {key} that are {_kind(value)}; expected a list"
        raise Unreadable("unreadable", said)
    return value


def _must_be_short(characters: int) -> None:
    if characters > MOST_CHARACTERS:
        said = f"has {characters:,} characters of code; at most {MOST_CHARACTERS:,} are read"
        raise Unreadable("refused", said)


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        float: "a number",
        bool: "true or false",
    }
    return names.get(type(value), "nothing")


def _whole(text: str) -> str:
    """Return text that can be encoded, with line ends as Python reads them."""
    text = re.sub("[\ud800-\udfff]", _UNKNOWN, text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


_CELL_MAGIC = re.compile(r"\s*%%(?:(time|timeit|capture)(?!\w))?[^\n]*")
_LINE_MAGIC = re.compile(
    r"""([ \t\f]*)
    (?: [%!?](?:[^\n]*\\\n)*[^\n]*  # with the lines that a backslash adds
      | [\w.*]+\?\??[ \t]*(?=\n|\Z)
    )""",
    re.VERBOSE,
)
# Enough of Python to know where a statement starts. Nothing in it looks at a letter twice, so
# that the time for a source grows with its length alone.
_TOKEN = re.compile(
    r"""\#[^\n]*
    | \"{3}(?:[^"\\]|\\.?|"(?!""))*+(?:\"{3})?
    | '{3}(?:[^'\\]|\\.?|'(?!''))*+(?:'{3})?
    | "(?:[^"\\\n]|\\.?)*+"?
    | '(?:[^'\\\n]|\\.?)*+'?
    | \\\n
    | [^\#"'\\\n()\[\]{}]++
    | .""",
    re.VERBOSE | re.DOTALL,
)


def _python(source: str) -> str:
    """Return a cell's source without what IPython alone understands; lines keep their places."""
    if magic := _CELL_MAGIC.match(source):
        if magic[1] is None:
            return ""
        source = "\n" * magic[0].count("\n") + source[magic.end() :]
    parts = []
    place, depth, starts = 0, 0, True
    while place < len(source):
        if starts and (line := _LINE_MAGIC.match(source, place)):
            parts.append(f"{line[1]}pass" + "\n" * line[0].count("\n"))
            place, starts = line.end(), False
            continue
        token = _TOKEN.match(source, place)
        assert token is not None  # the last alternative takes any letter
        if token[0] in ("(", "[", "{"):
            depth += 1
        elif token[0] in (")", "]", "}"):
            depth = max(depth - 1, 0)
        parts.append(token[0])
        place, starts = token.end(), token[0] == "\n" and not depth
    return "".join(parts)
