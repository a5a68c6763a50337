"""For tests, doctests and notebooks alike: what they earn is remembered nowhere."""

import itertools
import os
import socket
import sys

import pytest
from jupyter_client.connect import LocalPortCache

os.environ["LSTM_COURSE_PROGRESS"] = ""
collect_ignore_glob = ["exercises/*/right.py"]  # for tests/exercises, all of one name


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = itertools.count(10_000 + 2_000 * (WORKER % 10))


def next_port(cache, ip):
    """Return a free port that no other worker asks for: kernels open theirs only later."""
    for port in PORTS:
        with socket.socket() as tried:
            if tried.connect_ex((ip, port)) != 0:  # nobody listens there
                return port


LocalPortCache.find_available_port = next_port


@pytest.fixture(autouse=True)
def nothing_is_earned(monkeypatch):
    """Begin each test without points."""
    if "lstm_course.exercises.engine.record" in sys.modules:
        monkeypatch.setattr("lstm_course.exercises.engine.record._session", {})
