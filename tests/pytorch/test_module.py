import copy
import importlib.util
import io
import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lstm_course as lc
from conftest import ROOT, need
from lstm_course.gradcheck import relative_error

torch = pytest.importorskip("torch")

from torch.nn.utils.rnn import (  # noqa: E402
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)

from lstm_course.pytorch import LSTM, LSTMCell, Weights, fused  # noqa: E402
from lstm_course.pytorch.fused import INTERPRETED  # noqa: E402
from lstm_course.pytorch.hoisted import hoisted  # noqa: E402
from lstm_course.pytorch.loop import loop  # noqa: E402
from lstm_course.pytorch.stack import turned  # noqa: E402

# torch.nn.LSTM says once that a projection in float32 keeps it from oneDNN.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

OURS = ("loop", "hoisted")
FORMS = ("batched", "unbatched", "packed", "unsorted")
CASES = {
    "T": st.integers(1, 5),
    "N": st.integers(1, 4),
    "D": st.integers(1, 4),
    "H": st.integers(2, 5),
    "num_layers": st.integers(1, 3),
    "bias": st.booleans(),
    "batch_first": st.booleans(),
    "dropout": st.sampled_from([0.0, 0.5]),
    "bidirectional": st.booleans(),
    "projected": st.booleans(),
    "form": st.sampled_from(FORMS),
    "states": st.booleans(),
    "seed": st.integers(0, 99),
}


def pair(
    D, H, dtype=torch.float64, *, num_layers=1, dropout=0.0, projected=False, backend, **options
):
    """Return torch.nn.LSTM and ours with its parameters."""
    options |= {"num_layers": num_layers, "proj_size": H - 1 if projected else 0, "dtype": dtype}
    options["dropout"] = dropout if num_layers > 1 else 0.0
    theirs = torch.nn.LSTM(D, H, **options)
    ours = LSTM(D, H, **options, backend=backend)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def results(module, T, N, form, states, seed, dtype=torch.float64, out_dtype=None):
    """Run a module forward and backward on what `seed` draws; return all results under names."""
    draws = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=draws, dtype=torch.float64).to(dtype)

    batch = () if form == "unbatched" else (N,)
    shape = (N, T) if batch and module.batch_first else (T, *batch)
    x = normal(*shape, module.input_size).requires_grad_()
    cells = module.num_layers * (2 if module.bidirectional else 1)
    letters = "h" if isinstance(module, torch.nn.GRU) else "hc"
    widths = {"h": module.proj_size or module.hidden_size, "c": module.hidden_size}
    hx = [normal(cells, *batch, widths[letter]).requires_grad_() for letter in letters]
    read = x
    if "pack" in form or form == "unsorted":
        lengths = torch.randint(1, T + 1, (N,), generator=draws)
        if form == "packed":
            lengths = lengths.sort(descending=True).values
        read = pack_padded_sequence(x, lengths, module.batch_first, form == "packed")
    torch.manual_seed(seed)  # for dropout
    out, finals = module(read, (tuple(hx) if len(hx) > 1 else hx[0]) if states else None)
    finals = finals if len(hx) > 1 else (finals,)
    found = {"hs": out} | {f"{k}_n": final for k, final in zip(letters, finals, strict=True)}
    if isinstance(out, PackedSequence):
        for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
            one, other = getattr(out, name), getattr(read, name)
            assert (one is None and other is None) or torch.equal(one, other)
        found["hs"] = pad_packed_sequence(out, module.batch_first, total_length=T)[0]
    for tensor in found.values():
        assert tensor.dtype == (out_dtype or dtype)
    loss = sum((tensor * normal(*tensor.shape)).sum() for tensor in found.values())
    module.zero_grad()
    loss.backward()
    found |= {"x.grad": x.grad} | {name: p.grad for name, p in module.named_parameters()}
    if states:
        found |= {f"{k}_0.grad": state.grad for k, state in zip(letters, hx, strict=True)}
    return {name: tensor.detach().double() for name, tensor in found.items()}


def compare(ours, theirs, tolerance):
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert ours[name].shape == tensor.shape, name
        assert relative_error(ours[name].numpy(), tensor.numpy()) <= tolerance, name


def check(backend, dtype, tolerance, T, N, D, H, form, states, seed, **options):
    torch.manual_seed(seed)
    theirs, ours = pair(D, H, dtype, backend=backend, **options)
    case = (T, N, form, states, seed, dtype)
    compare(results(ours, *case), results(theirs, *case), tolerance)


