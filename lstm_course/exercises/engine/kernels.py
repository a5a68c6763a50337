"""Triton kernels, examined in Triton's interpreter.

Triton decides when a kernel is defined whether its interpreter will run it, and it defines its own
functions on import. So kernels are launched from their source, in a process started with
TRITON_INTERPRET=1. The process is kept from check to check. If a kernel hangs or reads outside
allocated memory, that process ends, not the learner's.
"""

import ast
import atexit
import importlib.util
import inspect
import itertools
import json
import linecache
import os
import select
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import IO, Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine import launching
from lstm_course.exercises.engine.feedback import (
    Exam,
    NotAnswered,
    Raised,
    Stopped,
    WrongAnswer,
    call,
)
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.trials import kind

SECONDS = 60.0
"""How long one launch may take, including the start of the process."""
_numbers = itertools.count()

MISSING = (
    "This check needs PyTorch and Triton, and at least one of them isn't installed here. Triton "
    "runs on Linux; pip install torch triton installs both."
)
NO_KERNEL = (
    "Your function isn't a kernel yet: decorate it with triton.jit, in the line above its def."
)
CRASHED = (
    "Your kernel read or wrote outside allocated memory: an address is far off, or a load or a "
    "store has no mask."
)
NOTHING = "Your kernel stores nothing."


@dataclass(frozen=True)
class Source:
    """A kernel as text, followed by its check: this process doesn't need Triton to examine it."""

    text: str


class Launched:
    """A kernel as a function of arrays: it returns what was stored, and how much was stray."""

    def __init__(self, launch: Callable[..., Any], parameters: Sequence[str] | None) -> None:
        self._launch = launch
        if parameters is not None:
            positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
            self.__signature__ = inspect.Signature(
                [inspect.Parameter(name, positional) for name in parameters]
            )

    def __call__(self, *arguments: Any) -> Any:
        """Launch the kernel."""
        seen = self._launch(*arguments)
        if not seen["stored"]:
            raise NotImplementedError
        return seen["c"], seen["h"], seen["stray"]


@cache
def _remembered(text: str, question: str) -> Launched:
    """Return a wrong kernel of a bank, which is launched once for the same arguments."""
    launch = partial(_ask, "launch", text, question)
    seen: dict[bytes, Any] = {}

    def remembering(*arguments: Any) -> Any:
        key = b"".join(np.asarray(one).tobytes() for one in arguments)
        if key not in seen:
            seen[key] = launch(*arguments)
        return seen[key]

    return Launched(remembering, None)


def _kernel_of(text: str, question: str) -> Any:
    """Run a source and return what it passes to lc.check."""
    import lstm_course
    from lstm_course.exercises import PRELUDE

    found: list[Any] = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(PRELUDE, namespace)
    file = f"{launching.FILE}{next(_numbers)}>"  # unique, so that its lines can be looked up
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    kept = lstm_course.__dict__.get("check")
    lstm_course.__dict__["check"] = lambda name, answer: found.append((name, answer))
    try:
        exec(compile(text, file, "exec"), namespace)
    finally:
        if kept is None:
            del lstm_course.__dict__["check"]
        else:
            lstm_course.__dict__["check"] = kept
    return next(answer for name, answer in found if name == question)


_process: "subprocess.Popen[str] | None" = None


