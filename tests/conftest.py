"""What all tests share."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

settings.register_profile("course", deadline=None, derandomize=True)
settings.load_profile("course")


def answers_module(exercise: str) -> ModuleType:
    """Return the module with the right answers to an exercise, by the name of its folder."""
    path = ROOT / "exercises" / exercise / "right.py"
    spec = importlib.util.spec_from_file_location(f"right_{exercise}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def right_answers() -> dict[str, tuple[object, ...]]:
    """Return the different right answers to every question."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted((ROOT / "exercises").glob("*/right.py")):
        found |= answers_module(path.parent.name).RIGHT
    return found


def refused(name: str, answer: object) -> str:
    """Check a wrong answer to a question, and return what is said of it."""
    from lstm_course.exercises import QUESTIONS

    feedback = QUESTIONS[name].check(answer)
    assert not feedback.passed
    assert feedback.points == 0
    assert feedback.answered
    assert feedback.message
    return feedback.message


def need(present: object, what: str, install: str) -> None:
    """Skip a test that needs something this machine lacks; on CI, where it must be there, fail."""
    if present:
        return
    sentence = f"needs {what}; to run it: {install}"
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def torch():
    try:
        import torch
    except ImportError:
        torch = None
    need(torch, "PyTorch", "pip install torch")
    return torch
