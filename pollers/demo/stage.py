"""Everything that must run for the demo, started in order and stopped in the opposite order."""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pollers import app, overview
from pollers.cli.connection import redis_url
from pollers.cli.processes import FLOWER_PORT, ChildEnded, Children
from pollers.demo.ending import Ending
from pollers.demo.faults import Chance
from pollers.demo.service import Service
from pollers.demo.tasks import QUEUE

#: Not worker-1: a worker of `pollers dev` may be at the same Valkey.
WORKERS = ("demo-1", "demo-2")

#: Two workers that know each other by the store need neither gossip nor mingling.
QUIET = ("--without-gossip", "--without-mingle", "--loglevel=INFO")

#: Time for the workers and Flower to come up, in seconds; a busy machine takes ten.
START_TIMEOUT = 60.0

#: Between two looks whether they are up, in seconds.
LOOK_EVERY = 0.2

#: Time for them to end, in seconds; what still runs then is killed.
STOP_TIMEOUT = 6.0

#: Time that the workers have for one answer, in seconds.
ANSWER_TIMEOUT = 1.0

#: Lines of a log that are shown when its process failed; and of each log when something else did.
TAIL_LINES = 15
SHORT_TAIL_LINES = 4


class Logs:
    """A log file for each child process, whose last lines are remembered."""

    def __init__(self, directory: Path) -> None:
        """Write into `directory`, which is made if need be; logs of an earlier run are replaced."""
        self.directory = directory
        self._tails: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=TAIL_LINES))
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("*.log"):
            old.unlink()

    def __call__(self, name: str, line: str) -> None:
        """Add a line to the log of the process called `name`."""
        self._tails[name].append(line)
        with (self.directory / f"{name}.log").open("a") as log:
            log.write(f"{line}\n")

    def tail(self, error: Exception) -> str:
        """The last lines of the process that `error` speaks of; fewer of each when of none."""
        named = [name for name in self._tails if name in str(error)]
        lines = TAIL_LINES if named else SHORT_TAIL_LINES
        tails = [(name, line) for name in named or self._tails for line in [*self._tails[name]][-lines:]]
        return "".join(f"{name} | {line}\n" for name, line in tails)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What runs, and where."""

    farm: Service
    children: Children
    #: What is to be done when the workers have stopped and Redis still runs.
    afterwards: ExitStack

    @property
    def polls_page(self) -> str:
        """The page of Flower that lists the polls."""
        return f"{self.children.flower_url}/tasks?name=pollers.poll"


@contextmanager
def stage(chance: Chance, *, places: int, logs: Logs, ending: Ending) -> Iterator[Stage]:
    """Start Valkey, the farm, two workers and Flower; yield when all of them answer.

    Raises:
        ChildEnded: A worker or Flower ended, or did not answer within `START_TIMEOUT`.
        PollError: There is no Redis to work with.
        SystemExit: A signal came meanwhile.

    """
    with ExitStack() as stack:
        stack.enter_context(redis_url())
        overview()  # a Redis that cannot be used is told now, rather than by the workers' logs
        farm = stack.enter_context(Service(chance, places=places))
        # The farm is on this machine: no proxy is on the way to it.
        direct = ",".join(filter(None, (os.environ.get("no_proxy"), "127.0.0.1")))
        os.environ.update(no_proxy=direct, NO_PROXY=direct)
        # Its faults are about one tile each: a 429 need not hold the others.
        os.environ.setdefault("POLLERS_HOLD", "poll")
        afterwards = stack.enter_context(ExitStack())
        children = stack.enter_context(Children(logs, stop_within=STOP_TIMEOUT))
        queues = f"--queues={app.conf.task_default_queue},{QUEUE}"
        include = "--include=pollers.demo.tasks"
        for name in WORKERS:
            children.start(name, "worker", f"--hostname={name}@%h", queues, include, *QUIET)
        children.start_flower(FLOWER_PORT)
        for name in WORKERS:
            wait_for(name, children, partial(worker_answers, name), ending)
        wait_for("flower", children, children.flower_answers, ending)
        yield Stage(farm=farm, children=children, afterwards=afterwards)


def wait_for(name: str, children: Children, ready: Callable[[], bool], ending: Ending) -> None:
    """Return when the child is ready; `ChildEnded` when one ended or it is not ready in time."""
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        children.check()
        if time.monotonic() > deadline:
            raise ChildEnded(f"{name} did not answer within {START_TIMEOUT:.0f} s.")
        ending.wait(LOOK_EVERY)


def worker_answers(name: str) -> bool:
    """Whether the worker of this name listens to its queue."""
    replies = app.control.ping(timeout=ANSWER_TIMEOUT) or []
    return any(node.startswith(f"{name}@") for reply in replies for node in reply)
