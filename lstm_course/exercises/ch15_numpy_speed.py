"""What doesn't depend on the state leaves the loop, forward and backward."""

from typing import Any

import numpy as np

from lstm_course import cell, fast, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.lines import Lines
from lstm_course.exercises.engine.mistakes import (
    STACKED,
    Mistakes,
    each,
    in_order,
    said,
    shared,
    wording,
)
from lstm_course.exercises.engine.parts import (
    SEQUENCE,
    WEIGHT_GRADIENTS,
    drawn,
    lstm_case,
    sized,
    slices_in,
)
from lstm_course.exercises.engine.products import are_seen, grow
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid

ARGUMENTS = "xs v W W_v U b h0 c0"
HOISTED = Lines(
    tuple(ARGUMENTS.split()),
    {
        "rows": lambda s: s.xs.reshape(-1, s.xs.shape[2]),
        "product": lambda s: s.rows @ s.W.T + s.b,
        "of_x": lambda s: s.product.reshape(*s.xs.shape[:2], -1),
        "of_v": lambda s: s.v @ s.W_v.T,
        **SEQUENCE.lines,
        "inputs": lambda s: s.of_x,
    },
    ("hs",),
    loop={**SEQUENCE.loop, "a": lambda s: s.x + s.of_v + s.h_prev @ s.U.T},
    after=SEQUENCE.after,
)
"""The cell over a sequence, with the products of the inputs and of v before the loop."""


def hoisted(
    xs: Array, v: Array, W: Array, W_v: Array, U: Array, b: Array, h0: Array, c0: Array
) -> Array:
    """Return all hidden states, where v is an input of every step."""
    inputs = np.concatenate([xs, np.broadcast_to(v, (len(xs), *v.shape))], axis=2)
    params = cell.LSTMParams(np.concatenate([W, W_v], axis=1), U, b)
    return sequence.lstm_forward(inputs, params, h0, c0)[0]


_kept: dict[tuple[Any, ...], Array] = {}


def with_kept_buffer(xs: Array, *others: Array) -> Array:
    """Return right values in memory that the next call reuses."""
    hs: Array = HOISTED(xs, *others)
    kept = _kept.setdefault((hs.shape, hs.dtype), np.empty_like(hs))
    kept[...] = hs
    return kept


def _with_repeated_v(s: Any) -> Array:
    T, N, _ = s.xs.shape
    return np.asarray(s.of_x + np.repeat(s.v @ s.W_v.T, T, axis=0).reshape(T, N, -1))


