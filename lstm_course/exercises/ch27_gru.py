"""Coupled gates, forward and backward, and one step of a GRU, forward and backward."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_course import variants
from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.functions import FunctionExam, Guarded, Property
from lstm_course.exercises.engine.lines import Line, Lines
from lstm_course.exercises.engine.mistakes import (
    CANDIDATE,
    SHOWN,
    SUM,
    UPDATE,
    Mistakes,
    each,
    in_order,
    said,
    shared,
    wording,
)
from lstm_course.exercises.engine.parts import (
    EQUATIONS,
    STEP,
    affine,
    as_it_is,
    drawn,
    lstm_case,
    seeded,
    sized,
)
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.pointwise import sigmoid, sigmoid_derivative, tanh, tanh_derivative

SIZES = ((3, 3, 3), (1, 1, 1), (1, 4, 2), (3, 1, 2), (3, 2, 1), (4, 2, 3))


def third(k: int, of: str, axis: int = 1) -> Line:
    """Return the line that takes slice k of three."""
    return lambda s: np.split(getattr(s, of), 3, axis)[k]


def moved(line: Line, order: str, right: str) -> Line:
    """Return the line that takes its three slices in this order instead of the right one."""

    def answer(s: Any) -> Array:
        slices = np.split(line(s), 3, axis=1)
        return np.concatenate([slices[order.index(name)] for name in right], axis=1)

    return answer


def other_orders(right: str) -> list[str]:
    """Return the wrong orders of three slices."""
    return ["".join(order) for order in itertools.permutations(right)][1:]


def coupled_step(
    x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    """Return h and c after one step of an LSTM with coupled gates."""
    h, c, _ = variants.step(x, h_prev, c_prev, variants.CoupledParams(W, U, b))
    return h, c


COUPLED = Lines(
    STEP.arguments,
    {
        "a": STEP.line("a"),
        "a_i": third(0, "a"),
        "a_g": third(1, "a"),
        "a_o": third(2, "a"),
        "i": lambda s: sigmoid(s.a_i),
        "f": lambda s: 1 - s.i,
        "g": lambda s: tanh(s.a_g),
        "o": lambda s: sigmoid(s.a_o),
        "c": EQUATIONS["c"],
        "h": EQUATIONS["h"],
    },
    ("h", "c"),
)

OF_UPDATE = tuple(key for key in UPDATE if key not in ("keeps-complement", "writes-complement"))
"""Mistakes in an update, except those that coupled gates make right or turn into others."""

COUPLED_MISTAKES: Mistakes = {
    **shared(lambda show: COUPLED.but(h=lambda s: show(s.o, s.c)), *SHOWN),
    "h shows the cell state of the step before. Update c first.": (
        COUPLED.but(h=lambda s: s.o * tanh(s.c_prev)),
    ),
    **said("squashed-c-handed-on", lambda *given: (COUPLED(*given)[0], tanh(COUPLED(*given)[1]))),
    **said("h-for-c", lambda *given: (COUPLED(*given)[0], COUPLED(*given)[0])),
    (
        "You swap the two shares. An open input gate writes, so i belongs to the candidate and 1 - "
        "i to the old cell state."
    ): (COUPLED.but(c=lambda s: s.i * s.c_prev + s.f * s.g),),
    "You keep i and write i. Coupled shares add up to 1, so keep 1 - i.": (
        COUPLED.but(f=lambda s: s.i),
    ),
    "You keep 1 - i and write 1 - i. Write i times the candidate.": (
        COUPLED.but(c=lambda s: s.f * (s.c_prev + s.g)),
    ),
    "You subtract from 1 before the sigmoid. The gates add up to 1, but their sums don't.": (
        COUPLED.but(f=lambda s: sigmoid(1 - s.a_i)),
    ),
    "Your forget gate is 1 minus a sum that was never squashed.": (
        COUPLED.but(f=lambda s: 1 - s.a_i),
    ),
    **each(
        "You keep 1 minus {}. It's the input gate that is coupled.",
        {
            "the output gate": (COUPLED.but(f=lambda s: 1 - sigmoid(s.a_o)),),
            "the candidate": (COUPLED.but(f=lambda s: 1 - tanh(s.a_g)),),
        },
    ),
    **shared(lambda update: COUPLED.but(c=lambda s: update(s.c_prev, s.f, s.i, s.g)), *OF_UPDATE),
    **said("f-acts-on-h", COUPLED.but(c=lambda s: s.f * s.h_prev + s.i * s.g)),
    **said("reads-c", COUPLED.but(a=lambda s: affine(s.x, s.c_prev, s.W, s.U, s.b))),
    **said("states-swapped", lambda x, h, c, W, U, b: COUPLED(x, c, h, W, U, b)),
    **shared(lambda squash: COUPLED.but(g=lambda s: squash(s.a_g)), *CANDIDATE),
    "You squash both gates by tanh. They're shares, and a share is never negative.": (
        COUPLED.but(i=lambda s: tanh(s.a_i), o=lambda s: tanh(s.a_o)),
    ),
    **said(
        "gate-tanh",
        COUPLED.but(i=lambda s: tanh(s.a_i)),
        COUPLED.but(o=lambda s: tanh(s.a_o)),
    ),
    "You don't squash any gate, so your shares can be negative or larger than 1.": (
        COUPLED.but(i=lambda s: s.a_i, o=lambda s: s.a_o),
    ),
    **said(
        "gate-unsquashed",
        COUPLED.but(i=lambda s: s.a_i),
        COUPLED.but(o=lambda s: s.a_o),
    ),
    "Your slices take every third column. The first H columns are one slice, the next H another.": (
        COUPLED.but(
            a_i=lambda s: s.a[:, ::3], a_g=lambda s: s.a[:, 1::3], a_o=lambda s: s.a[:, 2::3]
        ),
    ),
    **shared(lambda a: COUPLED.but(a=lambda s: a(s.x, s.h_prev, s.W, s.U, s.b)), *SUM),
    **{
        in_order(order, "igo", "The three slices are i, g, o."): (
            COUPLED.but(a=moved(COUPLED.line("a"), order, "igo")),
        )
        for order in other_orders("igo")
    },
    **said(
        "one-sequence",
        lambda x, h, c, W, U, b: coupled_step(x[:1], h[:1], c[:1], W, U, b),
        lambda x, h, c, W, U, b: COUPLED(0 * x + x[:1], 0 * h + h[:1], c, W, U, b),
        own="states of its own",
    ),
}


@sized
def _coupled_case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    return lstm_case(" ".join(STEP.arguments), scale, gates=3, N=N, D=D, H=H)


def _with_input_gate(answer: Guarded, bias: float) -> tuple[Array, Array, Array]:
    """Return c_prev, h and c where only its bias sets i, and g and o are near 1."""
    x, h_prev, c_prev, W, U, _ = _coupled_case(2, 3, 2).arguments.values()
    h, c = answer(x, h_prev, c_prev, 0 * W, 0 * U, np.repeat([bias, 50, 50], 2))
    return c_prev, h, c


def _shut_keeps(answer: Guarded, rng: np.random.Generator) -> bool:
    c_prev, _, c = _with_input_gate(answer, -50)
    return np.allclose(c, c_prev)


def _open_replaces(answer: Guarded, rng: np.random.Generator) -> bool:
    _, _, c = _with_input_gate(answer, 50)
    return np.allclose(c, 1)


def _is_a_mean(answer: Guarded, rng: np.random.Generator) -> bool:
    c_prev, _, c = _with_input_gate(answer, 0.5)
    low, high = np.minimum(c_prev, 1), np.maximum(c_prev, 1)
    return bool(((low <= c) & (c <= high)).all())


COUPLED_PROPERTIES: dict[str, Property] = {
    "With the bias of i at -50, nothing is written: c must be c_prev.": _shut_keeps,
    (
        "With the biases of i and g at 50, the old state must be gone, and c must be 1."
    ): _open_replaces,
    (
        "The new cell state is a weighted mean: each entry must lie between c_prev and the "
        "candidate."
    ): _is_a_mean,
}


def input_gate_backward(dc: Array, i: Array, c_prev: Array, c: Array) -> Array:
    """Return the gradient of the coupled gate's sum: c - c_prev is i times (g - c_prev)."""
    return dc * (c - c_prev) * (1 - i)


