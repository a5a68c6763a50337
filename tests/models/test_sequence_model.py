import numpy as np
import pytest

from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.losses import softmax
from lstm_course.models import SequenceModel, sample
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
