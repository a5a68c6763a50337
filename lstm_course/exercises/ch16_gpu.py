"""Exercise 16: the pointwise part of the cell as a Triton kernel, run in Triton's interpreter.

Triton decides where a kernel is defined whether its interpreter runs it, and its own functions are
defined when it is imported. So kernels are examined in a process that is started with
TRITON_INTERPRET=1, from their source. It goes on from check to check, and if a kernel hangs or
reads where there is no memory, that process ends and not the learner's.
"""

import ast
import atexit
import ctypes
import functools
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
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, Question, WrongAnswer
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.trials import Case, Returned, kind
from lstm_course.pointwise import sigmoid

SECONDS = 60.0
"""How long one examination may take, the start of the process included."""
GUARD = 1 << 15
"""How many numbers lie before and behind each array, to see what is written there."""
FILE = "<kernel "
_numbers = itertools.count()

MISSING = (
    "This check needs PyTorch and Triton, and one of them is not installed here. Triton runs on "
    "Linux; pip install torch triton brings both."
)
NO_KERNEL = (
    "Your function is no kernel yet: triton.jit has to decorate it, in the line above its def."
)
CRASHED = (
    "Your kernel read or wrote where there is no memory: an address is far off, or a load or a "
    "store has no mask."
)

KERNEL = """
import triton
import triton.language as tl


@triton.jit
def cell_kernel(a, stride, c, h, units, H, BLOCK: tl.constexpr):
    unit = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = unit < units
    gate = a + unit // H * stride + unit % H
    i = tl.sigmoid(tl.load(gate, inside))
    f = tl.sigmoid(tl.load(gate + H, inside))
    g = 2 * tl.sigmoid(2 * tl.load(gate + 2 * H, inside)) - 1
    o = tl.sigmoid(tl.load(gate + 3 * H, inside))
    before = tl.load(c + unit, inside)
    state = f * before + i * g
    m = o * (2 * tl.sigmoid(2 * state) - 1)
    tl.store(c + unit, state, inside)
    tl.store(h + unit, m, inside)


lc.check("fuse", cell_kernel)
"""


@dataclass(frozen=True)
class Source:
    """A kernel as text, with the check behind it: examined without Triton in this process."""

    text: str


def with_lines(*changes: tuple[str, str]) -> Source:
    """Return the kernel with lines, or parts of them, in the place of others."""
    text = KERNEL
    for old, new in changes:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} stands {text.count(old)} times in the kernel, expected once")
        text = text.replace(old, new)
    return Source(text)


