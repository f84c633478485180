"""Examines the store: what Redis is set to, how quick it is, and whether polls are stuck in it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from pollers.cli.examination.finding import Finding, some
from pollers.cli.text import counted
from pollers.durations import approximate
from pollers.store import Store
from pollers.store.census import Census
from pollers.store.damage import damage
from pollers.store.risks import risks
from pollers.store.vitals import Vitals, vitals

#: Seconds for which a due poll, or an outcome, may wait while all is well.
PATIENCE = 30.0
#: Seconds that Redis may take to answer; a worker asks it some ten times a second.
SLOW = 0.02
#: Seconds for which damage is told.
RECENT = 3600.0


def examine_redis(store: Store) -> Iterator[Finding]:
    """Yield what is risky about a Redis, and whether it is slow."""
    for risk in risks(store):
        yield Finding("redis", risk.problem, risk.cure)
    ping = median(vitals(store).ping for _ in range(5))
    if ping > SLOW:
        yield Finding(
            "redis",
            f"Redis takes {ping * 1000:.0f} ms to answer.",
            "Run the workers near it; look for slow commands of other clients: SLOWLOG GET.",
        )


def examine_polls(store: Store, now: Vitals, found: Census) -> Iterator[Finding]:
    """Yield what is stuck, damaged, or waits for workers that are not there."""
    if not any(queue.workers for queue in now.queues.values()):
        yield Finding("workers", "No worker dispatches polls.", "Start one: celery -A pollers worker")
    else:
        for queue, number in sorted(found.queues.items()):
            if queue not in now.queues or not now.queues[queue].workers:
                yield _no_consumer(queue, number)
    if now.oldest_due > PATIENCE:
        yield Finding(
            "polls",
            f"A poll has been due for {approximate(now.oldest_due)} and is not dispatched.",
            "Start workers that consume its queue; look for errors of dispatching in their logs.",
        )
    if now.oldest_outcome > PATIENCE:
        yield Finding(
            "polls",
            f"The outcome of a poll that ended {approximate(now.oldest_outcome)} ago is not delivered.",
            "Start workers that consume the queue of pollers.poll; look at the broker, and in the logs of "
            'workers for "will be delivered again", which says why.',
        )
    if found.unreadable:
        ids = sorted(found.unreadable)
        yield Finding(
            "polls",
            f"{counted(len(ids), 'record')} cannot be read: {some(ids)}; {found.unreadable[ids[0]]}",
            f"Run newer workers, if they wrote it; else remove it: HDEL {store.keys.polls} {ids[0]}",
        )
    for one in damage(store):
        if one.ago < RECENT:
            yield Finding(
                "polls",
                f"{one.kind.what}: {counted(one.times, 'time')}, the last {approximate(one.ago)} ago.",
                one.kind.cure,
            )


def _no_consumer(queue: str, number: int) -> Finding:
    where = f"in the queue {queue!r}" if queue else "in the queue of pollers.attempt"
    start = f"celery -A pollers worker --queues {queue}" if queue else "celery -A pollers worker"
    waits = f"{counted(number, 'poll')} {'waits' if number == 1 else 'wait'}"
    return Finding("workers", f"{waits} {where}, which no worker consumes.", f"Start one: {start}")
