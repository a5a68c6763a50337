"""Values as bytes and back: plain data alone, so that reading them runs nothing.

Both sides of the sandbox use it. Whoever reads trusts nothing: sizes are bounded, dtypes are those
of numbers, and a value that is none of these becomes an `Opaque` that only says what it was.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_course.exercises.engine.products import counted

MOST_BYTES = 32_000_000
"""How long a message may be."""
MOST_NODES = 200_000
"""How many lists, numbers and texts it may hold."""
MOST_TEXT = 1_000_000
"""How long one text may be; the rest is cut off."""
MOST_HEAD = 10_000_000
"""How long the JSON may be, which takes many times as much memory when it is read."""
MOST_AXES, MOST_LENGTH = 16, 2**31
"""How many axes an array may have, and how long they may be."""
KINDS = "biufc"
"""The kinds of dtypes that hold numbers."""


@dataclass(frozen=True)
class Handle:
    """A function on the other side."""

    number: int
    name: str = ""
    module: str = ""
    parameters: tuple[str, ...] | None = None
    required: int = 0


@dataclass(frozen=True)
class Opaque:
    """Something that is no plain data; `kind` is the name of its type."""

    kind: str


class Malformed(ValueError):
    """The bytes are no message."""


def encode(value: Any, handle: Callable[[Any], Handle]) -> bytes:
    """Return a value as bytes: a line of JSON, then the arrays.

    Parameters
    ----------
    value
        None, numbers, texts, arrays, lists, tuples and dictionaries of these, or functions.
        Anything else becomes Opaque.
    handle
        What to write for a function.

    Raises
    ------
    Malformed
        The value is too large.

    Examples
    --------
    >>> message = encode({"h": np.zeros((1, 2))}, handle=print)
    >>> decode(message)
    {'h': array([[0., 0.]])}
    """
    arrays: list[bytes] = []
    try:
        head = json.dumps(_tree(value, handle, arrays, [0])).encode()
    except RecursionError:
        raise Malformed("a value is nested too deeply") from None
    _check_size(head, len(head) + 1 + sum(map(len, arrays)))
    return b"\n".join([head, b"".join(arrays)])


def _check_size(head: bytes, size: int) -> None:
    if size > MOST_BYTES:
        raise Malformed(f"{size:,} bytes are too many")
    if len(head) > MOST_HEAD or head.count(b"[") + head.count(b"{") > 6 * MOST_NODES:
        raise Malformed("too many values")


def _tree(
    value: Any, handle: Callable[[Any], Handle], arrays: list[bytes], count: list[int]
) -> Any:
    count[0] += 1
    if count[0] > MOST_NODES:
        raise Malformed(f"more than {MOST_NODES:,} values are too many")
    if value is None or value is True or value is False:
        return value
    if value is Ellipsis:
        return {"e": 0}
    if type(value) is float:
        return {"x": value.hex()}
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else {"o": "a very large int"}
    if isinstance(value, float) and not isinstance(value, np.generic):
        return {"x": float.hex(value)}
    if isinstance(value, str):
        return {"s": str.__str__(value)[:MOST_TEXT].encode("utf-8", "replace").decode()}
    if isinstance(value, np.ndarray | np.generic):
        origins = sorted(getattr(value, "origins", ()))
        return _array(np.asarray(value), isinstance(value, np.generic), origins, arrays)
    if isinstance(value, Opaque):
        return {"o": value.kind}
    if isinstance(value, Handle):
        return {"f": [value.number, value.name, value.module, value.parameters, value.required]}
    for kind, letter in ((tuple, "t"), (list, "l")):
        if isinstance(value, kind):
            return {letter: [_tree(one, handle, arrays, count) for one in value]}
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {"d": [[key, _tree(one, handle, arrays, count)] for key, one in value.items()]}
    if callable(value):
        return _tree(handle(value), handle, arrays, count)
    return {"o": type(value).__name__[:100]}


def _array(array: Any, scalar: bool, origins: list[str], arrays: list[bytes]) -> Any:
    if (
        array.dtype.kind not in KINDS
        or array.ndim > MOST_AXES
        or max(array.shape, default=0) >= MOST_LENGTH
    ):
        return {"o": f"an array of dtype {array.dtype}"[:100]}
    arrays.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return {"a": [array.dtype.kind + str(array.dtype.itemsize), list(array.shape), scalar, origins]}


def decode(message: bytes) -> Any:
    """Return the value in a message.

    Raises
    ------
    Malformed
        The bytes are no message, or too many.
    """
    head, newline, rest = bytes(message).partition(b"\n")
    _check_size(head, len(message))
    try:
        value, used = _value(json.loads(head), memoryview(rest), 0, [0])
    except Malformed:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        raise Malformed(f"no message: {type(error).__name__}") from None
    if not newline or used != len(rest):
        raise Malformed("bytes are left over")
    return value


def _value(tree: Any, rest: memoryview, used: int, count: list[int]) -> tuple[Any, int]:
    count[0] += 1
    if count[0] > MOST_NODES:
        raise Malformed("too many values")
    if tree is None or type(tree) is bool:
        return tree, used
    if type(tree) is int:
        if abs(tree) >= 2**63:
            raise Malformed("too large an int")
        return tree, used
    if type(tree) is not dict or len(tree) != 1:
        raise Malformed("a value is no object of one entry")
    ((kind, content),) = tree.items()
    if kind == "x":
        return float.fromhex(content), used
    if kind == "s" and type(content) is str:
        return content[:MOST_TEXT], used
    if kind == "e":
        return Ellipsis, used
    if kind == "o":
        return Opaque(str(content)[:100]), used
    if kind == "f":
        return _handle(*content), used
    if kind == "a":
        code, shape, scalar, origins = content
        return _read_array(code, shape, scalar, origins, rest, used)
    if kind in ("l", "t"):
        values = []
        for one in content:
            value, used = _value(one, rest, used, count)
            values.append(value)
        return (values if kind == "l" else tuple(values)), used
    if kind == "d":
        pairs = {}
        for key, one in content:
            if type(key) is not str:
                raise Malformed("a key is no text")
            pairs[key[:MOST_TEXT]], used = _value(one, rest, used, count)
        return pairs, used
    raise Malformed(f"no kind of value is called {str(kind)[:20]!r}")


def _handle(number: Any, name: Any, module: Any, parameters: Any, required: Any) -> Handle:
    if type(number) is not int or type(required) is not int:
        raise Malformed("a handle is a number")
    names = None if parameters is None else tuple(str(one)[:100] for one in parameters[:100])
    return Handle(number, str(name)[:100], str(module)[:100], names, required)


def _read_array(
    code: Any, shape: Any, scalar: Any, origins: Any, rest: memoryview, used: int
) -> tuple[Any, int]:
    if type(code) is not str or code[:1] not in KINDS or not code[1:].isdecimal() or len(code) > 3:
        raise Malformed("no dtype of numbers")
    if len(shape) > MOST_AXES or any(type(n) is not int or not 0 <= n < MOST_LENGTH for n in shape):
        raise Malformed("no shape")
    dtype = np.dtype(code)
    end = used + dtype.itemsize * math.prod(shape)
    if end > len(rest):
        raise Malformed("an array is cut off")
    array = np.frombuffer(rest[used:end], dtype).reshape(shape).copy()
    if origins:
        return counted(array, *(str(one)[:100] for one in origins[:20])), end
    return (array[()] if scalar and not shape else array), end