def _ask(what: str, text: str, question: str, *arguments: Any) -> Any:
    """Have the process with the interpreter do something beside the kernel in a source.

    Raises Stopped if it ends before it answers, and Raised for an error in the kernel.
    """
    global _process
    if _process is None or _process.poll() is not None:
        _process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            env={
                **os.environ,
                "TRITON_INTERPRET": "1",
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "OMP_NUM_THREADS": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    requests, answers = _process.stdin, _process.stdout
    assert requests is not None
    assert answers is not None
    try:
        requests.write(json.dumps([what, text, question, arguments], default=_packed) + "\n")
        requests.flush()
        if not select.select([answers], [], [], SECONDS)[0]:
            raise Stopped(f"Your kernel did not finish within {SECONDS:g} seconds.")
        reply = json.loads(answers.readline(), object_hook=_unpacked)
    except (OSError, ValueError):
        _end()
        raise Stopped(CRASHED) from None
    except BaseException:
        _end()
        raise
    if "stopped" in reply:
        raise Stopped(reply["stopped"])
    if "raised" in reply:
        raise Raised(*reply["raised"])
    return reply["value"]


def _packed(array: Array) -> dict[str, Any]:
    """Return an array as JSON knows it."""
    return {"dtype": str(array.dtype), "shape": array.shape, "bytes": array.tobytes().hex()}


def _unpacked(content: dict[str, Any]) -> Any:
    """Return the array that was packed, and anything else as it is."""
    if content.keys() != {"dtype", "shape", "bytes"}:
        return content
    array = np.frombuffer(bytes.fromhex(content["bytes"]), content["dtype"])
    return array.reshape(content["shape"]).copy()


@atexit.register
def _end() -> None:
    global _process
    process, _process = _process, None
    if process is not None:
        process.kill()
        process.wait()
        pipes: tuple[IO[str] | None, ...] = (process.stdin, process.stdout)
        for pipe in pipes:
            if pipe is not None:
                pipe.close()


def serve() -> None:
    """Answer requests in the other process, one line of JSON each, until there are no more."""
    import torch  # noqa: F401, since the time limit of a call is too short for the import
    import triton  # noqa: F401

    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a kernel prints isn't an answer
    kernel_of = cache(_kernel_of)
    for line in sys.stdin:
        what, text, question, arguments = json.loads(line, object_hook=_unpacked)
        try:
            kernel = kernel_of(text, question)
        except BaseException as error:
            said = traceback.format_exception_only(error)[-1].strip()
            reply = {"stopped": f"Your cell could not be run on its own: {said}"}
        else:
            reply = _done(getattr(launching, what), kernel, arguments)
        out.write(json.dumps(reply, default=_packed) + "\n")
        out.flush()


def _done(function: Callable[..., Any], kernel: Any, arguments: list[Any]) -> dict[str, Any]:
    """Call a function with a kernel; return its result, or the error in the kernel."""
    try:
        return {"value": function(kernel, *arguments)}
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [one.line for one in frames if one.filename.startswith(launching.FILE)]
        return {"raised": [type(error).__name__, str(error)[:300], lines[0] if lines else ""]}


@dataclass(frozen=True)
class KernelExam(Exam):
    """Whether a Triton kernel stores what the equations say.

    Parameters
    ----------
    question
        The name under which a source passes its kernel to `lc.check`.
    launched
        The exam of the kernel as a function of arrays. Its mistakes are the ones below.
    mistakes
        Sentences, each with wrong kernels as `Source`.
    beside
        How the functions of `launching` get to run next to a kernel: None for a process of this
        machine, which runs its source.
    """

    question: str
    launched: FunctionExam
    mistakes: Mapping[str, tuple[Any, ...]]
    beside: Callable[..., Callable[..., Any]] | None = None

    def examine(self, answer: Any) -> str:
        """Examine a kernel; return what to say to a right one."""
        if answer is None or answer is Ellipsis:
            raise NotAnswered
        if not isinstance(answer, Source) and not callable(getattr(answer, "fn", answer)):
            raise WrongAnswer(
                f"Expected your kernel {self.launched.name} itself, got {kind(answer)}."
            )
        if not all(importlib.util.find_spec(name) for name in ("torch", "triton")):
            raise NotAnswered(MISSING)
        beside = self.beside or self._elsewhere
        described = beside(launching.describe, answer)()
        if not described["is_kernel"]:
            raise WrongAnswer(NO_KERNEL)
        exam = replace(self.launched, mistakes=self._known_mistakes())
        kernel = Launched(beside(launching.launch, answer), described["parameters"])
        try:
            message = exam.examine(kernel)
        except NotAnswered:
            raise NotAnswered(NOTHING) from None
        call(beside(launching.meet_walls, answer), exam.cases[0].arguments)
        return message

    def _known_mistakes(self) -> dict[str, tuple[Launched, ...]]:
        return {
            sentence: tuple(_remembered(one.text, self.question) for one in mistakes)
            for sentence, mistakes in self.mistakes.items()
            if sentence not in (NO_KERNEL, CRASHED)
        }

    def _elsewhere(self, function: Callable[..., Any], answer: Any) -> Callable[..., Any]:
        """Return a function that has another one run beside a kernel, in the other process."""
        return partial(_ask, function.__name__, self._text(answer), self.question)

    def _text(self, answer: Any) -> str:
        if isinstance(answer, Source):
            return answer.text
        if not hasattr(answer, "fn"):
            raise WrongAnswer(NO_KERNEL)
        try:
            return source_of_kernel(answer, self.question)
        except (OSError, TypeError, SyntaxError):
            raise WrongAnswer(
                "Expected a kernel whose source is known. Define it in a cell or in a file."
            ) from None


def source_of_kernel(kernel: Any, question: str) -> str:
    """Return a source that defines a kernel and checks it, with everything it needs."""
    parts: dict[str, str] = {}
    _define(kernel.fn, parts)
    check = f"lc.check({question!r}, {kernel.fn.__name__})"
    return "\n\n".join(["import triton", "import triton.language as tl", *parts.values(), check])


def _define(function: Any, parts: dict[str, str]) -> None:
    """Add the definition of a kernel to parts, after the globals that it reads."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise TypeError
    node.decorator_list = [ast.parse("triton.jit", mode="eval").body]
    for argument in node.args.args:
        if argument.annotation:
            argument.annotation = ast.parse("tl.constexpr", mode="eval").body
    parts[function.__name__] = ""  # a kernel may call itself
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if inspect.ismodule(value):
            parts[name] = f"import {value.__name__} as {name}"
        elif isinstance(value, int | float):
            parts[name] = f"{name} = {value!r}"
        elif isinstance(getattr(value, "value", None), int | float):
            parts[name] = f"{name} = tl.constexpr({value.value!r})"
        elif callable(getattr(value, "fn", None)) and value.fn.__name__ not in parts:
            _define(value.fn, parts)
            if value.fn.__name__ != name:
                parts[name] = f"{name} = {value.fn.__name__}"
        elif inspect.isfunction(value) and not (value.__module__ or "").startswith("triton"):
            parts[name] = textwrap.dedent(inspect.getsource(value))
    del parts[function.__name__]
    parts[function.__name__] = ast.unparse(node)