def _of_c(backward: Answer) -> Answer:
    """Return an answer to the question from one that gets g in place of c."""
    return lambda dc, i, c_prev, c: backward(dc, i, c_prev, c_prev + (c - c_prev) / i)


OF_CANDIDATE: Mistakes = {
    (
        "This is what the gate learns from writing. It also forgets: you've missed the path back "
        "to i through 1 - i, which scales c_prev."
    ): (lambda dc, i, c_prev, g: dc * g * i * (1 - i),),
    (
        "This is what the gate learns from forgetting. What it learns from writing, through the "
        "candidate, is missing."
    ): (lambda dc, i, c_prev, g: -dc * c_prev * i * (1 - i),),
    "The old cell state has the wrong sign. When i rises, 1 - i falls.": (
        lambda dc, i, c_prev, g: dc * (g + c_prev) * i * (1 - i),
    ),
    (
        "You multiply what the gate learns from writing by what it learns from forgetting. Add the "
        "two paths back."
    ): (lambda dc, i, c_prev, g: -dc * g * c_prev * i * (1 - i),),
    "The sign is the wrong way round: a larger i moves c towards g, away from c_prev.": (
        lambda dc, i, c_prev, g: dc * (c_prev - g) * i * (1 - i),
    ),
    (
        "This is the gradient of the gate itself. For its sum, multiply by the slope of the "
        "sigmoid as well."
    ): (lambda dc, i, c_prev, g: dc * (g - c_prev),),
    **each(
        "The slope of the sigmoid is i times 1 - i. The factor {} is missing.",
        {
            "1 - i": (lambda dc, i, c_prev, g: dc * (g - c_prev) * i,),
            "i": (lambda dc, i, c_prev, g: dc * (g - c_prev) * (1 - i),),
        },
    ),
    "i comes out of a sigmoid, but you take the slope of a tanh.": (
        lambda dc, i, c_prev, g: dc * (g - c_prev) * (1 - i**2),
        lambda dc, i, c_prev, g: dc * (g - c_prev) * tanh_derivative(i),
    ),
    "You squash i again on the way to its slope. It's already squashed.": (
        lambda dc, i, c_prev, g: dc * (g - c_prev) * sigmoid_derivative(i),
    ),
    "You scale only the candidate by dc. Scale the whole difference.": (
        lambda dc, i, c_prev, g: (dc * g - c_prev) * i * (1 - i),
    ),
}
COUPLED_BACKWARD_MISTAKES: Mistakes = {
    sentence: tuple(map(_of_c, answers)) for sentence, answers in OF_CANDIDATE.items()
} | {
    (
        "You take the new cell state for the candidate. The difference c - c_prev has a factor i "
        "already."
    ): (lambda dc, i, c_prev, c: dc * (c - c_prev) * i * (1 - i),),
    "You take the new cell state for what was written. Part of c is what was kept.": (
        lambda dc, i, c_prev, c: dc * (c / i - c_prev) * i * (1 - i),
        lambda dc, i, c_prev, c: dc * c * (1 - i),
        lambda dc, i, c_prev, c: dc * c * i * (1 - i),
    ),
    "c minus what was kept is i times the candidate, but you take it for the candidate itself.": (
        lambda dc, i, c_prev, c: dc * (c - (1 - i) * c_prev - c_prev) * i * (1 - i),
    ),
    "To find the candidate, you subtract i of the old cell state. 1 - i of it was kept.": (
        lambda dc, i, c_prev, c: dc * ((c - i * c_prev) / i - c_prev) * i * (1 - i),
    ),
    "To find the candidate, you divide by 1 - i. It was scaled by i.": (
        lambda dc, i, c_prev, c: dc * ((c - (1 - i) * c_prev) / (1 - i) - c_prev) * i * (1 - i),
    ),
    "You swap i and 1 - i: i was written, and 1 - i kept.": (
        lambda dc, i, c_prev, c: dc * (c - c_prev) * i,
    ),
    **said("matrix-product", lambda dc, i, c_prev, c: dc @ (c - c_prev) * (1 - i)),
    **said(
        "one-sequence",
        lambda *given: input_gate_backward(*(one[:1] for one in given)),
        lambda dc, i, c_prev, c: input_gate_backward(dc, i[:1], c_prev[:1], c[:1]),
        own="gradients of its own",
    ),
}
COUPLED_BACKWARD_PROPERTIES: dict[str, Property] = {
    (
        "Where the step left the cell state as it was (c = c_prev), the gate made no difference, "
        "so its gradient must be 0."
    ): lambda f, rng: _unmoved(f, *rng.normal(size=(3, 2, 3))),
    "The gradient is linear in dc: three times dc must give three times the result.": (
        lambda f, rng: _linear_in_dc(f, *rng.normal(size=(4, 2, 3)))
    ),
}


