"""Functions written line by line, and what is changed in them."""

import numpy as np
import pytest

import lstm_course as lc
from lstm_course.exercises.engine.lines import Lines
from lstm_course.exercises.engine.parts import SEQUENCE, STEP, drawn

COUNT = Lines(
    ("n",),
    {"steps": lambda s: range(s.n), "sum": lambda s: 0},
    ("sum", "twice"),
    loop={"sum": lambda s: s.sum + s.t},
    after={"twice": lambda s: 2 * s.sum},
)


def test_a_name_in_several_parts_is_changed_in_the_loop():
    assert COUNT(4) == (6, 12)
    assert COUNT.but(sum=lambda s: s.sum + 1)(4) == (4, 8)
    assert COUNT(4) == (6, 12)


def test_lines_before_and_after_the_loop_are_changed():
    assert COUNT.but(steps=lambda s: ())(4) == (0, 0)
    assert COUNT.but(twice=lambda s: -s.sum)(4) == (6, -6)


def test_there_are_no_new_lines():
    with pytest.raises(ValueError, match="no line is called summ"):
        COUNT.but(summ=lambda s: 1)


def test_step_and_sequence_are_the_course_s():
    x, h, c, W, U, b = given = drawn("x h_prev c_prev W U b", N=2, D=3, H=4).values()
    params = lc.LSTMParams(W, U, b)
    assert all(map(np.allclose, STEP(*given), lc.lstm_step(x, h, c, params)))
    xs = drawn("xs", T=5, N=2, D=3, H=4)["xs"]
    hs, (h_T, c_T), _ = lc.lstm_forward(xs, params, h, c)
    assert all(map(np.allclose, SEQUENCE(xs, h, c, W, U, b), (hs, h_T, c_T)))
