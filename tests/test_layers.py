from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_course import layers
from lstm_course.gradcheck import gradcheck, relative_error
from lstm_course.models import SequenceModel
from lstm_course.optim import SGD, Adam
from lstm_course.rnn import RNN


def rng(seed=0):
    return np.random.default_rng(seed)


def randomise(layer, seed=1):
    """Random values everywhere, biases included."""
    draws = rng(seed)
    for array in layer.arrays:
        array[...] = draws.normal(size=array.shape) * 0.5


def check_layer(layer, x, names, **options):
    """Compare a layer's gradients with central differences, for a random loss."""
    y, cache = layer.forward(x, **options)
    dy = rng(9).normal(size=y.shape)
    layer.zero_grads()
    dx = layer.backward(dy, cache)
    arrays, grads = (
        dict(zip(names, layer.arrays, strict=True)),
        dict(zip(names, layer.grads, strict=True)),
    )
    if dx is not None:
        arrays["x"], grads["x"] = x, dx
    report = gradcheck(lambda: float((layer.forward(x, **options)[0] * dy).sum()), arrays, grads)
    assert report.passed, report


@given(T=st.integers(1, 4), N=st.integers(1, 4), D=st.integers(1, 4), K=st.integers(1, 4))
def test_linear(T, N, D, K):
    layer = layers.Linear(D, K, rng=rng())
    randomise(layer)
    check_layer(layer, rng(2).normal(size=(T, N, D)), ("weight", "bias"))


@given(T=st.integers(1, 4), N=st.integers(1, 4), V=st.integers(1, 5), D=st.integers(1, 4))
def test_embedding_is_linear_on_one_hot_words(T, N, V, D):
    layer = layers.Embedding(V, D, rng=rng())
    words = rng(2).integers(0, V, size=(T, N))
    check_layer(layer, words, ("table",))
    np.testing.assert_allclose(layer.forward(words)[0], np.eye(V)[words] @ layer.table, atol=1e-15)


def test_dropout_keeps_the_mean_and_its_gradient_goes_where_its_values_went():
    layer = layers.Dropout(0.3, rng=rng())
    x = np.ones((200, 200))
    y, cache = layer.forward(x)
    assert abs(y.mean() - 1) < 0.01
    assert abs((y == 0).mean() - 0.3) < 0.01
    np.testing.assert_array_equal(layer.backward(x, cache), y)
    np.testing.assert_array_equal(layer.forward(x, training=False)[0], x)
    assert layer.forward(x.astype(np.float32))[0].dtype == np.float32


def torch_lstm(torch, lstm, D, H):
    theirs = torch.nn.LSTM(
        D, H, lstm.num_layers, bidirectional=lstm.directions == 2, dtype=torch.float64
    )
    with torch.no_grad():
        for k, params in enumerate(lstm.params):
            layer, side = divmod(k, lstm.directions)
            name = f"l{layer}" + "_reverse" * side
            getattr(theirs, f"weight_ih_{name}").copy_(torch.from_numpy(params.weight_ih))
            getattr(theirs, f"weight_hh_{name}").copy_(torch.from_numpy(params.weight_hh))
            getattr(theirs, f"bias_ih_{name}").copy_(torch.from_numpy(params.bias))
            getattr(theirs, f"bias_hh_{name}").zero_()
    return theirs


LSTMS = {
    "T": st.integers(2, 5),
    "N": st.integers(2, 4),
    "D": st.integers(1, 3),
    "H": st.integers(1, 3),
    "num_layers": st.integers(1, 3),
    "bidirectional": st.booleans(),
    "padded": st.booleans(),
    "seed": st.integers(0, 99),
}


def draw(T, N, D, H, num_layers, bidirectional, padded, seed):
    lstm = layers.LSTM(D, H, num_layers, bidirectional, rng=rng(seed))
    randomise(lstm, seed)
    draws = rng(seed + 1)
    states = (len(lstm.params), N, H)
    arrays = [draws.normal(size=shape) for shape in ((T, N, D), states, states)]
    lengths = draws.integers(1, T + 1, size=N) if padded else np.full(N, T)
    incoming = [draws.normal(size=shape) for shape in ((T, N, lstm.directions * H), states, states)]
    return lstm, arrays, lengths, incoming


