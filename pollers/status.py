"""Where a poll stands, and what its attempts came to: the values that a `PollResult` tells."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pollers.redaction import redact_url
from pollers.spec import PollSpec
from pollers.store import Found, Record

if TYPE_CHECKING:
    from pollers.store.history import Entry

#: The beginning of the year 9999, in every time zone a moment that can be written.
LAST_MOMENT_MS = 253_370_764_800_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class LastAnswer:
    """The answer of a poll's last settled attempt."""

    #: HTTP status; None when no response came.
    status: int | None
    #: The beginning of the body on one line, or what went wrong; redacted as far as names tell.
    excerpt: str
    #: Seconds from the start of the request to its end.
    elapsed: float
    #: When the attempt was settled.
    at: datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class PastAttempt:
    """An attempt of a poll that has been settled. Missing numbers are of attempts that never were."""

    #: From 1.
    attempt: int
    #: When it was settled.
    at: datetime
    #: HTTP status; None when no response came.
    status: int | None
    #: Seconds from the start of the request to its end.
    elapsed: float
    #: ``pending``, ``succeeded`` or ``failed``.
    decision: str
    #: The beginning of the body on one line, or what went wrong; redacted as far as names tell.
    excerpt: str

    @classmethod
    def of(cls, entry: Entry, record: Record) -> PastAttempt:
        """Return an attempt as the history of its poll has it."""
        decides = entry.attempt == record.attempt and record.state in ("succeeded", "failed")
        return cls(
            attempt=entry.attempt,
            at=moment(entry.at_ms),
            status=entry.status,
            elapsed=entry.elapsed_ms / 1000,
            decision=record.state if decides else "pending",
            excerpt=entry.excerpt,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class PollStatus:
    """Where a poll stands."""

    id: str
    #: ``waiting``, ``paused``, ``running``, ``succeeded``, ``failed``, ``timed_out`` or ``cancelled``.
    state: str
    #: Whether somebody has paused it: no attempt until it is resumed, after one that may be ``running``.
    paused: bool
    #: The polled URL without secrets.
    url: str
    #: Attempts begun so far.
    attempts: int
    last_answer: LastAnswer | None
    #: When the next attempt is due, or since when it has been; None when none will be.
    next_due: datetime | None
    #: Why there is no attempt though one is due: ``origin paused``, ``origin held for 49s``,
    #: ``breaker open for 30s``, ``waits for a limit``, ``waits for its turn``; or ``paused``. Else None.
    why_waiting: str | None
    deadline: datetime
    #: When the poll was admitted.
    created: datetime
    #: When it reached its terminal state; None before.
    ended: datetime | None
    #: The poll's parameters as people see them, without secrets.
    parameters: dict[str, Any]

    @classmethod
    def of(cls, poll_id: str, found: Found) -> PollStatus:
        """Return the status of a poll that was found, and explained (`pollers.store.parking`)."""
        record, last = found.record, found.record.last_answer()
        shown = PollSpec.salvaged(record.spec).shown()
        # What is looked at again at its deadline gets no attempt before it, as far as is known.
        is_due = record.seen == "waiting" and found.due_ms and found.due_ms < record.deadline_ms
        return cls(
            id=poll_id,
            state=record.seen,
            paused=bool(record.paused) and not record.ended,
            url=redact_url(str(shown.get("url", ""))),
            attempts=record.attempt,
            last_answer=last
            and LastAnswer(status=last[0], excerpt=last[1], elapsed=last[2] / 1000, at=moment(last[3])),
            next_due=moment(found.due_ms) if is_due and found.due_ms else None,
            why_waiting=found.why_waiting or None,
            deadline=moment(record.deadline_ms),
            created=moment(record.created_ms),
            ended=moment(record.ended_ms) if record.ended_ms else None,
            parameters=shown,
        )


def moment(ms: int) -> datetime:
    """Return a moment of Redis' clock, in ms; one that no calendar has becomes the nearest that is there."""
    # A damaged record is shown as well as it can be; it must not keep others from being listed.
    return datetime.fromtimestamp(min(max(0, ms), LAST_MOMENT_MS) / 1000, UTC)
