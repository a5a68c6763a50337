"""The gradient of the cell state, and one whole step backward."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course import cell, sequence
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.lines import Line, Lines
from lstm_course.exercises.engine.mistakes import FLOWS, Mistakes, each, said, shared, wording
from lstm_course.exercises.engine.parts import (
    STEP,
    WEIGHT_GRADIENTS,
    as_it_is,
    drawn,
    lstm_case,
    seeded,
    sized,
    split,
)
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid, sigmoid_derivative, tanh, tanh_derivative


def two_flows(dh: Array, dc: Array, o: Array, h: Array) -> Array:
    """Return the whole gradient of the cell state: from the later step, and through h."""
    with np.errstate(all="ignore"):  # |h| is below o, and o is not 0
        return dc + dh * o * (1 - (h / o) ** 2)


def _of_h(flows: Answer) -> Answer:
    """Return an answer to the question, from one that gets c in place of h."""
    return lambda dh, dc, o, h: flows(dh, dc, o, np.arctanh(h / o))


OF_FLOWS: Mistakes = {
    **shared(as_it_is, *FLOWS),
    "Your dh reaches c unscaled. On its way it passes the output gate and a tanh.": (
        lambda dh, dc, o, c: dc + dh,
    ),
    "In the slope of tanh, the square is missing.": (
        lambda dh, dc, o, c: dc + dh * o * (1 - tanh(c)),
    ),
    "In the slope of tanh, the sign before the square is wrong: the slope is never above 1.": (
        lambda dh, dc, o, c: dc + dh * o * (1 + tanh(c) ** 2),
    ),
    **said("value-for-slope", lambda dh, dc, o, c: dc + dh * o * tanh(c), of="tanh"),
    "tanh(c) scales the gradient of the output gate. The question asks for the gradient of c.": (
        lambda dh, dc, o, c: dc + dh * tanh(c),
        lambda dh, dc, o, c: dh * tanh(c),
        lambda dh, dc, o, c: dc + dh * tanh(c) * o * (1 - o),
    ),
    "A pair of brackets is missing: the whole slope, 1 minus the square, is one factor.": (
        lambda dh, dc, o, c: dc + dh * o * 1 - tanh(c) ** 2,
        lambda dh, dc, o, c: dc + dh * o - tanh(c) ** 2,
    ),
    **said(
        "matrix-product",
        lambda dh, dc, o, c: dc + dh @ o * tanh_derivative(c),
        lambda dh, dc, o, c: dc + dh * o @ tanh_derivative(c),
    ),
    "You apply the sigmoid's rule to a tanh.": (
        lambda dh, dc, o, c: dc + dh * o * tanh(c) * (1 - tanh(c)),
        lambda dh, dc, o, c: dc + dh * o * sigmoid_derivative(c),
    ),
    "You use the slope of the output gate. Here the gate itself is the factor.": (
        lambda dh, dc, o, c: dc + dh * o * (1 - o) * tanh_derivative(c),
    ),
    "You subtract one flow from the other. c is used twice, so its gradients add up.": (
        lambda dh, dc, o, c: dc - dh * o * tanh_derivative(c),
        lambda dh, dc, o, c: dh * o * tanh_derivative(c) - dc,
    ),
    **each(
        "You send dc through {} too. Only what comes from h goes that way.",
        {
            "the output gate and tanh": (lambda dh, dc, o, c: (dc + dh) * o * tanh_derivative(c),),
            "tanh": (lambda dh, dc, o, c: (dc + dh * o) * tanh_derivative(c),),
        },
    ),
    "You add one of the factors. A product scales the gradient by the other factor: multiply.": (
        lambda dh, dc, o, c: dc + dh + o * tanh_derivative(c),
        lambda dh, dc, o, c: dc + dh * (o + tanh_derivative(c)),
        lambda dh, dc, o, c: dc + dh * o + tanh_derivative(c),
    ),
}
TWO_FLOWS_MISTAKES: Mistakes = {
    sentence: tuple(map(_of_h, answers)) for sentence, answers in OF_FLOWS.items()
} | {
    "You use h as if it were the cell state, but tanh of h isn't tanh of c.": (
        lambda dh, dc, o, h: dc + dh * o * tanh_derivative(h),
    ),
    "The square of o is missing: square the whole of h over o.": (
        lambda dh, dc, o, h: dc + dh * o * (1 - h**2 / o),
    ),
    "Your fraction is upside down. h is o times tanh(c), so tanh(c) is h over o.": (
        lambda dh, dc, o, h: dc + dh * o * (1 - (o / h) ** 2),
    ),
    "You multiply by o once more. To undo the product with o, divide.": (
        lambda dh, dc, o, h: dc + dh * o * (1 - (h * o) ** 2),
    ),
    **said(
        "one-sequence",
        lambda *given: two_flows(*(one[:1] for one in given)),
        lambda dh, dc, o, h: two_flows(dh, dc, o[:1], h[:1]),
        own="gradients of its own",
    ),
}
TWO_FLOWS_PROPERTIES: dict[str, Property] = {
    "Where dh is 0, nothing comes through h: the result must be dc.": lambda f, rng: _silent(
        f, *rng.normal(size=(4, 2, 3))
    ),
    "A gate that's almost shut lets nothing back: with o near 0, the result must be near dc.": (
        lambda f, rng: _shut(f, *rng.normal(size=(4, 2, 3)))
    ),
}


def _silent(f: Guarded, dh: Array, dc: Array, o: Array, c: Array) -> bool:
    o = sigmoid(o)
    return np.allclose(f(0 * dh, dc, o, o * tanh(c)), dc)


def _shut(f: Guarded, dh: Array, dc: Array, o: Array, c: Array) -> bool:
    o = 1e-9 * sigmoid(o)
    return np.allclose(f(dh, dc, o, o * tanh(c)), dc)


@sized
def _two_flows_case(N: int, H: int) -> Case:
    dh, dc, o, c = seeded(N, H).normal(size=(4, N, H))
    o = sigmoid(o)
    return Case({"N": N, "H": H}, {"dh": dh, "dc": dc, "o": o, "h": o * tanh(c)})


def solution(
    dh: Array, dc: Array, x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
) -> tuple[Array, ...]:
    """Return dx, dh_prev, dc_prev, dW, dU and db of one step."""
    *_, cache = cell.lstm_step(x, h_prev, c_prev, cell.LSTMParams(W, U, b))
    dx, dh_prev, dc_prev, grads = cell.lstm_step_backward(dh, dc, cache)
    return dx, dh_prev, dc_prev, *grads.arrays()


ARGUMENTS = "dh dc x h_prev c_prev W U b"
BACKWARD = Lines(
    tuple(ARGUMENTS.split()),
    {
        **STEP.lines,
        "tanh_c": lambda s: tanh(s.c),
        "dc_all": lambda s: s.dc + s.dh * s.o * (1 - s.tanh_c**2),
        "da_i": lambda s: s.dc_all * s.g * s.i * (1 - s.i),
        "da_f": lambda s: s.dc_all * s.c_prev * s.f * (1 - s.f),
        "da_g": lambda s: s.dc_all * s.i * (1 - s.g**2),
        "da_o": lambda s: s.dh * s.tanh_c * s.o * (1 - s.o),
        "da": lambda s: np.concatenate([s.da_i, s.da_f, s.da_g, s.da_o], axis=1),
        "dx": lambda s: s.da @ s.W,
        "dh_prev": lambda s: s.da @ s.U,
        "dc_prev": lambda s: s.dc_all * s.f,
        "dW": lambda s: s.da.T @ s.x,
        "dU": lambda s: s.da.T @ s.h_prev,
        "db": lambda s: s.da.sum(axis=0),
    },
    ("dx", "dh_prev", "dc_prev", "dW", "dU", "db"),
)
step_with = BACKWARD.but
"""Return the backward step with some of its lines changed."""


REACHES: dict[str, Line] = {
    "i": lambda s: s.dc_all * s.g,
    "f": lambda s: s.dc_all * s.c_prev,
    "g": lambda s: s.dc_all * s.i,
    "o": lambda s: s.dh * s.tanh_c,
}
"""The gradient of each gate and of the candidate, before it goes back through the squashing."""


def _slopes(slope: Callable[[Array], Array], gates: str) -> Answer:
    """Return the step with another slope for the squashing of these slices."""
    return step_with(
        **{
            f"da_{name}": lambda s, name=name: REACHES[name](s) * slope(getattr(s, name))
            for name in gates
        }
    )


def _reordered(order: str) -> Answer:
    return step_with(
        da=lambda s: np.concatenate([getattr(s, f"da_{name}") for name in order], axis=1)
    )


def _one_slice(k: int, *names: str) -> Answer:
    """Return the step in which only slice k passes gradients to the input or the hidden state."""
    of_slice: dict[str, Line] = {
        "dx": lambda s: split(s.da, axis=1)[k] @ split(s.W)[k],
        "dh_prev": lambda s: split(s.da, axis=1)[k] @ split(s.U)[k],
    }
    return step_with(**{name: of_slice[name] for name in names})


def _per_gate(template: str, slope: Callable[[Array], Array]) -> Mistakes:
    """Return a mistake in the slope of a gate: for each gate, and for several at once."""
    words = {"i": "the input gate", "f": "the forget gate", "o": "the output gate"}
    several = {
        " and ".join(words[name] for name in names): (_slopes(slope, names),)
        for names in ("i", "f", "o", "if", "io", "fo")
    }
    return each(template, {"all three gates": (_slopes(slope, "ifo"),), **several})


MISTAKES: Mistakes = {
    # Mistakes that spoil one result come first: where two mistakes meet, those are reported.
    "You compute dc_prev from dc as it came. Add the flow from h first.": (
        step_with(dc_prev=lambda s: s.dc * s.f),
    ),
    "The forget gate is missing: the gradient passes it on the way from c to c_prev.": (
        step_with(dc_prev=lambda s: s.dc_all),
        step_with(dc_prev=lambda s: s.dc),
    ),
    "On its way to dc_prev, the gradient of c passes only the forget gate. You scale it by the "
    "slope of tanh again.": (step_with(dc_prev=lambda s: s.dc_all * s.f * (1 - s.tanh_c**2)),),
    "You compute dc_prev from dc as it came, and scale it by the slope of tanh. Only what comes "
    "from h passes tanh; then you add it to dc.": (
        step_with(dc_prev=lambda s: s.dc * s.f * (1 - s.tanh_c**2)),
    ),
    "You scale dc_prev by c_prev itself. Scale it by the forget gate.": (
        step_with(dc_prev=lambda s: s.dc_all * s.c_prev),
    ),
    "You scale dc_prev by the wrong gate. It should be the forget gate.": (
        step_with(dc_prev=lambda s: s.dc_all * s.i),
        step_with(dc_prev=lambda s: s.dc_all * s.o),
    ),
    "You scale dc_prev by the slope of the forget gate. It should be the gate itself.": (
        step_with(dc_prev=lambda s: s.dc_all * s.f * (1 - s.f)),
    ),
    **said("state-in-dU", step_with(dU=lambda s: s.da.T @ s.h), yours="the one after it"),
    **said("state-in-dU", step_with(dU=lambda s: s.da.T @ s.c_prev), yours="the cell state"),
    **said(
        "mean-not-sum",
        step_with(db=lambda s: s.da.mean(axis=0)),
        step_with(
            dW=lambda s: s.da.T @ s.x / len(s.x),
            dU=lambda s: s.da.T @ s.h_prev / len(s.x),
            db=lambda s: s.da.mean(axis=0),
        ),
        all="batch",
        one="sequence",
    ),
    "You count only the first sequence of the batch. Each adds its own share.": (
        step_with(db=lambda s: s.da[0]),
        step_with(
            dW=lambda s: np.outer(s.da[0], s.x[0]),
            dU=lambda s: np.outer(s.da[0], s.h_prev[0]),
            db=lambda s: s.da[0],
        ),
    ),
    **shared(
        lambda flow: step_with(dc_all=lambda s: flow(s.dh, s.dc, s.o, s.c)),
        *FLOWS,
    ),
    "You go back through h = o * c, but in this cell there's a tanh between c and h.": (
        step_with(dc_all=lambda s: s.dc + s.dh * s.o, da_o=lambda s: s.dh * s.c * s.o * (1 - s.o)),
    ),
    **_per_gate(wording("value-for-slope", of="{}"), as_it_is),
    **_per_gate(
        "You take the slope of {} at a value that's already squashed, so it's squashed twice.",
        sigmoid_derivative,
    ),
    **_per_gate("The slope of the squashing is missing at {}.", np.ones_like),
    **_per_gate("At {}, you apply tanh's rule to a sigmoid.", lambda value: 1 - value**2),
    **_per_gate(
        "At {}, one factor of the slope is missing: you have only 1 minus the value.",
        (lambda value: 1 - value),
    ),
    "The slope is missing at all four slices: your gradients stop short of the squashings.": (
        _slopes(np.ones_like, "ifgo"),
    ),
    "At all four slices, you use the value where the slope belongs.": (_slopes(as_it_is, "ifgo"),),
    "At all four slices, you take the slope at a value that's already squashed.": (
        step_with(
            **{
                f"da_{k}": lambda s, k=k: (
                    REACHES[k](s)
                    * (tanh_derivative if k == "g" else sigmoid_derivative)(getattr(s, k))
                )
                for k in "ifgo"
            }
        ),
    ),
    "You take the slope of a sigmoid, but the candidate is squashed by tanh.": (
        _slopes(lambda value: value * (1 - value), "g"),
    ),
    **said("value-for-slope", _slopes(as_it_is, "g"), of="the candidate"),
    "At the candidate, the slope of tanh is missing.": (_slopes(np.ones_like, "g"),),
    "At the candidate, the square in the slope of tanh is missing.": (
        _slopes(lambda value: 1 - value, "g"),
    ),
    "You take the candidate's slope at a value that's already squashed.": (
        _slopes(tanh_derivative, "g"),
    ),
    "In the output gate's slice you use c. It should be tanh(c), because h is o times tanh(c).": (
        step_with(da_o=lambda s: s.dh * s.c * s.o * (1 - s.o)),
    ),
    "In the output gate's slice, tanh(c) is missing: each factor of a product gets the other.": (
        step_with(da_o=lambda s: s.dh * s.o * (1 - s.o)),
    ),
    "The output gate acts only on h. Its slice starts from dh, but yours starts from dc.": (
        step_with(da_o=lambda s: s.dc_all * s.tanh_c * s.o * (1 - s.o)),
        step_with(da_o=lambda s: s.dc * s.tanh_c * s.o * (1 - s.o)),
    ),
    "In the forget gate's slice, you use the new cell state. It should be the old one.": (
        step_with(da_f=lambda s: s.dc_all * s.c * s.f * (1 - s.f)),
    ),
    "In the forget gate's slice, the old cell state is missing: it's what the gate scales.": (
        step_with(da_f=lambda s: s.dc_all * s.f * (1 - s.f)),
    ),
    "In the forget gate's slice, you use the hidden state. But the gate scales the cell state.": (
        step_with(da_f=lambda s: s.dc_all * s.h_prev * s.f * (1 - s.f)),
    ),
    "For the input gate and the candidate: each factor of a product gets the other one, not "
    "itself.": (
        step_with(
            da_i=lambda s: s.dc_all * s.i * s.i * (1 - s.i),
            da_g=lambda s: s.dc_all * s.g * (1 - s.g**2),
        ),
    ),
    "In the input gate's slice, the candidate is missing: it's what the gate scales.": (
        step_with(da_i=lambda s: s.dc_all * s.i * (1 - s.i)),
    ),
    "In the candidate's slice, the input gate is missing: it scales the candidate.": (
        step_with(da_g=lambda s: s.dc_all * (1 - s.g**2)),
    ),
    "In a slice that c feeds, you add a factor. A product scales a gradient, so multiply.": (
        step_with(da_i=lambda s: (s.dc_all + s.g) * s.i * (1 - s.i)),
        step_with(da_f=lambda s: (s.dc_all + s.c_prev) * s.f * (1 - s.f)),
        step_with(da_g=lambda s: (s.dc_all + s.i) * (1 - s.g**2)),
        step_with(
            da_i=lambda s: (s.dc_all + s.g) * s.i * (1 - s.i),
            da_f=lambda s: (s.dc_all + s.c_prev) * s.f * (1 - s.f),
            da_g=lambda s: (s.dc_all + s.i) * (1 - s.g**2),
        ),
    ),
    **each(
        "The slice of {} starts from dc as it came. Add the flow from h first.",
        {
            "the input gate": (step_with(da_i=lambda s: s.dc * s.g * s.i * (1 - s.i)),),
            "the forget gate": (step_with(da_f=lambda s: s.dc * s.c_prev * s.f * (1 - s.f)),),
            "the candidate": (step_with(da_g=lambda s: s.dc * s.i * (1 - s.g**2)),),
        },
    ),
    "The slices of i, f and g all miss the flow from h: they start from dc as it came.": (
        step_with(
            da_i=lambda s: s.dc * s.g * s.i * (1 - s.i),
            da_f=lambda s: s.dc * s.c_prev * s.f * (1 - s.f),
            da_g=lambda s: s.dc * s.i * (1 - s.g**2),
        ),
    ),
    "The four slices of da aren't in the order of W, U and b: i, f, g, o.": tuple(
        _reordered("".join(order))
        for order in itertools.permutations("ifgo")
        if order != tuple("ifgo")
    ),
    "Your step hands nothing back: dh_prev and dc_prev are 0, so no earlier step can learn.": (
        step_with(
            dh_prev=lambda s: np.zeros_like(s.h_prev), dc_prev=lambda s: np.zeros_like(s.c_prev)
        ),
    ),
    "You hand dh and dc on as they came, as if the step did nothing to them.": (
        step_with(dh_prev=lambda s: s.dh, dc_prev=lambda s: s.dc),
        step_with(dh_prev=lambda s: s.dh),
    ),
    "You add dh to dh_prev. The old hidden state reaches h only through the four slices.": (
        step_with(dh_prev=lambda s: s.da @ s.U + s.dh),
    ),
    "x and h_prev go into all four slices, but you count only one of them.": tuple(
        _one_slice(k, *names)
        for k in range(4)
        for names in (("dx", "dh_prev"), ("dx",), ("dh_prev",))
    ),
    "Every sign is wrong. A gradient says what makes the loss larger; the step against it comes "
    "later.": (
        step_with(
            **{name: lambda s, name=name: -BACKWARD.lines[name](s) for name in BACKWARD.results}
        ),
    ),
}


def _arguments(N: int, D: int, H: int) -> dict[str, Array]:
    return drawn(ARGUMENTS, N=N, D=D, H=H)


@sized
def _case(N: int, D: int, H: int) -> Case:
    return lstm_case(ARGUMENTS, N=N, D=D, H=H)


def _called(answer: Guarded, **changed: Array) -> list[Array]:
    """Call an answer on two sequences, with some arguments changed."""
    return _arrays(answer(*{**_arguments(2, 3, 2), **changed}.values()))


def _arrays(results: Any) -> list[Array]:
    """Return the six results; raise an error unless their shapes are right."""
    return [
        np.asarray(result, float).reshape(array.shape)
        for result, array in zip(results, list(_arguments(2, 3, 2).values())[2:], strict=True)
    ]


def _nothing_from_nothing(answer: Guarded, rng: np.random.Generator) -> bool:
    zero = np.zeros((2, 2))
    return not any(np.any(result) for result in _called(answer, dh=zero, dc=zero))


def _linear(answer: Guarded, rng: np.random.Generator) -> bool:
    dh, dc = rng.normal(size=(2, 2, 2))
    pairs = zip(_called(answer, dh=2 * dh, dc=2 * dc), _called(answer, dh=dh, dc=dc), strict=True)
    return all(np.allclose(two, 2 * one) for two, one in pairs)


def _passes_whole(answer: Guarded, rng: np.random.Generator) -> bool:
    dc = rng.normal(size=(2, 2))
    b = np.repeat([0.0, 50, 0, 0], 2)
    return np.allclose(_called(answer, dh=np.zeros((2, 2)), dc=dc, b=b)[2], dc)


def _adds_sequences(answer: Guarded, rng: np.random.Generator) -> bool:
    both = _arguments(2, 3, 2)
    alone = []
    for n in range(2):
        rows = {k: v[n : n + 1] if k not in ("W", "U", "b") else v for k, v in both.items()}
        alone.append(list(answer(*rows.values()))[3:])
    together = _called(answer)[3:]
    return all(
        np.allclose(whole, one + two) for whole, one, two in zip(together, *alone, strict=True)
    )


PROPERTIES: dict[str, Property] = {
    "With dh = 0 and dc = 0, nothing is to blame: every gradient must be 0.": (
        _nothing_from_nothing
    ),
    "Gradients are linear in dh and dc: doubling both must double every result.": _linear,
    "With dh = 0 and a forget gate of 1, the memory's gradient passes unchanged: dc_prev must be "
    "dc.": (_passes_whole),
    "dW, dU and db of two sequences must be the sum of what each gives on its own.": (
        _adds_sequences
    ),
}

QUESTIONS = (
    Question(
        name="two-flows",
        points=1,
        hints=(
            "Where does the cell state go after this step? Count the ways, and ask which "
            "gradient comes back along each.",
            "One way leads to the next step, and you're given its gradient. The other leads "
            "through tanh and a product into h. Go back along it: first the product, then tanh. "
            "The slope of tanh needs only tanh(c), and you know how that's related to h and o.",
            "tanh(c) is h over o. Scale dh by the output gate and by the slope of tanh, which is "
            "1 minus the square of that quotient. Then add dc.",
        ),
        exam=FunctionExam(
            name="two_flows",
            solution=two_flows,
            returns=(Returned(shape="(N, H)"),),
            cases=(
                _two_flows_case(3, 3),
                _two_flows_case(1, 1),
                _two_flows_case(1, 4),
                _two_flows_case(4, 1),
                _two_flows_case(2, 5),
            ),
            mistakes=TWO_FLOWS_MISTAKES,
            properties=TWO_FLOWS_PROPERTIES,
            right="Right: both flows are there, only one of them passes tanh, and you don't need "
            "c.",
        ),
    ),
    Question(
        name="backward-step",
        points=5,
        hints=(
            "Take the results one at a time, starting with dc_prev, which needs the fewest "
            "lines. Then let the feedback tell you which slices are wrong: i, f and g together "
            "point to dc, a single one to its own line.",
            "Start with the whole gradient of c, as in question 1. Each of the four slices of da "
            "is a product of three things: the gradient that arrives at the gate's product, what "
            "the gate is multiplied by there, and the slope of its own squashing, written in "
            "terms of its value. Join the four along the axis of the units.",
            "With da of shape (N, 4H): dx is da times W, dh_prev is da times U, dW is da "
            "transposed times x, dU is da transposed times h_prev, and db is the sum of da over "
            "the sequences. dc_prev is the whole gradient of c times the forget gate.",
        ),
        exam=FunctionExam(
            name="step_backward",
            solution=solution,
            returns=(
                Returned("dx", "(N, D)"),
                Returned("dh_prev", "(N, H)"),
                Returned("dc_prev", "(N, H)"),
                *WEIGHT_GRADIENTS,
            ),
            cases=(
                _case(3, 3, 3),
                _case(1, 1, 1),
                _case(1, 4, 2),
                _case(3, 1, 2),
                _case(4, 2, 1),
                _case(2, 5, 4),
            ),
            mistakes=MISTAKES,
            properties=PROPERTIES,
            forbidden=(cell.lstm_step_backward, sequence.lstm_backward, cell.step_backward),
            right="Right: all six gradients, slice by slice, for one sequence and for batches.",
        ),
    ),
)
