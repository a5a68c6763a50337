"""What counts as out of the loop: calls and products, however they are written."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused


def hoisted(part):
    """Return an answer that takes the inputs' part of all sums from `part`."""

    def answer(xs, v, W, W_v, U, b, h0, c0):
        before, h, c, hs = part(xs, v, W, W_v), h0, c0, []
        for row in before:
            i, f, g, o = np.split(row + h @ U.T + b, 4, axis=1)
            c = lc.sigmoid(f) * c + lc.sigmoid(i) * np.tanh(g)
            h = lc.sigmoid(o) * np.tanh(c)
            hs.append(h)
        return hs  # a list of T arrays counts as one

    return answer


@pytest.mark.parametrize(
    "part",
    [
        lambda xs, v, W, W_v: (
            (xs.reshape(-1, xs.shape[2]) @ W.T).reshape(*xs.shape[:2], -1) + v @ W_v.T
        ),
        lambda xs, v, W, W_v: xs @ W.T + v @ W_v.T,
        lambda xs, v, W, W_v: np.einsum("tnd,kd->tnk", xs, W) + v @ W_v.T,
    ],
)
def test_one_call_for_all_steps_is_out_of_the_loop(part):
    assert lc.check("hoist", hoisted(part)).passed


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (lambda xs, v, W, W_v: [x @ W.T + v @ W_v.T for x in xs], "you still multiply the inputs"),
        (lambda xs, v, W, W_v: [a + v @ W_v.T for a in xs @ W.T], "you multiply v at every step"),
        (lambda xs, v, W, W_v: xs @ W.T, "v has no effect"),
    ],
)
def test_what_is_left_in_the_loop_is_named(part, said):
    assert said in refused("hoist", hoisted(part))


def joined(xs, v, W, W_v, U, b):
    at_every_step = np.broadcast_to(v, (len(xs), *v.shape))
    return np.concatenate([xs, at_every_step], 2), lc.LSTMParams(np.hstack([W, W_v]), U, b)


def by_steps(*given):
    *given, h, c = given
    xs, params = joined(*given)
    hs = []
    for x in xs:
        h, c, _ = lc.lstm_step(x, h, c, params)
        hs.append(h)
    return hs


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (by_steps, "lc.lstm_step"),
        (lambda *given: lc.lstm_forward(*joined(*given[:-2]), *given[-2:])[0], "lc.lstm_forward"),
        (
            lambda *given: lc.fast.lstm_forward(*joined(*given[:-2]), *given[-2:])[0],
            "lc.fast.lstm_forward",
        ),
    ],
)
def test_the_package_s_loop_is_not_allowed(answer, name):
    def named(xs, v, W, W_v, U, b, h0, c0):
        return answer(xs, v, W, W_v, U, b, h0, c0)

    assert f"they come from {name}" in refused("hoist", named)
