"""Right answers, each in a way of its own."""

import numpy as np

import lstm_course as lc


def with_a_list(xs, h0, c0, W, U, b):
    params = lc.LSTMParams(W, U, b)
    h, c, hs = h0, c0, []
    for t in range(xs.shape[1]):
        h, c, _ = lc.lstm_step(xs[:, t], h, c, params)
        hs.append(h)
    return np.stack(hs, axis=1), h, c


def with_time_moved_to_the_front(xs, h0, c0, W, U, b):
    h, c, hs = h0, c0, []
    for x in np.moveaxis(xs, 1, 0):
        h, c, _ = lc.lstm_step(x, h, c, lc.LSTMParams(W, U, b))
        hs.append(h)
    return np.array(hs).transpose(1, 0, 2), h, c


def with_all_inputs_at_once(xs, h0, c0, W, U, b):
    """What the inputs add to the sums needs no loop: one product for all."""
    (N, T, _), H = xs.shape, h0.shape[1]
    from_inputs = xs @ W.T + b  # (N, T, 4H)
    hs, h, c = np.empty((N, T, H), xs.dtype), h0, c0.copy()
    for t in range(T):
        a = from_inputs[:, t] + h @ U.T
        i, f, o = (lc.sigmoid(a[:, k * H : (k + 1) * H]) for k in (0, 1, 3))
        c = f * c + i * np.tanh(a[:, 2 * H : 3 * H])
        hs[:, t] = h = o * np.tanh(c)
    return hs, h, c


def by_recursion(xs, h0, c0, W, U, b):
    """A run is its first step, and a run over the rest."""
    h, c, _ = lc.lstm_step(xs[:, 0], h0, c0, lc.LSTMParams(W, U, b))
    if xs.shape[1] == 1:
        return [h[:, None], h, c]
    hs, h_T, c_T = by_recursion(xs[:, 1:], h, c, W, U, b)
    return [np.concatenate([h[:, None], hs], axis=1), h_T, c_T]


def one_sequence_after_the_other(xs, h0, c0, W, U, b):
    runs = [
        with_a_list(xs[n : n + 1], h0[n : n + 1], c0[n : n + 1], W, U, b)
        for n in range(len(xs))
    ]
    return tuple(np.concatenate(parts) for parts in zip(*runs, strict=True))


def encode_one_by_one(sentences, vocabulary, W, U, b):
    one_hot = np.eye(len(vocabulary), dtype=W.dtype)
    zeros = np.zeros((1, U.shape[1]), W.dtype)
    cells = []
    for sentence in sentences:
        numbers = [vocabulary.index(word) for word in sentence.split()]
        run = with_a_list(one_hot[numbers][None], zeros, zeros, W, U, b)
        cells.append(run[2][0])
    return np.array(cells)


def encode_from_columns(sentences, vocabulary, W, U, b):
    """A one-hot input picks a column of W: no product is needed."""
    H = U.shape[1]
    cells = np.zeros((len(sentences), H), W.dtype)
    for cell, sentence in zip(cells, sentences, strict=True):
        h = np.zeros(H, W.dtype)
        for word in sentence.split():
            a = W[:, vocabulary.index(word)] + U @ h + b
            i, f, g, o = a.reshape(4, H)
            cell[:] = lc.sigmoid(f) * cell + lc.sigmoid(i) * np.tanh(g)
            h = lc.sigmoid(o) * np.tanh(cell)
    return cells


def encode_in_a_batch(sentences, vocabulary, W, U, b):
    """Run all of them together, and take each where it ends."""
    numbers = [[vocabulary.index(w) for w in s.split()] for s in sentences]
    lengths = [len(ns) for ns in numbers]
    xs = np.zeros((max(lengths), len(sentences), len(vocabulary)), W.dtype)
    for n, ns in enumerate(numbers):
        xs[range(len(ns)), n, ns] = 1
    _, _, cache = lc.lstm_forward(xs, lc.LSTMParams(W, U, b))
    return lc.trace(cache)["c"][np.array(lengths) - 1, range(len(sentences))]


RIGHT = {
    "sequence": (
        with_a_list,
        with_time_moved_to_the_front,
        with_all_inputs_at_once,
        by_recursion,
        one_sequence_after_the_other,
    ),
    "encode": (encode_one_by_one, encode_from_columns, encode_in_a_batch),
}
