"""Parameters to and from PyTorch, whose names and slices this course shares."""

from __future__ import annotations  # types of a framework that may be missing

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.cell import LSTMParams
from lstm_course.interop.stacking import stacked, two_biases
from lstm_course.layers import LSTM, Stack
from lstm_course.variants import (
    GRUParams,
    PeepholeParams,
    ProjectedParams,
    StandardParams,
    Variant,
)
from lstm_course.variants.recurrence import Params

if TYPE_CHECKING:
    import torch


def from_pytorch(
    module: torch.nn.RNNBase | torch.nn.LSTMCell | torch.nn.GRUCell | Mapping[str, torch.Tensor],
    *,
    rng: np.random.Generator | None = None,
) -> LSTM | Variant:
    """Return a PyTorch module's layers in NumPy, with copies of its parameters.

    An LSTM's two biases become one, their sum; a GRU keeps both. If there are none, they are 0. The
    result reads (T, N, D) even if the module has `batch_first`. States have the same layout in
    both. Dropout acts between layers, so with a single layer it does nothing and is left out.

    Parameters
    ----------
    module
        A torch.nn.LSTM, LSTMCell, GRU or GRUCell, or a module of lstm_course.pytorch, of float32 or
        float64, on any device; or a `state_dict` that holds the parameters of exactly one of them,
        under any prefix. A state_dict doesn't store dropout, so the result has none.
    rng
        The source of randomness for dropout; np.random.default_rng(0) if not given.

    Returns
    -------
    layer
        An lstm_course.LSTM for an LSTM; a Variant for others: "projected" for an LSTM with a
        `proj_size`, "peepholes" for an lstm_course.pytorch.PeepholeLSTM, "GRU" for a GRU. It has
        the module's sizes, directions, dropout and dtype. Its `params` are those of its cells,
        layer by layer, forward direction first.

    Raises
    ------
    ImportError
        PyTorch is not installed.
    TypeError
        The module is of another kind, or its parameters are not all float32 or all float64.
    ValueError
        The module has something that the result can't have: a dropout of 1, or parameters on the
        device "meta", which have no values; or a state_dict does not hold exactly one LSTM or GRU.

    References
    ----------
    Names, slices and the order of layers and directions: the documentation of torch.nn.LSTM and
    torch.nn.GRU.

    Examples
    --------
    >>> import torch
    >>> module = torch.nn.LSTM(3, 2, num_layers=2, bidirectional=True, dtype=torch.float64)
    >>> lstm = from_pytorch(module)
    >>> lstm.params[3].weight_ih.shape  # the second layer backward, which reads 2 H numbers
    (8, 4)
    >>> hs, _, _ = lstm.forward(np.ones((5, 4, 3)))
    >>> np.allclose(hs, module(torch.ones(5, 4, 3, dtype=torch.float64))[0].detach())
    True
    >>> from_pytorch(torch.nn.GRU(3, 2)).cell
    'GRU'
    """
    from lstm_course import pytorch  # if PyTorch is missing, this says so

    # isort: split
    import torch

    dropout = 0.0
    if isinstance(module, Mapping):
        found = _only_one(module)
    elif isinstance(module, torch.nn.LSTMCell | torch.nn.GRUCell):
        found = {kind + "_l0": getattr(module, kind) for kind in _kinds(module.bias)}
    elif isinstance(module, torch.nn.LSTM | torch.nn.GRU | pytorch.PeepholeLSTM):
        kinds, dropout = _kinds(module.bias), module.dropout
        kinds += ("weight_hr",) * (module.proj_size > 0)
        kinds += ("weight_ch",) * isinstance(module, pytorch.PeepholeLSTM)
        ends = _suffixes(module.num_layers, 2 if module.bidirectional else 1)
        found = {kind + s: getattr(module, kind + s) for s in ends for kind in kinds}
    else:
        raise TypeError(
            "module must be a torch.nn.LSTM, LSTMCell, GRU or GRUCell, a module of "
            f"lstm_course.pytorch, or a state_dict, got {type(module).__name__}"
        )
    dtypes = {tensor.dtype for tensor in found.values()}
    if dtypes not in ({torch.float32}, {torch.float64}):
        came = " and ".join(sorted(map(str, dtypes)))
        raise TypeError(f"module has parameters of {came}, expected torch.float32 or torch.float64")
    if any(tensor.is_meta for tensor in found.values()):
        raise ValueError('module is on the device "meta", expected parameters that have values')
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in found.items()}
    layers, directions = _counts(found)
    cells = [_cell(arrays, s) for s in _suffixes(layers, directions)]
    return stacked(cells, directions, dropout, rng)


def _cell(arrays: Mapping[str, Array], s: str) -> Any:
    """Return the parameters of the cell whose names end in `s`."""
    weights = arrays["weight_ih" + s], arrays["weight_hh" + s]
    none = np.zeros(len(weights[0]), weights[0].dtype)
    b_ih, b_hh = (arrays.get(kind + s, none) for kind in _BIASES)
    if "weight_hr" + s in arrays:
        return ProjectedParams(*weights, b_ih + b_hh, arrays["weight_hr" + s])
    if "weight_ch" + s in arrays:
        return PeepholeParams(*weights, b_ih + b_hh, arrays["weight_ch" + s])
    if len(none) == 3 * weights[1].shape[1]:
        return GRUParams(*weights, b_ih, b_hh)
    return LSTMParams(*weights, b_ih + b_hh)


