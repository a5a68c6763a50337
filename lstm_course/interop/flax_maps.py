"""Parameters to and from Flax, which either gives each gate its own kernel or stacks them all."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lstm_course._checks import Array, float_array
from lstm_course.cell import LSTMParams
from lstm_course.interop.orders import ORDERS, reordered
from lstm_course.variants import GRUParams, StandardParams


def from_flax(params: Any) -> LSTMParams | GRUParams:
    """Return the parameters of a Flax cell.

    Parameters
    ----------
    params
        The parameters of a flax.linen LSTMCell, OptimizedLSTMCell or GRUCell, as its `init` returns
        them, with or without the outer "params"; or a cell of these names of flax.nnx, or its
        nnx.state. In linen, and in nnx's LSTMCell, the layer "ii" maps inputs to the input gate,
        "hi" maps hidden states to it, and so on; other cells of nnx have all gates in "dense_i"
        and "dense_h".

    Returns
    -------
    params
        LSTMParams or GRUParams, with copies of the numbers. An LSTM only has biases in its hidden
        layers. A GRU has them in its input layers, and one more in linen's "hn", which the reset
        gate multiplies; nnx lacks that one, so the candidate's `bias_hh` is 0.

    Raises
    ------
    ImportError
        `params` is not a mapping, and Flax is not installed.
    TypeError
        `params` is something else, or an array is not of float32 or float64.
    ValueError
        The layers are not those of these cells, or their shapes do not fit together.

    References
    ----------
    https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html#recurrent and
    https://flax.readthedocs.io/en/latest/api_reference/flax.nnx/nn/recurrent.html.

    Examples
    --------
    >>> gates = {"ii": 1.0, "if": 2.0, "ig": 3.0, "io": 4.0, "hi": 5.0, "hf": 6.0, "hg": 7.0}
    >>> layers = {name: {"kernel": np.full((1, 1), k)} for name, k in gates.items()}
    >>> layers["ho"] = {"kernel": np.full((1, 1), 8.0), "bias": np.array([9.0])}
    >>> params = from_flax({"params": layers})
    >>> params.weight_ih.T, params.bias
    (array([[1., 2., 3., 4.]]), array([0., 0., 0., 9.]))
    """
    if not isinstance(params, Mapping):
        try:
            nnx = importlib.import_module("flax.nnx")
        except ImportError:
            raise ImportError(
                "from_flax needs Flax to read a module; to install it: pip install flax"
            ) from None
        if not isinstance(params, nnx.Module):
            raise TypeError(
                "params must be the parameters of a cell of flax.linen, or a cell of flax.nnx, "
                f"got {type(params).__name__}"
            )
        params = nnx.state(params, nnx.Param)
    kind, sides = _found(params.get("params", params))
    (weight_ih, b_ih), (weight_hh, b_hh) = (
        [reordered(array, ORDERS["Flax"][kind], ORDERS["lstm_course"][kind]) for array in side]
        for side in sides
    )
    if kind == "GRU":
        return GRUParams(weight_ih, weight_hh, b_ih, b_hh)
    return LSTMParams(weight_ih, weight_hh, b_ih + b_hh)


def _found(params: Mapping[str, Any]) -> tuple[str, list[tuple[Array, Array]]]:
    """Return which cell it is, and the stacked weights and biases of inputs and hidden states."""
    layers = {name.rstrip("_"): layer for name, layer in params.items()}  # nnx has "if_"
    if set(layers) == {"dense_i", "dense_h"}:
        hidden = _stacked(layers, ["dense_h"], "kH")
        rows, H = hidden[0].shape
        for kind, letters in ORDERS["Flax"].items():
            if rows == len(letters) * H:
                return kind, [_stacked(layers, ["dense_i"], rows), hidden]
        raise ValueError(f"dense_h.kernel has shape {(H, rows)}, expected (H, 4H) or (H, 3H)")
    for kind, letters in ORDERS["Flax"].items():
        names = [[side + letter for letter in letters] for side in "ih"]
        if set(layers) == set(names[0] + names[1]):
            return kind, [_stacked(layers, side, "H") for side in names]
    raise ValueError(
        f"params has the layers {', '.join(sorted(layers)) or 'none'}, expected those of an "
        "LSTMCell, OptimizedLSTMCell or GRUCell"
    )


def _stacked(
    layers: Mapping[str, Any], names: Sequence[str], columns: int | str
) -> tuple[Array, Array]:
    """Return the kernels of some layers, transposed and stacked, and their biases."""
    kernels: list[Array] = []
    biases = []
    for name in names:
        if not isinstance(layers[name], Mapping):
            raise TypeError(f"{name} must hold a kernel, got {type(layers[name]).__name__}")
        shape, dtype = (kernels[0].shape, kernels[0].dtype) if kernels else (("D", columns), None)
        kernel = float_array(f"{name}.kernel", layers[name].get("kernel"), shape, dtype)
        bias = layers[name].get("bias", np.zeros(kernel.shape[1], kernel.dtype))
        kernels.append(kernel)
        biases.append(float_array(f"{name}.bias", bias, kernel.shape[1:], kernel.dtype))
    return np.concatenate(kernels, axis=1).T, np.concatenate(biases)


def to_flax(params: LSTMParams | StandardParams | GRUParams) -> dict[str, dict[str, Array]]:
    """Return the parameters of a flax.linen cell.

    Parameters
    ----------
    params
        LSTMParams or StandardParams for an LSTMCell or OptimizedLSTMCell, GRUParams for a GRUCell.

    Returns
    -------
    params
        What `cell.apply({"params": params}, carry, x)` reads. An LSTM's carry is (c, h), not
        (h, c).

    Raises
    ------
    TypeError
        `params` is something else.

    References
    ----------
    As for `from_flax`.

    Examples
    --------
    >>> from lstm_course import example
    >>> layers = to_flax(example.params)
    >>> sorted(layers)
    ['hf', 'hg', 'hi', 'ho', 'if', 'ig', 'ii', 'io']
    >>> layers["if"]["kernel"].shape, layers["hf"]["bias"].shape
    ((3, 2), (2,))
    """
    kinds: dict[type, str] = {LSTMParams: "LSTM", StandardParams: "LSTM", GRUParams: "GRU"}
    kind = kinds.get(type(params))
    if kind is None:
        raise TypeError(
            "params must be LSTMParams, StandardParams or GRUParams, whose reset gate acts where "
            f"Flax's does, got {type(params).__name__}"
        )
    letters = ORDERS["Flax"][kind]
    W, U, *biases = (
        np.split(reordered(array, ORDERS["lstm_course"][kind], letters), len(letters))
        for array in params.arrays()
    )
    layers: dict[str, dict[str, Array]] = {}
    for k, letter in enumerate(letters):
        layers["i" + letter] = {"kernel": W[k].T}
        layers["h" + letter] = {"kernel": U[k].T}
        if kind == "LSTM":
            layers["h" + letter]["bias"] = biases[0][k]
        elif letter == "n":
            layers["i" + letter]["bias"], layers["h" + letter]["bias"] = (b[k] for b in biases)
        else:
            layers["i" + letter]["bias"] = biases[0][k] + biases[1][k]
    return layers
