"""A development set-up: a Redis, workers and Flower, their output mixed line by line."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import click
import redis

from pollers import app
from pollers.cli.connection import names_a_redis, redis_url
from pollers.cli.processes import ChildEnded, Children
from pollers.redaction import redact_url
from pollers.runtime import runtime_of
from pollers.store.listing import count_workers

#: Seconds between two looks whether all of it runs.
LOOK_EVERY = 0.25
#: Seconds that the children have to end by themselves. Attempts that take longer are made again by
#: the next worker, once their lease has run out.
STOP_TIMEOUT = 5.0

_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")


def develop(*, workers: int, flower_port: int, loglevel: str) -> None:
    """Run everything until KeyboardInterrupt, or until a part of it ends.

    Raises:
        ChildEnded: A worker, Flower or the embedded Valkey has ended by itself.
        PollError: There is no Redis to work with.

    """
    say = Printer([*(f"worker-{number + 1}" for number in range(workers)), "flower", "pollers"])
    embedded = not names_a_redis()
    with ExitStack() as stack:
        say("pollers", "starting ...")
        url = stack.enter_context(redis_url())
        say("pollers", f"Redis   {redact_url(url)}")
        children = stack.enter_context(Children(say, stop_within=STOP_TIMEOUT))
        common = ("--loglevel", loglevel)
        for number in range(1, workers + 1):
            name = f"worker-{number}"
            # The workers are few and know each other by the store: no gossip, no mingling.
            quick = ("--without-gossip", "--without-mingle")
            children.start(name, "worker", "--hostname", f"{name}@%h", *quick, *common)
        if flower_port and importlib.util.find_spec("flower") is None:
            say("pollers", "Flower is not installed: pip install 'pollers[flower]'")
        elif flower_port:
            children.start_flower(flower_port, *common)
        _wait_until(children, lambda: _ready(workers, children))
        if children.flower_url:
            say("pollers", f"Flower  {children.flower_url}/tasks")
        say("pollers", "ready: `pollers submit URL --until ...` here; Ctrl-C stops all of it")
        _wait_until(children, lambda: say.broken or (embedded and _is_gone()))
        if not say.broken:
            raise ChildEnded("The embedded Valkey has ended; its polls are kept for the next start.")


def _is_gone() -> bool:
    """Return whether nothing listens any more where the embedded Valkey did."""
    try:
        runtime_of(app).store.stores[0].client.ping()
    except redis.TimeoutError:
        return False
    except redis.ConnectionError:
        return True
    return False


def _ready(workers: int, children: Children) -> bool:
    flower_is = not children.flower_url or children.flower_answers()
    return flower_is and count_workers(runtime_of(app).store) >= workers


def _wait_until(children: Children, condition: Callable[[], bool]) -> None:
    while not condition():
        children.check()
        time.sleep(LOOK_EVERY)


class Printer:
    """Prints lines of several processes, each with the name of its process before it."""

    def __init__(self, names: list[str]) -> None:
        self._width = max(map(len, names))
        colours: Iterator[str] = itertools.cycle(_COLOURS)
        self._colours = {name: next(colours) for name in names}
        self._lock = threading.Lock()
        #: Whether nobody reads any more.
        self.broken = False

    def __call__(self, name: str, line: str) -> None:
        """Print a line of a process."""
        prefix = click.style(f"{name:<{self._width}} |", fg=self._colours.get(name))
        with self._lock:
            try:
                click.echo(f"{prefix} {line}")
                sys.stdout.flush()
            except OSError:
                self.broken = True
