"""The process that answers with PyTorch run in: what it sees, what it may use, how it ends."""

import errno
import importlib.util
import os
import platform
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import lstm_course
from conftest import ROOT, need
from lstm_course.grading import bubble, course, syscalls
from lstm_course.grading.remote import Conversation
from lstm_course.grading.sandbox import Ended, Limits
from lstm_course.grading.wire import MOST_BYTES

BRIEF = Limits(instructions=bubble.A_SECOND, seconds=5, memory=300_000_000)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    missing = bubble._missing("torch")
    need(not missing, missing, "apt-get install bubblewrap; pip install torch")
    folder = tmp_path_factory.mktemp("course")
    course.write(folder, [])
    return folder


def said(package, code, limits=BRIEF):
    """Run a cell in a guest; return what it checks, or what stopped it."""
    cell = f"import lstm_course as lc\n{textwrap.dedent(code)}"

    def talk(guest):
        answer, found, remarks = Conversation(guest).answer_to("q", [cell])
        return answer if found else remarks[-1]

    return bubble.run(package, talk, limits)


def ended(package, code, limits=BRIEF):
    with pytest.raises(Ended) as end:
        said(package, code, limits)
    return end.value.status


# What it sees


def test_it_sees_python_its_libraries_and_the_copy_alone(package):
    code = """
    import os, socket, sys
    lc.check("q", [
        sorted(os.listdir("/")), lc.__file__, os.listdir("/course"), dict(os.environ),
        [os.getuid(), os.getgid()], socket.gethostname(),
        [os.path.exists(one) for one in ("/proc", "/etc/passwd", "/tmp", "/home", "/sys", {!r})],
        [one for one in range(200) if one > 2 and is_open(one)],
    ])
    """
    opened = (
        "def is_open(n):\n    try:\n        return bool(os.fstat(n))\n    except OSError: pass\n"
    )
    code = opened + textwrap.dedent(code).format(str(ROOT / "lstm_course"))
    top, file, copy, environment, ids, host, there, files = said(package, code)
    assert {"course", "dev", "packages", "usr"} <= set(top)
    assert not {"proc", "tmp", "home", "sys", "work", "mnt", "run", "var"} & set(top)
    assert file == "/course/lstm_course/__init__.py"
    assert copy == ["lstm_course"]
    allowed = {*bubble.ENVIRONMENT, "PYTHONPATH", "PWD", "LC_CTYPE"}
    # PyTorch adds names of its own when it is imported.
    extra = {name for name in environment if name not in allowed}
    assert all(name.startswith(("TORCH", "KMP", "TRITON")) for name in extra), extra
    assert ids == [1000, 1000]
    assert host == "sandbox"
    assert there == [False] * 6
    assert len(files) <= 3  # its end of the channel


def test_no_question_bank_is_anywhere(package):
    code = """
    import os
    found = []
    for folder, _, names in os.walk("/", followlinks=False):
        found += [os.path.join(folder, name) for name in names if name.startswith("ch16_")]
        found += [folder] * (os.path.basename(folder) == "lstm_course" and bool(names))
    lc.check("q", found)
    """
    assert said(package, code, Limits(seconds=60)) == ["/course/lstm_course"]


def test_nothing_can_be_written_anywhere(package):
    code = """
    import os
    written = []
    for folder, names, _ in os.walk("/", followlinks=False):
        for make in (lambda path: open(path, "w"), os.mkdir):
            try:
                make(os.path.join(folder, "new-file"))
                written.append(folder)
            except OSError:
                pass
    lc.check("q", written)
    """
    assert said(package, code, Limits(seconds=60)) == []


def test_a_package_or_a_repository_inside_what_is_shown_is_covered(monkeypatch, tmp_path):
    packages = tmp_path / "lib/python3.11/site-packages"
    repository = tmp_path / "lib/course"
    packages.mkdir(parents=True)
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(lstm_course, "__file__", str(repository / "lstm_course/__init__.py"))
    options = list(bubble._system(Path(sys.executable).resolve()))
    covered = [options[k + 1] for k, one in enumerate(options) if one == "--tmpfs"]
    assert covered == [str(packages.resolve()), str(repository.resolve())]


def test_an_installed_package_is_covered(monkeypatch, tmp_path):
    site = tmp_path / "site-packages"
    (site / "lstm_course").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(site)])
    command = " ".join(bubble._bubblewrap(tmp_path / "copy", 3))
    place = "/packages/0/lstm_course"
    assert f"--ro-bind {site.resolve()} /packages/0 --tmpfs {place} --remount-ro {place}" in command
    assert command.count(str(tmp_path)) == 2  # the packages, and the copy


# What it may not do


CALLS = (
    "os.fork()",
    "os.forkpty()",
    "os.posix_spawn(sys.executable, [sys.executable], {})",
    "subprocess.run([sys.executable, '-c', ''])",
    "socket.socket(socket.AF_INET)",
    "socket.socket(socket.AF_UNIX)",
    "socket.socketpair()",
    "os.memfd_create('name')",
    "os.setuid(0)",
    "os.chroot('/course')",
    "resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))",
    "bytearray(10**9)",
    "mmap.mmap(-1, 10**9)",
    "[open('/dev/null') for _ in range(10**4)]",
)


def test_what_it_may_not_do_fails(package):
    def talk(guest):
        imports = "import mmap, os, resource, socket, subprocess, sys"
        cells = [f"{imports}\n{call}" for call in CALLS]
        return Conversation(guest).answer_to("q", cells)[2]

    _, *remarks = bubble.run(package, talk, BRIEF)
    for k, (call, remark) in enumerate(zip(CALLS, remarks, strict=True), 1):
        assert re.match(rf"Code cell {k} stopped: \w*Error", remark), (call, remark)


