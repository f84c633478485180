"""Polls that are looked for: by state, tag, origin, lateness and age; by due time, or in any order.

Nothing here holds Redis up, however many polls there are: it is asked for pages, and serves others between.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import NamedTuple, cast

from pollers.progress import Progress
from pollers.store.connection import translated_errors
from pollers.store.listing import polls_in, read_found, tags_of
from pollers.store.parking import due_times, may_be_parked, parked, standing
from pollers.store.record import LIVE_STATES, SEEN_LIVE, TERMINAL_STATES, Record
from pollers.store.shards import Polls
from pollers.store.store import Store
from pollers.store.values import Found

#: Polls to a page. Redis spends less than a millisecond on one.
PAGE = 500


class Place(NamedTuple):
    """A place in the schedule: what comes after it is still to be listed."""

    due_ms: int
    poll_id: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """What polls have to be like; each part counts where it is given."""

    #: States as people see them (`Record.seen`); ``paused`` takes those that are paused in an attempt, too.
    states: frozenset[str] = SEEN_LIVE | TERMINAL_STATES
    tag: str | None = None
    #: In its short form (`pollers.origin`).
    origin: str | None = None
    #: Seconds that their next attempt is late, at least.
    overdue: float | None = None
    #: Seconds since they were admitted, at least.
    older_than: float | None = None

    def has(self, found: Found) -> bool:
        """Return whether a poll is one of them."""
        record = found.record
        return (
            (record.seen in self.states or ("paused" in self.states and _is_paused(record)))
            and (self.tag is None or self.tag in tags_of(record))
            and (self.origin is None or record.origin == self.origin)
            and (self.overdue is None or lateness(found) >= self.overdue)
            and (self.older_than is None or found.now_ms - record.created_ms >= self.older_than * 1000)
        )


def _is_paused(record: Record) -> bool:
    return record.paused == 1 and not record.ended


def lateness(found: Found) -> float:
    """Return the seconds that the next attempt of a poll is late; negative when none is."""
    waits = found.record.state == "waiting" and not found.record.paused
    return (found.now_ms - found.due_ms) / 1000 if waits and found.due_ms is not None else float("-inf")


def errors_in_a_row(record: Record) -> int:
    """Return the transient errors that a poll has had since its last answer."""
    # Most have had none, and need not be parsed.
    return Progress.from_json(record.progress).errors if '"errors":' in record.progress else 0


def select(
    polls: Polls, selection: Selection, *, on_looked: Callable[[int], None] = lambda count: None
) -> Iterator[tuple[str, Found]]:
    """Yield the selected polls, in no order; ``on_looked`` is told how many polls were looked at so far.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    if selection.overdue is not None:
        yield from chain.from_iterable(_overdue(store, selection) for store in polls.stores)
        return
    states = selection.states | LIVE_STATES if "paused" in selection.states else selection.states
    for poll_id, found in polls_in(polls, states, tag=selection.tag, on_looked=on_looked):
        if selection.has(found):
            yield poll_id, found


