"""What one submission earns: each question in a sandbox of its own, on hidden inputs."""

import hashlib
import hmac
import importlib.util
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lstm_course.exercises import BANKS, PRELUDE, QUESTIONS, Progress, progress_of
from lstm_course.exercises.engine.feedback import Feedback, Question
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.kernels import CRASHED, KernelExam
from lstm_course.exercises.engine.modules import TorchExam
from lstm_course.exercises.engine.networks import NetworkExam
from lstm_course.exercises.engine.parts import salted
from lstm_course.exercises.engine.watching import is_of_the_package
from lstm_course.grading import bubble, course
from lstm_course.grading.remote import REFUSED, Conversation
from lstm_course.grading.results import Mark, Row
from lstm_course.grading.sandbox import Ended, Guest, Limits, run
from lstm_course.grading.submissions import Answers, Submission, Unreadable, read

ENDED = {
    "timed out": "Your code did not finish: it may take {limits.instructions:,} instructions and "
    "{limits.seconds:g} seconds for one question.",
    "out of memory": "Your code asked for more than {limits.memory:,} bytes of memory.",
    "too much output": "Your code printed more than {limits.output:,} characters.",
    "crashed": "Your code ended the interpreter, or confused it, before it could be graded.",
    "stray access": "Your code read or wrote outside allocated memory.",
}
IN_SECONDS = (
    "Your code did not finish: it may take {:.3g} seconds of processor time and {:g} seconds in "
    "all for one question."
)
HIDDEN = (
    "lc.check accepts this answer, but on other inputs of the same kind it is wrong. Does it work "
    "for some sizes or some numbers only?"
)
_ONE_AT_A_TIME = threading.Lock()  # exams redirect what is printed, which is the process's

TWICE = "More than one cell answers this question. The last one was graded."
CHECKED = re.compile(r"check\(\s*[\"']([\w-]{1,60})[\"']")
MARKED = re.compile(r"^# EXERCISE: ([\w-]+)", re.MULTILINE)


@cache
def _hidden(bank: str, salt: int) -> Mapping[str, Question]:
    """Return a bank's questions with inputs drawn from a salt."""
    spec = BANKS[bank].__spec__
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with salted(salt, larger=True):
        spec.loader.exec_module(module)
    return {question.name: _unexplained(question) for question in module.QUESTIONS}


def _unexplained(question: Question) -> Question:
    """Return a question that only refuses wrong answers: nobody is told of hidden inputs."""
    exam = question.exam
    if isinstance(exam, FunctionExam | TorchExam):
        return replace(question, exam=replace(exam, explains=False))
    if isinstance(exam, KernelExam):
        launched = replace(exam.launched, explains=False)
        return replace(question, exam=replace(exam, launched=launched))
    return question


def salt_of(seed: bytes, question: str) -> int:
    """Return what makes a question's inputs hidden, from a secret seed."""
    return int.from_bytes(hmac.digest(seed, question.encode(), hashlib.sha256)[:8], "big")


def forbidden(question: Question) -> tuple[Any, ...]:
    """Return the functions of the package that an answer must not call."""
    exam = question.exam
    if isinstance(exam, KernelExam):
        exam = exam.launched
    if not isinstance(exam, FunctionExam | TorchExam):
        return ()
    own = (exam.solution,) if is_of_the_package(exam.solution) else ()
    return (*exam.forbidden, *own)


def questions_of(answers: Answers, banks: Iterable[str]) -> list[tuple[str, Question]]:
    """Return the questions to grade, each with its bank: all of an exercise that is begun."""
    text = "\n".join(answers.cells)
    asked = {*answers.certified, *CHECKED.findall(text), *MARKED.findall(text)}
    return [
        (bank, question)
        for bank in banks
        if any(one.name in asked for one in BANKS[bank].QUESTIONS)
        for question in BANKS[bank].QUESTIONS
    ]


