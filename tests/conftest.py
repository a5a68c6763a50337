"""What all tests share."""

import functools
import http.server
import importlib.util
import os
import shutil
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build/html"
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


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site():
    need(SITE.is_dir(), "the built book", "make book")
    handler = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    chromium = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    need(chromium, "Chromium", "apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-background-networking", "--no-first-run"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


@pytest.fixture(
    params=[("light", 1280), ("dark", 360)], ids=["light-desktop", "dark-phone"], scope="module"
)
def reader(request, browser, site):
    """A page that notes what goes wrong, in one theme and one width; the width changes in tests."""
    theme, width = request.param
    page = browser.new_page(color_scheme=theme, viewport={"width": width, "height": 800})
    page.theme, page.wrong = theme, []
    page.on(
        "console", lambda m: page.wrong.append(m.text) if m.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on(
        "response", lambda r: page.wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None
    )
    page.on(
        "request",
        lambda r: (
            page.wrong.append(f"other host: {r.url}")
            if not r.url.startswith((site, "data:"))
            else None
        ),
    )
    yield page
    page.close()
