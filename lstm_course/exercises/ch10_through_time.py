"""Backpropagation through time, whole and truncated."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course import cell, fast, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.lines import Line, Lines
from lstm_course.exercises.engine.mistakes import Mistakes, each, said
from lstm_course.exercises.engine.parts import WEIGHT_GRADIENTS, drawn, sized
from lstm_course.exercises.engine.trials import Answer, Case, Returned


def through_time(
    dhs: Array, dcs: Array, xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[Array, ...]:
    """Return dxs, dh0, dc0, dW, dU and db of a whole sequence."""
    results: tuple[Array, ...] = WALK(dhs, dcs, xs, h0, c0, W, U, b)
    return results


ARGUMENTS = "dhs dcs xs h0 c0 W U b"
WALK = Lines(
    tuple(ARGUMENTS.split()),
    {
        "cache": lambda s: _forward(s.xs, s.W, s.U, s.b, s.h0, s.c0)[2],
        "T": lambda s: len(s.xs),
        "steps": lambda s: reversed(range(s.T)),
        "nought": lambda s: np.zeros_like(s.h0),
        "dh": lambda s: s.nought,
        "dc": lambda s: s.nought,
        "dx": lambda s: dict.fromkeys(range(s.T), np.zeros_like(s.xs[0])),
        "dW": lambda s: np.zeros_like(s.W),
        "dU": lambda s: np.zeros_like(s.U),
        "db": lambda s: np.zeros_like(s.b),
    },
    ("dxs", "dh0", "dc0", "dW", "dU", "db"),
    loop={
        "kept": lambda s: s.cache[s.t],
        "into_h": lambda s: s.dhs[s.t] + s.dh,
        "into_c": lambda s: s.dcs[s.t] + s.dc,
        "back": lambda s: cell.step_backward(s.into_h, s.into_c, s.kept),
        "dh_prev": lambda s: s.back[1],
        "dc_prev": lambda s: s.back[2],
        "dx": lambda s: {**s.dx, s.t: s.back[0]},
        "dW_t": lambda s: s.back[3].weight_ih,
        "dU_t": lambda s: s.back[3].weight_hh,
        "db_t": lambda s: s.back[3].bias,
        "dW": lambda s: s.dW + s.dW_t,
        "dU": lambda s: s.dU + s.dU_t,
        "db": lambda s: s.db + s.db_t,
        "dh": lambda s: s.dh_prev,
        "dc": lambda s: s.dc_prev,
    },
    after={
        "dxs": lambda s: np.array([s.dx[t] for t in range(s.T)]),
        "dh0": lambda s: s.dh,
        "dc0": lambda s: s.dc,
    },
)
walk_with = WALK.but
"""Return the walk back through time with some of its lines changed."""


def _forward(xs: Array, W: Array, U: Array, b: Array, *states: Array) -> Any:
    return sequence.lstm_forward(xs, cell.LSTMParams(W, U, b), *states)


def _nought(s: Any) -> Array:
    return np.asarray(s.nought)


def _not_carried(*names: str) -> tuple[Answer, ...]:
    """Return walks that don't hand these on, with 0 or the first step's for the initial states."""
    cut = dict.fromkeys(names, _nought)
    last: dict[str, Line] = {"dh0": lambda s: s.dh_prev, "dc0": lambda s: s.dc_prev}
    return walk_with(**cut), walk_with(**cut, **last)


def _parameters(line: Callable[[Any, Array, Array], Array]) -> dict[str, Line]:
    """Return the lines of all three parameters, made from their sums so far and a step's share."""

    def of(name: str) -> Line:
        return lambda s: line(s, getattr(s, name), getattr(s, f"{name}_t"))

    return {name: of(name) for name in ("dW", "dU", "db")}


OVERWRITTEN = _parameters(lambda s, so_far, share: share)


def _late_dU(s: Any) -> Array:
    *_, grads = cell.step_backward(s.into_h, s.into_c, s.kept._replace(h_prev=s.kept.h))
    return np.asarray(s.dU + grads.weight_hh)


