"""LSTM, Gate by Gate: the long short-term memory cell from scratch in NumPy.

The modules are written in the order in which the book teaches them. Importing the package needs
NumPy alone; the parts that draw, give feedback or use PyTorch load when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lstm_course import (
    captions,
    cell,
    fast,
    gates,
    gradcheck,
    layers,
    losses,
    models,
    optim,
    pointwise,
    rnn,
    sequence,
    tasks,
    training,
)
from lstm_course.cell import LSTMParams, lstm_step, lstm_step_backward
from lstm_course.layers import LSTM
from lstm_course.pointwise import sigmoid, tanh
from lstm_course.rnn import RNN, RNNParams, rnn_backward, rnn_forward, rnn_step, rnn_step_jacobian
from lstm_course.sequence import lstm_backward, lstm_forward, trace

if TYPE_CHECKING:
    from lstm_course import diagram, example, exercises, figures, interop, pytorch
    from lstm_course.exercises import check, hint, progress

__version__ = "0.1.0"

__all__ = [
    "LSTM",
    "RNN",
    "LSTMParams",
    "RNNParams",
    "captions",
    "cell",
    "check",
    "diagram",
    "example",
    "exercises",
    "fast",
    "figures",
    "gates",
    "gradcheck",
    "hint",
    "interop",
    "layers",
    "losses",
    "lstm_backward",
    "lstm_forward",
    "lstm_step",
    "lstm_step_backward",
    "models",
    "optim",
    "pointwise",
    "progress",
    "pytorch",
    "rnn",
    "rnn_backward",
    "rnn_forward",
    "rnn_step",
    "rnn_step_jacobian",
    "sequence",
    "sigmoid",
    "tanh",
    "tasks",
    "trace",
    "training",
]

_ON_FIRST_USE = {
    "check": "exercises",
    "diagram": "",
    "example": "",
    "exercises": "",
    "figures": "",
    "hint": "exercises",
    "interop": "",
    "progress": "exercises",
    "pytorch": "",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'lstm_course' has no attribute {name!r}")
    module = importlib.import_module(f"lstm_course.{_ON_FIRST_USE[name] or name}")
    return getattr(module, name) if _ON_FIRST_USE[name] else module