def _unmoved(f: Guarded, dc: Array, i: Array, c_prev: Array) -> bool:
    return np.allclose(f(dc, sigmoid(i), c_prev, c_prev), 0)


def _linear_in_dc(f: Guarded, dc: Array, i: Array, c_prev: Array, c: Array) -> bool:
    return np.allclose(f(3 * dc, sigmoid(i), c_prev, c), 3 * f(dc, sigmoid(i), c_prev, c))


@sized
def _coupled_backward_case(N: int, H: int) -> Case:
    dc, i, c_prev, g = seeded(N, H).normal(size=(4, N, H))
    i = sigmoid(i)
    c = (1 - i) * c_prev + i * tanh(g)
    return Case({"N": N, "H": H}, {"dc": dc, "i": i, "c_prev": c_prev, "c": c})


GRU_EQUATIONS: dict[str, Line] = {
    "a": lambda s: s.x @ s.W.T + s.b_ih,
    "u": lambda s: s.h_prev @ s.U.T + s.b_hh,
    **{f"{of}_{gate}": third(k, of) for of in ("a", "u") for k, gate in enumerate("rzn")},
    "U_n": third(2, "U", axis=0),
    "b_in": third(2, "b_ih", axis=0),
    "b_hn": third(2, "b_hh", axis=0),
    "r": lambda s: sigmoid(s.a_r + s.u_r),
    "z": lambda s: sigmoid(s.a_z + s.u_z),
    "into_n": lambda s: s.a_n + s.r * s.u_n,
    "n": lambda s: tanh(s.into_n),
    "h": lambda s: (1 - s.z) * s.n + s.z * s.h_prev,
}
"""A step of a GRU, from its four arrays on."""

GRU = Lines(
    ("x", "h_prev", "M_x", "M_h"),
    {
        "W": lambda s: s.M_x[:-1].T,
        "b_ih": lambda s: s.M_x[-1],
        "U": lambda s: s.M_h[:-1].T,
        "b_hh": lambda s: s.M_h[-1],
        **GRU_EQUATIONS,
    },
    ("h",),
)


def gru_step(x: Array, h_prev: Array, M_x: Array, M_h: Array) -> Array:
    """Return h after one step of a GRU, with the parameters in two matrices."""
    params = variants.GRUParams(M_x[:-1].T, M_h[:-1].T, M_x[-1], M_h[-1])
    h, _ = variants.gru_step(x, h_prev, params)
    return h


def _gru_in(order: str) -> tuple[Answer, ...]:
    """Return the steps that take all slices, or those of one matrix, in this order."""
    a, u = (moved(GRU.line(name), order, "rzn") for name in ("a", "u"))
    return GRU.but(a=a, u=u), GRU.but(a=a), GRU.but(u=u)


def _squashed(squash: Answer, gates: str) -> Lines:
    """Return the step with these gates squashed in another way."""
    return GRU.but(
        **{
            gate: lambda s, gate=gate: squash(getattr(s, f"a_{gate}") + getattr(s, f"u_{gate}"))
            for gate in gates
        }
    )


GATES = {"r": "the reset gate", "z": "the update gate", "rz": "both gates"}

STACKED = "The question stacks them as r, z, n; Keras and ONNX have z, r, n."

