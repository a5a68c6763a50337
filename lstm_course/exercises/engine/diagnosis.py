"""Where an answer is wrong, if its mistake isn't a known one."""

import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.causes import cause_of
from lstm_course.exercises.engine.feedback import call
from lstm_course.exercises.engine.trials import (
    Answer,
    Case,
    Part,
    Trial,
    agree,
    close,
    in_digits,
    overflows,
    raw_results,
)

CHANGES: tuple[Callable[[Any], Any], ...] = (
    lambda x: 0.5 * x,
    lambda x: -x,
    lambda x: 100 * x,
    lambda x: x * np.abs(x),  # correlations don't depend on the scale,
    lambda x: np.flip(x, 0) if np.ndim(x) else x,  # nor its size on the sign
)
"""How to change an argument to see whether a result depends on it."""

SLOW = 1.0
"""Seconds that the cases may take. If an answer is slower, nothing else is tried."""

Try = Callable[[Answer, Case], Trial]

ONE_ONLY = {
    "N": "Right for one sequence, N = 1, but wrong for batches.",
    "T": "Right for one step, T = 1, but wrong for longer sequences.",
}


def describe(
    attempt: Try,
    answer: Answer,
    trials: list[Trial],
    explained: Mapping[int, str],
    broken: Sequence[str] = (),
) -> str:
    """Say where an answer fails, from the plainest cause to the smallest input it fails on.

    `explained` holds the sentences for wrong results whose mistake is known, `broken` those for
    properties that don't hold.
    """
    failing = [trial for trial in trials if trial.wrong()]
    if all(trial.case.large for trial in failing) and overflows(failing[0].got):
        head = "Right for small arguments, but not for large ones"
        (got, *_) = failing[0].got
        if isinstance(got, str):
            return f"{head}. {got}"
        return f"{head}: your result is not a finite number.{_warning(answer, failing[0])}"
    began = time.perf_counter()
    raw = raw_results(answer, trials)
    if time.perf_counter() - began > SLOW:
        k = failing[0].wrong()[0]
        return _example(answer, *_simplest(failing, k), k)
    whole = _order_of_results(raw, trials) or _exchanged(attempt, answer, trials)
    if whole:
        return whole
    names = [part.name for part in trials[0].parts]
    wrong = sorted({k for trial in failing for k in trial.wrong()})
    lines = list(broken)
    if 0 < len(wrong) < len(names):
        right = [name for k, name in enumerate(names) if k not in wrong]
        lines.append(f"Right: {', '.join(right)}. Wrong: {', '.join(names[k] for k in wrong)}.")
    for sentence in dict.fromkeys(explained[k] for k in sorted(explained)):
        made = ", ".join(names[k] for k in wrong if explained.get(k) == sentence)
        lines.append(f"In {made}: {sentence}")
    wrong = [k for k in wrong if k not in explained]
    if not wrong:
        return "\n".join(lines)
    first = wrong[0]
    ignored = _ignored(attempt, answer, trials, first)
    if ignored:
        whose = f"What you return as {names[first]}" if names[first] else "Your result"
        lines.append(f"{whose} does not depend on {', '.join(ignored)}.")
    else:
        lines += _one_only(trials)
        for k in wrong:
            arrays = [results[k] if results else None for results in raw]
            lines += filter(None, [_shape_of_mistake(k, arrays, trials)])
    simplest, near = _simplest(failing, first)
    if not isinstance(simplest.got[first], str) and not simplest.case.shown:
        simplest = _simplified(attempt, answer, simplest, first, near)
    if broken:
        lines.append("Another case:")
    lines.append(_example(answer, simplest, near, first))
    return "\n".join(lines)


def example(answer: Answer, trials: list[Trial]) -> str:
    """Show the simplest input on which an answer is wrong, once its mistake has been named."""
    k = min(k for trial in trials for k in trial.wrong())
    return _example(answer, _simplest(trials, k)[0], False, k)