def row(
    submission: Submission,
    seed: bytes,
    banks: Iterable[str] | None = None,
    limits: Limits | None = None,
) -> Row:
    """Grade a submission.

    Parameters
    ----------
    submission
        As `submissions.find` returns it.
    seed
        The secret that hidden inputs are drawn from.
    banks
        The names of the exercises' banks; None for all of them.
    limits
        What each question may use; None for the usual limits.

    Raises
    ------
    RuntimeError
        There is no sandbox: install `lstm-course[grading]`.

    Examples
    --------
    >>> import json
    >>> source = "lc.check('tanh', lambda x, sigmoid: 2 * sigmoid(2 * x) - 1)"
    >>> answers = {"answers": [{"question": "tanh", "source": source}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "ada.json"
    ...     _ = path.write_text(json.dumps(answers))
    ...     graded = row(Submission("ada", path, "ada.json"), b"a secret of sixteen bytes")
    >>> next((one.question, one.points) for one in graded.marks if one.points)
    ('tanh', 1)
    """
    about = {"learner": submission.learner, "name": submission.name, "number": submission.number}
    with _ONE_AT_A_TIME:
        return _row(submission, about, seed, BANKS if banks is None else banks, limits or Limits())


def _row(
    submission: Submission,
    about: dict[str, str],
    seed: bytes,
    banks: Iterable[str],
    limits: Limits,
) -> Row:
    try:
        answers = read(submission)
        questions = questions_of(answers, banks)
        if not questions:
            raise Unreadable("nothing found", f"{submission.path.name} answers no question.")
    except Unreadable as error:
        return Row(**about, digest="", status=error.status, sentence=str(error), marks=())
    marks = tuple(mark(bank, question, answers, seed, limits) for bank, question in questions)
    bad = {one.status for one in marks} - {"graded", "not answered", "duplicate cells"}
    status = "graded" if not bad else "partly" if len(bad) > 1 or _any_graded(marks) else bad.pop()
    return Row(**about, digest=answers.digest, status=status, sentence="", marks=marks)


def verify(path: str | os.PathLike[str], seconds: float = 60.0) -> Progress:
    """Run the answers in a certificate again, in a sandbox, and return the points they earn now.

    The points that the file states are ignored.

    Parameters
    ----------
    path
        A file written by `lc.exercises.certificate`.
    seconds
        How long one answer may take.

    Raises
    ------
    ValueError
        The file is not a certificate.
    RuntimeError
        There is no sandbox: install `lstm-course[grading]`.

    Examples
    --------
    >>> import json
    >>> answer = "lc.check('tanh', lambda x, sigmoid: 2 * sigmoid(2 * x) - 1)"
    >>> content = {"points": 100, "answers": [{"question": "tanh", "source": answer}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "certificate.json"
    ...     _ = path.write_text(json.dumps(content))
    ...     verify(path).points
    1
    """
    path, seed = Path(path), secrets.token_bytes()
    try:
        answers = read(Submission("", path, path.name))
    except Unreadable:
        answers = Answers((), {}, "")
    if not answers.certified:
        raise ValueError(f"{path} is not a certificate, expected a file written by certificate")
    marks = [
        mark(bank, question, answers, seed, Limits(seconds=seconds))
        for bank, question in questions_of(answers, BANKS)
        if question.name in answers.certified
    ]
    unknown = ", ".join(one.question for one in marks if one.status == "no sandbox")
    note = f"Not verified, because there is no sandbox for them here: {unknown}." if unknown else ""
    return progress_of({one.question: one.points for one in marks}, note)


def _any_graded(marks: tuple[Mark, ...]) -> bool:
    return any(one.status in ("graded", "duplicate cells") for one in marks)


