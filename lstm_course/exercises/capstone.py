"""The capstone: train an LSTM on a task of your choice, and hand in its weights."""

from typing import Any

import numpy as np

from lstm_course.cell import LSTMParams
from lstm_course.exercises.engine.feedback import Question
from lstm_course.exercises.engine.networks import (
    ARRAYS,
    MOST_UNITS,
    NO_TASK,
    NOT_FINITE,
    ONE_LAYER,
    OTHER_TASK,
    READOUT_TRANSPOSED,
    SAME_FOR_ALL,
    TOO_LARGE,
    TRANSPOSED,
    TWO_BIASES,
    NetworkExam,
)


def _untrained(D: int = 2, H: int = 8, K: int = 1, task: Any = "adding", **others: Any) -> Any:
    """Return what a hand-in looks like, with untrained weights."""
    rng = np.random.default_rng([D, H, K])
    W, U, b = LSTMParams.init(D, H, rng=rng).arrays()
    arrays = (W, U, b, rng.normal(size=(K, H)), np.zeros(K))
    return {"task": task, **dict(zip(ARRAYS, arrays, strict=True)), "loss": 1.0, **others}


MISTAKES: dict[str, tuple[Any, ...]] = {
    NOT_FINITE: (_untrained(bias=np.full(32, np.nan)), _untrained(readout_bias=np.full(1, np.inf))),
    NO_TASK: (_untrained(task="sorting"), _untrained(task=3)),
    OTHER_TASK: (_untrained(task="recall"), _untrained(6, 8, 4, "recall"), _untrained(5, 8, 4)),
    TWO_BIASES: (
        _untrained(bias=np.zeros(64)),
        _untrained(bias=np.zeros((2, 32))),
        {"bias_hh" if n == "bias" else n: array for n, array in _untrained().items()},
    ),
    TRANSPOSED: (
        _untrained(weight_ih=np.ones((2, 32)), weight_hh=np.ones((8, 32))),
        _untrained(weight_ih=np.ones((2, 32))),
        _untrained(weight_hh=np.ones((8, 32))),
    ),
    READOUT_TRANSPOSED: (_untrained(readout_weight=np.ones((8, 1))),),
    ONE_LAYER: (
        _untrained(weight_hh=np.ones((2, 32, 8))),
        _untrained(weight_ih=np.ones((2, 32, 2))),
    ),
    TOO_LARGE: (_untrained(H=MOST_UNITS + 1),),
    SAME_FOR_ALL: (
        _untrained(readout_weight=np.zeros((1, 8))),
        _untrained(weight_ih=np.zeros((32, 2))),
    ),
}


QUESTIONS = tuple(
    Question(
        name=f"capstone-{level}",
        points=points,
        hints=hints,
        exam=NetworkExam(level, MISTAKES),
    )
    for level, points, hints in (
        (
            "start",
            3,
            (
                "Start small: does the loss on one and the same batch fall to nearly 0? If not, "
                "don't train longer: look at the loss, its mask and the read-out.",
                "Use a model of one LSTM layer and a linear read-out, with Adam, clipping, and a "
                "batch of new sequences at every update, as in chapter 11 (losses-and-optimizers) "
                "and chapter 14 (remembering).",
                "16 units, 32 sequences per batch, a learning rate of 0.01, a few hundred "
                "updates. Start with a large bias in the forget gates and a very negative one in "
                "the input gates. The loss at the last step is the mean squared error for adding, "
                "and the cross-entropy otherwise.",
            ),
        ),
        (
            "target",
            5,
            (
                "Look at the loss over time. If it stays flat at the level of guessing, the "
                "memory is too short; if it falls slowly, you only need patience.",
                "Chapter 14 (remembering) sets the biases of forget gates and input gates by the "
                "length of the task. How much does a forget gate keep over 40 steps with a bias "
                "of 1, and how much with a bias of 3?",
                "Start with a bias of 3 in the forget gates and -3 in the input gates, and train "
                "for 600 updates or more.",
            ),
        ),
    )
)
