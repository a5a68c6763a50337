"""The vanilla RNN, with which the LSTM is compared."""

from dataclasses import dataclass
from typing import Any, Self

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
    state,
    tiny_is_zero,
)
from lstm_course.layers import Held, Recurrent, check_lengths, check_recurrent, inside, orthogonal
from lstm_course.pointwise import tanh


@dataclass(frozen=True, eq=False)
class RNNParams:
    """The parameters of a vanilla RNN.

    Parameters
    ----------
    weight_ih
        (H, D) input weights W.
    weight_hh
        (H, H) recurrent weights U.
    bias
        (H,) bias b.

    Raises
    ------
    TypeError
        An argument is not a float array, or the dtypes differ.
    ValueError
        The shapes do not fit together.

    Examples
    --------
    >>> params = RNNParams.init(3, 2, rng=np.random.default_rng(0))
    >>> params.weight_ih.shape, params.weight_hh.shape, params.bias.shape
    ((2, 3), (2, 2), (2,))
    """

    weight_ih: Array
    weight_hh: Array
    bias: Array

    def __post_init__(self) -> None:
        weight_ih = float_array("weight_ih", self.weight_ih, ("H", "D"))
        H = weight_ih.shape[0]
        weight_hh = float_array("weight_hh", self.weight_hh, (H, H), weight_ih.dtype)
        bias = float_array("bias", self.bias, (H,), weight_ih.dtype)
        for name, array in (("weight_ih", weight_ih), ("weight_hh", weight_hh), ("bias", bias)):
            object.__setattr__(self, name, array)

    @classmethod
    def init(
        cls,
        input_size: int,
        hidden_size: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
    ) -> Self:
        """Draw weights uniformly from -1/sqrt(H) to 1/sqrt(H); the bias is 0.

        Raises
        ------
        TypeError, ValueError
            A size is below 1, rng is not a Generator, or dtype is not float32 or float64.
        """
        D, H = size("input_size", input_size), size("hidden_size", hidden_size)
        generator("rng", rng)
        dtype = float_dtype("dtype", dtype)
        bound = 1 / np.sqrt(H)
        weight_ih = rng.uniform(-bound, bound, (H, D)).astype(dtype)
        weight_hh = rng.uniform(-bound, bound, (H, H)).astype(dtype)
        return cls(weight_ih, weight_hh, np.zeros(H, dtype))

    @property
    def input_size(self) -> int:
        """D, the number of entries of one input."""
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        """H, the number of units."""
        return self.weight_hh.shape[0]

    def arrays(self) -> tuple[Array, Array, Array]:
        """Return weight_ih, weight_hh and bias themselves, not copies."""
        return self.weight_ih, self.weight_hh, self.bias


@tiny_is_zero
def rnn_step(x: Array, h_prev: Array, params: RNNParams) -> Array:
    """Take one step of the vanilla RNN: h = tanh(W x + U h_prev + b).

    Parameters
    ----------
    x
        (N, D) input of this step.
    h_prev
        (N, H) hidden state of the step before.
    params
        The cell's parameters.

    Returns
    -------
    (N, H) new hidden state, within [-1, 1].

    Raises
    ------
    TypeError
        An argument is not a float array, or its dtype is not the parameters'.
    ValueError
        A shape does not fit, an argument holds NaN or infinity, or the sum may overflow, by the
        bound that `lstm_step` states.

    References
    ----------
    Elman (1990), doi:10.1207/s15516709cog1402_1.

    Examples
    --------
    >>> params = RNNParams(np.eye(2), 0.5 * np.eye(2), np.zeros(2))
    >>> rnn_step(np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]]), params).round(4)
    array([[0.7616, 0.7616]])
    """
    _check_params(params)
    dtype, D, H = params.bias.dtype, params.input_size, params.hidden_size
    x = finite("x", float_array("x", x, ("N", D), dtype))
    h_prev = finite("h_prev", float_array("h_prev", h_prev, (x.shape[0], H), dtype))
    check_sums(x, h_prev, params)
    return tanh(x @ params.weight_ih.T + h_prev @ params.weight_hh.T + params.bias)  # (N, H)


