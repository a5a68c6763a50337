from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_course.gradcheck import central_difference
from lstm_course.layers import LSTM, Embedding, Linear
from lstm_course.losses import softmax_cross_entropy
from lstm_course.models import CaptionBatches, Captioner, beam_search, caption_batch
from lstm_course.optim import Adam
from lstm_course.rnn import RNN
from lstm_course.training import Trainer

START, END = 0, 1
ENDS = {"start": START, "end": END}


def captioner(kind, H=3, V=5, pixels=4, seed=0):
    rng = np.random.default_rng(seed)
    recurrent = LSTM(2, H, rng=rng) if kind == "LSTM" else RNN(2, H, rng=rng)
    initial = Linear(pixels, H * (2 if kind == "LSTM" else 1), rng=rng)
    model = Captioner(recurrent, Linear(H, V, rng=rng), Embedding(V, 2, rng=rng), initial=initial)
    for array in model.arrays:
        array += rng.normal(scale=0.3, size=array.shape)  # no bias is 0
    return model


def batch():
    pictures = np.random.default_rng(1).normal(size=(3, 2, 2))
    return caption_batch(pictures, [[2, 3, 4], [4], [3, 2]], **ENDS)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_gradients_of_all_arrays_against_central_differences(kind):
    model, data = captioner(kind), batch()

    def loss():
        scores, _, _ = model.forward(data.inputs, lengths=data.lengths)
        return softmax_cross_entropy(scores, data.targets, data.mask)[0]

    scores, _, cache = model.forward(data.inputs, lengths=data.lengths)
    model.zero_grads()
    model.backward(softmax_cross_entropy(scores, data.targets, data.mask)[1], cache)
    assert len(model.arrays) == 3 + 2 + 1 + 2
    for array, grad in zip(model.arrays, model.grads, strict=True):
        np.testing.assert_allclose(grad, central_difference(loss, array), rtol=1e-5, atol=1e-9)


def test_the_states_come_from_the_picture_h_first():
    model, pictures = captioner("LSTM"), np.random.default_rng(2).normal(size=(3, 2, 2))
    (h, c), _ = model.look(pictures)
    both = pictures.reshape(3, 4) @ model.initial.weight.T + model.initial.bias
    np.testing.assert_allclose(np.concatenate([h[0], c[0]], axis=1), both)
    words = np.zeros((2, 3), int)
    hs, _, _ = model.recurrent.forward(model.embedding.table[words], h, c)
    scores, _, _ = model.forward((pictures, words))
    np.testing.assert_allclose(scores, hs @ model.readout.weight.T + model.readout.bias)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_words_one_by_one_give_what_the_whole_caption_gives(kind):
    model, data = captioner(kind), batch()
    pictures, words = data.inputs
    scores, _, _ = model.forward(data.inputs)
    state, _ = model.look(pictures)
    for t, row in enumerate(words):
        log_p, state = model.step(row, state)
        np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1)
        np.testing.assert_allclose(np.diff(log_p), np.diff(scores[t]))


def test_what_stands_behind_a_captions_end_does_not_matter():
    model, data = captioner("LSTM"), batch()
    scores, _, _ = model.forward(data.inputs, lengths=data.lengths)
    pictures, words = data.inputs
    other = np.where(data.mask, words, 3)
    again, _, _ = model.forward((pictures, other), lengths=data.lengths)
    np.testing.assert_array_equal(scores, again)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_a_captioner_learns_captions_by_heart(kind):
    model, data = captioner(kind, H=8), batch()
    trainer = Trainer(model, Adam(model.arrays, learning_rate=0.05), clip=1.0)
    trainer.fit(lambda step: data, 150, progress=False)
    assert trainer.history.loss[-1] < 0.05
    for n, words in enumerate([(2, 3, 4, END), (4, END), (3, 2, END)]):
        state, _ = model.look(data.inputs[0][n : n + 1])
        assert beam_search(model.step, state, **ENDS, width=2, limit=6)[0].words == words


