"""What is counted as attempts are made: read twice, it gives rates. And who makes them."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, cast

from pollers.store.connection import translated_errors
from pollers.store.listing import known_queues
from pollers.store.overview import lateness_quantile
from pollers.store.shards import Polls
from pollers.store.store import WORKER_LIFE_MS, Store


class Totals(NamedTuple):
    """Counters since the store was created, at one moment of Redis' clock."""

    at_ms: int
    #: Attempts that have begun.
    attempts: int
    #: Attempts that met trouble: no response, or a status such as 503 (what a breaker counts).
    errors: int
    #: The histogram of lateness, as `pollers.store.overview` reads it.
    lateness: dict[str, int]

    def lateness_since(self, before: Totals, share: float) -> float:
        """Return the lateness in ms that a share of the attempts since then did not exceed; 0 without any."""
        counts = {name: count - before.lateness.get(name, 0) for name, count in self.lateness.items()}
        return lateness_quantile({name: count for name, count in counts.items() if count > 0}, share)


class Worker(NamedTuple):
    """A worker that dispatches polls."""

    #: Of its node, as `celery --destination` takes it; what has the same name is one worker to Celery, too.
    name: str
    #: Queues that it consumes; the empty one is Celery's own.
    queues: list[str]
    #: Seconds since it last dispatched.
    seen: float


def totals(polls: Polls) -> Totals:
    """Return the counters, in one round trip to each shard.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    stats: Counter[str] = Counter()
    for store in polls.stores:
        with translated_errors(store.client), store.client.pipeline(transaction=False) as pipe:
            pipe.hgetall(store.keys.stats)
            pipe.time()
            raw, (seconds, microseconds) = pipe.execute()
        stats.update({name.decode(): int(number) for name, number in raw.items()})
    return Totals(
        at_ms=seconds * 1000 + microseconds // 1000,
        attempts=stats.get("begun", 0),
        errors=stats.get("troubled", 0),
        lateness={name: count for name, count in stats.items() if name.startswith("lateness:")},
    )


def workers(polls: Polls) -> list[Worker]:
    """Return the workers that have dispatched in the last few seconds, by name.

    Those that consume no queue of ours, nor any that a poll has asked for, are not among them.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    found: dict[str, Worker] = {}
    for one in (worker for store in polls.stores for worker in _workers(store)):
        other = found.get(one.name, one)
        queues = sorted({*one.queues, *other.queues})
        found[one.name] = Worker(one.name, queues, min(one.seen, other.seen))
    return sorted(found.values())


def _workers(store: Store) -> list[Worker]:
    queues = sorted({"", *known_queues(store)})
    with translated_errors(store.client), store.client.pipeline(transaction=False) as pipe:
        pipe.time()
        for queue in queues:
            pipe.zrange(store.keys.workers(queue), 0, -1, withscores=True)
        (seconds, microseconds), *members = pipe.execute()
    now_ms = seconds * 1000 + microseconds // 1000
    seen: dict[str, float] = {}
    consumed: dict[str, set[str]] = {}
    for queue, names in zip(queues, cast("list[list[tuple[bytes, float]]]", members), strict=True):
        for raw, last_ms in names:
            if now_ms - last_ms <= WORKER_LIFE_MS:
                # A dispatcher's name is that of its node, its process and a part at random, so a worker that
                # has just been started again, or connected again, has two.
                name = raw.decode().rsplit(".", 2)[0]
                seen[name] = max(seen.get(name, 0.0), last_ms)
                consumed.setdefault(name, set()).add(queue)
    return [
        Worker(name, sorted(consumed[name]), round(max(0.0, now_ms - last_ms) / 1000, 3))
        for name, last_ms in sorted(seen.items())
    ]