@tiny_is_zero
def rnn_step_jacobian(h: Array, params: RNNParams) -> Array:
    """Return the derivative of a step's result with respect to the hidden state before it.

    Entry (j, k) is d h[j] / d h_prev[k] = (1 - h[j]**2) U[j, k].

    Parameters
    ----------
    h
        (N, H) hidden state after the step.
    params
        The cell's parameters.

    Returns
    -------
    (N, H, H) Jacobian matrices, one for each row of the batch.

    Raises
    ------
    TypeError, ValueError
        h is not a float array of shape (N, H).

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), doi:10.48550/arXiv.1211.5063, section 2.

    Examples
    --------
    >>> params = RNNParams(np.eye(2), 0.5 * np.eye(2), np.zeros(2))
    >>> rnn_step_jacobian(np.array([[0.0, 0.6]]), params)
    array([[[0.5 , 0.  ],
            [0.  , 0.32]]])
    """
    _check_params(params)
    h = finite("h", float_array("h", h, ("N", params.hidden_size), params.bias.dtype))
    # Row j of U times the slope of unit j, which follows from its value: tanh' = 1 - tanh^2.
    return (1 - h**2)[:, :, None] * params.weight_hh


@tiny_is_zero
def rnn_forward(xs: Array, params: RNNParams, h0: Array | None = None) -> tuple[Array, Array]:
    """Run the vanilla RNN over a batch of sequences.

    Parameters
    ----------
    xs
        (T, N, D) inputs, time first.
    params
        The cell's parameters, the same at every step.
    h0
        (N, H) initial hidden state; zeros if not given.

    Returns
    -------
    hs
        (T, N, H) hidden state after every step.
    h_T
        (N, H) final hidden state.

    Raises
    ------
    TypeError
        An argument is not a float array, or its dtype is not the parameters'.
    ValueError
        A shape does not fit, T or N is 0, an argument holds NaN or infinity, or the sum may
        overflow, as for `rnn_step`.

    Examples
    --------
    >>> params = RNNParams.init(3, 2, rng=np.random.default_rng(0))
    >>> hs, h_T = rnn_forward(np.zeros((5, 1, 3)), params)
    >>> hs.shape, h_T.shape
    ((5, 1, 2), (1, 2))
    """
    _check_params(params)
    dtype, D, H = params.bias.dtype, params.input_size, params.hidden_size
    xs = finite("xs", float_array("xs", xs, ("T", "N", D), dtype))
    T, N, _ = xs.shape
    h = state("h0", h0, (N, H), dtype)
    check_sums(xs, h, params)
    hs = xs @ params.weight_ih.T + params.bias  # all steps at once, since this needs no state
    U = params.weight_hh.T.copy()  # contiguous, since every step multiplies by it
    for t in range(T):
        h = hs[t] = np.tanh(hs[t] + h @ U)
    return hs, h


@tiny_is_zero
def rnn_backward(
    dhs: Array,
    xs: Array,
    hs: Array,
    params: RNNParams,
    h0: Array | None = None,
    dh_T: Array | None = None,
) -> tuple[Array, Array, RNNParams]:
    """Run the vanilla RNN backward through time.

    Parameters
    ----------
    dhs
        (T, N, H) gradients of the loss with respect to the hidden state of every step, along the
        paths that do not lead through a later step.
    xs, hs, params, h0
        What `rnn_forward` was given, and the hidden states that it returned.
    dh_T
        (N, H) further gradient with respect to the final state, added to the last row of `dhs`.

    Returns
    -------
    dxs
        (T, N, D) gradients with respect to the inputs.
    dh0
        (N, H) gradient with respect to the initial state.
    grads
        Gradients of the parameters, summed over steps and batch, as an RNNParams.

    Raises
    ------
    TypeError
        An argument is not a float array, or its dtype is not the parameters'.
    ValueError
        A shape does not fit, or an argument holds NaN or infinity.

    References
    ----------
    Werbos (1990), doi:10.1109/5.58337.

    Examples
    --------
    >>> params = RNNParams(np.eye(1), 0.5 * np.eye(1), np.zeros(1))
    >>> xs = np.zeros((3, 1, 1))
    >>> hs, _ = rnn_forward(xs, params)
    >>> dxs, dh0, grads = rnn_backward(np.zeros_like(hs), xs, hs, params, dh_T=np.ones((1, 1)))
    >>> dxs.ravel(), dh0  # halved at every step
    (array([0.25, 0.5 , 1.  ]), array([[0.125]]))
    """
    _check_params(params)
    dtype, D, H = params.bias.dtype, params.input_size, params.hidden_size
    xs = finite("xs", float_array("xs", xs, ("T", "N", D), dtype))
    T, N, _ = xs.shape
    hs = finite("hs", float_array("hs", hs, (T, N, H), dtype))
    dhs = finite("dhs", float_array("dhs", dhs, (T, N, H), dtype))
    h0, dh = state("h0", h0, (N, H), dtype), state("dh_T", dh_T, (N, H), dtype)
    das = 1 - hs**2  # the slopes first
    for t in reversed(range(T)):
        das[t] *= dhs[t] + dh
        dh = das[t] @ params.weight_hh
    # The weights' gradients don't depend on the order of steps: one product over all makes each.
    da, h_prev = das.reshape(-1, H), np.concatenate([h0[None], hs[:-1]]).reshape(-1, H)
    grads = RNNParams(da.T @ xs.reshape(-1, D), da.T @ h_prev, da.sum(axis=0))
    return das @ params.weight_ih, dh, grads


