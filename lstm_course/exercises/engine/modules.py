"""Questions about functions that take a torch.nn.LSTM."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, WrongAnswer, call
from lstm_course.exercises.engine.functions import OWN, FunctionExam, Property
from lstm_course.exercises.engine.observing import observe
from lstm_course.exercises.engine.parts import seeded
from lstm_course.exercises.engine.trials import Answer, Case, Returned
from lstm_course.exercises.engine.watching import is_of_the_package

MISSING = (
    "This check needs PyTorch, which isn't installed here. Colab has it; elsewhere, run pip "
    "install torch."
)


@dataclass(frozen=True)
class Module:
    """A one-layer torch.nn.LSTM, made anew for each call of a learner's function."""

    input_size: int
    hidden_size: int
    bias: bool = True
    bidirectional: bool = False
    batch_first: bool = False

    def given(self, dtype: str = "float64") -> dict[str, Any]:
        """Return what the module is made of: parameters are drawn with its sizes as the seed."""
        D, H = self.input_size, self.hidden_size
        rng = seeded(D, H)
        shapes: dict[str, tuple[int, ...]]
        shapes = {"weight_ih": (4 * H, D), "weight_hh": (4 * H, H)}
        if self.bias:
            shapes |= {"bias_ih": (4 * H,), "bias_hh": (4 * H,)}
        parameters = {
            f"{name}_l0{direction}": rng.normal(size=shape).astype(dtype)
            for direction in ("", "_reverse")[: 1 + self.bidirectional]
            for name, shape in shapes.items()
        }
        return {"settings": asdict(self), "dtype": dtype, "parameters": parameters}

    def __repr__(self) -> str:
        return f"LSTM({self.input_size}, {self.hidden_size})"


@dataclass(frozen=True)
class Observed:
    """One call of a learner's function, as `observe` has seen it; `given` is what it was given."""

    given: dict[str, Any]
    result: Any
    shared: bool
    arrays: dict[str, Array]
    learns: dict[str, bool]
    batch_first: bool

    def holds_the_same(self) -> bool:
        """Return whether the module's parameters are what they were."""
        before = self.given["parameters"]
        return self.arrays.keys() == before.keys() and all(
            np.array_equal(array, before[name]) for name, array in self.arrays.items()
        )

    def is_unchanged(self) -> bool:
        """Return whether nothing in the module has changed."""
        return self.holds_the_same() and (self.batch_first == self.given["settings"]["batch_first"])


Observe = Callable[..., Observed]
"""Calls an answer with a Module and arrays, in the dtype that is asked for."""


@dataclass(frozen=True)
class TorchExam(Exam):
    """A FunctionExam for functions whose first argument is a torch.nn.LSTM.

    PyTorch is imported only for a check. `run` has an answer observed with a Module and the other
    arguments, and returns arrays. `demands` apply only to answers with the right values;
    `forbidden` and `explains` are the same as in a FunctionExam. `beside` says how `observe` gets
    to run next to an answer: here, or wherever the answer is.
    """

    name: str
    run: Callable[..., Any]
    solution: Answer
    returns: tuple[Returned, ...]
    cases: tuple[Case, ...]
    mistakes: Mapping[str, tuple[Answer, ...]]
    right: str
    properties: Mapping[str, Property] = field(default_factory=dict)
    demands: Mapping[str, Callable[[Observe], bool]] = field(default_factory=dict)
    unchanged: str = ""
    forbidden: tuple[Answer, ...] = ()
    explains: bool = True
    beside: Callable[..., Callable[..., Any]] = partial

    def examine(self, answer: Any) -> str:
        """Examine an answer; return what to say to a right one."""
        try:
            import torch  # noqa: F401
        except ImportError:
            raise NotAnswered(MISSING) from None
        exam = FunctionExam(
            name=self.name,
            solution=Ran(self.run, self.solution),
            returns=self.returns,
            cases=self.cases,
            mistakes={
                sentence: tuple(Ran(self.run, mistake) for mistake in mistakes)
                for sentence, mistakes in self.mistakes.items()
            },
            right=self.right,
            properties=self.properties,
            forbidden=self.forbidden,
            explains=self.explains,
        )
        if is_of_the_package(answer):
            raise WrongAnswer(OWN)
        ran = Ran(self.run, answer, self.beside) if callable(answer) else answer
        try:
            message = exam.examine(ran)
        except NotAnswered as stub:
            raise NotAnswered(
                self.unchanged if callable(answer) and self.unchanged else str(stub)
            ) from None
        for sentence, holds in self.demands.items():
            if not call(lambda holds=holds: holds(ran.observe), {})[0]:
                raise WrongAnswer(sentence)
        return message


class Ran:
    """An answer that takes a Module in place of a torch.nn.LSTM, and returns arrays."""

    def __init__(
        self,
        run: Callable[..., Any],
        answer: Answer,
        beside: Callable[..., Callable[..., Any]] = partial,
    ) -> None:
        self.run, self._observing = run, beside(observe, answer)
        try:
            self.__signature__ = inspect.signature(answer)
        except (TypeError, ValueError):
            self.__signature__ = inspect.signature(run)

    def observe(self, module: Module, *arguments: Any, dtype: str = "float64") -> Observed:
        """Have the answer called, and return what is seen of it."""
        given = module.given(dtype)
        return Observed(given, **self._observing(given, *arguments))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the answer."""
        return self.run(self.observe, *arguments, *named.values())


def copy_into(module: Any, **arrays: Array) -> None:
    """Copy arrays into the parameters of these names."""
    import torch

    with torch.no_grad():
        for name, array in arrays.items():
            getattr(module, name).copy_(torch.from_numpy(np.ascontiguousarray(array)))
