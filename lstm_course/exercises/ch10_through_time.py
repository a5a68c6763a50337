"""Exercise 10: backpropagation through time, whole and truncated."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np

from lstm_course import cell, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.trials import GATE_SLICES, Answer, Case, Returned


def through_time(
    dhs: Array,
    dh_T: Array,
    dc_T: Array,
    xs: Array,
    h0: Array,
    c0: Array,
    W: Array,
    U: Array,
    b: Array,
) -> tuple[Array, ...]:
    """Return dxs, dh0, dc0, dW, dU and db of a whole sequence."""
    *_, cache = sequence.lstm_forward(xs, cell.LSTMParams(W, U, b), h0, c0)
    dxs, dh0, dc0, grads = sequence.lstm_backward(dhs, cache, dh_T, dc_T)
    return dxs, dh0, dc0, *grads.arrays()


Line = Callable[[SimpleNamespace], Any]
LINES: dict[str, Line] = {
    "steps": lambda s: reversed(range(s.T)),
    "kept": lambda s: s.cache[s.t],
    "into_h": lambda s: s.dhs[s.t] + s.dh,
    "into_c": lambda s: s.dc,
    "dh": lambda s: s.dh_prev,
    "dc": lambda s: s.dc_prev,
    "dW": lambda s: s.dW + s.dW_t,
    "dU": lambda s: s.dU + s.dU_t,
    "db": lambda s: s.db + s.db_t,
    "dxs": lambda s: np.array([s.dx[t] for t in range(s.T)]),
    "dh0": lambda s: s.dh,
    "dc0": lambda s: s.dc,
}
"""The walk back, line by line; `s` holds what was given and computed before."""


def walk_with(**changed: Line) -> Answer:
    """Return the walk back through time with some of its lines changed."""
    lines = {**LINES, **changed}

    def walk(
        dhs: Array,
        dh_T: Array,
        dc_T: Array,
        xs: Array,
        h0: Array,
        c0: Array,
        W: Array,
        U: Array,
        b: Array,
    ) -> tuple[Array, ...]:
        s = SimpleNamespace(dhs=dhs, dh_T=dh_T, dc_T=dc_T, dh=dh_T, dc=dc_T, T=len(xs))
        *_, s.cache = sequence.lstm_forward(xs, cell.LSTMParams(W, U, b), h0, c0)
        s.dW, s.dU, s.db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
        s.dx = dict.fromkeys(range(s.T), np.zeros_like(xs[0]))
        steps: Iterable[int] = lines["steps"](s)
        for s.t in steps:
            s.came = lines["into_h"](s)
            s.dx[s.t], s.dh_prev, s.dc_prev, grads = cell.step_backward(
                s.came, lines["into_c"](s), lines["kept"](s)
            )
            s.dW_t, s.dU_t, s.db_t = grads.arrays()
            for name in ("dW", "dU", "db"):
                setattr(s, name, lines[name](s))
            s.dh, s.dc = lines["dh"](s), lines["dc"](s)
        s.dh0, s.dc0, s.dxs = lines["dh0"](s), lines["dc0"](s), lines["dxs"](s)
        return s.dxs, s.dh0, s.dc0, s.dW, s.dU, s.db

    return walk


def _nought(s: SimpleNamespace) -> Array:
    return np.zeros_like(s.dh_T)


def _not_carried(*names: str) -> tuple[Answer, ...]:
    """Return walks that do not hand these on, with 0 or the last step's for the initial states."""
    cut = dict.fromkeys(names, _nought)
    last: dict[str, Line] = {"dh0": lambda s: s.dh_prev, "dc0": lambda s: s.dc_prev}
    return walk_with(**cut), walk_with(**cut, **last)