def _only_one(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the parameters of the one LSTM or GRU of a state_dict, named as in torch.nn.LSTM."""
    pattern = re.compile(r"(.*?)((?:weight|bias)_(?:ih|hh|hr|ch))(_l\d+(?:_reverse)?)?")
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        if match := pattern.fullmatch(name):
            prefix, kind, suffix = match.groups()
            groups.setdefault(prefix, {})[kind + (suffix or "_l0")] = tensor
    if len(groups) != 1:
        came = " and ".join(map(repr, groups)) or "none"
        raise ValueError(f"module has LSTMs or GRUs under the prefixes {came}, expected just one")
    (found,) = groups.values()
    own = [kind for kind in _OWN if any(name.startswith(kind) for name in found)]
    kinds = (*_kinds(any(name.startswith("bias") for name in found)), *own)
    expected = {kind + s for s in _suffixes(*_counts(found)) for kind in kinds}
    off = sorted(set(found) ^ expected)
    if not off:
        H = found[(*own, "weight_hh")[0] + "_l0"].shape[-1]
        if found["weight_hh_l0"].shape[0] not in ((4 * H,) if own else (3 * H, 4 * H)):
            off = ["weight_hh_l0"]
    if off:
        raise ValueError(
            f"module is not a whole LSTM or GRU: {off[0]} is missing, left over or of another size"
        )
    return found


def _counts(found: Mapping[str, torch.Tensor]) -> tuple[int, int]:
    """Return how many layers and directions there are, judging by the parameters' names."""
    layers = sum(re.fullmatch(r"weight_ih_l\d+", name) is not None for name in found)
    return layers, 2 if "weight_ih_l0_reverse" in found else 1


def to_pytorch(layer: LSTM | Variant | LSTMParams | Params) -> torch.nn.RNNBase:
    """Return a PyTorch module with copies of the parameters, on the CPU.

    An LSTM's bias goes into `bias_ih`, and `bias_hh` is 0. Dropout acts between layers, so with a
    single layer it does nothing and is left out.

    Parameters
    ----------
    layer
        An lstm_course.LSTM; a Variant "standard", "projected", "peepholes" or "GRU"; or the
        parameters of one of their cells, for one layer in one direction.

    Returns
    -------
    module
        A torch.nn.LSTM, a torch.nn.GRU, or for peepholes, which PyTorch does not have, an
        lstm_course.pytorch.PeepholeLSTM, of the same sizes, directions, dropout and dtype.

    Raises
    ------
    ImportError
        PyTorch is not installed.
    TypeError
        `layer` is something else.

    References
    ----------
    As for `from_pytorch`.

    Examples
    --------
    >>> from lstm_course import example
    >>> module = to_pytorch(example.params)
    >>> module
    LSTM(3, 2)
    >>> np.array_equal(from_pytorch(module).params[0].bias, example.params.bias)
    True
    """
    from lstm_course import pytorch

    # isort: split
    import torch

    cells, directions, dropout = (layer,), 1, 0.0
    if isinstance(layer, Stack):
        cells, directions, dropout = layer.params, layer.directions, layer.dropout.rate
    kinds: dict[type, Any] = {
        LSTMParams: torch.nn.LSTM,
        StandardParams: torch.nn.LSTM,
        ProjectedParams: torch.nn.LSTM,
        PeepholeParams: pytorch.PeepholeLSTM,
        GRUParams: torch.nn.GRU,
    }
    kind = kinds.get(type(cells[0]))
    if kind is None:
        raise TypeError(
            'layer must be an lstm_course.LSTM, a Variant "standard", "projected", "peepholes" or '
            f'"GRU", or the parameters of one of their cells, got {_described(layer)}'
        )
    layers = len(cells) // directions
    state = {}
    for cell, s in zip(cells, _suffixes(layers, directions), strict=True):
        for name, array in _named(cell).items():
            state[name + s] = torch.from_numpy(np.array(array, order="C"))
    first = cells[0]
    module = kind(
        first.input_size,
        first.hidden_size,
        layers,
        dropout=dropout if layers > 1 else 0.0,  # PyTorch would warn about it
        bidirectional=directions == 2,
        device="cpu",
        dtype=state["weight_hh_l0"].dtype,
        **(first.further_sizes() if isinstance(first, ProjectedParams) else {}),
    )
    module.load_state_dict(state)
    return module


def _named(cell: Any) -> dict[str, Array]:
    """Return the arrays of a cell under PyTorch's names."""
    named = {"weight_ih": cell.weight_ih, "weight_hh": cell.weight_hh}
    named |= dict(zip(_BIASES, two_biases(cell), strict=True))
    if isinstance(cell, ProjectedParams):
        named["weight_hr"] = cell.weight_hr
    if isinstance(cell, PeepholeParams):
        named["weight_ch"] = cell.peephole
    return named


def _described(value: object) -> str:
    if isinstance(value, Variant):
        return f"a Variant {value.cell!r}"
    return f"{type(value).__module__}.{type(value).__name__}"  # there are several LSTMs


_BIASES = ("bias_ih", "bias_hh")
_OWN = ("weight_hr", "weight_ch")  # of a projection, of peepholes


def _kinds(bias: bool) -> tuple[str, ...]:
    return ("weight_ih", "weight_hh", *(_BIASES if bias else ()))


def _suffixes(layers: int, directions: int) -> list[str]:
    """Return the endings of PyTorch's parameter names, layer by layer, forward direction first."""
    ends = ("", "_reverse")[:directions]
    return [f"_l{layer}{end}" for layer in range(layers) for end in ends]
