"""How a learner's function is examined: by cases, beside the solution, mistakes and properties."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.engine.diagnosis import describe
from lstm_course.exercises.engine.feedback import Exam, NotAnswered, WrongAnswer, call
from lstm_course.exercises.engine.trials import (
    Answer,
    Case,
    Returned,
    Trial,
    agree,
    attempt,
    expect,
    overflows,
)


@dataclass(frozen=True)
class Guarded:
    """An answer as properties call it: on copies, in silence, within a time limit."""

    answer: Answer
    names: tuple[str, ...]

    def __call__(self, *arguments: Any) -> Any:
        """Return what the answer returns for these arguments."""
        return call(self.answer, dict(zip(self.names, arguments, strict=True)))[0]

    def warns(self, *arguments: Any) -> bool:
        """Return whether NumPy warns on the way of an overflow or an invalid value."""
        return call(self.answer, dict(zip(self.names, arguments, strict=True)))[1]


Property = Callable[[Guarded, np.random.Generator], bool]


@dataclass(frozen=True)
class FunctionExam(Exam):
    """What a function has to do, and the mistakes it may make.

    Parameters
    ----------
    name
        What the question calls the function.
    solution
        A right answer. Its parameters carry the names that the question gives them.
    returns
        The results, in order: one for a function that returns an array or a number itself, several
        for a tuple.
    cases
        They start with one whose sizes are all equal, where even a transposed matrix gives numbers
        to compare; the others follow from small to large, and the last is tried in float32 too.
    mistakes
        A sentence, and the wrong answers that it describes. An answer that agrees with one of them
        on every case, those included in which it raises an error, has made that mistake.
    right
        What to say to a right answer.
    properties
        A sentence, and a predicate of the function and a random generator. It is told when the
        predicate fails and no mistake above fits.
    demands
        The same, asked only of an answer whose values are right: how it comes to them.
    """

    name: str
    solution: Answer
    returns: tuple[Returned, ...]
    cases: tuple[Case, ...]
    mistakes: Mapping[str, tuple[Answer, ...]]
    right: str
    properties: Mapping[str, Property] = field(default_factory=dict)
    demands: Mapping[str, Property] = field(default_factory=dict)

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
            raise WrongAnswer(
                "This is the package's own function. Write one of your own; compare the two if you "
                "like."
            )
        self._check_parameters(answer)
        arguments = self.cases[0].arguments  # a stub says on them that it is one
        parts = expect(self.solution, self.returns, arguments)
        once = attempt(answer, self.returns, parts, arguments)
        trials = [self.trial(answer, case) for case in self.cases]
        if not all(map(agree, trials[0].got, once)):
            raise WrongAnswer(
                "Called twice with the same arguments, your function gives two different results. "
                "Does it draw random numbers, keep something from call to call, or read memory of "
                "np.empty before filling it?"
            )
        if any(trial.wrong() for trial in trials):
            sentence, explained = self._known_mistakes(trials)
            raise WrongAnswer(sentence or self._unknown(answer, trials, explained))
        self._check_precision(answer)
        self._check_properties(answer, {**self.properties, **self.demands})
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
                f"Your parameters stand in the order {', '.join(names)}. "
                f"The call has {', '.join(wanted)}."
            )
        try:
            signature.bind(*wanted)
        except TypeError:
            raise WrongAnswer(
                f"Your function takes {', '.join(names) or 'no arguments'}. "
                f"The check calls it with {', '.join(wanted)}."
            ) from None

    def _known_mistakes(self, trials: list[Trial]) -> tuple[str, dict[int, str]]:
        """Return the sentence of the mistake made, or sentences for some of the wrong results."""
        # A power that overflows hides a second mistake, in the large case alone.
        told = [trial for trial in trials if not (trial.case.large and overflows(trial.got))]
        wrong = {k for trial in told for k in trial.wrong()}
        count = len(trials[0].parts)
        # Of results that are not finite many mistakes have the same ones.
        plain = {k for trial in told for k in trial.wrong() if _is_finite(trial.got[k])}
        explained: dict[int, str] = {}
        for sentence, answers in self.mistakes.items() if wrong else ():
            for mistake in answers:
                same = self._same(mistake, told, wrong)
                if len(same) == count:
                    return sentence, {}
                for k in plain & same:
                    explained.setdefault(k, sentence)
        return "", explained

    def _same(self, mistake: Answer, trials: list[Trial], wrong: set[int]) -> set[int]:
        """Return which results a mistake has the same in all trials, numbers in one at least.

        It is left at once when it agrees in none of the wrong ones. A whole number, such as a
        place, is soon the same by chance: it counts if the mistake has all else the same or right.
        """
        same = {
            k
            for k in range(len(trials[0].parts))
            if not all(isinstance(trial.got[k], str) for trial in trials)
        }
        parts = trials[0].parts
        right = set(range(len(parts)))
        for trial in trials:
            outcome = attempt(mistake, self.returns, trial.parts, trial.case.arguments)
            same = {k for k in same if agree(trial.got[k], outcome[k])}
            right = {k for k in right if agree(trial.parts[k].expected, outcome[k])}
            if not same & wrong:
                return set()
        return {
            k
            for k in same
            if parts[k].expected.dtype.kind != "i" or len(same | right) == len(parts)
        }

    def _unknown(self, answer: Answer, trials: list[Trial], explained: dict[int, str]) -> str:
        readable = not any(isinstance(got, str) for trial in trials for got in trial.got)
        broken = []
        try:
            self._check_properties(answer, self.properties if readable else {})
        except WrongAnswer as wrong:
            broken = [str(wrong)] if str(wrong) in self.properties and not explained else []
        return describe(self.trial, answer, trials, explained, broken)

    def _check_properties(self, answer: Answer, properties: Mapping[str, Property]) -> None:
        guarded = Guarded(answer, tuple(self.cases[0].arguments))
        for sentence, holds in properties.items():
            try:
                held = bool(holds(guarded, np.random.default_rng(0)))
            except WrongAnswer:
                raise
            except Exception:  # a result that is no array is told elsewhere
                continue
            if not held:
                raise WrongAnswer(sentence)

    def _check_precision(self, answer: Answer) -> None:
        case = self.cases[-1]
        if not any(map(_is_float, case.arguments.values())):
            return
        for dtype in (np.float64, np.float32):
            arguments = {name: _cast(value, dtype) for name, value in case.arguments.items()}
            trial = self.trial(answer, Case(case.sizes, arguments))
            for part, got in zip(trial.parts, trial.got, strict=True):
                if isinstance(got, str):
                    raise WrongAnswer(f"Right for float64 arguments, not for float32 ones.\n{got}")
                name = f" {part.name}" if len(trial.parts) > 1 else ""
                if part.expected.dtype == dtype != got.dtype:
                    hint = (
                        "Lists, np.zeros, np.eye and np.array are float64 unless they are told "
                        "otherwise, and so is a single number of NumPy's, such as np.log(0.5). "
                        "With NumPy's int64, such as a count, a float32 array becomes float64 too."
                    )
                    if got.dtype != np.float64:
                        hint = f"Something in your function is always {got.dtype}."
                    raise WrongAnswer(
                        f"The values are right, but {np.dtype(dtype)} arguments give a {got.dtype} "
                        f"result{name}. {hint}"
                    )
                if not np.allclose(got, part.expected, rtol=1e-4, atol=1e-5):
                    self._check_properties(answer, self.demands)  # one may be the cause
                    raise WrongAnswer(
                        f"Right for float64 arguments, wrong values{name} for float32 ones."
                    )


def _is_finite(got: Array | str) -> bool:
    return isinstance(got, str) or bool(np.isfinite(got).all())


def is_of_the_package(answer: object) -> bool:
    """Return whether an answer is one of the functions that the course's package has already."""
    module = getattr(answer, "__module__", None) or ""
    return module.startswith("lstm_course.") and not module.startswith("lstm_course.exercises")


def _is_float(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_is_float, value))
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _cast(value: Any, dtype: type) -> Any:
    if isinstance(value, list):
        return [_cast(one, dtype) for one in value]
    return value.astype(dtype) if _is_float(value) else value