IN_THE_LOOP = (
    "The values are right, but you still multiply the inputs step by step: twice the steps, twice "
    "the products with W. Multiply all steps at once, in one product."
)
STILL_IN_THE_LOOP = (
    "The values are right, but you multiply v at every step, though it never changes. Once is "
    "enough."
)
UNSEEN = wording("product-unseen", of="of xs and W, or of v and W_v")
KEPT = (
    "The values are right, but a second call changes the first one's result, because your "
    "function reuses the memory that it returned."
)
HOIST_MISTAKES: Mistakes = {
    **said("bias-missing", HOISTED.but(product=lambda s: s.rows @ s.W.T)),
    "v has no effect. It's an input of every step.": (HOISTED.but(of_v=lambda s: 0 * s.h0[:, :1]),),
    **each(
        "You use v at the {} step only. It's an input of every step.",
        {
            "first": (HOISTED.but(x=lambda s: s.inputs[s.t] - s.of_v * (s.t > 0)),),
            "last": (HOISTED.but(x=lambda s: s.inputs[s.t] - s.of_v * (s.t < len(s.xs) - 1)),),
        },
    ),
    "You add v up step by step, so the second step has it twice and the third three times.": (
        HOISTED.but(x=lambda s: s.inputs[s.t] + s.of_v * s.of_v.dtype.type(s.t)),
    ),
    **each(
        "Every sequence gets {}. Give each its own row.",
        {
            "the v of the first one": (HOISTED.but(of_v=lambda s: (s.v @ s.W_v.T)[:1]),),
            "the mean of v": (HOISTED.but(of_v=lambda s: s.v.mean(axis=0) @ s.W_v.T),),
        },
    ),
    (
        "You repeat the rows of v one by one, but the rows of xs run step by step. So sequences "
        "get one another's v."
    ): (HOISTED.but(inputs=_with_repeated_v, of_v=lambda s: 0 * s.h0[:, :1]),),
    "Reshaping isn't transposing. Keep the rows of D numbers as they are in xs.": (
        HOISTED.but(rows=lambda s: s.xs.reshape(s.xs.shape[2], -1).T),
    ),
    "The weights are swapped: you multiply v by W and the inputs by W_v.": (
        HOISTED.but(product=lambda s: s.rows @ s.W_v.T + s.b, of_v=lambda s: s.v @ s.W.T),
    ),
    "You add the bias twice: once with xs, and once with v or in the loop.": (
        HOISTED.but(of_v=lambda s: s.v @ s.W_v.T + s.b),
    ),
    (
        "Rows get mixed up. The steps are the first axis of xs, so the rows of the product run "
        "step by step. On the way to two axes and back, you treat them as sequence by sequence."
    ): (
        HOISTED.but(
            of_x=lambda s: s.product.reshape(*s.xs.shape[1::-1], -1).swapaxes(0, 1),
        ),
        HOISTED.but(rows=lambda s: s.xs.swapaxes(0, 1).reshape(-1, s.xs.shape[2])),
    ),
    (
        "Your product has its rows as columns, so the numbers of one step run downwards. "
        "Reshaping mixes them up."
    ): (HOISTED.but(product=lambda s: s.W @ s.rows.T + s.b[:, None]),),
    "Every step reads the last input.": (HOISTED.but(x=lambda s: s.inputs[-1]),),
    (
        "The recurrent product has left the loop too, so every step reads h0. It depends on the "
        "step before, so it has to stay."
    ): (HOISTED.but(h_prev=lambda s: s.h0),),
    **shared(
        lambda lines: HOISTED.but(**lines),
        "first-input-only",
        "c-not-carried",
        "nothing-carried",
        "states-before",
        "cells-returned",
        "last-state-only",
        "backward-run",
    ),
    **said(
        "states-in-vain",
        lambda xs, v, W, W_v, U, b, h0, c0: HOISTED(xs, v, W, W_v, U, b, 0 * h0, 0 * c0),
        states="states have",
    ),
    "The recurrent product is missing: no hidden state reaches the gates.": (
        HOISTED.but(a=lambda s: s.x + s.of_v),
    ),
    "You add each new hidden state to the old one. Replace h instead.": (
        HOISTED.but(h=lambda s: s.h_prev + s.o * np.tanh(s.c)),
    ),
    **said("shown-without-tanh", HOISTED.but(h=lambda s: s.o * s.c)),
    **{
        in_order(order, "ifgo", STACKED): (HOISTED.but(slices=slices_in(order)),)
        for order in ("ifog", "figo")
    },
    **said("candidate-sigmoid", HOISTED.but(g=lambda s: sigmoid(s.slices[2]))),
    **said("i-added", HOISTED.but(c=lambda s: s.f * s.c_prev + s.i + s.g)),
    (
        "You squash the input's part before you add the recurrent part. Finish the whole sum first."
    ): (
        HOISTED.but(a=lambda s: np.tanh(s.x + s.of_v) + s.h_prev @ s.U.T),
        HOISTED.but(a=lambda s: sigmoid(s.x + s.of_v) + s.h_prev @ s.U.T),
    ),
    UNSEEN: (
        HOISTED.but(
            product=lambda s: np.array(s.rows.tolist(), s.xs.dtype) @ np.array(s.W).T + s.b
        ),
        lambda *given: HOISTED(*map(np.asarray, given)),
    ),
    IN_THE_LOOP: (
        HOISTED.but(x=lambda s: s.xs[s.t] @ s.W.T + s.b),
        HOISTED.but(
            a=lambda s: (
                np.concatenate([s.xs[s.t], s.v, s.h_prev], 1)
                @ np.concatenate([s.W, s.W_v, s.U], 1).T
                + s.b
            )
        ),
    ),
    STILL_IN_THE_LOOP: (
        HOISTED.but(a=lambda s: s.x + s.v @ s.W_v.T + s.h_prev @ s.U.T),
        HOISTED.but(
            a=lambda s: s.x + np.concatenate([s.v, s.h_prev], 1) @ np.concatenate([s.W_v, s.U], 1).T
        ),
    ),
    KEPT: (with_kept_buffer,),
}


