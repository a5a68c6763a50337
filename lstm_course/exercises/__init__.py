"""Feedback on the exercises: what is right, what is wrong, and where. Never the solution."""

from lstm_course.exercises import forget_gate
from lstm_course.exercises.feedback import Feedback, Question

QUESTIONS: dict[str, Question] = {
    question.name: question for question in (forget_gate.QUESTION, forget_gate.PUZZLE)
}


def check(name: str, answer: object) -> Feedback:
    """Say whether an answer to an exercise is right, and which part of it is not.

    Parameters
    ----------
    name
        The question, as its notebook names it.
    answer
        What the question asks for, a function or a pair of arrays.

    Returns
    -------
    Feedback, whose text a notebook shows. An answer that was not begun is "not answered yet".

    Raises
    ------
    ValueError
        There is no question of that name.

    Examples
    --------
    >>> check("forget-gate", None)
    – forget-gate: not answered yet (4 points).
    >>> from lstm_course.gates import forget_gate
    >>> check("forget-gate", lambda x, h, c, W, U, b: forget_gate(x, h, W, U, b))
    ✗ forget-gate: 0 of 4 points.
      This is the gate f itself. The question asks for what passes through it.
    """
    if not isinstance(name, str) or name not in QUESTIONS:
        raise ValueError(f"there is no question {name!r}, expected one of {sorted(QUESTIONS)}")
    return QUESTIONS[name].check(answer)


__all__ = ["QUESTIONS", "Feedback", "Question", "check"]