def _is_last(s: Any) -> bool:
    return bool(s.t == s.T - 1)


def _rows_wrong(rows: Callable[[Any, Array], Any]) -> dict[str, tuple[Answer, ...]]:
    """Return walks that read dhs, dcs or both through `rows`, which replaces the row of a step."""

    def into_h(s: Any) -> Array:
        return np.asarray(rows(s, s.dhs) + s.dh)

    def into_c(s: Any) -> Array:
        return np.asarray(rows(s, s.dcs) + s.dc)

    return {
        "dhs and dcs": (walk_with(into_h=into_h, into_c=into_c),),
        "dhs": (walk_with(into_h=into_h),),
        "dcs": (walk_with(into_c=into_c),),
    }


def _said_of_rows(
    template: str, *ways: Callable[[Any, Array], Any], names: str = "dhs and dcs|dhs|dcs"
) -> Mistakes:
    """Return mistakes in reading the rows of both gradients, or of one."""
    wrong = [_rows_wrong(way) for way in ways]
    return {
        template.format(name): tuple(answer for one in wrong for answer in one[name])
        for name in names.split("|")
    }


AFTER_THE_STEP: dict[str, dict[str, Line]] = {
    "h": {"into_h": lambda s: s.dh, "dh": lambda s: s.dh_prev + s.dhs[s.t]},
    "c": {"into_c": lambda s: s.dc, "dc": lambda s: s.dc_prev + s.dcs[s.t]},
}


