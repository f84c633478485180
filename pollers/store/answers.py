"""Answers that polls share: who gets one that another poll has asked for, and who asks next."""

from __future__ import annotations

from pollers.store.record import read_records
from pollers.store.store import GRACE_MS, MARGIN_MS, Store
from pollers.store.values import Joined

#: Polls that one `join` begins at most.
JOIN_LIMIT = 200


def join(store: Store, request: str, asker: str, attempt: int, *, last: bool) -> Joined:
    """Begin attempts of polls that wait for the answer which an attempt has got, up to `JOIN_LIMIT`.

    With ``last``, the answer is not kept for those that are still on their way to it.
    """
    keys = store.keys
    now, over, *begun = store.calls.run(
        "join",
        [keys.polls, keys.schedule, keys.stats, keys.lots, keys.flows, keys.turns, keys.asking],
        [request, asker, attempt, JOIN_LIMIT, MARGIN_MS, GRACE_MS, int(last)],
    )
    return Joined(now, read_records(begun), bool(over))


def pass_on(store: Store, asker: str) -> None:
    """Let another poll ask for those that wait for an answer: what this one has got is not for them."""
    keys = store.keys
    store.calls.run("pass_on", [keys.polls, keys.stats, keys.turns, keys.asking], [asker])
