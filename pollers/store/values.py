"""What goes into the calls of the store, and what comes out."""

from __future__ import annotations

from typing import NamedTuple

from pollers.store.record import Record


class Admission(NamedTuple):
    """What came of an admission."""

    #: False when a poll of this id is known already.
    new: bool
    #: False when the deadline has passed by Redis' clock; then nothing was stored.
    in_time: bool


class Pack(NamedTuple):
    """Polls that one ``pollers.attempt`` task carries."""

    id: str
    #: Queue to send it to; empty for Celery's own routing.
    queue: str
    #: Flat, as the message carries it: id, attempt, due time in ms, id, ...
    polls: list[str | int]


class Dispatch(NamedTuple):
    """What one call of `Store.dispatch` found."""

    #: Seconds until the next poll is due; None when none waits.
    next_due_in: float | None
    #: Polls whose outcome is not delivered yet.
    releasing: int
    #: Queues of due polls that the call did not name.
    unknown_queues: list[str]
    packs: list[Pack]
    #: Due polls whose records are damaged or of a newer version; they are left alone for a while.
    unreadable: list[str]
    #: Origins that nobody has told the rules of yet, while there are rules; their polls wait for that.
    strangers: list[str]
    #: Whether more is due than the call has looked at.
    more: bool


class Begun(NamedTuple):
    """The attempts of a pack that may run."""

    #: Redis' clock when they began, in ms.
    now_ms: int
    polls: list[tuple[str, Record]]


class Settlement(NamedTuple):
    """What an attempt came to, in the order that ``settle.lua`` reads."""

    poll_id: str
    attempt: int
    #: ``waiting``, ``succeeded`` or ``failed``.
    state: str
    #: Next due time in ms of Redis' clock; 0 when the poll ended.
    due_ms: int
    progress: str
    answer: str
    outcome: str
    #: Ms that the origin asked to be left alone; 0 when it did not.
    hold_ms: int = 0
    #: Whether the attempt met trouble that a breaker counts.
    trouble: bool = False


class Claim(NamedTuple):
    """A held task's claim on an outcome."""

    #: ``claimed``, ``live``, ``busy``, ``delivered`` or ``unknown``.
    verdict: str
    #: The record, when claimed.
    record: Record | None


class Found(NamedTuple):
    """A poll as `Store.find` sees it."""

    record: Record
    #: When somebody looks at it again, in ms; None when it has ended.
    due_ms: int | None
    #: Redis' clock in ms.
    now_ms: int