MISTAKES: Mistakes = {
    # Mistakes that spoil one result come first: where two mistakes meet, those are reported.
    "Your gradients of the inputs come in the order of the walk, last step first.": (
        walk_with(dxs=lambda s: np.array([s.dx[t] for t in reversed(range(s.T))])),
    ),
    **said("state-in-dU", walk_with(dU=_late_dU), yours="the one after it"),
    **each(
        "{} is one step short: it belongs to the state before the first step, not after it.",
        {
            "dh0": (
                walk_with(dh0=lambda s: s.into_h),
                walk_with(dh0=lambda s: s.into_h - s.dhs[0]),
            ),
            "dc0": (
                walk_with(dc0=lambda s: s.into_c),
                walk_with(dc0=lambda s: s.into_c - s.dcs[0]),
            ),
        },
    ),
    "Your dh0 and dc0 are 0. What the first step hands back belongs to the initial states.": (
        walk_with(dh0=_nought, dc0=_nought),
    ),
    **each(
        "You add the last row of {} to {} too: at the first step, t - 1 is -1, the last place.",
        {
            ("dhs and dcs", "dh0 and dc0"): (
                walk_with(dh0=lambda s: s.dh + s.dhs[-1], dc0=lambda s: s.dc + s.dcs[-1]),
            ),
            ("dhs", "dh0"): (walk_with(dh0=lambda s: s.dh + s.dhs[-1]),),
            ("dcs", "dc0"): (walk_with(dc0=lambda s: s.dc + s.dcs[-1]),),
        },
    ),
    **each(
        "You don't hand {0} on to the earlier step: what enters it is only its own row of {0}s.",
        {"dh": _not_carried("dh"), "dc": _not_carried("dc")},
    ),
    "You hand on neither dh nor dc, so each step learns only from its own loss. That isn't "
    "backpropagation through time.": _not_carried("dh", "dc"),
    "You overwrite the gradients of W, U and b at every step, so only the first step's are left. "
    "All steps share these parameters: add their gradients up.": (walk_with(**OVERWRITTEN),),
    **each(
        "You overwrite the gradient of {0} at every step, so only the first step's is left. All "
        "steps share {0}, so theirs add up.",
        {name[1]: (walk_with(**{name: line}),) for name, line in OVERWRITTEN.items()},
    ),
    "Only the last step contributes to your gradients of W, U and b. All steps share them, so "
    "all contribute.": (
        walk_with(**_parameters(lambda s, so_far, share: share if _is_last(s) else so_far)),
    ),
    **said(
        "mean-not-sum",
        walk_with(**_parameters(lambda s, so_far, share: so_far + share / s.T)),
        all="steps",
        one="step",
    ),
    "dcs has no effect, but the loss of a step reads its cell state too.": (
        walk_with(into_c=lambda s: s.dc),
    ),
    "You add dcs[t] to dh. It's the gradient of the cell state, so it belongs to dc.": (
        walk_with(into_h=lambda s: s.dhs[s.t] + s.dcs[s.t] + s.dh, into_c=lambda s: s.dc),
        walk_with(into_h=lambda s: s.dhs[s.t] + s.dcs[s.t] + s.dh),
    ),
    "You add dhs[t] to dc. The step itself adds what comes through h to dc.": (
        walk_with(into_c=lambda s: s.dcs[s.t] + s.dhs[s.t] + s.dc),
    ),
    "The steps' own losses don't reach h: you never add dhs on the way.": (
        walk_with(into_h=lambda s: s.dh),
    ),
    "You add neither dhs nor dcs on the way, so all your gradients are 0.": (
        walk_with(into_h=lambda s: s.dh, into_c=lambda s: s.dc),
    ),
    **_said_of_rows(
        "You use only the last row of {}. Every step has a loss of its own.",
        lambda s, rows: rows[s.t] if _is_last(s) else 0 * rows[s.t],
    ),
    **_said_of_rows(
        "The last row of {} counts twice: your walk starts from it, and the last step adds it "
        "again.",
        lambda s, rows: rows[s.t] * (1 + _is_last(s)),
    ),
    **_said_of_rows(
        "You add the last row of {} at every step. Each step has a row of its own.",
        lambda s, rows: rows[-1],
    ),
    **_said_of_rows(
        "Your walk is off by one in the rows of {}: a step gets its neighbour's row.",
        lambda s, rows: rows[s.t - 1],
        lambda s, rows: rows[(s.t + 1) % s.T],
        lambda s, rows: rows[s.t - 1] if s.t else 0 * rows[0],
        lambda s, rows: 0 * rows[0] if _is_last(s) else rows[s.t + 1],
    ),
    **each(
        "You add the row of {} after the step. It has to go into the step.",
        {
            "dhs and of dcs": (walk_with(**AFTER_THE_STEP["h"], **AFTER_THE_STEP["c"]),),
            "dhs": (walk_with(**AFTER_THE_STEP["h"]),),
            "dcs": (walk_with(**AFTER_THE_STEP["c"]),),
        },
    ),
    "dh and dc start as one array under two names, so what you add to one in place, the other "
    "gets too. Give each its own array of 0.": (
        walk_with(
            into_h=lambda s: s.dhs[s.t] + (s.dcs[s.t] if _is_last(s) else s.dh),
            into_c=lambda s: s.dcs[s.t] + (s.dhs[s.t] if _is_last(s) else s.dc),
        ),
    ),
    "You start dh and dc as h0 and c0. Those are states, not gradients: start from 0.": (
        walk_with(
            into_h=lambda s: s.dhs[s.t] + (s.h0 if _is_last(s) else s.dh),
            into_c=lambda s: s.dcs[s.t] + (s.c0 if _is_last(s) else s.dc),
        ),
    ),
    **_said_of_rows(
        "You read the rows of {} in the wrong order: the first step's row goes to the last step.",
        lambda s, rows: rows[s.T - 1 - s.t],
    ),
    **_said_of_rows(
        "You count rows of {} twice: at their own step, and again in what it hands on.",
        lambda s, rows: rows[s.t] + (0 if _is_last(s) else rows[s.t + 1]),
    ),
    **_said_of_rows("You add every row of {} twice.", lambda s, rows: 2 * rows[s.t]),
    "You take one step's gradients T times. Each step has gradients of its own, and they add up.": (
        walk_with(**_parameters(lambda s, so_far, share: s.T * share)),
        walk_with(**_parameters(lambda s, so_far, share: s.T * share if _is_last(s) else so_far)),
    ),
    "You multiply the gradient of the step's own loss by the one from the later step. The state "
    "is used twice, so its gradients add up.": (walk_with(into_h=lambda s: s.dhs[s.t] * s.dh),),
    "You count twice what reaches the cell state through h: the step already adds it to dc.": (
        walk_with(
            into_c=lambda s: s.dcs[s.t] + s.dc + s.into_h * s.kept.o * (1 - s.kept.tanh_c**2)
        ),
    ),
    "The forget gate acts twice on your way back: the step has already multiplied dc by it.": (
        walk_with(dc=lambda s: s.dc_prev * s.kept.f),
    ),
    "Your walk goes from the first step to the last. Gradients travel the other way.": (
        walk_with(steps=lambda s: range(s.T)),
    ),
    **each(
        "Your walk {} one step too early: it leaves out the {} step.",
        {
            ("ends", "first"): (walk_with(steps=lambda s: range(s.T - 1, 0, -1)),),
            ("begins", "last"): (walk_with(steps=lambda s: range(s.T - 2, -1, -1)),),
        },
    ),
    "Every step goes back through what the same step kept. Each has its own.": (
        walk_with(kept=lambda s: s.cache[-1]),
        walk_with(kept=lambda s: s.cache[0]),
    ),
    "A step goes back through what another step kept: your places in cache are off.": (
        walk_with(kept=lambda s: s.cache[s.t - 1]),
        walk_with(kept=lambda s: s.cache[s.T - 1 - s.t]),
    ),
    "You swap dh and dc when you hand them on.": (
        walk_with(dh=lambda s: s.dc_prev, dc=lambda s: s.dh_prev),
    ),
    "You add what a step hands back to what it was given. Replace it instead.": (
        walk_with(dh=lambda s: s.dh + s.dh_prev, dc=lambda s: s.dc + s.dc_prev),
        walk_with(dh=lambda s: s.into_h + s.dh_prev, dc=lambda s: s.into_c + s.dc_prev),
        walk_with(dh=lambda s: s.dh + s.dh_prev),
        walk_with(dh=lambda s: s.into_h + s.dh_prev),
        walk_with(dc=lambda s: s.dc + s.dc_prev),
        walk_with(dc=lambda s: s.into_c + s.dc_prev),
    ),
    **each(
        "You hand {} on as it came, not as the step has changed it.",
        {
            "dh": (walk_with(dh=lambda s: s.into_h),),
            "dc": (
                walk_with(dc=lambda s: s.into_c),
                walk_with(dc=lambda s: s.into_c, dc0=lambda s: s.dc_prev),
            ),
        },
    ),
    **said(
        "mean-not-sum",
        lambda dhs, *given: _mean_over_batch(through_time(dhs, *given), dhs.shape[1]),
        all="batch",
        one="sequence",
    ),
}


