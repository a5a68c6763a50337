"""What runs inside the sandbox: a submission's cells, then the answers it has checked.

The grader sends this module into the sandbox beside a reduced copy of the package. Nothing here is
trusted by the grader, since a learner's code can change it; it is written for learners who don't.
"""

import builtins
import contextlib
import functools
import importlib
import inspect
import io
import linecache
import random
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course.exercises.engine import products
from lstm_course.exercises.engine.feedback import quiet
from lstm_course.grading.wire import Handle, decode, encode

NOT_DRAWN = "Figures are not drawn where answers are graded"
PRINTED = 2_000
"""How many characters of what an answer prints are sent."""

_functions: list[Any] = []  # the learner's, by the number of their handle
_answers: dict[str, list[bytes]] = {}  # what lc.check was called with, as it was then
_called: set[str] = set()  # the questions it was called for, with an answer or without
_silenced: list[str] = []  # which of NumPy's ways to silence a warning the learner has used
_saved: dict[str, dict[str, Any]] = {}  # arrays by the name of their file: nothing can be written
_exchange: Callable[[bytes], bytes]


class Refused(Exception):
    """A function of the package that a question does not allow was called."""


def refuse(name: str) -> None:
    """Stand in for the body of a function that a question does not allow."""
    raise Refused(name)


def check(name: str, answer: object = None) -> None:
    """Register an answer to a question, unless it is a stub's."""
    _called.add(str(name))
    if answer is not None and answer is not Ellipsis:
        _answers.setdefault(str(name), []).append(encode(_plain(answer), _handle))


def hint(name: str, strength: int = 1) -> str:
    """Give no hint: nobody is there to read it."""
    return ""


def progress(*notebooks: object) -> None:
    """Show no progress."""


certificate = verify = progress


def _plain(answer: Any) -> Any:
    """Return an answer; the name of a file of arrays becomes a dictionary of them."""
    return _saved.get(answer, answer) if isinstance(answer, str) else answer


def _save(file: Any, *arrays: Any, **named: Any) -> None:
    """Keep arrays under the name of a file."""
    name = str(file)
    named |= {f"arr_{k}": array for k, array in enumerate(arrays)}
    _saved[name if name.endswith(".npz") else f"{name}.npz"] = {
        key: array if isinstance(array, str) else np.array(array) for key, array in named.items()
    }


def _handle(function: Any) -> Handle:
    _functions.append(function)
    names, required = None, 0
    with contextlib.suppress(TypeError, ValueError):
        parameters = inspect.signature(function).parameters.values()
        if all(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters):
            names = tuple(one.name for one in parameters)
            required = sum(one.default is one.empty for one in parameters)
    inner = function
    while callable(one := getattr(inner, "func", getattr(inner, "__func__", None))):
        inner = one
    module = getattr(inner, "__module__", None) or ""
    name = getattr(function, "__name__", type(function).__name__)
    return Handle(len(_functions) - 1, str(name), str(module), names, required)


def serve(exchange: Callable[[bytes], bytes]) -> None:
    """Run a submission's cells, then answer what the grader asks through `exchange`."""
    global _exchange
    _exchange = exchange
    job = decode(exchange(encode({"say": "ready"}, _handle)))
    _watch_silencers()
    _warn_of_overflows()
    _draw_the_same_each_time()
    builtins.input = lambda prompt="": ""  # nobody is there to type
    np.savez = np.savez_compressed = _save
    sys.modules["matplotlib"] = None  # type: ignore[assignment]  # nobody would see the figures
    remarks = _run(job["cells"])
    found = _answers.get(job["question"], [])
    answer = decode(found[-1]) if found else None
    reply = {"say": "answer", "answer": answer, "found": bool(found), "remarks": remarks}
    reply["called"] = job["question"] in _called
    while True:
        job = decode(exchange(encode(reply, _handle)))
        reply = _done(job)


