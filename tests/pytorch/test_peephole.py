import copy
import io

import numpy as np
import pytest
from hypothesis import given, settings

from lstm_course.gradcheck import relative_error
from lstm_course.variants import PeepholeParams, peephole_backward, peephole_forward

torch = pytest.importorskip("torch")

from test_module import CASES, FORMS, OURS, compare, counting, results  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence  # noqa: E402

from lstm_course.pytorch import PeepholeLSTM  # noqa: E402
from lstm_course.pytorch.loop import loop  # noqa: E402
from lstm_course.pytorch.peephole_module import (  # noqa: E402
    PeepholeWeights,
    peephole_hoisted,
    peephole_step,
)

CASES = {name: values for name, values in CASES.items() if name != "projected"}


def pair(D, H, dtype=torch.float64, *, dropout=0.0, **options):
    """Return the two backends with the same parameters, peepholes as large as all weights."""
    options["dropout"] = dropout if options.get("num_layers", 1) > 1 else 0.0
    looped, hoisted = (
        PeepholeLSTM(D, H, **options, dtype=dtype, backend=backend) for backend in OURS
    )
    hoisted.load_state_dict(looped.state_dict(), strict=True)
    return looped, hoisted


def peepholes(module):
    return {name: p for name, p in module.named_parameters() if name.startswith("weight_ch")}


@given(**CASES)
@pytest.mark.parametrize("backend", OURS)
def test_with_peepholes_of_zero_it_is_torchs_lstm(
    backend, T, N, D, H, form, states, seed, dropout, **options
):
    options |= {"dropout": dropout if options["num_layers"] > 1 else 0.0, "dtype": torch.float64}
    torch.manual_seed(seed)
    theirs = torch.nn.LSTM(D, H, **options)
    ours = PeepholeLSTM(D, H, **options, backend=backend)
    state = {name: torch.zeros_like(p) for name, p in peepholes(ours).items()}
    ours.load_state_dict(state | theirs.state_dict(), strict=True)
    found = results(ours, T, N, form, states, seed)
    seen = [found.pop(name) for name in state]
    compare(found, results(theirs, T, N, form, states, seed), 1e-12)
    assert any(grad.abs().max() > 0 for grad in seen)  # zeros that would learn


@given(**CASES)
def test_loop_and_hoisted_agree(T, N, D, H, form, states, seed, **options):
    torch.manual_seed(seed)
    looped, hoisted = pair(D, H, **options)
    case = (T, N, form, states, seed)
    compare(results(hoisted, *case), results(looped, *case), 1e-12)


@settings(max_examples=40)
@given(**CASES)
def test_loop_and_hoisted_agree_in_float32(T, N, D, H, form, states, seed, **options):
    torch.manual_seed(seed)
    looped, hoisted = pair(D, H, torch.float32, **options)
    case = (T, N, form, states, seed, torch.float32)
    compare(results(hoisted, *case), results(looped, *case), 1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.04), (torch.float16, 0.005)])
@pytest.mark.parametrize("form", FORMS)
def test_sixteen_bits_are_right_to_a_few_units_of_scale(form, dtype, tolerance):
    torch.manual_seed(0)
    for half in pair(4, 5, dtype, num_layers=2, bidirectional=True):
        case = (6, 3, form, True, 0)
        expected = results(copy.deepcopy(half).double(), *case)
        compare(results(half, *case, dtype), expected, tolerance)


@pytest.mark.parametrize("backend", OURS)
def test_the_packages_own_peephole_lstm_agrees(backend):
    rng = np.random.default_rng(0)
    shapes = (8, 3), (8, 2), (8,), (3, 2)
    params = PeepholeParams(*(rng.normal(size=shape) for shape in shapes))
    xs, h0, c0, dhs, dh_T, dc_T = (
        rng.normal(size=shape) for shape in ((5, 4, 3), (4, 2), (4, 2), (5, 4, 2), (4, 2), (4, 2))
    )
    hs, finals, cache = peephole_forward(xs, params, h0, c0)
    dxs, dh0, dc0, grads = peephole_backward(dhs, cache, dh_T, dc_T)
    lstm = PeepholeLSTM(3, 2, dtype=torch.float64, backend=backend)
    weights = (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.weight_ch_l0)
    for parameter, array in zip(weights, params.arrays(), strict=True):
        parameter.data.copy_(torch.from_numpy(array))
    lstm.bias_hh_l0.data.zero_()
    x, h, c = (torch.tensor(a, requires_grad=True) for a in (xs, h0[None], c0[None]))
    out, ends = lstm(x, (h, c))
    torch.autograd.backward(
        (out, *ends), [torch.from_numpy(d) for d in (dhs, dh_T[None], dc_T[None])]
    )
    found = (out, ends[0][0], ends[1][0], x.grad, h.grad[0], c.grad[0], *(p.grad for p in weights))
    expected = (hs, *finals, dxs, dh0, dc0, *grads.arrays())
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one.detach().numpy(), other) <= 1e-12


