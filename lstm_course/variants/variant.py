"""Any variant as a layer: stacked, in both directions, for sequences of different lengths."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lstm_course._checks import Array
from lstm_course.layers import Stack, entered, inside
from lstm_course.variants.additions import (
    ClippedParams,
    LayerNormParams,
    ProjectedParams,
    RecurrentDropoutParams,
    ZoneoutParams,
)
from lstm_course.variants.family import (
    BlindCandidateParams,
    CoupledParams,
    NoForgetGateParams,
    NoInputGateParams,
    NoOutputGateParams,
    NoOutputTanhParams,
    PeepholeParams,
    StandardParams,
    TruncatedParams,
)
from lstm_course.variants.gru import GRUParams, MinimalGatedParams, ResetBeforeGRUParams
from lstm_course.variants.recurrence import Params, run, run_backward

CELLS: dict[str, type[Params]] = {
    "standard": StandardParams,
    "no forget gate": NoForgetGateParams,
    "no forget gate, truncated": TruncatedParams,
    "no input gate": NoInputGateParams,
    "coupled": CoupledParams,
    "no output gate": NoOutputGateParams,
    "no output tanh": NoOutputTanhParams,
    "blind candidate": BlindCandidateParams,
    "peepholes": PeepholeParams,
    "layer norm": LayerNormParams,
    "projected": ProjectedParams,
    "clipped": ClippedParams,
    "recurrent dropout": RecurrentDropoutParams,
    "zoneout": ZoneoutParams,
    "GRU": GRUParams,
    "GRU, reset before": ResetBeforeGRUParams,
    "minimal gated": MinimalGatedParams,
}
"""All cells by name, the standard one first."""


class Variant(Stack):
    """A recurrent layer with any cell, and the interface of `lstm_course.LSTM`.

    A cell without a c takes and returns one state, h.

    Parameters
    ----------
    cell
        A name in `CELLS`.
    input_size, hidden_size
        D and H.
    num_layers, bidirectional, dropout
        As for an LSTM.
    rng
        The source of randomness: weights, dropout, and noise inside the cell.
    forget_bias
        Where the bias of the gate that keeps the memory starts; None for the cell's usual one.
    dtype
        float32 or float64.
    settings
        Settings that only some cells have: proj_size, or the rates of their noise.

    Raises
    ------
    TypeError, ValueError
        There is no such cell, or an argument is out of its range.

    Examples
    --------
    >>> layer = Variant("GRU", 3, 2, num_layers=2, bidirectional=True, rng=np.random.default_rng(0))
    >>> hs, (h_T,), cache = layer.forward(np.ones((5, 4, 3)), lengths=[5, 2, 1, 5])
    >>> hs.shape, h_T.shape
    ((5, 4, 4), (4, 4, 2))
    >>> layer.backward(np.ones_like(hs), cache)[0].shape
    (5, 4, 3)
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        *,
        rng: np.random.Generator,
        forget_bias: float | None = None,
        dtype: DTypeLike = np.float64,
        **settings: Any,
    ) -> None:
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
        kind = CELLS[cell]
        self.cell, self.states, self.settings = cell, kind.states, settings

        def make(D: int) -> Params:
            return kind.init(
                D, hidden_size, rng=rng, forget_bias=forget_bias, dtype=dtype, **settings
            )

        self._build(make, input_size, hidden_size, num_layers, bidirectional, dropout, rng)

    def forward(
        self, xs: Array, *start: Array | None, lengths: Any = None, training: bool = True
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run all layers, like `LSTM.forward`, with all of the cell's initial states, or none.

        Raises
        ------
        TypeError
            The number of states is another one.
        """
        if start and len(start) != len(self.states):
            expected = " and ".join(f"{name}0" for name in self.states)
            raise TypeError(f"{len(start)} initial states came, expected {expected}")
        return self._forward(xs, start or (None,) * len(self.states), lengths, training)

    def backward(
        self, dhs: Array, cache: Any, dh_T: Array | None = None, dc_T: Array | None = None
    ) -> tuple[Array, ...]:
        """Add to the gradients; return those of the inputs and of the initial states."""
        if dc_T is not None and "c" not in self.states:
            raise TypeError(f"dc_T was given, but the cell {self.cell!r} has no c")
        dxs, dstarts = self._backward(dhs, cache, (dh_T, dc_T)[: len(self.states)])
        return dxs, *dstarts

    def _run(
        self, xs: Array, params: Any, start: tuple[Array, ...], lengths: Array, training: bool
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run one cell; hidden states after a sequence's end are 0, final states those at it."""
        cache = run(xs, params, start, self.rngs[0] if training else None)
        last, rows = lengths - 1, np.arange(len(lengths))
        every = [np.stack([getattr(s, name) for s in cache.steps]) for name in self.states]
        finals = tuple(one[last, rows] for one in every)
        return every[0] * inside(len(xs), lengths), finals, cache

    def _run_backward(
        self, dhs: Array, cache: Any, dfinals: tuple[Array, ...], lengths: Array
    ) -> tuple[Array, tuple[Array, ...], Any]:
        """Run one cell backward; final states' gradients enter where each sequence ends."""
        nothing = [np.zeros_like(one) for one in dfinals]
        return run_backward(entered(dhs, dfinals, lengths), cache, nothing)
