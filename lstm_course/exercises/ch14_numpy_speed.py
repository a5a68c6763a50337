"""Exercise 14: what does not depend on the state leaves the loop, forward and backward."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from lstm_course import cell, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.products import counted, counting
from lstm_course.exercises.engine.trials import GATE_SLICES, Answer, Case, Returned
from lstm_course.pointwise import sigmoid

Line = Callable[[SimpleNamespace], Any]
BEFORE: dict[str, Line] = {
    "rows": lambda s: s.xs.reshape(-1, s.D),
    "product": lambda s: s.rows @ s.W.T + s.b,
    "of_x": lambda s: s.product.reshape(s.T, s.N, -1),
    "h": lambda s: s.h0,
    "c": lambda s: s.c0,
}
STEP: dict[str, Line] = {
    "old_h": lambda s: s.h,
    "old_c": lambda s: s.c,
    "row": lambda s: s.of_x[s.t],
    "a": lambda s: s.row + s.old_h @ s.U.T,
    "slices": lambda s: np.split(s.a, 4, axis=1),
    "i": lambda s: sigmoid(s.slices[0]),
    "f": lambda s: sigmoid(s.slices[1]),
    "g": lambda s: np.tanh(s.slices[2]),
    "o": lambda s: sigmoid(s.slices[3]),
    "c": lambda s: s.f * s.old_c + s.i * s.g,
    "h": lambda s: s.o * np.tanh(s.c),
    "stored": lambda s: s.h,
}
"""The hoisted loop line by line: once, and at every step. `s` holds the lines before."""
AFTER: dict[str, Line] = {"hs": lambda s: np.stack(s.hs)}


def loop_with(before: Mapping[str, Line] = BEFORE, **changed: Line) -> Answer:
    """Return the hoisted loop with some of its lines changed."""
    step, after = (
        {name: changed.get(name, lines[name]) for name in lines} for lines in (STEP, AFTER)
    )

    def hoisted(xs: Array, W: Array, U: Array, b: Array, h0: Array, c0: Array) -> Array:
        s = SimpleNamespace(xs=xs, W=W, U=U, b=b, h0=h0, c0=c0, hs=[])
        s.T, s.N, s.D = xs.shape
        for name, line in before.items():
            setattr(s, name, line(s))
        for t in range(s.T):
            s.t = t
            for name, line in step.items():
                setattr(s, name, line(s))
            s.hs.append(s.stored)
        return after["hs"](s)

    return hoisted


def before_with(**changed: Line) -> Answer:
    """Return the hoisted loop with some of the lines before it changed."""
    return loop_with({**BEFORE, **changed})


def hoisted(xs: Array, W: Array, U: Array, b: Array, h0: Array, c0: Array) -> Array:
    """Return all hidden states."""
    return sequence.lstm_forward(xs, cell.LSTMParams(W, U, b), h0, c0)[0]


_kept: dict[tuple[Any, ...], Array] = {}


def with_kept_buffer(xs: Array, *others: Array) -> Array:
    """Return right values in memory that the next call uses again."""
    hs = loop_with()(xs, *others)
    kept = _kept.setdefault((hs.shape, hs.dtype), np.empty_like(hs))
    kept[...] = hs
    return kept


IN_THE_LOOP = (
    "The values are right, but the inputs are still multiplied step by step: with twice the steps "
    "there are twice as many products with W. All steps at once have to be one product."
)
THREE_AXES = (
    "The product has left your loop, but not NumPy's: of an array with three axes it multiplies "
    "the last two, step by step. Give it an array with two."
)
UNSEEN = (
    "The values are right, but the check sees no product of xs and W. Multiply the two as arrays, "
    "just as they come: not number by number, and not through a list, asarray or "
    "ascontiguousarray, which wipe off the marks that it follows."
)
KEPT = (
    "The values are right, but a second call changes the result of the first: your function hands "
    "out memory that it uses again."
)
HOIST_MISTAKES: dict[str, tuple[Answer, ...]] = {
    "The bias is missing: it has to be added once, before the loop or in it.": (
        before_with(product=lambda s: s.rows @ s.W.T),
    ),
    "The bias is added twice, before the loop and in it.": (
        before_with(product=lambda s: s.rows @ s.W.T + 2 * s.b),
    ),
    (
        "Rows get mixed up: the axis of the steps comes first in xs, so the rows of the product "
        "run step by step. On the way to two axes and back you treat them as sequence by sequence."
    ): (
        before_with(of_x=lambda s: s.product.reshape(s.N, s.T, -1).swapaxes(0, 1)),
        before_with(rows=lambda s: s.xs.swapaxes(0, 1).reshape(-1, s.D)),
    ),
    (
        "Your product has its rows as columns: the numbers of a step stand one below the other. "
        "Reshaped like that, they get mixed up."
    ): (before_with(product=lambda s: s.W @ s.rows.T + s.b[:, None]),),
    "Every step reads the inputs of the first one.": (loop_with(row=lambda s: s.of_x[0]),),
    "Every step reads the inputs of the last one.": (loop_with(row=lambda s: s.of_x[-1]),),
    (
        "The recurrent product has left the loop as well: every step reads h0. It depends on the "
        "step before, so it has to stay."
    ): (loop_with(old_h=lambda s: s.h0),),
    "Every step makes its cell state from c0. It has to go on from the step before.": (
        loop_with(old_c=lambda s: s.c0),
    ),
    "No step hears of the one before: each begins with h0 and c0 again.": (
        loop_with(old_h=lambda s: s.h0, old_c=lambda s: s.c0),
    ),
    "Your states start from zeros: h0 and c0 have no effect.": (
        before_with(h=lambda s: 0 * s.h0, c=lambda s: 0 * s.c0),
    ),
    "The recurrent product is missing: no hidden state reaches the gates.": (
        loop_with(a=lambda s: s.row),
    ),
    "The hidden state is added to itself step by step: h must be replaced, not increased.": (
        loop_with(h=lambda s: s.old_h + s.o * np.tanh(s.c)),
    ),
    "The hidden state is the output gate times the cell state. A tanh is missing there.": (
        loop_with(h=lambda s: s.o * s.c),
    ),
    "You read the slices in the order i, f, o, g. The course stacks them as i, f, g, o.": (
        loop_with(g=lambda s: np.tanh(s.slices[3]), o=lambda s: sigmoid(s.slices[2])),
    ),
    "Input gate and forget gate are exchanged: the first slice is i, the second f.": (
        loop_with(i=lambda s: sigmoid(s.slices[1]), f=lambda s: sigmoid(s.slices[0])),
    ),
    "The candidate is squashed by a sigmoid. It may be negative: tanh is wanted there.": (
        loop_with(g=lambda s: sigmoid(s.slices[2])),
    ),
    "Input gate and candidate are added. What is written is a share of it: a product.": (
        loop_with(c=lambda s: s.f * s.old_c + s.i + s.g),
    ),
    (
        "What comes from the input is squashed before the recurrent part is added. First comes "
        "the whole sum."
    ): (
        loop_with(a=lambda s: np.tanh(s.row) + s.old_h @ s.U.T),
        loop_with(a=lambda s: sigmoid(s.row) + s.old_h @ s.U.T),
    ),
    "You store the hidden state before the step where that after it is meant: all is one late.": (
        loop_with(stored=lambda s: s.old_h),
    ),
    "The result holds the cell states. The question asks for the hidden states.": (
        loop_with(stored=lambda s: s.c),
    ),
    (
        "All steps of your result are the last hidden state: one array, written over at each step, "
        "was stored every time."
    ): (loop_with(hs=lambda s: np.stack([s.h] * s.T)),),
    "You walk from the last step to the first.": (
        loop_with(row=lambda s: s.of_x[-1 - s.t]),
        loop_with(row=lambda s: s.of_x[-1 - s.t], hs=lambda s: np.stack(s.hs[::-1])),
    ),
    UNSEEN: (
        before_with(
            product=lambda s: np.array(s.rows.tolist(), s.xs.dtype) @ np.array(s.W).T + s.b
        ),
        lambda *args: loop_with()(*(np.asarray(one) for one in args)),
    ),
    THREE_AXES: (before_with(of_x=lambda s: s.xs @ s.W.T + s.b),),
    IN_THE_LOOP: (
        loop_with(row=lambda s: s.xs[s.t] @ s.W.T + s.b),
        loop_with(
            a=lambda s: np.concatenate([s.xs[s.t], s.h], 1) @ np.concatenate([s.W, s.U], 1).T + s.b
        ),
    ),
    KEPT: (with_kept_buffer,),
}


def _loop_case(T: int, N: int, D: int, H: int) -> Case:
    rng = np.random.default_rng([T, N, D, H])
    shapes = {"xs": (T, N, D), "W": (4 * H, D), "U": (4 * H, H), "b": (4 * H,)}
    shapes |= {"h0": (N, H), "c0": (N, H)}
    arguments = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return Case({"T": T, "N": N, "D": D, "H": H}, arguments)


def _products(f: Guarded, case: Case, counting_ones: str) -> tuple[int, int]:
    """Return in how many calls, and in how many products, these arguments take part."""
    arguments = [
        counted(value, name) if name in counting_ones.split() else value
        for name, value in case.arguments.items()
    ]
    with counting() as found:
        f(*arguments)
    return len(found), sum(one.products for one in found)


def _are_seen(f: Guarded, case: Case, which: str) -> bool:
    return _products(f, case, which)[0] > 0


def _grow(f: Guarded, short: Case, long: Case, which: str) -> tuple[bool, bool]:
    """Return whether longer sequences take more calls, and whether they take more products."""
    one, other = _products(f, short, which), _products(f, long, which)
    return one[0] < other[0], one[1] < other[1]


def _keeps_results_apart(f: Guarded, rng: np.random.Generator) -> bool:
    xs, *others = _loop_case(3, 2, 3, 2).arguments.values()
    first = f(xs, *others)
    before = np.array(first)
    f(-xs, *others)
    return np.array_equal(first, before)


FORWARD = (_loop_case(3, 2, 3, 2), _loop_case(6, 2, 3, 2), "xs W")


def deferred(das: Array, xs: Array, hs: Array, h0: Array) -> tuple[Array, Array, Array]:
    """Return dW, dU and db, each from one operation over all steps."""
    return sums_with()(das, xs, hs, h0)


SUMS: dict[str, Line] = {
    "das": lambda s: s.das,
    "xs": lambda s: s.xs,
    "h_prevs": lambda s: np.concatenate([s.h0[None], s.hs[:-1]]),
    "da": lambda s: s.das.reshape(-1, s.das.shape[2]),
    "x": lambda s: s.xs.reshape(-1, s.xs.shape[2]),
    "h_prev": lambda s: s.h_prevs.reshape(-1, s.h0.shape[1]),
    "dW": lambda s: s.da.T @ s.x,
    "dU": lambda s: s.da.T @ s.h_prev,
    "db": lambda s: s.da.sum(axis=0),
}


def sums_with(**changed: Line) -> Answer:
    """Return the deferred sums with some of their lines changed."""
    lines = {**SUMS, **changed}

    def sums(das: Array, xs: Array, hs: Array, h0: Array) -> tuple[Array, ...]:
        s = SimpleNamespace(das=das, xs=xs, hs=hs, h0=h0)
        for name, line in lines.items():
            setattr(s, name, line(s))
        return s.dW, s.dU, s.db

    return sums


def _step_by_step(s: SimpleNamespace, of: Array) -> Array:
    return np.asarray(sum(da.T @ one for da, one in zip(s.das, of, strict=True)))


SUMS_IN_THE_LOOP = (
    "The values are right, but there is a product for each step: with twice the steps there are "
    "twice as many. Lay all steps out as rows, and make one product of them."
)
SUMS_THREE_AXES = (
    "The values are right, but of arrays with three axes NumPy multiplies the last two, step by "
    "step, and you add up what it made. With two axes one product does both."
)
SUMS_UNSEEN = (
    "The values are right, but the check sees no product with das. Multiply the arrays just as "
    "they come: not number by number, and not through a list, asarray or ascontiguousarray, which "
    "wipe off the marks that it follows."
)
DEFERRED_MISTAKES: dict[str, tuple[Answer, ...]] = {
    "dU pairs the gradient of a step with the hidden state after it. The step read that before.": (
        sums_with(h_prevs=lambda s: s.hs),
    ),
    (
        "In dU the first step is missing or reads zeros. The hidden state that it read is h0, and "
        "h0 need not be 0."
    ): (sums_with(h_prevs=lambda s: np.concatenate([0 * s.h0[None], s.hs[:-1]])),),
    "In dU the first step reads the last hidden state: the array went round. It has to read h0.": (
        sums_with(h_prevs=lambda s: np.roll(s.hs, 1, axis=0)),
    ),
    "In dU every step reads h0. Only the first one does.": (
        sums_with(h_prevs=lambda s: np.broadcast_to(s.h0, s.hs.shape)),
    ),
    "In dU the hidden states are shifted the wrong way: each step gets that of a later one.": (
        sums_with(h_prevs=lambda s: np.concatenate([s.hs[1:], s.h0[None]])),
        sums_with(h_prevs=lambda s: np.concatenate([s.hs[1:], s.hs[-1:]])),
        sums_with(h_prevs=lambda s: np.concatenate([s.hs[1:], 0 * s.h0[None]])),
    ),
    "The steps of das run backward against those of xs and hs.": (
        sums_with(das=lambda s: s.das[::-1]),
    ),
    (
        "Rows do not meet their partners: the gradients run step by step, and their partners "
        "sequence by sequence, or the other way round."
    ): (
        sums_with(da=lambda s: s.das.swapaxes(0, 1).reshape(-1, s.das.shape[2])),
        sums_with(
            x=lambda s: s.xs.swapaxes(0, 1).reshape(-1, s.xs.shape[2]),
            h_prev=lambda s: s.h_prevs.swapaxes(0, 1).reshape(-1, s.h0.shape[1]),
        ),
    ),
    "Only the last step counts in your sums: they are written over, not added up.": (
        sums_with(
            das=lambda s: s.das[-1:],
            xs=lambda s: s.xs[-1:],
            h_prevs=lambda s: np.concatenate([s.h0[None], s.hs])[-2:-1],
        ),
    ),
    "Only the first step counts in your sums: they are written over, not added up.": (
        sums_with(das=lambda s: s.das[:1], xs=lambda s: s.xs[:1], h_prevs=lambda s: s.h0[None]),
    ),
    "These are means over all rows. Gradients of shared weights are sums.": (
        sums_with(
            dW=lambda s: s.da.T @ s.x / len(s.da),
            dU=lambda s: s.da.T @ s.h_prev / len(s.da),
            db=lambda s: s.da.mean(axis=0),
        ),
    ),
    "db is a mean over all rows. The gradient of a shared bias is a sum.": (
        sums_with(db=lambda s: s.da.mean(axis=0)),
    ),
    "dW and dU have changed places: the inputs belong to dW, the hidden states to dU.": (
        sums_with(dW=lambda s: s.da.T @ s.h_prev, dU=lambda s: s.da.T @ s.x),
    ),
    "The inputs are shifted by a step as well. Only the hidden state comes from the step before.": (
        sums_with(xs=lambda s: np.concatenate([0 * s.xs[:1], s.xs[:-1]])),
        sums_with(xs=lambda s: np.roll(s.xs, 1, axis=0)),
    ),
    "The slopes of the gates are in das already. You apply them once more.": (
        sums_with(da=lambda s: (s.das * (1 - s.das)).reshape(-1, s.das.shape[2])),
    ),
    SUMS_UNSEEN: (lambda *args: sums_with()(*(np.asarray(one) for one in args)),),
    SUMS_THREE_AXES: (
        sums_with(dW=lambda s: (s.das.swapaxes(1, 2) @ s.xs).sum(axis=0)),
        sums_with(dU=lambda s: (s.das.swapaxes(1, 2) @ s.h_prevs).sum(axis=0)),
    ),
    SUMS_IN_THE_LOOP: (
        sums_with(dW=lambda s: _step_by_step(s, s.xs), dU=lambda s: _step_by_step(s, s.h_prevs)),
        sums_with(dU=lambda s: _step_by_step(s, s.h_prevs)),
    ),
}


def _sums_case(T: int, N: int, D: int, H: int) -> Case:
    rng = np.random.default_rng([T, N, D, H])
    shapes = {"das": (T, N, 4 * H), "xs": (T, N, D), "hs": (T, N, H), "h0": (N, H)}
    arguments = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return Case({"T": T, "N": N, "D": D, "H": H}, arguments)


BACKWARD = (_sums_case(3, 2, 3, 2), _sums_case(6, 2, 3, 2), "das xs hs")
DEFERRED_PROPERTIES: dict[str, Property] = {
    "The gradients of a batch must be the sums of those of its sequences, each on its own.": (
        lambda f, rng: _adds_up(f, rng.normal(size=(2, 3, 8)), *_others(rng))
    ),
    "The gradients are linear in das: twice das must give twice each of them.": (
        lambda f, rng: _is_linear(f, rng.normal(size=(2, 3, 8)), *_others(rng))
    ),
}


def _others(rng: np.random.Generator) -> tuple[Array, ...]:
    return rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 2)), rng.normal(size=(3, 2))


def _adds_up(f: Guarded, das: Array, xs: Array, hs: Array, h0: Array) -> bool:
    alone = [f(das[:, [n]], xs[:, [n]], hs[:, [n]], h0[[n]]) for n in range(3)]
    together = f(das, xs, hs, h0)
    return all(_close(sum(a), b) for *a, b in zip(*alone, together, strict=True))


def _is_linear(f: Guarded, das: Array, *others: Array) -> bool:
    once, twice = f(das, *others), f(2 * das, *others)
    return all(np.allclose(2 * a, b) for a, b in zip(once, twice, strict=True))


SIZES = (
    (3, 3, 3, 3),
    (1, 1, 1, 1),
    (1, 2, 3, 2),
    (3, 1, 2, 1),
    (2, 3, 4, 2),
    (2, 3, 2, 1),
    (4, 2, 3, 5),
)

QUESTIONS = (
    Question(
        name="hoist",
        points=3,
        hints=(
            "Of the two products of a step, one needs the hidden state and the other does not. "
            "Which arguments of your function does the other one need?",
            "Take all steps of all sequences as the rows of one matrix, multiply once, and give "
            "the result its three axes back. Inside the loop a step picks its own part.",
            "Reshape xs to T times N rows, multiply by W transposed, add b, and reshape to "
            "(T, N, 4H). The loop adds h times U transposed to entry t, and goes on as in "
            "chapter 7 (whole-cell).",
        ),
        exam=FunctionExam(
            name="hoisted",
            solution=hoisted,
            returns=(Returned(shape="(T, N, H)"),),
            cases=tuple(_loop_case(*sizes) for sizes in SIZES),
            mistakes=HOIST_MISTAKES,
            properties={
                "Every entry of a hidden state lies between -1 and 1.": lambda f, rng: bool(
                    (np.abs(f(*_loop_case(4, 2, 3, 5).arguments.values())) < 1).all()
                ),
                "What a sequence gives must not depend on the others in its batch.": (
                    lambda f, rng: _alone_as_in_company(f)
                ),
            },
            demands={
                UNSEEN: lambda f, rng: _are_seen(f, *FORWARD[1:]),
                THREE_AXES: lambda f, rng: _grow(f, *FORWARD) != (False, True),
                IN_THE_LOOP: lambda f, rng: not _grow(f, *FORWARD)[0],
                KEPT: _keeps_results_apart,
            },
            right="Right, and the number of the inputs' products does not grow with T.",
        ),
    ),
    Question(
        name="deferred",
        points=2,
        hints=(
            "A sum over steps of products is one product, if the steps are laid out as rows. Which "
            "hidden state does the gradient of step t meet: that after the step, or before it?",
            "Make an array of the hidden states that the steps read: h0 first, the last of hs "
            "left out. Then give each of the three arrays two axes, rows in the same order.",
            "das as T times N rows, transposed, times the rows of xs gives dW; times the rows of "
            "the hidden states before each step it gives dU. Its sum over the rows is db.",
        ),
        exam=FunctionExam(
            name="deferred",
            solution=deferred,
            returns=(
                Returned("dW", "(4H, D)", GATE_SLICES),
                Returned("dU", "(4H, H)", GATE_SLICES),
                Returned("db", "(4H)", GATE_SLICES),
            ),
            cases=tuple(_sums_case(*sizes) for sizes in SIZES),
            mistakes=DEFERRED_MISTAKES,
            properties=DEFERRED_PROPERTIES,
            demands={
                SUMS_UNSEEN: lambda f, rng: _are_seen(f, *BACKWARD[1:]),
                SUMS_THREE_AXES: lambda f, rng: _grow(f, *BACKWARD) != (False, True),
                SUMS_IN_THE_LOOP: lambda f, rng: not _grow(f, *BACKWARD)[0],
            },
            right="Right, and the number of products for dW and dU does not grow with T.",
        ),
    ),
)


def _alone_as_in_company(f: Guarded) -> bool:
    xs, W, U, b, h0, c0 = _loop_case(4, 2, 3, 5).arguments.values()
    return _close(f(xs[:, :1], W, U, b, h0[:1], c0[:1]), f(xs, W, U, b, h0, c0)[:, :1])


def _close(one: Any, other: Any) -> bool:
    """Return whether two arrays are the same; a wrong shape is told elsewhere."""
    return np.shape(one) != np.shape(other) or np.allclose(one, other)
