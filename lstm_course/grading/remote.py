"""A learner's function that runs in the sandbox, as an exam outside calls it."""

import contextlib
import inspect
import linecache
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lstm_course.exercises.engine import products
from lstm_course.exercises.engine.feedback import Raised, Stopped
from lstm_course.exercises.engine.watching import SILENCERS, name_of, report
from lstm_course.grading.sandbox import Ended, Guest
from lstm_course.grading.wire import Handle, Malformed, Opaque

REFUSED = (
    "Your answer calls {}, which is not allowed here: it does what you're meant to write yourself."
)
MOST_TEXT = 200
"""How long a text in an answer may be: NumPy makes an array of texts as wide as the longest."""
MOST_NUMBERS = 1_000_000
"""How many numbers a function of the grader's is given, since its time is the grader's."""


class Conversation:
    """What a guest and the grader say to each other about one question."""

    def __init__(self, guest: Guest, forbidden: Iterable[Callable[..., Any]] = ()) -> None:
        self._guest = guest
        self._forbidden = {f"{one.__module__}.{one.__qualname__}" for one in forbidden}
        self._own: list[Callable[..., Any]] = []
        self.refused = ""  # what the answer called that the question does not allow

    def answer_to(self, question: str, cells: list[str]) -> tuple[Any, bool, list[str]]:
        """Have the cells run; return the answer, whether there is one, and remarks."""
        said = self._guest.hear()
        if said["say"] != "ready":
            self._guest.end()
            raise Ended("crashed")
        self._send({"question": question, "cells": cells})
        said = self._guest.hear()
        remarks = _sequence(said.get("remarks"))
        if said["say"] != "answer":
            self._guest.end()
            raise Ended("crashed")
        answer = self._local(said.get("answer"))
        if said.get("called") is not True:
            remarks.insert(0, f"No cell that could be run calls lc.check for {question}.")
        return answer, said.get("found") is True, list(map(str, remarks[:20]))

    def beside(self, function: Callable[..., Any], answer: "Remote") -> Callable[..., Any]:
        """Return a function that has the guest call one of the package's with an answer."""
        job = {"function": answer._number, "beside": (function.__module__, function.__name__)}
        return lambda *arguments: self._done({**job, "arguments": arguments})

    def call(self, number: int, arguments: tuple[Any, ...]) -> Any:
        """Have the guest call a function of its own; return the result, or raise its error."""
        return self._done({"function": number, "arguments": arguments})

    def _done(self, job: dict[str, Any]) -> Any:
        """Have the guest do a job."""
        self._send(job)
        arguments = job["arguments"]
        while (said := self._guest.hear())["say"] == "ask":
            self._compute(said)
        for key, value in _mapping(said.get("changed")).items():
            if key.isdecimal() and len(key) < 4 and int(key) < len(arguments):
                _overwrite(arguments[int(key)], value)
        if isinstance(printed := said.get("printed"), str):
            print(printed, end="")
        for k, one in enumerate(_sequence(said.get("warnings"))[:10]):
            _warn(k, *(str(part)[:300] for part in _sequence(one)[:3]))
        for name in map(str, _sequence(said.get("silenced"))[:3]):
            for function in SILENCERS:
                if name in (f"{function.__module__}.{function.__name__}", name_of(function)):
                    report(function)
        for one in _sequence(said.get("products")):
            origins, count = one if isinstance(one, list) and len(one) == 2 else ((), 0)
            if type(count) is int:
                products.report(frozenset(map(str, _sequence(origins))), count)
        if said["say"] == "error":
            name, text, line = (str(said.get(key, ""))[:500] for key in ("type", "text", "line"))
            raise self._error(name, text, line, said.get("asked") is True)
        if said["say"] != "result":
            self._guest.end()
            raise Ended("crashed")
        return self._local(said.get("result"))

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._guest.reply(message, self._handle)
        except Malformed:
            self._guest.end()
            raise Ended("crashed") from None

    def _handle(self, function: Callable[..., Any]) -> Handle:
        if isinstance(function, Remote):
            raise Malformed("a function of the learner's cannot be handed back")
        self._own.append(function)
        return Handle(len(self._own) - 1, getattr(function, "__name__", ""))

    def _compute(self, said: dict[str, Any]) -> None:
        """Call a function that was passed to the learner's, and send what it returns."""
        number, arguments = said.get("function"), said.get("arguments")
        if type(number) is not int or not 0 <= number < len(self._own):
            self._guest.end()
            raise Ended("crashed")
        if _numbers(arguments) > MOST_NUMBERS:
            self._send({"error": "ValueError", "text": f"more than {MOST_NUMBERS:,} numbers"})
            return
        try:
            value = self._own[number](*map(self._local, _sequence(arguments)))
        except (Stopped, Ended):
            raise
        except Exception as error:
            self._send({"error": type(error).__name__, "text": str(error)[:300]})
            return
        self._send({"value": value})

    def _local(self, value: Any) -> Any:
        """Return a value with a function in place of each handle."""
        if isinstance(value, list | tuple):
            return type(value)(map(self._local, value))
        if isinstance(value, dict):
            return {key: self._local(one) for key, one in value.items()}
        if isinstance(value, str):
            return value[:MOST_TEXT]
        if isinstance(value, Opaque):
            return type(value.kind, (), {})() if value.kind.isidentifier() else value
        return Remote(self, value) if isinstance(value, Handle) else value

    def _error(self, name: str, text: str, line: str, asked: bool) -> Exception:
        for one in (text, text.rpartition(".")[0]):  # a function, or the class of a method
            if name == "Refused" and one in self._forbidden:
                self.refused = one
        if name == "NotImplementedError":
            return NotImplementedError(text)
        return Raised(name, text, line, asked)


