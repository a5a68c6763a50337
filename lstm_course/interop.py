"""Parameters to and from other frameworks: the same numbers under other names, orders and shapes.

Each function imports the framework that it needs.
"""

from __future__ import annotations  # types of a framework that may be missing

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lstm_course.cell import LSTMParams
from lstm_course.layers import LSTM

if TYPE_CHECKING:
    import torch


def from_pytorch(
    module: torch.nn.LSTM | torch.nn.LSTMCell | Mapping[str, torch.Tensor],
    *,
    rng: np.random.Generator | None = None,
) -> LSTM:
    """Return a PyTorch module's layers in NumPy, with copies of its parameters.

    The two biases become one, their sum; where there are none it is 0. The result reads (T, N, D)
    even if the module has `batch_first`. States have the same layout in both. Dropout acts between
    layers, so that of a single layer, which does nothing, is left out.

    Parameters
    ----------
    module
        A torch.nn.LSTM, torch.nn.LSTMCell or lstm_course.pytorch.LSTM of float32 or float64, on
        any device; or a `state_dict` that holds the parameters of exactly one of them, under any
        prefix. A state_dict does not know of dropout, and the result has none then.
    rng
        The source of randomness for dropout; np.random.default_rng(0) if not given.

    Returns
    -------
    lstm
        An lstm_course.LSTM of the module's sizes, directions, dropout and dtype. Its `params` are
        LSTMParams, layer by layer, forward direction first.

    Raises
    ------
    ImportError
        PyTorch is not installed.
    TypeError
        The module is no LSTM, or its parameters are not all float32 or all float64.
    ValueError
        The module has what the result cannot: a projection, a dropout of 1, or parameters on the
        device "meta", which have no values; or a state_dict holds no LSTM, several, or a part.

    References
    ----------
    Names, slices and the order of layers and directions: the documentation of torch.nn.LSTM.

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
    """
    from lstm_course import pytorch  # noqa: F401  # it says what is missing if PyTorch is

    # isort: split
    import torch

    if isinstance(module, Mapping):
        found, dropout = _only_lstm(module), 0.0
    elif isinstance(module, torch.nn.LSTMCell):
        kinds, dropout = _KINDS if module.bias else _KINDS[:2], 0.0
        found = {f"{kind}_l0": getattr(module, kind).detach() for kind in kinds}
    elif isinstance(module, torch.nn.LSTM):
        if module.proj_size:
            raise ValueError(
                f"module has proj_size {module.proj_size}, expected 0: "
                "lstm_course.LSTM does not project its hidden states"
            )
        kinds, dropout = _KINDS if module.bias else _KINDS[:2], module.dropout
        ends = _suffixes(module.num_layers, 2 if module.bidirectional else 1)
        found = {kind + s: getattr(module, kind + s).detach() for s in ends for kind in kinds}
    else:
        raise TypeError(
            "module must be a torch.nn.LSTM, torch.nn.LSTMCell or lstm_course.pytorch.LSTM, "
            f"or a state_dict, got {type(module).__name__}"
        )
    layers, directions = _counts(found)
    suffixes = _suffixes(layers, directions)
    dtypes = {tensor.dtype for tensor in found.values()}
    if dtypes not in ({torch.float32}, {torch.float64}):
        came = " and ".join(sorted(map(str, dtypes)))
        raise TypeError(f"module has parameters of {came}, expected torch.float32 or torch.float64")
    if any(tensor.is_meta for tensor in found.values()):
        raise ValueError('module is on the device "meta", expected parameters that have values')
    arrays = {name: tensor.cpu().numpy() for name, tensor in found.items()}
    lstm = LSTM(
        arrays["weight_ih_l0"].shape[1],
        arrays["weight_hh_l0"].shape[1],
        layers,
        directions == 2,
        dropout if layers > 1 else 0.0,
        rng=np.random.default_rng(0) if rng is None else rng,
        dtype=arrays["weight_hh_l0"].dtype,
    )
    for params, s in zip(lstm.params, suffixes, strict=True):
        params.weight_ih[:] = arrays["weight_ih" + s]
        params.weight_hh[:] = arrays["weight_hh" + s]
        biases = (arrays[kind + s] for kind in _KINDS[2:] if kind + s in arrays)
        params.bias[:] = sum(biases)  # of none it is 0
    return lstm