_later = {
    name: (lambda s, name=name: getattr(s, f"{name}_t") if s.t == s.T - 1 else getattr(s, name))
    for name in ("dW", "dU", "db")
}
_overwritten = {name: (lambda s, name=name: getattr(s, f"{name}_t")) for name in ("dW", "dU", "db")}
_mean = {
    name: (lambda s, name=name: getattr(s, name) + getattr(s, f"{name}_t") / s.T)
    for name in ("dW", "dU", "db")
}


def _late_dU(s: SimpleNamespace) -> Array:
    *_, grads = cell.step_backward(
        s.dhs[s.t] + s.dh, s.dc, s.cache[s.t]._replace(h_prev=s.cache[s.t].h)
    )
    return np.asarray(s.dU + grads.weight_hh)


MISTAKES: dict[str, tuple[Answer, ...]] = {
    # What spoils one result comes first: it is told where two mistakes meet.
    "The gradients of the inputs stand in the order of the walk, the last step first.": (
        walk_with(dxs=lambda s: np.array([s.dx[t] for t in reversed(range(s.T))])),
    ),
    "U belongs to the hidden state before the step. In dU stands the one after it.": (
        walk_with(dU=_late_dU),
    ),
    "dh0 is one step short: it belongs to the state before the first step, not after it.": (
        walk_with(dh0=lambda s: s.came),
        walk_with(dh0=lambda s: s.came - s.dhs[0]),
    ),
    "dh is not handed on to the earlier step.": _not_carried("dh"),
    "dc is not handed on to the earlier step.": _not_carried("dc"),
    "Neither dh nor dc is handed on. Each step learns from its own loss alone: this is no "
    "backpropagation through time.": _not_carried("dh", "dc"),
    "The gradients of W, U and b are overwritten at every step: only the first step's are left. "
    "All steps share the parameters, so theirs add up.": (walk_with(**_overwritten),),
    **{
        f"The gradient of {name[1]} is overwritten at every step: only the first step's is left. "
        f"All steps share {name[1]}, so theirs add up.": (walk_with(**{name: line}),)
        for name, line in _overwritten.items()
    },
    "Only the last step contributes to the gradients of W, U and b. All steps share them.": (
        walk_with(**_later),
    ),
    "A mean is taken over the steps. Each step adds its own share, so it is a sum.": (
        walk_with(**_mean),
    ),
    "dh_T has no effect: what reads the final hidden state sends a gradient too.": (
        walk_with(into_h=lambda s: s.dhs[s.t] + (_nought(s) if s.t == s.T - 1 else s.dh)),
    ),
    "dc_T has no effect: what reads the final cell state sends a gradient too.": (
        walk_with(into_c=lambda s: _nought(s) if s.t == s.T - 1 else s.dc),
    ),
    "dh_T and dc_T have no effect. They belong to the final states.": (
        walk_with(
            into_h=lambda s: s.dhs[s.t] + (_nought(s) if s.t == s.T - 1 else s.dh),
            into_c=lambda s: _nought(s) if s.t == s.T - 1 else s.dc,
        ),
    ),
    "dh_T is added at every step. It belongs to the final state alone.": (
        walk_with(into_h=lambda s: s.dhs[s.t] + s.dh + (_nought(s) if s.t == s.T - 1 else s.dh_T)),
        walk_with(into_h=lambda s: s.dhs[s.t] + s.dh + s.dh_T),
    ),
    "dc_T is added at every step. It belongs to the final state alone.": (
        walk_with(into_c=lambda s: s.dc + (_nought(s) if s.t == s.T - 1 else s.dc_T)),
        walk_with(into_c=lambda s: s.dc + s.dc_T),
    ),
    "The losses of the single steps have no effect: dhs is never added on the way.": (
        walk_with(into_h=lambda s: s.dh),
    ),
    "Of dhs only the last row counts. Every step has a loss of its own.": (
        walk_with(into_h=lambda s: s.dh + (s.dhs[s.t] if s.t == s.T - 1 else 0)),
    ),
    "dhs[-1] is added at every step. Each step has a row of its own.": (
        walk_with(into_h=lambda s: s.dh + s.dhs[-1]),
    ),
    "dhs is off by one: a step gets the row of its neighbour.": (
        walk_with(into_h=lambda s: s.dh + s.dhs[s.t - 1]),
        walk_with(into_h=lambda s: s.dh + s.dhs[(s.t + 1) % s.T]),
        walk_with(into_h=lambda s: s.dh + (s.dhs[s.t - 1] if s.t else 0)),
    ),
    "The rows of dhs are read in the wrong order: that of the first step goes to the last.": (
        walk_with(into_h=lambda s: s.dh + s.dhs[s.T - 1 - s.t]),
    ),
    "The gradient of the step's own loss and the one from the later step are multiplied. "
    "Two ways out of h add up.": (walk_with(into_h=lambda s: s.dhs[s.t] * s.dh),),
    "The walk goes from the first step to the last. Gradients travel the other way.": (
        walk_with(steps=lambda s: range(s.T)),
    ),
    "The walk ends one step too early: the first step is left out.": (
        walk_with(steps=lambda s: range(s.T - 1, 0, -1)),
    ),
    "The walk begins one step too early: the last step is left out.": (
        walk_with(steps=lambda s: range(s.T - 2, -1, -1)),
    ),
    "Every step goes back through what the same step kept. Each has its own.": (
        walk_with(kept=lambda s: s.cache[-1]),
        walk_with(kept=lambda s: s.cache[0]),
    ),
    "A step goes back through what another step kept: the places in cache are off.": (
        walk_with(kept=lambda s: s.cache[s.t - 1]),
        walk_with(kept=lambda s: s.cache[s.T - 1 - s.t]),
    ),
    "dh and dc change places when they are handed on.": (
        walk_with(dh=lambda s: s.dc_prev, dc=lambda s: s.dh_prev),
    ),
    "You add what a step hands back to what it was given. It must replace it.": (
        walk_with(dh=lambda s: s.dh + s.dh_prev, dc=lambda s: s.dc + s.dc_prev),
        walk_with(dh=lambda s: s.dh + s.dh_prev),
        walk_with(dc=lambda s: s.dc + s.dc_prev),
    ),
    "dh is handed on as it came, not as the step has changed it.": (
        walk_with(dh=lambda s: s.dhs[s.t] + s.dh),
        walk_with(dh=lambda s: s.dh),
    ),
    "dc is handed on as it came, not as the step has changed it.": (
        walk_with(dc=lambda s: s.dc),
        walk_with(dc=lambda s: s.dc, dc0=lambda s: s.dc_prev),
    ),
    "A mean is taken over the batch. Each sequence adds its own share, so it is a sum.": (
        lambda dhs, dh_T, dc_T, *given: _mean_over_batch(
            through_time(dhs, dh_T, dc_T, *given), dhs.shape[1]
        ),
    ),
}