def test_lstm_against_torch(torch):
    @settings(max_examples=40)
    @given(**LSTMS)
    def check(T, N, D, H, **options):
        lstm, (xs, h0, c0), lengths, (dhs, dh_T, dc_T) = draw(T, N, D, H, **options)
        hs, finals, cache = lstm.forward(xs, h0, c0, lengths)
        ours = lstm.backward(dhs, cache, dh_T, dc_T)

        theirs = torch_lstm(torch, lstm, D, H)
        inputs = [torch.from_numpy(array).requires_grad_() for array in (xs, h0, c0)]
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            inputs[0], torch.from_numpy(lengths), enforce_sorted=False
        )
        out, (h_n, c_n) = theirs(packed, tuple(inputs[1:]))
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(out, total_length=T)
        for one, other in zip((hs, *finals), (out, h_n, c_n), strict=True):
            np.testing.assert_allclose(one, other.detach().numpy(), rtol=0, atol=1e-12)

        loss = sum(
            (a * torch.from_numpy(b)).sum()
            for a, b in zip((out, h_n, c_n), (dhs, dh_T, dc_T), strict=True)
        )
        loss.backward()
        for one, tensor in zip(ours, inputs, strict=True):
            assert relative_error(one, tensor.grad.numpy()) <= 1e-11
        expected = [
            p.grad.numpy() for name, p in theirs.named_parameters() if "bias_hh" not in name
        ]
        for one, other in zip(lstm.grads, expected, strict=True):
            assert relative_error(one, other) <= 1e-11

    check()


@settings(max_examples=10)
@given(**LSTMS)
@pytest.mark.slow
def test_lstm_against_central_differences(T, N, D, H, **options):
    lstm, (xs, h0, c0), lengths, (dhs, dh_T, dc_T) = draw(T, N, D, H, **options)

    def loss():
        hs, (h_T, c_T), _ = lstm.forward(xs, h0, c0, lengths)
        return float((hs * dhs).sum() + (h_T * dh_T).sum() + (c_T * dc_T).sum())

    cache = lstm.forward(xs, h0, c0, lengths)[2]
    dxs, dh0, dc0 = lstm.backward(dhs, cache, dh_T, dc_T)
    arrays = {"xs": xs, "h0": h0, "c0": c0} | {f"array {k}": a for k, a in enumerate(lstm.arrays)}
    grads = {"xs": dxs, "h0": dh0, "c0": dc0} | {f"array {k}": g for k, g in enumerate(lstm.grads)}
    report = gradcheck(loss, arrays, grads)
    assert report.passed, report


def test_a_sequence_gets_the_same_encoding_alone_as_in_company():
    lstm = layers.LSTM(3, 4, 2, True, rng=rng())
    xs = rng(1).normal(size=(6, 3, 3))
    lengths = [6, 2, 4]
    padded = xs.copy()
    padded[2:, 1] = np.nan  # what stands behind the end does not matter
    hs, (h_T, c_T), _ = lstm.forward(padded, lengths=lengths)
    for n, length in enumerate(lengths):
        alone, (h, c), _ = lstm.forward(xs[:length, n : n + 1])
        np.testing.assert_allclose(hs[:length, n], alone[:, 0], atol=1e-14)
        np.testing.assert_allclose(h_T[:, n], h[:, 0], atol=1e-14)
        np.testing.assert_allclose(c_T[:, n], c[:, 0], atol=1e-14)
        assert not hs[length:, n].any()


def test_dropout_acts_between_layers_and_only_while_training():
    lstm = layers.LSTM(3, 4, 2, dropout=0.5, rng=rng())
    xs = rng(1).normal(size=(5, 2, 3))
    one, other = (lstm.forward(xs)[0] for _ in range(2))
    assert not np.array_equal(one, other)
    still = [lstm.forward(xs, training=False)[0] for _ in range(2)]
    np.testing.assert_array_equal(*still)
    with pytest.warns(UserWarning, match="there is one layer: 0.5 does nothing") as said:
        single = layers.LSTM(3, 4, 1, dropout=0.5, rng=rng())
    assert said[0].filename == __file__  # where the layer is made
    np.testing.assert_array_equal(*(single.forward(xs)[0] for _ in range(2)))


