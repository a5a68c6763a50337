"""Hostile notebooks: none earns a point, each gets a row, and the grader goes on."""

import attacks
import pytest

from conftest import need
from lstm_course.grading import bubble, marking
from lstm_course.grading.sandbox import Limits
from lstm_course.grading.submissions import find

SEED = b"a secret seed of sixteen bytes or more"
BRIEF = Limits(instructions=3_500_000_000, seconds=3)


@pytest.mark.slow
@pytest.mark.parametrize("attack", attacks.ATTACKS, ids=lambda one: one.name)
def test_an_attack_earns_nothing_and_is_reported(attack, tmp_path):
    if attack.family == "escape from PyTorch's sandbox":
        missing = bubble._missing("torch")
        need(not missing, missing, "apt-get install bubblewrap; pip install torch")
    path = tmp_path / "ada.ipynb"
    path.write_bytes(attacks.notebook(attack))
    (submission,) = find(path)
    row = marking.row(submission, SEED, limits=BRIEF)
    assert row.status in {
        "graded", "partly", "timed out", "out of memory", "too much output", "crashed",
        "unreadable", "refused", "nothing found",
    }  # fmt: skip
    assert row.marks or row.sentence
    assert not [mark.question for mark in row.marks if mark.status == "no sandbox"]
    if attack.debatable:  # rebuilt from parts that the question allows
        return
    assert [mark.question for mark in row.marks if mark.points] == []


def test_the_corpus_has_many_attacks_of_every_kind():
    kinds = [attack.family for attack in attacks.ATTACKS]
    assert len(kinds) >= 200
    assert all(kinds.count(kind) >= 3 for kind in attacks.FAMILIES)
    assert sum(attack.debatable for attack in attacks.ATTACKS) <= 8


@pytest.mark.slow
def test_whoever_escapes_from_pytorch_s_sandbox_would_have_a_right_answer(tmp_path):
    missing = bubble._missing("torch")
    need(not missing, missing, "apt-get install bubblewrap; pip install torch")
    cells = ("def escaped():\n    return True", attacks.UNLESS_CAUGHT)
    path = tmp_path / "ada.ipynb"
    path.write_bytes(attacks.notebook(attacks._in_pytorch("none", *cells)))
    (submission,) = find(path)
    assert marking.row(submission, SEED).points == 2