GRU_MISTAKES: Mistakes = {
    "You swap z and 1 - z. Here an update gate of 1 keeps, so z belongs to h_prev.": (
        GRU.but(h=lambda s: s.z * s.n + (1 - s.z) * s.h_prev),
    ),
    "Your h is only the candidate's share. Add z times h_prev.": (
        GRU.but(h=lambda s: (1 - s.z) * s.n),
    ),
    "Your h is only what was kept. Add 1 - z times the candidate.": (
        GRU.but(h=lambda s: s.z * s.h_prev),
    ),
    "You write the whole candidate. Its share is 1 - z.": (
        GRU.but(h=lambda s: s.n + s.z * s.h_prev),
    ),
    "You keep the whole old state. Its share is z.": (
        GRU.but(h=lambda s: (1 - s.z) * s.n + s.h_prev),
    ),
    **each(
        "Candidate and old state both get {}. The shares of a mean add up to 1.",
        {
            "z": (GRU.but(h=lambda s: s.z * (s.n + s.h_prev)),),
            "1 - z": (GRU.but(h=lambda s: (1 - s.z) * (s.n + s.h_prev)),),
        },
    ),
    "The difference has the wrong sign: h goes from n towards h_prev, not away from it.": (
        GRU.but(h=lambda s: s.n + s.z * (s.n - s.h_prev)),
    ),
    (
        "You mix h by the reset gate. The reset gate acts inside the candidate; the update gate "
        "does the mixing."
    ): (GRU.but(h=lambda s: (1 - s.r) * s.n + s.r * s.h_prev),),
    "You squash the new state once more. A mean of numbers within -1 and 1 needs no tanh.": (
        GRU.but(h=lambda s: tanh((1 - s.z) * s.n + s.z * s.h_prev)),
    ),
    "This is the candidate. Let the update gate mix it with h_prev.": (GRU.but(h=lambda s: s.n),),
    (
        "You apply the reset gate to h_prev, before the product. That is the GRU as it was "
        "published. Here the product and its bias come first, and r scales the result."
    ): (
        GRU.but(into_n=lambda s: s.a_n + (s.r * s.h_prev) @ s.U_n.T + s.b_hn),
        GRU.but(into_n=lambda s: s.a_n + (s.r * s.h_prev) @ s.U_n.T + s.r * s.b_hn),
    ),
    (
        "You scale the product alone by the reset gate and leave the bias of h_prev's map outside. "
        "Scale that bias too: it's why a GRU has two of them."
    ): (GRU.but(into_n=lambda s: s.a_n + s.b_hn + s.r * (s.u_n - s.b_hn)),),
    "You scale both of the candidate's biases by the reset gate. The bias of x stays outside.": (
        GRU.but(into_n=lambda s: s.a_n - s.b_in + s.r * (s.u_n + s.b_in)),
    ),
    "You scale the candidate's whole sum by the reset gate. What comes from x passes it by.": (
        GRU.but(into_n=lambda s: s.r * (s.a_n + s.u_n)),
    ),
    "You scale what comes from x by the reset gate. It should scale what comes from h_prev.": (
        GRU.but(into_n=lambda s: s.r * s.a_n + s.u_n),
    ),
    "The reset gate has no effect on the candidate.": (GRU.but(into_n=lambda s: s.a_n + s.u_n),),
    "You apply the reset gate after the tanh. It acts inside, on what comes from h_prev.": (
        GRU.but(n=lambda s: s.r * tanh(s.a_n + s.u_n)),
        GRU.but(n=lambda s: s.r * tanh(s.into_n)),
    ),
    "You add the reset gate to the candidate's sum. A share of something is a product.": (
        GRU.but(into_n=lambda s: s.a_n + s.u_n + s.r),
    ),
    "You let 1 - r of the old state through. A reset gate of 1 should let all of it through.": (
        GRU.but(into_n=lambda s: s.a_n + (1 - s.r) * s.u_n),
    ),
    "You use the update gate in the candidate. The reset gate belongs there.": (
        GRU.but(into_n=lambda s: s.a_n + s.z * s.u_n),
    ),
    **each(
        "The candidate is missing its part from {}.",
        {
            "h_prev": (GRU.but(into_n=lambda s: s.a_n),),
            "x": (GRU.but(into_n=lambda s: s.r * s.u_n),),
        },
    ),
    "You apply the reset gate to the sum of the update gate too. It acts only in the candidate.": (
        GRU.but(z=lambda s: sigmoid(s.a_z + s.r * s.u_z)),
    ),
    "The reset gate scales its own sum. It acts only in the candidate.": (
        GRU.but(r=lambda s: sigmoid(s.a_r + sigmoid(s.a_r + s.u_r) * s.u_r)),
    ),
    "The candidate is missing the bias of h_prev's map.": (
        GRU.but(into_n=lambda s: s.a_n + s.r * (s.u_n - s.b_hn)),
    ),
    "Neither bias has an effect. They're the last rows of M_x and M_h.": (
        GRU.but(b_ih=lambda s: 0 * s.M_x[-1], b_hh=lambda s: 0 * s.M_h[-1]),
    ),
    **each(
        "The last row of {} has no effect. It's a bias.",
        {
            "M_x": (GRU.but(b_ih=lambda s: 0 * s.M_x[-1]),),
            "M_h": (GRU.but(b_hh=lambda s: 0 * s.M_h[-1]),),
        },
    ),
    "You put the 1 in front. In both matrices the bias is the last row.": (
        GRU.but(
            W=lambda s: s.M_x[1:].T,
            b_ih=lambda s: s.M_x[0],
            U=lambda s: s.M_h[1:].T,
            b_hh=lambda s: s.M_h[0],
        ),
    ),
    **shared(lambda squash: GRU.but(n=lambda s: squash(s.into_n)), *CANDIDATE),
    **each(
        "You squash {} by tanh. A gate is a share, so it takes a sigmoid.",
        {words: (_squashed(tanh, gates),) for gates, words in GATES.items()},
    ),
    **each(
        "You don't squash {}. A gate is a share, so it takes a sigmoid.",
        {words: (_squashed(as_it_is, gates),) for gates, words in GATES.items()},
    ),
    in_order("zrn", "rzn", STACKED): _gru_in("zrn")[:1],
    **{
        wording("slices-in", yours=", ".join(order), right=STACKED): _gru_in(order)[:1]
        for order in other_orders("rzn")
        if order != "zrn"
    },
    **each(
        "In {} alone you take the slices in the order z, r, n. Both matrices have r, z, n.",
        {"M_x": _gru_in("zrn")[1:2], "M_h": _gru_in("zrn")[2:]},
    ),
    "Your slices take every third column. A slice is H columns next to each other.": (
        GRU.but(
            **{
                f"{of}_{gate}": lambda s, of=of, k=k: getattr(s, of)[:, k::3]
                for of in ("a", "u")
                for k, gate in enumerate("rzn")
            }
        ),
    ),
    **said(
        "one-sequence",
        lambda x, h, *given: gru_step(x[:1], h[:1], *given),
        lambda x, h, *given: GRU(x, 0 * h + h[:1], *given),
        lambda x, h, *given: GRU(0 * x + x[:1], h, *given),
        own="a state of its own",
    ),
}


