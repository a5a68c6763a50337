"""What a check says, and how it runs a learner's function without being hurt by it."""

import contextlib
import io
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_course._checks import Array

SECONDS = 10.0
"""How long one call of a learner's function may take."""


class WrongAnswer(Exception):
    """Carries the sentence that says what is wrong with an answer."""


class NotAnswered(Exception):
    """The answer is still the stub."""


class Stopped(BaseException):
    """Ends a check at once. No `except Exception` in a learner's function catches it."""


@dataclass(frozen=True)
class Feedback:
    """The result of a check: points, and a sentence or two."""

    name: str
    points: int
    out_of: int
    message: str
    answered: bool = True

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.points == self.out_of

    def __repr__(self) -> str:
        if self.answered:
            mark = "✓" if self.passed else "✗"
            head = f"{mark} {self.name}: {self.points} of {self.out_of} points."
        else:
            head = f"– {self.name}: not answered yet ({self.out_of} points)."
        return "\n  ".join([head, *self.message.splitlines()])


_running = False  # whether a learner's function is being called


@dataclass(frozen=True)
class Question:
    """One question of an exercise.

    `examine` returns what to say to a right answer, or raises WrongAnswer or NotAnswered.
    """

    name: str
    points: int
    examine: Callable[[Any], str]

    def check(self, answer: object) -> Feedback:
        """Examine an answer and say the result."""
        if _running:
            raise Stopped("lc.check stands inside your function. Move it out, to the left margin.")
        try:
            return Feedback(self.name, self.points, self.points, self.examine(answer))
        except NotAnswered as stub:
            return Feedback(self.name, 0, self.points, str(stub), answered=False)
        except (WrongAnswer, Stopped) as wrong:
            return Feedback(self.name, 0, self.points, str(wrong))


def call(function: Callable[..., object], arguments: Mapping[str, Array]) -> object:
    """Call a learner's function on copies of the arguments, in silence and within a time limit.

    Raises WrongAnswer if it raises or changes one of its arguments, Stopped if it does not end,
    NotAnswered if it returns None or raises NotImplementedError.
    """
    global _running
    copies = {name: array.copy() for name, array in arguments.items()}
    _running = True
    try:
        with _quiet(), _time_limit():
            result = function(*copies.values())
    except NotImplementedError:
        raise NotAnswered from None
    except (Stopped, KeyboardInterrupt):
        raise
    except BaseException as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arguments.items())
        raise WrongAnswer(
            f"Your function raised {_describe(error)}\nIt was called with {shapes}."
        ) from None
    finally:
        _running = False
    if result is None or result is Ellipsis:
        raise NotAnswered("Your function returns None. If it computes something, return it.")
    for name, array in arguments.items():
        if not np.array_equal(copies[name], array):
            raise WrongAnswer(
                f"Your function changes {name} in place, and its caller still needs the old values."
            )
    return result


def as_array(result: object, shape: tuple[int, ...], meaning: str) -> Array:
    """Return a learner's result as an array of the expected shape, or say what came instead."""
    if isinstance(result, tuple):
        raise WrongAnswer(f"Expected one array {meaning}, got a tuple of {len(result)}.")
    try:
        with _quiet(), _time_limit():
            array = np.array(result)  # a copy, since a function may use its result again
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        came = type(result).__name__
        if isinstance(result, np.ndarray):
            came = f"an array of dtype {array.dtype}"
        raise WrongAnswer(f"Expected an array of real numbers {meaning}, got {came}.")
    if array.shape != shape:
        lost = len(shape) > 1 and array.shape == shape[1:]
        raise WrongAnswer(
            f"Expected an array {meaning}, here {shape}, got shape {array.shape}."
            + "\nThe axis of the sequences is lost: one sequence is a batch of N = 1." * lost
        )
    return array


def _describe(error: BaseException) -> str:
    """Return an error's kind, text and line in the learner's function, none of them trusted."""
    try:
        text = str(error)[:300]
    except Exception:
        text = ""
    frames = traceback.extract_tb(error.__traceback__)[1:2]  # the first frame is `call`
    line = f"\nin the line: {frames[0].line}" if frames and frames[0].line else ""
    return type(error).__name__ + (f": {text}" if text else "") + line


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    # An alarm can only be set in the main thread, where notebooks run their cells.
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def stop(*_: object) -> None:
        raise Stopped(f"Your function did not end within {SECONDS:g} seconds.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
