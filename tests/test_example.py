import numpy as np

from lstm_course import example, lstm_forward, trace


def test_every_parameter_is_a_multiple_of_a_half():
    for array in (example.params.weight_ih, example.params.weight_hh, example.params.bias):
        np.testing.assert_array_equal(2 * array, np.round(2 * array))


def test_first_step_by_hand():
    # Worked with a pocket calculator: sums, then sigmoid and tanh to four digits.
    cache = lstm_forward(example.xs, example.params, example.h0, example.c0)[2][0]
    np.testing.assert_allclose(cache.i, [[0.1091, 0.7685]], atol=5e-5)
    np.testing.assert_allclose(cache.f, [[0.1419, 0.6682]], atol=5e-5)
    np.testing.assert_allclose(cache.g, [[0.9051, -0.7616]], atol=5e-5)
    np.testing.assert_allclose(cache.o, [[0.5250, 0.8320]], atol=5e-5)
    np.testing.assert_allclose(cache.c, [[0.2122, -0.9194]], atol=5e-5)
    np.testing.assert_allclose(cache.h, [[0.1098, -0.6037]], atol=5e-5)


def test_unit_0_forgets_writes_and_keeps():
    traces = trace(lstm_forward(example.xs, example.params, example.h0, example.c0)[2])
    forget, write = traces["f"][:, 0, 0], traces["i"][:, 0, 0]
    assert forget[0] < 0.2 < 0.9 < forget[2]
    assert write[2] < 0.1 < 0.8 < write[1]
