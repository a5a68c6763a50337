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
