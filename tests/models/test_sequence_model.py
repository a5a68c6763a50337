import numpy as np
import pytest

from lstm_course.gradcheck import gradcheck
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.losses import softmax
from lstm_course.models import FinalStateModel, InitialState, SequenceModel, sample
from lstm_course.rnn import RNN


def model(kind=LSTM, K=5, seed=0):
    rng = np.random.default_rng(seed)
    one = SequenceModel(kind(3, 4, rng=rng), Linear(4, K, rng=rng), Embedding(K, 3, rng=rng))
    one.readout.weight *= 5  # opinions, not equal shares
    return one


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", [LSTM, RNN])
def test_samples_are_drawn_from_what_the_model_believes(kind):
    one = model(kind)
    start = np.array([0, 3, 1])
    outputs, *_ = one.forward(start[:, None])
    for temperature in (0.5, 1.0, 2.0):
        first = [sample(one, start, 1, temperature=temperature, rng=rng(k))[0] for k in range(2000)]
        shares = np.bincount(first, minlength=5) / 2000
        np.testing.assert_allclose(shares, softmax(outputs[-1, 0] / temperature), atol=0.04)


def test_each_word_written_is_read_before_the_next():
    one = model()
    text = list(sample(one, [2], 40, temperature=0.01, rng=rng()))  # nearly the likeliest word
    outputs, *_ = one.forward(np.array([2, *text])[:, None])
    chosen = np.take_along_axis(outputs[:-1, 0], np.array(text)[:, None], axis=1)[:, 0]
    assert (chosen > outputs[:-1, 0].max(axis=1) - 0.2).all()
    assert len(set(text)) > 1


def test_samples_depend_on_the_generator_alone():
    one = model()
    np.testing.assert_array_equal(sample(one, [1], 20, rng=rng()), sample(one, [1], 20, rng=rng()))
    assert (sample(one, [1], 20, rng=rng()) != sample(one, [1], 20, rng=rng(1))).any()


def no_embedding():
    return SequenceModel(LSTM(3, 4, rng=rng()), Linear(4, 3, rng=rng()))


