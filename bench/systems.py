"""The systems that are compared: how their workers are started, and how a poll is submitted to them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

#: Worker processes of every system, as there are cores on a small machine.
PROCESSES = 2
_BIN = Path(sys.executable).parent
_QUIET = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle")


@dataclass(frozen=True, kw_only=True)
class System:
    """One system of the comparison."""

    name: str
    #: Module in `bench.apps` that has its poller.
    app: str
    #: Commands of its worker processes.
    commands: tuple[tuple[str, ...], ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Shortest cadence that it can keep, in seconds.
    finest: float = 0.05
    #: The package that it is made of.
    package: str = "celery"

    @property
    def submit(self) -> Callable[[list[str], float, float], None]:
        """Submit a poll for each URL: urls, cadence and delay of the first attempt in seconds."""
        submit: Callable[[list[str], float, float], None] = import_module(f"bench.apps.{self.app}").submit
        return submit


def _celery(app: str, *arguments: str, count: int = 1) -> tuple[tuple[str, ...], ...]:
    command = (sys.executable, "-m", "celery", "-A", app, "worker", *_QUIET, *arguments)
    return tuple((*command, "--hostname", f"w{number}@bench") for number in range(count))


def _pollers(name: str, *arguments: str, count: int = PROCESSES, **settings: str) -> System:
    return System(
        name=name,
        app="with_pollers",
        commands=_celery("pollers", *arguments, count=count),
        environment=settings,
    )


OURS = _pollers("pollers, default settings")
#: Limits that are kept for every attempt, and that none meets.
LIMITED = _pollers(
    "pollers, with limits", POLLERS_LIMITS=json.dumps({"default": "1000000/s in-flight 10000"})
)
ONE_BY_ONE = _pollers("pollers, one attempt per task", POLLERS_PACK_SIZE="1")
PREFORK = _pollers("pollers, prefork pool", "--pool", "prefork", "--concurrency", str(PROCESSES), count=1)
SINGLE = _pollers("pollers, one process", count=1)
HAND_WRITTEN = System(
    name="hand-written Celery task, self.retry",
    app="handwritten",
    commands=_celery("bench.apps.handwritten", "--pool", "prefork", "--concurrency", str(PROCESSES)),
)
TUNED = System(
    name="the same, with every known tuning",
    app="tuned",
    commands=_celery(
        "bench.apps.tuned", "--pool", "prefork", "--concurrency", str(PROCESSES), "--without-heartbeat"
    ),
)
ARQ = System(
    name="arq, aiohttp",
    app="with_arq",
    package="arq",
    commands=((str(_BIN / "arq"), "bench.apps.with_arq.WorkerSettings"),) * PROCESSES,
)
DRAMATIQ = System(
    name="dramatiq, requests",
    app="with_dramatiq",
    package="dramatiq",
    commands=((str(_BIN / "dramatiq"), "bench.apps.with_dramatiq", "-p", str(PROCESSES), "-t", "8"),),
)
HUEY = System(
    name="huey, requests",
    app="with_huey",
    package="huey",
    commands=(
        (
            *(sys.executable, str(_BIN / "huey_consumer"), "bench.apps.with_huey.huey"),
            *("-k", "thread", "-w", "8", "-s", "1", "-q"),
        ),
    )
    * PROCESSES,
    finest=1.0,
)

#: In the order of the table; ours first.
ALL = (OURS, LIMITED, ONE_BY_ONE, PREFORK, SINGLE, HAND_WRITTEN, TUNED, ARQ, DRAMATIQ, HUEY)

#: Of which only the attempts at full load are of interest.
BRIEFLY = (PREFORK, SINGLE)


def use_redis(url: str) -> None:
    """Point all applications, here and in workers started from here, at a Redis."""
    os.environ["BENCH_REDIS_URL"] = os.environ["POLLERS_REDIS_URL"] = url
    # A load is made of few polls that ask often.
    os.environ["POLLERS_MIN_INTERVAL"] = "10ms"
