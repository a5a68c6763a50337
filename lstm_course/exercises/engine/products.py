"""Arrays that remember which argument they came from and count the products they take part in."""

from __future__ import annotations  # an array's methods return arrays of the same type

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from lstm_course._checks import Array
    from lstm_course.exercises.engine.trials import Case

UFUNCS = ("matmul", "vecdot", "matvec", "vecmat")
FUNCTIONS = ("dot", "vdot", "inner", "outer", "tensordot", "einsum", "multi_dot", "kron")


class Product(NamedTuple):
    """One call: the arguments its factors came from, and how many matrix products it makes."""

    origins: frozenset[str]
    products: int


MOST = 100_000
"""How many products are counted of those made elsewhere."""

_counting = False
log: list[Product] = []
"""The products that counted arrays have taken part in, since it was cleared."""


class Counted(np.ndarray):
    """An array that knows its origins, which its views, copies and sums inherit.

    A product is new and has no origin; neither does a hidden state.
    """

    origins: frozenset[str]

    def __array_finalize__(self, obj: object) -> None:
        self.origins = getattr(obj, "origins", frozenset())

    def __deepcopy__(self, memo: dict[int, Any] | None) -> Counted:
        return counted(_plain(self).copy(), *self.origins)

    def dot(self, b: Any, out: Any = None) -> Any:
        """Return what np.dot returns."""
        return np.dot(self, b) if out is None else np.dot(self, b, out)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **kwargs: Any
    ) -> Any:
        """Compute, count a product, and hand the origins on to anything else."""
        origins = [_origins(one) for one in inputs]
        found = frozenset[str]().union(*origins)
        if out:
            kwargs["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*map(_plain, inputs), **kwargs)
        between = ufunc is np.multiply and len(found) > max(map(len, origins))
        if found and (between or ufunc.__name__ in UFUNCS):
            batch = () if between else np.broadcast_shapes(*(np.shape(one)[:-2] for one in inputs))
            log.append(Product(found, int(np.prod(batch))))
            found = frozenset()
        return out[0] if len(out) == 1 else _tagged(result, found)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any
    ) -> Any:
        """Compute, count a product, and hand the origins on to anything else."""
        found = _origins([args, list(kwargs.values())])
        result = func(*_plain(args), **{name: _plain(value) for name, value in kwargs.items()})
        name = func.__name__
        if name in FUNCTIONS and sum(map(_is_array, _flat(args))) > 1:
            log.append(Product(found, 1))
            return result
        return result if name.endswith("_like") else _tagged(result, found)


def report(origins: frozenset[str], count: int) -> None:
    """Count a product that was made elsewhere."""
    if _counting and len(log) < MOST:
        log.append(Product(origins, count))


def counted(array: Array, *origins: str) -> Counted:
    """Return a view of the given array that counts products."""
    view = array.view(Counted)
    view.origins = frozenset(origins)
    return view


@contextlib.contextmanager
def counting() -> Iterator[list[Product]]:
    """Collect the products of counted arrays that the block makes."""
    global _counting
    log.clear()
    found: list[Product] = []
    _counting = True
    try:
        yield found
    finally:
        _counting = False
        found += log
        log.clear()


def are_seen(answer: Callable[..., Any], case: Case, which: str) -> bool:
    """Return whether an answer multiplies any of the arguments that `which` names."""
    return _products(answer, case, which)[0] > 0


def grow(answer: Callable[..., Any], short: Case, long: Case, which: str) -> tuple[bool, bool]:
    """Return whether longer sequences take more calls, and whether they take more products."""
    one, other = _products(answer, short, which), _products(answer, long, which)
    return one[0] < other[0], one[1] < other[1]


def _products(answer: Callable[..., Any], case: Case, which: str) -> tuple[int, int]:
    """Return how many calls, and how many products, these arguments take part in."""
    arguments = [
        counted(value, name) if name in which.split() else value
        for name, value in case.arguments.items()
    ]
    with counting() as found:
        answer(*arguments)
    return len(found), sum(one.products for one in found)


def _flat(values: Any) -> Iterator[Any]:
    if isinstance(values, list | tuple):
        for value in values:
            yield from _flat(value)
    else:
        yield values


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _origins(value: Any) -> frozenset[str]:
    return frozenset[str]().union(*(getattr(one, "origins", ()) for one in _flat(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.view(np.ndarray) if isinstance(value, Counted) else value


def _tagged(value: Any, origins: frozenset[str]) -> Any:
    if isinstance(value, list | tuple):
        parts: Sequence[Any] = [_tagged(one, origins) for one in value]
        return parts if isinstance(value, list) else tuple(parts)
    if origins and type(value) is np.ndarray and value.dtype.kind == "f":
        return counted(value, *origins)
    return value
