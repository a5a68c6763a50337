"""The command: a class graded, stopped at random moments, and gone on with."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from threading import Timer

import pytest

from lstm_course.grading import command
from lstm_course.grading.results import Results

RIGHT = "lc.sigmoid(x @ W.T + h_prev @ U.T + b) * c_prev"


def notebook(result):
    source = (
        "import lstm_course as lc\n"
        f"def forget_gate(x, h_prev, c_prev, W, U, b):\n    return {result}\n"
        "lc.check('forget-gate', forget_gate)"
    )
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "handed in"
    folder.mkdir()
    for k in range(8):
        (folder / f"learner{k}.ipynb").write_text(notebook(RIGHT if k % 2 else "0 * c_prev"))
    (folder / "hopper.ipynb").write_text("no JSON")
    return folder


def grade(folder, out, *more):
    return command.main(["grade", str(folder), "--out", str(out), "--workers", "2", *more])


@pytest.mark.slow
def test_a_class_is_graded_and_nothing_is_graded_twice(handed_in, tmp_path, capsys):
    out = tmp_path / "results"
    assert grade(handed_in, out) == 0
    assert "unreadable             1" in capsys.readouterr().out
    with open(out / "grades.csv", encoding="utf-8") as file:
        rows = {row["learner"]: row for row in csv.DictReader(file)}
    assert [rows[f"learner{k}"]["points"] for k in range(4)] == ["0", "4", "0", "4"]
    assert rows["hopper"]["points"] == "0"
    assert rows["hopper"]["status"] == "unreadable"
    before = {path: path.read_bytes() for path in (out / "rows").iterdir()}
    assert grade(handed_in, out) == 0
    assert "8 of 9 submissions are graded already." in capsys.readouterr().out
    assert {path: path.read_bytes() for path in (out / "rows").iterdir()} == before
    (handed_in / "learner0.ipynb").write_text(notebook(RIGHT))  # handed in again
    assert grade(handed_in, out) == 0
    assert "7 of 9 submissions are graded already." in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs process groups")
def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_gradebook(handed_in, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    seed = tmp_path / "seed"
    seed.write_text("a secret seed of sixteen bytes or more")
    assert grade(handed_in, whole, "--seed-file", str(seed)) == 0
    arguments = [sys.executable, "-m", "lstm_course.grading.command", "grade", str(handed_in)]
    arguments += ["--out", str(killed), "--workers", "2", "--seed-file", str(seed)]
    wait = random.Random(0)
    for _ in range(4):
        run = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(wait.uniform(1.5, 3))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    done = {path.name: path.read_bytes() for path in (killed / "rows").glob("*.json")}
    assert grade(handed_in, killed, "--seed-file", str(seed)) == 0
    for name, content in done.items():
        assert (killed / "rows" / name).read_bytes() == content
    assert (killed / "grades.csv").read_bytes() == (whole / "grades.csv").read_bytes()
    run = json.loads((whole / "run.json").read_text())
    assert len(Results(killed, run).rows()) == 9


@pytest.mark.slow
def test_answers_that_are_much_alike_are_listed(tmp_path, capsys):
    loop = (
        "# EXERCISE: sequence\ndef lstm_forward(xs, h0, c0, W, U, b):\n    h, c, hs = h0, c0, []\n"
        "    for t in range(xs.shape[1]):\n        a = xs[:, t] @ W.T + h @ U.T + b\n"
        "        hs.append(a)\n    return np.stack(hs, 1), h, c\nlc.check('sequence', lstm_forward)"
    )
    other = loop.replace("hs.append(a)", "hs += [np.tanh(a) * h0]").replace("range(", "reversed(")
    renamed = (
        loop.replace("hs", "outputs").replace("    a =", "    total =  ").replace("(a)", "(total)")
    )
    for name, source in {"ada": loop, "alan": renamed, "grace": other}.items():
        cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(content))
    assert grade(tmp_path, tmp_path.parent / "similar-out", "--similar") == 0
    assert "1 pairs of answers are nearly the same" in capsys.readouterr().out
    text = (tmp_path.parent / "similar-out/similar.csv").read_text()
    assert text == "question,one,other,share\nsequence,ada,alan,1.0\n"


@pytest.mark.slow
def test_one_notebook_is_checked(handed_in, capsys):
    assert command.main(["check", str(handed_in / "learner1.ipynb")]) == 0
    said = capsys.readouterr().out
    assert "4 of 6 points" in said
    assert "✓ forget-gate: 4 of 4 points." in said


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_cluster_that_loses_a_worker_ends_with_the_same_rows(handed_in, tmp_path):
    distributed = pytest.importorskip("distributed")
    seed = tmp_path / "seed"
    seed.write_text("a secret seed of sixteen bytes or more")
    one, other = tmp_path / "one", tmp_path / "other"
    assert grade(handed_in, one, "--seed-file", str(seed)) == 0
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid
        Timer(4, os.kill, (victim, signal.SIGKILL)).start()
        address = cluster.scheduler_address
        assert grade(handed_in, other, "--seed-file", str(seed), "--scheduler", address) == 0
    for path in (one / "rows").iterdir():
        assert (other / "rows" / path.name).read_bytes() == path.read_bytes()
    assert (one / "grades.csv").read_bytes() == (other / "grades.csv").read_bytes()


def test_a_scheduler_that_is_not_there_gets_one_sentence(handed_in, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command.sandbox, "warm_up", lambda: None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert grade(handed_in, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:1") == 2
    assert "--scheduler needs dask" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_an_autograder_runs_as_gradescope_runs_it(tmp_path, handed_in):
    """Unpacked to /autograder/source, with one learner's files in /autograder/submission."""
    root = tmp_path / "autograder"
    packed = tmp_path / "autograder.zip"
    arguments = ["autograder", "--exercise", "04-forget-gate", "--out", str(packed)]
    assert command.main(arguments) == 0
    with zipfile.ZipFile(packed) as file:
        file.extractall(root / "source")
        modes = {one.filename: one.external_attr >> 16 for one in file.infolist()}
    assert modes["run_autograder"] & 0o111
    assert modes["setup.sh"] & 0o111
    subprocess.run(["bash", "-n", root / "source/setup.sh"], check=True)
    (root / "submission").mkdir()
    shutil.copy(handed_in / "learner1.ipynb", root / "submission/notebook.ipynb")
    environment = os.environ | {"AUTOGRADER": str(root), "PYTHON": sys.executable}
    subprocess.run(["bash", root / "source/run_autograder"], check=True, env=environment)
    found = json.loads((root / "results/results.json").read_text(encoding="utf-8"))
    assert found["score"] == 4
    assert [(one["name"], one["score"], one["max_score"]) for one in found["tests"]] == [
        ("forget-gate", 4, 4),
        ("forget-gate-puzzle", 0, 2),
    ]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--workers", "0"], "--workers is 0, expected 1 or more"),
        (["--seed-file", "short"], "holds a seed of 3 bytes, expected 16 or more"),
        (["--seed-file", "missing"], "No such file"),
    ],
)
def test_bad_arguments_get_one_sentence(handed_in, tmp_path, capsys, monkeypatch, more, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("abc")
    assert grade(handed_in, tmp_path / "results", *more) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_an_empty_folder_gets_one_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert grade(tmp_path / "empty", tmp_path / "results") == 2
    assert "holds no submission" in capsys.readouterr().err


def test_a_worker_that_dies_takes_no_other_submission_with_it(handed_in, monkeypatch):
    from lstm_course.grading.submissions import find

    monkeypatch.setattr(command.marking, "row", dies_for_learner3)
    found = find(handed_in)
    rows = {row.learner: row for row in command.graded(found, b"", [], 2)}
    assert len(rows) == 9
    assert [name for name, row in rows.items() if row.status == "crashed"] == ["learner3"]


def dies_for_learner3(submission, seed, banks):
    from lstm_course.grading.results import Row

    if submission.learner == "learner3":
        os._exit(1)
    about = {"learner": submission.learner, "name": submission.name, "number": ""}
    return Row(**about, digest="", status="graded", sentence="", marks=())