def _mean_over_batch(results: tuple[Array, ...], N: int) -> tuple[Array, ...]:
    return (*results[:3], *(result / N for result in results[3:]))


def _arguments(T: int, N: int, D: int, H: int) -> dict[str, Array]:
    rng = np.random.default_rng([T, N, D, H])
    shapes = {
        "dhs": (T, N, H),
        "dh_T": (N, H),
        "dc_T": (N, H),
        "xs": (T, N, D),
        "h0": (N, H),
        "c0": (N, H),
        "W": (4 * H, D),
        "U": (4 * H, H),
        "b": (4 * H,),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def _case(T: int, N: int, D: int, H: int) -> Case:
    return Case({"T": T, "N": N, "D": D, "H": H}, _arguments(T, N, D, H))


def _called(answer: Guarded, **changed: Array) -> list[Array]:
    """Call an answer on four steps; raise an error unless its results have their shapes."""
    given = {**_arguments(4, 2, 3, 2), **changed}
    expected = [given[name].shape for name in ("xs", "h0", "c0", "W", "U", "b")]
    results = [np.asarray(result, float) for result in answer(*given.values())]
    if [result.shape for result in results] != expected:
        raise ValueError
    return results


def _no_way_ahead(answer: Guarded, rng: np.random.Generator) -> bool:
    zero, dhs = np.zeros((2, 2)), np.zeros((4, 2, 2))
    dhs[1] = rng.normal(size=(2, 2))
    return not np.any(_called(answer, dhs=dhs, dh_T=zero, dc_T=zero)[0][2:])


def _reaches_the_first(answer: Guarded, rng: np.random.Generator) -> bool:
    zero, dhs = np.zeros((2, 2)), np.zeros((4, 2, 2))
    dhs[3] = rng.normal(size=(2, 2))
    dxs, dh0, *_ = _called(answer, dhs=dhs, dh_T=zero, dc_T=zero)
    return bool(np.any(dxs[0]) and np.any(dh0))


def _same_place(answer: Guarded, rng: np.random.Generator) -> bool:
    dhs = _arguments(4, 2, 3, 2)["dhs"]
    moved, more = dhs.copy(), rng.normal(size=(2, 2))
    moved[3] += more
    one = _called(answer, dhs=dhs, dh_T=more)
    two = _called(answer, dhs=moved, dh_T=np.zeros((2, 2)))
    return all(np.allclose(*pair) for pair in zip(one, two, strict=True))


PROPERTIES: dict[str, Property] = {
    "The loss of step 2 cannot depend on later inputs: their dxs must be 0.": _no_way_ahead,
    "The loss of the last step depends on the first input and on h0: neither gradient may be 0.": (
        _reaches_the_first
    ),
    "The last row of dhs and dh_T belong to the same state: it must not matter which holds a "
    "gradient.": _same_place,
}


def truncated(
    dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
) -> tuple[Array, Array, Array]:
    """Return dW, dU and db with the gradient cut every k steps, and the state carried on."""
    return chunks_with()(dhs, xs, W, U, b, k)


def chunks_with(
    *,
    starts: Callable[[int, int], Iterable[int]] = lambda T, k: range(0, T, k),
    length: Callable[[int, int], int] = lambda T, k: k,
    carried: str = "hc",
    blame: Callable[[Array, slice], Array] = lambda dhs, chunk: dhs[chunk],
    hand_on: bool = False,
    share: Callable[[int, int], float] = lambda T, k: 1.0,
) -> Answer:
    """Return the truncated gradient with some of its parts changed."""

    def answer(
        dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
    ) -> tuple[Array, Array, Array]:
        params, T = cell.LSTMParams(W, U, b), len(xs)
        total = [np.zeros_like(array) for array in (W, U, b)]
        h = c = dh = dc = np.zeros((xs.shape[1], U.shape[1]), xs.dtype)
        for start in starts(T, k):
            chunk = slice(start, start + length(T, k))
            _, (h_T, c_T), cache = sequence.lstm_forward(xs[chunk], params, h, c)
            h = h_T if "h" in carried else np.zeros_like(h)
            c = c_T if "c" in carried else np.zeros_like(c)
            if carried == "ch":
                h, c = c, h
            _, dh0, dc0, grads = sequence.lstm_backward(blame(dhs, chunk), cache, dh, dc)
            if hand_on:
                dh, dc = dh0, dc0
            for array, part in zip(total, grads.arrays(), strict=True):
                array += part
        dW, dU, db = (array * array.dtype.type(share(T, k)) for array in total)
        return dW, dU, db

    return answer


def _whole(
    dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
) -> tuple[Array, Array, Array]:
    *_, cache = sequence.lstm_forward(xs, cell.LSTMParams(W, U, b))
    return sequence.lstm_backward(dhs, cache)[3].arrays()


def _last_steps(
    dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
) -> tuple[Array, Array, Array]:
    *_, cache = sequence.lstm_forward(xs, cell.LSTMParams(W, U, b))
    return sequence.lstm_backward(dhs[-k:], cache[-k:])[3].arrays()


def _windows(
    dhs: Array, xs: Array, W: Array, U: Array, b: Array, k: int
) -> tuple[Array, Array, Array]:
    """Walk back k steps from every single step."""
    *_, cache = sequence.lstm_forward(xs, cell.LSTMParams(W, U, b))
    total = [np.zeros_like(array) for array in (W, U, b)]
    for t in range(len(xs)):
        steps = cache[max(0, t - k + 1) : t + 1]
        alone = np.zeros((len(steps), *dhs.shape[1:]), dhs.dtype)
        *_, grads = sequence.lstm_backward(alone, steps, dh_T=dhs[t])
        for array, part in zip(total, grads.arrays(), strict=True):
            array += part
    dW, dU, db = total
    return dW, dU, db


def _only(dhs: Array, chunk: slice, wanted: Callable[[int, int], bool]) -> Array:
    """Return a chunk's rows of dhs, with 0 in all but the wanted ones."""
    stop = min(chunk.stop, len(dhs))
    rows = [dhs[t] * wanted(t, stop) for t in range(chunk.start, stop)]
    return np.array(rows)


def _last_chunk(T: int, k: int) -> int:
    return (T - 1) // k * k


TRUNCATED_MISTAKES: dict[str, tuple[Answer, ...]] = {
    "Every chunk starts from states of 0. The gradient is cut, the state goes on.": (
        chunks_with(carried=""),
    ),
    "h goes on from chunk to chunk, and c starts from 0 each time. The state is both.": (
        chunks_with(carried="h"),
    ),
    "c goes on from chunk to chunk, and h starts from 0 each time. The state is both.": (
        chunks_with(carried="c"),
    ),
    "h and c change places from chunk to chunk.": (chunks_with(carried="ch"),),
    "This is the whole gradient: nothing is cut.": (_whole,),
    "Gradients are handed from one chunk to the next. At the start of a chunk the walk ends.": (
        chunks_with(hand_on=True),
    ),
    "Only the last chunk counts. All chunks share the parameters, so theirs add up.": (
        chunks_with(
            blame=lambda dhs, chunk: dhs[chunk] * (chunk.stop >= len(dhs)),
        ),
    ),
    "Only the first chunk counts. All chunks share the parameters, so theirs add up.": (
        chunks_with(starts=lambda T, k: (0,)),
    ),
    "Only the last k steps count. The steps before them are chunks too.": (
        _last_steps,
        chunks_with(starts=lambda T, k: (max(0, T - k),)),
    ),
    "The last chunk is dropped where it is shorter than k steps.": (
        chunks_with(starts=lambda T, k: range(0, T - k + 1, k)),
        chunks_with(starts=lambda T, k: range(0, T - k, k)),
    ),
    "k is how many steps a chunk has. You make k chunks.": (
        chunks_with(starts=lambda T, k: range(0, T, -(-T // k)), length=lambda T, k: -(-T // k)),
        chunks_with(
            starts=lambda T, k: range(0, T, max(1, T // k)), length=lambda T, k: max(1, T // k)
        ),
    ),
    "Chunks are one step too short.": (
        chunks_with(
            starts=lambda T, k: range(0, T, max(1, k - 1)), length=lambda T, k: max(1, k - 1)
        ),
    ),
    "Chunks are one step too long.": (
        chunks_with(starts=lambda T, k: range(0, T, k + 1), length=lambda T, k: k + 1),
    ),
    "Chunks overlap by one step, which counts twice.": (
        chunks_with(length=lambda T, k: k + 1),
        chunks_with(starts=lambda T, k: range(0, T, max(1, k - 1))),
    ),
    "A mean is taken over the steps. Each adds its own share, so it is a sum.": (
        chunks_with(share=lambda T, k: 1 / T),
    ),
    "From every step you walk back k steps. Here the chain is cut in fixed places.": (_windows,),
    "Every chunk gets the first rows of dhs. Each has rows of its own.": (
        chunks_with(blame=lambda dhs, chunk: dhs[: min(chunk.stop, len(dhs)) - chunk.start]),
    ),
    "Only the last step of each chunk has a loss. Every step has one.": (
        chunks_with(blame=lambda dhs, chunk: _only(dhs, chunk, lambda t, stop: t == stop - 1)),
    ),
    "Only the last step of the sequence has a loss. Every step has one.": (
        chunks_with(blame=lambda dhs, chunk: _only(dhs, chunk, lambda t, stop: t == len(dhs) - 1)),
    ),
    "A mean is taken over the chunks. Each adds its own share, so it is a sum.": (
        chunks_with(share=lambda T, k: 1 / -(-T // k)),
    ),
    "A mean is taken over the steps of a chunk. Each adds its own share, so it is a sum.": (
        chunks_with(share=lambda T, k: 1 / k),
    ),
}


def _truncated_case(T: int, N: int, D: int, H: int, k: int) -> Case:
    given = _arguments(T, N, D, H)
    arguments = {name: given[name] for name in ("dhs", "xs", "W", "U", "b")}
    return Case({"T": T, "N": N, "D": D, "H": H, "k": k}, {**arguments, "k": k})


def _three(answer: Guarded, **changed: Any) -> list[Array]:
    """Call an answer on four steps; raise an error unless its results have their shapes."""
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
    "With k at least T nothing is cut: the result must be the whole gradient.": _uncut,
    "A loss in the second chunk alone must not reach the words of the first.": (
        _no_blame_before_the_cut
    ),
}

QUESTIONS = (
    Question(
        name="through-time",
        points=4,
        hints=(
            "Draw three copies of the cell and the arrows between them, backward. Which two arrows "
            "enter the last copy from the right, and what does each copy hand to its left?",
            "Let dh and dc start as dh_T and dc_T. Go from the last step to the first: add the "
            "step's own row of dhs to dh, take one step back, keep dx, and let the step's dh_prev "
            "and dc_prev be the dh and dc of the step before.",
            "The three gradients of the parameters start as arrays of 0, and each step adds its "
            "share: its grads hold weight_ih, weight_hh and bias. The list of dx comes out last "
            "step first, so turn it round. After the loop dh and dc are dh0 and dc0.",
        ),
        exam=FunctionExam(
            name="through_time",
            solution=through_time,
            returns=(
                Returned("dxs", "(T, N, D)"),
                Returned("dh0", "(N, H)"),
                Returned("dc0", "(N, H)"),
                Returned("dW", "(4H, D)", GATE_SLICES),
                Returned("dU", "(4H, H)", GATE_SLICES),
                Returned("db", "(4H,)", GATE_SLICES),
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
        ),
    ),
    Question(
        name="truncated",
        points=3,
        hints=(
            "Two things could pass from chunk to chunk: the state, forward, and the gradient, "
            "backward. Which of them does truncation let through?",
            "Go through the sequence in chunks of k steps. Run each forward from the states in "
            "which the one before has ended, and walk back through this chunk alone.",
            "Before the first chunk h and c are 0. For each start from 0 to T in steps of k, take "
            "the k rows of xs and of dhs that begin there, run forward from h and c, keep the "
            "final states as the new h and c, run backward with nothing for dh_T and dc_T, and "
            "add the three gradients to what is there.",
        ),
        exam=FunctionExam(
            name="truncated",
            solution=truncated,
            returns=(
                Returned("dW", "(4H, D)", GATE_SLICES),
                Returned("dU", "(4H, H)", GATE_SLICES),
                Returned("db", "(4H,)", GATE_SLICES),
            ),
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
            right="Right: the state goes on from chunk to chunk, and the gradient does not.",
        ),
    ),
)