def test_each_refused_system_call_fails(package):
    k = list(syscalls.ARCHITECTURES).index(platform.machine())
    numbers = [one[k] for one in syscalls.REFUSED.values() if one[k] is not None]
    code = f"""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    lc.check("q", [(libc.syscall(n, 0, 0, 0, 0, 0), ctypes.get_errno()) for n in {numbers}])
    """
    assert said(package, code) == [(-1, errno.EPERM)] * len(numbers)


def test_threads_work_and_so_does_a_gradient(package):
    code = """
    import threading, torch
    found = []
    thread = threading.Thread(target=lambda: found.append(1))
    thread.start()
    thread.join()
    x = torch.ones(3, requires_grad=True)
    torch.nn.LSTM(3, 2)(x[None, None])[0].sum().backward()
    lc.check("q", [found, bool(x.grad.any())])
    """
    assert said(package, code) == [[1], True]


@pytest.mark.parametrize("machine", syscalls.ARCHITECTURES)
def test_a_filter_ends_in_a_verdict_and_jumps_within_itself(machine):
    content = syscalls.filter_of(machine)
    program = list(struct.iter_unpack("=HBBI", content))
    for k, (code, one, other, value) in enumerate(program):
        if code != syscalls.RETURN:
            assert k + 1 + max(one, other) < len(program)
        elif value == syscalls.ALLOW:
            assert k == len(program) - 1
    assert program[-1][0] == syscalls.RETURN


# How it ends


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("while True: pass", "timed out"),
        ("import time; time.sleep(100)", "timed out"),
        ("import signal; signal.pause()", "timed out"),
        ("import os; os._exit(0)", "crashed"),
        ("import os; os.abort()", "crashed"),
        ("import os; os.kill(os.getpid(), 9)", "crashed"),
        ("import ctypes; ctypes.string_at(0)", "stray access"),
        ("import os\nwhile True: os.write(1, b'x' * 10_000)", "too much output"),
        ("import os\nwhile True: os.write(2, b'x' * 10_000)", "too much output"),
        ("import os\nos.write(2, b'terminate: std::bad_alloc'); os.abort()", "out of memory"),
    ],
)
def test_how_it_ends_is_told(package, code, status):
    limits = Limits(instructions=bubble.A_SECOND, seconds=2.5, output=200_000)
    assert ended(package, code, limits) == status


def test_who_ignores_the_warning_of_the_processor_is_ended_a_second_later(package):
    code = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    began = time.monotonic()
    assert ended(package, code, Limits(instructions=bubble.A_SECOND, seconds=60)) == "crashed"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "message",
    [
        "struct.pack('<I', 2**32 - 1)",
        f"struct.pack('<I', {MOST_BYTES} + 1) + bytes(1000)",
        "struct.pack('<I', 2) + b'[]'",
        "struct.pack('<I', 0)",
        "b'x'",
    ],
)
def test_a_forged_message_ends_it(package, message):
    code = f"""
    import os, struct, time
    for number in range(3, 20):
        try:
            os.write(number, {message})
        except OSError:
            pass
    time.sleep(0.2)
    os._exit(0)
    """
    assert ended(package, code) == "crashed"


def test_it_does_not_outlive_the_talk_or_leave_threads(package):
    before = threading.active_count()
    bubble.run(package, lambda guest: guest.hear(), BRIEF)
    assert threading.active_count() == before
    with pytest.raises(ZeroDivisionError):
        bubble.run(package, lambda guest: 1 / 0, BRIEF)
    assert not processes_with(str(package))


def test_it_does_not_outlive_the_grader(package):
    source = f"""
from pathlib import Path
from lstm_course.grading import bubble
from lstm_course.grading.sandbox import Limits
def talk(guest):
    print(guest.hear()["say"], flush=True)
    guest.reply({{"question": "q", "cells": ["while True: pass"]}}, print)
    guest.hear()
bubble.run(Path({str(package)!r}), talk, Limits())
"""
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as grader:
        assert grader.stdout.readline() == b"ready\n"
        assert processes_with(str(package))
        grader.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while processes_with(str(package)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not processes_with(str(package))


def processes_with(argument):
    """Return the processes of bubblewrap with an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"bwrap") and argument.encode() in words:
            found.append(path)
    return found


# Where it cannot run


@pytest.fixture
def asked_anew():
    bubble._missing.cache_clear()
    yield
    bubble._missing.cache_clear()


@pytest.mark.usefixtures("asked_anew")
def test_what_is_missing_is_said_in_one_sentence(monkeypatch, tmp_path):
    def sentence():
        bubble._missing.cache_clear()
        with pytest.raises(RuntimeError) as error:
            bubble.require("torch")
        return str(error.value)

    failing = tmp_path / "bwrap"
    failing.write_text("#!/bin/sh\necho bwrap: No permissions to create new namespace >&2\nexit 1")
    failing.chmod(failing.stat().st_mode | stat.S_IXUSR)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        assert "it needs PyTorch, which is not installed here." in sentence()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(shutil, "which", lambda name: str(failing))
    assert sentence().endswith("(bwrap: No permissions to create new namespace).")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "apt-get install bubblewrap" in sentence()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert "x86_64 or aarch64" in sentence()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "runs on Linux" in sentence()


def test_it_starts_without_the_grader_s_environment(package, monkeypatch):
    monkeypatch.setitem(os.environ, "A_SECRET", "of the grader")
    code = "import os\nlc.check('q', 'A_SECRET' in os.environ)"
    assert said(package, code) is False
