"""Input checks: one clear sentence that names the argument, what came and what was expected."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

tiny_is_zero = np.errstate(under="ignore")
"""A decorator: a result too small for its type becomes 0, even if the caller asked for errors."""


def unmasked(name: str, value: object) -> None:
    """Raise if `value` is a masked array, whose mask would be lost silently."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, expected one without a mask")


def float_array(
    name: str,
    value: object,
    shape: Sequence[int | str] | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """Return `value` as a float array of the expected shape and dtype, or say what is wrong.

    An int in `shape` must match; a letter stands for any size of at least 1. Whole numbers are
    converted; an unexpected float type is refused, never rounded silently.
    """
    unmasked(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(f"{name} must be an array of numbers, got rows of unequal length") from None
    except Exception as error:  # whatever an object's own conversion raises
        raise TypeError(f"{name} cannot be read as an array: {error}") from None
    if array.dtype.kind in "biu":
        array = array.astype(dtype or np.float64)
    if array.dtype not in (np.float32, np.float64):
        known = isinstance(value, np.ndarray) or array.dtype != object
        came = f"dtype {array.dtype}" if known else type(value).__name__
        raise TypeError(f"{name} must be an array of float32 or float64, got {came}")
    if dtype is not None and array.dtype != dtype:
        raise TypeError(f"{name} is {array.dtype}, expected {np.dtype(dtype)} like the parameters")
    if shape is not None:
        expected = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
        if array.ndim != len(shape) or any(
            isinstance(want, int) and got != want
            for got, want in zip(array.shape, shape, strict=True)
        ):
            raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
        for got, want in zip(array.shape, shape, strict=True):
            if got == 0:
                raise ValueError(
                    f"{name} has shape {array.shape}, expected {expected} with {want} at least 1"
                )
    return array


def whole_numbers(name: str, value: object) -> Array:
    """Return `value` as an array of int64, or say what is wrong."""
    unmasked(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(f"{name} must be an array of numbers, got rows of unequal length") from None
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be an array of whole numbers, got dtype {array.dtype}")
    return array.astype(np.int64, copy=False)  # unsigned ones would turn differences into floats


def finite(name: str, array: Array) -> Array:
    """Return `array`, or raise and name the first place that holds NaN or infinity."""
    good = np.isfinite(array)
    if not good.all():
        place = tuple(int(k) for k in np.argwhere(~good)[0])
        raise ValueError(f"{name} holds {array[place]} at index {place}, expected finite numbers")
    return array


def check_sums(xs: Array, h: Array, params: Any) -> None:
    """Raise unless W x + U h + b stays within the range of floats, whatever the order of its terms.

    If a sum overflows, the order decides whether the result is infinity, its negative or NaN, and
    the order differs between BLAS libraries, shapes and processors. All arguments must be finite.
    """
    names = ("weight_ih", "weight_hh", "bias")
    W, U, b = (_largest(f"params.{name}", getattr(params, name)) for name in names)
    x, D, H = _largest("xs", xs), xs.shape[-1], h.shape[-1]
    # After the first step no hidden state is larger than 1.
    bound = D * x * W + H * max(1.0, _largest("h0", h)) * U + b
    limit = float(np.finfo(xs.dtype).max) / 2  # half of it, to leave room for rounding
    if bound > limit:
        raise ValueError(
            f"xs, h0 and params are so large that a sum may leave the range of {xs.dtype}: "
            "D max|xs| max|W| + H max(1, max|h0|) max|U| + max|b| "
            f"is {bound:.3g}, expected at most {limit:.3g}"
        )


def _largest(name: str, array: Array) -> float:
    size = max(float(array.max()), -float(array.min()))
    if not math.isfinite(size):
        finite(name, array)  # names the place
    return size


def state(name: str, value: object, shape: Sequence[int], dtype: DTypeLike) -> Array:
    """Return `value` as a finite float array of the shape, or zeros if it is None."""
    if value is None:
        return np.zeros(shape, dtype)
    return finite(name, float_array(name, value, shape, dtype))


def float_dtype(name: str, value: DTypeLike) -> np.dtype[Any]:
    """Return `value` as a dtype, which must be float32 or float64."""
    try:
        dtype = np.dtype(value)
    except TypeError:
        raise TypeError(f"{name} must be float32 or float64, got {value!r}") from None
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, got {dtype}")
    return dtype


def size(name: str, value: object) -> int:
    """Return `value` as a size, a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def generator(name: str, value: object) -> np.random.Generator:
    """Return `value`, which must be a NumPy random generator."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(
            f"{name} must be a numpy.random.Generator such as np.random.default_rng(0), "
            f"got {type(value).__name__}"
        )
    return value
