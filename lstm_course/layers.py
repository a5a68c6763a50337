"""The layers of a model: Embedding, Linear, Dropout, and the stacked, bidirectional LSTM.

Every layer has `forward`, which returns its output and a cache, and `backward`, which takes the
gradient of the output and that cache, *adds* to the layer's `grads` and returns the gradient of the
input. `arrays` and `grads` list parameters and gradients in the same order, for an optimizer.
"""

from __future__ import annotations  # Linear names Embedding, which comes later

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

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
    whole_numbers,
)
from lstm_course.cell import LSTMParams
from lstm_course.fast import SequenceCache, lstm_backward, lstm_forward


class Held(tuple[Any, ...]):
    """What a layer holds, in order. You can change each entry in place, but not replace it.

    Examples
    --------
    >>> held = Held([np.zeros(2)])
    >>> held[0] += 1
    >>> held[0] = np.ones(2)
    Traceback (most recent call last):
    TypeError: entry 0 cannot be replaced, since an optimizer would go on changing the old one; \
to change its numbers, write into it
    """

    def __setitem__(self, k: int, value: object) -> None:
        if value is not self[k]:  # it is the same after +=, which works in place
            raise TypeError(
                f"entry {k} cannot be replaced, since an optimizer would go on changing the old "
                "one; to change its numbers, write into it"
            )


class Layer:
    """A layer with parameters `arrays` and gradients `grads`, in the same order.

    If `forward` is random, `rngs` are the generators that it draws from.

    You can't replace the parts of a layer. An optimizer holds the arrays themselves, so if you
    replaced one, it would go on changing the old one, and the new one would never learn. Write
    into the array instead, `layer.weight[...] = w`. For a read-out that shares the table of an
    embedding, use `Linear.tied`.

    Raises
    ------
    AttributeError
        You replaced an array, a tuple of arrays, or a layer.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer.weight[...] = 0.5
    >>> layer.weight = np.zeros((2, 3))
    Traceback (most recent call last):
    AttributeError: weight of a Linear cannot be replaced, since an optimizer would go on changing \
the old one; to change its numbers, write into it: weight[...] = ...
    """

    arrays: Held
    grads: Held
    rngs: Sequence[np.random.Generator] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        replaced = name in self.__dict__ and value is not old  # a += b works in place and is fine
        if replaced and (_holds_arrays(old) or _holds_arrays(value)):
            instead = (
                f"to change its numbers, write into it: {name}[...] = ..."
                if isinstance(old, np.ndarray)
                else "make a new one, or write into the arrays that it holds"
            )
            raise AttributeError(
                f"{name} of a {type(self).__name__} cannot be replaced, since an optimizer would "
                f"go on changing the old one; {instead}"
            )
        super().__setattr__(name, value)

    def zero_grads(self) -> None:
        """Set all gradients to 0, in place."""
        for grad in self.grads:
            grad[...] = 0


def _holds_arrays(value: object) -> bool:
    return isinstance(value, np.ndarray | tuple) or hasattr(value, "arrays")