@sized
def _gru_case(N: int, D: int, H: int, scale: float = 1.0) -> Case:
    x, h_prev, W, U, b_ih, b_hh = _gru_arrays(N, D, H, scale)
    matrices = {"M_x": np.vstack([W.T, b_ih]), "M_h": np.vstack([U.T, b_hh])}
    return Case({"N": N, "D": D, "H": H}, {"x": x, "h_prev": h_prev, **matrices}, large=scale > 1)


def _gru_arrays(N: int, D: int, H: int, scale: float = 1.0) -> list[Array]:
    """Return x, h_prev, W, U and the two biases."""
    sizes = {"N": N, "D": D, "H": H}
    arrays = drawn("x h_prev W U b", scale, gates=3, **sizes)
    b_hh = drawn("b", scale, gates=3, seed=1, **sizes)["b"]
    return [*arrays.values(), b_hh]


def _gated(answer: Guarded, r: float, z: float, h_prev: Array) -> Array:
    """Return h where the gates are set by their biases alone."""
    x, _, M_x, M_h = _gru_case(2, 3, 2).arguments.values()
    M_x[:, :4], M_h[:, :4] = 0, 0
    M_x[-1, :4] = np.repeat([r, z], 2)
    return np.asarray(answer(x, h_prev, M_x, M_h))


def _keeps(answer: Guarded, rng: np.random.Generator) -> bool:
    h_prev = rng.normal(size=(2, 2))
    return np.allclose(_gated(answer, 1, 50, h_prev), h_prev)


def _starts_anew(answer: Guarded, rng: np.random.Generator) -> bool:
    one, other = rng.normal(size=(2, 2, 2))
    return np.allclose(_gated(answer, -50, -50, one), _gated(answer, -50, -50, other))


def _is_squashed(answer: Guarded, rng: np.random.Generator) -> bool:
    return bool((np.abs(_gated(answer, 1, -50, 20 * rng.normal(size=(2, 2)))) <= 1).all())


GRU_PROPERTIES: dict[str, Property] = {
    "With an update gate of 1, set by its bias, h must be h_prev.": _keeps,
    "With both gates at 0, set by their biases, h must hold nothing of h_prev.": _starts_anew,
    (
        "With an update gate of 0, h is the candidate, so no entry may be above 1 in absolute "
        "value."
    ): _is_squashed,
}


def gru_step_backward(
    dh: Array, x: Array, h_prev: Array, W: Array, U: Array, b_ih: Array, b_hh: Array
) -> tuple[Array, ...]:
    """Return dx, dh_prev, dW, dU, db_ih and db_hh of one step of a GRU."""
    _, cache = variants.gru_step(x, h_prev, variants.GRUParams(W, U, b_ih, b_hh))
    dx, dh_prev, grads = variants.gru_step_backward(dh, cache)
    return dx, dh_prev, *grads.arrays()


GRU_BACKWARD = Lines(
    ("dh", "x", "h_prev", "W", "U", "b_ih", "b_hh"),
    {
        **GRU_EQUATIONS,
        "dn": lambda s: s.dh * (1 - s.z),
        "dz": lambda s: s.dh * (s.h_prev - s.n),
        "da_n": lambda s: s.dn * (1 - s.n**2),
        "dr": lambda s: s.da_n * s.u_n,
        "da_r": lambda s: s.dr * s.r * (1 - s.r),
        "da_z": lambda s: s.dz * s.z * (1 - s.z),
        "du_n": lambda s: s.da_n * s.r,
        "da": lambda s: np.concatenate([s.da_r, s.da_z, s.da_n], axis=1),
        "du": lambda s: np.concatenate([s.da_r, s.da_z, s.du_n], axis=1),
        "direct": lambda s: s.dh * s.z,
        "dx": lambda s: s.da @ s.W,
        "dh_prev": lambda s: s.direct + s.du @ s.U,
        "dW": lambda s: s.da.T @ s.x,
        "dU": lambda s: s.du.T @ s.h_prev,
        "db_ih": lambda s: s.da.sum(axis=0),
        "db_hh": lambda s: s.du.sum(axis=0),
    },
    ("dx", "dh_prev", "dW", "dU", "db_ih", "db_hh"),
)
back_with = GRU_BACKWARD.but
"""Return the backward step with some of its lines changed."""


def _slopes(slope: Callable[[Array], Array], gates: str) -> Lines:
    """Return the step with another slope for the squashing of these gates."""
    return back_with(
        **{
            f"da_{name}": lambda s, name=name: getattr(s, f"d{name}") * slope(getattr(s, name))
            for name in gates
        }
    )


def _per_gate(template: str, slope: Callable[[Array], Array]) -> Mistakes:
    """Return a mistake in a gate's slope, for each gate and for both."""
    return each(template, {words: (_slopes(slope, gates),) for gates, words in GATES.items()})