STORE_C, STORE_H = "tl.store(c + unit, state, inside)", "tl.store(h + unit, m, inside)"
ADDRESS = "gate = a + unit // H * stride + unit % H"
SUM, TANH_C = "state = f * before + i * g", "m = o * (2 * tl.sigmoid(2 * state) - 1)"
TANH = "2 * tl.sigmoid(2 * tl.load(gate + 2 * H, inside)) - 1"
UNMASKED_C = (STORE_C, "tl.store(c + unit, state)")
UNMASKED_H = (STORE_H, "tl.store(h + unit, m)")
MISTAKES: dict[str, tuple[Source, ...]] = {
    (
        "The last program stores for units that do not exist, over what lies behind your arrays. "
        "A store needs the mask as well."
    ): (with_lines(UNMASKED_C, UNMASKED_H), with_lines(UNMASKED_C), with_lines(UNMASKED_H)),
    "The mask lets one unit too many through: the last one has the number units - 1.": (
        with_lines(("unit < units", "unit <= units")),
    ),
    "Rows of a need not be 4H numbers apart. How far they are apart is what stride says.": (
        with_lines((ADDRESS, "gate = a + unit // H * (4 * H) + unit % H")),
    ),
    "You read a as if its rows were H numbers long. There are four slices in each row.": (
        with_lines((ADDRESS, "gate = a + unit")),
    ),
    "You read a gate by gate, as if all input gates came first. Here a lies row by row.": (
        with_lines(
            (ADDRESS, "gate = a + unit"),
            ("gate + H", "gate + units"),
            ("gate + 2 * H", "gate + 2 * units"),
            ("gate + 3 * H", "gate + 3 * units"),
        ),
    ),
    (
        "Your slices are a quarter of stride apart. They are H numbers apart, however far the "
        "rows are."
    ): (
        with_lines(
            ("gate + H", "gate + stride // 4"),
            ("gate + 2 * H", "gate + stride // 4 * 2"),
            ("gate + 3 * H", "gate + stride // 4 * 3"),
        ),
    ),
    "Row and place within the row have changed roles in your address.": (
        with_lines((ADDRESS, "gate = a + unit % H * stride + unit // H")),
    ),
    "All units of a row read the first one's numbers: their place within the row is missing.": (
        with_lines((ADDRESS, "gate = a + unit // H * stride")),
    ),
    "All programs work on the first units: the number of the program is missing.": (
        with_lines(("tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)", "tl.arange(0, BLOCK)")),
    ),
    "Programs overlap: each begins one unit after the one before, and not BLOCK units.": (
        with_lines(("tl.program_id(0) * BLOCK", "tl.program_id(0)")),
    ),
    "You read the slices in the order i, f, o, g. The course stacks them as i, f, g, o.": (
        with_lines(("gate + 2 * H", "gate + 9 * H"), ("gate + 3 * H", "gate + 2 * H"), ("9", "3")),
    ),
    "Input gate and forget gate are exchanged: the first slice is i, the second f.": (
        with_lines((SUM, "state = i * before + f * g")),
    ),
    "h is the output gate times the cell state. A tanh is missing there.": (
        with_lines((TANH_C, "m = o * state")),
    ),
    "The candidate is not squashed: a tanh is missing there.": (
        with_lines((TANH, "tl.load(gate + 2 * H, inside)")),
    ),
    "The candidate is squashed by a sigmoid. It may be negative: tanh is wanted there.": (
        with_lines((TANH, "tl.sigmoid(tl.load(gate + 2 * H, inside))")),
    ),
    "Your tanh is that of half the argument: the sigmoid has to be taken of twice of it.": (
        with_lines((TANH, "2 * tl.sigmoid(tl.load(gate + 2 * H, inside)) - 1")),
        with_lines(
            (TANH, "2 * tl.sigmoid(tl.load(gate + 2 * H, inside)) - 1"),
            (TANH_C, "m = o * (2 * tl.sigmoid(state) - 1)"),
        ),
        with_lines((TANH_C, "m = o * (2 * tl.sigmoid(state) - 1)")),
    ),
    "Input gate and candidate are added. What is written is a share of it: a product.": (
        with_lines((SUM, "state = f * before + i + g")),
    ),
    "The old cell state has no effect: its share, given by the forget gate, is missing.": (
        with_lines((SUM, "state = i * g")),
    ),
    "c is left as it was. The new cell state has to be stored there.": (with_lines((STORE_C, "")),),
    "h is left as it was. The new hidden state has to be stored there.": (
        with_lines((STORE_H, "")),
    ),
    "h is made from the old cell state. The new one comes first.": (
        with_lines((TANH_C, "m = o * (2 * tl.sigmoid(2 * before) - 1)")),
    ),
    "The sums a are written over. Here nobody needs the gates afterwards, and a has to stay.": (
        with_lines(
            (STORE_H, f"{STORE_H}\n    tl.store(gate, i, inside)\n    tl.store(gate + H, f, inside)"
             "\n    tl.store(gate + 2 * H, g, inside)\n    tl.store(gate + 3 * H, o, inside)")
        ),
    ),
    NO_KERNEL: (with_lines(("@triton.jit\n", "")),),
    CRASHED: (
        with_lines(("tl.load(gate, inside)", "tl.load(gate)")),
        with_lines(("tl.load(gate + 3 * H, inside)", "tl.load(gate + 3 * H)")),
        with_lines(("tl.load(c + unit, inside)", "tl.load(c + unit)")),
    ),
}  # fmt: skip


def solution(
    a: Array, stride: int, c: Array, h: Array, units: int, H: int, BLOCK: int
) -> tuple[Array, ...]:
    """Return the new cell states and hidden states, and that nothing is written elsewhere."""
    a_i, a_f, a_g, a_o = np.split(a[:, : 4 * H], 4, axis=1)
    new = sigmoid(a_f) * c + sigmoid(a_i) * np.tanh(a_g)
    return new, sigmoid(a_o) * np.tanh(new), np.zeros(3)