class Linear(Layer):
    """The affine map y = W x + b along the last axis.

    Parameters
    ----------
    input_size, output_size
        D and K.
    rng
        The source of randomness: weights uniform between -1/sqrt(D) and 1/sqrt(D), bias 0.
    dtype
        float32 or float64.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, rng is not a Generator, or dtype is not float32 or float64.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.ones((5, 1, 3)))
    >>> y.shape, layer.backward(np.ones_like(y), cache).shape
    ((5, 1, 2), (5, 1, 3))
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
    ) -> None:
        D, K = size("input_size", input_size), size("output_size", output_size)
        dtype = float_dtype("dtype", dtype)
        bound = 1 / np.sqrt(D)
        self.weight = generator("rng", rng).uniform(-bound, bound, (K, D)).astype(dtype)
        self.bias = np.zeros(K, dtype)
        self.dweight, self.dbias = np.zeros_like(self.weight), np.zeros_like(self.bias)
        self.arrays, self.grads = Held((self.weight, self.bias)), Held((self.dweight, self.dbias))

    @classmethod
    def tied(cls, embedding: Embedding) -> Self:
        """Return a map whose weight is the table of an embedding, with a bias of its own.

        As a read-out, it scores each of V words by the product of the word's row with the state.
        The gradients of both uses add up in those of the embedding, where the optimizer finds
        the table.

        Parameters
        ----------
        embedding
            An Embedding with V rows of D numbers. The map goes from D to V.

        References
        ----------
        Press and Wolf (2017), doi:10.18653/v1/E17-2025; Inan, Khosravi and Socher (2017),
        doi:10.48550/arXiv.1611.01462.

        Examples
        --------
        >>> embedding = Embedding(10, 3, rng=np.random.default_rng(0))
        >>> readout = Linear.tied(embedding)
        >>> readout.weight is embedding.table, len(readout.arrays)  # the bias alone is new
        (True, 1)
        """
        if not isinstance(embedding, Embedding):
            raise TypeError(f"embedding must be an Embedding, got {type(embedding).__name__}")
        layer = cls.__new__(cls)
        layer.weight, layer.dweight = embedding.table, embedding.grads[0]
        layer.bias = np.zeros(len(embedding.table), embedding.table.dtype)
        layer.dbias = np.zeros_like(layer.bias)
        layer.arrays, layer.grads = Held((layer.bias,)), Held((layer.dbias,))
        return layer

    @tiny_is_zero
    def forward(self, x: Array) -> tuple[Array, Array]:
        """Map x (..., D) to (..., K); return it and the cache."""
        x = float_array("x", x, dtype=self.bias.dtype)
        if x.ndim == 0 or x.shape[-1] != self.weight.shape[1]:
            raise ValueError(f"x has shape {x.shape}, expected (..., {self.weight.shape[1]})")
        return finite("x", x) @ self.weight.T + self.bias, x

    @tiny_is_zero
    def backward(self, dy: Array, cache: Array) -> Array:
        """Add to the gradients and return dx, given dy (..., K)."""
        K = self.bias.size
        dy = finite("dy", float_array("dy", dy, (*cache.shape[:-1], K), self.bias.dtype))
        rows = dy.reshape(-1, K)
        self.dweight += rows.T @ cache.reshape(rows.shape[0], -1)
        self.dbias += rows.sum(axis=0)
        return dy @ self.weight


class Embedding(Layer):
    """A table with a row of D numbers for each of V words; `forward` looks up rows.

    It does what Linear does with one-hot words, without ever making them.

    Parameters
    ----------
    num_embeddings, embedding_dim
        V and D.
    rng
        The source of randomness: rows are drawn from the normal distribution.
    dtype
        float32 or float64.

    Raises
    ------
    TypeError, ValueError
        A size is below 1, rng is not a Generator, or dtype is not float32 or float64.

    Examples
    --------
    >>> layer = Embedding(10, 3, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.array([[4], [4]]))
    >>> layer.backward(np.ones_like(y), cache)
    >>> layer.grads[0][4]  # used twice
    array([2., 2., 2.])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float64,
    ) -> None:
        shape = size("num_embeddings", num_embeddings), size("embedding_dim", embedding_dim)
        table = generator("rng", rng).normal(size=shape)
        self.table = table.astype(float_dtype("dtype", dtype))
        self.arrays = Held((self.table,))
        self.grads = Held((np.zeros_like(self.table),))

    def forward(self, words: Array) -> tuple[Array, Array]:
        """Look up words (...), whole numbers from 0 to V - 1; return (..., D) and the cache."""
        words = whole_numbers("words", words)
        wrong = (words < 0) | (words >= len(self.table))
        if wrong.any():
            raise ValueError(f"words holds {words[wrong][0]}, expected 0 to {len(self.table) - 1}")
        return self.table[words], words

    def backward(self, dy: Array, cache: Array) -> None:
        """Add to the gradient, given dy (..., D). Words have no gradient of their own."""
        shape = (*cache.shape, self.table.shape[1])
        dy = finite("dy", float_array("dy", dy, shape, self.table.dtype))
        np.add.at(self.grads[0], cache, dy)  # a word that occurs twice counts twice


