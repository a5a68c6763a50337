"""What is earned: remembered, read from notebooks, shown, certified and verified."""

import html.parser
import json
import os
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import lstm_course as lc
from conftest import ROOT
from lstm_course.exercises import BANKS, QUESTIONS, certificate
from lstm_course.exercises.engine import record
from lstm_course.exercises.engine.sources import source_of, with_needs
from lstm_course.grading import verify

NAME = "tanh-derivative"
POINTS = QUESTIONS[NAME].points


def right(x):
    return 4 * lc.sigmoid(2 * x) * lc.sigmoid(-2 * x)


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "home" / "progress.json"
    monkeypatch.setenv("LSTM_COURSE_PROGRESS", str(path))
    monkeypatch.setattr(record, "_session", {})
    return path


def new_session(monkeypatch):
    monkeypatch.setattr(record, "_session", {})


def test_points_are_remembered_from_session_to_session(file, monkeypatch):
    assert lc.progress().points == 0
    assert not file.exists()
    assert lc.check(NAME, right).note == ""
    new_session(monkeypatch)
    assert lc.progress().points == POINTS
    assert lc.progress().earned == {NAME: POINTS}
    assert [path.name for path in file.parent.iterdir() if ".part" in path.name] == []


def test_a_wrong_answer_takes_no_points_away_and_says_so(file):
    lc.check(NAME, right)
    for wrong, mark in ((np.tanh, "✗"), (None, "–")):
        feedback = lc.check(NAME, wrong)
        assert feedback.points == 0
        assert feedback.earlier == POINTS
        assert repr(feedback).splitlines()[0].startswith(f"{mark} {NAME}: ")
        assert f"What was earned earlier stays yours: {POINTS}." in repr(feedback)
    assert lc.progress().points == POINTS
    assert "earned earlier" not in repr(lc.check("tanh", None))


def test_nothing_is_written_if_the_variable_is_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LSTM_COURSE_PROGRESS", "")
    assert lc.check(NAME, right).note == ""
    assert lc.progress().points == POINTS
    assert list(tmp_path.iterdir()) == []


def test_the_file_lies_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LSTM_COURSE_PROGRESS")
    lc.check(NAME, right)
    content = json.loads((tmp_path / ".lstm-course" / "progress.json").read_text(encoding="utf-8"))
    assert content[NAME]["points"] == POINTS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"tanh": 3}',
        b'{"tanh": {"points": "3", "source": ""}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_kept_and_costs_nothing(file, monkeypatch, content):
    lc.check("tanh", QUESTIONS["tanh"].exam.solution)
    for k in (1, 2):
        file.write_bytes(content)
        feedback = lc.check(NAME, right)
        assert feedback.passed
        assert feedback.note == (
            f"The file {file} was damaged. It's been kept as progress.damaged-{k}.json, and a new one started."
        )
        assert file.with_name(f"progress.damaged-{k}.json").read_bytes() == content
    new_session(monkeypatch)
    assert lc.progress().earned.keys() == {
        NAME,
        "tanh",
    }  # this session's points are in the new file


def test_a_file_that_cannot_be_written_costs_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LSTM_COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    feedback = lc.check(NAME, right)
    assert feedback.passed
    assert "could not be" in feedback.note
    assert feedback.note.splitlines()[-1].endswith("What you earn lasts until this session ends.")
    assert lc.progress().points == POINTS


def test_a_full_disk_leaves_the_old_file(file, monkeypatch):
    lc.check(NAME, right)
    before = file.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert "(No space left on device)" in lc.check("tanh", QUESTIONS["tanh"].exam.solution).note
    assert file.read_bytes() == before
    assert not list(file.parent.glob("*.part"))


@pytest.mark.parametrize("method", ["read_text", "rename"])
def test_a_file_that_cannot_be_read_or_set_aside_is_never_replaced(file, monkeypatch, method):
    file.parent.mkdir()
    file.write_text("{damaged")

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(f"pathlib.Path.{method}", refused)
    feedback = lc.check(NAME, right)
    assert feedback.passed
    assert "(Permission denied)" in feedback.note
    assert feedback.note.endswith("What you earn lasts until this session ends.")
    monkeypatch.undo()
    assert file.read_bytes() == b"{damaged"


def test_entries_of_a_newer_course_are_kept(file, monkeypatch):
    file.parent.mkdir()
    newer = {"attention": {"points": 9, "source": "", "more": 1}}
    file.write_text(json.dumps(newer))
    lc.check(NAME, right)
    assert json.loads(file.read_text(encoding="utf-8"))["attention"] == newer["attention"]
    assert lc.progress().points == POINTS


def test_points_of_a_file_are_no_more_than_there_are(file):
    file.parent.mkdir()
    file.write_text(json.dumps({NAME: {"points": 10**6, "source": ""}}))
    assert lc.progress().points == POINTS


