"""The backend with kernels: `hoisted`, the pointwise part of a step being one kernel each way.

On a GPU a step of `hoisted` launches some ten small kernels forward and twenty backward, and each
reads and writes device memory; here it is one, beside the product with the recurrent weights.
Arithmetic is float32 whatever the dtype, or float64 for float64. tanh(a) is 2 sigmoid(2a) - 1,
exact to rounding of 1: a candidate of 1e-7 is lost in float32.

Not yet run on a GPU. The tests compile the kernels for one, and run them on the CPU in Triton's
interpreter, which must be asked for before this module is imported: TRITON_INTERPRET=1.
"""

from __future__ import annotations  # of a kernel, where there is no Triton

import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from lstm_course.pytorch.hoisted import Recurrence
from lstm_course.pytorch.loop import Weights

try:
    import triton
    import triton.language as tl

    jit: Any = triton.jit
except ImportError:  # the kernels stay functions that nobody calls, see `unsupported`
    triton = None

    def jit(function: Any) -> Any:
        """Leave a kernel as it is."""
        return function


BLOCK = 256
"""How many units a program works on."""

INTERPRETED = os.environ.get("TRITON_INTERPRET", "0") == "1"
"""Whether Triton's interpreter runs the kernels, which Triton decides where they are defined."""


@jit
def tanh(a):
    """Return tanh; Triton's interpreter has none of its own."""
    return 2 * tl.sigmoid(2 * a) - 1


@jit
def forward_kernel(a, c_prev, c, m, units, H, BLOCK: tl.constexpr, FLOAT: tl.constexpr):
    """Write the gates over `a`, and c and m = o * tanh(c)."""
    unit = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # of n * H, row after row
    inside = unit < units
    gate = a + unit // H * (4 * H) + unit % H  # the unit's input gate; the others stand H apart
    i = tl.sigmoid(tl.load(gate, inside).to(FLOAT))
    f = tl.sigmoid(tl.load(gate + H, inside).to(FLOAT))
    g = tanh(tl.load(gate + 2 * H, inside).to(FLOAT))
    o = tl.sigmoid(tl.load(gate + 3 * H, inside).to(FLOAT))
    state = f * tl.load(c_prev + unit, inside).to(FLOAT) + i * g
    tl.store(gate, i, inside)
    tl.store(gate + H, f, inside)
    tl.store(gate + 2 * H, g, inside)
    tl.store(gate + 3 * H, o, inside)
    tl.store(c + unit, state, inside)
    tl.store(m + unit, o * tanh(state), inside)


@jit
def backward_kernel(
    dm, dc, gates, c_prev, c, da, units, H, BLOCK: tl.constexpr, FLOAT: tl.constexpr
):
    """Write `da`, and the gradient of `c_prev` over `dc`."""
    unit = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = unit < units
    offset = unit // H * (4 * H) + unit % H
    gate, slope = gates + offset, da + offset
    i = tl.load(gate, inside).to(FLOAT)
    f = tl.load(gate + H, inside).to(FLOAT)
    g = tl.load(gate + 2 * H, inside).to(FLOAT)
    o = tl.load(gate + 3 * H, inside).to(FLOAT)
    tanh_c = tanh(tl.load(c + unit, inside).to(FLOAT))
    from_h = tl.load(dm + unit, inside).to(FLOAT)
    flow = tl.load(dc + unit, inside).to(FLOAT) + from_h * o * (1 - tanh_c * tanh_c)
    before = tl.load(c_prev + unit, inside).to(FLOAT)
    tl.store(slope, flow * g * i * (1 - i), inside)
    tl.store(slope + H, flow * before * f * (1 - f), inside)
    tl.store(slope + 2 * H, flow * i * (1 - g * g), inside)
    tl.store(slope + 3 * H, from_h * tanh_c * o * (1 - o), inside)
    tl.store(dc + unit, flow * f, inside)


class Kernels:
    """The pointwise part in one kernel each way. All tensors must be contiguous."""

    @staticmethod
    def forward(a: Tensor, c_prev: Tensor, c: Tensor, m: Tensor) -> None:
        """Write the gates over `a`, and the new cell state and hidden state."""
        launch(forward_kernel, a, c_prev, c, m)

    @staticmethod
    def backward(
        dm: Tensor, dc: Tensor, gates: Tensor, c_prev: Tensor, c: Tensor, da: Tensor
    ) -> None:
        """Write `da`, and the gradient of `c_prev` over `dc`."""
        launch(backward_kernel, dm, dc, gates, c_prev, c, da)


def launch(kernel: Any, *tensors: Tensor) -> None:
    """Run a kernel over all units of the second tensor, an (n, H) one."""
    units, H = tensors[1].numel(), tensors[1].shape[1]
    FLOAT = tl.float64 if tensors[0].dtype == torch.float64 else tl.float32
    kernel[(triton.cdiv(units, BLOCK),)](*tensors, units, H, BLOCK=BLOCK, FLOAT=FLOAT)


def missing(tensor: Tensor) -> str | None:
    """Return what the kernels would need to run on a tensor and do not have, or None."""
    if triton is None:
        return "Triton, which is not installed"
    if not (tensor.is_cuda or INTERPRETED):
        return f"a CUDA device or TRITON_INTERPRET=1 from the start, got {tensor.device}"
    return None


def fused(
    xs: Tensor, sizes: Sequence[int], h: Tensor, c: Tensor, weights: Weights
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the cell over a batch of sequences; as `loop`, but it can be differentiated only once.

    Raises
    ------
    RuntimeError
        There is no Triton, or no device that its kernels run on.

    Examples
    --------
    >>> weights = Weights(torch.ones(8, 3), torch.ones(8, 2))
    >>> h = c = torch.zeros(4, 2)
    >>> if not missing(h):
    ...     hs, h_n, c_n = fused(torch.ones(7, 3), [4, 2, 1], h, c, weights)
    """
    if lacks := missing(xs):
        raise RuntimeError(f'backend "fused" needs {lacks}')
    with torch.cuda.device_of(xs) if xs.is_cuda else nullcontext():
        return Recurrence.apply(Kernels, list(sizes), xs, h, c, *weights)
