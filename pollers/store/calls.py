"""`Calls`: runs the scripts in Redis, sends again those that it has forgotten, and times each call."""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import redis
import tenacity
from redis import Connection
from redis.commands.core import Script

from pollers.errors import StoreUnavailable
from pollers.store import scripts
from pollers.store.connection import translated_errors

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Calls:
    """Calls of scripts. Safe to share between threads; all raise `StoreUnavailable` as the store does."""

    def __init__(self, client: redis.Redis) -> None:
        #: Hears of each call: the name of the script, and the seconds that it took. Of calls that are sent
        #: together, each has an equal part of their time.
        self.on_call: Callable[[str, float], None] = lambda name, seconds: None
        #: Hears when a script was sent again.
        self.on_reload: Callable[[], None] = lambda: None
        self.scripts: dict[str, Script] = {
            name: client.register_script(scripts.load(name)) for name in scripts.NAMES
        }
        self._client = client
        #: Connections that nobody uses now, the one used last at the end, by process: none outlives a fork.
        self._idle: dict[int, list[Connection]] = defaultdict(list)
        #: Scripts that Redis has run before.
        self._known: set[str] = set()

    def run(self, name: str, keys: list[str], args: list[Any]) -> Any:
        """Run a script."""
        script, began = self.scripts[name], time.perf_counter()
        with translated_errors(self._client):
            try:
                result = self._evaluate(script.sha, keys, args)
            except redis.exceptions.NoScriptError:
                result = script(keys=keys, args=args)
                if name in self._known:
                    logger.warning("Redis has forgotten the script %r; it was sent again.", name)
                    self.on_reload()
        self._known.add(name)
        self.on_call(name, time.perf_counter() - began)
        return result

    def run_patiently(self, name: str, keys: list[str], args: list[Any]) -> Any:
        """Run a script that may safely run twice, again over a short outage."""
        return patiently(self.run, name, keys, args)

    def _evaluate(self, sha: str, keys: list[str], args: list[Any]) -> Any:
        """Run a script that Redis knows, on a connection that is kept.

        The client's way, by a pool that tests a connection each time, takes a third longer.
        """

        def ask() -> Any:
            connection.send_command("EVALSHA", sha, len(keys), *keys, *args)
            return connection.read_response()

        idle = self._idle[os.getpid()]
        try:
            connection = idle.pop()
        except IndexError:
            connection = self._client.connection_pool.get_connection()
        try:
            return connection.retry.call_with_retry(ask, lambda error: connection.disconnect())
        except redis.exceptions.ResponseError:
            raise
        except BaseException:
            # The answer may be there still, and would be taken for that of the next call.
            connection.disconnect()
            raise
        finally:
            idle.append(connection)

    def run_many(self, name: str, calls: Iterable[tuple[list[str], list[Any]]]) -> list[Any]:
        """Run a script for each of some keys and arguments, in one round trip."""
        began = time.perf_counter()
        with translated_errors(self._client):
            pipe = self._client.pipeline(transaction=False)
            for keys, args in calls:
                self.scripts[name](keys=keys, args=args, client=pipe)
            results: list[Any] = pipe.execute()
        seconds = time.perf_counter() - began
        for _ in results:
            # All of it would make a long call of many short ones, and a Redis look slow.
            self.on_call(name, seconds / len(results))
        return results


def patiently(call: Callable[..., T], *args: Any) -> T:
    """Make a call that may safely be made twice, again over a short outage.

    Raises:
        StoreUnavailable: Redis could not be reached four times.

    """
    try:
        # Without tenacity's bookkeeping, which costs as much as a tenth of the call.
        return call(*args)
    except StoreUnavailable:
        return _again(call, *args)


_again = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(StoreUnavailable),
    wait=tenacity.wait_random_exponential(multiplier=0.1, max=1),
    stop=tenacity.stop_after_attempt(3),
    sleep=lambda seconds: time.sleep(seconds),  # looked up late, so that gevent can replace it
    reraise=True,
)
