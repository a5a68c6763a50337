"""Which of certain functions an answer calls, under whatever name and through whatever helper."""

import contextlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

import lstm_course
from lstm_course.exercises.engine.feedback import call

Watched = Callable[..., Any]

SILENCERS: tuple[Watched, ...] = (
    np.errstate,
    np.seterr,
    warnings.catch_warnings,
    warnings.simplefilter,
    warnings.filterwarnings,
)
"""These silence NumPy's warnings. Libraries may use them internally; an answer may not."""

_watches: list[tuple[Sequence[Watched], list[Watched]]] = []  # the running ones

HANDING_ON = ("contextlib", "functools", np.errstate.__call__.__globals__["__name__"])
LIBRARIES = ("numpy", "scipy", "torch", "warnings", "lstm_course")
"""Callers that aren't the learner's code."""


@contextlib.contextmanager
def watching(functions: Sequence[Watched]) -> Iterator[list[Watched]]:
    """Collect those functions or classes that a learner's code calls in the block.

    A package function counts even if another package function calls it for the learner, but not if
    the exam calls it, in a function that it passes to the answer.

    Examples
    --------
    >>> from lstm_course import sigmoid, tanh
    >>> with watching([sigmoid, tanh]) as called:
    ...     _ = call(sigmoid, {"x": np.zeros(2)})
    >>> [name_of(function) for function in called]
    ['lc.sigmoid']
    """
    watched = {id(code): function for function in functions for code in _codes(function)}
    called: list[Watched] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        function = watched.get(id(frame.f_code)) if event == "call" else None
        if function is not None and function not in called and _is_learners(frame, function):
            called.append(function)

    before = sys.getprofile()
    sys.setprofile(profile)
    _watches.append((functions, called))
    try:
        yield called
    finally:
        _watches.pop()
        sys.setprofile(before)


def report(function: Watched) -> None:
    """Count a call that a learner's code has made elsewhere."""
    for functions, called in _watches:
        if function in functions and function not in called:
            called.append(function)


def is_of_the_package(answer: object) -> bool:
    """Return whether an answer is one of the package's own functions.

    Examples
    --------
    >>> from functools import partial
    >>> is_of_the_package(partial(lstm_course.tanh)), is_of_the_package(np.tanh)
    (True, False)
    """
    while callable(inner := getattr(answer, "func", getattr(answer, "__func__", None))):
        answer = inner  # of a partial function, or of a method
    return _in_the_package(getattr(answer, "__module__", None) or "")


def name_of(function: Watched) -> str:
    """Return a function's name as a learner would write it."""
    name = function.__qualname__
    if getattr(lstm_course, name, None) is function:
        return f"lc.{name}"
    module = "np" if function.__module__ == "numpy" else function.__module__
    package = module.rpartition(".")[0]
    if getattr(sys.modules.get(package), name, None) is function:
        module = package  # which exports it
    return f"{module}.{name}".replace("lstm_course.", "lc.")


def _in_the_package(module: str) -> bool:
    return module.startswith("lstm_course.") and not module.startswith("lstm_course.exercises")


def _codes(function: Watched) -> Iterator[CodeType]:
    """Return the code of a function, or of a class's methods, and of what they define."""
    if inspect.isclass(function):
        for method in vars(function).values():
            if isinstance(method, FunctionType):
                yield from _codes(method)
        return
    codes = [inspect.unwrap(getattr(function, "__func__", function)).__code__]
    while codes:
        yield (code := codes.pop())
        codes += [one for one in code.co_consts if isinstance(one, CodeType)]


def _is_learners(frame: FrameType, function: Watched) -> bool:
    """Return whether the call that made a frame is the learner's own, or made on their behalf."""
    of_package = is_of_the_package(function)
    decorated = getattr(frame.f_locals.get("func"), "__module__", None) or ""
    if function in SILENCERS and decorated.partition(".")[0] in LIBRARIES:
        return False
    caller = frame.f_back
    while caller is not None:
        if caller.f_code is call.__code__:
            return True
        module = caller.f_globals.get("__name__") or ""
        if not (module in HANDING_ON or (of_package and _in_the_package(module))):
            return module.partition(".")[0] not in LIBRARIES
        caller = caller.f_back
    return False
