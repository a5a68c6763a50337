"""Questions about functions that take a torch.nn.LSTM."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, WrongAnswer, call
from lstm_course.exercises.engine.functions import OWN, FunctionExam, Property
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

    def make(self, dtype: str = "float64") -> Any:
        """Return the module, with parameters drawn from a seed given by its sizes."""
        import torch

        settings = vars(self)
        module = torch.nn.LSTM(**settings, dtype=getattr(torch, dtype))
        rng = seeded(self.input_size, self.hidden_size)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.from_numpy(rng.normal(size=tuple(parameter.shape))))
        return module

    def __repr__(self) -> str:
        return f"LSTM({self.input_size}, {self.hidden_size})"


Run = Callable[..., Any]


@dataclass(frozen=True)
class TorchExam(Exam):
    """A FunctionExam for functions whose first argument is a torch.nn.LSTM.

    PyTorch is imported only for a check. `run` calls an answer on a Module and the other arguments,
    and returns arrays. `demands` apply only to answers with the right values; `forbidden` is the
    same as in a FunctionExam.
    """

    name: str
    run: Run
    solution: Answer
    returns: tuple[Returned, ...]
    cases: tuple[Case, ...]
    mistakes: Mapping[str, tuple[Answer, ...]]
    right: str
    properties: Mapping[str, Property] = field(default_factory=dict)
    demands: Mapping[str, Callable[[Answer], bool]] = field(default_factory=dict)
    unchanged: str = ""
    forbidden: tuple[Answer, ...] = ()

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
        )
        if is_of_the_package(answer):
            raise WrongAnswer(OWN)
        try:
            message = exam.examine(Ran(self.run, answer) if callable(answer) else answer)
        except NotAnswered as stub:
            raise NotAnswered(
                self.unchanged if callable(answer) and self.unchanged else str(stub)
            ) from None
        for sentence, holds in self.demands.items():
            if not call(lambda holds=holds: holds(answer), {})[0]:
                raise WrongAnswer(sentence)
        return message


class Ran:
    """An answer that takes a Module in place of a torch.nn.LSTM, and returns arrays."""

    def __init__(self, run: Run, answer: Answer) -> None:
        self.run, self.answer = run, answer
        try:
            self.__signature__ = inspect.signature(answer)
        except (TypeError, ValueError):
            self.__signature__ = inspect.signature(run)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the answer."""
        return self.run(self.answer, *arguments, *named.values())


class Tensor:
    """Stands in for a tensor where an array is expected."""


def arrays_only(result: Any) -> Any:
    """Return a result with a non-array in place of each tensor."""
    import torch

    if isinstance(result, tuple | list):
        return type(result)(map(arrays_only, result))
    return Tensor() if isinstance(result, torch.Tensor) else result


def equal(one: Any, other: Any) -> bool:
    """Return whether two tensors are the same."""
    return one.shape == other.shape and bool((one == other).all())


def copy_into(module: Any, **arrays: Array) -> None:
    """Copy arrays into the parameters of these names."""
    import torch

    with torch.no_grad():
        for name, array in arrays.items():
            getattr(module, name).copy_(torch.from_numpy(np.ascontiguousarray(array)))


def leaves_alone(answer: Answer, module: Any, *others: Any) -> bool:
    """Return whether an answer changes nothing in a module."""
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    batch_first = module.batch_first
    answer(module, *others)
    same = all(equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    return same and module.batch_first == batch_first
