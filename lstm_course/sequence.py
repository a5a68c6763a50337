"""The cell over a sequence: the readable loop."""

from collections.abc import Sequence

import numpy as np

from lstm_course._checks import Array, check_sums, finite, float_array, state, tiny_is_zero
from lstm_course.cell import LSTMParams, StepCache, check_params, step, step_backward


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
        One StepCache per step.

    Raises
    ------
    TypeError
        An argument is not a float array, or its dtype is not the parameters'.
    ValueError
        A shape does not fit, T or N is 0, an argument holds NaN or infinity, or a gate's sum may
        overflow, by the bound that `lstm_step` states.

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
    h, c = state("h0", h0, (N, H), dtype), state("c0", c0, (N, H), dtype)
    check_sums(xs, h, params)
    hs = np.empty((T, N, H), dtype)
    cache = []
    for t in range(T):
        cache.append(step(xs[t], h, c, params))
        h, c = cache[t].h, cache[t].c
        hs[t] = h
    return hs, (h.copy(), c.copy()), cache  # the cache stays as it is


@tiny_is_zero
def lstm_backward(
    dhs: Array,
    cache: Sequence[StepCache],
    dh_T: Array | None = None,
    dc_T: Array | None = None,
    dcs: Array | None = None,
) -> tuple[Array, Array, Array, LSTMParams]:
    """Run the cell backward through time, from the last step to the first.

    Parameters
    ----------
    dhs
        (T, N, H) gradients of the loss with respect to the hidden state of every step, along
        the paths that do not lead through a later step.
    cache
        The third result of `lstm_forward`.
    dh_T, dc_T
        (N, H) further gradients with respect to the final states; zeros if not given. `dh_T` is
        added to the last row of `dhs`.
    dcs
        (T, N, H) gradients with respect to the cell state of every step, for a loss that reads
        it before the end; zeros if not given.

    Returns
    -------
    dxs
        (T, N, D) gradients with respect to the inputs.
    dh0, dc0
        (N, H) gradients with respect to the initial states.
    grads
        Gradients of the parameters, summed over steps and batch, as an LSTMParams.

    Raises
    ------
    TypeError
        A gradient is not a float array of the cache's dtype.
    ValueError
        The cache is empty, a shape does not fit, or a gradient holds NaN or infinity.

    References
    ----------
    Werbos (1990), doi:10.1109/5.58337; for the cell as in `lstm_step_backward`.

    Examples
    --------
    >>> from lstm_course import example
    >>> hs, _, cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    >>> dxs, dh0, dc0, grads = lstm_backward(np.ones_like(hs), cache)
    >>> dc0.round(4)
    array([[0.1698, 0.6487]])
    """
    _check_cache(cache)
    params = cache[0].params
    (N, H), dtype = cache[0].c.shape, cache[0].c.dtype
    dhs = finite("dhs", float_array("dhs", dhs, (len(cache), N, H), dtype))
    dh, dc = state("dh_T", dh_T, (N, H), dtype), state("dc_T", dc_T, (N, H), dtype)
    dcs = state("dcs", dcs, dhs.shape, dtype)
    dxs = np.empty((len(cache), N, params.input_size), dtype)
    grads = LSTMParams(*(np.zeros_like(array) for array in params.arrays()))
    for t in reversed(range(len(cache))):
        # What the loss sends to this step, and what comes back from the steps after it.
        dxs[t], dh, dc, at_t = step_backward(dhs[t] + dh, dcs[t] + dc, cache[t])
        for total, part in zip(grads.arrays(), at_t.arrays(), strict=True):
            total += part  # the same parameters served at every step
    return dxs, dh, dc, grads


def trace(cache: Sequence[StepCache]) -> dict[str, Array]:
    """Stack what every step computed, to plot it or look inside.

    Parameters
    ----------
    cache
        The cache of `lstm_forward`.

    Returns
    -------
    A dict with the keys i, f, g, o, c, tanh_c and h, each a (T, N, H) array.

    Raises
    ------
    TypeError
        The cache is not a list of StepCache.
    ValueError
        The cache is empty.

    Examples
    --------
    >>> from lstm_course import example
    >>> *_, cache = lstm_forward(example.xs, example.params, example.h0, example.c0)
    >>> trace(cache)["f"][:, 0, 0].round(2)  # unit 0 forgets, then keeps
    array([0.14, 0.74, 0.96])
    """
    _check_cache(cache)
    names = ("i", "f", "g", "o", "c", "tanh_c", "h")
    return {name: np.stack([getattr(one, name) for one in cache]) for name in names}


def _check_cache(cache: object) -> None:
    if isinstance(cache, StepCache) or not isinstance(cache, Sequence):
        came = type(cache).__name__
    elif not cache:
        raise ValueError("cache is empty, expected one StepCache per step")
    else:
        others = [type(one).__name__ for one in cache if not isinstance(one, StepCache)]
        if not others:
            return
        came = f"a {type(cache).__name__} with {others[0]}"
    raise TypeError(
        f"cache must be the third result of lstm_forward, a list of StepCache, got {came}"
    )
