"""What the records in a store ask for, and which of them nobody can read: for the doctor."""

from __future__ import annotations

import json
from collections import Counter
from typing import NamedTuple, cast

from pollers.errors import UnreadableRecord
from pollers.store.connection import translated_errors
from pollers.store.listing import BATCH
from pollers.store.record import Record
from pollers.store.store import Store

#: Records that are looked at, at most: some seconds of reading.
MOST = 50_000


class Census(NamedTuple):
    """What was found in the records that were looked at."""

    #: Live polls by the queue that their attempts go to; '' is Celery's own routing.
    queues: Counter[str]
    #: Live polls by the credential that they name.
    credentials: Counter[str]
    #: What is wrong with the records that cannot be read, by the id of their polls.
    unreadable: dict[str, str]


def census(store: Store, most: int = MOST) -> Census:
    """Look at up to ``most`` records of a shard, in batches between which Redis serves others.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    queues: Counter[str] = Counter()
    credentials: Counter[str] = Counter()
    unreadable: dict[str, str] = {}
    cursor = looked_at = 0
    while True:
        with translated_errors(store.client):
            answer = store.client.hscan(store.keys.polls, cursor, count=BATCH)
        cursor, packed = cast("tuple[int, dict[bytes, bytes]]", answer)
        looked_at += len(packed)
        for poll_id, raw in packed.items():
            try:
                record = Record.unpack(raw)
            except UnreadableRecord as error:
                unreadable[poll_id.decode(errors="replace")] = str(error)
                continue
            if not record.ended:
                queues[record.queue] += 1
                if credential := _credential(record.spec):
                    credentials[credential] += 1
        if cursor == 0 or looked_at >= most:
            return Census(queues, credentials, unreadable)


def _credential(spec: str) -> str:
    # Most specs have none, and need not be parsed.
    if '"auth":' not in spec:
        return ""
    try:
        return str(json.loads(spec).get("auth") or "")
    except (AttributeError, ValueError):
        return ""