def test_gradients_add_up_until_they_are_set_to_zero():
    lstm = layers.LSTM(3, 2, rng=rng())
    hs, _, cache = lstm.forward(np.ones((4, 2, 3)))
    lstm.backward(np.ones_like(hs), cache)
    once = [grad.copy() for grad in lstm.grads]
    lstm.backward(np.ones_like(hs), cache)
    for grad, was in zip(lstm.grads, once, strict=True):
        np.testing.assert_allclose(grad, 2 * was)
    lstm.zero_grads()
    assert not any(grad.any() for grad in lstm.grads)


def test_starts():
    lstm = layers.LSTM(
        3, 4, 2, True, rng=rng(), forget_bias=2.0, recurrent="orthogonal", dtype=np.float32
    )
    assert len(lstm.params) == 4
    for params in lstm.params:
        np.testing.assert_array_equal(params.gate("f")[2], 2)  # every layer, both directions
        for gate in "ifgo":
            U = params.gate(gate)[1]
            np.testing.assert_allclose(U @ U.T, np.eye(4), atol=1e-6)
    hs, _, cache = lstm.forward(np.ones((5, 2, 3), np.float32))
    assert hs.dtype == np.float32
    assert {array.dtype for array in lstm.backward(hs, cache)} == {np.dtype(np.float32)}


