"""What all cells share: arrays with checked shapes, and the loops through time and back.

A cell is a class of parameters that knows its own equations. Each equation of a step is next to its
derivative, and a variant replaces the pair that it changes. Whatever doesn't depend on the state is
outside the loop over time: the map of the inputs before it, the weights' gradients after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import (
    Array,
    finite,
    float_array,
    float_dtype,
    generator,
    size,
    state,
    tiny_is_zero,
)


@dataclass(frozen=True, eq=False)
class Params:
    """The parameters of a cell, checked against each other, and its equations.

    Parameters
    ----------
    weight_ih
        (kH, D) input weights W of k gates, in slices as `gates` names them.
    weight_hh
        (kH, H) recurrent weights U.

    Raises
    ------
    TypeError
        An argument is not a float array, or the dtypes differ.
    ValueError
        The shapes do not fit together.

    Examples
    --------
    >>> from lstm_course.variants import CoupledParams
    >>> CoupledParams.names(), CoupledParams.shapes(3, 2)["weight_ih"]
    (['weight_ih', 'weight_hh', 'bias'], (6, 3))
    """

    weight_ih: Array
    weight_hh: Array

    gates: ClassVar[str] = "ifgo"
    """The order of the slices, a letter for each gate and for the candidate."""
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    """The states that a step hands to the next."""
    keeps: ClassVar[tuple[str, float, float]] = ("f", 1.0, 1.0)
    """The gate that keeps the memory, the sign that its bias needs to keep, and its start."""
    settings: ClassVar[tuple[str, ...]] = ()
    """Fields that are not learned."""

    def __post_init__(self) -> None:
        weight_ih = float_array("weight_ih", self.weight_ih, (f"{len(self.gates)}H", "D"))
        rows, D = weight_ih.shape
        if rows % len(self.gates):
            raise ValueError(
                f"weight_ih has {rows} rows, expected a multiple of {len(self.gates)}: "
                f"one block each for {', '.join(self.gates)}"
            )
        shapes = self.shapes(D, rows // len(self.gates), **self.further_sizes())
        for name in self.names():
            array = float_array(name, getattr(self, name), shapes[name], weight_ih.dtype)
            # The dataclass is frozen, so that no array is replaced without these checks.
            object.__setattr__(self, name, array)

    @classmethod
    def shapes(cls, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        rows = len(cls.gates) * H
        return {"weight_ih": (rows, D), "weight_hh": (rows, H)}

    def further_sizes(self) -> dict[str, int]:
        """Return what `shapes` needs to know besides D and H."""
        return {}

    @classmethod
    def init(
        cls,
        input_size: int,
        hidden_size: int,
        *,
        rng: np.random.Generator,
        forget_bias: float | None = None,
        dtype: DTypeLike = np.float64,
        **others: Any,
    ) -> Self:
        """Draw weights uniformly from -1/sqrt(H) to 1/sqrt(H); biases are 0, except one.

        Parameters
        ----------
        input_size, hidden_size
            D and H.
        rng
            The source of randomness.
        forget_bias
            Bias of the gate that keeps the memory. The higher it is, the more is kept. If not
            given, it is the usual one for the cell.
        dtype
            float32 or float64.
        others
            Settings that only some cells have: proj_size of ProjectedParams, rates of noise.

        Raises
        ------
        TypeError, ValueError
            An argument is out of its range, or the cell has no gate that a forget bias could hold
            open.
        """
        D, H = size("input_size", input_size), size("hidden_size", hidden_size)
        generator("rng", rng)
        dtype, bound = float_dtype("dtype", dtype), 1 / np.sqrt(H)
        arrays: dict[str, Any] = {name: others.pop(name) for name in cls.settings if name in others}
        for name, shape in cls.shapes(D, H, **others).items():
            if name.startswith("bias"):
                arrays[name] = np.zeros(shape, dtype)
            elif name.startswith("gain"):
                arrays[name] = np.ones(shape, dtype)
            else:
                arrays[name] = rng.uniform(-bound, bound, shape).astype(dtype)
        params = cls(**arrays)
        gate, sign, usual = cls.keeps
        if gate:
            start = float_array("forget_bias", usual if forget_bias is None else forget_bias, ())
            params.slice(params.input_bias, gate)[...] = sign * finite("forget_bias", start)
        elif forget_bias is not None:
            raise ValueError(f"forget_bias is {forget_bias!r}, but {cls.__name__} has no such gate")
        return params

    @property
    def input_size(self) -> int:
        """D, the number of entries of one input."""
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return self.weight_ih.shape[0] // len(self.gates)

    @property
    def input_bias(self) -> Array:
        """The bias that is added to the map of the inputs."""
        raise NotImplementedError

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The number of entries of each state, in the order of `states`."""
        return (self.hidden_size,) * len(self.states)

    def arrays(self) -> tuple[Array, ...]:
        """Return the arrays themselves, not copies, in the order of the constructor."""
        return tuple(getattr(self, name) for name in self.names())

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the arrays, in the order of the constructor."""
        return [field.name for field in fields(cls) if field.name not in cls.settings]

    def zeros(self) -> Self:
        """Return gradients of 0."""
        zeros = map(np.zeros_like, self.arrays())
        return replace(self, **dict(zip(self.names(), zeros, strict=True)))

    def slice(self, a: Array, gate: str) -> Array:
        """Return a view of the columns of (..., kH) that belong to a gate."""
        k, H = self.gates.index(gate), self.hidden_size
        return a[..., k * H : (k + 1) * H]

    # The equations. `s` holds what a step computes, under the letters of the equations; the step
    # back fills `da` with the gradient of its sums.

    def inputs(self, xs: Array) -> tuple[Array, Any]:
        """Map the inputs of all steps (T, N, D) to their part of the sums (T, N, kH)."""
        return xs @ self.weight_ih.T + self.input_bias, xs

    def inputs_backward(self, das: Array, cache: Any, grads: Any) -> Array:
        """Add to the gradients of W and b, and return that of the inputs."""
        rows = das.reshape(-1, das.shape[-1])
        grads.weight_ih[...] += rows.T @ cache.reshape(len(rows), -1)
        grads.input_bias[...] += rows.sum(axis=0)
        return das @ self.weight_ih

    def step(self, s: SimpleNamespace) -> None:
        """Take a step, from the inputs' part `s.a` and the states before it to those after it."""
        raise NotImplementedError

    def step_backward(
        self, s: SimpleNamespace, dstates: Sequence[Array], da: Array, grads: Any
    ) -> tuple[Array, ...]:
        """Write the gradient of the sums to `da`; return those of the states before it."""
        raise NotImplementedError

    def recurrent_backward(self, steps: Sequence[SimpleNamespace], das: Array, grads: Any) -> None:
        """Add to the gradient of U, in one product over all steps, whose order doesn't matter."""
        h_prev = np.concatenate([s.h_prev for s in steps])
        grads.weight_hh[...] += das.reshape(len(h_prev), -1).T @ h_prev

    def noise(self, rng: np.random.Generator | None, T: int, N: int) -> Any:
        """Draw what makes training random, one entry per step; `rng` is None after training."""
        return [None] * T


