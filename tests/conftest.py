"""What all tests share."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

settings.register_profile("course", deadline=None, derandomize=True)
settings.load_profile("course")


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