def _mean_over_batch(results: tuple[Array, ...], N: int) -> tuple[Array, ...]:
    return (*results[:-3], *(result / N for result in results[-3:]))


def _arguments(T: int, N: int, D: int, H: int) -> dict[str, Array]:
    sizes = {"T": T, "N": N, "D": D, "H": H}
    given = drawn("dhs xs h0 c0 W U b", **sizes)
    given["dcs"] = drawn("dhs", seed=1, **sizes)["dhs"]
    return {name: given[name] for name in ARGUMENTS.split()}


@sized
def _case(T: int, N: int, D: int, H: int) -> Case:
    return Case({"T": T, "N": N, "D": D, "H": H}, _arguments(T, N, D, H))


def _called(answer: Guarded, **changed: Array) -> list[Array]:
    """Call an answer on four steps; raise an error unless the shapes are right."""
    given = {**_arguments(4, 2, 3, 2), **changed}
    expected = [given[name].shape for name in ("xs", "h0", "c0", "W", "U", "b")]
    results = [np.asarray(result, float) for result in answer(*given.values())]
    if [result.shape for result in results] != expected:
        raise ValueError
    return results


def _alone(t: int, rng: np.random.Generator) -> dict[str, Array]:
    """Return gradients that are 0 except at step t."""
    dhs, dcs = np.zeros((2, 4, 2, 2))
    dhs[t], dcs[t] = rng.normal(size=(2, 2, 2))
    return {"dhs": dhs, "dcs": dcs}


