"""What a learner has earned: saved in a small file, read from notebooks, and shown.

The file is ~/.lstm-course/progress.json. The environment variable LSTM_COURSE_PROGRESS can name
another one. If it's empty, nothing is written, and points last as long as the session.
"""

import contextlib
import html
import itertools
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from lstm_course.exercises.engine.feedback import Feedback, Question

VARIABLE = "LSTM_COURSE_PROGRESS"
UNSAVED = "What you earn lasts until this session ends."


class Entry(TypedDict):
    """Points earned, and the source of the answer that earned them (empty if it isn't known)."""

    points: int
    source: str


_session: dict[str, Entry] = {}  # what this session has earned, saved or not


class Loaded(NamedTuple):
    """What was earned, a sentence if the file has a problem, and whether it may be replaced."""

    entries: dict[str, Entry]
    note: str = ""
    replaceable: bool = True


def remember(feedback: Feedback, source: str) -> Feedback:
    """Remember points, and return the feedback with a note on what was earned before.

    Whatever happens to the file, the feedback comes back and no points are lost.
    """
    if feedback.passed:
        _session[feedback.name] = {"points": feedback.points, "source": source}
        with _locked():
            loaded = load()
            unsaved = _save(loaded.entries) if loaded.replaceable else UNSAVED
        return replace(feedback, note="\n".join(filter(None, [loaded.note, unsaved])))
    loaded = load()
    earned = loaded.entries.get(feedback.name)
    return replace(feedback, earlier=earned["points"] if earned else 0, note=loaded.note)


def load() -> Loaded:
    """Return what was earned, in the file or in this session."""
    path = _path()
    if path is None:
        return Loaded(dict(_session))
    try:
        saved = _entries(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Loaded(dict(_session))
    except OSError as error:
        note = f"Your earlier progress could not be read from {path} ({error.strerror})."
        return Loaded(dict(_session), note, replaceable=False)
    except (ValueError, RecursionError):
        return _set_aside(path)
    return Loaded({**saved, **_session})


def _path() -> Path | None:
    name = os.environ.get(VARIABLE)
    if name == "":
        return None
    try:
        return Path(name) if name else Path.home() / ".lstm-course" / "progress.json"
    except RuntimeError:  # no home directory
        return None


def _entries(content: Any) -> dict[str, Entry]:
    if not isinstance(content, dict) or not all(map(_is_entry, content.values())):
        raise ValueError
    return content


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("points")) is int
        and entry["points"] >= 0
        and isinstance(entry.get("source"), str)
    )


