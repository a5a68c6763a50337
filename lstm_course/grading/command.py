"""The command `lstm-course`: grade what a class has handed in, or check one notebook."""

import argparse
import csv
import hashlib
import multiprocessing
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

import lstm_course
from lstm_course.exercises import BANKS
from lstm_course.grading import gradescope, marking, sandbox, similar
from lstm_course.grading.results import TITLE, Results, Row, clean
from lstm_course.grading.submissions import Submission, Unreadable, find, read

FIRST = "Preparing the sandbox. The first time, this takes a minute or two ..."


def exercises() -> dict[str, str]:
    """Return the names of all exercises, as their folders have them, and of their banks."""
    return {bank.removeprefix("ch").replace("_", "-"): bank for bank in BANKS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        sandbox.require()
        return int(options.run(options))
    except (ValueError, OSError, RuntimeError) as error:
        print(f"lstm-course: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. What is graded is kept; the same command goes on.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lstm-course", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    grade = commands.add_parser("grade", help="grade submissions, and write a gradebook")
    grade.add_argument("submissions", type=Path, help="a notebook, or a folder of submissions")
    grade.add_argument("--out", type=Path, required=True, help="the folder for the results")
    grade.add_argument("--seed-file", type=Path, help="a file with a secret seed for the inputs")
    grade.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    grade.add_argument(
        "--scheduler", metavar="ADDRESS", help="a dask scheduler, in place of --workers"
    )
    grade.add_argument("--similar", action="store_true", help="list answers that are much alike")
    grade.add_argument("--title", default=TITLE, help="the assignment's name in the LMS")
    grade.set_defaults(run=_grade)
    check = commands.add_parser("check", help="check the answers of one notebook")
    check.add_argument("submissions", type=Path, metavar="notebook", help="the notebook")
    check.set_defaults(run=_check)
    autograder = commands.add_parser("autograder", help="write an autograder for Gradescope")
    autograder.add_argument("--out", type=Path, required=True, help="the zip file to write")
    autograder.add_argument("--seed-file", type=Path, help="a file with a secret seed")
    autograder.set_defaults(run=_autograder)
    for one in (grade, check, autograder):
        one.add_argument(
            "--exercise",
            action="append",
            choices=list(exercises()),
            metavar="NAME",
            help="grade this exercise alone (may be repeated): " + ", ".join(exercises()),
        )
    return parser


def _banks(options: argparse.Namespace) -> list[str]:
    return [bank for name, bank in exercises().items() if name in (options.exercise or [name])]


def _check(options: argparse.Namespace) -> int:
    """Grade one notebook with a seed of its own, and print what is said of each question."""
    sandbox.warm_up()
    for submission in find(options.submissions):
        row = marking.row(submission, secrets.token_bytes(), _banks(options))
        if row.sentence:
            raise ValueError(row.sentence)
        print(f"{row.points} of {row.out_of} points")
        for mark in row.marks:
            print(f"\n{mark.question}: {clean(mark.feedback)}")
    return 0


def _grade(options: argparse.Namespace) -> int:
    """Grade submissions that are not yet graded, and write the gradebook."""
    if options.workers < 1:
        raise ValueError(f"--workers is {options.workers}, expected 1 or more")
    found, banks = find(options.submissions), _banks(options)
    if not found:
        raise ValueError(f"{options.submissions} holds no submission")
    seed = _seed(options)
    run = {
        "lstm_course": lstm_course.__version__,
        "exercises": banks,
        "seed": hashlib.sha256(b"the seed of " + seed).hexdigest(),
        "limits": vars(sandbox.Limits()),
    }
    results = Results(options.out, run)
    todo = [one for one in found if not results.has(one.learner, one.name, _digest(one))]
    if len(todo) < len(found):
        print(f"{len(found) - len(todo)} of {len(found)} submissions are graded already.")
    if todo:
        print(FIRST)
        sandbox.warm_up()
    with tqdm(total=len(todo), unit="submission") as bar:
        rows = (
            graded_on(options.scheduler, todo, seed, banks)
            if options.scheduler
            else graded(todo, seed, banks, options.workers)
        )
        for row in rows:
            results.add(row)
            bar.update()
    print(results.finish(_worth(banks, results.rows(), options), options.title))
    if options.similar:
        _write_similar(found, banks, options.out / "similar.csv")
    print(f"The gradebook and the feedback are in {options.out}.")
    return 0


def _write_similar(found: Sequence[Submission], banks: Sequence[str], path: Path) -> None:
    """Write which learners' answers are nearly the same, for somebody to judge."""
    answers = []
    for submission in found:
        with suppress(Unreadable):
            given = read(submission)
            for _, question in marking.questions_of(given, banks):
                source = marking.source_of(given, question.name)
                answers.append((question.name, submission.learner, source))
    alike = similar.pairs(answers)
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([similar.Pair._fields, *alike])
    print(f"{len(alike)} pairs of answers are nearly the same: {path}")


def _autograder(options: argparse.Namespace) -> int:
    """Write an autograder package."""
    gradescope.pack(options.out, _banks(options), _seed(options))
    print(f"{options.out} is ready for Gradescope. It holds the seed: keep it secret.")
    return 0


def _worth(
    banks: Sequence[str], rows: Sequence[Row], options: argparse.Namespace
) -> list[tuple[str, int]]:
    """Return the questions of a gradebook: of the exercises asked for, or of those handed in."""
    seen = {mark.question for row in rows for mark in row.marks}
    return [
        (question.name, question.points)
        for bank in banks
        if options.exercise or any(one.name in seen for one in BANKS[bank].QUESTIONS)
        for question in BANKS[bank].QUESTIONS
    ]


def _seed(options: argparse.Namespace) -> bytes:
    """Return the secret seed: that of a file, or one drawn for this folder of results."""
    path = options.seed_file
    if path is None:
        path = options.out.with_name(f"{options.out.name}.seed")
        if not path.exists():
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex())
    seed: bytes = path.read_bytes().strip()
    if len(seed) < 16:
        raise ValueError(f"{path} holds a seed of {len(seed)} bytes, expected 16 or more")
    return seed


def _digest(submission: Submission) -> str:
    with suppress(Unreadable):
        return read(submission).digest
    return ""


def graded(
    submissions: Sequence[Submission], seed: bytes, banks: Sequence[str], workers: int
) -> Iterator[Row]:
    """Grade submissions in several processes; give each result as soon as it is there.

    A worker that dies takes nothing with it: what was being graded then is graded again, each
    alone, and a submission whose worker dies even so is given up.
    """
    waiting, suspects = list(submissions)[::-1], list[Submission]()
    while waiting:
        running: dict[Future[Row], Submission] = {}
        with _pool(workers) as pool, suppress(BrokenProcessPool):
            while waiting or running:
                while waiting and len(running) < 2 * workers:
                    running[pool.submit(marking.row, waiting[-1], seed, banks)] = waiting[-1]
                    waiting.pop()  # only now, as a pool that is broken takes none
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield _result(future, running[future])
                    del running[future]
        suspects += running.values()
    for one in suspects:
        with _pool(1) as pool:
            try:
                yield _result(pool.submit(marking.row, one, seed, banks), one)
            except BrokenProcessPool:
                yield _given_up(one, "The grading process ended while it graded this, twice.")


def graded_on(
    scheduler: str, submissions: Sequence[Submission], seed: bytes, banks: Sequence[str]
) -> Iterator[Row]:
    """Grade submissions on a dask cluster, whose workers must see the same files.

    A worker that is lost takes nothing with it: dask gives its submissions to the others. One whose
    workers are lost again and again is given up.

    Raises
    ------
    RuntimeError
        dask.distributed is not installed, or nothing answers at the address.
    """
    try:
        import distributed
    except ImportError:
        raise RuntimeError("--scheduler needs dask: pip install 'lstm-course[cluster]'") from None
    try:
        dask: Any = distributed  # which has no types
        client = dask.Client(scheduler, timeout=30)
    except OSError as error:
        raise RuntimeError(f"no dask scheduler answers at {scheduler}: {error}") from None
    with client:
        running = {
            client.submit(marking.row, one, seed, banks, pure=False): one for one in submissions
        }
        for future in dask.as_completed(list(running)):
            yield _result(future, running.pop(future))


def _pool(workers: int) -> ProcessPoolExecutor:
    """Return processes that are spawned: a sandbox cannot be used on both sides of a fork."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _result(future: Any, submission: Submission) -> Row:
    """Return a result; an error of the grader's own becomes one, and does not stop the others."""
    try:
        row: Row = future.result()
        return row
    except (BrokenProcessPool, KeyboardInterrupt):
        raise
    except Exception as error:
        return _given_up(submission, f"The grader failed: {type(error).__name__}: {error}"[:300])


def _given_up(submission: Submission, sentence: str) -> Row:
    about = {"learner": submission.learner, "name": submission.name, "number": submission.number}
    return Row(**about, digest="", status="crashed", sentence=clean(sentence), marks=())


if __name__ == "__main__":
    sys.exit(main())