WEIGHTS, BIASES = ("dW", "dU"), ("db_ih", "db_hh")
OF_THE_FIRST: dict[str, Line] = {
    "dW": lambda s: np.outer(s.da[0], s.x[0]),
    "dU": lambda s: np.outer(s.du[0], s.h_prev[0]),
    "db_ih": lambda s: s.da[0],
    "db_hh": lambda s: s.du[0],
}
"""The gradients of the parameters from the first sequence alone."""


def _mean(name: str) -> Line:
    """Return the line that takes a mean over the batch instead of a sum."""
    return lambda s: GRU_BACKWARD.line(name)(s) / len(s.x)


def _ordered(order: str) -> Lines:
    """Return the step that joins the slices of da and of du in this order."""
    return back_with(
        **{name: moved(GRU_BACKWARD.line(name), "rzn", order) for name in ("da", "du")}
    )


RESET_FIRST: dict[str, Line] = {
    "dr": lambda s: (s.da_n @ s.U_n) * s.h_prev,
    "dh_prev": lambda s: s.direct + s.du @ s.U + (s.da_n @ s.U_n) * s.r - s.du_n @ s.U_n,
    "dU": lambda s: np.vstack(
        [s.da_r.T @ s.h_prev, s.da_z.T @ s.h_prev, s.da_n.T @ (s.r * s.h_prev)]
    ),
    "db_hh": lambda s: s.db_ih,
}
"""The way back through a reset gate that comes before the product."""

GRU_BACKWARD_MISTAKES: Mistakes = {
    # What spoils one result comes first: it is said where two mistakes meet.
    "The direct way to dh_prev is missing: z of h_prev goes into h without meeting any weight.": (
        back_with(dh_prev=lambda s: s.du @ s.U),
    ),
    "Your dh_prev has only the direct way. h_prev also goes into all three sums, through U.": (
        back_with(dh_prev=lambda s: s.direct),
    ),
    "On the direct way to dh_prev, the update gate is missing: only z of h_prev goes into h.": (
        back_with(direct=lambda s: s.dh),
    ),
    "On the direct way to dh_prev you use 1 - z, which is the candidate's share. h_prev has z.": (
        back_with(direct=lambda s: s.dh * (1 - s.z)),
    ),
    "Your dh_prev counts the candidate's way through U in full. Scale it by the reset gate.": (
        back_with(dh_prev=lambda s: s.direct + s.da @ s.U),
    ),
    (
        "You scale by r after the product with U. The step multiplies by U and then by r, so the "
        "way back meets r first."
    ): (back_with(dh_prev=RESET_FIRST["dh_prev"]),),
    (
        "You don't scale the candidate's slice of dU by r. What U contributes there passes the "
        "reset gate."
    ): (back_with(dU=lambda s: s.da.T @ s.h_prev),),
    (
        "For dU you scale h_prev by the reset gate, so r meets the columns of U. It belongs to the "
        "rows: scale the gradient of the candidate's sum instead."
    ): (back_with(dU=RESET_FIRST["dU"]),),
    (
        "You use the gradient of b_ih for b_hh too. In the candidate, r scales b_hh, and so its "
        "gradient."
    ): (back_with(db_hh=RESET_FIRST["db_hh"]),),
    "You use the gradient of b_hh for b_ih too. b_ih doesn't pass the reset gate.": (
        back_with(db_ih=lambda s: s.du.sum(axis=0)),
    ),
    **said("state-in-dU", back_with(dU=lambda s: s.du.T @ s.h), yours="the one after it"),
    **said(
        "mean-not-sum",
        *(
            back_with(**{name: _mean(name) for name in names})
            for names in (WEIGHTS, BIASES, WEIGHTS + BIASES)
        ),
        all="batch",
        one="sequence",
    ),
    "Only the first sequence counts in the shared gradients. Add those of all.": (
        back_with(**{name: OF_THE_FIRST[name] for name in BIASES}),
        back_with(**OF_THE_FIRST),
    ),
    # What spoils more of them.
    (
        "You go back through the published GRU, where r scales h_prev before the product with U. "
        "In this one, r scales the product and its bias."
    ): (back_with(**RESET_FIRST),),
    "The reset gate is missing on the way back from the candidate to U, b_hh and h_prev.": (
        back_with(du_n=lambda s: s.da_n),
    ),
    (
        "You scale all of the candidate's gradient by the reset gate. What goes to x, W and b_ih "
        "hasn't passed it."
    ): (
        back_with(da=lambda s: np.concatenate([s.da_r, s.da_z, s.du_n], axis=1)),
        back_with(da_n=lambda s: s.dn * (1 - s.n**2) * s.r, du_n=lambda s: s.da_n),
    ),
    (
        "r's gradient is scaled by everything that r multiplies. You left out the bias of U h_prev."
    ): (back_with(dr=lambda s: s.da_n * (s.u_n - s.b_hn)),),
    "r's gradient is scaled by what r multiplies: U h_prev plus its bias, not h_prev.": (
        back_with(dr=lambda s: s.da_n * s.h_prev),
    ),
    "The reset gate's slice lacks a factor: what r multiplies, U h_prev plus its bias.": (
        back_with(dr=lambda s: s.da_n),
    ),
    (
        "r multiplies what the candidate gets from h_prev, but in r's slice you use what comes "
        "from x."
    ): (back_with(dr=lambda s: s.da_n * s.a_n),),
    (
        "On the way to the reset gate, the slope of the candidate's tanh is missing: r acts inside "
        "it."
    ): (back_with(dr=lambda s: s.dn * s.u_n),),
    (
        "The reset gate's slice has one factor r too many. Start it from the gradient of the "
        "candidate's sum, before r scales that."
    ): (back_with(dr=lambda s: s.da_n * s.r * s.u_n),),
    (
        "The update gate's slice has the wrong sign. A larger z moves h towards h_prev, so the "
        "difference is h_prev - n."
    ): (back_with(dz=lambda s: s.dh * (s.n - s.h_prev)),),
    (
        "Your update gate learns only from what it keeps. A larger z also leaves less room for the "
        "candidate."
    ): (back_with(dz=lambda s: s.dh * s.h_prev),),
    "Your update gate learns only from the candidate that it holds back. It also keeps h_prev.": (
        back_with(dz=lambda s: -s.dh * s.n),
    ),
    (
        "In the update gate's slice, you add h_prev and n. z raises the share of one and lowers "
        "that of the other, so subtract."
    ): (back_with(dz=lambda s: s.dh * (s.h_prev + s.n)),),
    "The update gate's slice lacks the difference that z multiplies, h_prev - n.": (
        back_with(dz=lambda s: s.dh),
    ),
    "You swap z and 1 - z: the candidate's share is 1 - z, and dh_prev's is z.": (
        back_with(dn=lambda s: s.dh * s.z, direct=lambda s: s.dh * (1 - s.z)),
    ),
    "You scale the candidate's gradient by z. Its share in h is 1 - z.": (
        back_with(dn=lambda s: s.dh * s.z),
    ),
    "On the way to the candidate, its share is missing: 1 - z of n goes into h.": (
        back_with(dn=lambda s: s.dh),
    ),
    "There's a tanh between n and its sum, and you skip its slope.": (_slopes(np.ones_like, "n"),),
    **said("value-for-slope", _slopes(as_it_is, "n"), of="the candidate"),
    "The candidate comes out of a tanh, but you take the slope of a sigmoid.": (
        _slopes(lambda value: value * (1 - value), "n"),
    ),
    "In the slope of the candidate's tanh, the square is missing.": (
        _slopes(lambda value: 1 - value, "n"),
    ),
    "n is already a tanh, but you take the slope of tanh at n, so you squash it once too often.": (
        _slopes(tanh_derivative, "n"),
    ),
    **_per_gate(wording("value-for-slope", of="{}"), as_it_is),
    **_per_gate(
        "The slope of {} is missing: between sum and share there's a sigmoid.", np.ones_like
    ),
    **_per_gate(
        "You take the slope of a tanh for {}. A gate is a sigmoid.", lambda value: 1 - value**2
    ),
    **_per_gate(
        "In the slope of {} you have 1 minus the gate, but the gate itself is missing.",
        lambda value: 1 - value,
    ),
    **_per_gate(
        "You squash {} once more before you take its slope. Its value is enough.",
        sigmoid_derivative,
    ),
    "You add a factor to a gradient. A factor of a product scales the gradient instead.": (
        back_with(dz=lambda s: s.dh + s.h_prev - s.n),
        back_with(dn=lambda s: s.dh + 1 - s.z),
        back_with(dr=lambda s: s.da_n + s.u_n),
        back_with(direct=lambda s: s.dh + s.z),
    ),
    "There are no slopes: you skip two sigmoids and a tanh.": (_slopes(np.ones_like, "rzn"),),
    "The slices of your gradients aren't in the order r, z, n of the arrays.": tuple(
        map(_ordered, other_orders("rzn"))
    ),
}


