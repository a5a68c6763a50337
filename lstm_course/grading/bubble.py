"""Where answers run that need PyTorch: a process of this machine, shut in by bubblewrap.

WebAssembly has no PyTorch. On Linux, bubblewrap (`bwrap`) starts a process that sees Python, its
libraries and a reduced copy of the package, all of them read-only: no other file, no network and
no other process. It needs no root rights. The process stays the only one, since the kernel refuses
it the calls that make others (`syscalls`), and it sets its own limits for good before it runs
anything of a learner's (`inside`).
"""

import importlib.util
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

import lstm_course
from lstm_course.grading import syscalls
from lstm_course.grading.sandbox import Guest, Limits
from lstm_course.grading.wire import MOST_BYTES

A_SECOND = 3_000_000_000
"""How many of the instructions in `Limits` a second of processor time stands for."""
LIBRARIES = {"torch": "PyTorch", "triton": "Triton"}
SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "TRITON_INTERPRET": "1",
}
PROGRAM = "from lstm_course.grading import inside; inside.serve({seconds}, {memory})"
OUT_OF_MEMORY = rb"MemoryError|bad_alloc|not enough memory"
SECONDS_TO_START = 30.0


def require(*libraries: str) -> None:
    """Say in one sentence what is missing to run answers that import these libraries.

    Raises
    ------
    RuntimeError
        A library is missing, or bubblewrap, or it does not run here.
    """
    if missing := _missing(*libraries):
        raise RuntimeError(f"This question was not graded: it needs {missing}.")


