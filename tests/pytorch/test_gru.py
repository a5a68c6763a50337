import copy
import io

import numpy as np
import pytest
from hypothesis import given, settings

from lstm_course.gradcheck import relative_error
from lstm_course.variants import GRUParams, gru_backward, gru_forward

torch = pytest.importorskip("torch")

from test_module import CASES, FORMS, OURS, compare, results  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence  # noqa: E402

from lstm_course.pytorch import GRU, LSTM, PeepholeLSTM  # noqa: E402
from lstm_course.pytorch.gru_module import GRUWeights, gru_hoisted, gru_loop  # noqa: E402

CASES = {name: values for name, values in CASES.items() if name != "projected"}


def pair(D, H, dtype=torch.float64, *, num_layers=1, dropout=0.0, backend, **options):
    """Return torch.nn.GRU and ours with its parameters."""
    options |= {"num_layers": num_layers, "dtype": dtype}
    options["dropout"] = dropout if num_layers > 1 else 0.0
    theirs = torch.nn.GRU(D, H, **options)
    ours = GRU(D, H, **options, backend=backend)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


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


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.04), (torch.float16, 0.005)])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backend", OURS)
def test_sixteen_bits_are_right_to_a_few_units_of_scale(backend, form, dtype, tolerance):
    torch.manual_seed(0)
    half, ours = pair(4, 5, dtype, num_layers=2, bidirectional=True, backend=backend)
    case = (6, 3, form, True, 0)
    compare(results(ours, *case, dtype), results(half.double(), *case), tolerance)


def test_the_packages_own_gru_agrees():
    rng = np.random.default_rng(0)
    params = GRUParams(*(rng.normal(size=shape) for shape in ((6, 3), (6, 2), (6,), (6,))))
    xs, h0, dhs, dh_T = (rng.normal(size=shape) for shape in ((5, 4, 3), (4, 2), (5, 4, 2), (4, 2)))
    hs, h_T, cache = gru_forward(xs, params, h0)
    dxs, dh0, grads = gru_backward(dhs, cache, dh_T)
    expected = (hs, h_T[None], dxs, dh0[None], *grads.arrays())
    for backend in OURS:
        gru = GRU(3, 2, dtype=torch.float64, backend=backend)
        for parameter, array in zip(gru.parameters(), params.arrays(), strict=True):
            parameter.data.copy_(torch.from_numpy(array))
        x, h = (torch.tensor(a, requires_grad=True) for a in (xs, h0[None]))
        out, end = gru(x, h)
        torch.autograd.backward((out, end), [torch.from_numpy(d) for d in (dhs, dh_T[None])])
        found = (out, end, x.grad, h.grad, *(p.grad for p in gru.parameters()))
        for one, other in zip(found, expected, strict=True):
            assert relative_error(one.detach().numpy(), other) <= 1e-12


@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True, "batch_first": True}]
)
def test_parameters_are_torchs_in_name_order_and_draw(options):
    torch.manual_seed(0)
    theirs = torch.nn.GRU(3, 4, **options)
    torch.manual_seed(0)
    ours = GRU(3, 4, **options)
    assert isinstance(ours, torch.nn.GRU)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    for (name, one), (wanted, other) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == wanted
        assert torch.equal(one, other)
    assert repr(ours) == repr(theirs)
    assert ours.mode == theirs.mode
    assert "backend='loop'" in repr(GRU(3, 4, **options, backend="loop"))


def derivatives(function, backend, form):
    """Check derivatives by inputs, the initial state and all parameters, at random ones."""
    torch.manual_seed(0)
    gru = GRU(2, 2, bidirectional=True, dtype=torch.float64, backend=backend)
    names, values = zip(*gru.named_parameters(), strict=True)
    batch = () if form == "unbatched" else (2,)
    x, h = (torch.randn(k, *batch, n, dtype=torch.float64) for k, n in ((3, 2), (2, 2)))

    def run(x, h, *values):
        if form == "packed":
            x = pack_padded_sequence(x, torch.tensor([3, 1]))
        out, end = torch.func.functional_call(gru, dict(zip(names, values, strict=True)), (x, h))
        return (out.data if form == "packed" else out), end

    return function(run, tuple(t.detach().requires_grad_() for t in (x, h, *values)))


@pytest.mark.parametrize("form", ["batched", "unbatched", "packed"])
def test_first_and_second_derivatives(form):
    for backend in OURS:
        assert derivatives(torch.autograd.gradcheck, backend, form)
    assert derivatives(torch.autograd.gradgradcheck, "loop", form)


def test_a_second_derivative_of_hoisted_is_refused():
    x = torch.randn(3, 2, 2, requires_grad=True)
    hs, _ = GRU(2, 3, backend="hoisted")(x)
    with pytest.raises(RuntimeError, match=r'no second derivative.*expected backend="loop"'):
        torch.autograd.grad(hs.sum(), x, create_graph=True)


def test_a_backward_run_can_be_repeated():
    gru = GRU(2, 3, num_layers=2, bidirectional=True, backend="hoisted")
    hs, _ = gru(torch.randn(4, 2, 2))
    hs.sum().backward(retain_graph=True)
    once = [p.grad.clone() for p in gru.parameters()]
    gru.zero_grad()
    hs.sum().backward()
    for parameter, grad in zip(gru.parameters(), once, strict=True):
        assert torch.equal(parameter.grad, grad)


@pytest.mark.parametrize("backend", OURS)
def test_arguments_stay_as_they_were(backend):
    gru = GRU(2, 3, backend=backend)
    x, h, dhs = torch.randn(4, 2, 2), torch.randn(1, 2, 3), torch.randn(4, 2, 3)
    before = [t.clone() for t in (x, h, dhs)]
    hs, end = gru(x, h)
    torch.autograd.backward((hs, end), (dhs, dhs[:1]))
    assert all(map(torch.equal, (x, h, dhs), before))


