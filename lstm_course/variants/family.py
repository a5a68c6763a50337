"""The LSTM family: each cell replaces one pair of the standard cell's equations.

The standard cell is cut into three parts, each next to its derivative: `sums` reads the hidden
state, `write` updates the cell state, `show` makes the hidden state. Whatever a variant doesn't
mention is as in the standard cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy import tanh

from lstm_course._checks import Array, float_array
from lstm_course.variants.recurrence import (
    Cache,
    Params,
    checked_run,
    checked_run_backward,
    sigmoid,
)


@dataclass(frozen=True, eq=False)
class StandardParams(Params):
    """The standard LSTM, as `lstm_course.LSTMParams`; slices i, f, g, o.

    Parameters
    ----------
    weight_ih
        (4H, D) input weights W.
    weight_hh
        (4H, H) recurrent weights U.
    bias
        (4H,) bias b.

    References
    ----------
    Gers, Schmidhuber and Cummins (2000), doi:10.1162/089976600300015015, section 3.

    Examples
    --------
    >>> from lstm_course import example
    >>> params = StandardParams(*example.params.arrays())
    >>> hs, (h_T, c_T), cache = forward(example.xs, params, example.h0, example.c0)
    >>> c_T.round(4)
    array([[0.9412, 0.309 ]])
    """

    bias: Array

    @classmethod
    def shapes(cls, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        return super().shapes(D, H) | {"bias": (len(cls.gates) * H,)}

    @property
    def input_bias(self) -> Array:
        """The bias that is added to the map of the inputs."""
        return self.bias

    def step(self, s: SimpleNamespace) -> None:
        """Take a step."""
        self.sums(s)
        self.write(s)
        self.show(s)

    def step_backward(
        self, s: SimpleNamespace, dstates: Sequence[Array], da: Array, grads: Any
    ) -> tuple[Array, ...]:
        """Go back through the three parts, from the last to the first."""
        dh, dc = dstates
        dc = self.show_backward(s, dh, dc, da, grads)
        dc_prev = self.write_backward(s, dc, da, grads)
        return self.sums_backward(s, da, grads), dc_prev

    def sums(self, s: SimpleNamespace) -> None:
        """Make the sums, a = W x + b + U h_prev."""
        s.a = s.a + s.h_prev @ self.weight_hh.T  # (N, kH)

    def sums_backward(self, s: SimpleNamespace, da: Array, grads: Any) -> Array:
        """Return dh_prev."""
        return da @ self.weight_hh

    def write(self, s: SimpleNamespace) -> None:
        """Make c = f * c_prev + i * g."""
        s.i, s.f = sigmoid(self.slice(s.a, "i")), sigmoid(self.slice(s.a, "f"))
        s.g = tanh(self.slice(s.a, "g"))
        s.c = s.f * s.c_prev + s.i * s.g

    def write_backward(self, s: SimpleNamespace, dc: Array, da: Array, grads: Any) -> Array:
        """Return dc_prev."""
        self.slice(da, "i")[...] = dc * s.g * s.i * (1 - s.i)
        self.slice(da, "f")[...] = dc * s.c_prev * s.f * (1 - s.f)
        self.slice(da, "g")[...] = dc * s.i * (1 - s.g**2)
        return dc * s.f

    def show(self, s: SimpleNamespace) -> None:
        """Make h = o * tanh(c)."""
        s.o, s.tanh_c = sigmoid(self.slice(s.a, "o")), tanh(s.c)
        s.h = s.o * s.tanh_c

    def show_backward(
        self, s: SimpleNamespace, dh: Array, dc: Array, da: Array, grads: Any
    ) -> Array:
        """Return the whole gradient of c: here the two flows meet."""
        self.slice(da, "o")[...] = dh * s.tanh_c * s.o * (1 - s.o)
        return dc + dh * s.o * (1 - s.tanh_c**2)


@dataclass(frozen=True, eq=False)
class NoForgetGateParams(StandardParams):
    """The cell of 1997: what was written stays, f = 1. Slices i, g, o.

    In the paper, both squashing functions are scaled sigmoids, with range (-2, 2) for the candidate
    and (-1, 1) for the output. Here both are tanh, so that only the forget gate differs.

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, section 4.

    Examples
    --------
    >>> params = NoForgetGateParams.init(3, 2, rng=np.random.default_rng(0))
    >>> params.weight_hh.shape
    (6, 2)
    """

    gates: ClassVar[str] = "igo"
    keeps: ClassVar[tuple[str, float, float]] = ("", 0.0, 0.0)

    def write(self, s: SimpleNamespace) -> None:
        """Make c = c_prev + i * g."""
        s.i, s.g = sigmoid(self.slice(s.a, "i")), tanh(self.slice(s.a, "g"))
        s.c = s.c_prev + s.i * s.g

    def write_backward(self, s: SimpleNamespace, dc: Array, da: Array, grads: Any) -> Array:
        """Return dc_prev: all of dc."""
        self.slice(da, "i")[...] = dc * s.g * s.i * (1 - s.i)
        self.slice(da, "g")[...] = dc * s.i * (1 - s.g**2)
        return dc


@dataclass(frozen=True, eq=False)
class TruncatedParams(NoForgetGateParams):
    """The cell of 1997 with its own learning rule: gradients leave a step only by the cell state.

    Forward, it is the cell without a forget gate. Backward, it drops whatever would flow through
    the recurrent weights into the hidden state of the step before, though the weights themselves
    still learn at each step. So what it returns is not the gradient of its loss.

    References
    ----------
    Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, section 4 and appendix A.1.

    Examples
    --------
    >>> params = TruncatedParams.init(3, 2, rng=np.random.default_rng(0))
    >>> hs, _, cache = forward(np.ones((5, 1, 3)), params)
    >>> _, dh0, dc0, _ = backward(np.ones_like(hs), cache)
    >>> dh0
    array([[0., 0.]])
    """

    def sums_backward(self, s: SimpleNamespace, da: Array, grads: Any) -> Array:
        """Return no gradient for h_prev."""
        return np.zeros_like(s.h_prev)


@dataclass(frozen=True, eq=False)
class CoupledParams(StandardParams):
    """One gate for two: what is written takes the place of what is forgotten, f = 1 - i.

    Slices i, g, o. The bias of the input gate starts at minus the forget bias.

    References
    ----------
    Greff et al. (2017), doi:10.1109/TNNLS.2016.2582924, there "CIFG".

    Examples
    --------
    >>> params = CoupledParams.init(3, 2, rng=np.random.default_rng(0), forget_bias=1)
    >>> params.bias
    array([-1., -1.,  0.,  0.,  0.,  0.])
    """

    gates: ClassVar[str] = "igo"
    keeps: ClassVar[tuple[str, float, float]] = ("i", -1.0, 1.0)

    def write(self, s: SimpleNamespace) -> None:
        """Make c = (1 - i) * c_prev + i * g."""
        s.i, s.g = sigmoid(self.slice(s.a, "i")), tanh(self.slice(s.a, "g"))
        s.f = 1 - s.i
        s.c = s.f * s.c_prev + s.i * s.g

    def write_backward(self, s: SimpleNamespace, dc: Array, da: Array, grads: Any) -> Array:
        """Return dc_prev: the gate learns from what it wrote and from what it forgot."""
        self.slice(da, "i")[...] = dc * (s.g - s.c_prev) * s.i * (1 - s.i)
        self.slice(da, "g")[...] = dc * s.i * (1 - s.g**2)
        return dc * s.f


@dataclass(frozen=True, eq=False)
class NoInputGateParams(StandardParams):
    """Every candidate is written in full, i = 1. Slices f, g, o.

    References
    ----------
    Greff et al. (2017), doi:10.1109/TNNLS.2016.2582924, there "NIG".

    Examples
    --------
    >>> NoInputGateParams.init(3, 2, rng=np.random.default_rng(0)).bias.shape
    (6,)
    """

    gates: ClassVar[str] = "fgo"

    def write(self, s: SimpleNamespace) -> None:
        """Make c = f * c_prev + g."""
        s.f, s.g = sigmoid(self.slice(s.a, "f")), tanh(self.slice(s.a, "g"))
        s.c = s.f * s.c_prev + s.g

    def write_backward(self, s: SimpleNamespace, dc: Array, da: Array, grads: Any) -> Array:
        """Return dc_prev."""
        self.slice(da, "f")[...] = dc * s.c_prev * s.f * (1 - s.f)
        self.slice(da, "g")[...] = dc * (1 - s.g**2)
        return dc * s.f


@dataclass(frozen=True, eq=False)
class NoOutputGateParams(StandardParams):
    """All of the squashed cell state is shown, o = 1. Slices i, f, g.

    References
    ----------
    Greff et al. (2017), doi:10.1109/TNNLS.2016.2582924, there "NOG".

    Examples
    --------
    >>> params = NoOutputGateParams.init(3, 2, rng=np.random.default_rng(0))
    >>> hs, (h_T, c_T), _ = forward(np.ones((5, 1, 3)), params)
    >>> np.array_equal(h_T, np.tanh(c_T))
    True
    """

    gates: ClassVar[str] = "ifg"

    def show(self, s: SimpleNamespace) -> None:
        """Make h = tanh(c)."""
        s.h = tanh(s.c)

    def show_backward(
        self, s: SimpleNamespace, dh: Array, dc: Array, da: Array, grads: Any
    ) -> Array:
        """Return the whole gradient of c."""
        return dc + dh * (1 - s.h**2)


@dataclass(frozen=True, eq=False)
class NoOutputTanhParams(StandardParams):
    """The cell state is shown as it is, h = o * c, so the hidden state may exceed 1.

    References
    ----------
    Greff et al. (2017), doi:10.1109/TNNLS.2016.2582924, there "NOAF".

    Examples
    --------
    >>> params = NoOutputTanhParams.init(3, 2, rng=np.random.default_rng(0))
    >>> params.bias[:] = [9, 9, 9, 9, 9, 9, 9, 9]  # write, keep and show everything
    >>> hs, _, _ = forward(np.zeros((5, 1, 3)), params)
    >>> hs[:, 0, 0].round(2)
    array([1., 2., 3., 4., 5.])
    """

    def show(self, s: SimpleNamespace) -> None:
        """Make h = o * c."""
        s.o = sigmoid(self.slice(s.a, "o"))
        s.h = s.o * s.c

    def show_backward(
        self, s: SimpleNamespace, dh: Array, dc: Array, da: Array, grads: Any
    ) -> Array:
        """Return the whole gradient of c."""
        self.slice(da, "o")[...] = dh * s.c * s.o * (1 - s.o)
        return dc + dh * s.o


@dataclass(frozen=True, eq=False)
class BlindCandidateParams(StandardParams):
    """The candidate reads only the input, g = tanh(W x + b), so the gates do all the remembering.

    `weight_hh` is (3H, H), slices i, f, o; the other arrays have slices i, f, o, g. Without the
    candidate's recurrence, the cell state is a sum of what single inputs offer, weighted by gates.

    References
    ----------
    Levy et al. (2018), doi:10.18653/v1/P18-2116, section 3, there "LSTM - S-RNN", and without tanh.

    Examples
    --------
    >>> params = BlindCandidateParams.init(3, 2, rng=np.random.default_rng(0))
    >>> params.weight_ih.shape, params.weight_hh.shape
    ((8, 3), (6, 2))
    """

    gates: ClassVar[str] = "ifog"

    @classmethod
    def shapes(cls, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        return super().shapes(D, H) | {"weight_hh": (3 * H, H)}

    def sums(self, s: SimpleNamespace) -> None:
        """Make the sums, a = W x + b, plus U h_prev in the gates."""
        s.a = s.a.copy()
        s.a[:, : len(self.weight_hh)] += s.h_prev @ self.weight_hh.T

    def sums_backward(self, s: SimpleNamespace, da: Array, grads: Any) -> Array:
        """Return dh_prev."""
        return da[:, : len(self.weight_hh)] @ self.weight_hh

    def recurrent_backward(self, steps: Sequence[SimpleNamespace], das: Array, grads: Any) -> None:
        """Add to the gradient of U."""
        super().recurrent_backward(steps, das[..., : len(self.weight_hh)], grads)


@dataclass(frozen=True, eq=False)
class PeepholeParams(StandardParams):
    """Each gate also reads its own unit's cell state: i and f the old one, o the new one.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        As in an LSTMParams, slices i, f, g, o.
    peephole
        (3, H) weights of the cell state in i, f and o.

    References
    ----------
    Gers and Schmidhuber (2000), doi:10.1109/IJCNN.2000.861302; in the form of Greff et al. (2017),
    doi:10.1109/TNNLS.2016.2582924, section II.

    Examples
    --------
    >>> from lstm_course import example
    >>> params = PeepholeParams(*example.params.arrays(), peephole=np.ones((3, 2)))
    >>> hs, (h_T, c_T), cache = peephole_forward(example.xs, params, example.h0, example.c0)
    >>> c_T.round(4)
    array([[1.1897, 0.5062]])
    """

    peephole: Array

    @classmethod
    def shapes(cls, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        return super().shapes(D, H) | {"peephole": (3, H)}

    def write(self, s: SimpleNamespace) -> None:
        """Make c = f * c_prev + i * g, where i and f also read c_prev."""
        p_i, p_f, _ = self.peephole
        self.slice(s.a, "i")[...] += p_i * s.c_prev
        self.slice(s.a, "f")[...] += p_f * s.c_prev
        super().write(s)

    def write_backward(self, s: SimpleNamespace, dc: Array, da: Array, grads: Any) -> Array:
        """Return dc_prev, along two more paths than in the standard cell."""
        dc_prev = super().write_backward(s, dc, da, grads)
        for k, gate in enumerate("if"):
            da_gate = self.slice(da, gate)
            grads.peephole[k] += (da_gate * s.c_prev).sum(axis=0)
            dc_prev += da_gate * self.peephole[k]
        return dc_prev

    def show(self, s: SimpleNamespace) -> None:
        """Make h = o * tanh(c), where o also reads c."""
        self.slice(s.a, "o")[...] += self.peephole[2] * s.c
        super().show(s)

    def show_backward(
        self, s: SimpleNamespace, dh: Array, dc: Array, da: Array, grads: Any
    ) -> Array:
        """Return the whole gradient of c; a third flow comes through the output gate."""
        dc = super().show_backward(s, dh, dc, da, grads)
        da_o = self.slice(da, "o")
        grads.peephole[2] += (da_o * s.c).sum(axis=0)
        return dc + da_o * self.peephole[2]


def step(x: Array, h_prev: Array, c_prev: Array, params: Params) -> tuple[Array, Array, Cache]:
    """Take one step of a variant of the LSTM, like `lstm_course.lstm_step`.

    Parameters
    ----------
    x
        (N, D) input of this step.
    h_prev, c_prev
        (N, H) hidden state and cell state of the step before.
    params
        The variant's parameters.

    Returns
    -------
    h, c
        (N, H) new hidden state and cell state.
    cache
        For `step_backward`.

    Raises
    ------
    TypeError, ValueError
        As for `forward`.

    Examples
    --------
    >>> from lstm_course import example
    >>> params = NoOutputTanhParams(*example.params.arrays())
    >>> h, c, cache = step(example.xs[0], example.h0, example.c0, params)
    >>> h.round(4), c.round(4)
    (array([[ 0.1114, -0.765 ]]), array([[ 0.2122, -0.9194]]))
    """
    x = float_array("x", x, ("N", "D"))
    _, (h, c), cache = checked_run(x[None], params, (h_prev, c_prev), None)
    return h, c, cache


def step_backward(dh: Array, dc: Array, cache: Cache) -> tuple[Array, Array, Array, Any]:
    """Go back one step, like `lstm_course.lstm_step_backward`.

    Parameters
    ----------
    dh, dc
        (N, H) gradients of the loss with respect to the step's h and c.
    cache
        The third result of `step`.

    Returns
    -------
    dx
        (N, D) gradient with respect to the input.
    dh_prev, dc_prev
        (N, H) gradients with respect to the states before.
    grads
        Gradients of the parameters, in an object of the same type.

    Raises
    ------
    TypeError, ValueError
        As for `backward`.

    Examples
    --------
    >>> from lstm_course import example
    >>> params = NoForgetGateParams(*(np.delete(a, [2, 3], 0) for a in example.params.arrays()))
    >>> _, _, cache = step(example.xs[0], example.h0, example.c0, params)
    >>> step_backward(np.zeros((1, 2)), np.ones((1, 2)), cache)[2]  # dc passes unchanged
    array([[1., 1.]])
    """
    dxs, (dh_prev, dc_prev), grads = checked_run_backward(None, cache, (dh, dc))
    return dxs[0], dh_prev, dc_prev, grads


def forward(
    xs: Array,
    params: Params,
    h0: Array | None = None,
    c0: Array | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Array, tuple[Array, Array], Cache]:
    """Run a variant of the LSTM over a batch of sequences, like `lstm_course.lstm_forward`.

    Parameters
    ----------
    xs
        (T, N, D) inputs, time first.
    params
        The variant's parameters.
    h0, c0
        (N, H) initial hidden and cell state; h0 of a projected cell is (N, P); zeros if not given.
    rng
        In training, the source of the cell's randomness; None for no randomness.

    Returns
    -------
    hs
        (T, N, H) hidden state after every step.
    (h_T, c_T)
        (N, H) final hidden and cell state.
    cache
        For `backward`.

    Raises
    ------
    TypeError
        An argument is not a float array, its dtype is not the parameters', or the cell has no c.
    ValueError
        A shape does not fit, T or N is 0, or an argument holds NaN or infinity.

    Examples
    --------
    >>> params = CoupledParams.init(3, 2, rng=np.random.default_rng(0))
    >>> hs, (h_T, c_T), cache = forward(np.ones((5, 1, 3)), params)
    >>> hs.shape
    (5, 1, 2)
    """
    hs, (h_T, c_T), cache = checked_run(xs, params, (h0, c0), rng)
    return hs, (h_T, c_T), cache


def backward(
    dhs: Array,
    cache: Cache,
    dh_T: Array | None = None,
    dc_T: Array | None = None,
    dcs: Array | None = None,
) -> tuple[Array, Array, Array, Any]:
    """Run a variant of the LSTM backward through time, like `lstm_course.lstm_backward`.

    Parameters
    ----------
    dhs
        (T, N, H) gradients of the loss with respect to the hidden state of every step.
    cache
        The third result of `forward`.
    dh_T, dc_T
        (N, H) further gradients with respect to the final states; zeros if not given.
    dcs
        (T, N, H) gradients with respect to the cell state of every step; zeros if not given.

    Returns
    -------
    dxs
        (T, N, D) gradients with respect to the inputs.
    dh0, dc0
        (N, H) gradients with respect to the initial states.
    grads
        Gradients of the parameters, in an object of the same type.

    Raises
    ------
    TypeError
        A gradient is not a float array of the cache's dtype, or the cache is not such a result.
    ValueError
        A shape does not fit, or a gradient holds NaN or infinity.

    Examples
    --------
    >>> params = CoupledParams.init(3, 2, rng=np.random.default_rng(0))
    >>> hs, _, cache = forward(np.ones((5, 1, 3)), params)
    >>> dxs, dh0, dc0, grads = backward(np.ones_like(hs), cache)
    >>> dxs.shape, grads.weight_hh.shape
    ((5, 1, 3), (6, 2))
    """
    dxs, (dh0, dc0), grads = checked_run_backward(dhs, cache, (dh_T, dc_T), dcs)
    return dxs, dh0, dc0, grads


peephole_forward, peephole_backward = forward, backward
