"""Real Celery workers in processes of their own, for the system tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]

#: Seconds that a warm shutdown may take. Celery's prefork children wait for half a minute when they got
#: a task just before, because nobody notes their results any more (celery 5.7, billiard 4.3).
STOP_LIMIT = 45


class Worker:
    """A ``celery worker`` process; use as a context manager, or `start` and `stop` it."""

    def __init__(
        self,
        redis_url: str,
        *,
        name: str = "w1",
        app: str = "tests.system.app",
        pool: str = "threads",
        concurrency: int = 4,
        queues: str = "",
        settings: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._log = tempfile.NamedTemporaryFile(mode="w+", suffix=f".{name}.log")  # noqa: SIM115
        self._command = [
            *(sys.executable, "-m", "celery", "-A", app, "worker", "--pool", pool),
            *("--concurrency", str(concurrency), "--hostname", f"{name}@tests"),
            *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            *(("--queues", queues) if queues else ()),
            *arguments,
        ]
        self._environment = {**os.environ, "POLLERS_REDIS_URL": redis_url, **(settings or {})}
        self.process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def launched(self) -> Iterator[None]:
        """Start the process without waiting for it; kill it in the end, if it still runs."""
        self._launch()
        try:
            yield
        finally:
            if self.process.poll() is None:
                self.kill()
            self._log.close()

    def start(self) -> Self:
        """Start the process and wait until it consumes."""
        self._launch()
        wait_until(lambda: " ready." in self.log() or self.process.poll() is not None, 20)
        assert self.process.poll() is None, f"the worker did not start:\n{self.log()}"
        return self

    def stop(self) -> None:
        """Ask for a warm shutdown and wait for the end of the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self._show_log()
                self.kill()
                raise

    def kill(self) -> None:
        """Kill the process group's leader at once, as ``kill -9`` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def _launch(self) -> None:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log
        )

    def log(self) -> str:
        """Return what the worker has printed so far."""
        return Path(self._log.name).read_text(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._show_log()
        self.stop()
        self._log.close()

    def _show_log(self) -> None:
        sys.stderr.write(f"--- log of worker {self.name}:\n{self.log()[-8000:]}\n")
