"""Parameters to and from other frameworks: the same numbers under other names, orders and shapes.

Each function imports the framework that it needs.
"""

from __future__ import annotations  # types of a framework that may be missing

from typing import TYPE_CHECKING

import numpy as np

from lstm_course.cell import LSTMParams
from lstm_course.layers import LSTM

if TYPE_CHECKING:
    import torch

    from lstm_course import pytorch


def from_pytorch(
    module: torch.nn.LSTM | pytorch.LSTM, *, rng: np.random.Generator | None = None
) -> LSTM:
    """Return a PyTorch module's layers in NumPy, with copies of its parameters.

    The two biases become one, their sum; where there are none it is 0. The result reads (T, N, D)
    even if the module has `batch_first`. States have the same layout in both.

    Parameters
    ----------
    module
        A torch.nn.LSTM or lstm_course.pytorch.LSTM of float32 or float64, on any device.
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
        device "meta", which have no values.

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
    from lstm_course import pytorch  # first, for it says what is missing if PyTorch is

    # isort: split
    import torch

    if not isinstance(module, torch.nn.LSTM | pytorch.LSTM):
        raise TypeError(
            "module must be a torch.nn.LSTM or lstm_course.pytorch.LSTM, "
            f"got {type(module).__name__}"
        )
    if module.proj_size:
        raise ValueError(
            f"module has proj_size {module.proj_size}, expected 0: "
            "lstm_course.LSTM does not project its hidden states"
        )
    suffixes = _suffixes(module.num_layers, 2 if module.bidirectional else 1)
    kinds = _KINDS if module.bias else _KINDS[:2]
    found = {kind + s: getattr(module, kind + s).detach() for s in suffixes for kind in kinds}
    dtypes = {tensor.dtype for tensor in found.values()}
    if dtypes not in ({torch.float32}, {torch.float64}):
        came = " and ".join(sorted(map(str, dtypes)))
        raise TypeError(f"module has parameters of {came}, expected torch.float32 or torch.float64")
    if any(tensor.is_meta for tensor in found.values()):
        raise ValueError('module is on the device "meta", expected parameters that have values')
    arrays = {name: tensor.cpu().numpy() for name, tensor in found.items()}
    lstm = LSTM(
        module.input_size,
        module.hidden_size,
        module.num_layers,
        module.bidirectional,
        module.dropout,
        rng=np.random.default_rng(0) if rng is None else rng,
        dtype=arrays["weight_hh_l0"].dtype,
    )
    for params, s in zip(lstm.params, suffixes, strict=True):
        params.weight_ih[:] = arrays["weight_ih" + s]
        params.weight_hh[:] = arrays["weight_hh" + s]
        params.bias[:] = arrays["bias_ih" + s] + arrays["bias_hh" + s] if module.bias else 0
    return lstm


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
