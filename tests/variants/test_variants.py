"""Every cell, compared with differences, with the standard cell, and with other frameworks."""

import numpy as np
import pytest

from lstm_course import LSTMParams, layers, lstm_backward, lstm_forward, variants
from lstm_course.gradcheck import gradcheck, relative_error
from lstm_course.losses import softmax_cross_entropy
from lstm_course.models import FinalStateModel, InitialState, SequenceModel
from lstm_course.optim import Adam
from lstm_course.saving import load, save
from lstm_course.training import Batch, Trainer
from lstm_course.variants import CELLS, Variant
from lstm_course.variants.recurrence import checked_run, checked_run_backward

T, N, D, H = 5, 3, 4, 6
SETTINGS = {"projected": {"proj_size": 2}, "clipped": {"clip": 1.5}}


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(cell, seed=1, **settings):
    """Parameters of a cell with nothing at 0 or 1, biases and gains included."""
    params = CELLS[cell].init(D, H, rng=rng(), **(SETTINGS.get(cell, {}) | settings))
    for array in params.arrays():
        array[...] = rng(seed).normal(size=array.shape)
        seed += 1
    return params


def states_of(params, seed=7):
    return tuple(
        rng(seed + k).normal(size=(N, width)) for k, width in enumerate(params.state_sizes)
    )


def inputs(seed=3):
    return rng(seed).normal(size=(T, N, D))


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "no forget gate, truncated"])
def test_every_gradient_against_central_differences(cell):
    params = drawn(cell)
    xs, starts = inputs(), states_of(params)
    dhs, *dcs = (rng(20 + k).normal(size=(T, N, w)) for k, w in enumerate(params.state_sizes))
    dfinals = states_of(params, 30)

    def run():
        return checked_run(xs, params, starts, rng(9))

    def loss():
        hs, finals, cache = run()
        total = (hs * dhs).sum() + sum((a * b).sum() for a, b in zip(finals, dfinals, strict=True))
        for one in dcs:
            total += (np.stack([s.c for s in cache.steps]) * one).sum()
        return float(total)

    dxs, dstarts, grads = checked_run_backward(dhs, run()[2], dfinals, *dcs)
    names = [f"{name}0" for name in params.states]
    report = gradcheck(
        loss,
        {
            "xs": xs,
            **dict(zip(names, starts, strict=True)),
            **dict(zip(params.names(), params.arrays(), strict=True)),
        },
        {
            "xs": dxs,
            **dict(zip(names, dstarts, strict=True)),
            **dict(zip(params.names(), grads.arrays(), strict=True)),
        },
    )
    assert report.passed, report
    assert all(np.abs(grad).max() > 1e-3 for grad in grads.arrays())  # nothing is 0 by accident


def test_the_standard_cell_is_the_one_of_the_course():
    params = drawn("standard")
    theirs = LSTMParams(*params.arrays())
    xs, (h0, c0), dhs = inputs(), states_of(params), rng(5).normal(size=(T, N, H))
    hs, finals, cache = variants.forward(xs, params, h0, c0)
    their_hs, their_finals, their_cache = lstm_forward(xs, theirs, h0, c0)
    *ours, grads = variants.backward(dhs, cache, h0, c0, dcs=2 * dhs)
    *others, their_grads = lstm_backward(dhs, their_cache, h0, c0, dcs=2 * dhs)
    for one, other in zip(
        (hs, *finals, *ours, *grads.arrays()),
        (their_hs, *their_finals, *others, *their_grads.arrays()),
        strict=True,
    ):
        assert relative_error(one, other) < 1e-14


def as_standard(gates, cell, **more):
    """A cell's arrays as those of the standard cell, with what it lacks held at 1 by its bias."""
    params = drawn(cell)
    standard = CELLS["standard"].init(D, H, rng=rng())
    for array in standard.arrays():
        array[...] = 0
    for gate in "ifgo":
        if gate in gates:
            for name in ("weight_ih", "weight_hh", "bias"):
                source = getattr(params, name)
                k = gates.index(gate)
                rows = source[k * H : (k + 1) * H]
                if len(rows):
                    standard.slice(getattr(standard, name).T, gate)[...] = rows.T
        else:
            standard.slice(standard.bias, gate)[...] = 1000.0
    return params, standard


