"""How a learner's function is examined: by cases, the solution, known mistakes and properties."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstm_course.exercises.engine.diagnosis import describe, example
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, WrongAnswer, call
from lstm_course.exercises.engine.known import Known
from lstm_course.exercises.engine.parts import seeded
from lstm_course.exercises.engine.trials import (
    Answer,
    Case,
    Returned,
    Trial,
    agree,
    attempt,
    expect,
)
from lstm_course.exercises.engine.watching import SILENCERS, is_of_the_package, name_of, watching


@dataclass(frozen=True)
class Guarded:
    """An answer as properties call it: on copies, silently, within a time limit."""

    answer: Answer
    names: tuple[str, ...]

    def __call__(self, *arguments: Any) -> Any:
        """Return what the answer returns for these arguments, with arrays in place of lists."""
        result = call(self.answer, dict(zip(self.names, arguments, strict=True)))[0]
        return tuple(map(_array_of, result)) if isinstance(result, tuple) else _array_of(result)

    def warns(self, *arguments: Any) -> bool:
        """Return whether NumPy warns of an overflow or an invalid value.

        Raises WrongAnswer if the answer silences the warnings.
        """
        with watching(SILENCERS) as called:
            warned = call(self.answer, dict(zip(self.names, arguments, strict=True)))[1]
        if called and not warned:
            raise WrongAnswer(SILENCED.format(name_of(called[0])))
        return bool(warned)


OWN = "This is the package's own function. Write your own, then compare the two if you like."
SILENCED = (
    "The values are right, but your function silences NumPy's warnings, with {}. Take that out: "
    "the question asks for a formula that causes no warnings."
)
FORBIDDEN = (
    "The values are right, but they come from {}, which is not allowed here: it does what you're "
    "meant to write yourself. Compare the two if you like."
)

Property = Callable[[Guarded, np.random.Generator], bool]


@dataclass(frozen=True)
class FunctionExam(Exam):
    """What a function must do, and the mistakes it may contain.

    Parameters
    ----------
    name
        What the question calls the function.
    solution
        A right answer. Its parameters have the names that the question gives them.
    returns
        The results, in order: one if the function returns an array or a number, several if it
        returns a tuple.
    cases
        The first has equal sizes, so that even a transposed matrix gives numbers to compare; the
        others go from small to large, and the last is also tried in float32.
    mistakes
        Sentences, each with the wrong answers that it describes. An answer that agrees with one of
        them on every case, including those that raise an error, has made that mistake.
    right
        What to say to a right answer.
    properties
        Sentences, each with a predicate of the function and a random generator. The sentence is
        used if the predicate fails and no mistake above fits.
    demands
        The same, but only for answers with the right values: they test how these are computed.
    forbidden
        Functions or classes of the package that a right answer must not call, directly or through
        others, because they do what the question asks for. The solution needn't be listed.
    explains
        Whether to look for the mistake in a wrong answer. If not, it's only refused.
    """

    name: str
    solution: Answer
    returns: tuple[Returned, ...]
    cases: tuple[Case, ...]
    mistakes: Mapping[str, tuple[Answer, ...]]
    right: str
    properties: Mapping[str, Property] = field(default_factory=dict)
    demands: Mapping[str, Property] = field(default_factory=dict)
    forbidden: tuple[Answer, ...] = ()
    explains: bool = True

    def examine(self, answer: Any) -> str:
        """Examine an answer; return what to say to a right one."""
        if answer is None or answer is Ellipsis:
            raise NotAnswered
        if not callable(answer):
            raise WrongAnswer(
                f"Expected your function {self.name} itself, got {type(answer).__name__}. "
                "Pass its name, without calling it."
            )
        if is_of_the_package(answer):
            raise WrongAnswer(OWN)
        self._check_parameters(answer)
        arguments = self.cases[0].arguments  # enough to recognize a stub
        parts = expect(self.solution, self.returns, arguments)
        once = attempt(answer, self.returns, parts, arguments)
        trials = [self.trial(answer, case) for case in self.cases]
        if not all(map(agree, trials[0].got, once)):
            raise WrongAnswer(
                "Called twice with the same arguments, your function gives two different "
                "results. Does it draw random numbers, keep something from one call to the next, "
                "or read np.empty before filling it?"
            )
        if any(trial.wrong() for trial in trials):
            raise self._mistake(answer, trials)
        self._check_precision(answer)
        self._check_calls(answer)
        self._check_properties(answer, {**self.properties, **self.demands}, strictly=True)
        return self.right

    def trial(self, answer: Answer, case: Case) -> Trial:
        """Try an answer on one case."""
        parts = expect(self.solution, self.returns, case.arguments)
        try:
            return Trial(case, parts, attempt(answer, self.returns, parts, case.arguments))
        except NotAnswered:
            nothing = f"For {case} your function returns None. Does every branch return something?"
            return Trial(case, parts, (nothing,) * len(parts))

    def _check_parameters(self, answer: Answer) -> None:
        wanted = list(self.cases[0].arguments)
        try:
            signature = inspect.signature(answer)
        except (TypeError, ValueError):
            return
        names = list(signature.parameters)
        if names != wanted and sorted(names) == sorted(wanted):
            raise WrongAnswer(
                f"Your parameters are in the order {', '.join(names)}. "
                f"The check passes {', '.join(wanted)}."
            )
        try:
            signature.bind(*wanted)
        except TypeError:
            raise WrongAnswer(
                f"Your function takes {', '.join(names) or 'no arguments'}. "
                f"The check calls it with {', '.join(wanted)}."
            ) from None

    def _mistake(self, answer: Answer, trials: list[Trial]) -> WrongAnswer:
        if not self.explains:
            return WrongAnswer("Wrong.")
        known = Known(self.mistakes, self.returns, trials)
        sentence, explained = known.find()
        wrong = {k for trial in trials for k in trial.wrong()}
        if not sentence and wrong - explained.keys():
            sentence = known.find_two(answer)
        if sentence:
            return WrongAnswer(sentence, example(answer, trials))
        return WrongAnswer(self._unknown(answer, trials, explained))

    def _unknown(self, answer: Answer, trials: list[Trial], explained: dict[int, str]) -> str:
        readable = not any(isinstance(got, str) for trial in trials for got in trial.got)
        broken = []
        try:
            self._check_properties(answer, self.properties if readable else {})
        except WrongAnswer as wrong:
            broken = [str(wrong)] if str(wrong) in self.properties and not explained else []
        return describe(self.trial, answer, trials, explained, broken)

    def _check_properties(
        self, answer: Answer, properties: Mapping[str, Property], strictly: bool = False
    ) -> None:
        guarded = Guarded(answer, tuple(self.cases[0].arguments))
        for sentence, holds in properties.items():
            try:
                held = bool(holds(guarded, seeded(0)))
            except WrongAnswer:
                raise
            except Exception:  # a result that isn't an array is reported where cases are
                held = not strictly
            if not held:
                raise WrongAnswer(sentence)

    def _check_calls(self, answer: Answer) -> None:
        own = (self.solution,) if is_of_the_package(self.solution) else ()
        forbidden = (*self.forbidden, *own)
        with watching(forbidden) as called:
            for case in self.cases if forbidden else ():
                call(answer, case.arguments)
        if called:
            raise WrongAnswer(FORBIDDEN.format(name_of(called[0])))

    def _check_precision(self, answer: Answer) -> None:
        case = self.cases[-1]
        if not any(map(_is_float, case.arguments.values())):
            return
        for dtype in (np.float64, np.float32):
            arguments = {name: _cast(value, dtype) for name, value in case.arguments.items()}
            trial = self.trial(answer, Case(case.sizes, arguments))
            for part, got in zip(trial.parts, trial.got, strict=True):
                if isinstance(got, str):
                    raise WrongAnswer(
                        f"Right for float64 arguments, but not for float32 ones.\n{got}"
                    )
                name = f" {part.name}" if len(trial.parts) > 1 else ""
                if part.expected.dtype == dtype != got.dtype:
                    hint = (
                        "Lists, np.zeros, np.eye and np.array are float64 unless you say "
                        "otherwise, and so is a single NumPy number such as np.log(0.5). A NumPy "
                        "int64, such as a count, turns a float32 array into float64 too."
                    )
                    if got.dtype != np.float64:
                        hint = f"Something in your function is always {got.dtype}."
                    raise WrongAnswer(
                        f"The values are right, but {np.dtype(dtype)} arguments give a {got.dtype} "
                        f"result{name}. {hint}"
                    )
                if not np.allclose(got, part.expected, rtol=1e-4, atol=1e-5):
                    of = f" of {part.name}" if name else ""
                    self._check_properties(answer, self.demands)  # perhaps one of them is the cause
                    raise WrongAnswer(
                        f"Right for float64 arguments, but wrong values{of} for float32 ones."
                    )


def _array_of(result: object) -> object:
    """Return nested lists of numbers as an array, and anything else as it is."""
    try:
        array = np.asarray(result) if isinstance(result, list) else None
    except ValueError:  # of several shapes
        return result
    return result if array is None or array.dtype.kind not in "fiu" else array


def _is_float(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_is_float, value))
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _cast(value: Any, dtype: type) -> Any:
    if isinstance(value, list):
        return [_cast(one, dtype) for one in value]
    return value.astype(dtype) if _is_float(value) else value