class RNN(Recurrent):
    """The vanilla RNN as a layer, with the interface of a one-layer `LSTM`.

    Parameters
    ----------
    input_size, hidden_size
        D and H.
    rng
        The source of randomness.
    recurrent
        "uniform", or "orthogonal" to start the recurrent matrix as a random orthogonal one.
    dtype
        float32 or float64.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    Examples
    --------
    >>> layer = RNN(3, 2, rng=np.random.default_rng(0))
    >>> hs, (h_T,), cache = layer.forward(np.ones((5, 4, 3)), lengths=[5, 2, 1, 5])
    >>> hs.shape, h_T.shape
    ((5, 4, 2), (1, 4, 2))
    >>> layer.backward(np.ones_like(hs), cache)[0].shape
    (5, 4, 3)
    """

    states = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rng: np.random.Generator,
        recurrent: str = "uniform",
        dtype: DTypeLike = np.float64,
    ) -> None:
        check_recurrent(recurrent)
        self.params = RNNParams.init(input_size, hidden_size, rng=rng, dtype=dtype)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.output_size, self.state_sizes = hidden_size, (hidden_size,)
        if recurrent == "orthogonal":
            self.params.weight_hh[:] = orthogonal(hidden_size, rng=rng)
        self.arrays = Held(self.params.arrays())
        self.grads = Held(np.zeros_like(array) for array in self.arrays)

    def forward(
        self, xs: Array, h0: Array | None = None, lengths: Any = None, training: bool = True
    ) -> tuple[Array, tuple[Array], Any]:
        """Run the cell over xs (T, N, D), from h0 (1, N, H).

        Returns
        -------
        hs
            (T, N, H) hidden states; 0 after a sequence's end.
        (h_T,)
            (1, N, H) hidden state at each sequence's end.
        cache
            For `backward`.
        """
        dtype, H = self.params.bias.dtype, self.hidden_size
        xs = float_array("xs", xs, ("T", "N", self.input_size), dtype)
        T, N, _ = xs.shape
        lengths = check_lengths(lengths, T, N)
        # Padding may hold anything, NaN included.
        xs = np.where(inside(T, lengths), xs, 0)
        start = state("h0", h0, (1, N, H), dtype)[0]
        hs, _ = rnn_forward(xs, self.params, start)
        # Each sequence ends at its own last step.
        h_T = hs[lengths - 1, np.arange(N)][None]
        return hs * inside(T, lengths), (h_T,), (xs, hs, start, lengths)

    def backward(self, dhs: Array, cache: Any, dh_T: Array | None = None) -> tuple[Array, Array]:
        """Add to the gradients; return dxs (T, N, D) and dh0 (1, N, H)."""
        xs, hs, start, lengths = cache
        (T, N, H), dtype = hs.shape, hs.dtype
        dhs = float_array("dhs", dhs, (T, N, H), dtype) * inside(T, lengths)
        dhs[lengths - 1, np.arange(N)] += state("dh_T", dh_T, (1, N, H), dtype)[0]
        dxs, dh0, grads = rnn_backward(dhs, xs, hs, self.params, start)
        for total, part in zip(self.grads, grads.arrays(), strict=True):
            total += part
        return dxs, dh0[None]


def _check_params(params: object) -> None:
    if not isinstance(params, RNNParams):
        raise TypeError(f"params must be an RNNParams, got {type(params).__name__}")
    for name in ("weight_ih", "weight_hh", "bias"):
        finite(f"params.{name}", getattr(params, name))
