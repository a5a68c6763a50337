"""What all modules share: layers, directions, packed sequences, and the checks of arguments."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lstm_course._checks import size


class Stack(nn.RNNBase):
    """Layers of any cell, in one direction or both, over a batch of sequences.

    A kind of cell supplies the four attributes below and `_weights`, and may also inherit from
    PyTorch's module.
    """

    states: ClassVar[str]
    """The states that a step hands to the next: "hc" or "h"."""
    backends: ClassVar[Mapping[str, Callable[..., tuple[Tensor, ...]]]]
    """A function that runs one layer in one direction, called like `loop`, on a packed batch."""
    fastest: ClassVar[Mapping[str, str]]
    """What "auto" means on a kind of device; elsewhere it means "loop"."""
    cudnn: ClassVar[Any] = None
    """PyTorch's own function for all layers, if there is one."""

    weight_hh_l0: Tensor

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: Any,
        dtype: torch.dtype | None,
        backend: str,
    ) -> None:
        names = ["auto", *self.backends] + ["cudnn"] * (self.cudnn is not None)
        if backend not in names:
            raise ValueError(f"backend must be one of {', '.join(names)}, got {backend!r}")
        H = size("hidden_size", hidden_size)
        P = proj_size if proj_size == 0 else size("proj_size", proj_size)
        if P >= H:
            raise ValueError(f"proj_size must be below hidden_size, {H}, got {P}")
        # Not super(), since the constructor of nn.LSTM or nn.GRU would add its mode a second time.
        nn.RNNBase.__init__(
            self,
            mode,
            size("input_size", input_size),
            H,
            size("num_layers", num_layers),
            flag("bias", bias),
            flag("batch_first", batch_first),
            bidirectional=flag("bidirectional", bidirectional),
            proj_size=P,
            device=device,
            dtype=dtype,
        )
        self.backend = backend
        self.dropout = _share("dropout", dropout)
        if dropout and num_layers == 1:
            warnings.warn(
                f"dropout acts between layers, but there is one layer: {dropout} does nothing",
                stacklevel=3,
            )

    @property
    def picked(self) -> str:
        """The backend that runs: the constructor's, or the one that "auto" means on the device."""
        if self.backend != "auto":
            return self.backend
        return self.fastest.get(self.weight_hh_l0.device.type, "loop")

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """Run all layers. Values are not checked: if NaN goes in, NaN comes out.

        Parameters
        ----------
        input
            (T, N, D); (N, T, D) if `batch_first`; (T, D) without a batch; or a PackedSequence.
        hx
            h_0 (layers * directions, N, P); or, for a cell with a cell state, the pair of h_0 and
            c_0 (layers * directions, N, H). Without N if the input has no batch; zeros if not
            given. P is H without a projection.

        Returns
        -------
        hs
            (T, N, directions * P) hidden states of the last layer, in the form of the input.
        h_n or (h_n, c_n)
            States after each sequence's last step, in the form of `hx`.

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
            check_input(input.data, weight, (("sum of lengths", D),))
            xs, sizes, order, back = input
            batch = [int(sizes[0])]
        else:
            axes = ("N", "T") if self.batch_first else ("T", "N")
            check_input(input, weight, ((*axes, D), ("T", D)))
            xs = input.transpose(0, 1) if self.batch_first and input.dim() == 3 else input
            T, *batch = xs.shape[:-1]
            if T == 0:
                raise ValueError(f"input has shape {tuple(input.shape)}, expected T at least 1")
            xs = xs if batch else xs.unsqueeze(1)
        widths = {"h": self.proj_size or self.hidden_size, "c": self.hidden_size}
        shapes = [(len(self.all_weights), *batch, widths[letter]) for letter in self.states]
        states = initial_states(hx, xs, shapes)
        if not batch:
            states = [s.unsqueeze(1) for s in states]
        if order is not None:
            states = [s.index_select(1, order) for s in states]

        run = self._cudnn if self.picked == "cudnn" else self._layers
        if _autocasts(weight):
            dtype = torch.get_autocast_dtype(weight.device.type)
            with torch.autocast(weight.device.type, enabled=False):
                hs, *states = run(xs.to(dtype), sizes, [s.to(dtype) for s in states])
        else:
            hs, *states = run(xs, sizes, states)

        if back is not None:
            states = [s.index_select(1, back) for s in states]
        ends = _as_hx([s.view(shape) for s, shape in zip(states, shapes, strict=True)])
        if sizes is not None:
            return PackedSequence(hs, sizes, order, back), ends
        if not batch:
            hs = hs.squeeze(1)
        elif self.batch_first:
            hs = hs.transpose(0, 1)
        return hs, ends

    def extra_repr(self) -> str:
        """Return the sizes, and all settings that aren't the default."""
        backend = "" if self.backend == "auto" else f", backend={self.backend!r}"
        return super().extra_repr() + backend

    def _weights(self, cell: int) -> Any:
        """Return the weights of a layer in one direction; cells are counted as in `hx`."""
        raise NotImplementedError

    def _layers(
        self, xs: Tensor, sizes: Tensor | None, states: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Run all layers with the picked backend, on (T, N, D) or on a PackedSequence's rows."""
        run = self.backends[self.picked]
        counts = [xs.shape[1]] * xs.shape[0] if sizes is None else sizes.tolist()
        rows = xs if sizes is not None else xs.flatten(0, 1)
        turns = [None, turned(counts).to(xs.device)] if self.bidirectional else [None]
        starts = list(zip(*(s.unbind(0) for s in states), strict=True))
        ends = []
        for layer in range(self.num_layers):
            if layer:
                rows = nn.functional.dropout(rows, self.dropout, self.training)
            sides = []
            for direction, turn in enumerate(turns):
                cell = layer * len(turns) + direction
                read = rows if turn is None else rows.index_select(0, turn)
                weights = self._weights(cell)
                weights = weights._make(w if w is None else w.to(xs.dtype) for w in weights)
                hs, *end = run(read, counts, *starts[cell], weights)
                sides.append(hs if turn is None else hs.index_select(0, turn))
                ends.append(end)
            rows = torch.cat(sides, dim=1) if len(sides) > 1 else sides[0]
        hs = rows if sizes is not None else rows.unflatten(0, xs.shape[:2])
        return hs, *(torch.stack(end) for end in zip(*ends, strict=True))

    def _cudnn(
        self, xs: Tensor, sizes: Tensor | None, states: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Run PyTorch's own layers, on (T, N, D) or on a PackedSequence's rows."""
        if xs.is_cuda:
            self._update_flat_weights()  # cuDNN copies weights in pieces at each call
        found = [parameter.to(xs.dtype) for cell in self.all_weights for parameter in cell]
        how = (found, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        hx = _as_hx(states)
        if sizes is None:
            return self.cudnn(xs, hx, *how, False)
        return self.cudnn(xs, sizes, hx, *how)


def turned(sizes: Sequence[int]) -> Tensor:
    """Return for each row of a batch laid out as in `loop` its place when read from the end.

    Each sequence is reversed within its own length, so the reversed batch has the same layout, and
    reversing twice does nothing.

    Examples
    --------
    >>> turned([2, 2, 1])  # row 0 has steps 0, 2, 4, row 1 has steps 1, 3
    tensor([4, 3, 2, 1, 0])
    """
    if sizes[0] == sizes[-1]:
        rows = torch.arange(len(sizes) * sizes[0], device="cpu")
        return rows.view(len(sizes), sizes[0]).flip(0).flatten()
    counts = torch.tensor(sizes, device="cpu")  # whatever the default device for new tensors
    starts = counts.cumsum(0) - counts
    steps = torch.arange(len(sizes), device="cpu").repeat_interleave(counts)
    rows = torch.arange(len(steps), device="cpu") - starts[steps]
    lengths = (counts[:, None] > torch.arange(sizes[0], device="cpu")).sum(0)
    return starts[lengths[rows] - 1 - steps] + rows


def check_input(input: object, weight: Tensor, shapes: Sequence[Sequence[int | str]]) -> None:
    """Raise unless the input has one of the shapes; a letter stands for any size."""
    shape = _check_tensor("input", input, weight, "the parameters").shape
    if not any(len(shape) == len(wanted) and shape[-1] == wanted[-1] for wanted in shapes):
        expected = " or ".join(map(_shape, shapes))
        raise ValueError(f"input has shape {tuple(shape)}, expected {expected}")


def initial_states(hx: object, input: Tensor, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """Return h, or h and c, of the shapes; zeros if `hx` is None."""
    if hx is None:
        return [input.new_zeros(shape) for shape in shapes]
    if len(shapes) == 1:
        named = {"hx": hx}
    elif isinstance(hx, tuple | list) and len(hx) == 2:
        named = {"h": hx[0], "c": hx[1]}
    else:
        came = f"{len(hx)} of them" if isinstance(hx, tuple | list) else type(hx).__name__
        raise TypeError(f"hx must be a pair of Tensors, h and c, got {came}")
    states = []
    for (name, value), shape in zip(named.items(), shapes, strict=True):
        state = _check_tensor(name, value, input, "the input")
        if tuple(state.shape) != tuple(shape):
            raise ValueError(f"{name} has shape {tuple(state.shape)}, expected {_shape(shape)}")
        states.append(state)
    return states


def flag(name: str, value: object) -> bool:
    """Return `value`, which must be True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def _as_hx(states: Sequence[Tensor]) -> Any:
    """Return states in the form that PyTorch takes and returns: a pair, or h alone."""
    return tuple(states) if len(states) > 1 else states[0]


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
