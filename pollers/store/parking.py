"""Parked polls: which are, since when they have been due, and why.

A parked poll is in the schedule at its deadline, so that it is looked at then, whatever happens. The moment
since which it has been due is in its lot only, where nothing is found by an id: the lots are gone through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from typing import cast

from pollers.durations import approximate
from pollers.store.connection import translated_errors
from pollers.store.listing import read_found
from pollers.store.shards import Polls
from pollers.store.store import LAST_CALL_MS, Store
from pollers.store.traffic import Gate, origin_gate
from pollers.store.values import Found

#: Parked polls to a page. Redis spends less than a millisecond on one.
PAGE = 500
#: Parked polls that are gone through for the due times of a few; where there are more, some are not told.
MOST = 20_000
#: What an origin is that lets no poll pass, by `Gate.condition`.
_SHUT = {"paused": "origin paused", "held": "origin held", "open": "breaker open"}


def parked(polls: Polls) -> Iterator[tuple[str, Found]]:
    """Return the due polls that wait in a lot, as there is no room for them, or a gate is closed.

    Their due time is the one since which they wait.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    return chain.from_iterable(map(_parked, polls.stores))


def _parked(store: Store) -> Iterator[tuple[str, Found]]:
    for page in entries(store):
        yield from standing(store, page)


def standing(store: Store, page: Sequence[tuple[str, int]]) -> Iterator[tuple[str, Found]]:
    """Yield the polls of entries that still stand; not those that were nudged, paused or cancelled."""
    dues = dict(page)
    for poll_id, found in read_found(store, list(dues)):
        if may_be_parked(found):
            yield poll_id, found._replace(due_ms=dues[poll_id], parked=True)


def entries(store: Store) -> Iterator[list[tuple[str, int]]]:
    """Yield pages of what is in the lots: polls, and since when they have been due, in ms."""
    start = b"-"
    while True:
        with translated_errors(store.client):
            raw = store.client.zrangebylex(store.keys.lots, start, "+", start=0, num=PAGE)
        members = cast("list[bytes]", raw)
        if members:
            yield [entry(member) for member in members]
        if len(members) < PAGE:
            return
        start = b"(" + members[-1]


def entry(member: bytes) -> tuple[str, int]:
    """Return the poll that a member of the lots stands for, and since when it has been due, in ms."""
    # Lot, priority, tag, due time, tenant, id (``scripts/lots.lua``).
    _, due, _, poll_id = member.decode().rsplit("\0", 3)
    return poll_id, int(due)


def due_times(store: Store) -> dict[str, int]:
    """Return since when all parked polls have been due, in ms."""
    dues: dict[str, int] = {}
    for page in entries(store):
        for poll_id, due in page:
            # Of two entries of a poll, it goes by the first.
            dues.setdefault(poll_id, due)
    return dues


def may_be_parked(found: Found) -> bool:
    """Return whether a poll is where the schedule has parked ones; some last attempts are due then, too."""
    record, due_ms = found.record, found.due_ms
    if record.state != "waiting" or record.paused or due_ms is None or due_ms <= found.now_ms:
        return False
    return due_ms in (record.deadline_ms, record.deadline_ms - LAST_CALL_MS)


def explained(
    polls: Polls, listed: Sequence[tuple[str, Found]], *, most: int = MOST
) -> list[tuple[str, Found]]:
    """Return polls with the due times of those that are parked, and why they wait, as far as that is known.

    Where more than ``most`` polls are parked, some of those due times are missing.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    looked_for = {poll_id for poll_id, found in listed if may_be_parked(found)}
    dues, seen_all = _dues(polls, looked_for, most) if looked_for else ({}, True)
    gate_of = cache(partial(origin_gate, polls))

    def explain(poll_id: str, found: Found) -> Found:
        if poll_id in dues:
            found = found._replace(due_ms=dues[poll_id], parked=True)
        elif not seen_all and poll_id in looked_for and _looks_parked(found, gate_of):
            # Since when it has been due is not known; before its deadline, nothing is.
            found = found._replace(due_ms=found.record.deadline_ms, parked=True)
        return found._replace(why_waiting=_why(found, gate_of))

    return [(poll_id, explain(poll_id, found)) for poll_id, found in listed]


def _looks_parked(found: Found, gate_of: Callable[[str], Gate]) -> bool:
    """Return whether a poll is parked as far as its place in the schedule says."""
    if found.due_ms == found.record.deadline_ms:
        # Nobody but a poll that gets no attempt any more is there, too.
        return True
    # Where an attempt may be due all the same, what keeps its origin decides.
    return bool(found.record.origin) and gate_of(found.record.origin).condition() != "closed"


def _dues(polls: Polls, looked_for: set[str], most: int) -> tuple[dict[str, int], bool]:
    """Return since when polls that are parked have been due, and whether all that is parked was looked at."""
    dues: dict[str, int] = {}
    seen_all = True
    for store in polls.stores:
        for number, page in enumerate(entries(store), start=1):
            dues = {poll_id: due for poll_id, due in page if poll_id in looked_for} | dues
            if len(dues) == len(looked_for):
                return dues, True
            if number * PAGE >= most:
                seen_all = False
                break
    return dues, seen_all


def _why(found: Found, gate_of: Callable[[str], Gate]) -> str:
    """Return why a poll waits though it is due, or is paused; empty when nothing is known that keeps it."""
    record, due_ms = found.record, found.due_ms
    if record.ended or due_ms is None:
        return ""
    if record.paused:
        return "paused"
    if record.state != "waiting" or not (found.parked or due_ms <= found.now_ms):
        return ""
    gate = gate_of(record.origin) if record.origin else None
    if gate is not None and gate.condition() in _SHUT:
        return _SHUT[gate.condition()] + (f" for {approximate(gate.shut_for())}" if gate.shut_for() else "")
    if not found.parked:
        return ""
    limited = record.limit or (gate is not None and gate.state.get("rules", {}).get("limit"))
    return "waits for a limit" if limited else "waits for its turn"
