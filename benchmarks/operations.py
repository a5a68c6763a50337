"""What a roofline needs: the most that products and memory give here, and single operations."""

from functools import partial
from typing import Any

import numpy as np

from benchmarks.rivals import SIZES
from benchmarks.timing import compare, median
from lstm_course._checks import Array

ELEMENTS = 2**14  # 64 kB in float32, the hidden states of 64 sequences and 256 units


def measure(dtype: type) -> dict[str, Any]:
    """Return GFLOP/s, GB/s (bytes read and written), and nanoseconds an element."""
    rng = np.random.default_rng(0)
    square, product = rng.normal(size=(1024, 1024)).astype(dtype), np.empty((1024, 1024), dtype)
    large, values = np.ones(2**24, dtype), rng.normal(size=ELEMENTS).astype(dtype)
    large_out, out, small = np.empty_like(large), np.empty_like(values), np.ones_like(values)
    functions = {
        **{name: partial(getattr(np, name), values, out) for name in ("exp", "tanh")},
        **{
            name: partial(getattr(np, name), values, small, out)
            for name in ("add", "multiply", "divide")
        },
        "copy": partial(np.copyto, out, values),
    }
    seconds = compare(
        {
            "product": partial(np.matmul, square, square, out=product),
            "copy from memory": partial(np.copyto, large_out, large),
            **functions,
        }
    )
    each = {name: median(seconds[name]) for name in functions}
    return {
        "GFLOP/s": 2 * 1024**3 / median(seconds["product"]) / 1e9,
        "GB/s": 2 * large.nbytes / median(seconds["copy from memory"]) / 1e9,
        "GB/s in cache": 2 * values.nbytes / each["copy"] / 1e9,
        "nanoseconds": {name: 1e9 * taken / ELEMENTS for name, taken in each.items()},
        "microseconds a step": {size: _products(rng, *SIZES[size], dtype) for size in SIZES},
    }


def _products(
    rng: np.random.Generator, T: int, N: int, D: int, H: int, dtype: type
) -> dict[str, float]:
    """Time the products of a forward step in several arrangements."""

    def normal(*shape: int) -> Array:
        return rng.normal(size=shape).astype(dtype)

    def product(left: Array, right: Array, steps: int = 1) -> partial[Array]:
        """Return one step's share: all steps are one product, or the product is repeated."""
        out = np.empty((*left.shape[:-1], right.shape[-1]), dtype)
        return partial(_repeat, partial(np.matmul, left, right, out=out), T // steps)

    h, U, x, W = normal(N, H), normal(4 * H, H), normal(T, N, D), normal(4 * H, D)
    both = normal(H + D, 4 * H)
    runs = {
        "h U.T as stored": product(h, U.T),
        "h U.T copied": product(h, U.T.copy()),
        "U h.T": product(U, h.T.copy()),
        "input, step by step": product(x, W.T, steps=T),
        "input, all steps": product(x.reshape(T * N, D), W.T, steps=T),
        "input and h together": product(np.concatenate([h, x[0]], axis=1), both),
    }
    seconds = compare(runs, limit=3.0)
    return {name: 1e6 * median(values) / T for name, values in seconds.items()}


def _repeat(run: Any, times: int) -> None:
    for _ in range(times):
        run()
