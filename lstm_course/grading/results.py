"""What a grader has found out: kept as it comes, then written for learners, teachers and an LMS.

A folder of results holds run.json, which says what was graded with what, and one file a submission
in rows/. Each is whole or absent at every moment, so a grader that was killed goes on where it was.
"""

import csv
import hashlib
import html
import io
import itertools
import json
import os
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from lstm_course._files import write_whole

LINES, CHARACTERS = 20, 2000
"""How much of a question's feedback is kept."""
NOTES = 20
"""How many notes a summary shows."""
LIMITS = {
    "learner": 4096,  # as long as a path, since a learner may be known by a file's name alone
    "name": 4096,
    "number": 100,
    "digest": 64,
    "status": 100,
    "sentence": CHARACTERS,
    "question": 200,
    "feedback": CHARACTERS,
}
"""How many characters each text of a result may have."""
MARKS, BYTES = 1000, 2**25
"""How many marks, and how many bytes, the file of one submission may have."""
TITLE = "LSTM, Gate by Gate"

_CUT = "\n[...]"
_NEWLINE = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
_INVISIBLE = re.compile(  # control characters, what turns the direction of text, half characters
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FORMULA = tuple("=+-@\t\r＝＋－＠")  # a spreadsheet takes the wide ones for the others
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; }}
body {{ padding: 0 1rem; }}
h1, h2, li {{ overflow-wrap: anywhere; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 0; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
pre {{ border-left: 3px solid; padding-left: 1rem; }}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Mark:
    """What one question earned.

    `status` is "graded", "not answered", "timed out", "no sandbox" or another reason in a few
    words; `feedback` is the text for the learner.

    Examples
    --------
    >>> Mark("forget-gate", 2, 2, "graded", "Right.").passed
    True
    """

    question: str
    points: int
    out_of: int
    status: str
    feedback: str

    @property
    def passed(self) -> bool:
        """Whether the answer earned all points."""
        return self.points == self.out_of


@dataclass(frozen=True)
class Row:
    """The result of one submission.

    `name` is the submission's file, relative to the folder of submissions; `number` the learner's
    number in the LMS, or empty; `digest` the SHA-256 of the file, empty if it couldn't be read;
    `sentence` says why a submission was not graded.

    Examples
    --------
    >>> mark = Mark("forget-gate", 1, 2, "graded", "f is transposed.")
    >>> row = Row("Ann", "ann.ipynb", "", "", "graded", "", (mark,))
    >>> row.points, row.out_of
    (1, 2)
    """

    learner: str
    name: str
    number: str
    digest: str
    status: str
    sentence: str
    marks: tuple[Mark, ...]

    @property
    def points(self) -> int:
        """The points that the submission earned."""
        return sum(mark.points for mark in self.marks)

    @property
    def out_of(self) -> int:
        """The points that the submission could have earned."""
        return sum(mark.out_of for mark in self.marks)


class Results:
    """A folder of results, new or of a run that goes on.

    `notes` lists sentences on files that were damaged. One process at a time may add results.

    Parameters
    ----------
    folder : Path
        Where results are kept. It's made if it isn't there.
    run : Mapping
        What must be the same in a run that goes on, such as versions and exercises: any values
        that JSON can state.

    Raises
    ------
    ValueError
        If the folder holds another run or something else, or can't be a folder. Nothing is changed.

    Examples
    --------
    >>> import tempfile
    >>> mark = Mark("forget-gate", 2, 2, "graded", "Right.")
    >>> row = Row("Ann", "ann.ipynb", "", "0" * 64, "graded", "", (mark,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = Results(Path(folder), {"version": "1.0"})
    ...     results.add(row)
    ...     again = Results(Path(folder), {"version": "1.0"})
    ...     again.has("Ann", "ann.ipynb", "0" * 64), again.rows() == [row]
    (True, True)
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.notes: list[str] = []
        self._rows = self.folder / "rows"
        written = json.dumps(dict(run), indent=1, sort_keys=True).encode()
        if not self._same_run(json.loads(written)):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / "run.json", written + b"\n")
        self._rows.mkdir(exist_ok=True)
        _sync(self.folder)

    def _same_run(self, run: dict[str, Any]) -> bool:
        """Return whether the folder holds this run already; refuse whatever else it holds."""
        if not self.folder.exists():
            return False
        if not self.folder.is_dir():
            raise ValueError(f"The results need a folder, and {self.folder} is a file.")
        path = self.folder / "run.json"
        if not path.exists():
            for entry in self.folder.iterdir():
                # A grader that was killed at once leaves the beginning of a run.json.
                if not re.fullmatch(r"run\.json\.\d+\.part", entry.name):
                    raise ValueError(
                        f"The folder {self.folder} is not empty and holds no results of a grader: "
                        "choose a new one."
                    )
            return False
        try:
            kept = json.loads(path.read_bytes())
            if not isinstance(kept, dict):
                raise ValueError("no run")
        except (ValueError, RecursionError):
            raise ValueError(f"The file {path} is damaged: choose a new folder.") from None
        if kept != run:
            changes = [
                f"{key} was {_short(kept, key)} and is {_short(run, key)}"
                for key in sorted({*kept, *run})
                if _short(kept, key, 10**6) != _short(run, key, 10**6)
            ]
            raise ValueError(
                f"The folder {self.folder} holds another run ({'; '.join(changes)}): "
                "choose a new folder."
            )
        return True

    def _path(self, learner: str, name: str) -> Path:
        return self._rows / f"{_digest(learner, name)}.json"

    def has(self, learner: str, name: str, digest: str) -> bool:
        """Return whether this submission, with the same content, has its result already."""
        row = self._load(self._path(learner, name))
        return row is not None and digest != "" and row.digest == digest

    def add(self, row: Row) -> None:
        """Keep a result, in place of an earlier one of the same learner and file.

        Feedback is cleaned and cut as the pages for learners show it. ValueError if a text is
        longer than LIMITS allow, points aren't between 0 and `out_of`, or a question comes twice.
        """
        marks = tuple(replace(mark, feedback=clean(mark.feedback)) for mark in row.marks)
        row = replace(row, sentence=_line(row.sentence), marks=marks)
        written = json.dumps(asdict(row), indent=1).encode() + b"\n"
        _read_row(written)  # whatever is written can be read again
        write_whole(self._path(row.learner, row.name), written)
        _sync(self._rows)

    def rows(self) -> list[Row]:
        """Return all results, by learner and file; set damaged files aside, and note that."""
        found = [self._load(path) for path in sorted(self._rows.glob("*.json"))]
        return sorted(filter(None, found), key=lambda row: (row.learner, row.name))

    def _load(self, path: Path) -> Row | None:
        try:
            if path.stat().st_size > BYTES:
                raise ValueError("it is too large")
            row = _read_row(path.read_bytes())
            if path != self._path(row.learner, row.name):
                raise ValueError("it has the name of another submission's file")
            return row
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            reason = _line(str(error))
        names = (path.with_name(f"{path.name}.{k}.damaged") for k in itertools.count(1))
        kept = next(name for name in names if not name.exists())
        path.rename(kept)
        self.notes.append(
            f"The file rows/{path.name} was damaged ({reason}). It's been kept as {kept.name}, "
            "and doesn't count."
        )
        return None

    def finish(self, questions: Sequence[tuple[str, int]], title: str = TITLE) -> str:
        """Write the tables, the feedback and the summary, and return the summary.

        Parameters
        ----------
        questions : sequence of (str, int)
            The names of all questions and their points, in the order of the columns.
        title : str
            The assignment's title in Canvas, with its number in parentheses if there is one.

        Returns
        -------
        str
            The text of summary.txt.

        Notes
        -----
        Of several answers of one learner to a question, the best counts. The same results give the
        same bytes, in whatever order they came. In the files for an LMS, nobody gets a grade who
        has no mark at all, or a question that could not be graded because there was no sandbox.
        """
        rows = self.rows()
        notes = list(self.notes)
        worth = dict(questions)
        unknown = {
            m.question: m.out_of for row in rows for m in row.marks if m.question not in worth
        }
        if unknown:
            worth |= dict(sorted(unknown.items()))
            notes.append(f"Not among the questions, but answered: {_some(sorted(unknown))}.")
        learners = [
            _Learner.of(group) for _, group in itertools.groupby(rows, key=lambda row: row.learner)
        ]
        for learner in learners:
            notes += learner.notes()
        notes += _notes_on_numbers(learners)

        write_whole(self.folder / "grades.csv", _grades(learners, worth))
        write_whole(self.folder / "canvas.csv", _canvas(learners, worth, title))
        write_whole(self.folder / "moodle.csv", _moodle(learners, worth))
        self._write_feedback(learners, worth)
        summary = _summary(rows, learners, worth, notes)
        write_whole(self.folder / "summary.txt", summary.encode())
        for place in (self.folder, self._rows, self.folder / "feedback"):
            for part in place.glob("*.[0-9]*.part"):  # left by a grader that was killed
                part.unlink()
        _sync(self.folder)
        return summary

    def _write_feedback(self, learners: Sequence["_Learner"], worth: Mapping[str, int]) -> None:
        folder = self.folder / "feedback"
        folder.mkdir(exist_ok=True)
        pages = {}
        for learner in learners:
            pages[f"{learner.file}.md"] = _markdown(learner, worth)
            pages[f"{learner.file}.html"] = _html(learner, worth)
        for path in folder.iterdir():  # of a learner who has no result any more
            if path.name not in pages and re.search(r"-[0-9a-f]{12}\.(md|html)$", path.name):
                path.unlink()
        for name, page in pages.items():
            write_whole(folder / name, page.encode())


def clean(text: str) -> str:
    r"""Return text without what could act on a terminal or a page, and no longer than is read.

    Newlines and tabs stay; other control characters, terminal sequences and characters that turn
    the direction of text go. At most LINES lines and CHARACTERS characters are kept.

    Examples
    --------
    >>> clean("\x1b[31mshape\x1b[0m (3,\u202e 2)\r\n")
    'shape (3, 2)\n'
    """
    text = _INVISIBLE.sub("", _TERMINAL.sub("", _NEWLINE.sub("\n", text)))
    lines = text.split("\n")
    if len(lines) <= LINES and len(text) <= CHARACTERS:
        return text
    return "\n".join(lines[: LINES - 1])[: CHARACTERS - len(_CUT)] + _CUT


def gradescope(rows: Sequence[Row]) -> dict[str, Any]:
    """Return what a Gradescope autograder writes to results.json, for one learner's results.

    Parameters
    ----------
    rows : sequence of Row
        Results of one learner. The best answer to each question counts.

    Returns
    -------
    dict
        The content of results.json.

    Raises
    ------
    ValueError
        If the results are of several learners.

    References
    ----------
    https://gradescope-autograders.readthedocs.io/en/latest/specs/

    Examples
    --------
    >>> mark = Mark("forget-gate", 1, 2, "graded", "f is transposed.")
    >>> found = gradescope([Row("Ann", "ann.ipynb", "", "", "graded", "", (mark,))])
    >>> found["score"], found["tests"][0]["status"]
    (1, 'failed')
    """
    if len({row.learner for row in rows}) > 1:
        raise ValueError("rows must be of one learner, got several.")
    marks = _best(rows)
    said = [_said(row) for row in sorted(rows, key=lambda row: row.name)]
    return {
        "score": sum(mark.points for mark in marks.values()),
        "output": "\n".join(said) or "No submission was found.",
        "output_format": "text",
        "visibility": "visible",
        "tests": [
            {
                "name": _line(mark.question),
                "score": mark.points,
                "max_score": mark.out_of,
                "status": "passed" if mark.passed else "failed",
                "output": clean(mark.feedback) or _line(mark.status),
                "output_format": "text",
            }
            for mark in marks.values()
        ],
    }


@dataclass(frozen=True)
class _Learner:
    """A learner's submissions, and of each question the best mark."""

    learner: str
    rows: tuple[Row, ...]
    marks: dict[str, Mark]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "_Learner":
        rows = tuple(rows)
        return cls(rows[0].learner, rows, _best(rows))

    @property
    def shown(self) -> str:
        return _line(self.learner) or "(no name)"

    @property
    def numbers(self) -> list[str]:
        return sorted({_line(row.number) for row in self.rows} - {""})

    @property
    def number(self) -> str:
        """The number in the LMS; empty if in doubt, for a grade must not reach another learner."""
        return self.numbers[0] if len(self.numbers) == 1 else ""

    @property
    def points(self) -> int:
        return sum(mark.points for mark in self.marks.values())

    @property
    def grade(self) -> int | str:
        """The points, or empty if the learner would get fewer than is fair."""
        unfair = any(mark.status == "no sandbox" for mark in self.marks.values())
        return self.points if self.marks and not unfair else ""

    @property
    def status(self) -> str:
        return "; ".join(sorted({_line(row.status) for row in self.rows}))

    @property
    def file(self) -> str:
        """The name of the learner's feedback, without its suffix."""
        letters = unicodedata.normalize("NFKD", self.learner).encode("ascii", "ignore").decode()
        name = re.sub(r"[^A-Za-z0-9]+", "-", letters)[:40].strip("-")
        return f"{name or 'learner'}-{_digest(self.learner)[:12]}"

    def notes(self) -> list[str]:
        answered = Counter(
            mark.question
            for row in self.rows
            for mark in row.marks
            if mark.status != "not answered"
        )
        several = sorted(name for name, count in answered.items() if count > 1)
        notes = []
        if several:
            notes.append(
                f"{self.shown}: more than one submission answers {_some(several)}; the best counts."
            )
        if len(self.numbers) > 1:
            notes.append(
                f"{self.shown}: has several numbers, so none is used: {_some(self.numbers)}."
            )
        return notes


def _notes_on_numbers(learners: Sequence[_Learner]) -> list[str]:
    notes = []
    shared = Counter(learner.number for learner in learners if learner.number)
    for number in sorted(number for number, count in shared.items() if count > 1):
        names = [learner.shown for learner in learners if learner.number == number]
        notes.append(f"The number {number} belongs to several learners: {_some(names)}.")
    without = [learner.shown for learner in learners if not _is_participant(learner.number)]
    if 0 < len(without) < len(learners):
        notes.append(f"Not in moodle.csv, for want of a number: {_some(without)}.")
    ungraded = [learner.shown for learner in learners if learner.grade == ""]
    if ungraded:
        notes.append(f"No grade for an LMS, since not all could be graded: {_some(ungraded)}.")
    return notes


def _best(rows: Iterable[Row]) -> dict[str, Mark]:
    """Return the best mark of each question; of equal ones, one that was graded, then the first."""
    best: dict[str, Mark] = {}
    for row in sorted(rows, key=lambda row: row.name):
        for mark in row.marks:
            other = best.get(mark.question)
            if other is None or _rank(mark) > _rank(other):
                best[mark.question] = mark
    return best


def _rank(mark: Mark) -> tuple[int, bool, bool]:
    return mark.points, mark.status == "graded", mark.status != "not answered"


def _grades(learners: Sequence[_Learner], worth: Mapping[str, int]) -> bytes:
    total = sum(worth.values())
    lines: list[list[str | int]] = [
        ["learner", "number", "points", "out of", "status", *map(_line, worth)]
    ]
    for one in learners:
        marks = [one.marks[name].points if name in one.marks else "" for name in worth]
        lines.append([one.shown, one.number, one.points, total, one.status, *marks])
    return _csv(lines)


def _canvas(learners: Sequence[_Learner], worth: Mapping[str, int], title: str) -> bytes:
    """Return what Canvas's gradebook imports; it finds a student by ID, or else by name."""
    lines: list[list[str | int]] = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", _line(title)],
        ["    Points Possible", "", "", "", "", sum(worth.values())],
    ]
    lines += [[one.shown, one.number, "", "", "", one.grade] for one in learners]
    return _csv(lines)


def _moodle(learners: Sequence[_Learner], worth: Mapping[str, int]) -> bytes:
    """Return what Moodle imports as an offline grading worksheet.

    Moodle insists on the column with a date. As it's empty, a grade that somebody gave by hand is
    replaced only if the teacher ticks that box. Comments are HTML.
    """
    columns = "Identifier,Full name,Grade,Maximum Grade,Last modified (grade),Feedback comments"
    lines: list[list[str | int]] = [[*columns.split(",")]]
    for one in learners:
        if _is_participant(one.number):
            name = one.shown.replace("\\", "/").replace(
                '"', "'"
            )  # PHP reads \" as no end of a cell
            comment = "\n\n".join(
                f"{head}\n{text}".strip() for head, text in [("", _plain(one)), *_parts(one, worth)]
            )
            html_comment = f"<pre>{html.escape(comment)}</pre>"
            total = sum(worth.values())
            lines.append([f"Participant {one.number}", name, one.grade, total, "", html_comment])
    return _csv(lines)


def _is_participant(number: str) -> bool:
    return number.isascii() and number.isdigit()


def _csv(lines: Iterable[Iterable[str | int]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([_cell(cell) for cell in line] for line in lines)
    return file.getvalue().encode()


def _cell(cell: str | int) -> str | int:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _said(row: Row) -> str:
    """Return the line on a submission as a whole."""
    status = f"{_line(row.name)}: {_line(row.status)}"
    return f"{status}. {_line(row.sentence)}" if row.sentence else f"{status}."


def _plain(one: _Learner) -> str:
    return "\n".join(map(_said, one.rows))


def _parts(one: _Learner, worth: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return a heading and a text for each question that the learner's submissions hold."""
    parts = []
    for mark in (one.marks[name] for name in worth if name in one.marks):
        head = (
            f"{'✓' if mark.passed else '✗'} {_line(mark.question)}: {mark.points} of {mark.out_of}"
        )
        told = "" if mark.status == "graded" else f" ({_line(mark.status)})"
        parts.append((head + told, clean(mark.feedback)))
    return parts


def _markdown(one: _Learner, worth: Mapping[str, int]) -> str:
    """Return the feedback in Markdown; all that comes from elsewhere stands in code."""
    lines = [f"# {_code(one.shown)}", "", f"{one.points} of {sum(worth.values())} points", ""]
    lines += [_block(_plain(one)), ""]
    for head, text in _parts(one, worth):
        lines += [f"## {_code(head)}", ""] + ([_block(text), ""] if text.strip() else [])
    return "\n".join(lines)


def _code(line: str) -> str:
    ticks = "`" * (_longest_run(line) + 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`"


def _block(text: str) -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _html(one: _Learner, worth: Mapping[str, int]) -> str:
    name = html.escape(one.shown)
    lines = [f"<h1>{name}</h1>", f"<p>{one.points} of {sum(worth.values())} points</p>", "<ul>"]
    lines += [f"<li>{html.escape(_said(row))}</li>" for row in one.rows]
    lines.append("</ul>")
    for head, text in _parts(one, worth):
        lines.append(f"<h2>{html.escape(head)}</h2>")
        if text.strip():
            lines.append(f"<pre>{html.escape(text)}</pre>")
    return _PAGE.format(title=name, body="\n".join(lines))


def _summary(
    rows: Sequence[Row],
    learners: Sequence[_Learner],
    worth: Mapping[str, int],
    notes: Sequence[str],
) -> str:
    lines = [f"{_count(len(rows), 'submission')} of {_count(len(learners), 'learner')}"]
    statuses = Counter(_line(row.status) for row in rows)
    passed = Counter(m.question for one in learners for m in one.marks.values() if m.passed)
    width = max(map(len, [*statuses, *map(_line, worth)]), default=0)
    lines += [f"  {status:{width}} {statuses[status]:5}" for status in sorted(statuses)]
    if learners:
        points = [one.points for one in learners]
        mean, median = statistics.mean(points), statistics.median(points)
        total = sum(worth.values())
        lines.append(f"Points of {total}: mean {mean:.1f}, median {median:.1f}")
        lines.append("Questions, and how many learners passed")
        lines += [
            f"  {_line(name):{width}} {passed[name]:5} {100 * passed[name] / len(learners):4.0f} %"
            for name in worth
        ]
    if notes:
        lines += ["Notes", *(f"  {note}" for note in notes[:NOTES])]
    if len(notes) > NOTES:
        lines.append(f"  and {len(notes) - NOTES} more")
    return "\n".join(lines) + "\n"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(_line(name) for name in names[:most]) + more


def _line(text: str) -> str:
    """Return a text as one clean line."""
    return " ".join(clean(text).split())


def _digest(*texts: str) -> str:
    """Return a digest of texts; JSON states any of them, even a name that is no valid Unicode."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _short(run: Mapping[str, Any], key: str, most: int = 60) -> str:
    if key not in run:
        return "absent"
    text = json.dumps(run[key], sort_keys=True)
    return text if len(text) <= most else f"{text[:most]}..."


def _read_row(written: bytes) -> Row:
    """Return the row that a file states; ValueError if it is not exactly what a file should be."""
    content = _checked(Row, json.loads(written))
    marks = content["marks"]
    if not isinstance(marks, list) or len(marks) > MARKS:
        raise ValueError(f"marks must be a list of at most {MARKS}")
    if not re.fullmatch("([0-9a-f]{64})?", content["digest"]):
        raise ValueError("digest must be a SHA-256 in hexadecimal digits, or empty")
    row = Row(**{**content, "marks": tuple(map(_read_mark, marks))})
    if len({mark.question for mark in row.marks}) < len(row.marks):
        raise ValueError("a question has more than one mark")
    return row


def _read_mark(content: Any) -> Mark:
    mark = Mark(**_checked(Mark, content))
    if type(mark.points) is not int or type(mark.out_of) is not int:
        raise ValueError("points and out_of must be whole numbers")
    if not 0 <= mark.points <= mark.out_of <= 10**6:
        raise ValueError(f"points must be from 0 to out_of, got {mark.points} and {mark.out_of}")
    return mark


def _checked(kind: type[Row] | type[Mark], content: Any) -> dict[str, Any]:
    names = [field.name for field in fields(kind)]
    if not isinstance(content, dict) or sorted(content) != sorted(names):
        raise ValueError(
            f"a {kind.__name__.lower()} must have exactly the fields {', '.join(names)}"
        )
    for name in filter(LIMITS.__contains__, names):
        if not isinstance(content[name], str) or len(content[name]) > LIMITS[name]:
            raise ValueError(f"{name} must be a text of at most {LIMITS[name]} characters")
    return content


def _sync(folder: Path) -> None:
    """Make sure that a rename in the folder outlasts a power cut."""
    with suppress(OSError):  # Windows opens no folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