@cache
def _missing(*libraries: str) -> str:
    for name in libraries:
        if importlib.util.find_spec(name) is None:
            return f"{LIBRARIES[name]}, which is not installed here"
    if not sys.platform.startswith("linux") or not syscalls.is_known():
        return "bubblewrap, which runs on Linux (x86_64 or aarch64)"
    if shutil.which("bwrap") is None:
        return "bubblewrap, which is not installed here (on Debian, apt-get install bubblewrap)"
    said = b""
    with (
        tempfile.TemporaryDirectory() as folder,
        _started(Path(folder), "") as process,
        suppress(subprocess.TimeoutExpired),
    ):
        _, said = process.communicate(timeout=SECONDS_TO_START)
        if process.returncode == 0:
            return ""
    reason = (said.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
    return f"bubblewrap, which does not run here ({reason[:200]})"


def run(folder: Path, talk: Callable[[Guest], Any], limits: Limits) -> Any:
    """Run a guest with a copy of the package, and talk to it in a thread.

    Parameters
    ----------
    folder
        Holds the package as `course.write` has written it.
    talk
        Called with the Guest in a thread of its own. When it returns, the guest is stopped.
    limits
        What the guest may use once it has imported PyTorch. A second of processor time stands for
        three billion instructions.

    Returns
    -------
    What `talk` returns.

    Raises
    ------
    Ended
        The guest has ended while `talk` was waiting for it.

    Examples
    --------
    >>> from lstm_course.grading import course
    >>> def first_words(guest):
    ...     return guest.hear()["say"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     course.write(Path(folder), [])
    ...     run(Path(folder), first_words, Limits())  # doctest: +SKIP
    'ready'
    """
    guest = Guest()
    return guest.meet(talk, lambda: _run(folder, guest, limits))


def _run(folder: Path, guest: Guest, limits: Limits) -> str:
    """Hand messages on between a new guest and the grader's thread; return how it has ended."""
    program = PROGRAM.format(seconds=limits.instructions / A_SECOND, memory=limits.memory)
    reasons: list[str] = []  # why the grader has ended it
    ready = threading.Event()
    with _started(folder, program) as process:
        assert process.stderr is not None
        printed = _Printed(process.stderr, limits.output)

        def watch() -> None:
            ready.wait(SECONDS_TO_START)
            if not guest.stop.wait(limits.seconds):
                reasons.append("timed out")
            process.kill()

        def read() -> None:
            if not printed.read():
                reasons.append("too much output")
                process.kill()

        threads = [threading.Thread(target=one, daemon=True) for one in (watch, read)]
        for thread in threads:
            thread.start()
        _carry(process, guest, ready)
        process.wait()
        ready.set()
        guest.stop.set()
        for thread in threads:
            thread.join()
    return reasons[0] if reasons else _status(process.returncode, printed.last)


def _carry(process: "subprocess.Popen[bytes]", guest: Guest, ready: threading.Event) -> None:
    """Hand messages on until the guest ends; end it if what it sends is no message."""
    source, sink = process.stdout, process.stdin
    assert source is not None
    assert sink is not None
    with suppress(OSError):
        while len(head := source.read(4)) == 4:
            (length,) = struct.unpack("<I", head)
            message = source.read(length) if length <= MOST_BYTES else b""
            if len(message) != length:
                break
            ready.set()
            reply = guest._door(message)
            sink.write(struct.pack("<I", len(reply)) + reply)
            sink.flush()
        else:
            return
    process.kill()


class _Printed:
    """Reads what a guest prints, up to a limit, and keeps the end of it."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most, self.last = stream, most, b""

    def read(self) -> bool:
        """Read until the stream ends; return False if there was too much."""
        count = 0
        while text := os.read(self._stream.fileno(), 1 << 16):
            count += len(text)
            self.last = (self.last + text)[-4000:]
            if count > self._most:
                return False
        return True


def _status(code: int, printed: bytes) -> str:
    """Return in the grader's words how a guest has ended by itself."""
    ended_by = code - 128  # as shells do, bubblewrap adds 128 to the signal's number
    if ended_by == signal.SIGXCPU:
        return "timed out"
    if ended_by in (signal.SIGSEGV, signal.SIGBUS):
        return "stray access"
    return "out of memory" if re.search(OUT_OF_MEMORY, printed) else "crashed"


@contextmanager
def _started(folder: Path, program: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Start Python in bubblewrap on a program, with a folder as /course; end it afterwards."""
    with tempfile.TemporaryFile() as refused:
        refused.write(syscalls.filter_of(platform.machine()))
        refused.seek(0)
        process = subprocess.Popen(
            [*_bubblewrap(folder, refused.fileno()), "-S", "-B", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            pass_fds=[refused.fileno()],
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):  # of what was not read any more
                pipe.close()  # type: ignore[union-attr]


def _bubblewrap(folder: Path, refused: int) -> list[str]:
    """Return the command up to Python: what it sees, and what it is cut off from."""
    python = Path(sys.executable).resolve()
    sites = [
        path
        for path in dict.fromkeys(Path(one).resolve() for one in sys.path)
        if path.name in ("site-packages", "dist-packages")
    ]
    shown = {f"/packages/{k}": path for k, path in enumerate(sites)}
    command = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user"]
    command += ["--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", "sandbox"]
    command += ["--die-with-parent", "--new-session", "--seccomp", str(refused), "--clearenv"]
    path = os.pathsep.join(["/course", *shown])
    for name, value in {**ENVIRONMENT, "PYTHONPATH": path}.items():
        command += ["--setenv", name, value]
    command += [*_system(python), "--dev", "/dev"]
    for name, site in shown.items():
        command += ["--ro-bind", str(site), name]
        if (site / "lstm_course").is_dir():  # the package itself, with its solutions
            command += _empty(f"{name}/lstm_course")
    command += ["--ro-bind", str(folder), "/course", "--chdir", "/course"]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", str(python)]


def _system(python: Path) -> Iterator[str]:
    """Return options that show Python and the libraries of the system, but no packages."""
    base = Path(sys.base_prefix).resolve()
    shown = dict.fromkeys([*map(Path, SYSTEM), base / "lib", base / "lib64", python])
    for path in shown:
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        else:
            yield from ("--ro-bind-try", str(path), str(path))
    repository = Path(lstm_course.__file__).resolve().parent.parent
    for hidden in (*base.glob("lib*/python3*/*-packages"), repository):
        if any(path in hidden.parents for path in shown):
            yield from _empty(str(hidden))


def _empty(path: str) -> list[str]:
    """Return options that put an empty folder in the place of another."""
    return ["--tmpfs", path, "--remount-ro", path]
