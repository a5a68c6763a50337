"""Building blocks for the answers and cases of several banks: a step's equations, and arrays."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.lines import Line, Lines
from lstm_course.exercises.engine.trials import GATE_SLICES, Case, Returned
from lstm_course.pointwise import sigmoid, tanh

Build = TypeVar("Build", bound=Callable[..., Case])

_salt: tuple[int, ...] = ()  # makes other inputs of the same seeds
_more = 0  # by how much the sizes of cases grow

STATES = {"x": "N D", "h_prev": "N H", "c_prev": "N H", "dh": "N H", "dc": "N H"}
SEQUENCES = {"xs": "T N D", "hs": "T N H", "dhs": "T N H", "das": "T N G"}
ENDS = dict.fromkeys(("h0", "c0", "dh_T", "dc_T"), "N H")
WEIGHTS = {
    f"{d}{name}{gate}": shape
    for d in ("", "d")
    for name, shape in {"W": "G D", "U": "G H", "b": "G"}.items()
    for gate in ("", "_i", "_g")
}
SHAPES = {**STATES, **SEQUENCES, **ENDS, **WEIGHTS, "V": "K H", "d": "K"}
"""The shapes of all arrays of an LSTM by name; G is the number of rows of all gates."""

WEIGHT_GRADIENTS = (
    Returned("dW", "(4H, D)", GATE_SLICES),
    Returned("dU", "(4H, H)", GATE_SLICES),
    Returned("db", "(4H,)", GATE_SLICES),
)


@contextlib.contextmanager
def salted(salt: int, larger: bool = False) -> Iterator[None]:
    """Draw other inputs in the block, which nobody can foresee who doesn't know the salt.

    If `larger`, cases that are made in the block have larger sizes too; see `sized`.

    Examples
    --------
    >>> public = seeded(2, 3).normal()
    >>> with salted(1):
    ...     hidden = seeded(2, 3).normal()
    >>> public == seeded(2, 3).normal() != hidden
    True
    """
    global _salt, _more
    before = _salt, _more
    _salt, _more = (salt,), 1 + salt % 2 if larger else 0
    try:
        yield
    finally:
        _salt, _more = before


def seeded(*numbers: int) -> np.random.Generator:
    """Return a generator for a question's inputs, seeded with their sizes."""
    return np.random.default_rng([*_salt, *numbers])


def sized(build: Build) -> Build:
    """Decorate a function of sizes that makes a case: hidden cases are larger than the public ones.

    All sizes above 1 grow by the same number, so that what was equal or smaller stays so. What the
    function itself calls keeps its sizes.
    """

    @functools.wraps(build)
    def built(*sizes: Any, **others: Any) -> Case:
        global _more
        more, _more = _more, 0
        try:
            grown = (one + more if type(one) is int and one > 1 else one for one in sizes)
            return build(*grown, **others)
        finally:
            _more = more

    return cast(Build, built)


def stretched(values: Array) -> Array:
    """Return values that nothing draws, for hidden inputs a little larger than they stand."""
    return values * seeded(0).uniform(1.01, 1.1) if _salt else values


def fresh() -> np.random.Generator:
    """Return a generator for inputs that differ in every check, but not for the same salt."""
    return seeded(0) if _salt else np.random.default_rng()


def drawn(
    names: str, scale: float = 1.0, gates: int = 4, seed: int | None = None, **sizes: int
) -> dict[str, Array]:
    """Return normally distributed arrays of these names, for one gate or for all of them stacked.

    The sizes seed the draw, together with another number if one is given.

    Examples
    --------
    >>> {name: array.shape for name, array in drawn("x W", N=2, D=3, H=1).items()}
    {'x': (2, 3), 'W': (4, 3)}
    """
    rng = seeded(*sizes.values(), *([] if seed is None else [seed]))
    lengths = {**sizes, "G": gates * sizes["H"]}
    return {
        name: scale * rng.normal(size=tuple(lengths[letter] for letter in SHAPES[name].split()))
        for name in names.split()
    }


