import numpy as np
import pytest

from lstm_course import example, gates, lstm_step

RNG = np.random.default_rng(0)
N, D, H = 3, 4, 2
X, H_PREV = RNG.normal(size=(N, D)), RNG.normal(size=(N, H))
W, U, B = RNG.normal(size=(H, D)), RNG.normal(size=(H, H)), RNG.normal(size=H)


def test_two_maps_equal_one_map_of_the_concatenation():
    joined = np.hstack([H_PREV, X]) @ np.hstack([U, W]).T + B
    np.testing.assert_allclose(gates.preactivation(X, H_PREV, W, U, B), joined, rtol=1e-14)


@pytest.mark.parametrize(
    ("gate", "name"),
    [
        (gates.input_gate, "i"),
        (gates.forget_gate, "f"),
        (gates.candidate, "g"),
        (gates.output_gate, "o"),
    ],
)
def test_each_gate_is_a_slice_of_the_whole_cell(gate, name):
    for t in range(3):
        cache = lstm_step(example.xs[t], example.h0, example.c0, example.params)[2]
        alone = gate(example.xs[t], example.h0, *example.params.gate(name))
        np.testing.assert_allclose(alone, getattr(cache, name), rtol=1e-15)


@pytest.mark.parametrize(
    "gate", [gates.input_gate, gates.forget_gate, gates.candidate, gates.output_gate]
)
def test_float32_stays_float32(gate):
    arguments = (array.astype(np.float32) for array in (X, H_PREV, W, U, B))
    assert gate(*arguments).dtype == np.float32


def spoiled(**changes):
    arguments = {"x": X, "h_prev": H_PREV, "W": W, "U": U, "b": B} | changes
    return lambda: gates.forget_gate(**arguments)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (spoiled(x=X[0]), ValueError, r"x has shape \(4,\), expected \(N, 4\)"),
        (spoiled(x=X[:, :3]), ValueError, r"x has shape \(3, 3\), expected \(N, 4\)"),
        (
            spoiled(x=X[:0]),
            ValueError,
            r"x has shape \(0, 4\), expected \(N, 4\) with N at least 1",
        ),
        (spoiled(h_prev=H_PREV[:1]), ValueError, r"h_prev has shape \(1, 2\), expected \(3, 2\)"),
        (spoiled(U=W), ValueError, r"U has shape \(2, 4\), expected \(2, 2\)"),
        (spoiled(b=B[:, None]), ValueError, r"b has shape \(2, 1\), expected \(2,\)"),
        (
            spoiled(x=X * np.nan),
            ValueError,
            r"x holds nan at index \(0, 0\), expected finite numbers",
        ),
        (
            spoiled(x=X.astype(np.float32)),
            TypeError,
            "x is float32, expected float64 like the param",
        ),
        (spoiled(x=None), TypeError, "x must be an array of float32 or float64, got NoneType"),
    ],
)
def test_bad_input_gets_one_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
