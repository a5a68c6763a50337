"""Who is measured: each runs the same cell on the same numbers, and `check` says so."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

import lstm_course as lc
from benchmarks.timing import alternate, median
from lstm_course._checks import Array

SIZES = {  # T, N, D, H
    "S1": (50, 1, 32, 32),
    "S2": (100, 32, 64, 128),
    "S3": (100, 64, 256, 256),
    "S4": (35, 20, 650, 650),
    "S5": (256, 16, 512, 512),
}
FLOOR = "products alone"


@dataclass
class Case:
    """One set of sizes with its numbers."""

    sizes: tuple[int, int, int, int]
    dtype: type
    xs: Array = field(init=False)
    dhs: Array = field(init=False)
    params: lc.LSTMParams = field(init=False)

    def __post_init__(self) -> None:
        T, N, D, H = self.sizes
        rng = np.random.default_rng(0)
        self.xs = rng.normal(size=(T, N, D)).astype(self.dtype)
        self.dhs = rng.normal(size=(T, N, H)).astype(self.dtype)
        self.params = lc.LSTMParams.init(D, H, rng=rng, dtype=self.dtype)
        self.params.bias[:] += rng.normal(size=4 * H).astype(self.dtype)


Results = list[Array]
Runs = dict[str, Callable[[], Results]]


def forward(case: Case) -> Runs:
    """Return, by name, runs that end in hs; none of them prepares a backward run."""
    xs, params = case.xs, case.params
    layer, loop = _torch_layer(case), _torch_loop(case)
    tensor = torch.from_numpy(xs)

    def without_gradient(run: Callable[[torch.Tensor], torch.Tensor]) -> Results:
        with torch.no_grad():
            return [run(tensor).numpy()]

    runs: Runs = {
        FLOOR: _floor(case, backward=False),
        "readable": lambda: [lc.lstm_forward(xs, params)[0]],
        "fast": lambda: [lc.fast.lstm_infer(xs, params)[0]],
        "torch.nn.LSTM": lambda: without_gradient(lambda x: layer(x)[0]),
        "LSTMCell loop": lambda: without_gradient(loop),
    }
    if case.dtype == np.float32:  # ONNX Runtime has no LSTM in float64
        runs["ONNX Runtime"] = _onnx(case)
    return runs


def training(case: Case) -> Runs:
    """Return, by name, runs forward and backward that end in hs, dxs and the weights' gradients."""
    xs, dhs, params = case.xs, case.dhs, case.params
    layer, loop = _torch_layer(case), _torch_loop(case)
    tensor, gradient = torch.from_numpy(xs).requires_grad_(), torch.from_numpy(dhs)

    def ours(package: object) -> Callable[[], Results]:
        def run() -> Results:
            hs, _, cache = package.lstm_forward(xs, params)  # type: ignore[attr-defined]
            dxs, _, _, grads = package.lstm_backward(dhs, cache)  # type: ignore[attr-defined]
            return [hs, dxs, *grads.arrays()]

        return run

    def theirs(module: torch.nn.Module, run_module: Callable[[torch.Tensor], torch.Tensor]):  # type: ignore[no-untyped-def]
        def run() -> Results:
            module.zero_grad()
            tensor.grad = None
            hs = run_module(tensor)
            hs.backward(gradient)
            weights = [parameter.grad for parameter in module.parameters()]
            return [array.detach().numpy() for array in (hs, tensor.grad, *weights[:3])]

        return run

    return {
        FLOOR: _floor(case, backward=True),
        "readable": ours(lc),
        "fast": ours(lc.fast),
        "torch.nn.LSTM": theirs(layer, lambda x: layer(x)[0]),
        "LSTMCell loop": theirs(loop.cell, loop),
    }


def check(runs: Runs, dtype: type) -> None:
    """Raise unless all runs give the same results."""
    results = {name: run() for name, run in runs.items() if name != FLOOR}
    expected = results["readable"]
    largest = [abs(array).max() for array in expected]
    for name, arrays in results.items():
        for one, other, scale in zip(arrays, expected, largest, strict=True):
            error = abs(one - other).max() / scale
            if error > (1e-4 if dtype == np.float32 else 1e-11):
                raise RuntimeError(f"{name} differs from the readable version by {error:.1e}")