def _no_way_ahead(answer: Guarded, rng: np.random.Generator) -> bool:
    return not np.any(_called(answer, **_alone(1, rng))[0][2:])


def _reaches_the_first(answer: Guarded, rng: np.random.Generator) -> bool:
    dxs, dh0, *_ = _called(answer, **_alone(3, rng))
    return bool(np.any(dxs[0]) and np.any(dh0))


def _losses_add_up(answer: Guarded, rng: np.random.Generator) -> bool:
    one, other = _alone(1, rng), _alone(3, rng)
    both = {name: one[name] + other[name] for name in one}
    results = zip(*(_called(answer, **given) for given in (one, other, both)), strict=True)
    return all(np.allclose(a + b, c) for a, b, c in results)


PROPERTIES: dict[str, Property] = {
    "The loss of step 2 can't depend on later inputs: their dxs must be 0.": _no_way_ahead,
    "The loss of the last step depends on the first input and on h0: neither gradient may be 0.": (
        _reaches_the_first
    ),
    "The gradients of two losses must add up to those of their sum.": _losses_add_up,
}


def truncated(
    dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
) -> tuple[Array, Array, Array]:
    """Return dW, dU and db with the gradient cut every k steps, and the state carried on."""
    dW, dU, db = CHUNKS(dhs, xs, W, U, b, k)
    return dW, dU, db


CHUNKS = Lines(
    ("dhs", "xs", "W", "U", "b", "k"),
    {
        "T": lambda s: len(s.xs),
        "length": lambda s: s.k,
        "steps": lambda s: range(0, s.T, s.k),
        "nought": lambda s: np.zeros((s.xs.shape[1], s.U.shape[1]), s.xs.dtype),
        "h": lambda s: s.nought,
        "c": lambda s: s.nought,
        "dh": lambda s: s.nought,
        "dc": lambda s: s.nought,
        "sums": lambda s: [np.zeros_like(array) for array in (s.W, s.U, s.b)],
    },
    ("dW", "dU", "db"),
    loop={
        "chunk": lambda s: slice(s.t, min(s.t + s.length, s.T)),
        "run": lambda s: _forward(s.xs[s.chunk], s.W, s.U, s.b, s.h, s.c),
        "h": lambda s: s.run[1][0],
        "c": lambda s: s.run[1][1],
        "losses": lambda s: s.dhs[s.chunk],
        "back": lambda s: sequence.lstm_backward(s.losses, s.run[2], s.dh, s.dc),
        "dh": lambda s: s.nought,
        "dc": lambda s: s.nought,
        "sums": lambda s: [a + b for a, b in zip(s.sums, s.back[3].arrays(), strict=True)],
    },
    after={
        "share": lambda s: 1.0,
        "shares": lambda s: [whole * whole.dtype.type(s.share) for whole in s.sums],
        "dW": lambda s: s.shares[0],
        "dU": lambda s: s.shares[1],
        "db": lambda s: s.shares[2],
    },
)
chunks_with = CHUNKS.but
"""Return the truncated gradient with some of its lines changed."""


def _whole(
    dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
) -> tuple[Array, Array, Array]:
    return sequence.lstm_backward(dhs, _forward(xs, W, U, b)[2])[3].arrays()


def _last_steps(
    dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
) -> tuple[Array, Array, Array]:
    return sequence.lstm_backward(dhs[-k:], _forward(xs, W, U, b)[2][-k:])[3].arrays()


def _windows(dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int) -> list[Array]:
    """Walk back k steps from every single step."""
    cache = _forward(xs, W, U, b)[2]
    total = [np.zeros_like(array) for array in (W, U, b)]
    for t in range(len(xs)):
        steps = cache[max(0, t - k + 1) : t + 1]
        alone = np.zeros((len(steps), *dhs.shape[1:]), dhs.dtype)
        *_, grads = sequence.lstm_backward(alone, steps, dh_T=dhs[t])
        total = [whole + part for whole, part in zip(total, grads.arrays(), strict=True)]
    return total


