"""The cell over a sequence: the readable loop."""

from collections.abc import Sequence

import numpy as np

from lstm_course._checks import Array, finite, float_array
from lstm_course.cell import LSTMParams, StepCache, check_params, step


def lstm_forward(
    xs: Array, params: LSTMParams, h0: Array | None = None, c0: Array | None = None
) -> tuple[Array, tuple[Array, Array], list[StepCache]]:
    """Run the cell over a batch of sequences, one step after the other.

    Parameters
    ----------
    xs
        (T, N, D) inputs, time first.
    params
        The cell's parameters, the same at every step.
    h0, c0
        (N, H) initial hidden and cell state; zeros if not given.

    Returns
    -------
    hs
        (T, N, H) hidden state after every step.
    (h_T, c_T)
        (N, H) final hidden and cell state.
    cache
        One StepCache a step.

    Raises
    ------
    TypeError
        An argument is not a float array, or its dtype is not the parameters'.
    ValueError
        A shape does not fit, T or N is 0, or an argument holds NaN or infinity.

    References
    ----------
    As for `lstm_step`.

    Examples
    --------
    >>> from lstm_course import example
    >>> hs, (h_T, c_T), cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    >>> hs.shape, len(cache)
    ((3, 1, 2), 3)
    >>> c_T.round(4)
    array([[0.9412, 0.309 ]])
    """
    check_params(params)
    dtype, D, H = params.bias.dtype, params.input_size, params.hidden_size
    xs = finite("xs", float_array("xs", xs, ("T", "N", D), dtype))
    T, N, _ = xs.shape
    h = np.zeros((N, H), dtype) if h0 is None else float_array("h0", h0, (N, H), dtype)
    c = np.zeros((N, H), dtype) if c0 is None else float_array("c0", c0, (N, H), dtype)
    finite("h0", h)
    finite("c0", c)
    hs = np.empty((T, N, H), dtype)
    cache = []
    for t in range(T):
        cache.append(step(xs[t], h, c, params))
        h, c = cache[t].h, cache[t].c
        hs[t] = h
    return hs, (h, c), cache


def trace(cache: Sequence[StepCache]) -> dict[str, Array]:
    """Stack what every step computed, for plots and for looking inside.

    Parameters
    ----------
    cache
        The cache of `lstm_forward`.

    Returns
    -------
    dict with the keys i, f, g, o, c, tanh_c, h, each a (T, N, H) array.

    Raises
    ------
    ValueError
        The cache is empty.

    Examples
    --------
    >>> from lstm_course import example
    >>> *_, cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    >>> trace(cache)["f"][:, 0, 0].round(2)  # unit 0 forgets, then keeps
    array([0.14, 0.74, 0.96])
    """
    if not cache:
        raise ValueError("cache is empty, expected one StepCache a step")
    names = ("i", "f", "g", "o", "c", "tanh_c", "h")
    return {name: np.stack([getattr(one, name) for one in cache]) for name in names}