class Cache(NamedTuple):
    """What the forward run keeps for the backward run."""

    params: Any
    read: Any  # of `inputs`
    steps: list[SimpleNamespace]


def sigmoid(x: Array) -> Array:
    """Do what `lstm_course.sigmoid` does, in a third of the time.

    If the exponential overflows, 1 is divided by infinity, and the result is 0, as it should be.
    So `run` silences the warning.
    """
    return 1 / (1 + np.exp(-x))


@np.errstate(over="ignore", under="ignore")
def run(
    xs: Array, params: Params, start: Sequence[Array], rng: np.random.Generator | None = None
) -> Cache:
    """Run a cell over xs (T, N, D), without checking the arguments.

    With an `rng`, the randomness of training acts.
    """
    T, N, _ = xs.shape
    sums, read = params.inputs(xs)
    steps = []
    states = start
    for a, noise in zip(sums, params.noise(rng, T, N), strict=True):
        before = {f"{name}_prev": one for name, one in zip(params.states, states, strict=True)}
        s = SimpleNamespace(a=a, noise=noise, **before)
        params.step(s)
        steps.append(s)
        states = [getattr(s, name) for name in params.states]
    return Cache(params, read, steps)


@tiny_is_zero
def run_backward(
    dstates: Sequence[Array], cache: Cache, dfinals: Sequence[Array]
) -> tuple[Array, tuple[Array, ...], Any]:
    """Run a cell backward, given the gradients (T, N, ...) of the states of every step.

    Returns
    -------
    Gradients of the inputs, of the initial states, and of the parameters.
    """
    params, read, steps = cache
    grads = params.zeros()
    das = np.empty((len(steps), *steps[0].a.shape), steps[0].a.dtype)
    flows: Sequence[Array] = dfinals
    for t in reversed(range(len(steps))):
        # What the loss sends to this step, and what comes back from the steps after it.
        arrived = [d[t] + flow for d, flow in zip(dstates, flows, strict=True)]
        flows = params.step_backward(steps[t], arrived, das[t], grads)
    params.recurrent_backward(steps, das, grads)
    return params.inputs_backward(das, read, grads), tuple(flows), grads


