"""Half-lives and reaches as learners compute them."""

import numpy as np
import pytest

import lstm_course as lc
from conftest import refused


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda k: np.log(0.5 ** (1 / k) / 1 - 0.5 ** (1 / k)), "A pair of brackets is missing"),
        (lambda k: np.log(2 ** (1 / k) / (1 - 2 ** (1 / k))), "Your gate is above 1"),
    ],
)
def test_slips_in_the_bias_are_named(answer, said):
    assert said in refused("half-life", answer)


def test_work_in_float32_is_not_enough_for_long_half_lives():
    def answer(k):
        f = np.exp2(-1 / k.astype(np.float32))
        return (np.log(f) - np.log(1 - f)).astype(k.dtype)

    assert "float" in refused("half-life", answer)


def reach(row, cut):
    def answer(dh_T, xs, h0, c0, W, U, b):
        cache = lc.lstm_forward(xs, lc.LSTMParams(W, U, b), h0, c0)[2]
        golden = [step._replace(params=lc.LSTMParams(*cut(W, U, b))) for step in cache]
        dhs = np.zeros((len(xs), *dh_T.shape), dh_T.dtype)
        dhs[row] = dh_T
        results = []
        for steps in (cache, golden):
            dxs = lc.lstm_backward(dhs, steps)[0]
            sizes = np.sqrt((dxs**2).sum(axis=(1, 2)))[::-1]
            results.append(sizes / sizes[0])
        return results

    return answer


def test_slips_in_the_reach_are_named():
    assert lc.check("vanishing", reach(-1, lambda W, U, b: (W, 0 * U, b))).passed
    assert "first row of dhs" in refused("vanishing", reach(0, lambda W, U, b: (W, 0 * U, b)))
    assert "you set W to 0 as well" in refused(
        "vanishing", reach(-1, lambda W, U, b: (0 * W, 0 * U, b))
    )