def select_by_due(
    polls: Polls,
    selection: Selection,
    after: Place | None = None,
    *,
    lots: bool = True,
    on_looked: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[str, Found]]:
    """Return the selected polls in the order of their due times, from a place on; what has ended comes last.

    All parked polls are gone through for their due times, seconds for a million; without ``lots``, they are
    at their deadlines. A poll whose due time changes meanwhile is among them once or never.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    looked = [0] * len(polls.stores)

    def note(shard: int, count: int) -> None:
        looked[shard] = count
        on_looked(sum(looked))

    return heapq.merge(
        *(
            part
            for shard, store in enumerate(polls.stores)
            for part in _by_due(store, selection, after, partial(note, shard), lots=lots)
        ),
        key=_order,
    )


def _order(one: tuple[str, Found]) -> tuple[float, str]:
    poll_id, found = one
    return (math.inf, "") if found.due_ms is None else (found.due_ms, poll_id)


def _by_due(
    store: Store, selection: Selection, after: Place | None, on_looked: Callable[[int], None], *, lots: bool
) -> Iterator[Iterator[tuple[str, Found]]]:
    """Yield the parts of a list, each in order: what is parked, what is in the schedule, what has ended."""
    waiting = lots and selection.states & SEEN_LIVE
    dues = due_times(store) if waiting else {}
    seen: set[str] = set()
    yield _parked_by_due(store, selection, after, dues, seen)
    yield _scheduled(store, selection, after, on_looked, dues, seen)


def _parked_by_due(
    store: Store, selection: Selection, after: Place | None, dues: Mapping[str, int], seen: set[str]
) -> Iterator[tuple[str, Found]]:
    places = sorted(Place(due, poll_id) for poll_id, due in dues.items())
    places = places[0 if after is None else bisect_right(places, after) :]
    for first in range(0, len(places), PAGE):
        page = [(poll_id, due) for due, poll_id in places[first : first + PAGE]]
        for poll_id, found in standing(store, page):
            if poll_id not in seen and selection.has(found):
                seen.add(poll_id)
                yield poll_id, found


def _scheduled(
    store: Store,
    selection: Selection,
    after: Place | None,
    on_looked: Callable[[int], None],
    dues: Mapping[str, int],
    seen: set[str],
) -> Iterator[tuple[str, Found]]:
    """Yield the polls of the schedule, and those that have ended; not those that are parked."""
    looked = 0
    keys = [
        *([store.keys.schedule] if selection.states & SEEN_LIVE else []),
        *([store.keys.releases] if selection.states & TERMINAL_STATES else []),
    ]
    for key in keys:
        for page in _pages(store, key, after=after if key == store.keys.schedule else None):
            looked += len(page)
            on_looked(looked)
            for poll_id, found in _found(store, page):
                if found.record.ended:
                    found = found._replace(due_ms=None)
                is_listed = poll_id in seen or (poll_id in dues and may_be_parked(found))
                if not is_listed and selection.has(found):
                    seen.add(poll_id)
                    yield poll_id, found


def _overdue(store: Store, selection: Selection) -> Iterator[tuple[str, Found]]:
    seen: set[str] = set()
    with translated_errors(store.client):
        seconds, _ = store.client.time()
    for page in _pages(store, store.keys.schedule, until_ms=seconds * 1000):
        for poll_id, found in _found(store, page):
            if poll_id not in seen and selection.has(found):
                seen.add(poll_id)
                yield poll_id, found
    for poll_id, found in parked(store):
        if poll_id not in seen and selection.has(found):
            seen.add(poll_id)
            yield poll_id, found


def _pages(
    store: Store, key: str, *, after: Place | None = None, until_ms: int | None = None
) -> Iterator[list[tuple[str, int]]]:
    """Yield pages of a sorted set of polls as (poll, moment in ms), by rank: a place is found in O(log n)."""
    client = store.client
    while True:
        with translated_errors(client):
            first = 0 if after is None else _rank_after(store, key, after)
            answer = client.zrange(key, first, first + PAGE - 1, withscores=True)
        ranked = cast("list[tuple[bytes, float]]", answer)
        page = [(raw.decode(), int(due)) for raw, due in ranked]
        if until_ms is not None:
            page = [one for one in page if one[1] <= until_ms]
        if page:
            yield page
            after = Place(page[-1][1], page[-1][0])
        if len(page) < PAGE:
            return


def _rank_after(store: Store, key: str, place: Place) -> int:
    """Return the rank of the first poll after a place, whose own poll may have moved on."""
    with store.client.pipeline(transaction=False) as pipe:
        pipe.zscore(key, place.poll_id)
        pipe.zrank(key, place.poll_id)
        pipe.zcount(key, "-inf", f"({place.due_ms}")
        due, rank, before = pipe.execute()
    # What has the same due time is in the order of ids; with a few of them listed again, none is left out.
    return int(rank) + 1 if due is not None and int(due) == place.due_ms else int(before)


def _found(store: Store, page: list[tuple[str, int]]) -> Iterator[tuple[str, Found]]:
    """Yield the polls of a page that can be read, at the due times that the page has."""
    dues = dict(page)
    for poll_id, found in read_found(store, list(dues)):
        yield poll_id, found._replace(due_ms=dues[poll_id])
