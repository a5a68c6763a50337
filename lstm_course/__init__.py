"""LSTM, Gate by Gate: the long short-term memory cell from scratch in NumPy.

The order in which a reader learns is the order in which the code imports: **a module imports
only modules above it in this list.**

========================== =====================================================================
pointwise, gates, cell     the LSTM, operation by operation: value and gradient side by side
sequence, fast             the cell over a sequence: a readable loop, and one as fast as NumPy goes
layers, rnn                embedding, linear, dropout, stacked LSTM; the vanilla RNN
variants                   1997, peepholes, GRU and others: cells that change one thing
losses, optim, gradcheck   losses, optimizers and gradient checks
training                   mini-batches, the training loop, checkpoints
models                     sequence models, captioner, n-grams, decoding
saving                     a model's weights to a file and back
tasks                      data: made by our code, shipped inside a dependency, or public domain
pytorch, interop           the same cell in PyTorch; parameters to and from other frameworks
experiments                long runs, one command each, with recorded results
example                    the 2-unit cell that every chapter follows
figures, diagram, unrolled plots, block diagrams, and the cell over several steps
exercises                  check, hint, progress; the questions of each chapter
grading                    the sandbox that answers are graded in, and the command that grades
========================== =====================================================================

Importing the package needs only NumPy, and loads the first parts; the rest loads on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lstm_course import cell, gates, pointwise, sequence
from lstm_course.cell import LSTMParams, lstm_step, lstm_step_backward
from lstm_course.pointwise import sigmoid, tanh
from lstm_course.sequence import lstm_backward, lstm_forward, trace

if TYPE_CHECKING:
    from lstm_course import (
        diagram,
        example,
        exercises,
        experiments,
        fast,
        figures,
        gradcheck,
        interop,
        layers,
        losses,
        models,
        optim,
        pytorch,
        rnn,
        saving,
        tasks,
        training,
        unrolled,
        variants,
    )
    from lstm_course.exercises import check, hint, progress
    from lstm_course.layers import LSTM
    from lstm_course.rnn import (
        RNN,
        RNNParams,
        rnn_backward,
        rnn_forward,
        rnn_step,
        rnn_step_jacobian,
    )
    from lstm_course.saving import load, save

__version__ = "0.1.0"

__all__ = [
    "LSTM",
    "RNN",
    "LSTMParams",
    "RNNParams",
    "cell",
    "check",
    "diagram",
    "example",
    "exercises",
    "experiments",
    "fast",
    "figures",
    "gates",
    "gradcheck",
    "hint",
    "interop",
    "layers",
    "load",
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
    "save",
    "saving",
    "sequence",
    "sigmoid",
    "tanh",
    "tasks",
    "trace",
    "training",
    "unrolled",
    "variants",
]

_FROM = {
    "LSTM": "layers",
    **dict.fromkeys(("check", "hint", "progress"), "exercises"),
    **dict.fromkeys(("load", "save"), "saving"),
    **dict.fromkeys(
        ("RNN", "RNNParams", "rnn_backward", "rnn_forward", "rnn_step", "rnn_step_jacobian"), "rnn"
    ),
}
"""Names that load on first use, and the modules that hold them; all others are modules."""


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'lstm_course' has no attribute {name!r}")
    module = importlib.import_module(f"lstm_course.{_FROM.get(name, name)}")
    value = getattr(module, name) if name in _FROM else module
    globals()[name] = value  # so that it is looked up only once
    return value