@pytest.mark.parametrize("backend", [*OURS, "cudnn"])
@given(**CASES)
def test_float64_equals_torch(backend, **case):
    check(backend, torch.float64, 1e-12, **case)


@pytest.mark.parametrize("backend", OURS)
@settings(max_examples=40)
@given(**CASES)
def test_float32_equals_torch(backend, **case):
    check(backend, torch.float32, 1e-5, **case)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backend", OURS)
def test_bfloat16_is_right_to_four_percent_of_scale(backend, form):
    torch.manual_seed(0)
    half, ours = pair(4, 5, torch.bfloat16, num_layers=2, bidirectional=True, backend=backend)
    exact = copy.deepcopy(half).double()
    case = (6, 3, form, True, 0)
    expected = results(exact, *case)
    compare(results(ours, *case, torch.bfloat16), expected, 0.04)


def test_the_packages_own_lstm_agrees():
    rng = np.random.default_rng(0)
    params = lc.LSTMParams(*(rng.normal(size=shape) for shape in ((8, 3), (8, 2), (8,))))
    xs, h0, c0, dhs, dh_T, dc_T = (
        rng.normal(size=shape) for shape in ((5, 4, 3), (4, 2), (4, 2), (5, 4, 2), (4, 2), (4, 2))
    )
    hs, finals, cache = lc.lstm_forward(xs, params, h0, c0)
    dxs, dh0, dc0, grads = lc.lstm_backward(dhs, cache, dh_T, dc_T)
    for backend in OURS:
        lstm = LSTM(3, 2, dtype=torch.float64, backend=backend)
        arrays = [*params.arrays(), np.zeros(8)]
        for parameter, array in zip(lstm.parameters(), arrays, strict=True):
            parameter.data.copy_(torch.from_numpy(array))
        inputs = [torch.tensor(a, requires_grad=True) for a in (xs, h0[None], c0[None])]
        out, ends = lstm(inputs[0], tuple(inputs[1:]))
        torch.autograd.backward(
            (out, *ends), [torch.from_numpy(d) for d in (dhs, dh_T[None], dc_T[None])]
        )
        ours = (out, ends[0][0], ends[1][0])
        for one, other in zip(ours, (hs, *finals), strict=True):
            assert relative_error(one.detach().numpy(), other) <= 1e-12
        ours = [t.grad for t in inputs] + [p.grad for p in lstm.parameters()]
        theirs = (dxs, dh0[None], dc0[None], *grads.arrays(), grads.bias)
        for one, other in zip(ours, theirs, strict=True):
            assert relative_error(one.numpy(), other) <= 1e-12


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (3,)])
@pytest.mark.parametrize("states", [True, False])
def test_cell_equals_torch(bias, shape, states):
    torch.manual_seed(0)
    theirs = torch.nn.LSTMCell(3, 2, bias, dtype=torch.float64)
    torch.manual_seed(0)
    ours = LSTMCell(3, 2, bias, dtype=torch.float64)
    x, *hx = (torch.randn(*shape[:-1], n, dtype=torch.float64) for n in (3, 2, 2))
    found = []
    for cell in (ours, theirs):
        inputs = [tensor.clone().requires_grad_() for tensor in (x, *hx)]
        h, c = cell(inputs[0], tuple(inputs[1:]) if states else None)
        (h * h + 3 * c).sum().backward()
        grads = [t.grad for t in inputs[: 3 if states else 1]]
        found.append([h.detach(), c.detach(), *grads, *(p.grad for p in cell.parameters())])
    for one, other in zip(*found, strict=True):
        assert one.shape == other.shape
        assert relative_error(one.numpy(), other.numpy()) <= 1e-12
    theirs.load_state_dict(ours.state_dict(), strict=True)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True, "proj_size": 2}]
)
def test_parameters_are_torchs_in_name_order_and_draw(options):
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(3, 4, **options)
    torch.manual_seed(0)
    ours = LSTM(3, 4, **options)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    for (name, one), (wanted, other) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == wanted
        assert torch.equal(one, other)
    assert repr(ours) == repr(theirs)


