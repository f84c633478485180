"""The `pollers` command as its users run it: in processes of its own, at a pipe or at a terminal."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "pollers.cli")
#: Seconds that any command may take before it counts as hanging.
PATIENCE = 40.0

#: Makes the standard input the terminal of the process that it becomes, as a shell does.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclasses.dataclass(frozen=True)
class Ended:
    """What is left of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return what it printed as JSON: one line, one value."""
        assert len(self.out.splitlines()) == 1, self.out
        return json.loads(self.out)


class Commands:
    """Runs commands in one directory, with one environment."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        hidden = ("POLLERS_", "CELERY_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environment = {
            **inherited,
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
            # Where an embedded Valkey would be.
            "XDG_STATE_HOME": str(directory / "state"),
            **environment,
        }

    def __call__(self, *arguments: str, stdin: str = "") -> Ended:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.directory,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return self._checked(Ended(done.returncode, done.stdout, done.stderr))

    def start(self, *arguments: str) -> Running:
        """Start a command that is to be ended by a signal."""
        return Running([*COMMAND, *arguments], self.directory, self.environment)

    def at_terminal(self, *arguments: str, lines: int = 24, columns: int = 80) -> Terminal:
        """Start a command at a terminal of its own."""
        command = [sys.executable, "-c", _TAKE_TERMINAL, *COMMAND, *arguments]
        return Terminal(command, self.directory, {**self.environment, "TERM": "xterm"}, (lines, columns))

    @staticmethod
    def _checked(ended: Ended) -> Ended:
        assert "Traceback" not in ended.err + ended.out, ended.err
        return ended


class Running:
    """A command under way; its lines can be read while it runs."""

    def __init__(self, command: list[str], directory: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._texts = {"out": "", "err": ""}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._texts["out"]

    @property
    def err(self) -> str:
        """What it has said so far on stderr."""
        return self._texts["err"]

    def end(self, number: int = signal.SIGINT) -> Ended:
        """Send it a signal and wait for its end."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> Ended:
        """Wait for its end."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(5)
        return Commands._checked(Ended(code, self.out, self.err))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            sys.stdout.write(f"--- stdout:\n{self.out}\n--- stderr:\n{self.err}\n")
        if self.process.poll() is None:
            # What it has started ends with it.
            self.process.kill()
            self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, name: str, stream: Any) -> None:
        for line in stream:
            self._texts[name] += line


class Terminal:
    """A command at a terminal: what it draws, the keys it gets, and how it leaves the terminal."""

    def __init__(
        self,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str],
        size: tuple[int, int],
    ) -> None:
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, size)
        self.before = termios.tcgetattr(self._theirs)
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )
        self._drawn = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def drawn(self) -> str:
        """Everything that was drawn so far, escape sequences included."""
        return self._drawn.decode(errors="replace")

    def type(self, keys: str) -> None:
        """Press keys; ``\\x03`` is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def wait(self) -> int:
        """Wait for the end of the command; return its exit code."""
        return self.process.wait(PATIENCE)

    @property
    def as_before(self) -> bool:
        """Whether the terminal is set as it was before the command."""
        return termios.tcgetattr(self._theirs) == self.before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            sys.stdout.write(f"--- terminal:\n{self.drawn!r}\n")
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._theirs)
        self._reader.join(5)
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._ours, 4096)
            except OSError:
                return
            if not piece:
                return
            self._drawn += piece
