"""Modules in the shape of torch.nn.LSTMCell and torch.nn.LSTM, made of the course's own step."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lstm_course._checks import size
from lstm_course.pytorch.fused import fused
from lstm_course.pytorch.hoisted import hoisted
from lstm_course.pytorch.loop import Weights, loop, step

Run = Callable[
    [Tensor, Sequence[int], Tensor, Tensor, Weights],
    tuple[Tensor, Tensor, Tensor],
]
BACKENDS: dict[str, Run] = {"loop": loop, "hoisted": hoisted, "fused": fused}
"""The backends of the course. "cudnn" is none of them: it is what PyTorch itself would run."""

FASTEST = {"cpu": "cudnn", "cuda": "cudnn"}
"""What "auto" means on a device: the fastest of what has run there; elsewhere "loop".

On a CPU, PyTorch's own is ahead for short steps and level with "hoisted" for wide ones. On a GPU
nothing of ours has run yet.
"""


class LSTMCell(nn.LSTMCell):
    """One step of the LSTM cell, in place of torch.nn.LSTMCell: the same parameters and results.

    It is a torch.nn.LSTMCell, with the course's own step.

    Parameters
    ----------
    input_size, hidden_size
        D and H.
    bias
        Whether there are biases.
    device, dtype
        Of the parameters.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    Examples
    --------
    >>> cell = LSTMCell(3, 2)
    >>> h, c = cell(torch.ones(4, 3))
    >>> h.shape, c.shape
    (torch.Size([4, 2]), torch.Size([4, 2]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            size("input_size", input_size),
            size("hidden_size", hidden_size),
            _flag("bias", bias),
            device,
            dtype,
        )

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take one step.

        Parameters
        ----------
        input
            (N, D) or, without a batch, (D,).
        hx
            h and c, (N, H) or (H,); zeros if not given.

        Returns
        -------
        h, c
            The new states, of the same shapes.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape, dtype or device.
        """
        D, H = self.input_size, self.hidden_size
        _check_input(input, self.weight_ih, (("N", D), (D,)))
        states = (*input.shape[:-1], H)
        h, c = _states(hx, input, states, states)
        x, h, c = (row.reshape(-1, row.shape[-1]) for row in (input, h, c))
        bias = self.bias_ih + self.bias_hh if self.bias else None
        h, c = step(x, h, c, Weights(self.weight_ih, self.weight_hh, bias))
        return h.view(states), c.view(states)


class LSTM(nn.LSTM):
    """LSTM layers over a sequence, in place of torch.nn.LSTM: the same parameters and results.

    It is a torch.nn.LSTM: code that looks for one finds it, either module loads the other's
    `state_dict`, and drawn from one seed they are equal. Only `forward` is the course's own. Under
    autocast the layers run in autocast's dtype, states included, as cuDNN's do; float64 stays.

    As with torch.nn.LSTM, torch.compile breaks its graph at the module; it compiles "loop" and
    "hoisted" as graphs of their own. torch.export unrolls the steps: N may be dynamic, but not T.
    It takes "hoisted" under torch.no_grad() alone.

    Parameters
    ----------
    input_size, hidden_size
        D and H.
    num_layers
        How many layers, each reading the hidden states of the one below.
    bias
        Whether there are biases.
    batch_first
        Whether inputs and outputs are (N, T, ...) instead of (T, N, ...). States never are.
    dropout
        Share of the hidden states dropped between layers while training.
    bidirectional
        Whether each layer reads in both directions.
    proj_size
        P, the size to which hidden states are projected; 0 for none, and P is H then.
    device, dtype
        Of the parameters: float64, float32, bfloat16 or float16.
    backend
        "loop", one step after the other, with PyTorch's autograd for the way back: the one to
        read, and the one that has second derivatives. "hoisted", forward and backward written by
        hand, what does not depend on the state out of the loops; in sixteen bits it keeps the cell
        state and its gradient in float32 between steps. "fused", the same with Triton kernels; not
        yet run on a GPU. "cudnn", PyTorch's own, for comparison: cuDNN on a GPU,
        oneDNN or ATen on a CPU. "auto", what is fastest on the device; see `picked`.

    Raises
    ------
    TypeError, ValueError
        An argument is out of its range.

    References
    ----------
    As for `step`; two directions: Graves and Schmidhuber (2005),
    doi:10.1016/j.neunet.2005.06.042.

    Examples
    --------
    >>> lstm = LSTM(3, 2, num_layers=2, bidirectional=True, backend="hoisted")
    >>> hs, (h_n, c_n) = lstm(torch.ones(5, 4, 3))
    >>> hs.shape, h_n.shape
    (torch.Size([5, 4, 4]), torch.Size([4, 4, 2]))
    >>> lstm.picked, LSTM(3, 2).picked  # on a CPU
    ('hoisted', 'cudnn')
    >>> theirs = torch.nn.LSTM(3, 2, num_layers=2, bidirectional=True)
    >>> theirs.load_state_dict(lstm.state_dict())
    <All keys matched successfully>
    >>> torch.allclose(theirs(torch.ones(5, 4, 3))[0], hs, atol=1e-6)
    True
    """

    weight_hh_l0: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        backend: str = "auto",
    ) -> None:
        if backend not in ("auto", *BACKENDS, "cudnn"):
            names = ", ".join(("auto", *BACKENDS, "cudnn"))
            raise ValueError(f"backend must be one of {names}, got {backend!r}")
        H = size("hidden_size", hidden_size)
        P = proj_size if proj_size == 0 else size("proj_size", proj_size)
        if P >= H:
            raise ValueError(f"proj_size must be below hidden_size, {H}, got {P}")
        super().__init__(
            size("input_size", input_size),
            H,
            size("num_layers", num_layers),
            _flag("bias", bias),
            _flag("batch_first", batch_first),
            bidirectional=_flag("bidirectional", bidirectional),
            proj_size=P,
            device=device,
            dtype=dtype,
        )
        self.backend = backend
        self.dropout = _share("dropout", dropout)
        if dropout and num_layers == 1:
            warnings.warn(
                f"dropout acts between layers, and there is one layer: {dropout} does nothing",
                stacklevel=2,
            )

    @property
    def picked(self) -> str:
        """The backend that runs: the constructor's, or what "auto" means on the device."""
        if self.backend != "auto":
            return self.backend
        return FASTEST.get(self.weight_hh_l0.device.type, "loop")

    def forward(  # type: ignore[override]
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run all layers. Values are not looked at: NaN goes in and comes out.

        Parameters
        ----------
        input
            (T, N, D); (N, T, D) if `batch_first`; (T, D) without a batch; or a PackedSequence.
        hx
            h_0 (layers * directions, N, P) and c_0 (layers * directions, N, H), without N where
            the input has no batch; zeros if not given.

        Returns
        -------
        hs
            (T, N, directions * P) hidden states of the last layer, in the form of the input.
        (h_n, c_n)
            States after each sequence's last step, as `hx`.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type, shape, dtype or device.
        RuntimeError
            The backend cannot run here.
        """
        weight, D = self.weight_hh_l0, self.input_size
        sizes: Tensor | None = None
        order = back = None
        if isinstance(input, PackedSequence):
            _check_input(input.data, weight, (("sum of lengths", D),))
            xs, sizes, order, back = input
            batch = [int(sizes[0])]
        else:
            axes = ("N", "T") if self.batch_first else ("T", "N")
            _check_input(input, weight, ((*axes, D), ("T", D)))
            xs = input.transpose(0, 1) if self.batch_first and input.dim() == 3 else input
            T, *batch = xs.shape[:-1]
            if T == 0:
                raise ValueError(f"input has shape {tuple(input.shape)}, expected T at least 1")
            xs = xs if batch else xs.unsqueeze(1)
        cells = len(self.all_weights)
        h_shape = (cells, *batch, self.proj_size or self.hidden_size)
        c_shape = (cells, *batch, self.hidden_size)
        h, c = _states(hx, xs, h_shape, c_shape)
        if not batch:
            h, c = h.unsqueeze(1), c.unsqueeze(1)
        if order is not None:
            h, c = (s.index_select(1, order) for s in (h, c))

        run = self._own if self.picked == "cudnn" else self._layers
        if _autocasts(weight):
            dtype = torch.get_autocast_dtype(weight.device.type)
            with torch.autocast(weight.device.type, enabled=False):
                hs, h, c = run(xs.to(dtype), sizes, h.to(dtype), c.to(dtype))
        else:
            hs, h, c = run(xs, sizes, h, c)

        if back is not None:
            h, c = (s.index_select(1, back) for s in (h, c))
        if sizes is not None:
            return PackedSequence(hs, sizes, order, back), (h, c)
        if not batch:
            hs = hs.squeeze(1)
        elif self.batch_first:
            hs = hs.transpose(0, 1)
        return hs, (h.view(h_shape), c.view(c_shape))

    def extra_repr(self) -> str:
        """Say the sizes, and what is not the default."""
        backend = "" if self.backend == "auto" else f", backend={self.backend!r}"
        return super().extra_repr() + backend

    def _weights(self, cell: int, dtype: torch.dtype) -> Weights:
        """Return what a layer computes with in one direction; cells are counted as in `hx`."""
        weight_ih, weight_hh, *others = self.all_weights[cell]
        bias = others.pop(0) + others.pop(0) if self.bias else None
        weights = Weights(weight_ih, weight_hh, bias, *others)
        return Weights._make(one if one is None else one.to(dtype) for one in weights)

    def _layers(
        self, xs: Tensor, sizes: Tensor | None, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run all layers with the picked backend, on (T, N, D) or on a PackedSequence's rows."""
        run = BACKENDS[self.picked]
        counts = [xs.shape[1]] * xs.shape[0] if sizes is None else sizes.tolist()
        rows = xs if sizes is not None else xs.flatten(0, 1)
        turns = [None, turned(counts).to(xs.device)] if self.bidirectional else [None]
        h_n, c_n = [], []
        states = list(zip(h.unbind(0), c.unbind(0), strict=True))
        for layer in range(self.num_layers):
            if layer:
                rows = nn.functional.dropout(rows, self.dropout, self.training)
            sides = []
            for direction, turn in enumerate(turns):
                cell = layer * len(turns) + direction
                read = rows if turn is None else rows.index_select(0, turn)
                hs, *ends = run(read, counts, *states[cell], self._weights(cell, xs.dtype))
                sides.append(hs if turn is None else hs.index_select(0, turn))
                h_n.append(ends[0])
                c_n.append(ends[1])
            rows = torch.cat(sides, dim=1) if len(sides) > 1 else sides[0]
        hs = rows if sizes is not None else rows.unflatten(0, xs.shape[:2])
        return hs, torch.stack(h_n), torch.stack(c_n)

    def _own(
        self, xs: Tensor, sizes: Tensor | None, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run PyTorch's own layers, on (T, N, D) or on a PackedSequence's rows."""
        if xs.is_cuda:
            self._update_flat_weights()  # cuDNN copies what is not in one piece, at each call
        found = [parameter.to(xs.dtype) for cell in self.all_weights for parameter in cell]
        how = (found, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if sizes is None:
            return torch.lstm(xs, (h, c), *how, False)
        return torch.lstm(xs, sizes, (h, c), *how)


def turned(sizes: Sequence[int]) -> Tensor:
    """Return for each row of a batch laid out as in `loop` where it stands, read from the end.

    Each sequence is turned round within its own length, so that what is turned has the layout of
    what is not, and turning twice does nothing.

    Examples
    --------
    >>> turned([2, 2, 1])  # row 0 has steps 0, 2, 4, row 1 has steps 1, 3
    tensor([4, 3, 2, 1, 0])
    """
    if sizes[0] == sizes[-1]:
        rows = torch.arange(len(sizes) * sizes[0], device="cpu")
        return rows.view(len(sizes), sizes[0]).flip(0).flatten()
    counts = torch.tensor(sizes, device="cpu")  # wherever new tensors are made by default
    starts = counts.cumsum(0) - counts
    steps = torch.arange(len(sizes), device="cpu").repeat_interleave(counts)
    rows = torch.arange(len(steps), device="cpu") - starts[steps]
    lengths = (counts[:, None] > torch.arange(sizes[0], device="cpu")).sum(0)
    return starts[lengths[rows] - 1 - steps] + rows


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def _share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value}")
    return float(value)


def _shape(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _autocasts(tensor: Tensor) -> bool:
    """Return whether autocast is on and would cast the tensor."""
    casts = tensor.is_floating_point() and tensor.dtype != torch.float64
    available = torch.amp.is_autocast_available(tensor.device.type)  # not on the meta device
    return casts and available and torch.is_autocast_enabled(tensor.device.type)


def _check_tensor(name: str, value: object, like: Tensor, what: str) -> Tensor:
    """Return `value` if it is a tensor on the device and of the dtype of `like`."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a Tensor, got {type(value).__name__}")
    if value.device != like.device:
        raise ValueError(f"{name} is on {value.device}, expected {like.device} like {what}")
    if value.dtype != like.dtype and not (_autocasts(value) and _autocasts(like)):
        raise TypeError(f"{name} is {value.dtype}, expected {like.dtype} like {what}")
    return value


def _check_input(input: object, weight: Tensor, shapes: Sequence[Sequence[int | str]]) -> None:
    """Raise unless the input has one of the shapes; a letter stands for any size."""
    shape = _check_tensor("input", input, weight, "the parameters").shape
    if not any(len(shape) == len(wanted) and shape[-1] == wanted[-1] for wanted in shapes):
        expected = " or ".join(map(_shape, shapes))
        raise ValueError(f"input has shape {tuple(shape)}, expected {expected}")


def _states(
    hx: object, input: Tensor, h_shape: Sequence[int], c_shape: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return the initial states, of the shapes; zeros if none are given."""
    if hx is None:
        return input.new_zeros(h_shape), input.new_zeros(c_shape)
    if not isinstance(hx, tuple | list) or len(hx) != 2:
        came = f"{len(hx)} of them" if isinstance(hx, tuple | list) else type(hx).__name__
        raise TypeError(f"hx must be a pair of Tensors, h and c, got {came}")
    for name, state, shape in (("h", hx[0], h_shape), ("c", hx[1], c_shape)):
        found = tuple(_check_tensor(name, state, input, "the input").shape)
        if found != tuple(shape):
            raise ValueError(f"{name} has shape {found}, expected {_shape(shape)}")
    return hx[0], hx[1]