class Remote:
    """A function in the sandbox."""

    def __init__(self, conversation: Conversation, handle: Handle) -> None:
        self._conversation, self._number = conversation, handle.number
        self.__name__, self.__module__ = handle.name, handle.module
        if handle.parameters is not None:
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            with contextlib.suppress(ValueError, TypeError, IndexError):
                self.__signature__ = inspect.Signature(
                    [
                        inspect.Parameter(
                            name,
                            kind,
                            default=inspect.Parameter.empty if k < handle.required else None,
                        )
                        for k, name in enumerate(handle.parameters)
                    ]
                )

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self._conversation.call(self._number, arguments)

    def __deepcopy__(self, memo: Any) -> "Remote":
        return self


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _numbers(value: Any) -> int:
    """Return how many numbers the arrays in a value hold."""
    if isinstance(value, list | tuple | dict):
        return sum(map(_numbers, value.values() if isinstance(value, dict) else value))
    return value.size if isinstance(value, np.ndarray) else 1


def _overwrite(old: Any, new: Any) -> bool:
    """Change an argument as the learner's function has changed its copy; return if it can be."""
    if isinstance(new, Handle):
        return True  # a function does not change
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            return False
        old[...] = new
        return True
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return sum(_overwrite(one, other) for one, other in pairs) == len(old)  # all are tried
    if isinstance(old, list) and isinstance(new, list):
        kept = zip(old, new, strict=False)
        old[:] = [a if _overwrite(a, b) else b for a, b in kept] + new[len(old) :]
        return True
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() - new.keys():
            del old[key]
        old |= {k: old[k] if k in old and _overwrite(old[k], v) else v for k, v in new.items()}
        return True
    return False


def _warn(k: int, category: str = "", text: str = "", line: str = "") -> None:
    """Give a warning of NumPy's again, with the line that it came from."""
    if category == "RuntimeWarning":
        file = f"<warning {k} of an answer>"
        linecache.cache[file] = (len(line), None, [line], file)
        warnings.warn_explicit(text[:300], RuntimeWarning, file, 1)