def _set_aside(path: Path) -> Loaded:
    """Keep a damaged file under another name, so that a new one can be started."""
    names = (path.with_name(f"{path.stem}.damaged-{k}{path.suffix}") for k in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    try:
        path.rename(kept)
    except OSError as error:
        note = f"The file {path} is damaged and could not be set aside ({error.strerror})."
        return Loaded(dict(_session), note, replaceable=False)
    note = f"The file {path} was damaged. It's been kept as {kept.name}, and a new one started."
    return Loaded(dict(_session), note)


def _save(entries: Mapping[str, Entry]) -> str:
    """Write the whole file or nothing; return a sentence if writing failed."""
    path = _path()
    if path is None:
        return ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(entries, file, indent=1)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        return f"Your progress could not be saved to {path} ({error.strerror}). {UNSAVED}"
    return ""


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Let one notebook at a time change the file, if the system supports that."""
    path = _path()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(open(path.with_suffix(".lock"), "w"))
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def points_in(path: str | os.PathLike[str], questions: Mapping[str, Question]) -> dict[str, int]:
    """Return the points that a notebook's stored outputs report.

    A learner's cell is recognized by its line `# EXERCISE: name`, because hosts drop metadata.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        cells = [(_text(cell["source"]), cell.get("outputs", [])) for cell in notebook["cells"]]
    except OSError as error:
        raise ValueError(f"the notebook {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is not a notebook, expected a saved .ipynb file") from None
    points: dict[str, int] = {}
    for source, outputs in cells:
        for name in re.findall(r"^ *# EXERCISE: *([\w-]+) *$", source, re.MULTILINE):
            if name not in questions:
                continue
            said = re.escape(name)
            form = rf"✓ {said}: (\d+) of|[✗–] {said}: .* earned earlier stays yours: (\d+)\."
            for told in re.findall(form, "\n".join(map(_shown, outputs))):
                reported = min(int(told[0] or told[1]), questions[name].points)
                points[name] = max(points.get(name, 0), reported)
    return points


def _text(lines: Any) -> str:
    return lines if isinstance(lines, str) else "".join(lines)


def _shown(output: Any) -> str:
    if not isinstance(output, dict):
        return ""
    data = output.get("data")
    return _text(output.get("text") or (data or {}).get("text/plain", ""))


@dataclass(frozen=True, repr=False)
class Progress:
    """Which questions are done, as text and as a picture.

    `earned` maps the name of a question to its points; questions that aren't in it aren't done.
    `rungs` maps a chapter's title to its questions.
    """

    earned: Mapping[str, int]
    rungs: Mapping[str, Sequence[Question]]
    note: str = ""

    @property
    def questions(self) -> list[Question]:
        """All questions, in the chapters' order."""
        return [question for rung in self.rungs.values() for question in rung]

    @property
    def points(self) -> int:
        """The points earned so far."""
        return sum(self.earned.get(question.name, 0) for question in self.questions)

    @property
    def out_of(self) -> int:
        """The total number of points available."""
        return sum(question.points for question in self.questions)

    def __repr__(self) -> str:
        lines = [f"{self.points} of {self.out_of} points"]
        for title, points, out_of, questions in self._rungs():
            bar = "█" * round(10 * points / out_of)
            marks = self._marks(questions)
            lines.append(f"  {title:<20}{bar:░<10} {points:>2} of {out_of:>2}   {marks}")
        return "\n".join([*lines, *filter(None, [self.note])])

    def _repr_html_(self) -> str:
        """Return the ladder as inline SVG, in the page's text colour."""
        rows = []
        for row, (title, points, out_of, questions) in enumerate(self._rungs()):
            y = 44 + 42 * row
            marks = self._marks(questions).replace("  ", "\u2003")
            rows.append(
                f'<text x="0" y="{y}">{html.escape(title)}</text>'
                f'<rect x="180" y="{y - 12}" width="240" height="14" rx="3" opacity="0.15"/>'
                f'<rect x="180" y="{y - 12}" width="{240 * points / out_of:.0f}" height="14" '
                f'rx="3" opacity="0.75"/>'
                f'<text x="430" y="{y}">{points} of {out_of}</text>'
                f'<text x="180" y="{y + 17}" font-size="11">{marks}</text>'
            )
        alt = f"Graded exercises: {self.points} of {self.out_of} points."
        picture = (
            f'<svg role="img" aria-label="{alt}" viewBox="0 0 620 {34 + 42 * len(rows)}" '
            'style="width: 100%; max-width: 40em; height: auto" fill="currentColor" '
            'font-family="sans-serif" font-size="14" xmlns="http://www.w3.org/2000/svg">'
            f'<text x="0" y="14" font-weight="bold">{self.points} of {self.out_of} points</text>'
            f"{''.join(rows)}</svg>"
        )
        return picture + (f"<p>{html.escape(self.note)}</p>" if self.note else "")

    def _marks(self, questions: Sequence[Question]) -> str:
        return "  ".join(f"{'✓' if q.name in self.earned else '·'} {q.name}" for q in questions)

    def _rungs(self) -> Iterator[tuple[str, int, int, Sequence[Question]]]:
        """Return each chapter's title, points earned, points available, and questions."""
        for title, questions in self.rungs.items():
            earned = sum(self.earned.get(question.name, 0) for question in questions)
            yield title, earned, sum(question.points for question in questions), questions
