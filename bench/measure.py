"""What is measured of a system: saturated, at half of that load, and with polls that only wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.endpoint import Endpoint
from bench.machine import Redis, running
from bench.systems import System


@dataclass(frozen=True)
class Extent:
    """How long and how much is measured."""

    #: Polls that ask for more than any system can do, and their cadence in seconds.
    polls: int
    every: float
    #: Seconds before each measurement, for connections and caches, and of the measurement.
    warm: float
    seconds: float
    #: Polls that only wait.
    waiting: int
    #: Seconds that workers have to start before the first poll comes.
    start: float
    #: Seconds that memory has to settle before it is read.
    settle: float


FULL = Extent(polls=2000, every=0.4, warm=2, seconds=7, waiting=5_000, start=4, settle=2)
#: For systems that are compared in several rounds.
SHORT = replace(FULL, warm=1, seconds=4, start=2)
TINY = Extent(polls=50, every=0.2, warm=0, seconds=0.5, waiting=50, start=0, settle=0)
#: Seconds that the first attempt may take from the start of a system's workers.
FIRST = 40.0


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured of one system; None where there is no such thing."""

    system: str
    attempts_per_second: float
    #: CPU of all worker processes per attempt, in ms.
    worker_ms: float
    #: CPU of Redis per attempt, in ms.
    redis_ms: float | None = None
    #: Commands that clients sent to Redis, per attempt.
    redis_commands: float | None = None
    #: Lateness at half load, in ms, as the endpoint sees it.
    lateness_p50: float | None = None
    lateness_p99: float | None = None
    #: CPU of all worker processes per attempt at half load, in ms.
    half_load_ms: float | None = None
    #: Submissions a second of one process.
    submissions_per_second: float | None = None
    #: Bytes of Redis, and of all workers, per waiting poll.
    waiting_redis_bytes: float | None = None
    waiting_worker_bytes: float | None = None
    #: Seconds of a warm shutdown with so many polls waiting.
    shutdown_s: float | None = None


def measure(
    system: System, redis: Redis, endpoint: Endpoint, extent: Extent, *, only_saturated: bool = False
) -> Measurement:
    """Measure one system, from an empty Redis."""
    saturated = _attempts(system, redis, endpoint, extent, extent.polls, max(extent.every, system.finest))
    attempts = Measurement(
        system=system.name,
        attempts_per_second=saturated.rate,
        worker_ms=saturated.worker_ms,
        redis_ms=saturated.redis_ms,
        redis_commands=saturated.redis_commands,
    )
    if only_saturated:
        return attempts
    half_cadence = max(1.0, system.finest)
    half_polls = max(10, round(saturated.rate * half_cadence / 2))
    half = _attempts(system, redis, endpoint, extent, half_polls, half_cadence)
    waiting = _waiting(system, redis, endpoint, extent)
    return replace(
        attempts,
        lateness_p50=_quantile(half.lateness, 0.50),
        lateness_p99=_quantile(half.lateness, 0.99),
        half_load_ms=half.worker_ms,
        submissions_per_second=waiting.submissions_per_second,
        waiting_redis_bytes=waiting.redis_bytes,
        waiting_worker_bytes=waiting.worker_bytes,
        shutdown_s=waiting.shutdown_s,
    )


def in_turns(
    systems: Sequence[System], redis: Redis, endpoint: Endpoint, extent: Extent, rounds: int
) -> dict[str, float]:
    """Return the worker CPU per attempt of each system by its name, in ms: the median of several rounds.

    What differs by a few percent is less than what two runs of one system differ by, on a machine of others.
    """
    found: dict[str, list[float]] = {system.name: [] for system in systems}
    for _ in range(rounds):
        for system in systems:
            one = measure(system, redis, endpoint, extent, only_saturated=True)
            found[system.name].append(one.worker_ms)
    return {name: median(figures) for name, figures in found.items()}


@dataclass(frozen=True)
class _Attempts:
    rate: float
    worker_ms: float
    redis_ms: float
    redis_commands: float
    #: In ms, sorted.
    lateness: list[float]


def _attempts(
    system: System, redis: Redis, endpoint: Endpoint, extent: Extent, polls: int, every: float
) -> _Attempts:
    redis.client.flushall()
    with running(system, extent.start) as workers:
        submitted = time.monotonic()
        for number in range(polls):
            # Spread over one cadence, as polls of a real application are.
            system.submit([endpoint.url(number)], every, every * number / polls)
        _wait_for_the_first(system, endpoint, submitted)
        time.sleep(extent.warm + every)
        redis.client.config_resetstat()
        began, cpu, redis_cpu = time.monotonic(), workers.cpu(), redis.cpu()
        time.sleep(extent.seconds)
        ended, cpu_after, redis_after = time.monotonic(), workers.cpu(), redis.cpu()
        commands = redis.commands_of_clients()
        arrivals = endpoint.arrivals(began - 2 * every - 1, ended)
    made = sum(began <= at < ended for _, at in arrivals)
    if not made:
        raise RuntimeError(f"{system.name}: no attempt was made within {extent.seconds} s")
    return _Attempts(
        rate=made / (ended - began),
        worker_ms=1000 * (cpu_after - cpu) / made,
        redis_ms=1000 * (redis_after - redis_cpu) / made,
        redis_commands=commands / made,
        lateness=_lateness(arrivals, every, began),
    )


def _wait_for_the_first(system: System, endpoint: Endpoint, since: float) -> None:
    while not endpoint.arrivals(since, time.monotonic()):
        if time.monotonic() - since > FIRST:
            raise RuntimeError(f"{system.name}: no attempt was made within {FIRST:.0f} s")
        time.sleep(0.1)


def _lateness(arrivals: list[tuple[int, float]], every: float, since: float) -> list[float]:
    """Return by how much more than the cadence attempts of one poll are apart, in ms, sorted."""
    last: dict[int, float] = {}
    late = []
    for poll, at in arrivals:
        if at >= since and poll in last:
            late.append(1000 * (at - last[poll] - every))
        last[poll] = at
    return sorted(late)


def _quantile(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


@dataclass(frozen=True)
class _Waiting:
    submissions_per_second: float
    redis_bytes: float
    worker_bytes: float
    shutdown_s: float


def _waiting(system: System, redis: Redis, endpoint: Endpoint, extent: Extent) -> _Waiting:
    redis.client.flushall()
    # Some systems hold what waits in the connection that submits; that is not theirs to keep.
    urls = [f"{endpoint.url(number)}/{'x' * 80}" for number in range(extent.waiting)]
    with running(system, extent.start) as workers:
        system.submit([endpoint.url(0)], 3600.0, 3600.0)
        time.sleep(min(1, extent.settle))
        memory, redis_memory = workers.memory(), redis.memory()
        began = time.monotonic()
        system.submit(urls, 3600.0, 3600.0)
        rate = len(urls) / (time.monotonic() - began)
        time.sleep(extent.settle)
        result = _Waiting(
            rate,
            (redis.memory() - redis_memory) / len(urls),
            max(0, workers.memory() - memory) / len(urls),
            0.0,
        )
        shutdown = workers.stop()
    return _Waiting(*(result.submissions_per_second, result.redis_bytes, result.worker_bytes), shutdown)


def bare(name: str, code: str, endpoint: Endpoint, extent: Extent, run: Callable[..., str]) -> Measurement:
    """Measure a program that asks in a loop and prints how often, and its CPU seconds."""
    count, cpu = run(code, endpoint.url(0), str(extent.seconds)).split()
    return Measurement(
        system=name, attempts_per_second=int(count) / extent.seconds, worker_ms=1000 * float(cpu) / int(count)
    )