def lstm_case(names: str, scale: float = 1.0, gates: int = 4, **sizes: int) -> Case:
    """Return a case of such arrays; a scale above 1 makes it a case of large arguments."""
    return Case(sizes, drawn(names, scale, gates, None, **sizes), large=scale > 1)


def as_it_is(value: Array) -> Array:
    """Return an array unchanged, instead of squashing or changing it."""
    return value


def softmax_over(a: Array, axis: int | tuple[int, ...] | None) -> Array:
    """Return softmax over one axis, several, or all."""
    powers = np.exp(a - a.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def normalized(powers: Array) -> Array:
    """Return exponentials divided by their sum over the last axis."""
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def affine(x: Array, h_prev: Array, W: Array, U: Array, b: Array) -> Array:
    """Return the sum that a gate squashes: W x + U h_prev + b, for every row of a batch."""
    return x @ W.T + h_prev @ U.T + b


def split(stacked: Array, axis: int = 0) -> list[Array]:
    """Return the four slices of a stacked array."""
    return list(np.split(stacked, 4, axis=axis))


def reordered(stacked: Array, order: Sequence[int]) -> Array:
    """Return an array with its four slices along axis 0 rearranged: slice k comes from order[k]."""
    slices = split(stacked)
    return np.concatenate([slices[k] for k in order])


def slices_in(order: str) -> Line:
    """Return the line that takes slices i, f, g, o from a sum that is stacked in this order."""
    places = [order.index(gate) for gate in "ifgo"]

    def line(s: Any) -> list[Array]:
        slices = split(s.a, axis=1)
        return [slices[k] for k in places]

    return line


EQUATIONS: dict[str, Line] = {
    "i": lambda s: sigmoid(s.slices[0]),
    "f": lambda s: sigmoid(s.slices[1]),
    "g": lambda s: tanh(s.slices[2]),
    "o": lambda s: sigmoid(s.slices[3]),
    "c": lambda s: s.f * s.c_prev + s.i * s.g,
    "h": lambda s: s.o * tanh(s.c),
}
"""A step, starting from the four sums."""

STEP = Lines(
    ("x", "h_prev", "c_prev", "W", "U", "b"),
    {
        "a": lambda s: affine(s.x, s.h_prev, s.W, s.U, s.b),
        "slices": slices_in("ifgo"),
        **EQUATIONS,
    },
    ("h", "c"),
)
"""One step of an LSTM."""


def lstm_step(
    x: Array, h_prev: Array, c_prev: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array]:
    """Return h and c after one step."""
    h, c = STEP(x, h_prev, c_prev, W, U, b)
    return h, c


SEQUENCE = Lines(
    ("xs", "h0", "c0", "W", "U", "b"),
    {
        "inputs": lambda s: s.xs,
        "steps": lambda s: range(len(s.xs)),
        "pair": lambda s: (s.h0, s.c0),
        "h_prev": lambda s: s.h0,
        "c_prev": lambda s: s.c0,
        "kept": lambda s: dict.fromkeys(range(len(s.xs)), np.zeros_like(s.h0)),
    },
    ("hs", "h_T", "c_T"),
    loop={
        "x": lambda s: s.inputs[s.t],
        **STEP.lines,
        "pair": lambda s: (s.h, s.c),
        "kept": lambda s: {**s.kept, s.t: s.pair[0]},
        "h_prev": lambda s: s.pair[0],
        "c_prev": lambda s: s.pair[1],
    },
    after={
        "hs": lambda s: np.array([s.kept[t] for t in range(len(s.xs))]),
        "h_T": lambda s: s.pair[0],
        "c_T": lambda s: s.pair[1],
    },
)
"""The cell over a sequence: `pair` holds the states after a step, h_prev and c_prev before it."""


def lstm_forward(
    xs: Array, h0: Array, c0: Array, W: Array, U: Array, b: Array
) -> tuple[Array, Array, Array]:
    """Return all hidden states, and the final hidden and cell state."""
    hs, h_T, c_T = SEQUENCE(xs, h0, c0, W, U, b)
    return hs, h_T, c_T