def other_words():
    parts = LSTM(3, 4, rng=rng()), Linear(4, 6, rng=rng()), Embedding(5, 3, rng=rng())
    return SequenceModel(*parts)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: sample(no_embedding(), [0], 3, rng=rng()), ValueError, "model cannot read what it writes, expected an embedding of its outputs"),
        (lambda: sample(other_words(), [0], 3, rng=rng()), ValueError, "model cannot read what it writes"),
        (lambda: sample(model(), [], 3, rng=rng()), ValueError, r"start has shape \(0,\), expected at least one word in a row"),
        (lambda: sample(model(), [7], 3, rng=rng()), ValueError, "words holds 7, expected 0 to 4"),
        (lambda: sample(model(), [0], 0, rng=rng()), ValueError, "length must be at least 1, got 0"),
        (lambda: sample(model(), [0], 3, temperature=0, rng=rng()), ValueError, "temperature must be a number above 0, got 0"),
        (lambda: sample(model(), [0], 3, rng=0), TypeError, "rng must be a numpy.random.Generator"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


def test_no_state_may_be_said_as_none():
    rng = np.random.default_rng(0)
    model = SequenceModel(LSTM(3, 4, rng=rng), Linear(4, 2, rng=rng))
    xs = np.ones((5, 1, 3))
    np.testing.assert_array_equal(model.forward(xs, None)[0], model.forward(xs)[0])


def test_a_model_that_reads_from_both_ends_cannot_write():
    rng = np.random.default_rng(0)
    recurrent = LSTM(2, 3, bidirectional=True, rng=rng)
    model = SequenceModel(recurrent, Linear(6, 4, rng=rng), Embedding(4, 2, rng=rng))
    with pytest.raises(ValueError, match="model reads from both ends"):
        sample(model, [0], 5, rng=rng)


RECURRENT = {
    "LSTM": lambda dtype=np.float64: LSTM(2, 3, rng=rng(1), dtype=dtype),
    "deep, both directions": lambda: LSTM(2, 3, 2, bidirectional=True, rng=rng(1)),
    "RNN": lambda: RNN(2, 3, rng=rng(1)),
}


def with_learned_states(recurrent, kind=SequenceModel, **more):
    directions = getattr(recurrent, "directions", 1)
    parts = recurrent, Linear(3 * directions, 4, rng=rng(2))
    one = kind(*parts, Embedding(5, 2, rng=rng(3)), initial=InitialState(recurrent), **more)
    for array in one.initial.arrays:
        array[...] = rng(4).normal(size=array.shape)
    return one


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize(("kind", "more"), [(SequenceModel, {}), (FinalStateModel, {"reads": "h"})])
@pytest.mark.parametrize("lengths", [None, [4, 1, 2]])
def test_gradients_of_learned_states_are_central_differences(name, kind, more, lengths):
    one = with_learned_states(RECURRENT[name](), kind, **more)
    words = rng(5).integers(0, 5, (4, 3))
    outputs, _, cache = one.forward(words, lengths=lengths)
    weights = rng(6).normal(size=outputs.shape)
    one.backward(weights, cache)
    names = [f"array {k}" for k in range(len(one.arrays))]
    report = gradcheck(
        lambda: float((one.forward(words, lengths=lengths)[0] * weights).sum()),
        dict(zip(names, one.arrays, strict=True)),
        dict(zip(names, one.grads, strict=True)),
    )
    assert report.passed, report
    assert all(grad.all() for grad in one.initial.grads)
    assert one.grads[-1] is one.initial.grads[-1]  # where an optimizer finds it


@pytest.mark.parametrize("name", RECURRENT)
def test_learned_states_are_those_of_every_sequence_unless_others_are_given(name):
    recurrent = RECURRENT[name]()
    one = with_learned_states(recurrent)
    plain = SequenceModel(recurrent, one.readout, one.embedding)
    words = rng(5).integers(0, 5, (4, 3))
    states = tuple(np.repeat(array, 3, axis=1) for array in one.initial.arrays)
    np.testing.assert_array_equal(one.forward(words)[0], plain.forward(words, states)[0])
    zeros = tuple(np.zeros_like(part) for part in states)
    outputs, _, cache = one.forward(words, zeros)
    np.testing.assert_array_equal(outputs, plain.forward(words)[0])
    one.backward(np.ones_like(outputs), cache)
    assert not any(grad.any() for grad in one.initial.grads)


def test_learned_states_begin_at_zero_in_the_dtype_of_their_layer():
    recurrent = RECURRENT["LSTM"](np.float32)
    h0, c0 = InitialState(recurrent).arrays
    assert h0.dtype == c0.dtype == np.float32
    assert not h0.any()
    assert not c0.any()


def learned(*sizes, **more):
    return InitialState(LSTM(*sizes, rng=rng(), **more))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: InitialState(Linear(3, 2, rng=rng())), TypeError, "recurrent must be an LSTM, an RNN or a Variant, got Linear"),
        (lambda: learned(3, 2).forward(0), ValueError, "batch_size must be at least 1, got 0"),
        (lambda: learned(3, 2).backward(np.ones((2, 1, 4, 2)), 5), ValueError, r"dstates has shape \(1, 4, 2\), expected \(1, 5, 2\)"),
        (lambda: learned(3, 2).backward(np.full((2, 1, 4, 2), np.nan), 4), ValueError, "dstates holds nan"),
        (lambda: SequenceModel(LSTM(3, 2, rng=rng()), Linear(2, 4, rng=rng()), initial=Linear(2, 4, rng=rng())), TypeError, "initial must be an InitialState, got Linear"),
        (lambda: SequenceModel(LSTM(3, 2, rng=rng()), Linear(2, 4, rng=rng()), initial=learned(3, 2, 2)), ValueError, r"initial has states \[\(2, 1, 2\), \(2, 1, 2\)\], expected \[\(1, 1, 2\), \(1, 1, 2\)\]"),
        (lambda: SequenceModel(RNN(3, 2, rng=rng()), Linear(2, 4, rng=rng()), initial=learned(3, 2)), ValueError, "initial has states"),
        (lambda: SequenceModel(LSTM(3, 2, rng=rng()), Linear(2, 4, rng=rng()), initial=learned(3, 2)).forward(np.ones(3)), ValueError, r"inputs has shape \(3,\), expected \(T, N, D\)"),
    ],
)  # fmt: skip
def test_learned_states_that_do_not_fit_get_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