@sized
def _loop_case(T: int, N: int, D: int, E: int, H: int) -> Case:
    given = drawn("xs W U b h0 c0", T=T, N=N, D=D, H=H)
    other = drawn("x W", seed=1, N=N, D=E, H=H)
    given |= {"v": other["x"], "W_v": other["W"]}
    sizes = {"T": T, "N": N, "D": D, "E": E, "H": H}
    return Case(sizes, {name: given[name] for name in ARGUMENTS.split()})


def _keeps_results_apart(f: Guarded, rng: np.random.Generator) -> bool:
    xs, *others = _loop_case(3, 2, 3, 4, 2).arguments.values()
    first = f(xs, *others)
    before = np.array(first)
    f(-xs, *others)
    return np.array_equal(first, before)


SHORT, LONG = (_loop_case(T, 2, 3, 4, 2) for T in (3, 6))


def deferred(das: Array, xs: Array, hs: Array, h0: Array) -> tuple[Array, Array, Array]:
    """Return dW, dU and db, each from one operation over all steps."""
    dW, dU, db = SUMS(das, xs, hs, h0)
    return dW, dU, db


def _as_rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[2])


SUMS = Lines(
    ("das", "xs", "hs", "h0"),
    {
        "h_prevs": lambda s: np.concatenate([s.h0[None], s.hs[:-1]]),
        "da": lambda s: _as_rows(s.das),
        "x": lambda s: _as_rows(s.xs),
        "h_prev": lambda s: _as_rows(s.h_prevs),
        "dW": lambda s: s.da.T @ s.x,
        "dU": lambda s: s.da.T @ s.h_prev,
        "db": lambda s: s.da.sum(axis=0),
    },
    ("dW", "dU", "db"),
)


def _step_by_step(s: Any, of: Array) -> Array:
    return np.asarray(sum(da.T @ one for da, one in zip(s.das, of, strict=True)))


def _mean_over(axis: int) -> Answer:
    """Return the sums divided by the number of steps, or of sequences."""
    return lambda das, *others: tuple(part / das.shape[axis] for part in deferred(das, *others))


