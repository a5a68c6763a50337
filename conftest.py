"""For tests, doctests and notebooks alike: what they earn is remembered nowhere."""

import os
import sys

import pytest

os.environ["LSTM_COURSE_PROGRESS"] = ""


@pytest.fixture(autouse=True)
def nothing_is_earned(monkeypatch):
    """Begin each test without points."""
    if "lstm_course.exercises.record" in sys.modules:
        monkeypatch.setattr("lstm_course.exercises.record._session", {})