def test_notebooks_side_by_side_wait_for_each_other(file):
    fcntl = pytest.importorskip("fcntl")
    code = (
        "import lstm_course as lc; lc.check('tanh', lc.exercises.QUESTIONS['tanh'].exam.solution)"
    )
    file.parent.mkdir()
    with open(file.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        session = subprocess.Popen([sys.executable, "-c", code])
        with pytest.raises(subprocess.TimeoutExpired):
            session.wait(timeout=3)
        file.write_text(json.dumps({NAME: {"points": POINTS, "source": ""}}))
    assert session.wait(timeout=30) == 0
    assert lc.progress().earned == {NAME: POINTS, "tanh": 1}


def notebook(path, *cells):
    made = nbformat.v4.new_notebook()
    for source, text in cells:
        data = {"text/plain": text}
        outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
        made.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs))
    nbformat.write(made, path)
    return path


def test_saved_notebooks_are_read(file, tmp_path):
    lc.check(NAME, right)
    first = notebook(
        tmp_path / "first.ipynb",
        ("# EXERCISE: tanh\ndef tanh(): ...", "✓ tanh: 1 of 1 point.\n  Right."),
        ("# EXERCISE: sigmoid", "✗ sigmoid: 0 of 3 points.\n  Wrong."),
        ("# EXERCISE: no-such-question", "✓ no-such-question: 9 of 9 points."),
        ("no exercise", "✓ chain: 2 of 2 points."),
    )
    second = notebook(
        tmp_path / "second.ipynb",
        (
            "# EXERCISE: forget-gate",
            "✗ forget-gate: 0 of 4 points. What was earned earlier stays yours: 4.",
        ),
        ("# EXERCISE: forget-gate-puzzle", "✓ forget-gate-puzzle: 200 of 200 points."),
    )
    shown = lc.progress(first, str(second))
    assert shown.earned == {NAME: POINTS, "tanh": 1, "forget-gate": 4, "forget-gate-puzzle": 2}
    assert lc.progress().earned == {NAME: POINTS}


def test_the_repositorys_own_notebooks_are_read(file):
    for path in sorted((ROOT / "exercises").glob("*/master.ipynb")):
        name = path.parent.name.replace("-", "_")
        bank = BANKS[f"ch{name}" if name[0].isdigit() else name]
        names = {question.name for question in bank.QUESTIONS}
        assert lc.progress(path).earned.keys() == names
        assert not lc.progress(path.with_name("student.ipynb")).earned


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 3}', '{"cells": [3]}', "\xff"])
def test_what_is_no_notebook(file, tmp_path, content):
    path = tmp_path / "some.ipynb"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match="is not a notebook, expected a saved"):
        lc.progress(path)
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        lc.progress(tmp_path / "none.ipynb")


def test_progress_is_shown_as_text_and_as_a_picture(file):
    lc.check("forget-gate", QUESTIONS["forget-gate"].exam.solution)
    shown = lc.progress()
    assert repr(shown).startswith(f"4 of {shown.out_of} points\n")
    (line,) = [line for line in repr(shown).splitlines() if "forget gate" in line]
    assert "04 forget gate" in line
    assert "███████░░░" in line
    assert "4 of  6   ✓ forget-gate  · forget-gate-puzzle" in line
    picture = shown._repr_html_()
    html.parser.HTMLParser().feed(picture)
    assert f'aria-label="Graded exercises: 4 of {shown.out_of} points."' in picture
    assert 'fill="currentColor"' in picture
    assert not any(color in picture for color in ("#", "black", "white"))


# Certificates


