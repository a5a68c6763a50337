"""One step of the LSTM cell: four gates as four slices of one affine map."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import (
    Array,
    check_sums,
    finite,
    float_array,
    float_dtype,
    generator,
    size,
    tiny_is_zero,
)
from lstm_course.pointwise import sigmoid, tanh

GATES = ("i", "f", "g", "o")
"""The order of the four slices: input gate, forget gate, candidate, output gate (PyTorch's)."""


@dataclass(frozen=True, eq=False)
class LSTMParams:
    """The parameters of one LSTM cell, stacked and named as in PyTorch.

    Parameters
    ----------
    weight_ih
        (4H, D) input weights W, slices in the order i, f, g, o.
    weight_hh
        (4H, H) recurrent weights U, same slices.
    bias
        (4H,) bias b, same slices. (PyTorch keeps two biases, of which only the sum matters.)

    Raises
    ------
    TypeError
        An argument is not a float array, or the dtypes differ.
    ValueError
        The shapes do not fit together.

    Examples
    --------
    >>> params = LSTMParams.init(3, 2, rng=np.random.default_rng(0))
    >>> params.weight_ih.shape, params.weight_hh.shape, params.bias.shape
    ((8, 3), (8, 2), (8,))
    >>> W_f, U_f, b_f = params.gate("f")
    >>> b_f
    array([1., 1.])
    """

    weight_ih: Array
    weight_hh: Array
    bias: Array

    def __post_init__(self) -> None:
        weight_hh = float_array("weight_hh", self.weight_hh, ("4H", "H"))
        H = weight_hh.shape[1]
        # H is known only now, so only now can we check that the height is four times the width.
        weight_hh = float_array("weight_hh", weight_hh, (4 * H, H))
        weight_ih = float_array("weight_ih", self.weight_ih, (4 * H, "D"), weight_hh.dtype)
        bias = float_array("bias", self.bias, (4 * H,), weight_hh.dtype)
        for name, array in (("weight_ih", weight_ih), ("weight_hh", weight_hh), ("bias", bias)):
            # The dataclass is frozen, so that no array is replaced without these checks.
            object.__setattr__(self, name, array)

    @classmethod
    def init(
        cls,
        input_size: int,
        hidden_size: int,
        *,
        rng: np.random.Generator,
        forget_bias: float = 1.0,
        dtype: DTypeLike = np.float64,
    ) -> Self:
        """Draw weights uniformly from -1/sqrt(H) to 1/sqrt(H); biases are 0 but the forget gate's.

        Parameters
        ----------
        input_size, hidden_size
            D and H.
        rng
            The source of randomness.
        forget_bias
            Bias of the forget gate. With a positive one, a fresh cell keeps its memory.
        dtype
            float32 or float64. Both get the same draws, to within rounding.

        Raises
        ------
        TypeError, ValueError
            A size below 1, an rng that is not a Generator, a bias that is not a finite
            number, or a dtype other than float32 or float64.
        """
        D, H = size("input_size", input_size), size("hidden_size", hidden_size)
        generator("rng", rng)
        dtype = float_dtype("dtype", dtype)
        start = finite("forget_bias", float_array("forget_bias", forget_bias, ()))
        # With these bounds, the size of a sum over H units does not grow with H.
        bound = 1 / np.sqrt(H)
        weight_ih = rng.uniform(-bound, bound, (4 * H, D)).astype(dtype)
        weight_hh = rng.uniform(-bound, bound, (4 * H, H)).astype(dtype)
        params = cls(weight_ih, weight_hh, np.zeros(4 * H, dtype))
        params.gate("f")[2][:] = start  # a view
        return params

    @property
    def input_size(self) -> int:
        """D, the number of entries of one input."""
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return self.weight_hh.shape[1]

    @property
    def state_sizes(self) -> tuple[int, int]:
        """How many numbers h and c hold."""
        return self.hidden_size, self.hidden_size

    def arrays(self) -> tuple[Array, Array, Array]:
        """Return weight_ih, weight_hh and bias themselves, not copies."""
        return self.weight_ih, self.weight_hh, self.bias

    def gate(self, name: str) -> tuple[Array, Array, Array]:
        """Return views of one gate's W (H, D), U (H, H) and b (H,); name is i, f, g or o."""
        if name not in GATES:
            raise ValueError(f"name must be one of {', '.join(GATES)}, got {name!r}")
        H = self.hidden_size
        rows = slice(GATES.index(name) * H, (GATES.index(name) + 1) * H)
        return self.weight_ih[rows], self.weight_hh[rows], self.bias[rows]


class StepCache(NamedTuple):
    """What a forward step keeps: all that its backward step needs, and the states it made."""

    x: Array  # (N, D)
    h_prev: Array  # (N, H), like everything below
    c_prev: Array
    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    tanh_c: Array
    h: Array
    params: LSTMParams


def lstm_step(
    x: Array, h_prev: Array, c_prev: Array, params: LSTMParams
) -> tuple[Array, Array, StepCache]:
    """Take one step of the LSTM cell.

    Parameters
    ----------
    x
        (N, D) input of this step.
    h_prev, c_prev
        (N, H) hidden state and cell state of the step before.
    params
        The cell's parameters.

    Returns
    -------
    h
        (N, H) new hidden state, within [-1, 1].
    c
        (N, H) new cell state, c = f * c_prev + i * g.
    cache
        What the backward step needs, including the gates.

    Raises
    ------
    TypeError
        An argument is not a float array, or its dtype is not the parameters'.
    ValueError
        A shape does not fit, an argument holds NaN or infinity, or a gate's sum may overflow.

    Notes
    -----
    Large sums are fine: the gate is then exactly 0 or 1. But if a sum might leave the range of
    floats, the arguments are refused: D max|x| max|W| + H max(1, max|h|) max|U| + max|b| must be
    at most half of the largest float. Then the sum can't overflow, in whatever order it's added.

    References
    ----------
    Gers, Schmidhuber and Cummins (2000), doi:10.1162/089976600300015015, section 3; in
    the form of Greff et al. (2017), doi:10.1109/TNNLS.2016.2582924, section II, with no peepholes.

    Examples
    --------
    >>> from lstm_course import example
    >>> h, c, cache = lstm_step(example.xs[0], example.h0, example.c0, example.params)
    >>> h.round(4), c.round(4)
    (array([[ 0.1098, -0.6037]]), array([[ 0.2122, -0.9194]]))
    """
    check_params(params)
    dtype, D, H = params.bias.dtype, params.input_size, params.hidden_size
    x = finite("x", float_array("x", x, ("N", D), dtype))
    N = x.shape[0]
    h_prev = finite("h_prev", float_array("h_prev", h_prev, (N, H), dtype))
    c_prev = finite("c_prev", float_array("c_prev", c_prev, (N, H), dtype))
    check_sums(x, h_prev, params)
    cache = step(x, h_prev, c_prev, params)
    return cache.h.copy(), cache.c.copy(), cache  # so that the cache stays as it is


@tiny_is_zero
def step(x: Array, h_prev: Array, c_prev: Array, params: LSTMParams) -> StepCache:
    """`lstm_step` without its checks, for loops over time that have done them already."""
    a = x @ params.weight_ih.T + h_prev @ params.weight_hh.T + params.bias  # (N, 4H)
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)  # (N, H) each
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
    c = f * c_prev + i * g
    tanh_c = tanh(c)
    h = o * tanh_c
    return StepCache(x, h_prev, c_prev, i, f, g, o, c, tanh_c, h, params)


