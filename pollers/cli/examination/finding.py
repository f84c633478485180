"""`Finding`: something that the doctor says."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that is wrong."""

    #: Where: ``settings``, ``redis``, ``polls``, ``broker``, ``results``, ``workers`` or ``flower``.
    part: str
    #: What is wrong, and what it can cost.
    problem: str
    #: What to do about it.
    cure: str


def some(names: list[str], most: int = 3) -> str:
    """Return the first of many names, and how many there are beside."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