def test_batches_hold_each_picture_once_an_epoch_with_a_caption_of_its_own():
    pictures = np.arange(10.0).reshape(10, 1)
    known = [[[2 + n]] if n % 2 else [[2 + n], [2 + n, 12]] for n in range(10)]
    batches = CaptionBatches(pictures, known, 5, seed=3, **ENDS)
    lengths = []
    for epoch in range(20):
        seen = []
        for step in (2 * epoch, 2 * epoch + 1):
            data = batches(step)
            seen += data.inputs[0][:, 0].tolist()
            np.testing.assert_array_equal(data.inputs[0][:, 0] + 2, data.targets[0])
            lengths += data.lengths[data.targets[0] % 2 == 0].tolist()
        assert sorted(seen) == list(range(10))
    assert 30 < lengths.count(2) < 70  # of 100, one caption about as often as the other
    for one, other in zip(
        batches(7), CaptionBatches(pictures, known, 5, seed=3, **ENDS)(7), strict=True
    ):
        if one is not None and not isinstance(one, bool | tuple):
            np.testing.assert_array_equal(one, other)


def table_step(p):
    """A model whose next word depends on the last word and on the step, (T, V, V)."""

    def step(words, state):
        t = int(state[0][0, 0, 0])
        return np.log(p[t][words]), (state[0] + 1,)

    return step, (np.zeros((1, 1, 1)),)


def tables(seed, T, V):
    return np.random.default_rng(seed).dirichlet(np.full(V, 0.5), size=(T, V)) + 1e-12


def all_captions(p, alpha):
    """Every caption with its score: words up to the first END, or T words without one."""
    T, V = p.shape[:2]
    found = {}
    for words in product(range(V), repeat=T):
        cut = words[: words.index(END) + 1] if END in words else words
        log_p = sum(
            np.log(p[t][w0, w]) for t, (w0, w) in enumerate(zip((START, *cut), cut, strict=False))
        )
        found[cut] = log_p
    return sorted(found.items(), key=lambda one: -one[1] / len(one[0]) ** alpha)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 4), st.sampled_from([0.0, 0.7, 1.0])
)
def test_a_beam_that_holds_everything_finds_all_captions_in_their_order(seed, T, V, alpha):
    p = tables(seed, T, V)
    step, state = table_step(p)
    found = beam_search(step, state, **ENDS, width=V**T, limit=T, alpha=alpha)
    wanted = all_captions(p, alpha)
    assert len(found) == len(wanted)
    np.testing.assert_allclose(
        [one.log_probability for one in found], [one[1] for one in wanted], rtol=1e-9
    )
    assert found[0].words == wanted[0][0]
    assert {one.words for one in found} == {one[0] for one in wanted}


def plainly(p, width, alpha):
    """Beam search over whole beginnings, without states."""
    kept = [((), 0.0)]
    for t in range(len(p)):
        after = []
        for words, log_p in kept:
            if words and words[-1] == END:
                after.append((words, log_p))
            else:
                last = words[-1] if words else START
                after += [((*words, w), log_p + np.log(p[t][last, w])) for w in range(p.shape[1])]
        kept = sorted(after, key=lambda one: -one[1] / len(one[0]) ** alpha)[:width]
    return kept


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.integers(2, 5),
    st.integers(1, 5),
    st.sampled_from([0.0, 1.0]),
)
def test_a_narrow_beam_keeps_what_a_plain_search_keeps(seed, T, V, width, alpha):
    p = tables(seed, T, V)
    step, state = table_step(p)
    found = beam_search(step, state, **ENDS, width=width, limit=T, alpha=alpha)
    wanted = plainly(p, width, alpha)
    assert [one.words for one in found] == [words for words, _ in wanted]
    np.testing.assert_allclose(
        [one.log_probability for one in found], [log_p for _, log_p in wanted]
    )


def test_width_1_is_greedy_and_states_follow_their_beginnings():
    model = captioner("LSTM", H=6)
    pictures = np.random.default_rng(5).normal(scale=3, size=(20, 4))
    for picture in pictures:
        first, _ = model.look(picture[None])
        said, state, word = [], first, START
        while len(said) < 7 and word != END:
            log_p, state = model.step([word], state)
            word = int(log_p.argmax())
            said.append(word)
        assert beam_search(model.step, first, **ENDS, width=1, limit=7)[0].words == tuple(said)
        for one in beam_search(model.step, first, **ENDS, width=4, limit=7):
            batch = caption_batch(picture[None], [one.words], **ENDS)
            scores, _, _ = model.forward(batch.inputs)
            log_p = [model_log_p(scores[t, 0])[w] for t, w in enumerate(one.words)]
            np.testing.assert_allclose(one.log_probability, sum(log_p))