@sized
def _gru_back_case(N: int, D: int, H: int) -> Case:
    return Case({"N": N, "D": D, "H": H}, _gru_back_arguments(N, D, H))


def _gru_back_arguments(N: int, D: int, H: int) -> dict[str, Array]:
    dh = drawn("dh", seed=2, N=N, D=D, H=H)["dh"]
    return dict(zip(GRU_BACKWARD.arguments, [dh, *_gru_arrays(N, D, H)], strict=True))


def _called(answer: Guarded, **changed: Array) -> list[Array]:
    """Call an answer on two sequences; raise an error unless its results have the right shapes."""
    given = {**_gru_back_arguments(2, 3, 2), **changed}
    return [
        np.asarray(result, float).reshape(array.shape)
        for result, array in zip(answer(*given.values()), [*given.values()][1:], strict=True)
    ]


def _silent(answer: Guarded, rng: np.random.Generator) -> bool:
    return not any(np.any(result) for result in _called(answer, dh=np.zeros((2, 2))))


def _linear(answer: Guarded, rng: np.random.Generator) -> bool:
    dh = rng.normal(size=(2, 2))
    pairs = zip(_called(answer, dh=2 * dh), _called(answer, dh=dh), strict=True)
    return all(np.allclose(two, 2 * one) for two, one in pairs)


def _passes_whole(answer: Guarded, rng: np.random.Generator) -> bool:
    dh = rng.normal(size=(2, 2))
    return np.allclose(_called(answer, dh=dh, b_ih=np.repeat([0.0, 50, 0], 2))[1], dh)


def _adds_up(answer: Guarded, rng: np.random.Generator) -> bool:
    dh = rng.normal(size=(2, 2))
    first, second = np.diag([1.0, 0]) @ dh, np.diag([0, 1.0]) @ dh
    alone = (_called(answer, dh=one)[2:] for one in (first, second))
    together = _called(answer, dh=dh)[2:]
    return all(
        np.allclose(whole, one + two) for whole, one, two in zip(together, *alone, strict=True)
    )


GRU_BACKWARD_PROPERTIES: dict[str, Property] = {
    "If dh is 0, nothing that the step read can be to blame, so every result must be 0.": _silent,
    "All six results are linear in dh: they must double when dh does.": _linear,
    "With an update gate of 1, h is a copy of h_prev: dh_prev must be dh.": _passes_whole,
    "What two sequences send to dW, dU, db_ih and db_hh must add up.": _adds_up,
}

