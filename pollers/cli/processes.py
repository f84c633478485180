"""Child processes of `pollers dev`: started together, read line by line, stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pollers.errors import PollError

#: Signals that end the parent. While it stops its children, they only make it hurry.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What makes Flower show polls well.
FLOWER_CONFIG = files("pollers.flower") / "config.py"
#: Seconds that a killed child's last lines are waited for.
READ_TIMEOUT = 1.0


class ChildEnded(PollError):
    """A process that should run until it is stopped has ended by itself."""


class Children:
    """Celery processes that live no longer than this context.

    Each is in a session of its own, so that the terminal's Ctrl-C reaches the parent only, which
    stops them in order; and each is on a leash (`pollers.cli.leashed`), so that it ends as well
    when the parent was killed and cannot stop it.
    """

    def __init__(self, say: Callable[[str, str], None], *, stop_within: float) -> None:
        """``say`` gets each line of output with the child's name; ``stop_within`` is in seconds."""
        self._say = say
        self._stop_within = stop_within
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._readers: list[threading.Thread] = []

    def start(self, name: str, *arguments: str) -> None:
        """Start ``celery -A pollers ARGUMENTS``."""
        child = subprocess.Popen(
            [sys.executable, "-m", "pollers.cli.leashed", "-q", "-A", "pollers", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._children[name] = child
        reader = threading.Thread(target=self._read, args=(name, child.stdout), daemon=True)
        self._readers.append(reader)
        reader.start()

    def start_flower(self, port: int, *arguments: str) -> None:
        """Start Flower for this machine only, with the shipped configuration or that of the directory."""
        if not Path("flowerconfig.py").exists():
            arguments = (f"--conf={FLOWER_CONFIG}", *arguments)
        self.start("flower", "flower", "--address=127.0.0.1", f"--port={port}", *arguments)

    def check(self) -> None:
        """Raise `ChildEnded` when one of them has ended."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise ChildEnded(f"{name} has ended with exit code {child.returncode}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ask all of them to end, and kill those that do not; another signal kills at once."""
        if self._children:
            self._say("pollers", "stopping ...")
        deadline = time.monotonic() + self._stop_within

        def hurry(*_: object) -> None:
            nonlocal deadline
            deadline = 0.0

        before = {number: signal.signal(number, hurry) for number in ENDING}
        try:
            for child in self._children.values():
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
            while any(child.poll() is None for child in self._children.values()):
                if time.monotonic() >= deadline:
                    self._kill()
                    break
                time.sleep(0.02)
            for reader in self._readers:
                reader.join(READ_TIMEOUT)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _kill(self) -> None:
        for child in self._children.values():
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def _read(self, name: str, output: IO[bytes]) -> None:
        for line in output:
            self._say(name, line.decode(errors="replace").rstrip())