@pytest.mark.parametrize(
    ("cell", "gates"),
    [
        ("no forget gate", "igo"),
        ("no forget gate, truncated", "igo"),
        ("no input gate", "fgo"),
        ("no output gate", "ifg"),
        ("blind candidate", "ifog"),
    ],
)
def test_a_cell_without_a_part_is_the_standard_one_with_that_part_held(cell, gates):
    params, standard = as_standard(gates, cell)
    xs, (h0, c0) = inputs(), states_of(params)
    hs, (_, c_T), _ = variants.forward(xs, params, h0, c0)
    others, (_, other), _ = variants.forward(xs, standard, h0, c0)
    assert relative_error(hs, others) < 1e-14
    assert relative_error(c_T, other) < 1e-14
    assert relative_error(hs, variants.forward(xs, drawn(cell, seed=40), h0, c0)[0]) > 0.1


def neutral(cell):
    """Parameters of a cell at which what it adds does nothing, and the same for the standard one."""
    standard = drawn("standard")
    added = {
        "peepholes": {"peephole": np.zeros((3, H))},
        "projected": {"weight_hr": np.eye(H)},
        "clipped": {"clip": 1e3},
        "recurrent dropout": {"rate": 0.0},
        "zoneout": {"rate_h": 0.0, "rate_c": 0.0},
    }[cell]
    return CELLS[cell](*standard.arrays(), **added), standard


@pytest.mark.parametrize(
    "cell", ["peepholes", "projected", "clipped", "recurrent dropout", "zoneout"]
)
def test_an_addition_that_does_nothing_leaves_the_standard_cell(cell):
    params, standard = neutral(cell)
    xs, (h0, c0) = inputs(), states_of(standard)
    for random in (None, rng(4)):
        hs, _, _ = variants.forward(xs, params, h0, c0, random)
        assert relative_error(hs, variants.forward(xs, standard, h0, c0)[0]) < 1e-14
    other = drawn(cell, seed=1)  # the same weights, and the addition at random
    assert (
        relative_error(
            variants.forward(xs, other, states_of(other)[0], c0, rng(4))[0][..., :2], hs[..., :2]
        )
        > 0.01
    )


def test_coupled_gates_share_what_they_have():
    params = drawn("coupled")
    _, _, cache = variants.forward(inputs(), params, *states_of(params))
    for s in cache.steps:
        np.testing.assert_allclose(s.c, s.c_prev + s.i * (s.g - s.c_prev), rtol=1e-12)


def test_no_output_tanh_shows_the_cell_state():
    params = drawn("no output tanh")
    _, _, cache = variants.forward(inputs(), params, *states_of(params))
    for s in cache.steps:
        np.testing.assert_allclose(s.h, s.o * s.c, rtol=1e-12)
    assert max(np.abs(s.h).max() for s in cache.steps) > 1


