"""Triton kernels, examined from their source in Triton's interpreter.

Triton decides when a kernel is defined whether its interpreter will run it, and it defines its own
functions on import. So kernels are examined from their source, in a process started with
TRITON_INTERPRET=1. The process is kept from check to check. If a kernel hangs or reads outside
allocated memory, that process ends, not the learner's.
"""

import ast
import atexit
import ctypes
import importlib.util
import inspect
import itertools
import json
import linecache
import mmap
import os
import select
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, WrongAnswer
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.trials import Case, kind

SECONDS = 60.0
"""How long one examination may take, including the start of the process."""
GUARD = 1 << 15
"""How many numbers lie before and after each array, to detect stray writes."""
FILE = "<kernel "
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


@dataclass(frozen=True)
class Source:
    """A kernel as text, followed by its check: this process doesn't need Triton to examine it."""

    text: str


class Launched:
    """A kernel as a function of arrays: it returns what was stored, and how much was stray."""

    def __init__(self, kernel: Any, remembering: bool = False) -> None:
        self.kernel = kernel
        self.seen: dict[bytes, Any] | None = {} if remembering else None
        self.__signature__ = inspect.signature(kernel.fn)

    def __call__(self, *arguments: Any) -> Any:
        """Launch the kernel, or recall its results for the same arguments."""
        if self.seen is None:
            return self._launch(*arguments)
        key = b"".join(np.asarray(one).tobytes() for one in arguments)
        if key not in self.seen:
            self.seen[key] = self._launch(*arguments)
        return self.seen[key]

    def _launch(self, a: Array, stride: int, c: Array, h: Array, *sizes: int) -> Any:
        import torch

        whole = [np.concatenate([_guard(x), x.ravel(), _guard(x)]) for x in (a, c, 0 * h - 1)]
        before = [buffer.copy() for buffer in whole]
        tensors = [torch.from_numpy(buffer)[GUARD:-GUARD] for buffer in whole]
        units, H, BLOCK = sizes
        try:
            self.kernel[(-(-units // BLOCK),)](
                tensors[0], stride, *tensors[1:], units, H, BLOCK=BLOCK
            )
        except Exception as error:
            raise _own(error) from None
        changed = [new != old for new, old in zip(whole, before, strict=True)]
        if not any(map(np.any, changed)):
            raise NotImplementedError
        for around in changed[1:]:
            around[GUARD:-GUARD] = False
        stray = np.array([around.sum() for around in changed], float)
        return *(one.numpy().reshape(c.shape).copy() for one in tensors[1:]), stray


def _guard(array: Array) -> Array:
    return np.full(GUARD, 7, array.dtype)


def _own(error: BaseException) -> BaseException:
    """Return the error that a kernel raised, with the learner's line first."""
    cause = error
    while cause.__cause__:  # the interpreter wraps errors, once per function
        cause = cause.__cause__
    trace = cause.__traceback__
    while trace and not trace.tb_frame.f_code.co_filename.startswith(FILE):
        trace = trace.tb_next
    if isinstance(cause, NotImplementedError):  # elsewhere that means a stub
        cause = RuntimeError(f"the interpreter cannot do this: {cause}")
    return cause.with_traceback(trace)


def _meet_walls(kernel: Any, case: Case) -> None:
    """Launch a kernel on arrays that end where memory ends, so that reading beyond them crashes."""
    import torch

    a, stride, c, h, units, H, BLOCK = case.arguments.values()
    arrays = [torch.from_numpy(_before_a_wall(array)) for array in (a, c, h)]
    kernel[(-(-units // BLOCK),)](arrays[0], stride, *arrays[1:], units, H, BLOCK=BLOCK)


def _before_a_wall(array: Array) -> Array:
    """Return a copy followed by a page of memory that must not be read or written."""
    page = mmap.PAGESIZE
    size = -(-array.nbytes // page) * page
    memory = np.frombuffer(mmap.mmap(-1, size + page), np.uint8)
    ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + size), page, 0)
    copy = memory[size - array.nbytes : size].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _kernel_of(text: str, question: str) -> Any:
    """Run a source and return what it passes to lc.check."""
    import lstm_course
    from lstm_course.exercises import PRELUDE

    found: list[Any] = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(PRELUDE, namespace)
    file = f"{FILE}{next(_numbers)}>"  # a unique name, under which its lines can be looked up
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


def _ask(text: str, bank: str) -> dict[str, Any]:
    """Have the process with the interpreter examine a source."""
    global _process
    if _process is None or _process.poll() is not None:
        _process = subprocess.Popen(
            [sys.executable, "-c", f"from {bank} import EXAM; EXAM.serve()"],
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
        requests.write(json.dumps(text) + "\n")
        requests.flush()
        if not select.select([answers], [], [], SECONDS)[0]:
            _end()
            raise WrongAnswer(f"Your kernel did not finish within {SECONDS:g} seconds.")
        reply: dict[str, Any] = json.loads(answers.readline())
        return reply
    except (OSError, ValueError):
        _end()
        raise WrongAnswer(CRASHED) from None
    except BaseException:
        _end()
        raise


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


@dataclass(frozen=True)
class KernelExam(Exam):
    """Whether a Triton kernel stores what the equations say.

    Parameters
    ----------
    question
        The name under which a source passes its kernel to `lc.check`.
    bank
        The module that holds this exam as EXAM, from which the other process imports it.
    launched
        The exam of the kernel as a function of arrays. Its mistakes are the ones below.
    mistakes
        Sentences, each with wrong kernels as `Source`.
    """

    question: str
    bank: str
    launched: FunctionExam
    mistakes: Mapping[str, tuple[Any, ...]]

    def examine(self, answer: Any) -> str:
        """Examine a kernel from its source; return what to say to a right one."""
        if answer is None or answer is Ellipsis:
            raise NotAnswered
        if not isinstance(answer, Source) and not callable(getattr(answer, "fn", answer)):
            raise WrongAnswer(
                f"Expected your kernel {self.launched.name} itself, got {kind(answer)}."
            )
        if not all(importlib.util.find_spec(name) for name in ("torch", "triton")):
            raise NotAnswered(MISSING)
        reply = _ask(self._text(answer), self.bank)
        if reply.get("stub"):
            raise NotAnswered(reply["message"])
        if not reply.get("right"):
            raise WrongAnswer(reply["message"])
        return str(reply["message"])

    def serve(self) -> None:
        """Answer requests in the other process, one line of JSON each, until there are no more."""
        import torch  # noqa: F401, since the time limit of a call is too short for the import
        import triton  # noqa: F401

        launched = replace(
            self.launched,
            mistakes={
                sentence: tuple(
                    Launched(_kernel_of(one.text, self.question), remembering=True)
                    for one in mistakes
                )
                for sentence, mistakes in self.mistakes.items()
                if sentence not in (NO_KERNEL, CRASHED)
            },
        )
        out = os.fdopen(os.dup(1), "w")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a kernel prints isn't an answer
        for line in sys.stdin:
            out.write(json.dumps(self._examine(json.loads(line), launched)) + "\n")
            out.flush()

    def _examine(self, text: str, launched: FunctionExam) -> dict[str, Any]:
        """Examine a source in this process; return the outcome."""
        try:
            kernel = _kernel_of(text, self.question)
            if not hasattr(kernel, "fn"):
                raise WrongAnswer(NO_KERNEL)
            message = launched.examine(Launched(kernel))
            _meet_walls(kernel, launched.cases[0])
            return {"right": True, "message": message}
        except NotAnswered:
            return {"stub": True, "message": "Your kernel stores nothing."}
        except WrongAnswer as wrong:
            return {"message": str(wrong)}
        except BaseException as error:
            line = traceback.format_exception_only(error)[-1].strip()
            return {"message": f"Your cell could not be run on its own: {line}"}

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
