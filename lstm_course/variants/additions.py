"""Additions to the cell: layer normalisation, a projection, a clip, and noise over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy import tanh

from lstm_course._checks import Array, float_array, size
from lstm_course.variants.family import StandardParams
from lstm_course.variants.recurrence import sigmoid

EPSILON = 1e-5
"""Added to a layer's variance, so that equal entries don't lead to a division by zero."""


@dataclass(frozen=True, eq=False)
class LayerNormParams(StandardParams):
    """Sums with mean 0 and variance 1: W x, U h and c are each normalised over their entries.

    a = gain_ih * norm(W x) + gain_hh * norm(U h_prev) + b, and
    h = o * tanh(gain_c * norm(c) + bias_c). The cell state itself is not normalised.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        As in an LSTMParams, slices i, f, g, o.
    gain_ih, gain_hh
        (4H,) gains of the two products.
    gain_c, bias_c
        (H,) gain and bias of the normalised cell state.

    References
    ----------
    Ba, Kiros and Hinton (2016), doi:10.48550/arXiv.1607.06450.

    Examples
    --------
    >>> params = LayerNormParams.init(3, 2, rng=np.random.default_rng(0))
    >>> sums, _ = params.inputs(np.ones((1, 1, 3)))
    >>> (sums - params.bias).std().round(3)  # whatever the weights
    np.float64(1.0)
    """

    gain_ih: Array
    gain_hh: Array
    gain_c: Array
    bias_c: Array

    @classmethod
    def shapes(cls, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        gains = {"gain_ih": (4 * H,), "gain_hh": (4 * H,), "gain_c": (H,), "bias_c": (H,)}
        return super().shapes(D, H) | gains

    def inputs(self, xs: Array) -> tuple[Array, Any]:
        """Map the inputs of all steps, and normalise the row of each step."""
        normed, deviation = normalised(xs @ self.weight_ih.T)
        return self.gain_ih * normed + self.bias, (xs, normed, deviation)

    def inputs_backward(self, das: Array, cache: Any, grads: Any) -> Array:
        """Add to the gradients of W, its gain and b, and return that of the inputs."""
        xs, normed, deviation = cache
        grads.bias[...] += das.sum(axis=(0, 1))
        grads.gain_ih[...] += (das * normed).sum(axis=(0, 1))
        dproducts = normalised_backward(das * self.gain_ih, normed, deviation)
        rows = dproducts.reshape(-1, das.shape[-1])
        grads.weight_ih[...] += rows.T @ xs.reshape(len(rows), -1)
        return dproducts @ self.weight_ih

    def sums(self, s: SimpleNamespace) -> None:
        """Make the sums, a = ... + gain_hh * norm(U h_prev)."""
        s.normed_u, s.deviation_u = normalised(s.h_prev @ self.weight_hh.T)
        s.a = s.a + self.gain_hh * s.normed_u

    def sums_backward(self, s: SimpleNamespace, da: Array, grads: Any) -> Array:
        """Return dh_prev."""
        grads.gain_hh[...] += (da * s.normed_u).sum(axis=0)
        s.du = normalised_backward(da * self.gain_hh, s.normed_u, s.deviation_u)
        return s.du @ self.weight_hh

    def recurrent_backward(self, steps: Sequence[SimpleNamespace], das: Array, grads: Any) -> None:
        """Add to the gradient of U."""
        super().recurrent_backward(steps, np.stack([s.du for s in steps]), grads)

    def show(self, s: SimpleNamespace) -> None:
        """Make h = o * tanh(gain_c * norm(c) + bias_c)."""
        s.normed_c, s.deviation_c = normalised(s.c)
        s.o = sigmoid(self.slice(s.a, "o"))
        s.tanh_c = tanh(self.gain_c * s.normed_c + self.bias_c)
        s.h = s.o * s.tanh_c

    def show_backward(
        self, s: SimpleNamespace, dh: Array, dc: Array, da: Array, grads: Any
    ) -> Array:
        """Return the whole gradient of c; the part from h comes through the normalisation."""
        self.slice(da, "o")[...] = dh * s.tanh_c * s.o * (1 - s.o)
        dshown = dh * s.o * (1 - s.tanh_c**2)
        grads.gain_c[...] += (dshown * s.normed_c).sum(axis=0)
        grads.bias_c[...] += dshown.sum(axis=0)
        return dc + normalised_backward(dshown * self.gain_c, s.normed_c, s.deviation_c)


def normalised(a: Array) -> tuple[Array, Array]:
    """Return `a` with mean 0 and variance 1 along its last axis, and the deviations it had.

    Examples
    --------
    >>> normalised(np.array([[1.0, 3.0]]))[0].round(3)
    array([[-1.,  1.]])
    """
    centred = a - a.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + a.dtype.type(EPSILON))
    return centred / deviation, deviation


def normalised_backward(dnormed: Array, normed: Array, deviation: Array) -> Array:
    """Return the gradient of what was normalised, less its mean and less its part along `normed`.

    Shifting all entries or scaling them by one factor changes nothing, so neither gets a gradient.

    Examples
    --------
    >>> normed, deviation = normalised(np.array([[1.0, 2.0, 6.0]]))
    >>> abs(normalised_backward(np.array([[5.0, 5.0, 5.0]]), normed, deviation)).max() < 1e-12
    np.True_
    """
    along = (dnormed * normed).mean(axis=-1, keepdims=True)
    return (dnormed - dnormed.mean(axis=-1, keepdims=True) - normed * along) / deviation


@dataclass(frozen=True, eq=False)
class ProjectedParams(StandardParams):
    """A hidden state smaller than the cell state: h = V (o * tanh(c)), with V of shape (P, H).

    The recurrent weights then read P numbers, and a wide cell state costs few parameters.

    Parameters
    ----------
    weight_ih
        (4H, D) input weights W, slices i, f, g, o.
    weight_hh
        (4H, P) recurrent weights U.
    bias
        (4H,) bias b.
    weight_hr
        (P, H) projection V, named as in PyTorch.

    References
    ----------
    Sak, Senior and Beaufays (2014), doi:10.48550/arXiv.1402.1128.

    Examples
    --------
    >>> params = ProjectedParams.init(3, 5, rng=np.random.default_rng(0), proj_size=2)
    >>> params.weight_hh.shape, params.state_sizes
    ((20, 2), (2, 5))
    """

    weight_hr: Array

    @classmethod
    def shapes(cls, D: int, H: int, proj_size: int = 1) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array, by name."""
        P = size("proj_size", proj_size)
        return super().shapes(D, H) | {"weight_hh": (4 * H, P), "weight_hr": (P, H)}

    def further_sizes(self) -> dict[str, int]:
        """Return P."""
        return {"proj_size": len(float_array("weight_hr", self.weight_hr, ("P", "H")))}

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """P and H."""
        return len(self.weight_hr), self.hidden_size

    def show(self, s: SimpleNamespace) -> None:
        """Make m = o * tanh(c) and h = V m."""
        super().show(s)
        s.m = s.h
        s.h = s.m @ self.weight_hr.T

    def show_backward(
        self, s: SimpleNamespace, dh: Array, dc: Array, da: Array, grads: Any
    ) -> Array:
        """Return the whole gradient of c."""
        grads.weight_hr[...] += dh.T @ s.m
        return super().show_backward(s, dh @ self.weight_hr, dc, da, grads)


