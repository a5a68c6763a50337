"""Who is measured in PyTorch: each runs the same layer on the same numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from lstm_course.pytorch.fused import fused
from lstm_course.pytorch.hoisted import hoisted
from lstm_course.pytorch.loop import Weights, loop, step

OWN = "torch.nn.LSTM"
"""What the others are compared to: cuDNN on a GPU; on a CPU oneDNN, in float32."""
FLOOR = "step floor"
COMPILED = ("compiled loop", "compiled step")
"""torch.compile of all T steps, unrolled, and of one, called T times."""


class Format(NamedTuple):
    """Numbers that a layer computes in."""

    dtype: torch.dtype
    tolerance: float
    """The largest error beside float64, over the largest value, that a rival may have."""
    tf32: bool = False


FORMATS = {
    "bf16": Format(torch.bfloat16, 0.15),
    "float16": Format(torch.float16, 0.02),
    "TF32": Format(torch.float32, 0.01, tf32=True),
    "float32": Format(torch.float32, 1e-4),
}


class Case:
    """One layer, sequences of equal or different lengths, and the gradient that comes back."""

    def __init__(self, sizes: list[int], D: int, H: int, format: Format, device: str) -> None:
        self.sizes, self.D, self.H, self.format = sizes, D, H, format
        how: Any = {"device": device, "dtype": format.dtype}
        torch.manual_seed(0)
        self.layer = torch.nn.LSTM(D, H, **how)
        torch.nn.init.zeros_(self.layer.bias_hh_l0)  # the others have one bias
        self.xs = torch.randn(sum(sizes), D, **how).requires_grad_()
        self.dhs = torch.randn(sum(sizes), H, **how)
        self.zeros = torch.zeros(sizes[0], H, **how)
        layer = self.layer
        self.leaves = (self.xs, layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0)

    def operations(self, training: bool) -> int:
        """Return those of the products; the pointwise ones are not counted."""
        return (3 if training else 1) * 2 * sum(self.sizes) * (self.D + self.H) * 4 * self.H

    def least_bytes(self, training: bool) -> int:
        """Return what goes to and fro if every argument is read and every result written once."""
        arguments = sum(leaf.numel() for leaf in self.leaves)
        numbers = arguments + self.dhs.numel()  # of the size of hs
        return (2 if training else 1) * numbers * self.xs.element_size()


Makers = dict[str, Callable[[], Callable[[], list[Tensor]]]]


def rivals(case: Case, training: bool) -> Makers:
    """Return what makes each run ready; a run ends in hs or, if training, all gradients too."""

    def ours(backend: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> Callable[..., Tensor]:
        def forward(xs: Tensor, *weights: Tensor) -> Tensor:
            return backend(xs, case.sizes, case.zeros, case.zeros, Weights(*weights))[0]

        return forward

    def theirs(xs: Tensor, *_: Tensor) -> Tensor:
        if case.sizes[0] == case.sizes[-1]:
            return case.layer(xs.view(len(case.sizes), -1, case.D))[0].flatten(0, 1)
        return case.layer(PackedSequence(xs, batch_sizes))[0].data

    def ready(make: Callable[[], Callable[..., Tensor]]) -> Callable[[], list[Tensor]]:
        forward = make()
        return partial(_both if training else _forward, forward, case)

    batch_sizes = torch.tensor(case.sizes)
    case.layer.train(training)  # else cuDNN keeps what only a backward run needs
    makers: dict[str, Callable[[], Callable[..., Tensor]]] = {
        OWN: lambda: theirs,
        "loop": lambda: ours(loop),
        "compiled loop": lambda: torch.compile(ours(loop), dynamic=False),
        "compiled step": lambda: ours(_with_step(torch.compile(step, dynamic=False))),
        "hoisted": lambda: ours(hoisted),
    }
    if case.xs.is_cuda:
        makers["fused"] = lambda: ours(fused)
        makers["fused in a graph"] = lambda: torch.cuda.make_graphed_callables(
            ours(fused), case.leaves
        )
    return {name: partial(ready, make) for name, make in makers.items()}


def _forward(forward: Callable[..., Tensor], case: Case) -> list[Tensor]:
    with torch.no_grad():
        return [forward(*case.leaves)]


def _both(forward: Callable[..., Tensor], case: Case) -> list[Tensor]:
    hs = forward(*case.leaves)
    return [hs.detach(), *torch.autograd.grad(hs, case.leaves, case.dhs)]


def _with_step(step: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Any]:
    """Return `loop` with another step."""

    def run(
        xs: Tensor, sizes: list[int], h: Tensor, c: Tensor, weights: Weights
    ) -> tuple[Tensor, Tensor, Tensor]:
        hs = []
        for x in xs.split(sizes):
            h, c = step(x, h[: len(x)], c[: len(x)], weights)
            hs.append(h)
        return torch.cat(hs), h, c

    return run


def reference(case: Case, training: bool) -> list[Tensor]:
    """Return the results of the readable loop, on the same numbers in float64."""
    exact = Case(case.sizes, case.D, case.H, Format(torch.float64, 0), str(case.xs.device))
    with torch.no_grad():
        for copy, leaf in zip(exact.leaves, case.leaves, strict=True):
            copy.copy_(leaf)
        exact.dhs.copy_(case.dhs)
    return rivals(exact, training)["loop"]()()


def error(found: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference over the largest value, of the worst of the results."""
    return max(
        float((one - other).abs().max() / other.abs().max())
        for one, other in zip(found, expected, strict=True)
    )


def floor(case: Case, training: bool) -> Callable[[], None]:
    """Return what a step cannot be without: a product with U, and an operation on one number.

    The latter stands for the launch of a kernel. A step back has both too. On a GPU a CUDA graph
    launches them, which is cheapest.
    """
    U = case.leaves[2].detach()
    h, a = torch.randn_like(case.zeros), torch.randn_like(case.zeros).repeat(1, 4)
    a_out, h_out, one = torch.empty_like(a), torch.empty_like(h), torch.zeros_like(h[:1, :1])

    def run() -> None:
        for n in case.sizes:
            torch.mm(h[:n], U.T, out=a_out[:n])
            one.zero_()
        for n in reversed(case.sizes if training else []):
            torch.mm(a[:n], U, out=h_out[:n])
            one.zero_()

    return graph(run) if case.xs.is_cuda else run


def graph(run: Callable[[], None]) -> Callable[[], None]:
    """Return the replay of what a run launches on a GPU."""
    run()  # for what a first run does besides
    torch.cuda.synchronize()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        run()
    return recorded.replay