def _cut_before(is_cut: Callable[[int, int, int], bool], states: str = "hc") -> Answer:
    """Return the gradient of one walk back, cut between t and t - 1 wherever `is_cut` says so.

    `is_cut` is called with t, T and k; `states` are the ones whose gradients are cut.
    """

    def answer(dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int) -> list[Array]:
        cache, zero = _forward(xs, W, U, b)[2], np.zeros_like(dhs[0])
        dh = dc = zero
        total = [np.zeros_like(array) for array in (W, U, b)]
        for t in reversed(range(len(xs))):
            _, dh, dc, grads = cell.step_backward(dhs[t] + dh, dc, cache[t])
            total = [whole + part for whole, part in zip(total, grads.arrays(), strict=True)]
            if is_cut(t, len(xs), k):
                dh, dc = zero if "h" in states else dh, zero if "c" in states else dc
        return total

    return answer


def _only(wanted: Callable[[Any, int], bool]) -> Line:
    """Return the line that puts 0 in all rows of a chunk's dhs except the wanted ones."""
    return lambda s: np.array([s.dhs[t] * wanted(s, t) for t in range(s.chunk.start, s.chunk.stop)])


def _as_long_as(length: Callable[[Any], int]) -> Answer:
    """Return the truncated gradient for chunks of another length."""
    return chunks_with(length=length, steps=lambda s: range(0, s.T, s.length))


def _from_0(s: Any) -> Array:
    return np.asarray(s.nought)


def _parts(T: int, k: int) -> list[Array]:
    return [part for part in np.array_split(np.arange(T), k) if len(part)]