def _torch_layer(case: Case) -> torch.nn.LSTM:
    _, _, D, H = case.sizes
    layer = torch.nn.LSTM(D, H, dtype=torch.from_numpy(case.xs).dtype)
    _copy_weights(case.params, layer, "_l0")
    return layer


class _Loop:
    """The loop that a user of torch.nn.LSTMCell writes; unbind, since xs[t] costs T squared."""

    def __init__(self, cell: torch.nn.LSTMCell) -> None:
        self.cell = cell

    def __call__(self, xs: torch.Tensor) -> torch.Tensor:
        state, hs = None, []
        for x in xs.unbind(0):
            state = self.cell(x, state)
            hs.append(state[0])
        return torch.stack(hs)


def _torch_loop(case: Case) -> _Loop:
    _, _, D, H = case.sizes
    cell = torch.nn.LSTMCell(D, H, dtype=torch.from_numpy(case.xs).dtype)
    _copy_weights(case.params, cell, "")
    return _Loop(cell)


@torch.no_grad()
def _copy_weights(params: lc.LSTMParams, module: torch.nn.Module, suffix: str) -> None:
    names = ("weight_ih", "weight_hh", "bias_ih")
    for name, array in zip(names, params.arrays(), strict=True):
        module.get_parameter(name + suffix).copy_(torch.from_numpy(array))
    module.get_parameter("bias_hh" + suffix).zero_()


def _onnx(case: Case) -> Callable[[], Results]:
    """Return a run of ONNX's LSTM operator: order i, o, f, g, and a bias for each product."""
    T, N, D, H = case.sizes

    def reordered(array: Array) -> Array:
        i, f, g, o = np.split(array, 4)
        return np.concatenate([i, o, f, g])

    weight_ih, weight_hh, bias = map(reordered, case.params.arrays())
    constants = {
        "W": weight_ih[None],
        "R": weight_hh[None],
        "B": np.concatenate([bias, np.zeros_like(bias)])[None],
    }
    graph = helper.make_graph(
        [helper.make_node("LSTM", ["X", *constants], ["Y"], hidden_size=H)],
        "lstm",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [T, N, D])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [T, 1, N, H])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: [session.run(["Y"], {"X": case.xs})[0][:, 0]]


def _floor(case: Case, backward: bool) -> Callable[[], Results]:
    """Return the products, each by `np.matmul` in the layout where that is fastest.

    A cell that multiplies with `np.matmul` cannot do without them.

    Forward: the input's product for all steps at once, and the recurrent one step by step.
    Backward: the recurrent one again, and three for all steps at once.
    """
    T, N, D, H = case.sizes
    every_step = [
        _fastest(case, (T * N, D), (D, 4 * H)),
        *([_fastest(case, (T * N, 4 * H), (4 * H, D))] if backward else []),
        *([_fastest(case, (4 * H, T * N), (T * N, D))] if backward else []),
        *([_fastest(case, (4 * H, T * N), (T * N, H))] if backward else []),
    ]
    one_step = [
        _fastest(case, (N, H), (H, 4 * H)),
        *([_fastest(case, (N, 4 * H), (4 * H, H))] if backward else []),
    ]

    def run() -> Results:
        for multiply in every_step:
            multiply()
        for multiply in one_step:
            for _ in range(T):
                multiply()
        return []

    return run


def _fastest(case: Case, left: tuple[int, int], right: tuple[int, int]) -> Callable[[], object]:
    """Return `np.matmul` of two matrices in its best layout: by rows or columns, padded or not."""

    def layouts(shape: tuple[int, int]) -> Iterator[Array]:
        rng = np.random.default_rng(0)
        for (rows, columns), turned in ((shape, False), (shape[::-1], True)):
            for padding in (0, 16):
                matrix = rng.normal(size=(rows, columns + padding)).astype(case.dtype)[:, :columns]
                yield matrix.T if turned else matrix

    out = np.empty((left[0], right[1]), case.dtype)
    runs = {
        number: (lambda a=a, b=b: np.matmul(a, b, out=out))
        for number, (a, b) in enumerate(product(layouts(left), layouts(right)))
    }
    seconds = alternate(runs, rounds=2)
    return runs[min(runs, key=lambda number: median(seconds[number]))]