def _case(N: int, H: int, padding: int, BLOCK: int) -> Case:
    rng = np.random.default_rng([N, H])
    stride = 4 * H + padding
    a, c = rng.normal(size=(N, stride)), rng.normal(size=(N, H))
    sizes = {"N": N, "H": H, "stride": stride, "BLOCK": BLOCK}
    arguments = {"a": a, "stride": stride, "c": c, "h": np.zeros((N, H)), "units": N * H}
    return Case(sizes, {**arguments, "H": H, "BLOCK": BLOCK})


class Launched:
    """A kernel as a function of arrays, which returns what it has stored, and how much astray."""

    def __init__(self, kernel: Any, remembering: bool = False) -> None:
        self.kernel = kernel
        self.seen: dict[bytes, Any] | None = {} if remembering else None
        self.__signature__ = inspect.signature(kernel.fn)

    def __call__(self, *arguments: Any) -> Any:
        """Launch the kernel, or remember what it did for the same arguments."""
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
    """Return what a kernel has raised, with the learner's line first."""
    cause = error
    while cause.__cause__:  # the interpreter wraps what it meets, once for each function
        cause = cause.__cause__
    trace = cause.__traceback__
    while trace and not trace.tb_frame.f_code.co_filename.startswith(FILE):
        trace = trace.tb_next
    if isinstance(cause, NotImplementedError):  # which elsewhere is a stub
        cause = RuntimeError(f"the interpreter cannot do this: {cause}")
    return cause.with_traceback(trace)


PROPERTIES: dict[str, Property] = {
    "A hidden state lies between -1 and 1, and so have yours to.": lambda f, rng: bool(
        (np.abs(f(*_case(3, 2, 1, 4).arguments.values())[1]) < 1).all()
    ),
    "Where a is very negative everywhere, all gates are shut: c and h must be 0.": (
        lambda f, rng: _shut(f)
    ),
    "However large a sum is, a gate and a candidate are numbers: yours overflow.": (
        lambda f, rng: _stays_finite(f)
    ),
}


def _shut(f: Guarded) -> bool:
    arguments = _case(3, 2, 1, 4).arguments
    c, h, _ = f(*{**arguments, "a": arguments["a"] - 100}.values())
    return np.allclose(c, 0) and np.allclose(h, 0)


def _stays_finite(f: Guarded) -> bool:
    arguments = _case(3, 2, 1, 4).arguments
    return all(
        np.isfinite(f(*{**arguments, "a": sign * 2000 * arguments["a"]}.values())[:2]).all()
        for sign in (1, -1)
    )


