"""What ends a worker that was told to stop while Redis is silent.

Where connections are refused, Celery stops as ever. Where all that is sent vanishes (a network that drops
packets, a Redis that was stopped), its main thread repeats a heartbeat without end, or waits for as many
timeouts as it has calls left to make.
"""

from __future__ import annotations

import _thread
import logging
import os
import time
from typing import Any

from celery.worker import state

from pollers import in_flight
from pollers.runtime import Runtime, runtime_of
from pollers.store.connection import must_answer

logger = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK_EVERY = 0.5
#: Seconds that a worker that has nothing to do, and no Redis, is left to stop by itself.
PATIENCE = 5.0


def watch(app: Any) -> None:
    """See to it that the worker, which was told to stop, ends; called where signals are handled."""
    # Not by `threading`, which waits until the thread runs: gevent handles signals where nothing may wait.
    _thread.start_new_thread(_end_without_redis, (runtime_of(app),))


def _end_without_redis(runtime: Runtime) -> None:
    """End the process once for `PATIENCE` seconds it has had no work, and no answer of a Redis that it needs.

    Nothing is lost by that: what it had leased is due again when the leases end, as after a kill.
    """
    since = time.monotonic()
    while time.monotonic() - since < PATIENCE:
        time.sleep(LOOK_EVERY)
        if state.active_requests or _goes_on(runtime):
            since = time.monotonic()
    logger.critical("This worker ends without having told others, because Redis does not answer.")
    logging.shutdown()
    os._exit(os.EX_UNAVAILABLE)


def _goes_on(runtime: Runtime) -> bool:
    """Return whether Celery gets on with its stopping, or attempts are made whose outcomes can be settled."""
    answers = [
        _answers(settings.redis_url, store.keys.polls)
        for settings, store in zip(runtime.settings.by_shard(), runtime.store.stores, strict=True)
    ]
    return all(answers) or (any(answers) and in_flight.is_expected())


def _answers(url: str, key: str) -> bool:
    """Whether there is an answer of a Redis that holds polls, within a moment."""
    try:
        must_answer(url, key)
    except Exception:
        return False
    return True
