"""The systems side by side: this one, a poller as its users write it by hand, and a bare loop."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from bench.machine import Redis, Workers, celery_workers
from pollers.settings import Settings
from pollers.spec import PollSpec
from pollers.store import Store, overview

UNTIL = "status == 'completed'"


@dataclass(frozen=True)
class Load:
    """How much is asked for."""

    #: Polls at a time.
    polls: int
    #: Seconds between the attempts of one poll.
    every: float
    #: Seconds before the measurement, for connections and caches.
    warm: float
    #: Seconds of the measurement.
    seconds: float


@dataclass(frozen=True)
class Measurement:
    """What was measured of one system."""

    system: str
    attempts_per_second: float
    #: Milliseconds of CPU of all worker processes, per attempt.
    worker_ms: float
    #: Milliseconds of CPU of Redis, per attempt; None without Redis.
    redis_ms: float | None = None
    #: Lateness in milliseconds; None where it is not known.
    lateness_p50: float | None = None
    lateness_p99: float | None = None


def pollers_system(
    redis: Redis,
    endpoint: str,
    load: Load,
    *,
    name: str,
    pack_size: int,
    pool: str = "threads",
    slots: int = 8,
    limits: Mapping[str, str] | None = None,
) -> Measurement:
    """Measure this system with two worker processes (of the prefork pool: one with two children)."""
    redis.client.flushall()
    store = Store.connect(Settings(redis_url=redis.url, min_interval=0.01))
    environment = {
        "POLLERS_REDIS_URL": redis.url,
        "POLLERS_PACK_SIZE": str(pack_size),
        "POLLERS_MIN_INTERVAL": "0.01",
        **({"POLLERS_LIMITS": json.dumps(limits)} if limits else {}),
    }
    count = 1 if pool == "prefork" else 2
    arguments = ("--pool", pool, "--concurrency", str(slots))
    with celery_workers("pollers", count, environment, *arguments) as workers:
        admit(store, endpoint, load)
        measured = _window(
            name, redis, workers, load, lambda: overview(store).attempts, lambda: _forget_lateness(store)
        )
        seen = overview(store)
    store.client.close()
    return Measurement(
        **{
            **measured.__dict__,
            "lateness_p50": seen.lateness_p50,
            "lateness_p99": seen.lateness_p99,
        }
    )


def admit(store: Store, endpoint: str, load: Load, *, delay: float = 0.0, timeout: float = 3600.0) -> None:
    """Admit the polls of a load, spread over one cadence."""
    for number in range(load.polls):
        spec = PollSpec.parse(
            f"{endpoint}/polls/{number}", until=UNTIL, every=load.every, timeout=timeout, min_interval=0.01
        )
        store.admit(
            f"bench-{number}",
            spec=spec.to_json(),
            span=spec.request_timeout,
            timeout=timeout,
            delay=delay + load.every * number / load.polls,
            origin=spec.origin,
        )


def _forget_lateness(store: Store) -> None:
    fields = [name for name in store.client.hkeys(store.keys.stats) if name.startswith(b"lateness:")]
    if fields:
        store.client.hdel(store.keys.stats, *fields)


def self_retry(redis: Redis, endpoint: str, load: Load) -> Measurement:
    """Measure a task that raises ``self.retry(countdown=...)``, with two prefork processes."""
    from bench import handwritten

    redis.client.flushall()
    handwritten.app.conf.update(broker_url=redis.url, result_backend=redis.url)
    environment = {"BENCH_REDIS_URL": redis.url}
    with celery_workers("bench.handwritten", 1, environment, "--pool", "prefork", "-c", "2") as workers:
        for number in range(load.polls):
            handwritten.poll.delay(f"{endpoint}/polls/{number}", load.every)
        return _window(
            "hand-written Celery task with self.retry, prefork 2",
            redis,
            workers,
            load,
            lambda: int(redis.client.get("bench:attempts") or 0),
        )


def bare_loop(endpoint: str, load: Load) -> Measurement:
    """Measure one process that sends a prepared request in a loop."""
    code = (
        "import sys, time, requests\n"
        "session = requests.Session(); session.trust_env = False\n"
        "request = session.prepare_request(requests.Request('GET', sys.argv[1]))\n"
        "end, count = time.monotonic() + float(sys.argv[2]), 0\n"
        "cpu = time.process_time()\n"
        "while time.monotonic() < end:\n"
        "    session.send(request).json(); count += 1\n"
        "print(count, time.process_time() - cpu)\n"
    )
    command = [sys.executable, "-c", code, f"{endpoint}/polls/0", str(load.seconds)]
    count, cpu = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return Measurement(
        "bare loop of a prepared request, one process",
        int(count) / load.seconds,
        1000 * float(cpu) / int(count),
    )


def _window(
    name: str,
    redis: Redis,
    workers: Workers,
    load: Load,
    attempts: Callable[[], int],
    at_start: Callable[[], None] = lambda: None,
) -> Measurement:
    time.sleep(load.warm)
    at_start()
    began, cpu, redis_cpu, before = time.monotonic(), workers.cpu(), redis.cpu(), attempts()
    time.sleep(load.seconds)
    made = attempts() - before
    if not made:
        raise RuntimeError(f"{name}: no attempt was made within {load.seconds} s")
    return Measurement(
        name,
        made / (time.monotonic() - began),
        1000 * (workers.cpu() - cpu) / made,
        1000 * (redis.cpu() - redis_cpu) / made,
    )


@dataclass(frozen=True)
class Waiting:
    """What many waiting polls cost."""

    polls: int
    #: Bytes of Redis per waiting poll with a spec of 200 bytes.
    redis_bytes: float
    #: Resident bytes of the two workers with no poll, and with all of them waiting.
    workers_before: int
    workers_after: int


def waiting(redis: Redis, polls: int) -> Waiting:
    """Measure memory with many polls that are not due."""
    redis.client.flushall()
    store = Store.connect(Settings(redis_url=redis.url))
    path = "x" * 120
    with celery_workers("pollers", 2, {"POLLERS_REDIS_URL": redis.url}) as workers:
        time.sleep(2)
        before, redis_before = workers.memory(), redis.memory()
        spec = PollSpec.parse(f"http://127.0.0.1/{path}", until=UNTIL, returns="output.url", every=30.0)
        for number in range(polls):
            store.admit(
                f"00000000-0000-4000-8000-{number:012d}",
                spec=spec.to_json(),
                span=10.0,
                timeout=7200.0,
                delay=3600.0,
            )
        time.sleep(2)
        after = Waiting(polls, (redis.memory() - redis_before) / polls, before, workers.memory())
    store.client.close()
    return after


def cores() -> int:
    """Return how many cores there are."""
    return psutil.cpu_count() or 1