def _order_of_results(raw: list[list[Array] | None], trials: list[Trial]) -> str:
    parts = trials[0].parts
    if len(parts) == 1 or any(results is None for results in raw):
        return ""

    def is_expected(got: int, wanted: int) -> bool:
        return all(
            results and _equal(results[got], trial.parts[wanted].expected)
            for results, trial in zip(raw, trials, strict=True)
        )

    order = _matching(len(parts), is_expected)
    if order is None:
        return ""
    return (
        f"Your results come in the order {', '.join(parts[k].name for k in order)}. "
        f"The question asks for {', '.join(part.name for part in parts)}."
    )


def _exchanged(attempt: Try, answer: Answer, trials: list[Trial]) -> str:
    """Name the two arguments that must be swapped for everything to be right."""
    # Failing trials come first, since they rule out most pairs.
    small = sorted((t for t in trials if not t.case.large), key=lambda t: not t.wrong())
    for one, other in itertools.combinations(trials[0].case.arguments, 2):

        def swapped(*values: Any, names: tuple[str, str] = (one, other)) -> object:
            given = dict(zip(trials[0].case.arguments, values, strict=True))
            given[names[0]], given[names[1]] = given[names[1]], given[names[0]]
            return answer(*given.values())

        if small[0].wrong() and not any(attempt(swapped, trial.case).wrong() for trial in small):
            return f"Your function mixes up {one} and {other}."
    return ""


def _one_only(trials: list[Trial]) -> list[str]:
    """Name a size for which 1 is right and more is wrong (while other sizes are more than 1).

    If there are several, name the first: the others may have grown with it by chance.
    """
    sentences = []
    for letter in trials[0].case.sizes:
        single = [t for t in trials if t.case.sizes[letter] == 1 < max(t.case.sizes.values())]
        larger = [t for t in trials if t.case.sizes[letter] > 1]
        if (
            single
            and larger
            and not any(t.wrong() for t in single)
            and all(t.wrong() for t in larger)
        ):
            sentences.append(
                ONE_ONLY.get(letter, f"Right for {letter} = 1, but wrong when {letter} is larger.")
            )
    return sentences[:1]


def _ignored(attempt: Try, answer: Answer, trials: list[Trial], k: int) -> list[str]:
    """Return the arguments that should change result k but don't."""
    usable = [trial for trial in trials if not isinstance(trial.got[k], str)]
    ignored = []
    for name, value in trials[0].case.arguments.items():
        if not _has_floats(value):
            continue
        matters = False
        for trial, change in itertools.product(usable, CHANGES):
            arguments = trial.case.arguments
            arguments = {**arguments, name: _changed(arguments[name], change)}
            try:
                changed = attempt(answer, Case(trial.case.sizes, arguments))
            except Exception:  # the question has no answer for it
                continue
            if not agree(trial.got[k], changed.got[k]):
                break
            matters = matters or not agree(trial.parts[k].expected, changed.parts[k].expected)
        else:
            ignored += [name] * matters
    return ignored


def _has_floats(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_floats, value))
    return isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_changed(one, change) for one in value]
    return change(value) if _has_floats(value) else value


def _shape_of_mistake(k: int, arrays: list[Array | None], trials: list[Trial]) -> str:
    """Say whether result k is right except for its slices, the order of its axes, or a factor."""
    part = trials[0].parts[k]
    whose = part.name or "your result"
    pairs = [
        (array, trial.parts[k].expected, trial.case)
        for array, trial in zip(arrays, trials, strict=True)
        if array is not None and not trial.case.large
    ]
    if not pairs or len(pairs) < sum(not trial.case.large for trial in trials):
        return ""
    return _axes(part, whose, pairs) or _slices(part, whose, pairs) or _factor(whose, pairs)


Pairs = list[tuple[Array, Array, Case]]