def test_a_truncated_gradient_is_that_of_a_hidden_state_cut_off(torch):
    params = drawn("no forget gate, truncated")
    xs, (h0, c0), dhs = inputs(), states_of(params), rng(5).normal(size=(T, N, H))
    W, U, b = (torch.tensor(array, requires_grad=True) for array in params.arrays())
    read = torch.tensor(xs, requires_grad=True)
    h, c, loss = torch.tensor(h0), torch.tensor(c0, requires_grad=True), 0
    start = c
    for x, dh in zip(read, torch.tensor(dhs), strict=True):
        i, g, o = (x @ W.T + h.detach() @ U.T + b).chunk(3, dim=1)
        c = c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        loss = loss + (h * dh).sum()
    loss.backward()
    dxs, dh0, dc0, grads = variants.backward(dhs, variants.forward(xs, params, h0, c0)[2])
    for ours, theirs in zip((dxs, dc0, *grads.arrays()), (read, start, W, U, b), strict=True):
        assert relative_error(ours, theirs.grad.numpy()) < 1e-12
    assert not dh0.any()
    whole = CELLS["no forget gate"](*params.arrays())
    full = variants.backward(dhs, variants.forward(xs, whole, h0, c0)[2])
    assert relative_error(full[0], dxs) > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gru_against_pytorch(torch, dtype):
    params = drawn("GRU")
    params = variants.GRUParams(*(array.astype(dtype) for array in params.arrays()))
    module = torch.nn.GRU(D, H, dtype=getattr(torch, dtype))
    own = module.weight_ih_l0, module.weight_hh_l0, module.bias_ih_l0, module.bias_hh_l0
    with torch.no_grad():
        for parameter, array in zip(own, params.arrays(), strict=True):
            parameter.copy_(torch.from_numpy(array))
    xs, h0 = inputs().astype(dtype), states_of(params)[0].astype(dtype)
    dhs, dh_T = (
        rng(5).normal(size=(T, N, H)).astype(dtype),
        rng(6).normal(size=(N, H)).astype(dtype),
    )
    read, start = (torch.from_numpy(a).requires_grad_() for a in (xs, h0[None]))
    their_hs, their_h = module(read, start)
    (
        (their_hs * torch.from_numpy(dhs)).sum() + (their_h[0] * torch.from_numpy(dh_T)).sum()
    ).backward()
    hs, h_T, cache = variants.gru_forward(xs, params, h0)
    dxs, dh0, grads = variants.gru_backward(dhs, cache, dh_T)
    ours = (hs, h_T, dxs, dh0, *grads.arrays())
    theirs = (
        their_hs.detach(),
        their_h[0].detach(),
        read.grad,
        start.grad[0],
        *(p.grad for p in own),
    )
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == dtype
        assert relative_error(one, other.numpy()) < (1e-12 if dtype == "float64" else 1e-5)


def test_the_reset_gate_makes_the_difference_between_the_two_forms():
    params = drawn("GRU")
    before = variants.ResetBeforeGRUParams(*params.arrays())
    h0 = states_of(params)[0]
    hs, other = (variants.gru_forward(inputs(), one, h0)[0] for one in (params, before))
    assert relative_error(hs, other) > 0.01
    for one in (params, before):
        one.slice(one.bias_ih, "r")[...] = 1000.0  # a reset gate of 1: no difference is left
    hs, other = (variants.gru_forward(inputs(), one, h0)[0] for one in (params, before))
    assert relative_error(hs, other) < 1e-12


def test_the_minimal_unit_is_a_gru_whose_gates_are_one():
    params = drawn("minimal gated")
    (W_f, W_n), (U_f, U_n), (b_f, b_n) = (np.split(a, 2) for a in params.arrays())
    # Its f resets, and 1 - f = sigmoid(-a) keeps.
    gru = variants.ResetBeforeGRUParams(
        np.concatenate([W_f, -W_f, W_n]),
        np.concatenate([U_f, -U_f, U_n]),
        np.concatenate([b_f, -b_f, b_n]),
        np.zeros(3 * H),
    )
    h0 = states_of(params)[0]
    hs, other = (variants.gru_forward(inputs(), one, h0)[0] for one in (params, gru))
    assert relative_error(hs, other) < 1e-12


def test_projected_against_pytorch(torch):
    params = drawn("projected")
    module = torch.nn.LSTM(D, H, proj_size=2, dtype=torch.float64)
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.from_numpy(params.weight_ih))
        module.weight_hh_l0.copy_(torch.from_numpy(params.weight_hh))
        module.bias_ih_l0.copy_(torch.from_numpy(params.bias) - 0.5)
        module.bias_hh_l0.fill_(0.5)
        module.weight_hr_l0.copy_(torch.from_numpy(params.weight_hr))
    h0, c0 = states_of(params)
    hs, (h_T, c_T), _ = variants.forward(inputs(), params, h0, c0)
    theirs, finals = module(
        torch.from_numpy(inputs()), tuple(torch.from_numpy(s[None]) for s in (h0, c0))
    )
    for one, other in zip((hs, h_T, c_T), (theirs, finals[0][0], finals[1][0]), strict=True):
        assert relative_error(one, other.detach().numpy()) < 1e-12


