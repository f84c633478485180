"""How an installation is at one moment, beside the counts of its polls: for metrics and the doctor."""

from __future__ import annotations

import time
from typing import NamedTuple

from pollers.store.connection import translated_errors
from pollers.store.store import WORKER_LIFE_MS, Store


class QueueVitals(NamedTuple):
    """Who works on a queue, and what waits in it."""

    #: Workers that have dispatched from it in the last few seconds.
    workers: int
    #: Packs that are sent and not begun.
    packs: int


class Vitals(NamedTuple):
    """The state of an installation."""

    #: Seconds that Redis took to answer.
    ping: float
    #: When the first poll was admitted, in epoch seconds by Redis' clock; 0 before.
    created: float
    #: Seconds for which the poll that is due longest has waited to be dispatched; 0 when none does.
    oldest_due: float
    #: By name of the queue, '' for Celery's own routing.
    queues: dict[str, QueueVitals]


def vitals(store: Store) -> Vitals:
    """Return the vitals of a store, in two round trips.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    queues, keys = ["", *store.known_queues()], store.keys
    with translated_errors(store.client):
        began = time.perf_counter()
        seconds, microseconds = store.client.time()
        ping = time.perf_counter() - began
        now = seconds * 1000 + microseconds // 1000
        pipe = store.client.pipeline(transaction=False)
        pipe.hget(keys.stats, "created")
        pipe.zrange(keys.schedule, 0, 0, withscores=True)
        for queue in queues:
            pipe.zcount(keys.workers(queue), now - WORKER_LIFE_MS, "+inf")
            pipe.zcount(keys.queued(queue), now, "+inf")
        created, first, *numbers = pipe.execute()
    return Vitals(
        ping=ping,
        created=int(created or 0) / 1000,
        oldest_due=max(0.0, now - first[0][1]) / 1000 if first else 0.0,
        queues={
            queue: QueueVitals(*pair)
            for queue, *pair in zip(queues, numbers[::2], numbers[1::2], strict=True)
        },
    )