def derivatives(function, form, projected=False):
    """Return a loss-free function of inputs, states and all parameters, and random arguments."""
    torch.manual_seed(0)
    lstm = LSTM(
        2, 3, bidirectional=True, proj_size=int(projected), dtype=torch.float64, backend="loop"
    )
    names, values = zip(*lstm.named_parameters(), strict=True)
    batch = () if form == "unbatched" else (2,)
    x, h, c = (
        torch.randn(k, *batch, n, dtype=torch.float64)
        for k, n in ((3, 2), (2, 1 if projected else 3), (2, 3))
    )

    def run(x, h, c, *values):
        if form == "packed":
            x = pack_padded_sequence(x, torch.tensor([3, 1]))
        out, ends = torch.func.functional_call(
            lstm, dict(zip(names, values, strict=True)), (x, (h, c))
        )
        return (out.data if form == "packed" else out, *ends)

    return function(run, tuple(t.detach().requires_grad_() for t in (x, h, c, *values)))


@pytest.mark.parametrize("form", ["batched", "unbatched", "packed"])
def test_first_and_second_derivatives_of_the_loop(form):
    assert derivatives(torch.autograd.gradcheck, form)
    assert derivatives(torch.autograd.gradgradcheck, form, projected=True)


def test_a_second_derivative_of_hoisted_is_refused_and_nothing_wrong_comes_back():
    x = torch.randn(3, 2, 2, requires_grad=True)
    hs, _ = LSTM(2, 3, backend="hoisted")(x)
    with pytest.raises(RuntimeError, match=r'no second derivative.*expected backend="loop"'):
        torch.autograd.grad(hs.sum(), x, create_graph=True)


def test_a_backward_run_can_be_repeated():
    lstm = LSTM(2, 3, num_layers=2, bidirectional=True, backend="hoisted")
    hs, _ = lstm(torch.randn(4, 2, 2))
    hs.sum().backward(retain_graph=True)
    once = [p.grad.clone() for p in lstm.parameters()]
    lstm.zero_grad()
    hs.sum().backward()
    for parameter, grad in zip(lstm.parameters(), once, strict=True):
        assert torch.equal(parameter.grad, grad)


@pytest.mark.parametrize("backend", OURS)
def test_arguments_stay_as_they_were(backend):
    lstm = LSTM(2, 3, backend=backend)
    x, h, c = torch.randn(4, 2, 2), torch.randn(1, 2, 3), torch.randn(1, 2, 3)
    before = [t.clone() for t in (x, h, c)]
    hs, ends = lstm(x, (h, c))
    with torch.no_grad():
        for one, other in zip((hs, *ends), (lstm(x, (h, c))[0], *lstm(x, (h, c))[1]), strict=True):
            assert torch.equal(one, other)
    (hs.sum() + ends[1].sum()).backward()
    assert all(map(torch.equal, (x, h, c), before))


def test_what_code_for_torchs_module_asks_for_is_there():
    for options in ({}, {"bias": False}, {"proj_size": 1, "bidirectional": True, "num_layers": 2}):
        theirs, ours = torch.nn.LSTM(3, 2, **options), LSTM(3, 2, **options)
        ours.load_state_dict(theirs.state_dict())
        ours.flatten_parameters()
        assert ours.mode == theirs.mode
        for mine, wanted in zip(ours.all_weights, theirs.all_weights, strict=True):
            for one, other in zip(mine, wanted, strict=True):
                assert torch.equal(one, other)


def test_code_that_looks_for_torchs_modules_finds_ours():
    model = torch.nn.Sequential(LSTM(3, 2, backend="loop"), LSTMCell(3, 2))
    found = [m for m in model.modules() if isinstance(m, torch.nn.LSTM | torch.nn.LSTMCell)]
    assert found == list(model)
    for module in found:  # as an initialization would
        for name, parameter in module.named_parameters():
            if name.startswith("bias_hh"):
                torch.nn.init.ones_(parameter)
    assert torch.equal(model[0].bias_hh_l0, torch.ones(8))
    assert torch.equal(model[1].bias_hh, torch.ones(8))


def test_what_cudnn_wants_in_one_piece_is_always_the_parameters(monkeypatch):
    lstm = LSTM(3, 2, num_layers=2, bidirectional=True)
    flattened = []
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)  # all that is asked before
    monkeypatch.setattr(
        torch.nn.LSTM, "flatten_parameters", lambda self: flattened.append(self._flat_weights)
    )
    replaced = {name: torch.ones_like(p) for name, p in lstm.named_parameters()}
    for change in (
        lambda: lstm.double().float(),
        lambda: lstm.load_state_dict(replaced, assign=True),
    ):
        change()
        lstm(torch.ones(4, 5, 3))
        assert list(map(id, flattened[-1])) == list(map(id, lstm.parameters()))
        flattened.clear()
        lstm(torch.ones(4, 5, 3))
        assert not flattened


