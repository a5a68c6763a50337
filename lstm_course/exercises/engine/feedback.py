"""What a check says, and how it runs a learner's function safely."""

import contextlib
import copy
import io
import signal
import threading
import traceback
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstm_course._checks import Array

REPOSITORY = "https://github.com/lstm-course/lstm-course"
SECONDS = 10.0
"""How long one call of a learner's function may take."""
PRINTED = (6, 500)
"""How many lines and characters of a learner's printed output are shown."""
CHECKS = Path(__file__).parent.parent
"""The folder of the question banks; the engine has its own folder inside."""


class WrongAnswer(Exception):
    """Carries the sentence that says what is wrong with an answer, and an input that shows it."""

    def __init__(self, sentence: str, example: str = "") -> None:
        super().__init__(sentence)
        self.example = example


class NotAnswered(Exception):
    """The answer is still the stub."""


class Stopped(BaseException):
    """Ends a check at once. No `except Exception` in a learner's function catches it."""


class Raised(Exception):
    """An error that a learner's function has raised elsewhere.

    `name` and `line` are those of the error there; `passed_on` says that a function raised it
    which was passed to the learner's.
    """

    def __init__(self, name: str, text: str, line: str = "", passed_on: bool = False) -> None:
        super().__init__(text)
        self.name, self.line, self.passed_on = name, line, passed_on


@dataclass(frozen=True)
class Feedback:
    """The result of a check: points, and a sentence or two.

    `example` is an input on which the answer is wrong, if the message names a mistake; `printed` is
    what the answer printed when first called. `earlier` counts the points of an earlier answer, if
    this one earns none; `note` says what couldn't be saved. `others` is the address of other right
    answers.
    """

    name: str
    points: int
    out_of: int
    message: str
    answered: bool = True
    earlier: int = 0
    note: str = ""
    example: str = ""
    printed: str = ""
    others: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.points == self.out_of

    def __repr__(self) -> str:
        worth = f"{self.out_of} point" + "s" * (self.out_of != 1)
        if self.answered:
            head = f"{'✓' if self.passed else '✗'} {self.name}: {self.points} of {worth}."
        else:
            head = f"– {self.name}: not answered yet ({worth})."
        if self.earlier:
            head += f" What was earned earlier stays yours: {self.earlier}."
        lines = [*self.message.splitlines(), *self.example.splitlines()]
        lines += [*self._lines_printed(), *self.note.splitlines()]
        if self.others:
            lines.append(f"Other right answers, to compare with yours: {self.others}")
        return "\n  ".join([head, *lines])

    def _lines_printed(self) -> list[str]:
        if not self.printed.strip():
            return []
        most, characters = PRINTED
        lines = self.printed[:characters].splitlines()[:most]
        if len("\n".join(lines)) < len(self.printed.rstrip()):
            lines.append("...")
        return ["Your function printed:", *(f"  {line}" for line in lines)]


class Exam(ABC):
    """What a right answer must do, and the known mistakes.

    `mistakes` maps each sentence to the wrong answers that get it.
    """

    mistakes: Mapping[str, tuple[Any, ...]]

    @abstractmethod
    def examine(self, answer: Any) -> str:
        """Return what to say to a right answer; raise WrongAnswer or NotAnswered."""


_running = False  # whether a learner's function is being called
_printed: str | None = None  # what it printed in the first call of a check


@dataclass(frozen=True)
class Question:
    """One question of an exercise, with hints from weak to strong."""

    name: str
    points: int
    hints: tuple[str, str, str]
    exam: Exam

    def check(self, answer: object) -> Feedback:
        """Examine an answer and return the feedback."""
        if _running:
            raise Stopped("lc.check is inside your function. Move it out, to the left margin.")
        global _printed
        _printed = None
        return replace(self._examined(answer), printed=_printed or "")

    def _examined(self, answer: object) -> Feedback:
        try:
            return Feedback(self.name, self.points, self.points, self.exam.examine(answer))
        except NotAnswered as stub:
            return Feedback(self.name, 0, self.points, str(stub), answered=False)
        except WrongAnswer as wrong:
            return Feedback(self.name, 0, self.points, str(wrong), example=wrong.example)
        except Stopped as stop:
            return Feedback(self.name, 0, self.points, str(stop))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return Feedback(
                self.name,
                0,
                self.points,
                "The check itself failed, so this says nothing about your answer: "
                f"{type(error).__name__}: {error} ({Path(where.filename).name}, line "
                f"{where.lineno}). Please report it at {REPOSITORY}.",
            )


