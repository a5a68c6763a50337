"""Triton's kernels in its interpreter, which an environment variable asks for before the import.

`test_module.py` runs this file with that variable; without it, or a GPU, there is nothing to run.
"""

import pytest

torch = pytest.importorskip("torch")

from test_module import compare, pair, results  # noqa: E402

from lstm_course.pytorch import fused  # noqa: E402
from lstm_course.pytorch.hoisted import Eager  # noqa: E402
from lstm_course.pytorch.loop import Weights, loop  # noqa: E402

pytestmark = pytest.mark.skipif(
    fused.missing(torch.empty(0)) is not None,
    reason="test_module.py runs this in a process of its own",
)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 0.005), (torch.bfloat16, 0.04)],
)
@pytest.mark.parametrize("n", [1, 3])
def test_kernels_equal_eager_operations(monkeypatch, dtype, tolerance, n):
    monkeypatch.setattr(fused, "BLOCK", 16)  # several programs, the last one not full
    H = 7
    torch.manual_seed(0)
    c_prev, dm, dc = torch.randn(3, n, H).to(dtype)
    a = torch.randn(n, 4 * H).to(dtype)
    found = []
    for pointwise, precision in ((fused.Kernels, dtype), (Eager, torch.float64)):
        gates, before, flow, d = (t.to(precision, copy=True) for t in (a, c_prev, dc, dm))
        c, m = (torch.full_like(before, torch.nan) for _ in range(2))
        da = torch.full_like(gates, torch.nan)
        pointwise.forward(gates, before, c, m)
        kept = [t.clone() for t in (gates, before, c, d)]
        pointwise.backward(d, flow, gates, before, c, da)
        assert all(map(torch.equal, kept, (gates, before, c, d)))
        names = {"gates": gates, "c": c, "m": m, "da": da, "dc": flow}
        found.append({name: tensor.double() for name, tensor in names.items()})
    compare(*found, tolerance)


def test_kernels_get_contiguous_tensors_whatever_comes():
    torch.manual_seed(0)
    sizes, H = [2, 2, 1], 3
    weights = Weights(torch.randn(4 * H, 2), torch.randn(4 * H, H))
    draws = [torch.randn(n, k).T for n, k in ((2, 5), (H, 2), (H, 2), (H, 5), (H, 2), (H, 2))]
    assert not any(draw.is_contiguous() for draw in draws)
    found = []
    for run in (fused.fused, loop):
        x, h, c = (draw.clone().requires_grad_() for draw in draws[:3])
        torch.autograd.backward(run(x, sizes, h, c, weights), draws[3:])
        found.append({"x": x.grad, "h": h.grad, "c": c.grad})
    compare(*found, 1e-5)


@pytest.mark.parametrize("form", ["batched", "unsorted"])
@pytest.mark.parametrize("projected", [False, True])
def test_fused_equals_torch(form, projected):
    torch.manual_seed(0)
    theirs, ours = pair(
        3, 4, num_layers=2, bidirectional=True, projected=projected, backend="fused"
    )
    assert ours.picked == "fused"
    case = (4, 3, form, True, 0)
    compare(results(ours, *case), results(theirs, *case), 1e-12)