@pytest.mark.parametrize("backend", ["auto", "cudnn", *OURS])
@pytest.mark.parametrize("batch_first", [False, True])
def test_shapes_on_the_meta_device_and_parameters_that_come_later(backend, batch_first):
    options = {"num_layers": 2, "bidirectional": True, "proj_size": 2, "batch_first": batch_first}
    with torch.device("meta"):
        lstm, x = LSTM(3, 4, **options, backend=backend), torch.empty(5, 6, 3)
        hs, (h_n, c_n) = lstm(x)
    assert all(tensor.is_meta for tensor in (hs, h_n, c_n, *lstm.parameters()))
    N = 5 if batch_first else 6
    assert (hs.shape, h_n.shape, c_n.shape) == ((5, 6, 4), (4, N, 2), (4, N, 4))
    packed = pack_padded_sequence(x, [5, 4, 3, 3, 2, 1][:N], batch_first)
    assert lstm(packed)[0].data.shape == (len(packed.data), 4)

    theirs, x = torch.nn.LSTM(3, 4, **options), torch.randn(5, 6, 3)
    assigned = copy.deepcopy(lstm)
    assigned.load_state_dict(theirs.state_dict(), assign=True)
    copied = lstm.to_empty(device="cpu")
    copied.load_state_dict(theirs.state_dict())
    for ours in (assigned, copied):
        torch.testing.assert_close(ours(x)[0], theirs(x)[0])
        ours(x)[0].sum().backward()


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("backend", ["auto", *OURS])
def test_exported_for_every_batch_size(backend, bidirectional):
    lstm = LSTM(3, 4, num_layers=2, bidirectional=bidirectional, backend=backend)
    N = torch.export.Dim("N", min=1)
    with torch.no_grad():
        program = torch.export.export(lstm, (torch.ones(5, 6, 3),), dynamic_shapes=({1: N},))
        for n in (1, 2, 7):
            x = torch.randn(5, n, 3)
            for one, other in zip(
                torch.utils._pytree.tree_leaves(program.module()(x)),
                torch.utils._pytree.tree_leaves(lstm(x)),
                strict=True,
            ):
                torch.testing.assert_close(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["auto", "loop"])
def test_an_export_for_every_length_is_refused_with_a_sentence(backend):
    T = torch.export.Dim("T", min=1)
    with pytest.raises(Exception, match=r"marked T as dynamic but your code specialized it"):
        torch.export.export(
            LSTM(3, 4, backend=backend), (torch.ones(5, 6, 3),), dynamic_shapes=({0: T},)
        )


@pytest.mark.filterwarnings("ignore:You are using the legacy TorchScript-based ONNX export")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.onnx")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:Exporting a model to ONNX with a batch_size other than 1")
def test_onnx_of_every_length_and_batch_size(tmp_path):
    need(importlib.util.find_spec("onnxruntime"), "ONNX Runtime", "pip install onnx onnxruntime")
    import onnxruntime

    lstm = LSTM(3, 4, num_layers=2, bidirectional=True)
    torch.onnx.export(
        lstm, (torch.ones(5, 6, 3),), tmp_path / "lstm.onnx", dynamo=False,
        input_names=["xs"], dynamic_axes={"xs": {0: "T", 1: "N"}},
    )  # fmt: skip
    session = onnxruntime.InferenceSession(tmp_path / "lstm.onnx")
    for shape in ((5, 6, 3), (9, 1, 3)):
        xs = torch.randn(shape)
        hs, _, c_n = session.run(None, {"xs": xs.numpy()})
        expected, (_, wanted) = lstm(xs)
        torch.testing.assert_close(torch.from_numpy(hs), expected.detach())
        torch.testing.assert_close(torch.from_numpy(c_n), wanted.detach())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # Dynamo
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # Dynamo
@pytest.mark.parametrize("backend", OURS)
def test_what_a_compiler_gets_of_it(backend):
    graphs = []

    def compiler(graph, _):
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    torch.compile(LSTM(3, 4, backend=backend), backend=compiler)(torch.ones(9, 2, 3))
    assert max(graphs) > 9 * 10  # the loop of nine steps is in one graph


