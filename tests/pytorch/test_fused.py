"""Triton's kernels in its interpreter, which an environment variable asks for before the import.

`test_module.py` runs this file with that variable; without it, or a GPU, there is nothing to run.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from test_module import compare, counting, pair, results  # noqa: E402

from lstm_course.pytorch import LSTM, fused  # noqa: E402
from lstm_course.pytorch.hoisted import Eager  # noqa: E402
from lstm_course.pytorch.loop import Weights, loop  # noqa: E402

tl = getattr(fused, "tl", None)

pytestmark = pytest.mark.skipif(
    fused.missing(torch.empty(0)) is not None,
    reason="test_module.py runs this in a process of its own",
)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 0.005), (torch.bfloat16, 0.04)],
)
@pytest.mark.parametrize("n", [1, 3])
def test_kernels_equal_eager_operations(dtype, tolerance, n):
    H = 150  # several programs, the last one not full
    torch.manual_seed(0)
    c_prev, dm, dc = torch.randn(3, n, H).to(dtype)
    a = torch.randn(n, 4 * H).to(dtype)
    found = []
    for pointwise, precision in ((fused.Kernels, dtype), (Eager, torch.float64)):
        states = torch.promote_types(precision, torch.float32)
        gates, d = (t.to(precision, copy=True) for t in (a, dm))
        before, flow = (t.to(states, copy=True) for t in (c_prev, dc))
        c, m = torch.full_like(before, torch.nan), torch.full_like(d, torch.nan)
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


@fused.jit
def tanh_kernel(a, result, n, BLOCK: tl.constexpr):
    k = tl.arange(0, BLOCK)
    tl.store(result + k, fused.tanh(tl.load(a + k, k < n)), k < n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_is_right_to_a_few_units_in_the_last_place(dtype):
    positive = np.concatenate([np.geomspace(1e-30, 20, 3000), np.linspace(0.4, 0.6, 1000)])
    a = np.concatenate([-positive, positive]).astype(dtype)
    result = torch.empty(len(a), dtype=torch.from_numpy(a).dtype)
    tanh_kernel[(1,)](torch.from_numpy(a), result, len(a), BLOCK=8192)
    exact = np.tanh(a.astype(np.longdouble))
    assert (np.abs(result.numpy() / exact - 1) <= 4 * np.finfo(dtype).eps).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_of_what_is_no_ordinary_number(dtype):
    a = torch.tensor([0.0, -0.0, 1e30, -1e30, torch.inf, -torch.inf, torch.nan], dtype=dtype)
    result = torch.empty_like(a)
    tanh_kernel[(1,)](a, result, len(a), BLOCK=8)
    torch.testing.assert_close(result, a.tanh(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_cell_state_and_its_gradient_stay_in_float32_between_steps(dtype):
    assert counting(fused.fused, dtype) == pytest.approx(
        counting(loop, torch.float64), rel=torch.finfo(dtype).eps
    )


@pytest.mark.parametrize(("n", "H", "expected"), [(2, 7, 128), (64, 600, 256), (999, 999, 1024)])
def test_programs_for_a_step(n, H, expected):
    launched = {}

    class Kernel:
        def __getitem__(self, grid):
            launched["grid"] = grid
            return lambda *_, **options: launched.update(options)

    fused.launch(Kernel(), torch.empty(n, 4 * H), torch.empty(n, H))
    assert launched["BLOCK"] == expected
    assert (launched["grid"][0] - 1) * expected < n * H <= launched["grid"][0] * expected


def test_the_interpreter_runs_on_the_cpu_alone():
    with pytest.raises(RuntimeError, match=r'"fused" needs a CUDA device, .* got meta'):
        LSTM(3, 2, device="meta", backend="fused")(torch.empty(4, 5, 3, device="meta"))