def derivatives(function, backend, form):
    """Check derivatives by inputs, states and all parameters, at random ones."""
    torch.manual_seed(0)
    lstm = PeepholeLSTM(2, 2, bidirectional=True, dtype=torch.float64, backend=backend)
    names, values = zip(*lstm.named_parameters(), strict=True)
    batch = () if form == "unbatched" else (2,)
    x, h, c = (torch.randn(k, *batch, n, dtype=torch.float64) for k, n in ((3, 2), (2, 2), (2, 2)))

    def run(x, h, c, *values):
        if form == "packed":
            x = pack_padded_sequence(x, torch.tensor([3, 1]))
        out, ends = torch.func.functional_call(
            lstm, dict(zip(names, values, strict=True)), (x, (h, c))
        )
        return (out.data if form == "packed" else out, *ends)

    return function(run, tuple(t.detach().requires_grad_() for t in (x, h, c, *values)))


@pytest.mark.parametrize("form", ["batched", "unbatched", "packed"])
def test_first_and_second_derivatives(form):
    for backend in OURS:
        assert derivatives(torch.autograd.gradcheck, backend, form)
    assert derivatives(torch.autograd.gradgradcheck, "loop", form)


def test_a_second_derivative_of_hoisted_is_refused():
    x = torch.randn(3, 2, 2, requires_grad=True)
    hs, _ = PeepholeLSTM(2, 3, backend="hoisted")(x)
    with pytest.raises(RuntimeError, match=r'no second derivative.*expected backend="loop"'):
        torch.autograd.grad(hs.sum(), x, create_graph=True)


def test_a_backward_run_can_be_repeated_but_not_after_a_change_of_the_peepholes():
    lstm = PeepholeLSTM(2, 3, backend="hoisted")
    hs, _ = lstm(torch.randn(4, 2, 2))
    hs.sum().backward(retain_graph=True)
    once = [p.grad.clone() for p in lstm.parameters()]
    lstm.zero_grad()
    hs.sum().backward(retain_graph=True)
    for parameter, grad in zip(lstm.parameters(), once, strict=True):
        assert torch.equal(parameter.grad, grad)
    with torch.no_grad():
        lstm.weight_ch_l0 += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        hs.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_hoisted_keeps_the_cell_state_and_its_gradient_in_float32_between_steps(dtype):
    def without(run):  # peepholes, so that the exact sum is that of the LSTM
        def as_lstm(xs, sizes, h, c, weights):
            none = weights.weight_hh.new_zeros(3, 1)
            own = PeepholeWeights(weights.weight_ih, weights.weight_hh, none, weights.bias)
            return run(xs, sizes, h, c, own)

        return as_lstm

    exact, eps = counting(loop, torch.float64), torch.finfo(dtype).eps
    assert counting(without(peephole_hoisted), dtype) == pytest.approx(exact, rel=eps)


@pytest.mark.parametrize("bias", [True, False])
def test_parameters_are_torchs_and_a_weight_from_the_cell_state_for_each_layer_and_direction(bias):
    options = {"num_layers": 2, "bias": bias, "bidirectional": True}
    torch.manual_seed(0)
    theirs = dict(torch.nn.LSTM(3, 400, **options).named_parameters())
    torch.manual_seed(0)
    ours = PeepholeLSTM(3, 400, **options)
    found = dict(ours.named_parameters())
    own = {f"weight_ch_l{k}{end}" for k in (0, 1) for end in ("", "_reverse")}
    assert found.keys() == theirs.keys() | own
    assert all(torch.equal(found[name], p) for name, p in theirs.items())

    def check():
        for name in own:
            assert found[name].shape == (3, 400)
            assert 0.045 < found[name].abs().max() <= 0.05  # 1 / sqrt(H), as for the others
        assert len({found[name].sum().item() for name in own}) == 4

    check()
    with torch.no_grad():
        for name in own:
            found[name].zero_()
    ours.reset_parameters()
    check()


def test_what_it_is():
    lstm = PeepholeLSTM(3, 2, num_layers=2, batch_first=True, backend="hoisted")
    assert not isinstance(
        lstm, torch.nn.LSTM
    )  # or code for PyTorch's would leave out the peepholes
    assert repr(lstm) == "PeepholeLSTM(3, 2, num_layers=2, batch_first=True, backend='hoisted')"
    assert PeepholeLSTM(3, 2).picked == "hoisted"
    assert PeepholeLSTM(3, 2, device="meta").picked == "loop"


