"""`Calls`: runs the scripts in Redis, sends again those that it has forgotten, and times each call."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import redis
import tenacity
from redis.commands.core import Script

from pollers.errors import StoreUnavailable
from pollers.store import scripts
from pollers.store.connection import translated_errors

logger = logging.getLogger(__name__)


class Calls:
    """Calls of scripts. Safe to share between threads; all raise `StoreUnavailable` as the store does."""

    def __init__(self, client: redis.Redis) -> None:
        #: Hears of each call: the name of the script, and the seconds that it took.
        self.on_call: Callable[[str, float], None] = lambda name, seconds: None
        #: Hears when a script was sent again.
        self.on_reload: Callable[[], None] = lambda: None
        self.scripts: dict[str, Script] = {
            name: client.register_script(scripts.load(name)) for name in scripts.NAMES
        }
        self._client = client
        #: Scripts that Redis has run before.
        self._known: set[str] = set()

    def run(self, name: str, keys: list[str], args: list[Any]) -> Any:
        """Run a script."""
        script, began = self.scripts[name], time.perf_counter()
        with translated_errors(self._client):
            try:
                result = self._client.evalsha(script.sha, len(keys), *keys, *args)
            except redis.exceptions.NoScriptError:
                result = script(keys=keys, args=args)
                if name in self._known:
                    logger.warning("Redis has forgotten the script %r; it was sent again.", name)
                    self.on_reload()
        self._known.add(name)
        self.on_call(name, time.perf_counter() - began)
        return result

    def run_many(self, name: str, calls: Iterable[tuple[list[str], list[Any]]]) -> list[Any]:
        """Run a script for each of some keys and arguments, in one round trip."""
        with translated_errors(self._client):
            pipe = self._client.pipeline(transaction=False)
            for keys, args in calls:
                self.scripts[name](keys=keys, args=args, client=pipe)
            return pipe.execute()


#: Makes a call that may safely be made twice again, over a short outage.
patience = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(StoreUnavailable),
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
    stop=tenacity.stop_after_attempt(4),
    sleep=lambda seconds: time.sleep(seconds),  # looked up late, so that gevent can replace it
    reraise=True,
)