def _axes(part: Part, whose: str, pairs: Pairs) -> str:
    letters = re.findall(r"\w+", part.returned.shape)
    if len(letters) != pairs[0][1].ndim:
        return ""
    for order in itertools.permutations(range(len(letters))):
        back = np.argsort(order)
        if list(order) != sorted(order) and all(
            got.ndim == len(order) and _equal(got.transpose(back), want) for got, want, _ in pairs
        ):
            yours = ", ".join(letters[axis] for axis in order)
            return (
                f"The values of {whose} are right, but the axes are swapped: "
                f"got ({yours}), expected {part.returned.shape}."
            )
    for axis, letter in enumerate(letters):
        if all(
            got.shape == want.shape and _equal(np.flip(got, axis), want) for got, want, _ in pairs
        ):
            return f"The values of {whose} are right, but in reverse order along the axis {letter}."
    return ""


def _slices(part: Part, whose: str, pairs: Pairs) -> str:
    names = part.returned.slices
    if not names or any(got.shape != want.shape for got, want, _ in pairs):
        return ""

    def is_expected(got: int, wanted: int) -> bool:
        return all(
            _equal(np.split(g, len(names))[got], np.split(w, len(names))[wanted])
            for g, w, _ in pairs
        )

    wrong = [name for k, name in enumerate(names) if not is_expected(k, k)]
    order = _matching(len(names), is_expected)
    if order is not None:
        return (
            f"The slices of {whose} are right, but they come in the order "
            f"{', '.join(names[k] for k in order)}; expected {', '.join(names)}."
        )
    if len(wrong) == len(names):
        return ""
    right = [name for name in names if name not in wrong]
    return (
        f"In {whose} the slice{'s' * (len(wrong) > 1)} of the {' and of the '.join(wrong)} "
        f"{'is' if len(wrong) == 1 else 'are'} wrong. Right: {', '.join(right)}."
    )


def _factor(whose: str, pairs: Pairs) -> str:
    factors = []
    for got, want, _ in pairs:
        if got.shape != want.shape:
            return ""
        told = np.abs(want) > 1e-6
        if not told.any() or not np.isfinite(got).all():
            return ""
        factor = float((got[told] / want[told]).flat[0])
        if not _equal(got, factor * want):
            return ""
        factors.append(factor)
    if np.allclose(factors, -1):
        return f"Only the sign of {whose} is wrong."
    if abs(factors[0]) > 1e-6 and abs(factors[0] - 1) > 1e-6 and np.allclose(factors, factors[0]):
        return f"In every case, {whose} is {factors[0]:.4g} times what's expected."
    for letter in pairs[0][2].sizes:
        sizes = np.array([case.sizes[letter] for _, _, case in pairs], float)
        if np.allclose(factors, sizes):
            return f"In every case, {whose} is {letter} times what's expected."
        if np.allclose(factors, 1 / sizes):
            return f"In every case, {whose} is 1/{letter} of what's expected."
    return ""


def _near(trial: Trial, k: int) -> bool:
    """Return whether result k is what's expected except for its last digits."""
    got, want = trial.got[k], trial.parts[k].expected
    if isinstance(got, str) or not np.allclose(got, want, rtol=2e-3, atol=1e-4):
        return False
    tiny = np.abs(want) < 1e-9  # where 0 is expected, nothing counts as near
    return bool(close(got, want)[tiny].all())


def _simplest(failing: list[Trial], k: int) -> tuple[Trial, bool]:
    """Return the trial to show for a wrong result k, and whether all such trials are near."""
    failing = [trial for trial in failing if k in trial.wrong()]
    far = [trial for trial in failing if not _near(trial, k)]
    failing = far or failing
    # Show a wrong shape or an error where sizes differ, but a wrong number on the smallest case.
    distinct = [trial for trial in failing if len(set(trial.case.sizes.values())) > 1]
    told = [trial for trial in distinct if isinstance(trial.got[k], str)]
    failing.sort(key=lambda trial: (trial.case.large, _size(trial.case)))
    return (told or failing)[0], not far