@pytest.mark.parametrize("backend", [*OURS, "cudnn"])
def test_packed_sequences_where_new_tensors_are_made_elsewhere(backend):
    lstm = LSTM(3, 2, bidirectional=True, backend=backend)
    packed = pack_padded_sequence(torch.ones(4, 2, 3), [4, 2])
    expected = lstm(packed)[0].data
    with torch.device("meta"):
        found = lstm(packed)[0].data
    assert torch.equal(found, expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # Dynamo
@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("backend", ["auto", "loop"])
def test_compiled_for_training(backend, learns):
    theirs, ours = pair(3, 4, torch.float32, backend=backend)
    compiled = torch.compile(ours, backend="aot_eager")  # all of it but the code for the processor
    x = torch.ones(3, 2, 3, requires_grad=learns)
    for module in (theirs, compiled):
        module(x)[0].sum().backward()
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad)


@pytest.mark.parametrize("backend", OURS)
def test_copies_and_files(backend, tmp_path):
    lstm = LSTM(2, 3, num_layers=2, batch_first=True, proj_size=2, backend=backend)
    x = torch.randn(4, 5, 2)
    expected = lstm(x)[0]
    file = io.BytesIO()
    torch.save(lstm, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    for other in (copy.deepcopy(lstm), pickle.loads(pickle.dumps(lstm)), loaded):
        assert other.picked == backend
        assert torch.equal(other(x)[0], expected)
    torch.save(lstm.state_dict(), tmp_path / "state")
    fresh = LSTM(2, 3, num_layers=2, batch_first=True, proj_size=2, backend=backend)
    fresh.load_state_dict(torch.load(tmp_path / "state"))
    assert torch.equal(fresh(x)[0], expected)


@pytest.mark.parametrize("backend", ["auto", *OURS])
def test_a_replica_computes_with_its_own_weights(backend):
    """What DataParallel does: a shallow copy whose weights are attributes, not parameters."""
    lstm = LSTM(2, 3, bidirectional=True, backend=backend)
    replica = lstm._replicate_for_data_parallel()
    for name, parameter in lstm.named_parameters():
        setattr(replica, name, 2 * parameter)
    doubled = copy.deepcopy(lstm)
    with torch.no_grad():
        for parameter in doubled.parameters():
            parameter *= 2
    x = torch.randn(4, 2, 2)
    hs = replica(x)[0]
    assert torch.equal(hs, doubled(x)[0])
    hs.sum().backward()
    assert all(parameter.grad is not None for parameter in lstm.parameters())


@pytest.mark.parametrize("backend", [*OURS, "cudnn"])
@pytest.mark.parametrize("form", FORMS)
def test_autocast_on_the_cpu(backend, form):
    torch.manual_seed(0)
    _, ours = pair(4, 5, torch.float32, num_layers=2, bidirectional=True, backend=backend)
    case = (6, 3, form, True, 0, torch.float32)
    expected = results(copy.deepcopy(ours), *case)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = results(ours, *case, out_dtype=torch.bfloat16)
    compare(found, expected, 0.04)
    assert all(p.grad.dtype == torch.float32 for p in ours.parameters())


def test_autocast_of_the_cell():
    cell, x = LSTMCell(3, 2), torch.randn(4, 3)
    expected = cell(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for given in (x, x.bfloat16()):
            for one, other in zip(cell(given), expected, strict=True):
                torch.testing.assert_close(one.float(), other, atol=0.01, rtol=0.01)


@pytest.mark.parametrize("backend", OURS)
def test_autocast_leaves_float64_alone(backend):
    lstm = LSTM(2, 3, dtype=torch.float64, backend=backend)
    x = torch.randn(4, 2, 2, dtype=torch.float64)
    expected = lstm(x)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(lstm(x)[0], expected)
        with pytest.raises(TypeError, match=r"input is torch.float32, expected torch.float64"):
            lstm(x.float())


@pytest.mark.parametrize("backend", OURS)
def test_float16(backend):
    torch.manual_seed(0)
    _, ours = pair(4, 5, torch.float16, backend=backend)
    case = (6, 3, "packed", True, 0)
    compare(
        results(ours, *case, torch.float16), results(copy.deepcopy(ours).double(), *case), 0.005
    )


def counting(run, dtype):
    """Return the final cell state of a cell that adds 0.003 in 512 steps, and dc_0 of sum(hs)."""
    sums = torch.tensor([30.0, 30.0, math.atanh(0.003), 0.0], dtype=torch.float64)
    zero, weight = torch.zeros(1, 1, dtype=dtype), torch.zeros(4, 1, dtype=dtype)
    c_0 = zero.clone().requires_grad_()
    xs = torch.zeros(512, 1, dtype=dtype)
    hs, _, c_n = run(xs, [1] * 512, zero, c_0, Weights(weight, weight, sums.to(dtype)))
    hs.sum().backward()
    assert c_n.dtype == c_0.grad.dtype == dtype
    return c_n.item(), c_0.grad.item()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_hoisted_keeps_the_cell_state_and_its_gradient_in_float32_between_steps(dtype):
    exact, eps = counting(loop, torch.float64), torch.finfo(dtype).eps
    assert counting(hoisted, dtype) == pytest.approx(exact, rel=eps)
    for one, other in zip(counting(loop, dtype), exact, strict=True):  # which rounds at each step
        assert abs(one / other - 1) > 10 * eps


def test_what_auto_picks():
    assert LSTM(2, 3).picked == "cudnn"
    assert LSTM(2, 3, device="meta").picked == "loop"  # nothing has been measured there
    assert LSTM(2, 3, backend="loop").picked == "loop"


@pytest.mark.parametrize("backend", [*OURS, "cudnn"])
def test_dropout_acts_only_while_training(backend):
    theirs, ours = pair(3, 4, num_layers=3, dropout=0.5, backend=backend)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    assert not torch.allclose(ours(x)[0], ours(x)[0])
    torch.testing.assert_close(ours.eval()(x)[0], theirs.eval()(x)[0])


@pytest.mark.parametrize("backend", [*OURS, "cudnn"])
def test_a_batch_of_nothing(backend):
    lstm = LSTM(2, 3, num_layers=2, bidirectional=True, backend=backend)
    hs, (h_n, c_n) = lstm(torch.empty(4, 0, 2))
    assert hs.shape == (4, 0, 6)
    assert h_n.shape == c_n.shape == (4, 0, 3)
    hs.sum().backward()


def test_turning_round():
    sizes = [3, 3, 2, 1, 1]
    packed = pack_padded_sequence(torch.arange(15).view(5, 3), torch.tensor([5, 3, 2]))
    assert packed.batch_sizes.tolist() == sizes
    turn = turned(sizes)
    assert torch.equal(turn[turn], torch.arange(10))
    padded, _ = pad_packed_sequence(packed._replace(data=packed.data[turn]), padding_value=-1)
    assert padded.T.tolist() == [[12, 9, 6, 3, 0], [7, 4, 1, -1, -1], [5, 2, -1, -1, -1]]


@pytest.mark.slow
def test_kernels_in_tritons_interpreter():
    need(importlib.util.find_spec("triton"), "Triton", "pip install triton")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "tests/pytorch/test_fused.py",
        ],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
@pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION is unset")
@pytest.mark.parametrize("dtype", ["fp64", "fp32", "fp16", "bf16"])
@pytest.mark.parametrize(
    ("kernel", "tensors", "states"),
    [("forward_kernel", 4, (1, 2)), ("backward_kernel", 6, (1, 3, 4))],
)
def test_kernels_compile_for_a_gpu(kernel, tensors, states, dtype, tmp_path, monkeypatch):
    need(importlib.util.find_spec("triton"), "Triton", "pip install triton")
    import triton
    from triton.backends import compiler

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel = getattr(fused, kernel)
    precise = "fp64" if dtype == "fp64" else "fp32"
    types = [f"*{precise if k in states else dtype}" for k in range(tensors)]
    types += ["i32", "i32", "constexpr", "constexpr"]
    constants = {
        "BLOCK": fused.block(64 * 512),
        "FLOAT": fused.tl.float64 if dtype == "fp64" else fused.tl.float32,
    }
    source = triton.compiler.ASTSource(
        kernel, dict(zip(kernel.arg_names, types, strict=True)), constants
    )
    compiled = triton.compile(source, target=compiler.GPUTarget("cuda", 90, 32))
    assert compiled.asm["cubin"]


LSTM3 = LSTM(3, 2, 2)
X = torch.ones(4, 5, 3)
H0 = torch.zeros(2, 5, 2)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: LSTM(0, 2), ValueError, "input_size must be at least 1, got 0"),
        (lambda: LSTM(3, 2.0), TypeError, "hidden_size must be a whole number, got 2.0"),
        (lambda: LSTM(3, 2, 0), ValueError, "num_layers must be at least 1, got 0"),
        (lambda: LSTM(3, 2, bias=1), TypeError, "bias must be True or False, got 1"),
        (lambda: LSTM(3, 2, batch_first=None), TypeError, "batch_first must be True or False, got None"),
        (lambda: LSTM(3, 2, bidirectional="no"), TypeError, "bidirectional must be True or False, got 'no'"),
        (lambda: LSTM(3, 2, 2, dropout=1.5), ValueError, "dropout must be from 0 to 1, got 1.5"),
        (lambda: LSTM(3, 2, 2, dropout=True), TypeError, "dropout must be a number, got True"),
        (lambda: LSTM(3, 2, proj_size=2), ValueError, "proj_size must be below hidden_size, 2, got 2"),
        (lambda: LSTM(3, 2, proj_size=-1), ValueError, "proj_size must be at least 1, got -1"),
        (lambda: LSTM(3, 2, backend="fast"), ValueError, "backend must be one of auto, loop, hoisted, fused, cudnn, got 'fast'"),
        (lambda: LSTM(3, 2, dropout=0.5), UserWarning, "dropout acts between layers, but there is one layer: 0.5 does nothing"),
        (lambda: LSTM3(X.tolist()), TypeError, "input must be a Tensor, got list"),
        (lambda: LSTM3(X.double()), TypeError, "input is torch.float64, expected torch.float32 like the parameters"),
        (lambda: LSTM3(X.to("meta")), ValueError, "input is on meta, expected cpu like the parameters"),
        (lambda: LSTM3(X[..., :2]), ValueError, r"input has shape \(4, 5, 2\), expected \(T, N, 3\) or \(T, 3\)"),
        (lambda: LSTM(3, 2, batch_first=True)(X[0, 0]), ValueError, r"input has shape \(3,\), expected \(N, T, 3\) or \(T, 3\)"),
        (lambda: LSTM3(X[:0]), ValueError, r"input has shape \(0, 5, 3\), expected T at least 1"),
        (lambda: LSTM3(X, H0), TypeError, "hx must be a pair of Tensors, h and c, got Tensor"),
        (lambda: LSTM3(X, (H0,)), TypeError, "hx must be a pair of Tensors, h and c, got 1 of them"),
        (lambda: LSTM3(X, (H0, None)), TypeError, "c must be a Tensor, got NoneType"),
        (lambda: LSTM3(X, (H0[:1], H0)), ValueError, r"h has shape \(1, 5, 2\), expected \(2, 5, 2\)"),
        (lambda: LSTM3(X[:, 0], (H0, H0)), ValueError, r"h has shape \(2, 5, 2\), expected \(2, 2\)"),
        (lambda: LSTM3(X, (H0, H0.double())), TypeError, "c is torch.float64, expected torch.float32 like the input"),
        (lambda: LSTM3(pack_padded_sequence(X[..., :2], torch.full((5,), 4))), ValueError, r"input has shape \(20, 2\), expected \(sum of lengths, 3\)"),
        (lambda: LSTMCell(3, 2)(X), ValueError, r"input has shape \(4, 5, 3\), expected \(N, 3\) or \(3,\)"),
        (lambda: LSTMCell(3, 2)(X[0], (H0[0], H0[0, :1])), ValueError, r"c has shape \(1, 2\), expected \(5, 2\)"),
        (lambda: LSTMCell(3, 2, bias=0), TypeError, "bias must be True or False, got 0"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.skipif(INTERPRETED, reason="the kernels do run")
def test_fused_says_what_it_lacks():
    with pytest.raises(RuntimeError, match=r'backend "fused" needs (Triton|a CUDA device)'):
        LSTM(3, 2, backend="fused")(X)


def test_without_triton_everything_else_runs():
    code = """
import sys, torch
sys.modules["triton"] = None
from lstm_course.pytorch import LSTM
LSTM(3, 2)(torch.ones(4, 5, 3))
LSTM(3, 2, backend="fused")(torch.ones(4, 5, 3))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.endswith(
        'RuntimeError: backend "fused" needs Triton, which is not installed\n'
    ), run.stderr