def earned_in_a_notebook(tmp_path, file, *cells):
    """Run cells in a kernel, and return the outputs' text."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(made, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return [
        "\n".join(o.data["text/plain"] for o in cell.outputs if "data" in o) for cell in made.cells
    ]


CELLS = (
    "import numpy as np\nfrom numpy import exp as power\nimport lstm_course as lc",
    "FOUR = 3",
    "FOUR = 4\nUNUSED = 1 / 3",
    "def denominator(q):\n    # a helper\n    return (1 + q) ** 2",
    "# EXERCISE: tanh-derivative\n"
    "def slope(x):\n    q = power(-2 * abs(x))\n    return FOUR * q / denominator(q)\n"
    'lc.check("tanh-derivative", slope)',
    '# EXERCISE: tanh\nlc.check("tanh", lambda x, sigmoid: 2 * sigmoid(2 * x) - 1)',
    "c, x, f = np.array([0.8, 0.3, 0.5]), np.array([0.9, 0.4, 0.7]), np.array([0.7, 0.2, 0.6])",
    "# EXERCISE: forget-gate-puzzle\nv = np.concatenate([c, x])\n"
    'lc.check("forget-gate-puzzle", (np.outer(np.log(f / (1 - f)), v) / (v @ v), np.zeros(3)))',
    'lc.exercises.certificate("certificate.json", "Ada")',
)


def test_a_certificate_made_in_a_notebook_is_verified(tmp_path, file, monkeypatch):
    texts = earned_in_a_notebook(tmp_path, file, *CELLS)
    assert f"✓ tanh-derivative: {POINTS} of {POINTS} points" in texts[4]
    path = tmp_path / "certificate.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["learner"] == "Ada"
    assert content["lstm_course"] == lc.__version__
    assert content["points"] == POINTS + 1 + 2
    source = next(a["source"] for a in content["answers"] if a["question"] == NAME)
    assert "FOUR = 4" in source
    assert "FOUR = 3" not in source
    assert "UNUSED" not in source
    file.unlink()
    new_session(monkeypatch)
    assert verify(path).earned == {NAME: POINTS, "tanh": 1, "forget-gate-puzzle": 2}
    assert lc.progress().points == 0  # verification earns the verifier nothing
    assert not file.exists()


GOOD = "lc.check('tanh', lambda x, sigmoid: 2 * sigmoid(2 * x) - 1)"


@pytest.mark.parametrize(
    ("source", "points"),
    [
        (GOOD, 1),
        ("", 0),
        ("lc.check('tanh', None)", 0),
        ("raise SystemExit", 0),
        ("import sys; sys.exit(0)", 0),
        ("syntax error", 0),
        ("while True: pass", 0),
        ("print('✓ tanh: 1 of 1 points.')", 0),
        ("lc.exercises.Feedback('tanh', 1, 1, 'Right.')", 0),
        (f"{GOOD}\nlc.check('tanh', None)", 1),
        (f"{GOOD}\n" * 3, 1),
    ],
)
def test_a_certificate_earns_what_its_sources_earn(tmp_path, capsys, source, points):
    path = tmp_path / "certificate.json"
    answers = [
        {"question": "tanh", "points": 1000, "source": source},
        {"question": "chain", "points": 2, "source": ""},
        {"question": "attention", "points": 2, "source": "1 / 0"},
    ]
    path.write_text(json.dumps({"points": 1000, "answers": answers}))
    assert verify(path, seconds=3).points == points
    assert capsys.readouterr().out == ""


def test_answers_share_one_namespace_in_the_order_of_the_ladder(tmp_path):
    path = tmp_path / "certificate.json"
    answers = [
        {
            "question": "sigmoid-derivative",
            "source": "lc.check('sigmoid-derivative', lambda x: mine(x) * mine(-x))",
        },
        {
            "question": "sigmoid",
            "source": "def mine(x): return np.exp(-np.logaddexp(0, -x))\nlc.check('sigmoid', mine)",
        },
    ]
    path.write_text(json.dumps({"answers": answers}))
    assert verify(path).earned.keys() == {"sigmoid", "sigmoid-derivative"}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"answers": 3}', '{"answers": [{"question": "tanh"}]}']
)
def test_what_is_no_certificate(tmp_path, content):
    path = tmp_path / "certificate.json"
    path.write_text(content)
    with pytest.raises(
        ValueError, match="is not a certificate, expected a file written by certificate"
    ):
        verify(path)


def test_a_certificate_made_by_a_script(tmp_path):
    script = tmp_path / "answers.py"
    script.write_text(
        "import numpy\nimport lstm_course as lc\nTWO = 2\n\n"
        "def tanh(x, sigmoid):\n    return TWO * sigmoid(TWO * x) - numpy.ones_like(x)\n\n"
        "lc.check('tanh', tanh)\n"
        "lc.check('sigmoid', lambda x: (1 + numpy.tanh(x / 2)) / 2)\n"
        "print(lc.exercises.certificate('certificate.json', 'Ada'))\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("1 of ")
    assert "Left out, because the source is unknown: sigmoid." in done.stdout
    assert verify(tmp_path / "certificate.json").earned == {"tanh": 1}


def test_a_certificate_needs_a_name(tmp_path):
    with pytest.raises(ValueError, match="learner is ' ', expected a name"):
        certificate(tmp_path / "certificate.json", " ")


def test_needs_are_followed_through_functions_classes_and_imports():
    earlier = [
        "import math as m, os\nfrom numpy import *",
        "class Base: scale = m.pi\n@decorate\ndef g(x):\n    def inner(): return k\n    return inner()",
        "k = 1\nk = 2\n!broken cell",
        "for k in range(3): pass",
        "def decorate(f): return f\nprint('no name')",
    ]
    text = with_needs("class A(Base):\n    def f(self, unknown): return g(unknown)", earlier)
    assert [line for line in text.splitlines() if line and not line.startswith(" ")] == [
        "import math as m, os",
        "class Base:",
        "@decorate",
        "def g(x):",
        "for k in range(3):",
        "def decorate(f):",
        "class A(Base):",
    ]
    assert with_needs("syntax error", earlier) == "syntax error"


def test_a_source_that_cannot_be_found_is_empty():
    assert source_of("tanh", lambda: None) == ""
    assert source_of("tanh", 3) == ""
    assert source_of("tanh", eval("lambda: 0")) == ""
    solution = QUESTIONS[NAME].exam.solution
    assert "def solution" not in source_of(NAME, solution)
    assert source_of(NAME, solution).endswith("lc.check('tanh-derivative', tanh_derivative)\n")