def _example(answer: Answer, trial: Trial, near: bool, k: int) -> str:
    """Show the input on which result k is wrong, with the actual and the expected value."""
    got, want = trial.got[k], trial.parts[k].expected
    if isinstance(got, str):
        return got
    with np.errstate(invalid="ignore"):
        off = np.where(close(got, want), -1, np.nan_to_num(np.abs(got - want), nan=np.inf))
    place = tuple(int(i) for i in np.unravel_index(np.argmax(off), off.shape))
    one, other = in_digits(float(got[place]), float(want[place]))
    name, told = trial.parts[k].name, trial.parts[k].returned.told
    entry = f"entry {place}" if place else ""
    if told:
        text = f"For {trial.case}: {' and '.join(np.array(told)[off >= 0])}."
    elif np.isfinite(got[place]):
        where = " of ".join(filter(None, [entry, name])) or "the result"
        text = f"Wrong for {trial.case}: {where} is {one}, expected {other}."
    else:
        text = (
            f"For {trial.case} {name or 'your result'} is not a finite number: {entry or 'it'} is "
            f"{one}, expected {other}.{_warning(answer, trial)}"
        )
    if near:
        text += (
            "Close, but off by more than float64 rounding: the check allows a relative error of "
            "1e-6."
        )
    return text + _given(trial.case)


def _warning(answer: Answer, trial: Trial) -> str:
    """Return NumPy's first warning during the computation as a sentence, if there is one."""
    cause = cause_of(call(answer, trial.case.arguments)[1])
    return f"\nNumPy's first warning on the way: {cause}" if cause else ""


def _simplified(attempt: Try, answer: Answer, trial: Trial, k: int, near: bool) -> Trial:
    """Return a trial with rounder arguments, zeros where possible, in which result k is wrong.

    Unless all trials are `near`, this one isn't near either.
    """
    for simpler in (np.zeros_like, lambda value: np.round(value, 1) + 0.0):
        for name, value in trial.case.arguments.items():
            if not (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
                continue
            arguments = {**trial.case.arguments, name: simpler(value)}
            try:
                tried = attempt(answer, Case(trial.case.sizes, arguments, trial.case.large))
            except Exception:  # the question has no answer for it
                continue
            got, want = tried.got[k], tried.parts[k].expected
            finite = not isinstance(got, str) and np.isfinite([got, want]).all()
            if finite and _extent(want) <= 1e3 * _extent(trial.parts[k].expected):
                trial = tried if k in tried.wrong() and (near or not _near(tried, k)) else trial
    return trial


def _extent(array: Array) -> float:
    """Return the largest absolute value of an entry, but at least 1."""
    return float(np.max(np.abs(array), initial=1.0))


def _size(case: Case) -> int:
    """Return how many numbers the arguments hold."""
    return sum(
        sum(map(np.size, value)) if isinstance(value, list) else np.size(value)
        for value in case.arguments.values()
    )


def _given(case: Case) -> str:
    """Return what the case shows, or the arguments themselves if they hold few numbers."""
    if case.shown:
        return f"\n{case.shown}"
    if _size(case) > 24:
        return ""
    shown, zero = [], []
    for name, value in case.arguments.items():
        if isinstance(value, np.ndarray) and value.size and not value.any():
            zero.append(name)
        elif isinstance(value, np.ndarray):
            text = np.array2string(value, precision=4, separator=", ", suppress_small=True)
            shown.append(f"{name} = {' '.join(text.split())}")
        elif not callable(value):
            shown.append(f"{name} = {value!r}")
    if zero:
        shown.append(f"{', '.join(zero)} all 0")
    return f"\nThere {', '.join(shown)}."


def _equal(one: Array, other: Array) -> bool:
    return one.shape == other.shape and bool(close(one, other).all())


def _matching(count: int, is_expected: Callable[[int, int], bool]) -> list[int] | None:
    """Return which expected item is at each place, if all are there but out of order."""
    order: list[int] = []
    for got in range(count):
        candidates: Iterator[int] = (
            wanted
            for wanted in sorted(range(count), key=lambda w: w != got)
            if wanted not in order and is_expected(got, wanted)
        )
        found = next(candidates, None)
        if found is None:
            return None
        order.append(found)
    return order if order != sorted(order) else None
