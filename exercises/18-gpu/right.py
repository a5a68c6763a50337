"""Right answers, each in a way of its own, as sources: Triton need not be imported here.

The solution itself stands in the master notebook, and as `exercise.KERNEL` in
lstm_course/exercises/ch18_gpu.py, where the check has it from.
"""

from lstm_course.exercises import ch18_gpu as exercise

# Sigmoid and tanh as kernels of their own, of which no exponential overflows.
WITH_HELPERS = """
import triton
import triton.language as tl


@triton.jit
def share(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def squash(x):
    small = tl.exp(-2 * tl.abs(x))
    size = (1 - small) / (1 + small)
    return tl.where(x < 0, -size, size)


@triton.jit
def kernel(a, stride, c, h, units, H, BLOCK: tl.constexpr):
    first = tl.program_id(0) * BLOCK
    unit = first + tl.arange(0, BLOCK)
    mask = unit < units
    row, place = unit // H, unit % H
    a += row * stride + place
    forget = share(tl.load(a + H, mask=mask, other=0.0))
    new = share(tl.load(a, mask=mask, other=0.0)) * squash(tl.load(a + 2 * H, mask=mask, other=0.0))
    new += forget * tl.load(c + unit, mask=mask, other=0.0)
    tl.store(c + unit, new, mask=mask)
    tl.store(h + unit, share(tl.load(a + 3 * H, mask=mask, other=0.0)) * squash(new), mask=mask)


lc.check("fuse", kernel)
"""

# One gate after the other; `x / (1 + exp(-a))` is x times the sigmoid of a.
GATE_BY_GATE = """
import triton
import triton.language as tl


@triton.jit
def kernel(a, stride, c, h, units, H, BLOCK: tl.constexpr):
    unit = tl.arange(0, BLOCK) + BLOCK * tl.program_id(0)
    row = unit // H
    address = row * stride + (unit - row * H)
    new = tl.load(c + unit, unit < units)
    new = new / (1 + tl.exp(-tl.load(a + address + H, unit < units)))
    candidate = 1 - 2 * tl.sigmoid(-2 * tl.load(a + address + 2 * H, unit < units))
    new = new + candidate * tl.sigmoid(tl.load(a + address, unit < units))
    out = 2 / (1 + tl.exp(-2 * new)) - 1
    tl.store(h + unit, out * tl.sigmoid(tl.load(a + address + 3 * H, unit < units)), unit < units)
    tl.store(c + unit, new, unit < units)


lc.check("fuse", kernel)
"""

RIGHT = {
    "fuse": (
        exercise.Source(exercise.KERNEL),
        exercise.Source(WITH_HELPERS),
        exercise.Source(GATE_BY_GATE),
    ),
}