class Dropout(Layer):
    """Set a share of the entries to 0 during training, and scale up the rest to keep the mean.

    Parameters
    ----------
    rate
        The share to drop, from 0 (none) to below 1.
    rng
        The source of randomness.

    Raises
    ------
    TypeError, ValueError
        The rate is out of range, or rng is not a Generator.

    References
    ----------
    Srivastava et al. (2014), https://jmlr.org/papers/v15/srivastava14a.html.

    Examples
    --------
    >>> layer = Dropout(0.5, rng=np.random.default_rng(0))
    >>> y, cache = layer.forward(np.ones(6))
    >>> y
    array([2., 0., 0., 0., 2., 2.])
    >>> layer.forward(np.ones(6), training=False)[0]
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(self, rate: float, *, rng: np.random.Generator) -> None:
        if not (isinstance(rate, int | float | np.number) and 0 <= rate < 1):
            raise ValueError(f"dropout rate must be from 0 to below 1, got {rate!r}")
        self.rate = float(rate)
        self.rng = generator("rng", rng)
        self.rngs = [self.rng]
        self.arrays = self.grads = Held()

    def forward(self, x: Array, training: bool = True) -> tuple[Array, Array]:
        """Return x with entries dropped, or x itself if not training, and the cache."""
        x = float_array("x", x)
        if not training or self.rate == 0:
            return x, np.ones_like(x)  # so that backward needs no special case
        kept = (self.rng.random(x.shape) >= self.rate).astype(x.dtype)
        # Scaling up what is kept preserves the mean, so nothing changes when dropout is off.
        factor = kept / x.dtype.type(1 - self.rate)
        return x * factor, factor

    def backward(self, dy: Array, cache: Array) -> Array:
        """Return dx: the gradient of what was dropped is 0."""
        return float_array("dy", dy, cache.shape, cache.dtype) * cache


class Recurrent(Layer):
    """A layer with a state that is handed from step to step.

    `states` names what is handed on, h and perhaps c, and `state_sizes` says how many numbers each
    of them holds. `output_size` is how many numbers the layer puts out at each step.
    """

    states: tuple[str, ...]
    state_sizes: tuple[int, ...]
    input_size: int
    hidden_size: int
    output_size: int
    params: Any
    num_layers = 1
    directions = 1

    def forward(self, *args: Any, **more: Any) -> Any:
        """Run all steps, given xs and initial states; return hs, final states, and a cache."""
        raise NotImplementedError

    def backward(self, *args: Any, **more: Any) -> Any:
        """Add to the gradients; return those of the inputs and of the initial states."""
        raise NotImplementedError


class Stack(Recurrent):
    """Cells of any kind on top of each other, in one direction or in both.

    Subclasses supply `_run` and `_run_backward`, which take one cell through time and back.
    """

    def _build(
        self,
        cell: Callable[[int], Any],
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        rng: np.random.Generator,
    ) -> None:
        """Make all cells; `cell(D)` makes one that reads D numbers at each step."""
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers = size("num_layers", num_layers)
        self.directions = 2 if bidirectional else 1
        self.dropout = Dropout(dropout, rng=rng)
        if dropout and self.num_layers == 1:
            warnings.warn(
                f"dropout acts between layers, but there is one layer: {dropout} does nothing",
                stacklevel=3,
            )
        self.rngs = self.dropout.rngs
        cells = [cell(self.input_size) for _ in range(self.directions)]
        self.state_sizes = cells[0].state_sizes
        self.output_size = self.directions * self.state_sizes[0]
        cells += [cell(self.output_size) for _ in range(self.directions * (self.num_layers - 1))]
        self.params = Held(cells)  # layer by layer, forward direction first
        self.arrays = Held(array for params in self.params for array in params.arrays())
        self.grads = Held(np.zeros_like(array) for array in self.arrays)

    def _forward(
        self, xs: Array, start: Sequence[Any], lengths: Any, training: bool
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run all layers, from states (layers * directions, N, ...), or zeros for None."""
        dtype = self.arrays[0].dtype
        xs = float_array("xs", xs, ("T", "N", self.input_size), dtype)
        T, N, _ = xs.shape
        lengths = check_lengths(lengths, T, N)
        # Padding may hold anything, NaN included; zeros keep it out of every sum.
        xs = finite("xs", np.where(inside(T, lengths), xs, 0))
        starts = self._states("{}0", start, N)
        ends = tuple(np.empty_like(one) for one in starts)
        caches, drops = [], []
        for layer in range(self.num_layers):
            if layer:  # dropout acts between layers, never from step to step
                xs, drop = self.dropout.forward(xs, training)
                drops.append(drop)
            sides = []
            for direction in range(self.directions):
                k = layer * self.directions + direction
                read = _reverse(xs, lengths) if direction else xs
                mine = tuple(one[k] for one in starts)
                hs, finals, cache = self._run(read, self.params[k], mine, lengths, training)
                for end, final in zip(ends, finals, strict=True):
                    end[k] = final
                caches.append(cache)
                sides.append(_reverse(hs, lengths) if direction else hs)
            xs = np.concatenate(sides, axis=2)
        return xs, ends, (caches, drops, lengths, (T, N))

    def _backward(
        self, dhs: Array, cache: Any, dfinals: Sequence[Any]
    ) -> tuple[Array, tuple[Array, ...]]:
        """Add to the gradients; return those of the inputs and of the states at the start."""
        caches, drops, lengths, (T, N) = cache
        dtype = self.arrays[0].dtype
        dhs = finite("dhs", float_array("dhs", dhs, (T, N, self.output_size), dtype))
        dends = self._states("d{}_T", dfinals, N)
        dstarts = tuple(np.empty_like(one) for one in dends)
        P, count = self.state_sizes[0], len(self.arrays) // len(self.params)
        for layer in reversed(range(self.num_layers)):
            dxs: Any = 0.0
            for direction in range(self.directions):
                k = layer * self.directions + direction
                side = dhs[:, :, direction * P : (direction + 1) * P]
                side = _reverse(side, lengths) if direction else side
                mine = tuple(one[k] for one in dends)
                dx, dmine, grads = self._run_backward(side, caches[k], mine, lengths)
                for dstart, one in zip(dstarts, dmine, strict=True):
                    dstart[k] = one
                dxs = dxs + (_reverse(dx, lengths) if direction else dx)
                totals = self.grads[count * k : count * (k + 1)]
                for total, part in zip(totals, grads.arrays(), strict=True):
                    total += part
            dhs = self.dropout.backward(dxs, drops[layer - 1]) if layer else dxs
        return dhs, dstarts

    def _states(self, name: str, given: Sequence[Any], N: int) -> tuple[Array, ...]:
        """Return one array per state for all layers and directions; zeros if it isn't given."""
        cells, dtype = len(self.params), self.arrays[0].dtype
        return tuple(
            state(name.format(letter), one, (cells, N, width), dtype)
            for letter, one, width in zip(self.states, given, self.state_sizes, strict=True)
        )

    def _run(
        self, xs: Array, params: Any, start: tuple[Array, ...], lengths: Array, training: bool
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run one cell; hidden states after a sequence's end are 0, final states those at it."""
        raise NotImplementedError

    def _run_backward(
        self, dhs: Array, cache: Any, dfinals: tuple[Array, ...], lengths: Array
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run one cell backward; final states' gradients enter where each sequence ends."""
        raise NotImplementedError


class LSTM(Stack):
    """LSTM layers on top of each other, in one direction or in both.

    Each layer reads the hidden states of the one below. With two directions, a second cell reads
    the sequence from its end, and the hidden states of both are joined, (T, N, 2H). Sequences of
    different lengths may share a batch: after its end, a sequence has hidden states of 0, and its
    final states are those after its own last step.

    Parameters
    ----------
    input_size, hidden_size
        D and H.
    num_layers
        How many layers.
    bidirectional
        Whether each layer reads in both directions.
    dropout
        Share of the hidden states dropped between layers during training. With one layer, it does
        nothing, and a UserWarning says so.
    rng
        The source of randomness, for weights and dropout.
    forget_bias
        Where the forget gate's bias starts, in every layer and direction.
    recurrent
        "uniform", or "orthogonal" to start each gate's recurrent matrix as a random orthogonal one.
    dtype
        float32 or float64.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    References
    ----------
    Two directions: Graves and Schmidhuber (2005), doi:10.1016/j.neunet.2005.06.042. Orthogonal
    start: Saxe, McClelland and Ganguli (2014), doi:10.48550/arXiv.1312.6120.

    Examples
    --------
    >>> lstm = LSTM(3, 2, num_layers=2, bidirectional=True, rng=np.random.default_rng(0))
    >>> hs, (h_T, c_T), cache = lstm.forward(np.ones((5, 4, 3)), lengths=[5, 2, 1, 5])
    >>> hs.shape, h_T.shape  # final states: (layers * directions, N, H)
    ((5, 4, 4), (4, 4, 2))
    >>> lstm.backward(np.ones_like(hs), cache)[0].shape
    (5, 4, 3)
    """

    states = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        *,
        rng: np.random.Generator,
        forget_bias: float = 1.0,
        recurrent: str = "uniform",
        dtype: DTypeLike = np.float64,
    ) -> None:
        check_recurrent(recurrent)

        def cell(D: int) -> LSTMParams:
            params = LSTMParams.init(D, hidden_size, rng=rng, forget_bias=forget_bias, dtype=dtype)
            if recurrent == "orthogonal":
                for gate in "ifgo":
                    params.gate(gate)[1][:] = orthogonal(hidden_size, rng=rng)
            return params

        self._build(cell, input_size, hidden_size, num_layers, bidirectional, dropout, rng)

    def forward(
        self,
        xs: Array,
        h0: Array | None = None,
        c0: Array | None = None,
        lengths: Any = None,
        training: bool = True,
    ) -> tuple[Array, tuple[Array, Array], Any]:
        """Run all layers.

        Parameters
        ----------
        xs
            (T, N, D) inputs, time first. What comes after a sequence's end does not matter.
        h0, c0
            (layers * directions, N, H) initial states; zeros if not given.
        lengths
            N whole numbers from 1 to T; T for all if not given.
        training
            Whether dropout acts.

        Returns
        -------
        hs
            (T, N, directions * H) hidden states of the last layer.
        (h_T, c_T)
            (layers * directions, N, H) final states.
        cache
            For `backward`.
        """
        hs, (h_T, c_T), cache = self._forward(xs, (h0, c0), lengths, training)
        return hs, (h_T, c_T), cache

    def backward(
        self, dhs: Array, cache: Any, dh_T: Array | None = None, dc_T: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """Add to the gradients, given those of the hidden states and of the final states.

        Returns
        -------
        dxs
            (T, N, D) gradients with respect to the inputs.
        dh0, dc0
            (layers * directions, N, H) gradients with respect to the initial states.
        """
        dxs, (dh0, dc0) = self._backward(dhs, cache, (dh_T, dc_T))
        return dxs, dh0, dc0

    def _run(
        self, xs: Array, params: Any, start: tuple[Array, ...], lengths: Array, training: bool
    ) -> tuple[Array, tuple[Array, ...], SequenceCache]:
        """Run one cell; hidden states after a sequence's end are 0, final states those at it."""
        hs, finals, cache = lstm_forward(xs, params, *start)
        if (lengths == len(xs)).all():
            return hs, finals, cache  # nothing to mask
        last, rows = lengths - 1, np.arange(len(lengths))
        # A shorter sequence ends at its own last step; what the cell computes after that is not
        # shown.
        finals = hs[last, rows], cache.cs[lengths, rows]
        return hs * inside(len(xs), lengths), finals, cache

    def _run_backward(
        self, dhs: Array, cache: Any, dfinals: tuple[Array, ...], lengths: Array
    ) -> tuple[Array, tuple[Array, ...], LSTMParams]:
        """Run one cell backward; final states' gradients enter where each sequence ends."""
        if (lengths == len(dhs)).all():
            dxs, dh0, dc0, grads = lstm_backward(dhs, cache, *dfinals)
        else:
            dhs, dcs = entered(dhs, dfinals, lengths)
            dxs, dh0, dc0, grads = lstm_backward(dhs, cache, dcs=dcs)
        return dxs, (dh0, dc0), grads


def entered(dhs: Array, dfinals: Sequence[Array], lengths: Array) -> list[Array]:
    """Return the gradients of the states of all steps, including those of the final states.

    The final states are those of each sequence's own last step, so that's where their gradients
    enter. What `dhs` holds after a sequence's end is left out.
    """
    last, rows = lengths - 1, np.arange(len(lengths))
    every = [dhs * inside(len(dhs), lengths)]
    every += [np.zeros((*dhs.shape[:2], one.shape[-1]), dhs.dtype) for one in dfinals[1:]]
    for ds, one in zip(every, dfinals, strict=True):
        ds[last, rows] += one
    return every


def orthogonal(size: int, *, rng: np.random.Generator) -> Array:
    """Draw a (size, size) matrix uniformly from all orthogonal ones, which preserve lengths.

    References
    ----------
    Saxe, McClelland and Ganguli (2014), doi:10.48550/arXiv.1312.6120.

    Examples
    --------
    >>> q = orthogonal(3, rng=np.random.default_rng(0))
    >>> np.allclose(q @ q.T, np.eye(3))
    True
    """
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return q * np.sign(np.diag(r))  # without the signs, some would be more likely than others


def inside(T: int, lengths: Array) -> Array:
    """Return (T, N, 1) booleans, true up to each sequence's end."""
    return (np.arange(T)[:, None] < lengths)[..., None]


def _reverse(xs: Array, lengths: Array) -> Array:
    """Reverse each sequence of a batch within its own length."""
    T = len(xs)
    steps = np.arange(T)[:, None]
    # Padding stays where it is, after the sequence.
    order = np.where(steps < lengths, lengths - 1 - steps, steps)  # (T, N)
    return np.take_along_axis(xs, order[..., None], axis=0)


def check_recurrent(recurrent: object) -> None:
    """Raise unless `recurrent` names a way to start the recurrent weights."""
    if recurrent not in ("uniform", "orthogonal"):
        raise ValueError(f"recurrent must be uniform or orthogonal, got {recurrent!r}")


def check_lengths(lengths: Any, T: int, N: int) -> Array:
    """Return N lengths as whole numbers from 1 to T; if none are given, T for each."""
    lengths = np.full(N, T) if lengths is None else whole_numbers("lengths", lengths)
    if lengths.shape != (N,):
        raise ValueError(f"lengths has shape {lengths.shape}, expected ({N},)")
    if lengths.min() < 1 or lengths.max() > T:
        raise ValueError(f"lengths holds {lengths.tolist()}, expected numbers from 1 to {T}")
    return lengths
