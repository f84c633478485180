"""How many polls are where, and how punctual attempts are: counts over the whole store."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import cast

from pollers.store.connection import translated_errors
from pollers.store.damage import KINDS
from pollers.store.shards import Polls
from pollers.store.store import Store

_LATENESS = "lateness:"
#: Buckets of the lateness histogram to a doubling; ``begin.lua`` counts in the same.
_BUCKETS_PER_DOUBLING = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overview:
    """The polls of an installation at one moment; the totals count since its store was created."""

    #: Live polls whose next attempt is not due yet, or was dispatched and has not begun.
    waiting: int
    #: Live polls whose attempt is due but not taken by a worker yet, as workers or gates have no room.
    due: int
    #: Attempts that have begun and are not settled.
    running: int
    #: Ended polls whose outcome is not delivered yet.
    releasing: int
    #: Polls admitted in all.
    admitted: int
    #: Attempts begun in all.
    attempts: int
    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    #: Attempts whose worker was lost; their polls went on.
    crashed: int
    #: Settlements refused by the fence.
    refused: int
    #: Due polls that are parked: their workers have no room, or a limit, hold, breaker or pause keeps them.
    parked: int
    #: How often an answer has held an origin.
    holds: int
    #: How often a breaker has opened.
    openings: int
    #: Attempts that have got the answer of another poll's request.
    shared: int
    #: What should not happen and was survived, by its name in `pollers.store.damage`.
    damage: Mapping[str, int]
    #: Lateness in milliseconds that half of all attempts did not exceed; 0 before the first.
    lateness_p50: float
    #: Lateness in milliseconds that 99 in 100 attempts did not exceed; 0 before the first.
    lateness_p99: float


def overview(polls: Polls) -> Overview:
    """Return the counts of a store, in one round trip to each of its shards.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    stats: Counter[str] = Counter()
    for store in polls.stores:
        stats.update(_counts(store))
    due = stats["due"] + stats["parked"]
    over = stats["settled"] + stats["abandoned"] + stats["crashed"]
    later = max(0, stats["live"] - due)
    # A poll is due again when the lease of its attempt has run out: no poll counts twice.
    running = min(max(0, stats["begun"] - over), later)
    return Overview(
        waiting=later - running,
        due=due,
        running=running,
        releasing=stats["releasing"],
        admitted=stats["admitted"],
        attempts=stats["begun"],
        succeeded=stats["succeeded"],
        failed=stats["failed"],
        timed_out=stats["timed_out"],
        cancelled=stats["cancelled"],
        crashed=stats["crashed"],
        refused=stats["settle_refused"],
        parked=stats["parked"],
        holds=stats["origins_held"],
        openings=stats["origins_open"],
        shared=stats["shared"],
        damage={kind.counter: stats[kind.counter] for kind in KINDS},
        lateness_p50=lateness_quantile(stats, 0.50),
        lateness_p99=lateness_quantile(stats, 0.99),
    )


def _counts(store: Store) -> dict[str, int]:
    """Return the counters of one schedule, and how many polls it has where."""
    keys = store.keys
    with translated_errors(store.client):
        seconds, _ = store.client.time()
        pipe = store.client.pipeline(transaction=False)
        pipe.zcard(keys.schedule)
        pipe.zcount(keys.schedule, "-inf", seconds * 1000)
        pipe.zcard(keys.releases)
        pipe.hgetall(keys.stats)
        pipe.zcard(keys.lots)
        live, due, releasing, raw, parked = pipe.execute()
    counted = {name.decode(): int(number) for name, number in raw.items()}
    return {**counted, "live": live, "due": due, "releasing": releasing, "parked": parked}


def counters(store: Store, key: str) -> Counter[str]:
    """Return the counters in a hash of a store, its ``stats`` or its ``metrics``, by name.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    with translated_errors(store.client):
        raw = cast("dict[bytes, bytes]", store.client.hgetall(key))
    return Counter({name.decode(): int(number) for name, number in raw.items()})


def lateness_quantile(stats: Mapping[str, int], share: float) -> float:
    """Return the lateness in ms that a share of attempts did not exceed, to about 20 percent.

    Within the bucket that holds the quantile, attempts are taken to be evenly spread.
    """
    buckets = sorted(
        (int(name.removeprefix(_LATENESS)), count)
        for name, count in stats.items()
        if name.startswith(_LATENESS)
    )
    wanted = share * sum(count for _, count in buckets)
    for bucket, count in buckets:
        if wanted <= count:
            low, high = (2 ** (edge / _BUCKETS_PER_DOUBLING) - 1 for edge in (bucket, bucket + 1))
            return low + (high - low) * wanted / count
        wanted -= count
    return 0.0