def call(
    function: Callable[..., object], arguments: Mapping[str, Any]
) -> tuple[object, list[warnings.WarningMessage]]:
    """Call a learner's function on copies of the arguments, silently and within a time limit.

    Returns the result, and NumPy's warnings of an overflow, a division by 0 or an invalid value.
    Raises WrongAnswer if the function raises an error or changes one of its arguments, Stopped if
    it doesn't finish in time, NotAnswered if it returns None or raises NotImplementedError.
    """
    global _running, _printed
    copies = {name: copy.deepcopy(value) for name, value in arguments.items()}
    _running, out = True, io.StringIO()
    try:
        with quiet(out) as caught, time_limit("Your function"):
            result = function(*copies.values())
    except NotImplementedError:
        raise NotAnswered from None
    except (Stopped, KeyboardInterrupt):
        raise
    except BaseException as error:
        given = ", ".join(f"{name} {sketch(value)}" for name, value in arguments.items())
        raise WrongAnswer(f"{_raised(error)}\nIt was called with {given}.") from None
    finally:
        _running = False
        _printed = out.getvalue() if _printed is None else _printed
    if result is None or result is Ellipsis:
        raise NotAnswered("Your function returns None. If it computes something, return it.")
    for name, value in arguments.items():
        if not _same(copies[name], value):
            raise WrongAnswer(
                f"Your function changes {name} in place, but its caller still needs the old values."
            )
    return result, [one for one in caught if issubclass(one.category, RuntimeWarning)]


def as_array(result: object, shape: tuple[int, ...], meaning: str) -> Array:
    """Return a learner's result as an array of the expected shape, or say what came instead.

    `meaning` names what is expected, such as "of shape (N, H)" or "c of shape (N, H)".
    """
    if shape:
        expected, real = f"an array {meaning}", f"an array of real numbers {meaning}"
    else:
        expected = real = f"{meaning} as one number" if meaning else "one number"
    if isinstance(result, tuple):
        raise WrongAnswer(f"Expected {expected}, got a tuple of {len(result)}.")
    try:
        with quiet(), time_limit("Reading your result"):
            array = np.array(result)  # a copy, because a function may use its result again
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        came = type(result).__name__
        if isinstance(result, np.ndarray):
            came = f"an array of dtype {array.dtype}"
        raise WrongAnswer(f"Expected {real}, got {came}.")
    if array.shape != shape:
        here = f", here {shape}" if shape else ""
        raise WrongAnswer(f"Expected {expected}{here}, got shape {array.shape}.")
    return array


def sketch(value: object) -> str:
    """Return an argument in a few words: an array by its shape, a list by its length."""
    if isinstance(value, np.ndarray):
        return str(value.shape)
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a function" if callable(value) else repr(value)[:40]


def _same(one: object, other: object) -> bool:
    if isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) and np.array_equal(
            one, other, equal_nan=other.dtype.kind == "f"
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in other)
    return one is other or bool(one == other)


def _raised(error: BaseException) -> str:
    """Say who raised an error, its type, text and line, without trusting any of them."""
    try:
        text = str(error)[:300]
    except Exception:
        text = ""
    name = error.name if isinstance(error, Raised) else type(error).__name__
    what = name + (f": {text}" if text else "")
    if isinstance(error, Raised):
        whose = "A function that was passed to yours" if error.passed_on else "Your function"
        return f"{whose} raised {what}" + (f"\nin the line: {error.line}" if error.line else "")
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first belongs to `call`
    is_own = [CHECKS in Path(frame.filename).parents for frame in frames]
    if frames and all(is_own):
        return (
            f"The check itself raised {what}, not a line of yours: either it can't use what your "
            "function returns, or it has a bug."
        )
    lines = [frame.line for frame, own in zip(frames, is_own, strict=True) if not own]
    line = f"\nin the line: {lines[0]}" if lines and lines[0] else ""
    if frames and is_own[-1]:
        return f"A function that was passed to yours raised {what}{line}"
    return f"Your function raised {what}{line}"


@contextlib.contextmanager
def quiet(out: io.StringIO | None = None) -> Iterator[list[warnings.WarningMessage]]:
    """Send what the block prints to `out`, show none of it, and collect its warnings."""
    out = io.StringIO() if out is None else out
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        np.errstate(all="warn", under="ignore"),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        yield caught


@contextlib.contextmanager
def time_limit(what: str, seconds: float | None = None) -> Iterator[None]:
    """Raise Stopped if the block doesn't finish in time; `what` begins the sentence."""
    seconds = seconds or SECONDS
    # An alarm can only be set in the main thread, where notebooks run their cells.
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def stop(*_: object) -> None:
        raise Stopped(f"{what} did not finish within {seconds:g} seconds.")

    before = signal.signal(signal.SIGALRM, stop)
    outer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *outer)
        signal.signal(signal.SIGALRM, before)
