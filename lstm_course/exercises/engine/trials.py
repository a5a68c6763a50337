"""A learner's function tried on cases: its arguments, its results, what's expected."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import NotAnswered, WrongAnswer, as_array, call

Answer = Callable[..., Any]
Outcome = tuple[Array | str, ...]
"""The results of a call: each is an array, or a sentence that says why there isn't one."""

GATE_SLICES = ("input gate", "forget gate", "candidate", "output gate")
"""What the four slices of a stacked array are called, in the course's order."""


@dataclass(frozen=True)
class Case:
    """Arguments to try a function on, the sizes that identify them, and what to show of them.

    `shown` replaces the arguments themselves if they'd mean nothing to a reader.
    """

    sizes: Mapping[str, int]
    arguments: Mapping[str, Any]
    large: bool = False
    shown: str = ""

    def __str__(self) -> str:
        sizes = ", ".join(f"{letter} = {size}" for letter, size in self.sizes.items())
        return sizes + " and large arguments" * self.large


@dataclass(frozen=True)
class Returned:
    """One result of a function: its name, its shape in letters, and its slices along axis 0.

    A single result may have an empty name; a number has an empty shape. A list of arrays counts as
    that many results, named name[0], name[1], ... If the numbers of a result would mean nothing to
    a reader, `told` says for each entry what's wrong if it's wrong.
    """

    name: str = ""
    shape: str = ""
    slices: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


class Part(NamedTuple):
    """One array among the results, and its place if the result is a list of arrays."""

    returned: Returned
    entry: int | None
    expected: Array

    @property
    def name(self) -> str:
        """What a message calls it."""
        return self.returned.name + ("" if self.entry is None else f"[{self.entry}]")


class Trial(NamedTuple):
    """One case, what's expected, and what an answer returns."""

    case: Case
    parts: tuple[Part, ...]
    got: Outcome

    def wrong(self) -> list[int]:
        """Return the indices of the wrong results."""
        return [k for k, part in enumerate(self.parts) if not agree(self.got[k], part.expected)]


def expect(
    solution: Answer, returns: tuple[Returned, ...], arguments: Mapping[str, Any]
) -> tuple[Part, ...]:
    """Return what a right answer returns for these arguments, array by array."""
    with np.errstate(all="ignore"):  # changed arguments may lie outside its domain
        result = solution(**arguments)
    parts = []
    for returned, value in zip(returns, (result,) if len(returns) == 1 else result, strict=True):
        if isinstance(value, list):
            parts += [Part(returned, k, np.asarray(one)) for k, one in enumerate(value)]
        else:
            parts.append(Part(returned, None, np.asarray(value)))
    return tuple(parts)


def attempt(
    answer: Answer,
    returns: tuple[Returned, ...],
    parts: tuple[Part, ...],
    arguments: Mapping[str, Any],
) -> Outcome:
    """Call an answer; return its results, with a sentence in place of each unusable one."""
    try:
        results = take_apart(call(answer, arguments)[0], returns, parts)
    except WrongAnswer as wrong:
        return (str(wrong),) * len(parts)
    return tuple(usable(*pair) for pair in zip(results, parts, strict=True))


def take_apart(
    result: object, returns: tuple[Returned, ...], parts: tuple[Part, ...]
) -> list[object]:
    """Return the results one by one, or say what came instead."""
    values = [result]
    if len(returns) > 1:
        names = ", ".join(returned.name for returned in returns)
        stacked = (len(returns), *parts[0].expected.shape)  # what np.stack makes unpacks too
        if isinstance(result, np.ndarray) and result.shape == stacked:
            result = list(result)
        if not isinstance(result, tuple | list) or len(result) != len(returns):
            raise WrongAnswer(f"Expected {len(returns)} results, {names}, got {kind(result)}.")
        values = list(result)
        if all(value is None or value is Ellipsis for value in values):
            raise NotAnswered
    flat: list[object] = []
    for returned, value in zip(returns, values, strict=True):
        own = [part for part in parts if part.returned is returned]
        if own[0].entry is None:
            flat.append(value)
        elif isinstance(value, list | tuple) and len(value) == len(own):
            flat += value
        else:
            name = returned.name and f" {returned.name}"
            raise WrongAnswer(f"Expected a list{name} of {len(own)} arrays, got {kind(value)}.")
    return flat


def raw_results(answer: Answer, trials: Sequence[Trial]) -> list[list[Array] | None]:
    """Return the results of every case, whatever their shape, or None if there are none."""
    returns = tuple(dict.fromkeys(part.returned for part in trials[0].parts))
    results: list[list[Array] | None] = []
    for trial in trials:
        try:
            result = call(answer, trial.case.arguments)[0]
            arrays = [np.array(one) for one in take_apart(result, returns, trial.parts)]
            results.append(arrays if all(a.dtype.kind in "fiu" for a in arrays) else None)
        except Exception:  # from the learner's function, or from what it returns
            results.append(None)
    return results


def close(one: Array, other: Array) -> Any:
    """Return entry by entry whether two arrays agree within the tolerance of the checks."""
    return np.isclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)


def agree(one: Array | str, other: Array | str) -> bool:
    """Return whether two results are the same, or both unusable."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str)
    return bool(close(one, other).all())


def in_digits(one: float, other: float, most: int = 17) -> tuple[str, str]:
    """Return two numbers with four digits, or with enough to tell them apart.

    Examples
    --------
    >>> in_digits(0.5000011, 0.5)
    ('0.500001', '0.5')
    """
    pairs = [(f"{one:.{d}g}", f"{other:.{d}g}") for d in range(4, most + 1)]
    return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])


def overflows(outcome: Outcome) -> bool:
    """Return whether a result has overflowed or isn't finite."""
    return any(
        "OverflowError" in got if isinstance(got, str) else not np.isfinite(got).all()
        for got in outcome
    )


def usable(result: object, part: Part) -> Array | str:
    """Return a result as an array of the expected shape, or the sentence that says what came."""
    words = [part.name, f"of shape {part.returned.shape}" if part.returned.shape else ""]
    try:
        return as_array(result, part.expected.shape, " ".join(filter(None, words)))
    except WrongAnswer as wrong:
        axis = {"(N": "sequences", "(T": "steps"}.get(part.returned.shape[:2])
        if axis and getattr(result, "shape", None) == part.expected.shape[1:] != ():
            return f"{wrong}\nThe axis of the {axis} is lost. Keep it, even if its size is 1."
        return str(wrong)


def kind(value: object) -> str:
    """Return what a value is, in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__