LSTM = layers.LSTM(3, 2, 2, rng=rng())
XS = np.ones((4, 2, 3))
CACHE = LSTM.forward(XS)[2]


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: LSTM.forward(XS[0]), ValueError, r"xs has shape \(2, 3\), expected \(T, N, 3\)"),
        (lambda: LSTM.forward(XS * np.nan), ValueError, "xs holds nan"),
        (lambda: LSTM.forward(XS, np.ones((1, 2, 2))), ValueError, r"h0 has shape \(1, 2, 2\), expected \(2, 2, 2\)"),
        (lambda: LSTM.forward(XS, lengths=[4]), ValueError, r"lengths has shape \(1,\), expected \(2,\)"),
        (lambda: LSTM.forward(XS, lengths=[4, 0]), ValueError, r"lengths holds \[4, 0\], expected numbers from 1 to 4"),
        (lambda: LSTM.forward(XS, lengths=[4.0, 1.0]), TypeError, "lengths must be an array of whole numbers, got dtype float64"),
        (lambda: LSTM.backward(np.ones((4, 2, 2)), CACHE, np.full((2, 2, 2), np.nan)), ValueError, "dh_T holds nan"),
        (lambda: LSTM.backward(np.full((4, 2, 2), np.nan), CACHE), ValueError, "dhs holds nan"),
        (lambda: LSTM.forward(XS, c0=np.full((2, 2, 2), np.inf)), ValueError, "c0 holds inf"),
        (lambda: LSTM.backward(np.ones((4, 2, 3)), CACHE), ValueError, r"dhs has shape \(4, 2, 3\), expected \(4, 2, 2\)"),
        (lambda: layers.LSTM(3, 2, 0, rng=rng()), ValueError, "num_layers must be at least 1, got 0"),
        (lambda: layers.LSTM(3, 2, dropout=1.0, rng=rng()), ValueError, "dropout rate must be from 0 to below 1, got 1.0"),
        (lambda: layers.LSTM(3, 2, rng=rng(), recurrent="eye"), ValueError, "recurrent must be uniform or orthogonal, got 'eye'"),
        (lambda: layers.LSTM(3, 2, rng=None), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: layers.Linear(3, 0, rng=rng()), ValueError, "output_size must be at least 1, got 0"),
        (lambda: layers.Linear(3, 2, rng=rng()).forward(np.ones((4, 2))), ValueError, r"x has shape \(4, 2\), expected \(..., 3\)"),
        (lambda: layers.Embedding(3, 2, rng=rng()).forward(np.array([3])), ValueError, "words holds 3, expected 0 to 2"),
        (lambda: layers.Embedding(3, 2, rng=rng()).forward(np.array([1.0])), TypeError, "words must be an array of whole numbers"),
        (lambda: layers.Embedding(3, 2, rng=rng()).forward(np.ma.masked_array([1], [True])), TypeError, "words is a masked array"),
        (lambda: LSTM.forward(XS, lengths=np.ma.masked_array([4, 2])), TypeError, "lengths is a masked array"),
        (lambda: LSTM.forward(XS.astype(object)), TypeError, "xs must be an array of float32 or float64, got dtype object"),
        (lambda: layers.Linear.tied(np.zeros((3, 2))), TypeError, "embedding must be an Embedding, got ndarray"),
        (lambda: layers.Dropout(-0.1, rng=rng()), ValueError, "dropout rate must be from 0 to below 1, got -0.1"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def parts():
    embedding = layers.Embedding(5, 3, rng=rng(1))
    return SequenceModel(
        layers.LSTM(3, 3, 2, rng=rng(2)), layers.Linear(3, 5, rng=rng(3)), embedding
    )


REPLACED = {
    "an array of a layer": lambda model: setattr(model.readout, "weight", np.zeros((5, 3))),
    "tied by hand": lambda model: setattr(model.readout, "weight", model.embedding.table),
    "a table": lambda model: setattr(model.embedding, "table", np.zeros((5, 3))),
    "all gradients": lambda model: setattr(model, "grads", [np.zeros(3)]),
    "a layer": lambda model: setattr(model, "readout", layers.Linear(3, 5, rng=rng())),
    "an embedding, taken away": lambda model: setattr(model, "embedding", None),
    "parameters of a plain cell": lambda _: setattr(RNN(2, 2, rng=rng()), "params", None),
}


@pytest.mark.parametrize("how", REPLACED)
def test_what_an_optimizer_holds_cannot_be_replaced(how):
    with pytest.raises(AttributeError, match=r"cannot be replaced, since an optimizer would go on"):
        REPLACED[how](parts())


def test_no_cell_and_no_array_of_a_tuple_can_be_replaced():
    model = parts()
    for held in (model.recurrent.params, model.arrays, model.grads):
        with pytest.raises(TypeError, match=r"entry 0 cannot be replaced, since an optimizer"):
            held[0] = held[1]
        with pytest.raises(TypeError, match=r"must be integers|can only concatenate|unsupported"):
            held += [held[0]]


def test_writing_into_an_array_is_seen_by_the_optimizer():
    model = parts()
    model.readout.weight[...] = 0.25
    model.readout.bias += 1
    optimizer = Adam(model.arrays, learning_rate=0.5)
    optimizer.step([np.ones_like(array) for array in model.arrays])
    np.testing.assert_allclose(model.readout.weight, -0.25, atol=1e-6)
    np.testing.assert_allclose(model.readout.bias, 0.5, atol=1e-6)


def test_a_tied_read_out_adds_both_gradients_up():
    embedding = layers.Embedding(5, 3, rng=rng(1))
    tied = SequenceModel(layers.LSTM(3, 3, rng=rng(2)), layers.Linear.tied(embedding), embedding)
    words = rng(4).integers(0, 5, (4, 2))
    free = SequenceModel(
        layers.LSTM(3, 3, rng=rng(2)), layers.Linear(3, 5, rng=rng()), deepcopy(embedding)
    )
    free.readout.weight[...] = embedding.table
    for model in (tied, free):
        outputs, _, cache = model.forward(words)
        model.backward(np.cos(outputs), cache)
    np.testing.assert_allclose(
        tied.embedding.grads[0], free.embedding.grads[0] + free.readout.dweight, atol=1e-12
    )
    assert len(tied.arrays) == len(free.arrays) - 1
    SGD(tied.arrays, 0.1).step(tied.grads)
    assert tied.readout.weight is tied.embedding.table
    again = deepcopy(tied)
    assert again.readout.weight is again.embedding.table is not tied.embedding.table
    assert again.readout.dweight is again.embedding.grads[0]


def test_unsigned_lengths_are_lengths():
    lstm = layers.LSTM(3, 2, bidirectional=True, rng=rng())
    expected = lstm.forward(XS, lengths=[3, 4])[0]
    found = lstm.forward(XS, lengths=np.array([3, 4], np.uint64))[0]
    np.testing.assert_array_equal(found, expected)


def test_numpy_numbers_are_dropout_rates():
    assert layers.Dropout(np.float32(0.5), rng=rng()).rate == 0.5