def checked_run(
    xs: object, params: object, start: Sequence[object], rng: np.random.Generator | None
) -> tuple[Array, tuple[Array, ...], Cache]:
    """Check arguments, run a cell, and return hidden states, final states and a cache."""
    if not isinstance(params, Params):
        raise TypeError(f"params must be the parameters of a variant, got {type(params).__name__}")
    dtype = params.weight_ih.dtype
    array = finite("xs", float_array("xs", xs, ("T", "N", params.input_size), dtype))
    _check_states(params, len(start))
    for name, values in zip(params.names(), params.arrays(), strict=True):
        finite(f"params.{name}", values)
    if rng is not None:
        generator("rng", rng)
    states = [
        state(f"{name}0", one, (array.shape[1], width), dtype)
        for name, one, width in zip(params.states, start, params.state_sizes, strict=True)
    ]
    cache = run(array, params, states, rng)
    finals = tuple(getattr(cache.steps[-1], name).copy() for name in params.states)
    return np.stack([s.h for s in cache.steps]), finals, cache  # so that the cache stays as it is


def checked_run_backward(
    dhs: object, cache: object, dfinals: Sequence[object], dcs: object = None
) -> tuple[Array, tuple[Array, ...], Any]:
    """Check gradients, run a cell backward; return gradients of inputs, states and parameters."""
    if not isinstance(cache, Cache):
        raise TypeError(f"cache must be what the forward run returned, got {type(cache).__name__}")
    params, steps = cache.params, cache.steps
    _check_states(params, len(dfinals))
    T, N, dtype = len(steps), len(steps[0].h), steps[0].h.dtype
    given = {"dhs": dhs, "dcs": dcs}
    every, last = [], []
    for name, width, final in zip(params.states, params.state_sizes, dfinals, strict=True):
        one = given[f"d{name}s"]
        every.append(state(f"d{name}s", one, (T, N, width), dtype))
        last.append(state(f"d{name}_T", final, (N, width), dtype))
    return run_backward(every, cache, last)


def _check_states(params: Params, count: int) -> None:
    if len(params.states) != count:
        has, runs = {
            1: ("the state h", "gru_forward and gru_backward"),
            2: ("the states h and c", "forward and backward"),
        }[len(params.states)]
        raise TypeError(f"{type(params).__name__} has {has}: it runs with {runs}")