def _only_lstm(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the parameters of the one LSTM of a state_dict, named as in torch.nn.LSTM."""
    pattern = re.compile(r"(.*?)((?:weight|bias)_(?:ih|hh|hr))(_l\d+(?:_reverse)?)?")
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        if match := pattern.fullmatch(name):
            prefix, kind, suffix = match.groups()
            groups.setdefault(prefix, {})[kind + (suffix or "_l0")] = tensor.detach()
    if len(groups) != 1:
        came = " and ".join(repr(prefix) for prefix in groups) or "none"
        raise ValueError(f"module has LSTMs under the prefixes {came}, expected exactly one")
    (found,) = groups.values()
    H = found["weight_hh_l0"].shape[-1] if "weight_hh_l0" in found else 0
    if any("weight_hr" in name for name in found):
        raise ValueError("module has a projection: lstm_course.LSTM does not project hidden states")
    layers, directions = _counts(found)
    kinds = _KINDS if any("bias" in name for name in found) else _KINDS[:2]
    expected = {kind + s for s in _suffixes(layers, directions) for kind in kinds}
    if set(found) != expected or found["weight_ih_l0"].shape[0] != 4 * H:
        off = sorted(set(found) ^ expected) or ["weight_ih_l0"]
        raise ValueError(f"module is no whole LSTM: {off[0]} is missing, left over or too small")
    return found


def _counts(found: Mapping[str, torch.Tensor]) -> tuple[int, int]:
    """Return how many layers and directions the names of parameters tell of."""
    layers = sum(re.fullmatch(r"weight_ih_l\d+", name) is not None for name in found)
    return layers, 2 if "weight_ih_l0_reverse" in found else 1


def to_pytorch(lstm: LSTM | LSTMParams) -> torch.nn.LSTM:
    """Return a torch.nn.LSTM with copies of the parameters, on the CPU.

    `bias_ih` holds the bias and `bias_hh` zeros. Dropout acts between layers, so that of a single
    layer, which does nothing, is left out.

    Parameters
    ----------
    lstm
        An lstm_course.LSTM, or the LSTMParams of one layer in one direction.

    Returns
    -------
    module
        A torch.nn.LSTM of the same sizes, directions, dropout and dtype.

    Raises
    ------
    ImportError
        PyTorch is not installed.
    TypeError
        `lstm` is neither.

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
    from lstm_course import pytorch  # noqa: F401

    # isort: split
    import torch

    _check_lstm(lstm)
    stack: tuple[LSTMParams, ...]
    if isinstance(lstm, LSTMParams):
        stack, layers, directions, dropout = (lstm,), 1, 1, 0.0
    else:
        stack, layers, directions = lstm.params, lstm.num_layers, lstm.directions
        dropout = lstm.dropout.rate if layers > 1 else 0.0  # of which PyTorch would warn
    state = {}
    for params, s in zip(stack, _suffixes(layers, directions), strict=True):
        arrays = (*params.arrays(), np.zeros_like(params.bias))
        for kind, array in zip(_KINDS, arrays, strict=True):
            state[kind + s] = torch.from_numpy(np.array(array, order="C"))
    module = torch.nn.LSTM(
        stack[0].input_size,
        stack[0].hidden_size,
        layers,
        dropout=dropout,
        bidirectional=directions == 2,
        device="cpu",
        dtype=state["weight_hh_l0"].dtype,
    )
    module.load_state_dict(state)
    return module


def _check_lstm(lstm: object) -> None:
    if not isinstance(lstm, LSTM | LSTMParams):
        came = f"{type(lstm).__module__}.{type(lstm).__name__}"  # there are several LSTMs
        raise TypeError(f"lstm must be an lstm_course.LSTM or LSTMParams, got {came}")


_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def _suffixes(layers: int, directions: int) -> list[str]:
    """Return what PyTorch's names of parameters end in, layer by layer, forward direction first."""
    ends = ("", "_reverse")[:directions]
    return [f"_l{layer}{end}" for layer in range(layers) for end in ends]