SUMS_IN_THE_LOOP = (
    "The values are right, but you make one product per step: twice the steps, twice the "
    "products. Lay all steps out as rows, and multiply once."
)
SUMS_THREE_AXES = (
    "The values are right. But with three axes NumPy multiplies the last two, step by step, and "
    "then you add up the results. With two axes, one product does both."
)
SUMS_UNSEEN = wording("product-unseen", of="with das")
DEFERRED_MISTAKES: Mistakes = {
    **said("state-in-dU", SUMS.but(h_prevs=lambda s: s.hs), yours="the one after it"),
    (
        "In dU the first step is missing, or reads zeros. It read the hidden state h0, which need "
        "not be 0."
    ): (SUMS.but(h_prevs=lambda s: np.concatenate([0 * s.h0[None], s.hs[:-1]])),),
    (
        "In dU the first step reads the last hidden state, because your array wraps around. It "
        "should read h0."
    ): (SUMS.but(h_prevs=lambda s: np.roll(s.hs, 1, axis=0)),),
    "In dU every step reads h0. Only the first one does.": (
        SUMS.but(h_prevs=lambda s: np.broadcast_to(s.h0, s.hs.shape)),
    ),
    "In dU you drop the first of hs. Drop the last: no step has read it.": (
        SUMS.but(h_prevs=lambda s: np.concatenate([s.h0[None], s.hs[1:]])),
    ),
    (
        "Reshaping isn't transposing. Take the rows as they are in das, and transpose in the "
        "product."
    ): (SUMS.but(da=lambda s: s.das.reshape(s.das.shape[2], -1).T),),
    **said("mean-not-sum", _mean_over(1), all="batch", one="sequence"),
    **said("mean-not-sum", _mean_over(0), all="steps", one="step"),
    "In dU you shift the hidden states the wrong way, so each step gets a later one's state.": (
        SUMS.but(h_prevs=lambda s: np.concatenate([s.hs[1:], s.h0[None]])),
        SUMS.but(h_prevs=lambda s: np.concatenate([s.hs[1:], s.hs[-1:]])),
        SUMS.but(h_prevs=lambda s: np.concatenate([s.hs[1:], 0 * s.h0[None]])),
    ),
    "The steps of das run backward compared with those of xs and hs.": (
        SUMS.but(da=lambda s: _as_rows(s.das[::-1])),
    ),
    (
        "The rows don't match: the gradients run step by step and their partners sequence by "
        "sequence, or the other way round."
    ): (
        SUMS.but(da=lambda s: _as_rows(s.das.swapaxes(0, 1))),
        SUMS.but(
            x=lambda s: _as_rows(s.xs.swapaxes(0, 1)),
            h_prev=lambda s: _as_rows(s.h_prevs.swapaxes(0, 1)),
        ),
    ),
    **each(
        "Only the {} step counts in your sums: you overwrite them instead of adding up.",
        {
            "last": (
                SUMS.but(
                    da=lambda s: s.das[-1], x=lambda s: s.xs[-1], h_prev=lambda s: s.h_prevs[-1]
                ),
            ),
            "first": (SUMS.but(da=lambda s: s.das[0], x=lambda s: s.xs[0], h_prev=lambda s: s.h0),),
        },
    ),
    "These are means over all rows. Gradients of shared weights are sums.": (
        SUMS.but(
            dW=lambda s: s.da.T @ s.x / len(s.da),
            dU=lambda s: s.da.T @ s.h_prev / len(s.da),
            db=lambda s: s.da.mean(axis=0),
        ),
    ),
    "db is a mean over all rows. The gradient of a shared bias is a sum.": (
        SUMS.but(db=lambda s: s.da.mean(axis=0)),
    ),
    "dW and dU are swapped: the inputs belong to dW, the hidden states to dU.": (
        SUMS.but(dW=lambda s: s.da.T @ s.h_prev, dU=lambda s: s.da.T @ s.x),
    ),
    "You shift the inputs by a step as well. Only the hidden state comes from the step before.": (
        SUMS.but(x=lambda s: _as_rows(np.concatenate([0 * s.xs[:1], s.xs[:-1]]))),
        SUMS.but(x=lambda s: _as_rows(np.roll(s.xs, 1, axis=0))),
    ),
    "You apply the slopes of the gates again. They're already in das.": (
        SUMS.but(da=lambda s: _as_rows(s.das * (1 - s.das))),
    ),
    SUMS_UNSEEN: (lambda *given: SUMS(*map(np.asarray, given)),),
    SUMS_THREE_AXES: (
        SUMS.but(dW=lambda s: (s.das.swapaxes(1, 2) @ s.xs).sum(axis=0)),
        SUMS.but(dU=lambda s: (s.das.swapaxes(1, 2) @ s.h_prevs).sum(axis=0)),
    ),
    SUMS_IN_THE_LOOP: (
        SUMS.but(dW=lambda s: _step_by_step(s, s.xs), dU=lambda s: _step_by_step(s, s.h_prevs)),
        SUMS.but(dU=lambda s: _step_by_step(s, s.h_prevs)),
    ),
}


@sized
def _sums_case(T: int, N: int, D: int, H: int) -> Case:
    return lstm_case("das xs hs h0", T=T, N=N, D=D, H=H)


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
    (3, 3, 3, 3, 3),
    (1, 1, 1, 1, 1),
    (1, 2, 3, 1, 2),
    (3, 1, 2, 3, 1),
    (2, 3, 4, 2, 2),
    (2, 3, 2, 4, 1),
    (4, 2, 3, 2, 5),
)
"""T, N, D, E and H."""

