"""Cells with one state and fewer gates: the GRU in both its forms, and the minimal gated unit."""

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
class GRUParams(Params):
    """The gated recurrent unit, stacked and named as in PyTorch.

    n = tanh(W x + b_ih + r * (U h_prev + b_hh)) and h = (1 - z) * n + z * h_prev, with gates
    r and z. The reset gate r acts after the product with U, as in PyTorch, in cuDNN, and in Keras
    with reset_after=True. What it multiplies has its own bias, so there are two.

    Parameters
    ----------
    weight_ih
        (3H, D) input weights W, slices in the order r, z, n: reset gate, update gate, candidate.
    weight_hh
        (3H, H) recurrent weights U, same slices.
    bias_ih, bias_hh
        (3H,) biases, same slices.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179; Chung et al. (2014), doi:10.48550/arXiv.1412.3555,
    write 1 - z for z. The reset behind the product: the documentation of torch.nn.GRU.

    Examples
    --------
    >>> params = GRUParams.init(3, 2, rng=np.random.default_rng(0))
    >>> params.weight_ih.shape, params.weight_hh.shape, params.bias_hh.shape
    ((6, 3), (6, 2), (6,))
    """

    bias_ih: Array
    bias_hh: Array

    gates: ClassVar[str] = "rzn"
    states: ClassVar[tuple[str, ...]] = ("h",)
    keeps: ClassVar[tuple[str, float, float]] = ("z", 1.0, 0.0)

    @classmethod
    def shapes(cls, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        return super().shapes(D, H) | {"bias_ih": (3 * H,), "bias_hh": (3 * H,)}

    @property
    def input_bias(self) -> Array:
        """The bias that is added to the map of the inputs."""
        return self.bias_ih

    def step(self, s: SimpleNamespace) -> None:
        """Make r, z, n, and h = (1 - z) * n + z * h_prev."""
        s.u = s.h_prev @ self.weight_hh.T + self.bias_hh  # (N, 3H)
        s.r = sigmoid(self.slice(s.a, "r") + self.slice(s.u, "r"))
        s.z = sigmoid(self.slice(s.a, "z") + self.slice(s.u, "z"))
        s.n = tanh(self.slice(s.a, "n") + s.r * self.slice(s.u, "n"))
        s.h = (1 - s.z) * s.n + s.z * s.h_prev

    def step_backward(
        self, s: SimpleNamespace, dstates: Sequence[Array], da: Array, grads: Any
    ) -> tuple[Array, ...]:
        """Return dh_prev: along the update gate, and through U."""
        (dh,) = dstates
        da_n = self.slice(da, "n")
        da_n[...] = dh * (1 - s.z) * (1 - s.n**2)
        self.slice(da, "r")[...] = da_n * self.slice(s.u, "n") * s.r * (1 - s.r)
        self.slice(da, "z")[...] = dh * (s.h_prev - s.n) * s.z * (1 - s.z)
        # In the candidate, the part from h_prev passes the reset gate, and so does its gradient.
        s.du = da.copy()
        self.slice(s.du, "n")[...] *= s.r
        return (dh * s.z + s.du @ self.weight_hh,)

    def recurrent_backward(self, steps: Sequence[SimpleNamespace], das: Array, grads: Any) -> None:
        """Add to the gradients of U and of its bias."""
        du = np.stack([s.du for s in steps])
        super().recurrent_backward(steps, du, grads)
        grads.bias_hh[...] += du.sum(axis=(0, 1))


@dataclass(frozen=True, eq=False)
class ResetBeforeGRUParams(GRUParams):
    """The GRU of the conference paper: the reset gate acts before the product with U.

    n = tanh(W x + b_ih + U (r * h_prev) + b_hh). Only the sum of the two biases matters; both
    are kept so that either form takes the other's arrays. This is Keras with reset_after=False, and
    ONNX with linear_before_reset=0.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179, section 2.3.

    Examples
    --------
    >>> before = ResetBeforeGRUParams.init(3, 2, rng=np.random.default_rng(0))
    >>> after = GRUParams(*before.arrays())
    >>> hs, h_T, cache = gru_forward(np.ones((1, 1, 3)), before)
    >>> np.array_equal(hs, gru_forward(np.ones((1, 1, 3)), after)[0])  # from a state of 0
    True
    """

    def step(self, s: SimpleNamespace) -> None:
        """Make r, z, n, and h = (1 - z) * n + z * h_prev."""
        H = self.hidden_size
        U_rz, U_n = self.weight_hh[: 2 * H], self.weight_hh[2 * H :]
        a = s.a + self.bias_hh
        rz = sigmoid(a[:, : 2 * H] + s.h_prev @ U_rz.T)  # (N, 2H)
        s.r, s.z = rz[:, :H], rz[:, H:]
        s.n = tanh(a[:, 2 * H :] + (s.r * s.h_prev) @ U_n.T)
        s.h = (1 - s.z) * s.n + s.z * s.h_prev

    def step_backward(
        self, s: SimpleNamespace, dstates: Sequence[Array], da: Array, grads: Any
    ) -> tuple[Array, ...]:
        """Return dh_prev: along the update gate, through the gates' U, and through r * h_prev."""
        (dh,), H = dstates, self.hidden_size
        U_rz, U_n = self.weight_hh[: 2 * H], self.weight_hh[2 * H :]
        da_n = self.slice(da, "n")
        da_n[...] = dh * (1 - s.z) * (1 - s.n**2)
        dreset = da_n @ U_n  # of r * h_prev
        self.slice(da, "r")[...] = dreset * s.h_prev * s.r * (1 - s.r)
        self.slice(da, "z")[...] = dh * (s.h_prev - s.n) * s.z * (1 - s.z)
        return (dh * s.z + dreset * s.r + da[:, : 2 * H] @ U_rz,)

    def recurrent_backward(self, steps: Sequence[SimpleNamespace], das: Array, grads: Any) -> None:
        """Add to the gradients of U and of its bias."""
        H, rows = self.hidden_size, das.reshape(-1, das.shape[-1])
        h_prev = np.concatenate([s.h_prev for s in steps])
        reset = np.concatenate([s.r for s in steps]) * h_prev
        grads.weight_hh[: 2 * H] += rows[:, : 2 * H].T @ h_prev
        grads.weight_hh[2 * H :] += rows[:, 2 * H :].T @ reset
        grads.bias_hh[...] += rows.sum(axis=0)


@dataclass(frozen=True, eq=False)
class MinimalGatedParams(Params):
    """The minimal gated unit: a GRU whose one gate f both forgets and resets.

    n = tanh(W x + U (f * h_prev) + b) and h = (1 - f) * h_prev + f * n, where a low f keeps.

    Parameters
    ----------
    weight_ih
        (2H, D) input weights W, slices f, n.
    weight_hh
        (2H, H) recurrent weights U, same slices.
    bias
        (2H,) bias b, same slices.

    References
    ----------
    Zhou et al. (2016), doi:10.1007/s11633-016-1006-2.

    Examples
    --------
    >>> params = MinimalGatedParams.init(3, 2, rng=np.random.default_rng(0))
    >>> params.weight_hh.shape
    (4, 2)
    """

    bias: Array

    gates: ClassVar[str] = "fn"
    states: ClassVar[tuple[str, ...]] = ("h",)
    keeps: ClassVar[tuple[str, float, float]] = ("f", -1.0, 0.0)

    @classmethod
    def shapes(cls, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        return super().shapes(D, H) | {"bias": (2 * H,)}

    @property
    def input_bias(self) -> Array:
        """The bias that is added to the map of the inputs."""
        return self.bias

    def step(self, s: SimpleNamespace) -> None:
        """Make f, n, and h = (1 - f) * h_prev + f * n."""
        H = self.hidden_size
        s.f = sigmoid(self.slice(s.a, "f") + s.h_prev @ self.weight_hh[:H].T)
        s.n = tanh(self.slice(s.a, "n") + (s.f * s.h_prev) @ self.weight_hh[H:].T)
        s.h = (1 - s.f) * s.h_prev + s.f * s.n

    def step_backward(
        self, s: SimpleNamespace, dstates: Sequence[Array], da: Array, grads: Any
    ) -> tuple[Array, ...]:
        """Return dh_prev: from what is kept, through U, and through f * h_prev."""
        (dh,), H = dstates, self.hidden_size
        da_f, da_n = self.slice(da, "f"), self.slice(da, "n")
        da_n[...] = dh * s.f * (1 - s.n**2)
        dreset = da_n @ self.weight_hh[H:]  # of f * h_prev
        da_f[...] = (dh * (s.n - s.h_prev) + dreset * s.h_prev) * s.f * (1 - s.f)
        return (dh * (1 - s.f) + dreset * s.f + da_f @ self.weight_hh[:H],)

    def recurrent_backward(self, steps: Sequence[SimpleNamespace], das: Array, grads: Any) -> None:
        """Add to the gradient of U."""
        H, rows = self.hidden_size, das.reshape(-1, das.shape[-1])
        h_prev = np.concatenate([s.h_prev for s in steps])
        grads.weight_hh[:H] += rows[:, :H].T @ h_prev
        grads.weight_hh[H:] += rows[:, H:].T @ (np.concatenate([s.f for s in steps]) * h_prev)


def gru_step(x: Array, h_prev: Array, params: Params) -> tuple[Array, Cache]:
    """Take one step of a GRU, or of another cell whose only state is h.

    Parameters
    ----------
    x
        (N, D) input of this step.
    h_prev
        (N, H) hidden state of the step before.
    params
        GRUParams, ResetBeforeGRUParams or MinimalGatedParams.

    Returns
    -------
    h
        (N, H) new hidden state.
    cache
        For `gru_step_backward`.

    Raises
    ------
    TypeError
        An argument is not a float array, its dtype is not the parameters', or the cell has a c.
    ValueError
        A shape does not fit, or an argument holds NaN or infinity.

    References
    ----------
    As for the parameters.

    Examples
    --------
    >>> params = GRUParams(np.ones((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> h, cache = gru_step(np.array([[1.0]]), np.array([[0.5]]), params)
    >>> h.round(4)  # 0.2689 * tanh(1) + 0.7311 * 0.5
    array([[0.5704]])
    """
    x = float_array("x", x, ("N", "D"))
    _, (h,), cache = checked_run(x[None], params, (h_prev,), None)
    return h, cache


def gru_step_backward(dh: Array, cache: Cache) -> tuple[Array, Array, Any]:
    """Go back one step.

    Parameters
    ----------
    dh
        (N, H) gradient of the loss with respect to the step's h.
    cache
        The second result of `gru_step`.

    Returns
    -------
    dx
        (N, D) gradient with respect to the input.
    dh_prev
        (N, H) gradient with respect to the state before.
    grads
        Gradients of the parameters, in an object of the same type.

    Raises
    ------
    TypeError, ValueError
        As for `gru_backward`.

    Examples
    --------
    >>> params = GRUParams(np.ones((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> h, cache = gru_step(np.array([[1.0]]), np.array([[0.5]]), params)
    >>> gru_step_backward(np.ones((1, 1)), cache)[1].round(4)  # U is 0, so z alone
    array([[0.7311]])
    """
    dxs, (dh_prev,), grads = checked_run_backward(None, cache, (dh,))
    return dxs[0], dh_prev, grads


def gru_forward(xs: Array, params: Params, h0: Array | None = None) -> tuple[Array, Array, Cache]:
    """Run a GRU, or another cell whose only state is h, over a batch of sequences.

    Parameters
    ----------
    xs
        (T, N, D) inputs, time first.
    params
        GRUParams, ResetBeforeGRUParams or MinimalGatedParams.
    h0
        (N, H) initial hidden state; zeros if not given.

    Returns
    -------
    hs
        (T, N, H) hidden state after every step.
    h_T
        (N, H) final hidden state.
    cache
        For `gru_backward`.

    Raises
    ------
    TypeError
        An argument is not a float array, its dtype is not the parameters', or the cell has a c.
    ValueError
        A shape does not fit, T or N is 0, or an argument holds NaN or infinity.

    References
    ----------
    As for the parameters.

    Examples
    --------
    >>> params = GRUParams.init(3, 2, rng=np.random.default_rng(0))
    >>> hs, h_T, cache = gru_forward(np.ones((5, 4, 3)), params)
    >>> hs.shape, np.array_equal(h_T, hs[-1])
    ((5, 4, 2), True)
    """
    hs, (h_T,), cache = checked_run(xs, params, (h0,), None)
    return hs, h_T, cache


def gru_backward(dhs: Array, cache: Cache, dh_T: Array | None = None) -> tuple[Array, Array, Any]:
    """Run a GRU, or another cell whose only state is h, backward through time.

    Parameters
    ----------
    dhs
        (T, N, H) gradients of the loss with respect to the hidden state of every step, along the
        paths that do not lead through a later step.
    cache
        The third result of `gru_forward`.
    dh_T
        (N, H) further gradient with respect to the final state; zeros if not given.

    Returns
    -------
    dxs
        (T, N, D) gradients with respect to the inputs.
    dh0
        (N, H) gradient with respect to the initial state.
    grads
        Gradients of the parameters, summed over steps and batch, in an object of the same type.

    Raises
    ------
    TypeError
        A gradient is not a float array of the cache's dtype, or the cache is not such a result.
    ValueError
        A shape does not fit, or a gradient holds NaN or infinity.

    Examples
    --------
    >>> params = GRUParams.init(3, 2, rng=np.random.default_rng(0))
    >>> hs, h_T, cache = gru_forward(np.ones((5, 4, 3)), params)
    >>> dxs, dh0, grads = gru_backward(np.ones_like(hs), cache)
    >>> dxs.shape, grads.bias_hh.shape
    ((5, 4, 3), (6,))
    """
    dxs, (dh0,), grads = checked_run_backward(dhs, cache, (dh_T,))
    return dxs, dh0, grads
