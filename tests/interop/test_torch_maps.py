import copy
import subprocess
import sys
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lstm_course as lc
from lstm_course.gradcheck import relative_error
from lstm_course.interop import from_pytorch, to_pytorch

torch = pytest.importorskip("torch")

from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

CASES = {
    "D": st.integers(1, 4),
    "H": st.integers(2, 4),
    "layers": st.integers(1, 3),
    "bidirectional": st.booleans(),
    "dtype": st.sampled_from(["float64", "float32"]),
    "seed": st.integers(0, 99),
}
MODULES = [
    torch.nn.LSTM,
    lc.pytorch.LSTM,
    torch.nn.GRU,
    lc.pytorch.GRU,
    partial(torch.nn.LSTM, proj_size=1),
    partial(lc.pytorch.LSTM, proj_size=1),
    lc.pytorch.PeepholeLSTM,
]
CELLS = st.sampled_from(["LSTM", "standard", "GRU", "projected", "peepholes"])
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def close(one, other, dtype, times=1):
    one, other = (a.detach().numpy() if torch.is_tensor(a) else a for a in (one, other))
    assert one.dtype == other.dtype == dtype
    assert one.shape == other.shape
    assert relative_error(one, other) <= times * TOLERANCE[dtype]


def compare(layer, module, dtype, seed):
    """Run both, forward and backward, on sequences of drawn lengths from drawn states."""
    rng = np.random.default_rng(seed)
    T, N, cells = 4, 3, len(layer.params)

    def draw(*shape):
        return rng.normal(size=shape).astype(dtype)

    xs, dhs = draw(T, N, layer.input_size), draw(T, N, layer.output_size)
    starts, dends = ([draw(cells, N, width) for width in layer.state_sizes] for _ in range(2))
    lengths = np.sort(rng.integers(1, T + 1, N))[::-1].copy()
    hs, finals, cache = layer.forward(xs, *starts, lengths=lengths, training=False)
    dinputs = layer.backward(dhs, cache, *dends)

    inputs = [torch.tensor(a, requires_grad=True) for a in (xs, *starts)]
    read = inputs[0].transpose(0, 1) if module.batch_first else inputs[0]
    packed = pack_padded_sequence(read, torch.from_numpy(lengths), module.batch_first)
    hx = tuple(inputs[1:])
    out, ends = module.eval()(packed, hx if len(hx) == 2 else hx[0])
    ends = ends if isinstance(ends, tuple) else (ends,)
    out = pad_packed_sequence(out, total_length=T)[0]
    torch.autograd.backward((out, *ends), [torch.from_numpy(a) for a in (dhs, *dends)])
    for one, other in zip((hs, *finals), (out, *ends), strict=True):
        close(one, other, dtype)
    for one, other in zip(dinputs, inputs, strict=True):
        close(one, other.grad, dtype, times=10)
    grads = iter(layer.grads)
    suffixes = [
        name.removeprefix("weight_ih")
        for name, _ in module.named_parameters()
        if "weight_ih" in name
    ]
    for cell, suffix in zip(layer.params, suffixes, strict=True):
        for field in fields(cell):
            name = {"bias": "bias_ih", "peephole": "weight_ch"}.get(field.name, field.name)
            grad, parameter = next(grads), getattr(module, name + suffix, None)
            if parameter is not None:
                close(grad, parameter.grad, dtype, times=10)


@given(
    cls=st.sampled_from(MODULES),
    bias=st.booleans(),
    batch_first=st.booleans(),
    **CASES,
)
def test_from_pytorch_gives_the_same_results(
    cls, D, H, layers, bias, batch_first, bidirectional, dtype, seed
):
    torch.manual_seed(seed)
    module = cls(
        D, H, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional,
        dtype=getattr(torch, dtype),
    )  # fmt: skip
    before = copy.deepcopy(module.state_dict())
    for source in (module, module.state_dict()):
        compare(from_pytorch(source), module, dtype, seed)
        module.zero_grad()
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])


def drawn(cell, D, H, layers, bidirectional, dtype, seed):
    rng = np.random.default_rng(seed)
    dropout = 0.25 if layers > 1 else 0.0
    how = (D, H, layers, bidirectional, dropout)
    more = {"proj_size": 1} if cell == "projected" else {}
    if cell == "LSTM":
        layer = lc.LSTM(*how, rng=rng, dtype=dtype)
    else:
        layer = lc.variants.Variant(cell, *how, rng=rng, dtype=dtype, **more)
    for array in layer.arrays:
        array[:] = rng.normal(size=array.shape)
    return layer