def test_rows_of_the_peepholes_are_i_f_o():
    torch.manual_seed(0)
    x, h, c = torch.randn(2, 3), torch.randn(2, 4), torch.randn(2, 4)
    weights = torch.randn(16, 3), torch.randn(16, 4)
    zeros = torch.zeros(3, 4)
    for row, gate in enumerate("ifo"):
        one = zeros.clone()
        one[row] = 1e4
        with_one = peephole_step(x, h, c.abs(), PeepholeWeights(*weights, one))
        i, f, g, o = (x @ weights[0].T + h @ weights[1].T).chunk(4, dim=1)
        i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()
        state = (1 if gate == "f" else f) * c.abs() + (1 if gate == "i" else i) * g.tanh()
        o = (state > 0).float() if gate == "o" else o
        torch.testing.assert_close(with_one, (o * state.tanh(), state))


def test_dropout_acts_only_while_training():
    for lstm in pair(3, 4, num_layers=3, dropout=0.5):
        x = torch.randn(5, 2, 3, dtype=torch.float64)
        assert not torch.allclose(lstm(x)[0], lstm(x)[0])
        lstm.eval()
        assert torch.equal(lstm(x)[0], lstm(x)[0])


@pytest.mark.parametrize("backend", OURS)
def test_a_batch_of_nothing(backend):
    lstm = PeepholeLSTM(2, 3, num_layers=2, bidirectional=True, backend=backend)
    hs, (h_n, c_n) = lstm(torch.empty(4, 0, 2))
    assert hs.shape == (4, 0, 6)
    assert h_n.shape == c_n.shape == (4, 0, 3)
    hs.sum().backward()


@pytest.mark.parametrize("backend", ["auto", *OURS])
def test_shapes_on_the_meta_device_and_parameters_that_come_later(backend):
    options = {"num_layers": 2, "bidirectional": True, "backend": backend}
    with torch.device("meta"):
        lstm = PeepholeLSTM(3, 4, **options)
        hs, (h_n, c_n) = lstm(torch.empty(5, 6, 3))
    assert all(tensor.is_meta for tensor in (hs, h_n, c_n, *lstm.parameters()))
    assert (hs.shape, h_n.shape, c_n.shape) == ((5, 6, 8), (4, 6, 4), (4, 6, 4))
    other, x = PeepholeLSTM(3, 4, **options), torch.randn(5, 6, 3)
    lstm.load_state_dict(other.state_dict(), assign=True)
    assert torch.equal(lstm(x)[0], other(x)[0])


@pytest.mark.parametrize("backend", OURS)
def test_copies_replicas_and_files(backend):
    lstm = PeepholeLSTM(2, 3, num_layers=2, batch_first=True, backend=backend)
    replica = lstm._replicate_for_data_parallel()  # its weights are attributes, not parameters
    for name, parameter in lstm.named_parameters():
        setattr(replica, name, parameter.clone())
    x, file = torch.randn(4, 5, 2), io.BytesIO()
    torch.save(lstm, file)
    file.seek(0)
    for other in (copy.deepcopy(lstm), replica, torch.load(file, weights_only=False)):
        assert other.picked == backend
        assert torch.equal(other(x)[0], lstm(x)[0])
    replica(x)[0].sum().backward()
    assert all(p.grad is not None for p in lstm.parameters())


@pytest.mark.parametrize("form", FORMS)
def test_autocast_on_the_cpu(form):
    torch.manual_seed(0)
    for lstm in pair(4, 5, torch.float32, num_layers=2, bidirectional=True):
        case = (6, 3, form, True, 0, torch.float32)
        expected = results(copy.deepcopy(lstm), *case)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = results(lstm, *case, out_dtype=torch.bfloat16)
        compare(found, expected, 0.04)
        assert all(p.grad.dtype == torch.float32 for p in lstm.parameters())


X = torch.ones(4, 5, 3)
H0 = torch.zeros(2, 5, 2)
LSTM2 = PeepholeLSTM(3, 2, 2)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: PeepholeLSTM(0, 2), ValueError, "input_size must be at least 1, got 0"),
        (lambda: PeepholeLSTM(3, 2, bias=None), TypeError, "bias must be True or False, got None"),
        (lambda: PeepholeLSTM(3, 2, backend="cudnn"), ValueError, "backend must be one of auto, loop, hoisted, got 'cudnn'"),
        (lambda: PeepholeLSTM(3, 2, dropout=0.5), UserWarning, "dropout acts between layers, but there is one layer: 0.5 does nothing"),
        (lambda: LSTM2(X.double()), TypeError, "input is torch.float64, expected torch.float32 like the parameters"),
        (lambda: LSTM2(X, H0), TypeError, "hx must be a pair of Tensors, h and c, got Tensor"),
        (lambda: LSTM2(X, (H0, H0[:1])), ValueError, r"c has shape \(1, 5, 2\), expected \(2, 5, 2\)"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
