"""Child processes of `pollers dev` and the demo: started together, read line by line, stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import requests

from pollers.errors import PollError

#: Signals that end the parent. While it stops its children, they only make it hurry.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What makes Flower show polls well.
FLOWER_CONFIG = files("pollers.flower") / "config.py"
#: Flower's usual port, and how many from the first on are tried.
FLOWER_PORT = 5555
FLOWER_PORTS = 100
#: Seconds that Flower has for one answer.
ANSWER_TIMEOUT = 1.0
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
        #: Flower's port and arguments.
        self._flower: tuple[int, tuple[str, ...]] | None = None

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

    def start_flower(self, first_port: int, *arguments: str) -> None:
        """Start Flower for this machine only, on the first free port from ``first_port`` on.

        It has the shipped configuration, or that of the directory.

        Raises:
            ChildEnded: None of `FLOWER_PORTS` ports is free.

        """
        port = _free_port(first_port)
        self._flower = port, arguments
        if not Path("flowerconfig.py").exists():
            arguments = (f"--conf={FLOWER_CONFIG}", *arguments)
        self.start("flower", "flower", "--address=127.0.0.1", f"--port={port}", *arguments)

    @property
    def flower_url(self) -> str:
        """Where Flower listens, once it answers; empty when it was not started."""
        return f"http://127.0.0.1:{self._flower[0]}" if self._flower else ""

    def flower_answers(self) -> bool:
        """Whether Flower serves its pages."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.get(f"{self.flower_url}/healthcheck", timeout=ANSWER_TIMEOUT).ok
            except requests.RequestException:
                return False

    def check(self) -> None:
        """Raise `ChildEnded` when one of them has ended."""
        for name, child in [*self._children.items()]:
            if child.poll() is None:
                continue
            if name == "flower" and self._flower and not _is_free(self._flower[0]):
                # Its port was free, and somebody was quicker.
                _let_go(child)
                port, arguments = self._flower
                self.start_flower(port + 1, *arguments)
            else:
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
            for child in self._children.values():
                _let_go(child)
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
        with output:
            for line in output:
                self._say(name, line.decode(errors="replace").rstrip())


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Close the leash of a child that has ended."""
    if child.stdin:
        child.stdin.close()


def _free_port(first: int) -> int:
    """Return the first port from ``first`` on that nobody listens on."""
    for port in range(first, min(first + FLOWER_PORTS, 65_536)):
        if _is_free(port):
            return port
    raise ChildEnded(f"No port is free for Flower from {first} on.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
