"""The running example: a 2-unit cell that reads "the cat sat".

Words are one-hot, so W x picks one column of W, and every number can be followed with a pocket
calculator. Unit 0 holds the subject: at "the" it drops what it held, at "cat" it writes, at "sat"
it keeps. Unit 1 has no such task. The state before the first word is what an earlier sentence
left behind.
"""

import numpy as np

from lstm_course.cell import LSTMParams

words = ("the", "cat", "sat")

xs = np.eye(3)[:, None, :]
"""Inputs (T, N, D) = (3, 1, 3)."""

h0 = np.array([[0.4, -0.2]])
"""Hidden state (N, H) before the first word."""

c0 = np.array([[0.8, -0.5]])
"""Cell state (N, H) before the first word."""

params = LSTMParams(
    weight_ih=np.array(
        [  # the, cat, sat
            [-2.0, 2.0, -3.0],  # i
            [1.0, -1.0, 1.0],
            [-3.0, 0.0, 2.0],  # f
            [0.0, 0.0, -1.0],
            [1.0, 2.0, -1.0],  # g
            [-1.0, 0.5, 1.0],
            [0.0, 1.0, 2.0],  # o
            [1.0, 0.0, -1.0],
        ]
    ),
    weight_hh=np.array(
        [
            [0.0, 0.5],  # i
            [0.5, 0.0],
            [0.5, 0.0],  # f
            [-0.5, 0.5],
            [1.0, -0.5],  # g
            [0.5, 1.0],
            [0.5, 0.5],  # o
            [0.0, -0.5],
        ]
    ),
    bias=np.array([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5]),
)
"""Parameters with D = 3 and H = 2, all multiples of one half."""