def mark(bank: str, question: Question, answers: Answers, seed: bytes, limits: Limits) -> Mark:
    """Grade one question of a submission, in a sandbox of its own."""
    name = question.name
    if libraries := needs(question):
        try:
            bubble.require(*libraries)
        except RuntimeError as missing:
            return Mark(name, 0, question.points, "no sandbox", str(missing))
    if isinstance(question.exam, NetworkExam):  # a network is trained first
        limits = Limits(5 * limits.instructions, 5 * limits.seconds, limits.memory, limits.output)
    cells = _cells(answers, name)
    if not cells:
        return Mark(name, 0, question.points, "not answered", "Not answered.")
    salt = salt_of(seed, name)
    hidden = _hidden(bank, salt)[name]

    def talk(guest: Guest) -> Mark:
        conversation = Conversation(guest, forbidden(question))
        answer, found, remarks = conversation.answer_to(name, cells)
        if not found:
            words = "\n".join(["Not answered.", *remarks])
            return Mark(name, 0, question.points, "not answered", words)
        public, other = (_where(one, conversation) for one in (question, hidden))
        if isinstance(question.exam, NetworkExam):
            # What it draws is not shown. A name of a file would be looked up on this machine.
            with salted(salt):
                feedback = public.check({} if isinstance(answer, str) else answer)
        else:
            feedback = public.check(answer)
        if conversation.refused and not feedback.passed:
            feedback = Feedback(name, 0, question.points, REFUSED.format(conversation.refused))
        if feedback.passed:  # hidden inputs come last, so that nothing of them can be said
            with salted(salt):
                if not other.check(answer).passed:
                    feedback = Feedback(name, 0, question.points, HIDDEN)
        if guest.ended:
            raise Ended(guest.status)
        status = "graded" if feedback.answered else "not answered"
        twice = sum(name in MARKED.findall(cell) for cell in cells) > 1
        lines = [str(feedback), *([TWICE] if twice else []), *([] if feedback.passed else remarks)]
        status = "duplicate cells" if twice and status == "graded" else status
        return Mark(name, feedback.points, question.points, status, "\n".join(lines))

    try:
        return (bubble.run if libraries else run)(_copy(name), talk, limits)
    except Ended as end:
        words = ENDED[end.status].format(limits=limits)
        if libraries and end.status == "timed out":
            words = IN_SECONDS.format(limits.instructions / bubble.A_SECOND, limits.seconds)
        if isinstance(question.exam, KernelExam) and end.status == "stray access":
            words = CRASHED
        status = "crashed" if end.status == "stray access" else end.status
        return Mark(name, 0, question.points, status, words)


def needs(question: Question) -> tuple[str, ...]:
    """Return the libraries that a question needs and that WebAssembly doesn't have."""
    if isinstance(question.exam, KernelExam):
        return ("torch", "triton")
    return ("torch",) if isinstance(question.exam, TorchExam) else ()


def _where(question: Question, conversation: Conversation) -> Question:
    """Return a question whose exam observes an answer where it is: at the other end."""
    if isinstance(question.exam, TorchExam | KernelExam):
        return replace(question, exam=replace(question.exam, beside=conversation.beside))
    return question


def source_of(answers: Answers, name: str) -> str:
    """Return the source of a learner's answer to a question: the cells marked with its name."""
    marked = [cell for cell in answers.cells if name in MARKED.findall(cell)]
    return answers.certified.get(name, "\n".join(marked))


def _cells(answers: Answers, name: str) -> list[str]:
    """Return the cells to run for a question: all up to the last that mentions it."""
    if name in answers.certified:
        ladder = list(QUESTIONS)
        before = ladder[: ladder.index(name) + 1]
        return [PRELUDE, *(answers.certified[one] for one in before if one in answers.certified)]
    last = max((k for k, cell in enumerate(answers.cells) if name in cell), default=-1)
    return list(answers.cells[: last + 1])


@cache
def _copies() -> tempfile.TemporaryDirectory[str]:
    """Return this process's folder of copies, which goes when the process ends."""
    return tempfile.TemporaryDirectory(prefix="lstm-course-")


@cache
def _copy(name: str) -> Path:
    """Return the package as a question's sandbox has it."""
    folder = Path(_copies().name) / name
    course.write(folder, forbidden(QUESTIONS[name]))
    return folder
