"""Losses, each with its gradient."""

import numpy as np

from lstm_course._checks import (
    Array,
    finite,
    float_array,
    tiny_is_zero,
    unmasked,
    whole_numbers,
)


@tiny_is_zero
def softmax(logits: Array) -> Array:
    """Turn scores into probabilities along the last axis: exp(z) / sum(exp(z)).

    The largest score is subtracted first, which changes nothing and prevents overflow.

    Parameters
    ----------
    logits
        (..., K) scores, any real values.

    Returns
    -------
    (..., K) array without negative entries, in which each row sums to 1.

    Raises
    ------
    TypeError
        `logits` is not a float array.
    ValueError
        `logits` has no axis, or holds NaN or infinity.

    Examples
    --------
    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    return np.exp(_log_softmax(_logits(logits)))


@tiny_is_zero
def softmax_cross_entropy(
    logits: Array, targets: Array, mask: Array | None = None
) -> tuple[float, Array]:
    """Return the mean of -log p[target] over the counted positions, and its gradient.

    The gradient is (p - one_hot(target)) / count: what the model said, minus what was right.

    Parameters
    ----------
    logits
        (..., K) scores, such as (T, N, K).
    targets
        (...,) whole numbers from 0 to K - 1, the right class of each position.
    mask
        (...,) booleans, true where a position counts; all count if not given. What
        `targets` holds at other positions does not matter.

    Returns
    -------
    loss
        Mean over the counted positions, in nats.
    dlogits
        (..., K) gradient, 0 where the mask is false.

    Raises
    ------
    TypeError
        `logits` is not a float array, `targets` is not one of whole numbers, or `mask`
        not one of booleans.
    ValueError
        A shape does not fit, a target is out of range, no position counts, or an entry is NaN or
        infinite.

    References
    ----------
    Bridle (1990), doi:10.1007/978-3-642-76153-9_28.

    Examples
    --------
    >>> loss, dlogits = softmax_cross_entropy(np.array([[0.0, np.log(3.0)]]), np.array([1]))
    >>> round(loss, 4), dlogits.round(2)
    (0.2877, array([[ 0.25, -0.25]]))
    """
    logits = _logits(logits)
    targets = whole_numbers("targets", targets)
    *shape, K = logits.shape
    if targets.shape != tuple(shape):
        raise ValueError(f"targets has shape {targets.shape}, expected {tuple(shape)}")
    counted = _mask(mask, tuple(shape))
    wrong = counted & ((targets < 0) | (targets >= K))
    if wrong.any():
        raise ValueError(f"targets holds {targets[wrong][0]}, expected 0 to {K - 1}")
    log_p = _log_softmax(logits)
    # Where the mask is false, targets may be anything, -100 for instance, so look up 0 instead.
    chosen = np.where(counted, targets, 0)[..., None]
    log_likelihood = np.take_along_axis(log_p, chosen, axis=-1)[..., 0]
    dlogits = np.exp(log_p)
    np.put_along_axis(dlogits, chosen, np.take_along_axis(dlogits, chosen, axis=-1) - 1, axis=-1)
    dlogits *= counted[..., None] / dlogits.dtype.type(counted.sum())  # the loss is a mean
    return float(-log_likelihood[counted].mean()), dlogits


@tiny_is_zero
def mean_squared_error(
    outputs: Array, targets: Array, mask: Array | None = None
) -> tuple[float, Array]:
    """Return the mean of (output - target)**2 over the counted entries, and its gradient.

    Parameters
    ----------
    outputs, targets
        Float arrays of one shape.
    mask
        Booleans of that shape, true where an entry counts; all count if not given. What
        `targets` holds at other entries does not matter.

    Returns
    -------
    loss
        Mean over the counted entries, in squared units of the targets.
    doutputs
        Gradient, 2 (output - target) / count, 0 where the mask is false.

    Raises
    ------
    TypeError
        An argument is not a float array, the dtypes differ, or `mask` does not hold booleans.
    ValueError
        A shape does not fit, no entry counts, or a counted entry is NaN or infinite.

    Examples
    --------
    >>> mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    (2.0, array([ 0., -2.]))
    """
    outputs = float_array("outputs", outputs)
    targets = float_array("targets", targets, outputs.shape, outputs.dtype)
    counted = _mask(mask, outputs.shape)
    # Not a product with the mask, since masked entries may be NaN, and 0 * NaN is NaN.
    difference = np.where(counted, outputs, 0) - np.where(counted, targets, 0)
    finite("outputs - targets", difference)
    count = difference.dtype.type(counted.sum())
    return float((difference**2).sum() / count), 2 * difference / count


def _log_softmax(logits: Array) -> Array:
    # Softmax stays the same if all logits are shifted alike. Now the largest is 0, so that no
    # exponential overflows and at least one is 1.
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _logits(logits: Array) -> Array:
    logits = float_array("logits", logits)
    if logits.ndim == 0 or logits.size == 0:
        raise ValueError(f"logits has shape {logits.shape}, expected (..., K) with no size 0")
    return finite("logits", logits)


def _mask(mask: Array | None, shape: tuple[int, ...]) -> Array:
    unmasked("mask", mask)
    counted = np.ones(shape, bool) if mask is None else np.asarray(mask)
    if counted.dtype != bool:
        raise TypeError(f"mask must be an array of booleans, got dtype {counted.dtype}")
    if counted.shape != shape:
        raise ValueError(f"mask has shape {counted.shape}, expected {shape}")
    if not counted.any():
        raise ValueError("mask is false everywhere, expected at least one position that counts")
    return counted
