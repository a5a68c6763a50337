"""Right answers."""

import numpy as np

import lstm_course as lc
from lstm_course.exercises import ch08_sequence as exercise


def with_the_package(xs, h0, c0, W, U, b):
    hs, (h_T, c_T), _ = lc.lstm_forward(xs, lc.LSTMParams(W, U, b), h0, c0)
    return hs, h_T, c_T


def with_hoisted_inputs(xs, h0, c0, W, U, b):
    T, (N, H) = len(xs), h0.shape
    from_inputs = np.einsum("tnd,kd->tnk", xs, W) + b
    hs, c = np.empty((T, N, H), xs.dtype), c0.copy()
    for t in range(T):
        a = from_inputs[t] + (hs[t - 1] if t else h0) @ U.T
        shares = lc.sigmoid(a)
        c = shares[:, H : 2 * H] * c + shares[:, :H] * np.tanh(
            a[:, 2 * H : 3 * H]
        )
        hs[t] = shares[:, 3 * H :] * np.tanh(c)
    return hs, hs[-1], c


def by_recursion(xs, h0, c0, W, U, b):
    h, c, _ = lc.lstm_step(xs[0], h0, c0, lc.LSTMParams(W, U, b))
    if len(xs) == 1:
        return [h[None], h, c]
    hs, h_T, c_T = by_recursion(xs[1:], h, c, W, U, b)
    return [np.concatenate([h[None], hs]), h_T, c_T]


def encode_from_columns(sentences, vocabulary, W, U, b):
    H = U.shape[1]
    cells = np.zeros((len(sentences), H), W.dtype)
    for cell, sentence in zip(cells, sentences, strict=True):
        h = np.zeros(H, W.dtype)
        for word in sentence.split():
            i, f, g, o = (W[:, vocabulary.index(word)] + U @ h + b).reshape(
                4, H
            )
            cell[:] = lc.sigmoid(f) * cell + lc.sigmoid(i) * np.tanh(g)
            h = lc.sigmoid(o) * np.tanh(cell)
    return cells


def encode_in_a_batch(sentences, vocabulary, W, U, b):
    numbers = [
        [vocabulary.index(word) for word in s.split()] for s in sentences
    ]
    lengths = [len(ns) for ns in numbers]
    xs = np.zeros((max(lengths), len(sentences), len(vocabulary)), W.dtype)
    for n, ns in enumerate(numbers):
        xs[range(len(ns)), n, ns] = 1
    _, _, cache = lc.lstm_forward(xs, lc.LSTMParams(W, U, b))
    return lc.trace(cache)["c"][np.array(lengths) - 1, range(len(sentences))]


RIGHT = {
    "sequence": (
        exercise.lstm_forward,
        with_the_package,
        with_hoisted_inputs,
        by_recursion,
    ),
    "encode": (exercise.encode, encode_from_columns, encode_in_a_batch),
}