def lstm_step_backward(
    dh: Array, dc: Array, cache: StepCache
) -> tuple[Array, Array, Array, LSTMParams]:
    """Go back one step: turn the gradients of a step's results into those of its arguments.

    Two flows meet in the cell state: `dc` from the later step, and the one from `dh` through
    h = o * tanh(c). They are added; the rest is the product rule.

    Parameters
    ----------
    dh, dc
        (N, H) gradients of the loss with respect to the step's h and c. The gradient of c
        counts every path except the one through this step's h, so those from later steps and from
        a loss that reads c.
    cache
        The third result of `lstm_step`.

    Returns
    -------
    dx
        (N, D) gradient with respect to the input.
    dh_prev, dc_prev
        (N, H) gradients with respect to the states of the step before.
    grads
        Gradients of the parameters, summed over the batch, as an LSTMParams.

    Raises
    ------
    TypeError
        A gradient is not a float array of the cache's dtype, or the cache is not a StepCache.
    ValueError
        A shape does not fit, or a gradient holds NaN or infinity.

    References
    ----------
    Greff et al. (2017), doi:10.1109/TNNLS.2016.2582924, appendix A, with no peepholes.

    Examples
    --------
    >>> from lstm_course import example
    >>> *_, cache = lstm_step(example.xs[0], example.h0, example.c0, example.params)
    >>> dx, dh_prev, dc_prev, grads = lstm_step_backward(np.ones((1, 2)), np.zeros((1, 2)), cache)
    >>> dc_prev.round(4)
    array([[0.0712, 0.2632]])
    >>> grads.weight_ih.shape
    (8, 3)
    """
    if not isinstance(cache, StepCache):
        raise TypeError(f"cache must be a StepCache, got {type(cache).__name__}")
    shape, dtype = cache.c.shape, cache.c.dtype
    dh = finite("dh", float_array("dh", dh, shape, dtype))
    dc = finite("dc", float_array("dc", dc, shape, dtype))
    return step_backward(dh, dc, cache)


@tiny_is_zero
def step_backward(dh: Array, dc: Array, cache: StepCache) -> tuple[Array, Array, Array, LSTMParams]:
    """`lstm_step_backward` without its checks."""
    x, h_prev, c_prev, i, f, g, o, _, tanh_c, _, params = cache
    dc = dc + dh * o * (1 - tanh_c**2)  # the two flows meet
    # Slopes are computed from the values of the gates, so that the sums need not be kept.
    da_i = dc * g * i * (1 - i)  # (N, H) each
    da_f = dc * c_prev * f * (1 - f)
    da_g = dc * i * (1 - g**2)
    da_o = dh * tanh_c * o * (1 - o)
    da = np.concatenate([da_i, da_f, da_g, da_o], axis=1)  # (N, 4H)
    # One set of parameters served every row of the batch: its gradients are sums over rows.
    grads = LSTMParams(da.T @ x, da.T @ h_prev, da.sum(axis=0))
    return da @ params.weight_ih, da @ params.weight_hh, dc * f, grads


def check_params(params: object) -> None:
    """Raise unless `params` is an LSTMParams; `check_sums` checks its numbers."""
    if not isinstance(params, LSTMParams):
        raise TypeError(f"params must be an LSTMParams, got {type(params).__name__}")
