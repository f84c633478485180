"""Load for minutes, with a kill -9 each minute: the account, memory and lateness over time. `make soak`."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import click
import matplotlib as mpl
import psutil

from pollers import overview
from pollers.runtime import runtime_of
from pollers.spec import PollSpec
from pollers.store import Submission
from tests.chaos.world import World
from tests.endpoints import Reply
from tests.waiting import wait_until

mpl.use("svg")
from matplotlib import pyplot  # after the choice of its backend

DOCS = Path(__file__).parents[2] / "docs"
WAITING = 100_000
#: So many polls at this cadence, in seconds, are 300 attempts a second.
ACTIVE, CADENCE = 1_500, 5.0
WORKERS = 2
KILL_EVERY = 60.0
LOOK_EVERY = 5.0


@dataclass
class Course:
    """What was seen over time."""

    seconds: list[float] = field(default_factory=list)
    workers_mb: list[float] = field(default_factory=list)
    redis_mb: list[float] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
def main(minutes: float) -> None:
    """Keep 100,000 polls waiting and 300 attempts a second going, and kill a worker each minute."""
    os.environ["POLLERS_ATTEMPT_EVENTS"] = "20"
    with World() as world:
        world.settings |= {"POLLERS_LEASE": "5s", "POLLERS_CONCURRENCY": "200"}
        world.start_workers(*(f"w{number}" for number in range(WORKERS)))
        admit_waiting(world)
        results = submit_active(world)
        click.echo(f"{WAITING:,} polls wait, {ACTIVE:,} are attempted every {CADENCE:g} s.")
        course = run(world, minutes * 60)
        for path in results:
            world.endpoint.script(path, Reply(body={"status": "completed", "name": path}))
        for path, result in results.items():
            assert result.get(timeout=60) == path, f"{path} got another's value"
        wait_until(lambda: world.redis.hlen("{pollers}:polls") == WAITING, 30)
        text = account(world, results, course)
        click.echo(text)
        if minutes >= 10:
            (DOCS / "soak-numbers.md").write_text(text + "\n")
            plot(course, DOCS / "images" / "soak.svg")


def admit_waiting(world: World) -> None:
    """Admit the polls that only wait."""
    store = runtime_of(world.client).store
    spec = PollSpec.parse(world.endpoint.url("/waiting"), until="status == 'completed'").to_json()
    for number in range(WAITING):
        poll_id = f"waiting-{number:06d}"
        store.admit(Submission(poll_id, spec=spec, span=10.0, timeout=36_000.0, delay=18_000.0))


def submit_active(world: World) -> dict[str, object]:
    """Submit the polls that are attempted all the time, spread over one cadence."""
    task, results = world.client.tasks["pollers.poll"], {}
    for number in range(ACTIVE):
        path = f"/active/{number}"
        url = world.endpoint.script(path, Reply(body={"status": "running"}))
        results[path] = task.apply_async(
            (url,),
            {
                "until": "status == 'completed'",
                "returns": "name",
                "every": CADENCE,
                "timeout": "2h",
                "request_timeout": 2,
            },
            countdown=CADENCE * number / ACTIVE,
        )
    return results


def run(world: World, seconds: float) -> Course:
    """Look on for so long, and kill a worker each minute."""
    course, started, killed = Course(), time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        course.seconds.append(elapsed)
        pids = [worker.process.pid for worker in world.workers if worker.process is not None]
        course.workers_mb.append(sum(map(resident, pids)))
        course.redis_mb.append(world.redis.info("memory")["used_memory"] / 1e6)
        course.attempts.append(world.stats()["settled"])
        if elapsed > KILL_EVERY * (killed + 1):
            killed += 1
            os.kill(random.choice(pids), signal.SIGKILL)
        threading.Event().wait(LOOK_EVERY)
    return course


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB; 0 when it has just died."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def account(world: World, results: dict[str, object], course: Course) -> str:
    """Return what came of it, in sentences."""
    stats, seen = world.stats(), overview(world.client)
    gaps = sorted(
        later.at - earlier.at
        for path in results
        for earlier, later in pairwise(world.endpoint.arrivals(path))
    )
    attempts = sum(len(world.endpoint.arrivals(path)) for path in results)
    rate = (course.attempts[-1] - course.attempts[0]) / (course.seconds[-1] - course.seconds[0])
    minutes, killed = course.seconds[-1] / 60, len(world.deaths)
    redis, workers = course.redis_mb, course.workers_mb
    return f"""\
- {minutes:.0f} minutes, {killed} workers killed, {rate:.0f} attempts a second.
- All {len(results):,} active polls ended with their own value; {WAITING:,} still wait. None is missing.
- {attempts:,} requests arrived; {stats["crashed"]:,} attempts died with their workers and were made again.
- Lateness: p50 {seen.lateness_p50:.0f} ms, p99 {seen.lateness_p99:.0f} ms.
- Between two attempts of a poll, at a cadence of {CADENCE:g} s: median {gaps[len(gaps) // 2]:.2f} s,
  longest {gaps[-1]:.1f} s.
- Redis: {redis[0]:.0f} MB at the beginning, {redis[-1]:.0f} MB at the end; both workers together:
  {workers[0]:.0f} MB and {workers[-1]:.0f} MB."""


def plot(course: Course, target: Path) -> None:
    """Draw memory and attempts over time."""
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 5))
    minutes = [seconds / 60 for seconds in course.seconds]
    above.plot(minutes, course.redis_mb, label="Redis")
    above.plot(minutes, course.workers_mb, label="both workers")
    above.set(ylabel="memory in MB", ylim=(0, None))
    above.legend(loc="lower right")
    rates = [
        (after - before) / (late - early)
        for (before, after), (early, late) in zip(
            pairwise(course.attempts), pairwise(course.seconds), strict=True
        )
    ]
    below.plot(minutes[1:], rates)
    below.set(ylabel="attempts a second", xlabel="minutes; a worker is killed in each", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