def _meet_walls(kernel: Any) -> None:
    """Launch a kernel on arrays that end where memory ends: what reads beyond them ends here."""
    import torch

    a, stride, c, h, units, H, BLOCK = _case(3, 3, 0, 4).arguments.values()
    arrays = [torch.from_numpy(_before_a_wall(array)) for array in (a, c, h)]
    kernel[(-(-units // BLOCK),)](arrays[0], stride, *arrays[1:], units, H, BLOCK=BLOCK)


def _before_a_wall(array: Array) -> Array:
    """Return a copy, behind which lies a page of memory that nobody may read or write."""
    page = mmap.PAGESIZE
    size = -(-array.nbytes // page) * page
    memory = np.frombuffer(mmap.mmap(-1, size + page), np.uint8)
    ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + size), page, 0)
    copy = memory[size - array.nbytes : size].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@functools.cache
def _exam() -> FunctionExam:
    """Return the exam of launched kernels, for the process in which they run."""
    return FunctionExam(
        name="cell_kernel",
        solution=solution,
        returns=(
            Returned("c", "(N, H)"),
            Returned("h", "(N, H)"),
            Returned("the count of stray writes (into a, around c, around h)", "(3)"),
        ),
        cases=(
            _case(3, 3, 0, 4),
            _case(1, 1, 0, 2),
            _case(1, 5, 7, 4),
            _case(4, 1, 0, 4),
            _case(6, 1, 4, 4),
            _case(3, 2, 6, 4),
        ),
        mistakes={
            sentence: tuple(Launched(_kernel_of(one.text), remembering=True) for one in mistakes)
            for sentence, mistakes in MISTAKES.items()
            if sentence not in (NO_KERNEL, CRASHED)
        },
        properties=PROPERTIES,
        right=(
            "Right: every unit of every row, full and half-empty programs, and nothing written "
            "elsewhere."
        ),
    )


def _kernel_of(text: str) -> Any:
    """Run a source and return what it hands to lc.check."""
    import lstm_course
    from lstm_course.exercises import PRELUDE

    found: list[Any] = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(PRELUDE, namespace)
    file = f"{FILE}{next(_numbers)}>"  # under a name of its own, from which its lines are read
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
    return next(answer for name, answer in found if name == "fuse")


def _examine(text: str) -> dict[str, Any]:
    """Examine a source in this process; return how it ends."""
    try:
        kernel = _kernel_of(text)
        if not hasattr(kernel, "fn"):
            raise WrongAnswer(NO_KERNEL)
        told = _exam().examine(Launched(kernel))
        _meet_walls(kernel)
        return {"right": True, "message": told}
    except NotAnswered:
        return {"stub": True, "message": "Your kernel stores nothing."}
    except WrongAnswer as wrong:
        return {"message": str(wrong)}
    except BaseException as error:
        line = traceback.format_exception_only(error)[-1].strip()
        return {"message": f"Your cell could not be run on its own: {line}"}


def serve() -> None:
    """Answer requests, a line of JSON each, until there are no more."""
    import torch  # noqa: F401, here, since the time limit of a call would cut a slow import in two
    import triton  # noqa: F401

    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a kernel prints is no answer
    for line in sys.stdin:
        out.write(json.dumps(_examine(json.loads(line))) + "\n")
        out.flush()


_process: "subprocess.Popen[str] | None" = None


def _ask(text: str) -> dict[str, Any]:
    """Have a source examined in the process with the interpreter."""
    global _process
    if _process is None or _process.poll() is not None:
        _process = subprocess.Popen(
            [sys.executable, "-c", "from lstm_course.exercises.ch16_gpu import serve; serve()"],
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
            raise WrongAnswer(f"Your kernel did not end within {SECONDS:g} seconds.")
        told: dict[str, Any] = json.loads(answers.readline())
        return told
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
    """What a Triton kernel stores, beside what the equations say."""

    mistakes: Mapping[str, tuple[Any, ...]]

    def examine(self, answer: Any) -> str:
        """Examine a kernel from its source; return what to say to a right one."""
        if answer is None or answer is Ellipsis:
            raise NotAnswered
        if not isinstance(answer, Source) and not callable(getattr(answer, "fn", answer)):
            raise WrongAnswer(f"Expected your kernel cell_kernel itself, got {kind(answer)}.")
        if not all(map(importlib.util.find_spec, ("torch", "triton"))):
            raise NotAnswered(MISSING)
        told = _ask(self._text(answer))
        if told.get("stub"):
            raise NotAnswered(told["message"])
        if not told.get("right"):
            raise WrongAnswer(told["message"])
        return str(told["message"])

    def _text(self, answer: Any) -> str:
        if isinstance(answer, Source):
            return answer.text
        if not hasattr(answer, "fn"):
            raise WrongAnswer(NO_KERNEL)
        try:
            return source_of_kernel(answer)
        except (OSError, TypeError, SyntaxError):
            raise WrongAnswer(
                "Expected a kernel whose source is known. Define it in a cell, or in a file."
            ) from None


def source_of_kernel(kernel: Any) -> str:
    """Return a source that defines a kernel and checks it, with all that it needs."""
    parts: dict[str, str] = {}
    _define(kernel.fn, parts)
    check = f"lc.check('fuse', {kernel.fn.__name__})"
    return "\n\n".join(["import triton", "import triton.language as tl", *parts.values(), check])


def _define(function: Any, parts: dict[str, str]) -> None:
    """Add the definition of a kernel to parts, behind the globals that it reads."""
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


QUESTIONS = (
    Question(
        name="fuse",
        points=5,
        hints=(
            "Take one unit number and follow it by hand: in which row is it, which place has it "
            "there, and where in memory are its four sums, its cell state and its hidden state?",
            "Three parts: which units are mine and which of them exist; five loads and the "
            "equations of chapter 7 (whole-cell); two stores. Only the address of the sums differs "
            "from that "
            "of the states.",
            "The unit's row is unit // H, its place unit % H. Its first sum lies row times stride "
            "plus place behind a, the others H further each. c and h lie unit numbers behind their "
            "beginnings. Give the mask to every load and store.",
        ),
        exam=KernelExam(MISTAKES),
    ),
)