QUESTIONS = (
    Question(
        name="hoist",
        points=3,
        hints=(
            "A step has three products. One needs the hidden state, and two don't. Which "
            "arguments of your function do these two need, and which of those depend on the step?",
            "Take all steps of all sequences of xs as the rows of one matrix, multiply once, and "
            "give the result its three axes back. v has the same product at every step, so one "
            "product is enough for it. Inside the loop, each step picks its own part.",
            "Reshape xs to T times N rows, multiply by W transposed, add b, and reshape to (T, N, "
            "4H). Add v times W_v transposed, which broadcasts over the steps. The loop adds h "
            "times U transposed to entry t, and goes on as in chapter 7 (whole-cell).",
        ),
        exam=FunctionExam(
            name="hoisted",
            solution=hoisted,
            returns=(Returned(shape="(T, N, H)"),),
            cases=tuple(_loop_case(*sizes) for sizes in SIZES),
            mistakes=HOIST_MISTAKES,
            properties={
                "Every entry of a hidden state lies between -1 and 1.": lambda f, rng: bool(
                    (np.abs(f(*_loop_case(4, 2, 3, 2, 5).arguments.values())) < 1).all()
                ),
                wording("alone", sequence="sequence", result="hidden states"): (
                    lambda f, rng: _alone_as_in_company(f)
                ),
            },
            demands={
                UNSEEN: lambda f, rng: are_seen(f, LONG, "xs W") and are_seen(f, LONG, "v W_v"),
                IN_THE_LOOP: lambda f, rng: not grow(f, SHORT, LONG, "xs W")[0],
                STILL_IN_THE_LOOP: lambda f, rng: not grow(f, SHORT, LONG, "v W_v")[0],
                KEPT: _keeps_results_apart,
            },
            right="Right, and only the recurrent product is left in the loop.",
            forbidden=(cell.lstm_step, sequence.lstm_forward, fast.lstm_forward),
        ),
    ),
    Question(
        name="deferred",
        points=2,
        hints=(
            "A sum of products over the steps is one product, if you lay the steps out as rows. "
            "Which hidden state does the gradient of step t meet, the one after the step or the "
            "one before?",
            "Make an array of the hidden states that the steps read: h0 first, without the last "
            "of hs. Then give each of the three arrays two axes, with the rows in the same order.",
            "Let da be das as T times N rows. da transposed times the rows of xs gives dW; times "
            "the rows of the hidden states before each step, it gives dU. The sum of da over its "
            "rows is db.",
        ),
        exam=FunctionExam(
            name="deferred",
            solution=deferred,
            returns=WEIGHT_GRADIENTS,
            cases=tuple(_sums_case(T, N, D, H) for T, N, D, _, H in SIZES),
            mistakes=DEFERRED_MISTAKES,
            properties=DEFERRED_PROPERTIES,
            demands={
                SUMS_UNSEEN: lambda f, rng: are_seen(f, *BACKWARD[1:]),
                SUMS_THREE_AXES: lambda f, rng: grow(f, *BACKWARD) != (False, True),
                SUMS_IN_THE_LOOP: lambda f, rng: not grow(f, *BACKWARD)[0],
            },
            right="Right, and the number of products for dW and dU doesn't grow with T.",
        ),
    ),
)


def _alone_as_in_company(f: Guarded) -> bool:
    xs, v, W, W_v, U, b, h0, c0 = _loop_case(4, 2, 3, 2, 5).arguments.values()
    alone = f(xs[:, :1], v[:1], W, W_v, U, b, h0[:1], c0[:1])
    return _close(alone, f(xs, v, W, W_v, U, b, h0, c0)[:, :1])


def _close(one: Any, other: Any) -> bool:
    """Return whether two arrays are the same; other code reports a wrong shape."""
    return np.shape(one) != np.shape(other) or np.allclose(one, other)
