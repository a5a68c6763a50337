"""The walk back as learners write it: what is said of slips that are easily made."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused


def start(xs, h0, c0, W, U, b):
    cache = lc.lstm_forward(xs, lc.LSTMParams(W, U, b), h0, c0)[2]
    return cache, np.zeros_like(xs), [np.zeros_like(array) for array in (W, U, b)]


def walk(enters):
    """Return a walk in which `enters` says what enters a step, of its rows and of dh and dc."""

    def answer(dhs, dcs, xs, h0, c0, W, U, b):
        cache, dxs, totals = start(xs, h0, c0, W, U, b)
        dh, dc = np.zeros_like(h0), np.zeros_like(c0)
        for t in reversed(range(len(xs))):
            into = enters(dhs[t], dcs[t], dh, dc)
            dxs[t], dh, dc, grads = lc.lstm_step_backward(*into, cache[t])
            for total, part in zip(totals, grads.arrays(), strict=True):
                total += part
        return dxs, dh, dc, *totals

    return answer


@pytest.mark.parametrize(
    ("enters", "said"),
    [
        (lambda own_h, own_c, dh, dc: (own_h, own_c + dc), "You don't hand dh on"),
        (lambda own_h, own_c, dh, dc: (own_h + dh, own_c), "You don't hand dc on"),
        (lambda own_h, own_c, dh, dc: (own_h, own_c), "You hand on neither dh nor dc"),
        (lambda own_h, own_c, dh, dc: (own_h + dh, dc), "dcs has no effect"),
        (lambda own_h, own_c, dh, dc: (dh, own_c + dc), "you never add dhs"),
        (lambda own_h, own_c, dh, dc: (own_h + own_c + dh, dc), "it belongs to dc"),
    ],
)
def test_what_enters_a_step_is_named(enters, said):
    assert said in refused("through-time", walk(enters))


def test_two_names_of_one_array_are_told():
    def answer(dhs, dcs, xs, h0, c0, W, U, b):
        cache, dxs, totals = start(xs, h0, c0, W, U, b)
        dh = dc = np.zeros_like(h0)
        for t in reversed(range(len(xs))):
            dh += dhs[t]
            dc += dcs[t]
            dxs[t], dh, dc, grads = lc.lstm_step_backward(dh, dc, cache[t])
            for total, part in zip(totals, grads.arrays(), strict=True):
                total += part
        return dxs, dh, dc, *totals

    assert "one array under two names" in refused("through-time", answer)


def by_the_package(backward):
    """Walk back once for each row of dcs, and add the gradients up."""

    def answer(dhs, dcs, xs, h0, c0, W, U, b):
        forward = lc.fast.lstm_forward if backward is lc.fast.lstm_backward else lc.lstm_forward
        results = []
        for t in range(len(xs)):
            cache = forward(xs[: t + 1], lc.LSTMParams(W, U, b), h0, c0)[2]
            rows = np.zeros_like(dhs[: t + 1])
            rows[t] = dhs[t]
            dxs, dh0, dc0, grads = backward(rows, cache, dc_T=dcs[t])
            later = np.zeros_like(xs[t + 1 :])
            results.append((np.concatenate([dxs, later]), dh0, dc0, *grads.arrays()))
        return [sum(parts) for parts in zip(*results, strict=True)]

    return answer


@pytest.mark.parametrize(
    ("backward", "name"),
    [(lc.lstm_backward, "lc.lstm_backward"), (lc.fast.lstm_backward, "lc.fast.lstm_backward")],
)
def test_the_package_s_walk_is_not_allowed(backward, name):
    assert f"they come from {name}" in refused("through-time", by_the_package(backward))


def test_truncated_allows_the_package_s_walk_and_names_its_slips():
    def chunks(start, carried):
        def answer(dhs, xs, W, U, b, k):
            h = c = np.zeros_like(dhs[0])
            totals = [np.zeros_like(array) for array in (W, U, b)]
            for begin in range(start(k), len(xs), k):
                chunk = slice(begin, begin + k)
                states, cache = lc.lstm_forward(xs[chunk], lc.LSTMParams(W, U, b), h, c)[1:]
                h, c = states if carried else (h, c)
                grads = lc.lstm_backward(dhs[chunk], cache)[3]
                for total, part in zip(totals, grads.arrays(), strict=True):
                    total += part
            return totals

        return answer

    assert lc.check("truncated", chunks(lambda k: 0, True)).passed
    assert refused("truncated", chunks(lambda k: k, True)) == "You leave out the first chunk."
    assert "starts from states of 0" in refused("truncated", chunks(lambda k: 0, False))
