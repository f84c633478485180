"""The workers' application of the chaos tests: pollers' own, and a process that dies where it is told to.

`CHAOS_POINT` names the point, `CHAOS_PASSES` how often it is passed before; death is SIGKILL.
`CHAOS_MARGIN_MS` shortens the leases of attempts, so that what died is taken over sooner.
"""

from __future__ import annotations

import os
import signal
import threading
from itertools import count
from typing import Any

from redis.connection import AbstractConnection

from pollers import app, changes, completion, sending
from pollers.store import Store, store
from pollers.transport import Transport

__all__ = ["app"]

#: A URL with this in it kills the worker that asks for it.
POISON = "/poison"

_passes = count()


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def passed() -> None:
    """Die, once the point has been passed often enough."""
    if next(_passes) == int(os.environ.get("CHAOS_PASSES", "0")):
        die()


def after(owner: type, name: str, condition: Any = bool) -> None:
    """Die after a method has returned something that meets the condition."""
    method = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        if condition(result):
            passed()
        return result

    setattr(owner, name, dying)


def before(owner: Any, name: str) -> None:
    """Die before a method is called."""
    method = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        passed()
        return method(*args, **kwargs)

    setattr(owner, name, dying)


def during(owner: type, name: str, seconds: float) -> None:
    """Die while a method runs."""
    method = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        threading.Timer(seconds, passed).start()
        return method(*args, **kwargs)

    setattr(owner, name, dying)


def in_flight(owner: type, name: str) -> None:
    """Die when the script of a method has been sent to Redis, and its answer has not been read."""
    method, send = getattr(owner, name), AbstractConnection.send_command
    here = threading.local()

    def calling(*args: Any, **kwargs: Any) -> Any:
        here.calls = True
        try:
            return method(*args, **kwargs)
        finally:
            here.calls = False

    def sending(self: AbstractConnection, *args: Any, **kwargs: Any) -> None:
        send(self, *args, **kwargs)
        if getattr(here, "calls", False) and args[0] == "EVALSHA":
            passed()

    setattr(owner, name, calling)
    AbstractConnection.send_command = sending  # type: ignore[method-assign]


def twice(owner: type, name: str) -> None:
    """Call a method twice each time."""
    method = getattr(owner, name)

    def doubled(*args: Any, **kwargs: Any) -> Any:
        method(*args, **kwargs)
        return method(*args, **kwargs)

    setattr(owner, name, doubled)


def poison(owner: type, name: str) -> None:
    """Die before a request to a poisoned URL."""
    method = getattr(owner, name)

    def deadly(self: Any, request: Any, **kwargs: Any) -> Any:
        if POISON in request.url:
            die()
        return method(self, request, **kwargs)

    setattr(owner, name, deadly)


POINTS = {
    "between dispatch and publish": lambda: after(Store, "dispatch", lambda found: found.packs),
    "with packs queued": lambda: after(sending, "_send", lambda _: True),
    "during begin": lambda: in_flight(Store, "begin"),
    "between begin and request": lambda: after(Store, "begin", lambda begun: begun.polls),
    "during the request": lambda: during(Transport, "fetch", 0.03),
    "between request and settle": lambda: before(Store, "settle"),
    "between settle and release": lambda: after(
        Store, "settle", lambda results: any(not isinstance(result, bool) for result in results)
    ),
    "while running the held task": lambda: after(Store, "claim", lambda claim: claim.record),
    "between result and delivery": lambda: before(Store, "deliver"),
    "before a change is told": lambda: before(changes, "send"),
    "after a change is told": lambda: before(Store, "told"),
    "before a webhook is admitted": lambda: before(completion, "tell"),
    "after a webhook is admitted": lambda: after(completion, "tell", lambda _: True),
    "every message twice": lambda: twice(sending, "_send"),
    "poison": lambda: poison(Transport, "fetch"),
}
#: Those at which a process dies when it has passed often enough.
DEADLY = [name for name in POINTS if name.startswith(("between", "with", "during", "while"))]

if margin := os.environ.get("CHAOS_MARGIN_MS"):
    store.MARGIN_MS = int(margin)
if point := os.environ.get("CHAOS_POINT"):
    POINTS[point]()