def model_log_p(scores):
    return scores - np.log(np.exp(scores).sum())


def test_dividing_by_the_length_favours_longer_captions():
    p = np.array([[0.0, 0.4, 0.6], [1, 0, 0], [0.0, 0.6, 0.4]]) + 1e-9

    def step(words, state):
        return np.log(p[words]), state

    short = beam_search(step, (), **ENDS, width=9, limit=2)[0]
    assert short.words == (END,)
    long = beam_search(step, (), **ENDS, width=9, limit=2, alpha=1.0)[0]
    assert long.words == (2, END)
    np.testing.assert_allclose(long.log_probability, np.log(0.36))


def search(log_p, start=START, end=END, before=(), after=()):
    def step(words, state):
        return np.array(log_p), after

    return beam_search(step, before, start=start, end=end, width=1, limit=3)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: beam_search(None, (), **ENDS, width=0, limit=3), "width must be at least 1, got 0"),
        (lambda: beam_search(None, (), **ENDS, width=1, limit=0), "limit must be at least 1, got 0"),
        (lambda: beam_search(None, (), **ENDS, width=1, limit=3, alpha=-1), "alpha must be a number of at least 0, got -1"),
        (lambda: beam_search(lambda w, s: (np.zeros(4), s), (), **ENDS, width=1, limit=3), r"step returned shape \(4,\), expected \(1, V\)"),
        (lambda: beam_search(None, (), **ENDS, width=1, limit=3, alpha=1e6), r"alpha is 1e\+06, and a length to that power is infinite"),
        (lambda: search(np.zeros((1, 0))), r"step returned shape \(1, 0\), expected \(1, V\)"),
        (lambda: search([[np.nan, -1]]), "step returned nan, expected log probabilities, at most 0"),
        (lambda: search([[-1, 0.5]]), "step returned 0.5, expected log probabilities, at most 0"),
        (lambda: search([[-1, -1]], end=2), "end is 2, expected one of the 2 words that step knows"),
        (lambda: search([[-1, -1]], end=-1), "end must be at least 0, got -1"),
        (lambda: search([[-1, -1]], start=-1), "start must be at least 0, got -1"),
        (lambda: search([[-1, -1]], before=(np.zeros((1, 2, 3)),)), r"state has shape \(1, 2, 3\), expected \(1, 1, ...\)"),
        (lambda: search([[-1, -1]], after=(np.zeros((1, 2, 3)),)), r"step returned a state that has shape \(1, 2, 3\), expected \(1, 1, ...\)"),
        (lambda: search([[-1, -1]], after=(np.zeros(3),)), r"step returned a state that has shape \(3,\), expected \(1, 1, ...\)"),
        (lambda: caption_batch(np.zeros((2, 4)), [[3]], **ENDS), "captions has 1 entries, expected one for each of 2"),
        (lambda: CaptionBatches(np.zeros((2, 4)), [[[3]]], 1, seed=0, **ENDS), "captions must hold one or more for each of 2 pictures"),
        (lambda: CaptionBatches(np.zeros((2, 4)), [[[3]], []], 1, seed=0, **ENDS), "captions must hold one or more for each of 2 pictures"),
        (lambda: CaptionBatches(np.zeros((1, 4)), [[[3]]], 2, seed=0, **ENDS), "batch_size is 2, expected at most 1"),
        (lambda: Captioner(LSTM(2, 3, 2, rng=np.random.default_rng(0)), Linear(3, 5, rng=np.random.default_rng(0)), Embedding(5, 2, rng=np.random.default_rng(0)), initial=Linear(4, 6, rng=np.random.default_rng(0))), "recurrent has 2 cells, expected one"),
        (lambda: Captioner(LSTM(2, 3, rng=np.random.default_rng(0)), Linear(3, 5, rng=np.random.default_rng(0)), Embedding(5, 2, rng=np.random.default_rng(0)), initial=Linear(4, 3, rng=np.random.default_rng(0))), "initial gives 3 numbers, expected 6"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize("value", ["1", 1.0, True, None])
def test_start_and_end_must_be_numbers_of_words(name, value):
    with pytest.raises(TypeError, match=f"{name} must be the number of a word, got {value!r}"):
        search([[-1, -1]], **{name: value})


def test_impossible_words_are_allowed_and_rounding_is_forgiven():
    assert search([[-np.inf, 1e-9]])[0].words == (END,)
