"""How an installation is at one moment, beside the counts of its polls: for metrics and the doctor."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from pollers.errors import UnreadableRecord
from pollers.politeness import PRIORITIES
from pollers.store.connection import translated_errors
from pollers.store.listing import known_queues
from pollers.store.parking import entry
from pollers.store.record import Record
from pollers.store.shards import Polls
from pollers.store.store import WORKER_LIFE_MS, Store

#: Entries of a lot that are looked at.
_ENTRIES = 10
#: Outcomes that are looked at.
_OUTCOMES = 50


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
    #: Seconds for which the poll that is due longest has waited for workers; 0 when none does.
    #: What a limit, hold, breaker or pause keeps waits for something else.
    oldest_due: float
    #: Seconds since the end of the poll whose outcome waits longest to be delivered; 0 when none does.
    oldest_outcome: float
    #: By name of the queue, '' for Celery's own routing.
    queues: dict[str, QueueVitals]


def vitals(polls: Polls) -> Vitals:
    """Return the vitals of an installation, in six round trips to each of its shards.

    Of several shards, it is the worst of each; a queue has the workers that dispatch from it in all of them.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    found = [_vitals(store) for store in polls.stores]
    if len(found) == 1:
        return found[0]
    names = {name for one in found for name in one.queues}
    nobody = QueueVitals(0, 0)
    queues = {name: [one.queues.get(name, nobody) for one in found] for name in names}
    return Vitals(
        ping=max(one.ping for one in found),
        created=max(one.created for one in found),
        oldest_due=max(one.oldest_due for one in found),
        oldest_outcome=max(one.oldest_outcome for one in found),
        queues={
            name: QueueVitals(min(one.workers for one in same), sum(one.packs for one in same))
            for name, same in queues.items()
        },
    )


def _vitals(store: Store) -> Vitals:
    queues, keys = ["", *known_queues(store)], store.keys
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
    oldest = min([*(due for _, due in first), *_parked_since(store, queues), now])
    return Vitals(
        ping=ping,
        created=int(created or 0) / 1000,
        oldest_due=(now - oldest) / 1000,
        oldest_outcome=max(0, now - _undelivered_since(store, now)) / 1000,
        queues={
            queue: QueueVitals(*pair)
            for queue, *pair in zip(queues, numbers[::2], numbers[1::2], strict=True)
        },
    )


def _undelivered_since(store: Store, now: int) -> int:
    """Return when the first of those polls ended, in ms, whose outcomes are to be delivered; now for none.

    Not when they are published next, which is put off each time.
    """
    with translated_errors(store.client):
        ids: Any = store.client.zrange(store.keys.releases, 0, _OUTCOMES - 1)
        records: Any = store.client.hmget(store.keys.polls, ids) if ids else []
    ended = [now]
    for packed in filter(None, records):
        with suppress(UnreadableRecord):
            ended.append(Record.unpack(packed).ended_ms)
    return min(ended)


def _parked_since(store: Store, queues: Iterable[str]) -> list[int]:
    """Return when those polls were due, in ms, that are the next of the ones parked for want of workers.

    Entries of a lot whose polls were cancelled meanwhile go when their turn comes; they do not count.
    """
    with translated_errors(store.client):
        pipe = store.client.pipeline(transaction=False)
        for queue in queues:
            for priority in PRIORITIES.values():
                lot = f"queue:{queue}\0{priority}"
                pipe.zrangebylex(store.keys.lots, f"[{lot}\0", f"({lot}\1", 0, _ENTRIES)
        parked = [entry(member) for found in pipe.execute() for member in found]
        if not parked:
            return []
        live = store.client.zmscore(store.keys.schedule, [poll_id for poll_id, _ in parked])
    return [due for (_, due), score in zip(parked, live, strict=True) if score is not None]