def test_layer_norm_does_not_feel_the_scale_of_its_weights():
    params = drawn("layer norm")
    xs, start = inputs(), states_of(params)
    hs = variants.forward(xs, params, *start)[0]
    params.weight_ih[...] *= 10
    params.weight_hh[...] *= 100
    assert relative_error(variants.forward(xs, params, *start)[0], hs) < 1e-4
    params.gain_hh[...] *= 2
    assert relative_error(variants.forward(xs, params, *start)[0], hs) > 0.01


def test_a_clipped_sum_is_within_its_bounds():
    params = drawn("clipped")
    _, _, cache = variants.forward(inputs(), params, *states_of(params))
    sums = np.stack([s.a for s in cache.steps])
    assert np.abs(sums).max() == 1.5
    assert 0.1 < np.mean(np.abs(sums) == 1.5) < 0.9


def test_noise_is_right_on_average():
    xs = np.repeat(inputs()[:1, :1], 20_000, axis=1)
    for cell, rates in (
        ("recurrent dropout", {"rate": 0.4}),
        ("zoneout", {"rate_h": 0.3, "rate_c": 0.6}),
    ):
        params = CELLS[cell](*drawn("standard").arrays(), **rates)
        h0, c0 = (np.repeat(one[:1], 20_000, axis=0) for one in states_of(params))
        _, (_, noisy), cache = variants.forward(xs, params, h0, c0, rng())
        _, (_, still), _ = variants.forward(xs[:, :1], params, h0[:1], c0[:1])
        np.testing.assert_allclose(noisy.mean(axis=0), still[0], atol=0.02)
        assert noisy.std(axis=0).max() > 0.1
        again = variants.forward(xs, params, h0, c0, rng())[1][1]
        np.testing.assert_array_equal(again, noisy)
    s = cache.steps[0]
    assert np.isclose((s.h == s.h_prev).mean(), 0.3, atol=0.02)
    assert np.isclose((s.c == s.c_prev).mean(), 0.6, atol=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_a_sequence_of_one(cell):
    params = drawn(cell)
    starts, x = states_of(params), inputs()[0]
    hs, finals, cache = checked_run(x[None], params, starts, None)
    dfinals = states_of(params, 30)
    dxs, dstarts, grads = checked_run_backward(None, cache, dfinals)
    if len(starts) == 2:
        *states, cache = variants.step(x, *starts, params)
        dx, *dstates, mine = variants.step_backward(*dfinals, cache)
    else:
        *states, cache = variants.gru_step(x, *starts, params)
        dx, *dstates, mine = variants.gru_step_backward(*dfinals, cache)
    np.testing.assert_array_equal(hs[0], states[0])
    for one, other in zip(
        (*states, dx, *dstates, *mine.arrays()),
        (*finals, dxs[0], *dstarts, *grads.arrays()),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_are_kept_and_results_stay_when_the_caller_writes_into_them(cell, dtype):
    params = CELLS[cell].init(D, H, rng=rng(), dtype=dtype, **SETTINGS.get(cell, {}))
    starts = tuple(one.astype(dtype) for one in states_of(params))
    for random in (None, rng(2)):
        hs, finals, cache = checked_run(inputs().astype(dtype), params, starts, random)
        dxs, dstarts, grads = checked_run_backward(hs, cache, starts)
        for one in (hs, *finals, dxs, *dstarts, *grads.arrays()):
            assert one.dtype == dtype
        hs[...], finals[0][...] = 9, 9
        same = checked_run_backward(np.zeros_like(hs), cache, starts)[0]
        again = checked_run_backward(np.zeros_like(hs), cache, starts)[0]
        np.testing.assert_array_equal(same, again)


def test_the_forget_bias_holds_the_keeping_gate_open():
    for cell, gate, sign in (
        ("standard", "f", 1),
        ("coupled", "i", -1),
        ("GRU", "z", 1),
        ("minimal gated", "f", -1),
    ):
        params = CELLS[cell].init(D, H, rng=rng(), forget_bias=2)
        np.testing.assert_array_equal(params.slice(params.input_bias, gate), 2.0 * sign)
        others = [params.slice(params.input_bias, other) for other in params.gates if other != gate]
        assert not np.concatenate(others).any()


# As layers.


@pytest.mark.parametrize("cell", CELLS)
def test_lengths_make_no_difference_to_a_sequence(cell):
    layer = Variant(cell, D, H, 2, bidirectional=True, rng=rng(), **SETTINGS.get(cell, {}))
    for k, array in enumerate(layer.arrays):
        array[...] = rng(k).normal(size=array.shape)
    xs, lengths = inputs(), [5, 2, 3]
    xs[2:, 1], xs[3:, 2] = np.nan, np.nan
    start = [rng(40 + k).normal(size=(4, N, w)) for k, w in enumerate(layer.state_sizes)]
    hs, finals, cache = layer.forward(xs, *start, lengths=lengths, training=False)
    dhs = rng(5).normal(size=hs.shape)
    dfinals = [rng(60 + k).normal(size=one.shape) for k, one in enumerate(finals)]
    layer.zero_grads()
    dxs, *dstarts = layer.backward(dhs, cache, *dfinals)
    together = [grad.copy() for grad in layer.grads]
    layer.zero_grads()
    for n, length in enumerate(lengths):
        mine = [one[:, n : n + 1] for one in start]
        alone, ends, cache = layer.forward(xs[:length, n : n + 1], *mine, training=False)
        assert relative_error(hs[:length, n], alone[:, 0]) < 1e-12
        assert not hs[length:, n].any()
        dx, *dmine = layer.backward(
            dhs[:length, n : n + 1], cache, *(d[:, n : n + 1] for d in dfinals)
        )
        assert relative_error(dxs[:length, n], dx[:, 0]) < 1e-11
        assert not dxs[length:, n].any()
        for one, end in zip((*finals, *dstarts), (*ends, *dmine), strict=True):
            assert relative_error(one[:, n], end[:, 0]) < 1e-11
    for one, other in zip(together, layer.grads, strict=True):
        assert relative_error(one, other) < 1e-11


def test_a_standard_variant_is_an_lstm():
    ours = Variant("standard", D, H, 2, True, rng=rng())
    theirs = layers.LSTM(D, H, 2, True, rng=rng())
    for one, other in zip(ours.arrays, theirs.arrays, strict=True):
        one[...] = other
    for one, other in zip(
        ours.forward(inputs(), lengths=[5, 1, 3])[0],
        theirs.forward(inputs(), lengths=[5, 1, 3])[0],
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_learns_in_a_model(cell, tmp_path):
    settings = SETTINGS.get(cell, {})
    draws = rng(1)
    layer = Variant(cell, 8, 16, rng=draws, **settings)
    model = SequenceModel(
        layer,
        layers.Linear(layer.output_size, 4, rng=draws),
        layers.Embedding(4, 8, rng=draws),
        initial=InitialState(layer),
    )
    words = rng(2).integers(0, 4, size=(6, 16))
    batch = Batch(words, np.roll(words, 1, axis=0))  # the word before, and the last one first
    batch.targets[0] = words[0]
    trainer = Trainer(model, Adam(model.arrays, learning_rate=0.03))
    losses = [trainer.update(batch) for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]
    save(model, tmp_path / "model.npz")
    same = load(tmp_path / "model.npz")
    outputs = [one.forward(words, training=False)[0] for one in (model, same)]
    np.testing.assert_array_equal(*outputs)
    assert np.isclose(softmax_cross_entropy(outputs[0], batch.targets)[0], losses[-1], rtol=1)


def test_a_model_can_read_the_final_state_of_a_variant():
    draws = rng()
    for cell, reads, width in (("GRU", "h", H), ("peepholes", "c", H), ("projected", "h", 2)):
        layer = Variant(cell, D, H, rng=draws, **SETTINGS.get(cell, {}))
        model = FinalStateModel(layer, layers.Linear(width, 2, rng=draws), reads=reads)
        outputs, states, cache = model.forward(inputs(), lengths=[5, 2, 3])
        final = states[layer.states.index(reads)][-1]
        np.testing.assert_array_equal(outputs[-1], model.readout.forward(final)[0])
        model.backward(np.ones_like(outputs), cache)
        assert all(np.abs(grad).max() > 0 for grad in model.grads)
    with pytest.raises(ValueError, match="reads is 'c', expected 'h' of this recurrent layer"):
        FinalStateModel(Variant("GRU", D, H, rng=draws), layers.Linear(H, 2, rng=draws))


def test_noise_is_drawn_in_training_only():
    layer = Variant("zoneout", D, H, rng=rng())
    still = [layer.forward(inputs(), training=False)[0] for _ in range(2)]
    np.testing.assert_array_equal(*still)
    moving = [layer.forward(inputs())[0] for _ in range(2)]
    assert (moving[0] != moving[1]).any()


STANDARD = drawn("standard")
GRU = drawn("GRU")


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: Variant("grou", D, H, rng=rng()),
            ValueError,
            "cell must be one of standard, .*, got 'grou'",
        ),
        (
            lambda: Variant("GRU", D, H, rng=rng()).forward(inputs(), None, None),
            TypeError,
            "2 initial states came, expected h0",
        ),
        (
            lambda: Variant("GRU", D, H, rng=rng()).backward(None, None, None, 1),
            TypeError,
            "dc_T was given, but the cell 'GRU' has no c",
        ),
        (
            lambda: Variant("projected", D, H, rng=rng(), proj_size=0),
            ValueError,
            "proj_size must be at least 1, got 0",
        ),
        (
            lambda: Variant("zoneout", D, H, rng=rng(), rate_c=1.0),
            ValueError,
            "rate_c must be from 0 to below 1, got 1.0",
        ),
        (
            lambda: Variant("clipped", D, H, rng=rng(), clip=-1),
            ValueError,
            "clip must be a number above 0, got -1",
        ),
        (
            lambda: Variant("no forget gate", D, H, rng=rng(), forget_bias=1),
            ValueError,
            "forget_bias is 1, but NoForgetGateParams has no such gate",
        ),
        (
            lambda: variants.forward(inputs(), GRU),
            TypeError,
            "GRUParams has the state h: it runs with gru_forward and gru_backward",
        ),
        (
            lambda: variants.gru_forward(inputs(), STANDARD),
            TypeError,
            "StandardParams has the states h and c: it runs with forward and backward",
        ),
        (
            lambda: variants.forward(inputs(), 3),
            TypeError,
            "params must be the parameters of a variant, got int",
        ),
        (
            lambda: variants.forward(inputs()[0], STANDARD),
            ValueError,
            r"xs has shape \(3, 4\), expected \(T, N, 4\)",
        ),
        (
            lambda: variants.forward(inputs(), STANDARD, np.zeros((2, H))),
            ValueError,
            r"h0 has shape \(2, 6\), expected \(3, 6\)",
        ),
        (
            lambda: variants.step(inputs(), None, None, STANDARD),
            ValueError,
            r"x has shape \(5, 3, 4\), expected \(N, D\)",
        ),
        (
            lambda: variants.backward(inputs(), [1]),
            TypeError,
            "cache must be what the forward run returned, got list",
        ),
        (
            lambda: variants.GRUParams(np.ones((4, 2)), np.ones((4, 2)), np.ones(4), np.ones(4)),
            ValueError,
            "weight_ih has 4 rows, expected a multiple of 3: one block each for r, z, n",
        ),
        (
            lambda: variants.PeepholeParams(*STANDARD.arrays(), np.ones((2, H))),
            ValueError,
            r"peephole has shape \(2, 6\), expected \(3, 6\)",
        ),
        (
            lambda: variants.CoupledParams(*STANDARD.arrays()),
            ValueError,
            r"weight_hh has shape \(24, 6\), expected \(24, 8\)",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        call()


def test_what_is_not_finite_is_named():
    params = drawn("peepholes")
    params.peephole[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"params\.peephole holds nan at index \(1, 2\)"):
        variants.peephole_forward(inputs(), params)
