"""Take a cause away and measure what is left: `python -m benchmarks.causes`, half a minute.

The chapters on speed, on GPUs and on processes say what makes a version slow or fast. Here each of
these sentences has its pair, one run with the cause and one without, in turns, by the CPU time of
the thread. The first run of a row is the one that others are compared to.
"""

import os

# Before NumPy and torch load: two threads stall whenever anything else runs.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.cpu import rungs
from benchmarks.processes import HIDDEN, WINDOW
from benchmarks.rivals import SIZES, Case
from benchmarks.timing import alternate, by_this_thread, quartiles, ratios
from benchmarks.torch_rivals import FORMATS, OWN, rivals
from benchmarks.torch_rivals import Case as TorchCase
from lstm_course import experiments

ROOT = Path(__file__).parent.parent
ROUNDS = 60
SMALL = SIZES["S1"]
VARIANTS = "# @title Two variants"
"""How the cell of chapter 15 (numpy-speed) begins that changes the text of its rungs."""


def row(runs: Mapping[str, Callable[[], object]]) -> dict[str, Any]:
    """Return quartiles: microseconds, and how many times faster than the first each is."""
    seconds = alternate(runs, ROUNDS, by_this_thread)
    first = next(iter(seconds.values()))
    return {
        "rounds": ROUNDS,
        "microseconds": {n: [round(1e6 * q, 3) for q in quartiles(v)] for n, v in seconds.items()},
        "times faster": {name: ratios(first, values) for name, values in seconds.items()},
    }


def call() -> dict[str, Any]:
    """Multiply h of one sequence with U by `np.matmul`, and by `dot`, which does less beside it."""
    *_, H = SMALL
    rng = np.random.default_rng(0)
    h, U = (rng.normal(size=shape).astype(np.float32) for shape in ((1, H), (H, 4 * H)))
    out = h @ U
    np.testing.assert_allclose(h.dot(U), out, rtol=0, atol=1e-4)
    runs = {"matmul": partial(np.matmul, h, U, out=out), "dot": partial(h.dot, U, out=out)}
    return {"N H": [1, H]} | row(runs)


def split() -> dict[str, Any]:
    """Take `np.split` out of the loop alone, and all but it, as chapter 15 (numpy-speed) does."""
    case = Case(SMALL, np.float32)
    names = ("one_exponential", "slices", "split_inside", "in_place")
    space = rungs(VARIANTS)
    runs = {name: partial(space[name], case.xs, case.params) for name in names}
    expected = runs["one_exponential"]()
    for run in runs.values():
        np.testing.assert_allclose(run(), expected, rtol=0, atol=1e-5)
    return {"T N D H": SMALL} | row(runs)


def one_dnn() -> dict[str, Any]:
    """Run torch.nn.LSTM forward with oneDNN and without, and the loop written in Python."""
    T, N, D, H = SMALL
    case = TorchCase([N] * T, D, H, FORMATS["float32"], "cpu")
    makers = rivals(case, training=False)
    loop, own = makers["loop"](), makers[OWN]()
    runs: dict[str, Callable[[], Any]]
    runs = {"loop": loop, OWN: own, "without oneDNN": partial(_without_one_dnn, own)}
    expected = loop()[0]
    for run in runs.values():
        torch.testing.assert_close(run()[0], expected, rtol=0, atol=1e-5)

    def node() -> str:
        """Return what autograd keeps of a run of the layer."""
        return type(case.layer(case.xs.view(T, N, D))[0].grad_fn).__name__

    nodes = {OWN: node(), "without oneDNN": _without_one_dnn(node)}
    return {"T N D H": SMALL, "autograd's node": nodes} | row(runs)


def _without_one_dnn(run: Callable[[], Any]) -> Any:
    with torch.backends.mkldnn.flags(enabled=False):
        return run()


def recurrence() -> dict[str, Any]:
    """Run one row of the text model's layer forward and backward, and again as if no step waited.

    Without the recurrence x takes the place of h and of c: the same products, as one for all steps,
    and the same pointwise operations.
    """
    torch.manual_seed(0)
    H = HIDDEN
    layer, flat = torch.nn.LSTM(H, H), torch.nn.Linear(2 * H, 4 * H)
    xs = torch.randn(WINDOW, 1, H, requires_grad=True)

    def all_steps_at_once() -> Tensor:
        i, f, g, o = flat(torch.cat([xs, xs], dim=-1)).chunk(4, dim=-1)
        return o.sigmoid() * (f.sigmoid() * xs + i.sigmoid() * g.tanh()).tanh()

    def both_ways(forward: Callable[[], Tensor]) -> None:
        forward().sum().backward()  # type: ignore[no-untyped-call]

    runs = {
        "step by step": partial(both_ways, lambda: layer(xs)[0]),
        "all steps at once": partial(both_ways, all_steps_at_once),
    }
    return {"T N D H": [WINDOW, 1, H, H]} | row(runs)


def main() -> None:
    """Measure, print the medians and write the record."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "TF32 acceleration")  # said when oneDNN is switched
    results: dict[str, Any] = {"threads": 1, "torch": torch.__version__}
    for name, measure in (
        ("call", call),
        ("split", split),
        ("oneDNN", one_dnn),
        ("recurrence", recurrence),
    ):
        results[name] = one = measure()
        faster = (f"{name} {low} to {high}" for name, (low, _, high) in one["times faster"].items())
        print(f"{name}, times faster (quartiles): " + "   ".join(faster), flush=True)
    path = experiments.record("causes", "python -m benchmarks.causes", results)
    print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