@dataclass(frozen=True, eq=False)
class ClippedParams(StandardParams):
    """Sums clipped to a range before they reach their gates, as ONNX's attribute `clip` demands.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        As in an LSTMParams, slices i, f, g, o.
    clip
        The bound: sums lie between -clip and clip.

    Raises
    ------
    TypeError, ValueError
        As for other cells, or `clip` is not a number above 0.

    References
    ----------
    The LSTM operator of the ONNX specification, https://onnx.ai/onnx/operators/onnx__LSTM.html.

    Examples
    --------
    >>> from lstm_course import variants
    >>> params = ClippedParams(*(9 + np.zeros(s) for s in ((4, 1), (4, 1), 4)), clip=0.5)
    >>> _, (_, c_T), _ = variants.forward(np.ones((1, 1, 1)), params)
    >>> c_T.round(4)  # sigmoid(0.5) * tanh(0.5)
    array([[0.2876]])
    """

    clip: float = 3.0

    settings: ClassVar[tuple[str, ...]] = ("clip",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.clip, int | float | np.number) and self.clip > 0):
            raise ValueError(f"clip must be a number above 0, got {self.clip!r}")

    def sums(self, s: SimpleNamespace) -> None:
        """Make the sums, clipped."""
        super().sums(s)
        s.inside = np.abs(s.a) <= self.clip
        s.a = np.clip(s.a, -self.clip, self.clip)

    def sums_backward(self, s: SimpleNamespace, da: Array, grads: Any) -> Array:
        """Return dh_prev: a sum that was clipped passes on no gradient."""
        da *= s.inside
        return super().sums_backward(s, da, grads)


