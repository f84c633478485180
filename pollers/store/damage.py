"""What should not happen to polls and is survived: counted in Redis, with when it last happened."""

from __future__ import annotations

from typing import NamedTuple

from pollers.store.connection import translated_errors
from pollers.store.shards import Polls
from pollers.store.store import Store


class Kind(NamedTuple):
    """One thing that should not happen."""

    #: Its name among the counters in `Keys.stats`.
    counter: str
    #: What has happened, as the beginning of a sentence.
    what: str
    #: What to do about it.
    cure: str


#: Everything of the kind, the worst first.
KINDS = (
    Kind(
        "unreadable",
        "Records were found damaged, or of a newer version",
        "Let all workers have the newest version; records that somebody has edited are listed apart.",
    ),
    Kind(
        "damaged",
        "Records had a damaged spec, progress or held task",
        "Let nothing but pollers write to its keys; the workers' logs name the polls, to submit them again.",
    ),
    Kind(
        "malformed",
        "Messages on the workers' queues could not be read",
        "Give the workers queues that nobody else publishes to; their logs show the messages.",
    ),
    Kind(
        "crashed",
        "Attempts were begun and never settled, as their workers died, hang, or were cut off",
        "Look for kills in the workers' and the kernel's logs; their memory may be short.",
    ),
    Kind(
        "overtaken",
        "Attempts settled after their lease had run out, and were refused",
        "Give the workers more CPU, or lower pollers_concurrency; a stopped machine does it, too.",
    ),
    Kind(
        "packs_lost",
        "Packs were not begun within pollers_lease, and were sent again",
        "Start more workers; look whether something purges or loses messages of the broker.",
    ),
    Kind(
        "scripts_reloaded",
        "Scripts were gone from Redis, and were sent again",
        "Nothing is lost; find out what restarts Redis, or sends SCRIPT FLUSH.",
    ),
)


class Damage(NamedTuple):
    """What has happened of one kind since the store was created."""

    kind: Kind
    times: int
    #: Seconds since the last time, by Redis' clock.
    ago: float


def damage(polls: Polls) -> list[Damage]:
    """Return what has happened, by kind; nothing of those that never did.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    found = [_damage(store) for store in polls.stores]
    return [
        Damage(kind, times, min(one.ago for one in same if one.times))
        for kind, *same in zip(KINDS, *found, strict=True)
        if (times := sum(one.times for one in same))
    ]


def _damage(store: Store) -> list[Damage]:
    """Return what has happened in one shard, of each kind."""
    fields = [name for kind in KINDS for name in (kind.counter, f"last:{kind.counter}")]
    with translated_errors(store.client):
        pipe = store.client.pipeline(transaction=False)
        pipe.hmget(store.keys.stats, fields)
        pipe.time()
        values, (seconds, _) = pipe.execute()
    return [
        Damage(kind, int(times or 0), max(0.0, seconds - int(last or 0) / 1000))
        for kind, times, last in zip(KINDS, values[::2], values[1::2], strict=True)
    ]
