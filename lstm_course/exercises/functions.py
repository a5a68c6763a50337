"""How a learner's function is examined: by cases, beside the solution and known mistakes."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_course._checks import Array
from lstm_course.exercises.feedback import NotAnswered, WrongAnswer, as_array, call

Answer = Callable[..., Any]
Outcome = Array | str  # an array of the right shape, or the sentence that says why there is none


@dataclass(frozen=True)
class Case:
    """Arguments to try a function on, and the words that name them."""

    sizes: Mapping[str, int]
    arguments: Mapping[str, Array]
    large: bool = False

    def __str__(self) -> str:
        sizes = ", ".join(f"{letter} = {size}" for letter, size in self.sizes.items())
        return sizes + " and large arguments" * self.large


@dataclass(frozen=True)
class FunctionExam:
    """What a function has to do, and the mistakes it may make.

    `cases` start with one whose sizes are all equal, where even a transposed matrix gives numbers
    to compare; the others follow from small to large. `mistakes` maps a sentence to the wrong
    answers it describes. An answer that agrees with one of them on every case, those included in
    which it raises an error, has made that mistake.
    """

    name: str
    solution: Answer
    cases: tuple[Case, ...]
    mistakes: Mapping[str, tuple[Answer, ...]]
    meaning: str

    def __call__(self, answer: Any) -> str:
        """Examine an answer; return what to say to a right one."""
        if answer is None or answer is Ellipsis:
            raise NotAnswered
        if not callable(answer):
            raise WrongAnswer(
                f"Expected your function {self.name} itself, got {type(answer).__name__}. "
                "Pass its name, without calling it."
            )
        self._check_parameters(answer)
        outcomes = [self._outcome(answer, case.arguments) for case in self.cases]
        if not _agree(outcomes[0], self._outcome(answer, self.cases[0].arguments)):
            raise WrongAnswer(
                "Called twice with the same arguments, your function gives two different results. "
                "Does it draw random numbers, or keep something from call to call?"
            )
        expected = [self.solution(**case.arguments) for case in self.cases]
        wrong = [
            k for k, pair in enumerate(zip(outcomes, expected, strict=True)) if not _agree(*pair)
        ]
        if wrong:
            raise WrongAnswer(
                self._known_mistake(outcomes) or self._describe(answer, outcomes, expected, wrong)
            )
        self._check_precision(answer)
        return "Right for one sequence and for batches, for small and large values, in float32 too."

    def _check_parameters(self, answer: Answer) -> None:
        try:
            names = list(inspect.signature(answer).parameters)
        except (TypeError, ValueError):
            return
        wanted = list(self.cases[0].arguments)
        if names != wanted and sorted(names) == sorted(wanted):
            raise WrongAnswer(
                f"Your parameters stand in the order {', '.join(names)}. "
                f"The call has {', '.join(wanted)}."
            )

    def _outcome(self, answer: Answer, arguments: Mapping[str, Array]) -> Outcome:
        shape = np.shape(self.solution(**arguments))
        try:
            return as_array(call(answer, arguments), shape, self.meaning)
        except WrongAnswer as wrong:
            return str(wrong)

    def _known_mistake(self, outcomes: list[Outcome]) -> str:
        # A sigmoid that overflows hides a second mistake, in the large case alone.
        told = [
            k for k, case in enumerate(self.cases) if not (case.large and _overflows(outcomes[k]))
        ]
        for sentence, answers in self.mistakes.items():
            for mistake in answers:
                if all(
                    _agree(outcomes[k], self._outcome(mistake, self.cases[k].arguments))
                    for k in told
                ):
                    return sentence
        return ""

    def _describe(
        self,
        answer: Answer,
        outcomes: list[Outcome],
        expected: list[Array],
        wrong: list[int],
    ) -> str:
        """Say where an answer fails whose mistake is not a known one."""
        if all(self.cases[k].large for k in wrong) and _overflows(outcomes[wrong[0]]):
            return (
                "Right for small arguments. For large ones your result is not a finite number: "
                "an exponential grows out of range."
            )
        ignored = self._ignored(answer, outcomes)
        if ignored:
            return f"Your result does not depend on {', '.join(ignored)}."
        # A wrong shape or an error is told where sizes differ, a wrong number where it is small.
        distinct = [k for k in wrong if len(set(self.cases[k].sizes.values())) > 1]
        told = [k for k in distinct if isinstance(outcomes[k], str)]
        if not told:
            told = sorted(wrong, key=lambda k: (self.cases[k].large, expected[k].size))
        k = told[0]
        case, outcome = self.cases[k], outcomes[k]
        only = "Right for one sequence, N = 1, and wrong for batches.\n" * self._one_only(wrong)
        if isinstance(outcome, str):
            return only + outcome
        if not np.isfinite(outcome).all():
            return f"{only}For {case} your result is not a finite number."
        place = tuple(int(i) for i in np.argwhere(~_close(outcome, expected[k]))[0])
        got, want = float(outcome[place]), float(expected[k][place])
        digits = next((d for d in range(4, 17) if f"{got:.{d}g}" != f"{want:.{d}g}"), 17)
        numbers = f"{got:.{digits}g}, expected {want:.{digits}g}"
        text = f"{only}Wrong for {case}: entry {place} is {numbers}."
        if np.allclose(outcome, expected[k], rtol=2e-3, atol=1e-4):
            text += "\nClose, but the check allows a relative error of 1e-6."
        if expected[k].size == 1:
            given = (f"{name} = {array.item():.4f}" for name, array in case.arguments.items())
            text += f"\nThere {', '.join(given)}."
        return text

    def _one_only(self, wrong: list[int]) -> bool:
        """Return whether single sequences are right, that of size 1 throughout apart."""
        single = [k for k, c in enumerate(self.cases) if c.sizes["N"] == 1 < max(c.sizes.values())]
        batches = [k for k, c in enumerate(self.cases) if c.sizes["N"] > 1]
        return not set(single) & set(wrong) and set(batches) <= set(wrong)

    def _ignored(self, answer: Answer, outcomes: list[Outcome]) -> list[str]:
        """Return the arguments whose change changes no result, unless no result is to be had."""
        usable = [k for k, outcome in enumerate(outcomes) if not isinstance(outcome, str)]

        def same_without(name: str, k: int) -> bool:
            arguments = dict(self.cases[k].arguments)
            return _agree(
                outcomes[k], self._outcome(answer, arguments | {name: arguments[name] / 2})
            )

        names = self.cases[0].arguments if usable else ()
        return [name for name in names if all(same_without(name, k) for k in usable)]

    def _check_precision(self, answer: Answer) -> None:
        for dtype in (np.float64, np.float32):
            case = self.cases[-1].arguments
            arguments = {name: array.astype(dtype) for name, array in case.items()}
            result, expected = self._outcome(answer, arguments), self.solution(**arguments)
            if isinstance(result, str):
                raise WrongAnswer(f"Right for float64 arguments, not for float32 ones.\n{result}")
            if result.dtype != dtype:
                hint = "Lists, np.zeros and np.array are float64 unless they are told otherwise."
                if result.dtype != np.float64:
                    hint = f"Something in your function is always {result.dtype}."
                raise WrongAnswer(
                    f"The values are right, but {np.dtype(dtype)} arguments give a {result.dtype} "
                    f"result. {hint}"
                )
            if not np.allclose(result, expected, rtol=1e-4, atol=1e-5):
                raise WrongAnswer("Right for float64 arguments, wrong values for float32 ones.")


def _close(one: Array, other: Array) -> Any:
    return np.isclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)


def _agree(one: Outcome, other: Outcome) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str)
    return bool(_close(one, other).all())


def _overflows(outcome: Outcome) -> bool:
    if isinstance(outcome, str):
        return "OverflowError" in outcome
    return not np.isfinite(outcome).all()
