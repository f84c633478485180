"""The origins of live polls, for somebody who names one: whether any poll has it, and which may be meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from urllib.parse import urlsplit

from pollers.cli.waitbar import bar
from pollers.store import LIVE_STATES, Polls
from pollers.store.listing import count_polls, polls_in


def has_polls(polls: Polls, origin: str) -> tuple[bool, str | None]:
    """Return whether a live poll has an origin, and if none has, the nearest that one has.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    others = set()
    with bar("looking", count_polls(polls)) as advance:
        for _, found in polls_in(polls, LIVE_STATES, on_looked=advance):
            if found.record.origin == origin:
                return True, None
            others.add(found.record.origin)
    return False, nearest(origin, others)


def nearest(origin: str, others: Collection[str]) -> str | None:
    """Return another origin of the same host, or else one whose host is written much like it."""
    by_host = {_host(other): other for other in sorted(others, reverse=True)}
    near = difflib.get_close_matches(_host(origin), by_host, n=1, cutoff=0.75)
    return by_host[near[0]] if near else None


def _host(origin: str) -> str:
    return urlsplit(origin if "://" in origin else f"//{origin}").hostname or ""