TRUNCATED_MISTAKES: Mistakes = {
    "Every chunk starts from states of 0. Cut the gradient, but carry the state on.": (
        chunks_with(h=_from_0, c=_from_0),
    ),
    **each(
        "{} goes on from chunk to chunk, but {} starts from 0 each time. The state is both.",
        {("h", "c"): (chunks_with(c=_from_0),), ("c", "h"): (chunks_with(h=_from_0),)},
    ),
    "You swap h and c between chunks.": (
        chunks_with(h=lambda s: s.run[1][1], c=lambda s: s.run[1][0]),
    ),
    "This is the whole gradient: you don't cut anything.": (_whole,),
    "You hand gradients from one chunk to the next. The walk back ends at the chunk's start.": (
        chunks_with(dh=lambda s: s.back[1], dc=lambda s: s.back[2]),
        chunks_with(dh=lambda s: s.back[1]),
        chunks_with(dc=lambda s: s.back[2]),
    ),
    **each(
        "You count only the {} chunk. All chunks share the parameters, so their gradients add up.",
        {
            "last": (chunks_with(losses=lambda s: s.dhs[s.chunk] * (s.chunk.stop == s.T)),),
            "first": (chunks_with(steps=lambda s: (0,)),),
        },
    ),
    "You leave out the first chunk.": (
        chunks_with(steps=lambda s: range(s.k, s.T, s.k)),
        chunks_with(losses=lambda s: s.dhs[s.chunk] * (s.chunk.start > 0)),
    ),
    "You count the chunks from the end, so the first one is short. The last one should be.": (
        _cut_before(lambda t, T, k: (T - t) % k == 0),
    ),
    **each(
        "You cut only {}: {} still goes back from chunk to chunk.",
        {
            ("dh", "dc"): (_cut_before(lambda t, T, k: t % k == 0, "h"),),
            ("dc", "dh"): (_cut_before(lambda t, T, k: t % k == 0, "c"),),
        },
    ),
    "Your cuts are one step off: the first chunk must have k steps.": (
        _cut_before(lambda t, T, k: t % k == 1 % k),
        _cut_before(lambda t, T, k: t % k == k - 1),
    ),
    "You count only the last k steps. The steps before them are chunks too.": (
        _last_steps,
        chunks_with(steps=lambda s: (max(0, s.T - s.k),)),
    ),
    "You drop the last chunk if it's shorter than k steps.": (
        chunks_with(steps=lambda s: range(0, s.T - s.k + 1, s.k)),
        chunks_with(steps=lambda s: range(0, s.T - s.k, s.k)),
    ),
    "k is the number of steps in a chunk. You make k chunks.": (
        _as_long_as(lambda s: -(-s.T // s.k)),
        _as_long_as(lambda s: max(1, s.T // s.k)),
        _cut_before(lambda t, T, k: t in [part[0] for part in _parts(T, k)]),
    ),
    **each(
        "Your chunks are one step too {}.",
        {
            "short": (_as_long_as(lambda s: max(1, s.k - 1)),),
            "long": (_as_long_as(lambda s: s.k + 1),),
        },
    ),
    "Your chunks overlap by one step, so that step counts twice.": (
        chunks_with(length=lambda s: s.k + 1),
        chunks_with(steps=lambda s: range(0, s.T, max(1, s.k - 1))),
    ),
    "You begin a chunk at every step. Begin each one where the one before it ends.": (
        chunks_with(steps=lambda s: range(s.T)),
        chunks_with(steps=lambda s: range(s.T - s.k + 1), h=_from_0, c=_from_0),
        chunks_with(steps=lambda s: range(s.T - s.k + 1)),
    ),
    "Your chunks run from the last to the first. The state goes the other way.": (
        chunks_with(steps=lambda s: reversed(range(0, s.T, s.k))),
    ),
    "You count the last row of each chunk twice: it's in dhs already.": (
        chunks_with(
            losses=lambda s: np.concatenate([s.dhs[s.chunk][:-1], 2 * s.dhs[s.chunk][-1:]])
        ),
    ),
    "The next chunk gets the first hidden state of the chunk before it. It needs the last.": (
        chunks_with(h=lambda s: s.run[0][0]),
    ),
    **said("mean-not-sum", chunks_with(share=lambda s: 1 / s.T), all="steps", one="step"),
    "You walk back k steps from every step. Here the chain is cut in fixed places.": (_windows,),
    "You give every chunk the first rows of dhs. Each has rows of its own.": (
        chunks_with(losses=lambda s: s.dhs[: s.chunk.stop - s.chunk.start]),
    ),
    **each(
        "You use only the loss at the last step of {}. Every step has one.",
        {
            "each chunk": (chunks_with(losses=_only(lambda s, t: t == s.chunk.stop - 1)),),
            "the sequence": (chunks_with(losses=_only(lambda s, t: t == s.T - 1)),),
        },
    ),
    **said(
        "mean-not-sum", chunks_with(share=lambda s: 1 / -(-s.T // s.k)), all="chunks", one="chunk"
    ),
    **said(
        "mean-not-sum",
        chunks_with(share=lambda s: 1 / s.k),
        chunks_with(losses=lambda s: s.dhs[s.chunk] / s.dhs.dtype.type(len(s.dhs[s.chunk]))),
        all="steps of a chunk",
        one="step",
    ),
    **said(
        "mean-not-sum", chunks_with(share=lambda s: 1 / s.xs.shape[1]), all="batch", one="sequence"
    ),
}


@sized
def _truncated_case(T: int, N: int, D: int, H: int, k: int) -> Case:
    given = _arguments(T, N, D, H)
    arguments = {name: given[name] for name in ("dhs", "xs", "W", "U", "b")}
    return Case({"T": T, "N": N, "D": D, "H": H, "k": k}, {**arguments, "k": k})


def _three(answer: Guarded, **changed: Any) -> list[Array]:
    """Call an answer on four steps; raise an error unless the shapes are right."""
    given = {**_truncated_case(4, 1, 4, 2, 2).arguments, **changed}
    results = [np.asarray(result, float) for result in answer(*given.values())]
    if [result.shape for result in results] != [given[name].shape for name in "WUb"]:
        raise ValueError
    return results


def _uncut(answer: Guarded, rng: np.random.Generator) -> bool:
    given = _truncated_case(4, 1, 4, 2, 2).arguments
    return all(
        np.allclose(*pair)
        for k in (4, 9)
        for pair in zip(_three(answer, k=k), _whole(**given), strict=True)
    )


def _no_blame_before_the_cut(answer: Guarded, rng: np.random.Generator) -> bool:
    xs, dhs = np.eye(4)[:, None], np.zeros((4, 1, 2))
    dhs[2:] = rng.normal(size=(2, 1, 2))
    return not np.any(_three(answer, dhs=dhs, xs=xs)[0][:, :2])


TRUNCATED_PROPERTIES: dict[str, Property] = {
    "With k at least T, nothing is cut: the result must be the whole gradient.": _uncut,
    "A loss in the second chunk alone must not reach the words of the first.": (
        _no_blame_before_the_cut
    ),
}

QUESTIONS = (
    Question(
        name="through-time",
        points=4,
        hints=(
            "Draw three copies of the cell and the arrows between them, going backward. Which "
            "arrows enter a copy, from the right and from its own loss? What does it hand on to "
            "its left?",
            "Nothing comes after the last step, so dh and dc start as arrays of 0. Go from the "
            "last step to the first: add the step's own rows of dhs and dcs to dh and dc, take "
            "one step back, and keep dx. The step's dh_prev and dc_prev are then the dh and dc "
            "of the step before.",
            "The three gradients of the parameters start as arrays of 0, and each step adds its "
            "share: its grads hold weight_ih, weight_hh and bias. Your list of dx comes out last "
            "step first, so reverse it. After the loop, dh and dc are dh0 and dc0.",
        ),
        exam=FunctionExam(
            name="through_time",
            solution=through_time,
            returns=(
                Returned("dxs", "(T, N, D)"),
                Returned("dh0", "(N, H)"),
                Returned("dc0", "(N, H)"),
                *WEIGHT_GRADIENTS,
            ),
            cases=(
                _case(3, 3, 3, 3),
                _case(1, 1, 1, 1),
                _case(1, 2, 3, 2),
                _case(2, 1, 2, 1),
                _case(3, 2, 1, 3),
                _case(5, 2, 4, 3),
            ),
            mistakes=MISTAKES,
            properties=PROPERTIES,
            right="Right: every loss reaches every step before it, and each step adds its share.",
            forbidden=(sequence.lstm_backward, fast.lstm_backward),
        ),
    ),
    Question(
        name="truncated",
        points=3,
        hints=(
            "Two things could pass from chunk to chunk: the state, forward, and the gradient, "
            "backward. Which of them does truncation let through?",
            "Go through the sequence in chunks of k steps. Run each one forward from the states "
            "in which the one before it ended, then walk back through this chunk alone.",
            "Before the first chunk, h and c are 0. For each start from 0 to T in steps of k, "
            "take the k rows of xs and of dhs that begin there, run forward from h and c, and "
            "keep the final states as the new h and c. Then run backward with nothing for dh_T "
            "and dc_T, and add the three gradients to your totals.",
        ),
        exam=FunctionExam(
            name="truncated",
            solution=truncated,
            returns=WEIGHT_GRADIENTS,
            cases=(
                _truncated_case(3, 3, 3, 3, 3),
                _truncated_case(1, 1, 1, 1, 1),
                _truncated_case(2, 1, 1, 1, 1),
                _truncated_case(2, 1, 3, 2, 5),
                _truncated_case(4, 2, 3, 2, 2),
                _truncated_case(3, 1, 1, 2, 2),
                _truncated_case(4, 2, 1, 2, 1),
                _truncated_case(5, 1, 2, 3, 3),
                _truncated_case(8, 2, 4, 3, 3),
            ),
            mistakes=TRUNCATED_MISTAKES,
            properties=TRUNCATED_PROPERTIES,
            right="Right: the state goes on from chunk to chunk, but the gradient doesn't.",
        ),
    ),
)