def remembering(run, dtype):
    """Return the final state of a cell with z = 255 / 256 and n = 1 from 0, and dh_0 of sum(hs)."""
    bias = torch.tensor([0.0, np.log(255), 30.0]).to(dtype)
    zero, weight = torch.zeros(1, 1, dtype=dtype), torch.zeros(3, 1, dtype=dtype)
    h_0 = zero.clone().requires_grad_()
    xs = torch.zeros(512, 1, dtype=dtype)
    hs, h_n = run(xs, [1] * 512, h_0, GRUWeights(weight, weight, bias, torch.zeros_like(bias)))
    hs.sum().backward()
    assert hs.dtype == h_n.dtype == h_0.grad.dtype == dtype
    return h_n.item(), h_0.grad.item()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_hoisted_keeps_the_state_and_its_gradient_in_float32_between_steps(dtype):
    kept, eps = (255 / 256) ** 512, torch.finfo(dtype).eps
    exact = (1 - kept, 255 * (1 - kept))
    assert remembering(gru_hoisted, dtype) == pytest.approx(exact, rel=eps)
    for one, other in zip(remembering(gru_loop, dtype), exact, strict=True):  # rounds at each step
        assert abs(one / other - 1) > 5 * eps


def test_what_auto_picks():
    assert GRU(2, 3).picked == LSTM(2, 3).picked == "cudnn"
    assert GRU(2, 3, device="meta").picked == "loop"
    assert GRU(2, 3, backend="hoisted").picked == "hoisted"


@pytest.mark.parametrize("backend", [*OURS, "cudnn"])
def test_dropout_acts_only_while_training(backend):
    theirs, ours = pair(3, 4, num_layers=3, dropout=0.5, backend=backend)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    assert not torch.allclose(ours(x)[0], ours(x)[0])
    torch.testing.assert_close(ours.eval()(x)[0], theirs.eval()(x)[0])


@pytest.mark.parametrize("backend", [*OURS, "cudnn"])
def test_a_batch_of_nothing(backend):
    gru = GRU(2, 3, num_layers=2, bidirectional=True, backend=backend)
    hs, h_n = gru(torch.empty(4, 0, 2))
    assert (hs.shape, h_n.shape) == ((4, 0, 6), (4, 0, 3))
    hs.sum().backward()


@pytest.mark.parametrize("backend", ["auto", "cudnn", *OURS])
def test_shapes_on_the_meta_device_and_parameters_that_come_later(backend):
    options = {"num_layers": 2, "bidirectional": True}
    with torch.device("meta"):
        gru = GRU(3, 4, **options, backend=backend)
        hs, h_n = gru(torch.empty(5, 6, 3))
    assert hs.is_meta
    assert (hs.shape, h_n.shape) == ((5, 6, 8), (4, 6, 4))
    theirs, x = torch.nn.GRU(3, 4, **options), torch.randn(5, 6, 3)
    gru.load_state_dict(theirs.state_dict(), assign=True)
    torch.testing.assert_close(gru(x)[0], theirs(x)[0])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["auto", *OURS])
def test_exported_for_every_batch_size(backend):
    gru = GRU(3, 4, num_layers=2, bidirectional=True, backend=backend)
    N = torch.export.Dim("N", min=1)
    with torch.no_grad():
        program = torch.export.export(gru, (torch.ones(5, 6, 3),), dynamic_shapes=({1: N},))
        for n in (1, 7):
            x = torch.randn(5, n, 3)
            for one, other in zip(program.module()(x), gru(x), strict=True):
                torch.testing.assert_close(one, other)


@pytest.mark.parametrize("backend", OURS)
def test_copies_and_files(backend):
    gru = GRU(2, 3, num_layers=2, batch_first=True, backend=backend)
    x, file = torch.randn(4, 5, 2), io.BytesIO()
    torch.save(gru, file)
    file.seek(0)
    for other in (copy.deepcopy(gru), torch.load(file, weights_only=False)):
        assert other.picked == backend
        assert torch.equal(other(x)[0], gru(x)[0])


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


X = torch.ones(4, 5, 3)
H0 = torch.zeros(2, 5, 2)
GRU2 = GRU(3, 2, 2)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: GRU(3, 0), ValueError, "hidden_size must be at least 1, got 0"),
        (lambda: GRU(3, 2, batch_first=1), TypeError, "batch_first must be True or False, got 1"),
        (lambda: GRU(3, 2, backend="fused"), ValueError, "backend must be one of auto, loop, hoisted, cudnn, got 'fused'"),
        (lambda: GRU(3, 2, dropout=0.5), UserWarning, "dropout acts between layers, but there is one layer: 0.5 does nothing"),
        (lambda: GRU2(X[..., :2]), ValueError, r"input has shape \(4, 5, 2\), expected \(T, N, 3\) or \(T, 3\)"),
        (lambda: GRU2(X, (H0, H0)), TypeError, "hx must be a Tensor, got tuple"),
        (lambda: GRU2(X, H0[:1]), ValueError, r"hx has shape \(1, 5, 2\), expected \(2, 5, 2\)"),
        (lambda: GRU2(X[:, 0], H0), ValueError, r"hx has shape \(2, 5, 2\), expected \(2, 2\)"),
        (lambda: GRU2(X, H0.double()), TypeError, "hx is torch.float64, expected torch.float32 like the input"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.parametrize("kind", [LSTM, GRU, PeepholeLSTM])
def test_the_warning_about_dropout_points_at_the_call(kind):
    with pytest.warns(UserWarning, match="dropout acts between layers") as caught:
        kind(3, 2, dropout=0.5)
    assert caught[0].filename == __file__