def _run(cells: list[str]) -> list[str]:
    """Run cells from top to bottom; one that raises is passed over, with a remark."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    remarks = []
    for k, source in enumerate(cells, 1):
        file = f"<cell {k}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(source, file, "exec"), main.__dict__)
        except BaseException as error:
            text = traceback.format_exception_only(error)[-1].strip()
            if "matplotlib" in text or NOT_DRAWN in text:
                continue
            remarks.append(f"Code cell {k} stopped: {text[:300]}")
    return remarks


def _done(job: dict[str, Any]) -> dict[str, Any]:
    """Call a function of the learner's and return its result, or the error it raised."""
    function = _functions[job["function"]]
    if "beside" in job:  # a function that calls the learner's, and says more than its result
        module, name = job["beside"]
        function = functools.partial(getattr(importlib.import_module(module), name), function)
    arguments = [_local(one) for one in job["arguments"]]
    before = [encode(one, _name_only) for one in arguments]
    outer = _silenced[:], products.log[:]  # of a call that this one is made in
    _silenced.clear()
    products.log.clear()
    out = io.StringIO()
    reply: dict[str, Any]
    with quiet(out) as caught:
        try:
            result = function(*arguments)
            reply = {"say": "result", "result": result}
            encode(reply, _handle)  # which raises if it is too large
        except BaseException as error:
            reply = _raised(error)
    changed = {
        str(k): one
        for k, (one, old) in enumerate(zip(arguments, before, strict=True))
        if encode(one, _name_only) != old
    }
    reply |= {
        "changed": changed,
        "printed": out.getvalue()[:PRINTED],
        "warnings": [
            [one.category.__name__, str(one.message), linecache.getline(one.filename, one.lineno)]
            for one in caught[:10]
        ],
        "silenced": list(_silenced),
        "products": [[sorted(one.origins), one.products] for one in products.log[:10_000]],
    }
    _silenced[:], products.log[:] = outer
    return reply


def _raised(error: BaseException) -> dict[str, Any]:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "<cell " in one.filename]
    try:
        text = str(error)[:300]
    except Exception:
        text = ""
    return {
        "say": "error",
        "type": error.name if isinstance(error, _Asked) else type(error).__name__,
        "text": text,
        "line": (frames[-1].line or "") if frames else "",
        "asked": isinstance(error, _Asked),
    }


class _Asked(Exception):
    """A function of the grader's, which was passed to the learner's, raised an error."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


def _name_only(function: Any) -> Handle:
    return Handle(0, getattr(function, "__name__", ""))


def _local(value: Any) -> Any:
    """Return an argument with a function in place of each handle."""
    if isinstance(value, list | tuple):
        return type(value)(map(_local, value))
    if isinstance(value, dict):
        return {key: _local(one) for key, one in value.items()}
    return _asking(value) if isinstance(value, Handle) else value


def _asking(handle: Handle) -> Callable[..., Any]:
    """Return a function that has the grader compute its result."""

    def ask(*arguments: Any) -> Any:
        message = {"say": "ask", "function": handle.number, "arguments": arguments}
        reply = decode(_exchange(encode(message, _handle)))
        while "error" not in reply and "value" not in reply:  # it calls a function of ours first
            reply = decode(_exchange(encode(_done(reply), _handle)))
        if "error" in reply:
            raise _Asked(reply["error"], reply["text"])
        return _local(reply["value"])

    ask.__name__ = handle.name
    return ask


def _watch_silencers() -> None:
    """Notice when the learner's code, and not a library, silences NumPy's warnings."""

    def noticing(module: types.ModuleType, name: str) -> None:
        original = getattr(module, name)

        def noticed(*arguments: Any, **named: Any) -> Any:
            if sys._getframe(1).f_code.co_filename.startswith("<cell "):
                _silenced.append(f"{module.__name__}.{name}")
            return original(*arguments, **named)

        setattr(module, name, noticed)

    for name in ("errstate", "seterr"):
        noticing(np, name)
    for name in ("catch_warnings", "simplefilter", "filterwarnings"):
        noticing(warnings, name)


def _warn_of_overflows() -> None:
    """Warn as NumPy does elsewhere: a processor of WebAssembly does not report overflows."""

    def warning(function: Any) -> Any:
        @functools.wraps(function)
        def warned(x: Any, *others: Any, **named: Any) -> Any:
            result = function(x, *others, **named)
            with contextlib.suppress(TypeError, ValueError):
                heard = np.geterr()["over"] != "ignore"
                if heard and np.any(np.isinf(result) & np.isfinite(x)):
                    text = f"overflow encountered in {function.__name__}"
                    warnings.warn(text, RuntimeWarning, stacklevel=2)
            return result

        return warned

    for name in ("exp", "exp2", "expm1", "sinh", "cosh"):
        setattr(np, name, warning(getattr(np, name)))


def _draw_the_same_each_time() -> None:
    """Give generators without a seed one, so that a submission earns the same each time."""
    unseeded = np.random.default_rng
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002, which learners may use
    np.random.default_rng = lambda seed=None: unseeded(0 if seed is None else seed)