SLICES = ("reset gate", "update gate", "candidate")

QUESTIONS = (
    Question(
        name="coupled-step",
        points=1,
        hints=(
            "Start from the step of chapter 7 (whole-cell). How many slices are there now, and "
            "which line needs the one that's gone?",
            "You need one sum with 3H columns, cut in three. The first and the last slice are "
            "gates; the middle one is the candidate. No slice makes f: it follows from i, after "
            "the sigmoid.",
            "Squash the first slice with a sigmoid: that's i, and f is 1 minus it. Squash the "
            "second with tanh and the third with a sigmoid. The new c is f times c_prev plus i "
            "times g, and h is o times tanh of the new c. Return h first.",
        ),
        exam=FunctionExam(
            name="coupled_step",
            solution=coupled_step,
            returns=(Returned("h", "(N, H)"), Returned("c", "(N, H)")),
            cases=(
                *(_coupled_case(*sizes) for sizes in SIZES),
                _coupled_case(2, 3, 2, scale=40),
                _coupled_case(2, 5, 4),
            ),
            mistakes=COUPLED_MISTAKES,
            properties=COUPLED_PROPERTIES,
            forbidden=(variants.step, variants.forward, variants.CoupledParams.write),
            right="Right: three maps, and what you write takes the place of what you forget.",
        ),
    ),
    Question(
        name="coupled-gate",
        points=1,
        hints=(
            "In how many places does i appear in the equation of c? Each is a way back to it.",
            "Once as i times g, and once as 1 - i times c_prev. The two ways give a single "
            "difference. Then comes the slope of the sigmoid. You know what a step does to c, so "
            "what is that difference, times i?",
            "The gradient of i is dc times the difference of g and c_prev, and the slope is i "
            "times 1 - i. Now i times that difference is exactly how far the step moved the cell "
            "state, from c_prev to c. Put that in: three factors are left, and g isn't among them.",
        ),
        exam=FunctionExam(
            name="input_gate_backward",
            solution=input_gate_backward,
            returns=(Returned(shape="(N, H)"),),
            cases=(
                _coupled_backward_case(3, 3),
                _coupled_backward_case(1, 1),
                _coupled_backward_case(1, 4),
                _coupled_backward_case(4, 1),
                _coupled_backward_case(2, 5),
            ),
            mistakes=COUPLED_BACKWARD_MISTAKES,
            properties=COUPLED_BACKWARD_PROPERTIES,
            right="Right: the gate learns from what it wrote and from what it wrote over.",
        ),
    ),
    Question(
        name="gru-step",
        points=2,
        hints=(
            "Print the shapes for N = 3, D = 1, H = 2. Which two arrays have 3H columns, and "
            "which of their slices can you add right away?",
            "Give x a column of ones and multiply by the first matrix; do the same with h_prev "
            "and the second. Cut both results in three. The two gates are sigmoids of sums. In "
            "the candidate, r scales the slice of h_prev before you add.",
            "Call the products a and u. r is the sigmoid of their first slices added, z that of "
            "the second ones. The candidate is tanh of (the third slice of a, plus r times the "
            "third slice of u). h is 1 - z times the candidate plus z times h_prev.",
        ),
        exam=FunctionExam(
            name="gru_step",
            solution=gru_step,
            returns=(Returned(shape="(N, H)"),),
            cases=(
                *(_gru_case(*sizes) for sizes in SIZES),
                _gru_case(2, 3, 2, scale=40),
                _gru_case(2, 5, 4),
            ),
            mistakes=GRU_MISTAKES,
            properties=GRU_PROPERTIES,
            forbidden=(variants.gru_step, variants.gru_forward, variants.GRUParams.step),
            right="Right: two products, two gates, and r between the second product and the sum.",
        ),
    ),
    Question(
        name="gru-backward",
        points=4,
        hints=(
            "Take the equations from the last to the first. How many ways lead from h back to "
            "h_prev, and which of them pass r?",
            "The last equation gives three gradients: those of n, of z, and the direct one of "
            "h_prev. From n, go through tanh to the candidate's sum. There you meet r times what "
            "it multiplies, a product, so each factor's gradient is scaled by the other. Then "
            "keep two arrays of shape (N, 3H): one for the sums that x feeds, one for those that "
            "h_prev feeds. They differ in the candidate's slice.",
            "n gets dh times 1 - z, and its sum gets that times 1 - n squared. r gets this times "
            "the third slice of u, z gets dh times (h_prev - n), and each gate's sum gets the "
            "gate's gradient times gate times 1 - gate. Join the three into da. For du, also "
            "scale the third slice by r. Use them as chapter 9 (backward-step) uses da: da with "
            "x, W and b_ih, du with h_prev, U and b_hh. To dh_prev, add dh times z.",
        ),
        exam=FunctionExam(
            name="gru_step_backward",
            solution=gru_step_backward,
            returns=(
                Returned("dx", "(N, D)"),
                Returned("dh_prev", "(N, H)"),
                Returned("dW", "(3H, D)", SLICES),
                Returned("dU", "(3H, H)", SLICES),
                Returned("db_ih", "(3H,)", SLICES),
                Returned("db_hh", "(3H,)", SLICES),
            ),
            cases=(*(_gru_back_case(*sizes) for sizes in SIZES), _gru_back_case(2, 5, 4)),
            mistakes=GRU_BACKWARD_MISTAKES,
            properties=GRU_BACKWARD_PROPERTIES,
            forbidden=(
                variants.gru_step_backward,
                variants.gru_backward,
                variants.GRUParams.step_backward,
            ),
            right="Right: four ways back to h_prev, and two biases with gradients of their own.",
        ),
    ),
)