@given(cell=CELLS, **CASES)
def test_to_pytorch_gives_the_same_results(dtype, seed, **how):
    layer = drawn(**how, dtype=dtype, seed=seed)
    compare(layer, to_pytorch(layer), dtype, seed)


@given(cell=CELLS, **CASES)
def test_there_and_back_nothing_is_lost(**case):
    lstm = drawn(**case)
    module = to_pytorch(lstm)
    back = from_pytorch(module)
    if case["cell"] != "standard":  # which comes back as an LSTM
        assert type(back) is type(lstm)
        assert getattr(back, "cell", None) == getattr(lstm, "cell", None)
    assert (back.input_size, back.hidden_size) == (lstm.input_size, lstm.hidden_size)
    assert (back.num_layers, back.directions) == (lstm.num_layers, lstm.directions)
    assert back.dropout.rate == module.dropout == (0.25 if lstm.num_layers > 1 else 0)
    for one, other in zip(back.arrays, lstm.arrays, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


def test_parameters_are_copied():
    lstm = drawn("LSTM", 3, 2, 1, False, "float64", 0)
    before = [array.copy() for array in lstm.arrays]
    module = to_pytorch(lstm)
    back = from_pytorch(module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1
    for kept in (lstm.arrays, back.arrays):
        for one, other in zip(kept, before, strict=True):
            assert np.array_equal(one, other)


def test_the_running_example_there_and_back():
    example = lc.example
    module = to_pytorch(example.params)
    (params,) = from_pytorch(module).params
    for one, other in zip(params.arrays(), example.params.arrays(), strict=True):
        assert np.array_equal(one, other)
    assert not module.bias_hh_l0.detach().numpy().any()


def test_any_layout_of_an_array_is_read():
    whole = lc.LSTMParams.init(3, 2, rng=np.random.default_rng(0))
    params = lc.LSTMParams(
        np.asfortranarray(whole.weight_ih), whole.weight_hh[::-1], np.broadcast_to(0.5, 8)
    )
    (back,) = from_pytorch(to_pytorch(params)).params
    for one, other in zip(back.arrays(), params.arrays(), strict=True):
        assert np.array_equal(one, other)


def test_dropout_draws_from_the_given_generator():
    module = torch.nn.LSTM(3, 4, 2, dropout=0.5)
    xs = np.ones((5, 2, 3), np.float32)

    def dropped(**rng):
        return from_pytorch(module, **rng).forward(xs)[0]

    assert np.array_equal(dropped(), dropped())
    one, same, other = (dropped(rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, dropped())


def test_reparametrized_weights_are_read_as_the_module_uses_them():
    module = torch.nn.LSTM(3, 2, dtype=torch.float64)
    torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    with torch.no_grad():
        module.parametrizations.weight_hh_l0.original0.mul_(3)
    assert np.array_equal(from_pytorch(module).params[0].weight_hh, module.weight_hh_l0.detach())


WRONG = (
    "module must be a torch.nn.LSTM, LSTMCell, GRU or GRUCell, a module of lstm_course.pytorch, "
    "or a state_dict, got "
)
NOT_OURS = (
    'layer must be an lstm_course.LSTM, a Variant "standard", "projected", "peepholes" or "GRU", '
    "or the parameters of one of their cells, got "
)
BIG = torch.zeros(8, 3)


PART = "module is not a whole LSTM or GRU: {} is missing, left over or of another size"


def without(name, **more):
    state = torch.nn.LSTM(3, 2, num_layers=2, **more).state_dict()
    del state[name]
    return state


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [torch.nn.LSTMCell, lc.pytorch.LSTMCell, torch.nn.GRUCell])
def test_a_cell_is_a_layer_alone(kind, bias):
    cell = kind(3, 2, bias=bias, dtype=torch.float64)
    xs, *states = (
        torch.randn(*shape, dtype=torch.float64) for shape in ((4, 5, 3), (5, 2), (5, 2))
    )
    states = states[:1] if kind is torch.nn.GRUCell else states
    starts = [s[None].numpy() for s in states]
    expected = []
    for x in xs:
        states = cell(x, states if len(states) == 2 else states[0])
        states = states if isinstance(states, tuple) else (states,)
        expected.append(states[0].detach().numpy())
    hs, finals, _ = from_pytorch(cell).forward(xs.numpy(), *starts)
    np.testing.assert_allclose(hs, expected, atol=1e-12)
    np.testing.assert_allclose(finals[-1][0], states[-1].detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_state_dict_is_enough_under_any_prefix(bias, bidirectional):
    module = torch.nn.ModuleDict(
        {
            "embedding": torch.nn.Embedding(5, 3),
            "encoder": torch.nn.LSTM(3, 2, 2, bias=bias, bidirectional=bidirectional),
            "readout": torch.nn.Linear(2, 4),
        }
    )
    found, expected = from_pytorch(module.state_dict()), from_pytorch(module["encoder"])
    assert (found.num_layers, found.directions) == (expected.num_layers, expected.directions)
    for one, other in zip(found.arrays, expected.arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def mixed():
    module = torch.nn.LSTM(3, 2)
    module.weight_ih_l0 = torch.nn.Parameter(module.weight_ih_l0.double())
    return module


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: from_pytorch(None), TypeError, WRONG + "NoneType"),
        (lambda: from_pytorch(torch.nn.RNN(3, 2)), TypeError, WRONG + "RNN"),
        (lambda: from_pytorch(torch.nn.RNNCell(3, 2)), TypeError, WRONG + "RNNCell"),
        (lambda: from_pytorch({}), ValueError, "module has LSTMs or GRUs under the prefixes none, expected just one"),
        (lambda: from_pytorch({"a.weight_ih_l0": BIG, "b.weight_ih_l0": BIG}), ValueError, "module has LSTMs or GRUs under the prefixes 'a.' and 'b.', expected just one"),
        (lambda: from_pytorch(torch.nn.RNN(3, 2).state_dict()), ValueError, PART.format("weight_hh_l0")),
        (lambda: from_pytorch(without("bias_hh_l1")), ValueError, PART.format("bias_hh_l1")),
        (lambda: from_pytorch(without("weight_hh_l0")), ValueError, PART.format("weight_hh_l0")),
        (lambda: from_pytorch(without("weight_hr_l1", proj_size=1)), ValueError, PART.format("weight_hr_l1")),
        (lambda: from_pytorch(torch.nn.GRU(3, 2).state_dict() | {"weight_ch_l0": BIG}), ValueError, PART.format("weight_hh_l0")),
        (lambda: from_pytorch(lc.pytorch.LSTM(3, 2, dtype=torch.bfloat16)), TypeError, "module has parameters of torch.bfloat16, expected torch.float32 or torch.float64"),
        (lambda: from_pytorch(torch.nn.LSTM(3, 2).half()), TypeError, "module has parameters of torch.float16, expected torch.float32 or torch.float64"),
        (lambda: from_pytorch(mixed()), TypeError, "module has parameters of torch.float32 and torch.float64, expected torch.float32 or torch.float64"),
        (lambda: from_pytorch(torch.nn.LSTM(3, 2, device="meta")), ValueError, 'module is on the device "meta", expected parameters that have values'),
        (lambda: from_pytorch(torch.nn.LSTM(3, 2, 2, dropout=1.0)), ValueError, "dropout rate must be from 0 to below 1, got 1.0"),
        (lambda: from_pytorch(torch.nn.LSTM(3, 2), rng=0), TypeError, r"rng must be a numpy.random.Generator such as np.random.default_rng\(0\), got int"),
        (lambda: to_pytorch(torch.nn.LSTM(3, 2)), TypeError, NOT_OURS + "torch.nn.modules.rnn.LSTM"),
        (lambda: to_pytorch([1.0]), TypeError, NOT_OURS + "builtins.list"),
        (lambda: to_pytorch(lc.variants.Variant("GRU, reset before", 3, 2, rng=np.random.default_rng(0))), TypeError, NOT_OURS + "a Variant 'GRU, reset before'"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        call()


@pytest.mark.parametrize("call", ["from_pytorch(None)", "to_pytorch(lc.example.params)"])
def test_without_pytorch_it_says_what_it_needs(call):
    code = f"import sys; sys.modules['torch'] = None; import lstm_course as lc; lc.interop.{call}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.endswith(
        "ImportError: lstm_course.pytorch needs PyTorch; to install it: pip install torch\n"
    ), run.stderr


def test_dropout_of_a_single_layer_is_left_out_on_both_ways():
    with pytest.warns(UserWarning, match="dropout"):
        module, lstm = (
            torch.nn.LSTM(3, 2, dropout=0.5),
            lc.LSTM(3, 2, dropout=0.5, rng=np.random.default_rng(0)),
        )
    assert from_pytorch(module).dropout.rate == to_pytorch(lstm).dropout == 0
