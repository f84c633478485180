"""What is in the store, read without holding Redis up: polls in batches, workers by count."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterator
from typing import cast

from pollers.store.connection import translated_errors
from pollers.store.record import LIVE_STATES, TERMINAL_STATES, Record
from pollers.store.shards import Polls
from pollers.store.store import WORKER_LIFE_MS, Store
from pollers.store.values import Found

#: Polls to a batch. Redis spends about a millisecond on one, and serves others between two.
BATCH = 500


def polls_in(
    polls: Polls,
    states: Collection[str] = LIVE_STATES | TERMINAL_STATES,
    *,
    tag: str | None = None,
    batch: int = BATCH,
    on_looked: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[str, Found]]:
    """Yield the polls in one of the states, in no order: those whose outcome is not delivered yet.

    With ``tag``, only those that have it: all are looked at, as tags have no index. ``on_looked`` is told
    how many were looked at so far.

    A poll that is there from the first batch to the last is yielded once; one that comes or goes
    meanwhile, once or never. What cannot be read (damaged, or not a record) is left out.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    before = 0

    def note(looked: int) -> None:
        on_looked(before + looked)

    for store in polls.stores:
        before += yield from _polls_in(store, states, tag, batch, note)


def _polls_in(
    store: Store,
    states: Collection[str],
    tag: str | None,
    batch: int,
    on_looked: Callable[[int], None],
) -> Generator[tuple[str, Found], None, int]:
    """Yield the polls of one shard; return how many were looked at."""
    seen: set[str] = set()
    cursor, looked = 0, 0
    while True:
        with translated_errors(store.client):
            answer = store.client.hscan(store.keys.polls, cursor, count=batch)
        cursor, packed = cast(tuple[int, dict[bytes, bytes]], answer)
        records = {}
        for raw_id, raw in packed.items():
            poll_id, record = raw_id.decode(), read_record(raw)
            # HSCAN repeats what moves while the hash grows.
            if record is None or record.state not in states or poll_id in seen:
                continue
            if tag is None or tag in tags_of(record):
                records[poll_id] = record
        seen.update(records)
        looked += len(packed)
        on_looked(looked)
        yield from _with_due_times(store, records)
        if cursor == 0:
            return looked


def count_polls(polls: Polls) -> int:
    """Return the number of polls whose outcome is not delivered yet."""
    return sum(map(_count_polls, polls.stores))


def _count_polls(store: Store) -> int:
    with translated_errors(store.client):
        return store.client.hlen(store.keys.polls)


def known_queues(store: Store) -> list[str]:
    """Return the names of all queues that the polls of a schedule have asked for."""
    with translated_errors(store.client):
        names: set[bytes] = store.client.smembers(store.keys.queues)  # type: ignore[assignment]
    return sorted(name.decode() for name in names)


def count_workers(polls: Polls, queue: str = "") -> int:
    """Return the number of workers that have dispatched from a queue in the last few seconds.

    Of several shards, it is that of the one with the fewest.
    """
    return min(_count_workers(store, queue) for store in polls.stores)


def _count_workers(store: Store, queue: str) -> int:
    with translated_errors(store.client):
        seconds, _ = store.client.time()
        return store.client.zcount(store.keys.workers(queue), seconds * 1000 - WORKER_LIFE_MS, "+inf")


def _with_due_times(store: Store, records: dict[str, Record]) -> Iterator[tuple[str, Found]]:
    if not records:
        return
    with translated_errors(store.client):
        pipe = store.client.pipeline(transaction=False)
        pipe.zmscore(store.keys.schedule, list(records))
        pipe.time()
        due_times, (seconds, microseconds) = pipe.execute()
    now_ms = seconds * 1000 + microseconds // 1000
    for (poll_id, record), due in zip(records.items(), due_times, strict=True):
        yield poll_id, Found(record, None if due is None else int(due), now_ms)


def read_found(store: Store, poll_ids: list[str]) -> Iterator[tuple[str, Found]]:
    """Yield those of some live polls that can be read."""
    if not poll_ids:
        return
    with translated_errors(store.client), store.client.pipeline(transaction=False) as pipe:
        pipe.hmget(store.keys.polls, poll_ids)
        pipe.zmscore(store.keys.schedule, poll_ids)
        pipe.time()
        packed, dues, (seconds, microseconds) = pipe.execute()
    now_ms = seconds * 1000 + microseconds // 1000
    for poll_id, raw, due in zip(poll_ids, packed, dues, strict=True):
        record = read_record(raw) if raw is not None else None
        if record is not None:
            yield poll_id, Found(record, None if due is None else int(due), now_ms)


def tags_of(record: Record) -> list[str]:
    """Return the tags of a poll."""
    # Most specs have none, and need not be parsed.
    if '"tags":' not in record.spec:
        return []
    try:
        return list(json.loads(record.spec).get("tags", ()))
    except (AttributeError, TypeError, ValueError):
        return []


def read_record(packed: bytes) -> Record | None:
    """Return a record, or None when it is damaged or of a newer version."""
    try:
        return Record.unpack(packed)
    except ValueError:
        return None
