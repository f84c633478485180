"""The last attempts of a poll: a short list beside its record, which `settle` appends to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgpack

if TYPE_CHECKING:
    from pollers.store.shards import Polls

#: Characters of an answer that are remembered.
EXCERPT = 120
#: Every so many attempts an entry has its excerpt, even if it is that of the one before, which may be cut
#: off; ``settle.lua`` cuts at the same distance.
STRETCH = 10


class Entry(NamedTuple):
    """A settled attempt, in the order of its MessagePack array."""

    #: Its number, from 1.
    attempt: int
    #: When it was settled, in ms of Redis' clock.
    at_ms: int
    #: HTTP status; None when no response came.
    status: int | None
    #: Milliseconds that the request took.
    elapsed_ms: int
    #: The beginning of the body, or what went wrong. In Redis it is left out where it has not changed.
    excerpt: str = ""

    def pack(self, *, unchanged: bool) -> bytes:
        """Return the entry as it is stored; ``unchanged`` says that its excerpt is that of the one before."""
        if unchanged and self.attempt % STRETCH != 1:
            return cast(bytes, msgpack.packb(self[:-1]))
        return cast(bytes, msgpack.packb((*self[:-1], self.excerpt[:EXCERPT])))


def read_history(polls: Polls, poll_id: str, most: int = 0) -> list[Entry]:
    """Return the last attempts of a poll, the latest last; ``most`` of them, or all that are remembered.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    from pollers.store.connection import translated_errors  # brings redis

    store = polls.holding(poll_id)
    with translated_errors(store.client):
        packed = cast("list[bytes]", store.client.lrange(store.keys.history(poll_id), 0, -1))
    entries: list[Entry] = []
    for one in packed:
        values: list[Any] = msgpack.unpackb(one)
        if len(values) < len(Entry._fields) and entries:
            values.append(entries[-1].excerpt)
        entries.append(Entry(*values))
    return entries[-most:]
