"""Answers written line by line: a wrong one is a right one with some lines changed."""

from __future__ import annotations  # a changed answer has the same type

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

Line = Callable[[Any], Any]
"""Computes one thing from `s`, which holds the arguments and what earlier lines computed."""


@dataclass(frozen=True)
class Lines:
    """A function as lines, each named after what it computes.

    Parameters
    ----------
    arguments
        The names of its arguments.
    lines
        Run once, in order. If there's a loop, one of them is `steps`.
    results
        The names of its results.
    loop
        Run once per step, which is `s.t`. These lines can also use what the previous step
        computed.
    after
        Run once, after the loop.

    Examples
    --------
    >>> total = Lines(
    ...     ("xs",),
    ...     {"steps": lambda s: range(len(s.xs)), "sum": lambda s: 0},
    ...     ("sum",),
    ...     loop={"x": lambda s: s.xs[s.t], "sum": lambda s: s.sum + s.x},
    ... )
    >>> total([1, 2, 3])
    6
    >>> total.but(x=lambda s: 10 * s.xs[s.t])([1, 2, 3])
    60
    """

    arguments: tuple[str, ...]
    lines: Mapping[str, Line]
    results: tuple[str, ...]
    loop: Mapping[str, Line] = field(default_factory=dict)
    after: Mapping[str, Line] = field(default_factory=dict)

    def __call__(self, *values: Any) -> Any:
        """Run the lines; return the result, or the results as a tuple."""
        s = SimpleNamespace(**dict(zip(self.arguments, values, strict=True)))
        _run(self.lines, s)
        for t in s.steps if self.loop else ():
            s.t = t
            _run(self.loop, s)
        _run(self.after, s)
        results = tuple(getattr(s, name) for name in self.results)
        return results if len(results) > 1 else results[0]

    def but(self, **changed: Line) -> Lines:
        """Return the function with some named lines replaced, in the loop if it has them."""
        parts: dict[str, dict[str, Line]] = {}
        for part in ("loop", "lines", "after"):
            own = getattr(self, part)
            parts[part] = {**own, **{name: changed.pop(name) for name in own if name in changed}}
        if changed:
            raise ValueError(f"no line is called {', '.join(changed)}")
        return replace(self, lines=parts["lines"], loop=parts["loop"], after=parts["after"])

    def names(self) -> list[str]:
        """Return the names of all lines, in the order in which they first run."""
        return list(dict.fromkeys([*self.lines, *self.loop, *self.after]))

    def line(self, name: str) -> Line:
        """Return the line under a name: the one that `but` changes."""
        return next(part[name] for part in (self.loop, self.lines, self.after) if name in part)


def _run(lines: Mapping[str, Line], s: SimpleNamespace) -> None:
    for name, line in lines.items():
        setattr(s, name, line(s))