@dataclass(frozen=True, eq=False)
class RecurrentDropoutParams(StandardParams):
    """Dropout that leaves the memory alone: it drops a share of what would be written.

    c = f * c_prev + d * i * g, where d is 0 for a share `rate` of the entries, drawn anew at every
    step, and 1 / (1 - rate) for the others. After training d is 1.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        As in an LSTMParams, slices i, f, g, o.
    rate
        The share to drop, from 0 to below 1.

    References
    ----------
    Semeniuta, Severyn and Barth (2016), doi:10.48550/arXiv.1603.05118.

    Examples
    --------
    >>> params = RecurrentDropoutParams.init(3, 2, rng=np.random.default_rng(0), rate=0.25)
    >>> params.noise(np.random.default_rng(0), T=2, N=1).round(2)
    array([[[1.33, 1.33]],
    <BLANKLINE>
           [[0.  , 0.  ]]])
    """

    rate: float = 0.25

    settings: ClassVar[tuple[str, ...]] = ("rate",)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("rate", self.rate)

    def noise(self, rng: np.random.Generator | None, T: int, N: int) -> Any:
        """Return d of every step, (T, N, H)."""
        if rng is None:
            return np.ones((T, N, 1), self.bias.dtype)
        kept = rng.random((T, N, self.hidden_size)) >= self.rate
        return kept.astype(self.bias.dtype) / self.bias.dtype.type(1 - self.rate)

    def write(self, s: SimpleNamespace) -> None:
        """Make c = f * c_prev + d * i * g."""
        super().write(s)
        s.c = s.f * s.c_prev + s.noise * s.i * s.g

    def write_backward(self, s: SimpleNamespace, dc: Array, da: Array, grads: Any) -> Array:
        """Return dc_prev: what was dropped gets no gradient; the forget gate gets its whole one."""
        super().write_backward(s, dc, da, grads)
        self.slice(da, "i")[...] *= s.noise
        self.slice(da, "g")[...] *= s.noise
        return dc * s.f


@dataclass(frozen=True, eq=False)
class ZoneoutParams(StandardParams):
    """Noise that keeps instead of dropping: for a step, some units stay as they were.

    c = d_c * c_prev + (1 - d_c) * c_new, and h likewise with d_h, where c_new and h_new are what
    the standard cell makes and d is 1 for a share of the units, drawn anew at every step. After
    training d is that share itself.

    Parameters
    ----------
    weight_ih, weight_hh, bias
        As in an LSTMParams, slices i, f, g, o.
    rate_h, rate_c
        The shares of units that stay as they were, from 0 to below 1.

    References
    ----------
    Krueger et al. (2017), doi:10.48550/arXiv.1606.01305.

    Examples
    --------
    >>> from lstm_course import example, variants
    >>> params = ZoneoutParams(*example.params.arrays(), rate_h=0.0, rate_c=0.5)
    >>> _, (h, c), _ = variants.forward(example.xs[:1], params, example.h0, example.c0)
    >>> c.round(4)  # half way from (0.8, -0.5) to (0.2122, -0.9194)
    array([[ 0.5061, -0.7097]])
    """

    rate_h: float = 0.05
    rate_c: float = 0.5

    settings: ClassVar[tuple[str, ...]] = ("rate_h", "rate_c")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.settings:
            _check_share(name, getattr(self, name))

    def noise(self, rng: np.random.Generator | None, T: int, N: int) -> Any:
        """Return d_h and d_c of every step, (T, 2, N, H)."""
        rates = np.array([self.rate_h, self.rate_c], self.bias.dtype)[:, None, None]
        if rng is None:
            return np.broadcast_to(rates, (T, 2, 1, 1))
        drawn = rng.random((T, 2, N, self.hidden_size))
        return (drawn < rates).astype(self.bias.dtype)

    def step(self, s: SimpleNamespace) -> None:
        """Take a step, and undo it for some units."""
        super().step(s)
        d_h, d_c = s.noise
        s.h = d_h * s.h_prev + (1 - d_h) * s.h
        s.c = d_c * s.c_prev + (1 - d_c) * s.c

    def step_backward(
        self, s: SimpleNamespace, dstates: Sequence[Array], da: Array, grads: Any
    ) -> tuple[Array, ...]:
        """Return dh_prev and dc_prev: from the units that stayed, and through the step."""
        (dh, dc), (d_h, d_c) = dstates, s.noise
        through = super().step_backward(s, ((1 - d_h) * dh, (1 - d_c) * dc), da, grads)
        return through[0] + d_h * dh, through[1] + d_c * dc


def _check_share(name: str, value: object) -> None:
    if not (isinstance(value, int | float | np.number) and 0 <= value < 1):
        raise ValueError(f"{name} must be from 0 to below 1, got {value!r}")
