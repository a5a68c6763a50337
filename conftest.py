"""For tests, doctests and notebooks alike: what they earn is remembered nowhere."""

import os
import sys

import pytest

os.environ["LSTM_COURSE_PROGRESS"] = ""
collect_ignore_glob = ["exercises/*/right.py"]  # for tests/exercises, all of one name


@pytest.fixture(autouse=True)
def nothing_is_earned(monkeypatch):
    """Begin each test without points."""
    if "lstm_course.exercises.engine.record" in sys.modules:
        monkeypatch.setattr("lstm_course.exercises.engine.record._session", {})
