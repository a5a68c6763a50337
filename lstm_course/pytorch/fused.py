"""The backend with kernels: `hoisted`, with one kernel each way for a step's pointwise part.

On a GPU, a step of `hoisted` launches some ten small kernels forward and twenty backward, and each
of them reads and writes device memory. Here there's one, apart from the product with the recurrent
weights. It computes in float32 whatever the dtype, or in float64 for float64, and keeps the cell
state in that precision.

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
except ImportError:  # the kernels stay functions that are never called; see `unsupported`
    triton = None

    def jit(function: Any) -> Any:
        """Leave a kernel as it is."""
        return function


INTERPRETED = os.environ.get("TRITON_INTERPRET", "0") == "1"
"""Whether Triton's interpreter runs the kernels, which Triton decides where they are defined."""


@jit
def tanh(a):
    """Return tanh to a few units in the last place; Triton's interpreter has no tanh of its own.

    Near 0, where 1 - e cancels, it is Lambert's fraction a / (1 + z / (3 + z / (5 + ...))), with
    z = a * a, cut after 13 and brought to one division.
    """
    e = tl.exp(-2 * tl.abs(a))
    far = (1 - e) / (1 + e)
    near = tl.minimum(tl.abs(a), 0.5)  # the other branch handles larger ones
    z = near * near
    near *= (135135 + z * (17325 + z * (378 + z))) / (135135 + z * (62370 + z * (3150 + z * 28)))
    size = tl.where(tl.abs(a) < 0.5, near, far)
    return tl.where(a < 0, -size, size)


@jit
def forward_kernel(a, c_prev, c, m, units, H, BLOCK: tl.constexpr, FLOAT: tl.constexpr):
    """Write the gates over `a`, and c and m = o * tanh(c)."""
    unit = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)  # of n * H, row after row
    inside = unit < units
    gate = a + unit // H * (4 * H) + unit % H  # the unit's input gate; the others are H apart
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
    BLOCK = block(units)
    FLOAT = tl.float64 if tensors[0].dtype == torch.float64 else tl.float32
    kernel[(triton.cdiv(units, BLOCK),)](*tensors, units, H, BLOCK=BLOCK, FLOAT=FLOAT)


def block(units: int) -> int:
    """Return how many units a program works on: a power of two that leaves work for 128 programs.

    A large GPU has about that many multiprocessors. The result is at least 128, the threads of a
    program, and at most 1024, eight units per thread. Which is fastest hasn't been measured.

    Examples
    --------
    >>> [block(units) for units in (1, 64 * 512, 64 * 1024, 1024 * 1024)]
    [128, 256, 512, 1024]
    """
    share = min(max(128, units // 128), 1024)
    return 1 << share.bit_length() - 1


def missing(tensor: Tensor) -> str | None:
    """Return what the kernels lack to run on a tensor, or None."""
    if triton is None:
        return "Triton, which is not installed"
    if not (tensor.is_cuda or (INTERPRETED and tensor.device.type == "cpu")):
        return (
            f"a CUDA device, or a CPU with TRITON_INTERPRET=1 from the start, got {tensor.device}"
        )
    return None


def fused(
    xs: Tensor, sizes: Sequence[int], h: Tensor, c: Tensor, weights: Weights
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the cell over a batch of sequences, like `loop`, but differentiable only once.

    Raises
    ------
    RuntimeError
        Triton is missing, or there is no device that its kernels run on.

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
