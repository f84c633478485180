"""What is measured of this system alone: many waiting polls, slow endpoints, imports."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.machine import START, Redis, Workers, running
from bench.systems import OURS
from pollers import Overview, app, overview, poll
from pollers.runtime import runtime_of

UNTIL = "status == 'completed'"
#: Polls of slow endpoints, their cadence, and how long an endpoint takes, in seconds.
SLOW_POLLS, SLOW_CADENCE, SLOW_ANSWER = 500, 5.0, 1.0
#: Single submissions to a round.
SUBMITTED = 300
#: Share of the endpoints that hang, in the mix.
HANGING = 0.05


@dataclass(frozen=True, kw_only=True)
class Many:
    """What many waiting polls cost."""

    polls: int
    submitted_per_second: float
    redis_bytes: float
    #: Bytes that both workers use more than without any.
    worker_bytes: int
    #: Microseconds of one `dispatch` when nothing is due, with 1,000 and with all of them.
    dispatch_few_us: float
    dispatch_many_us: float


def many_waiting(redis: Redis, polls: int, *, start: float = START) -> Many:
    """Submit many polls that are not due, with workers running."""
    redis.client.flushall()
    store = runtime_of(app).store
    with running(OURS, start) as workers:
        _submit(1_000, 0)
        few = _dispatch_us(store)
        memory, before = _settled_memory(workers), redis.memory()
        began = time.monotonic()
        _submit(polls, 1_000)
        rate = polls / (time.monotonic() - began)
        after = redis.memory()
        return Many(
            polls=polls,
            submitted_per_second=rate,
            redis_bytes=(after - before) / polls,
            worker_bytes=_settled_memory(workers) - memory,
            dispatch_few_us=few,
            dispatch_many_us=_dispatch_us(store),
        )


def _submit(count: int, first: int) -> None:
    # A spec of about 200 bytes; in parts, as what is submitted is kept until it is returned.
    for start in range(first, first + count, 50_000):
        urls = [
            f"http://127.0.0.1/{'x' * 90}/{number}"
            for number in range(start, min(start + 50_000, first + count))
        ]
        poll.submit_many(
            urls, until=UNTIL, returns="output.url", every=30, timeout="2h", options={"countdown": 3600}
        )


def _settled_memory(workers: Workers) -> int:
    time.sleep(3)
    return workers.memory()


def _dispatch_us(store: object) -> float:
    """Return the median time of a call by a worker that consumes no queue, in Redis and on the way."""
    times = []
    for number in range(200):
        began = time.perf_counter()
        store.dispatch("bench", f"bench.{number}", {"": False})  # type: ignore[attr-defined]
        times.append(time.perf_counter() - began)
    return 1e6 * statistics.median(times)


@dataclass(frozen=True, kw_only=True)
class Slow:
    """Lateness in ms while endpoints are slow."""

    name: str
    lateness_p50: float
    lateness_p99: float


def slow_endpoints(
    redis: Redis, seconds: float, *, warm: float = 2 * SLOW_CADENCE, start: float = START
) -> Iterator[Slow]:
    """Measure 500 polls at a cadence of 5 s whose endpoints take 1 s; then with some that hang."""
    kinds: dict[str, Callable[[int], bool]] = {
        "endpoints that take 1 s": lambda number: False,
        "the same, and 5 % that hang until the timeout": lambda number: number % 20 == 0,
    }
    for name, hangs in kinds.items():
        yield _slow(redis, (start, warm, seconds), name, hangs)


def _slow(redis: Redis, times: tuple[float, float, float], name: str, hangs: Callable[[int], bool]) -> Slow:
    start, warm, seconds = times
    redis.client.flushall()
    with _slow_server() as url, running(OURS, start):
        for number in range(SLOW_POLLS):
            path = "hang" if hangs(number) else "slow"
            poll.apply_async(
                (f"{url}/{path}/{number}",),
                {"until": UNTIL, "every": SLOW_CADENCE, "timeout": "1h", "request_timeout": 10},
                countdown=SLOW_CADENCE * number / SLOW_POLLS,
            )
        time.sleep(warm)
        _forget_lateness()
        time.sleep(seconds)
        seen: Overview = overview()
    return Slow(name=name, lateness_p50=seen.lateness_p50, lateness_p99=seen.lateness_p99)


def _forget_lateness() -> None:
    store = runtime_of(app).store
    fields = [name for name in store.client.hkeys(store.keys.stats) if name.startswith(b"lateness:")]
    if fields:
        store.client.hdel(store.keys.stats, *fields)


@contextmanager
def _slow_server() -> Iterator[str]:
    """Serve answers that take a second, and some that never come."""
    ready, port = threading.Event(), 0
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"status": "running"}'
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(3600 if b"/hang/" in head else SLOW_ANSWER)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    async def serve() -> None:
        nonlocal port
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ready.set()

    async def leave() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    starting = asyncio.run_coroutine_threadsafe(serve(), loop)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        starting.cancel()
        asyncio.run_coroutine_threadsafe(leave(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)


def single_submissions(redis: Redis, rounds: int) -> dict[str, float]:
    """Return the best rate of `delay` a second, and of that of a stock Celery task, in turns."""
    from bench.apps import handwritten  # reads where Redis is

    redis.client.flushall()
    url = "http://127.0.0.1/operations/1"
    calls: dict[str, Callable[[], object]] = {
        "poll.delay": lambda: poll.delay(url, until=UNTIL, every=30, timeout="2h"),
        "Celery's own": lambda: handwritten.poll.delay(url, 30.0),
    }
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(SUBMITTED):
                call()
            rates[name].append(SUBMITTED / (time.perf_counter() - began))
    return {name: max(found) for name, found in rates.items()}


def import_times(runs: int) -> dict[str, float]:
    """Return the least seconds of starting Python and importing, and of both `--help`s, in turns."""
    commands = {
        "from celery import Celery": [sys.executable, "-c", "from celery import Celery"],
        "from pollers import poll": [sys.executable, "-c", "from pollers import poll"],
        "celery --help": [sys.executable, "-m", "celery", "--help"],
        "pollers --help": [sys.executable, "-m", "pollers.cli", "--help"],
    }
    times = [{name: _seconds(command) for name, command in commands.items()} for _ in range(runs)]
    return {name: min(one[name] for one in times) for name in commands}


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
