"""`PollResult`: the `AsyncResult` of a poll, which can also be watched, nudged and cancelled."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from celery.result import AsyncResult

from pollers import log_lines, outcome
from pollers.errors import InvalidPoll, UnknownPoll
from pollers.plain_json import plain
from pollers.redaction import redact_url
from pollers.runtime import current_app, runtime_of
from pollers.spec import PollSpec
from pollers.store import LIVE_STATES, Found, Store

#: The beginning of the year 9999, in every time zone a moment that can be written.
LAST_MOMENT_MS = 253_370_764_800_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class LastAnswer:
    """The answer of a poll's last settled attempt."""

    #: HTTP status; None when no response came.
    status: int | None
    #: The beginning of the body on one line, or what went wrong.
    excerpt: str
    #: Seconds from the start of the request to its end.
    elapsed: float
    #: When the attempt was settled.
    at: datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class PollStatus:
    """Where a poll stands."""

    id: str
    #: ``waiting``, ``running``, ``succeeded``, ``failed``, ``timed_out`` or ``cancelled``.
    state: str
    #: Whether somebody has paused it: no attempt until it is resumed.
    paused: bool
    #: The polled URL without secrets.
    url: str
    #: Attempts begun so far.
    attempts: int
    last_answer: LastAnswer | None
    #: When the next attempt is due; None when none will be.
    next_due: datetime | None
    deadline: datetime
    #: When the poll was admitted.
    created: datetime
    #: When it reached its terminal state; None before.
    ended: datetime | None
    #: The poll's parameters as people see them, without secrets.
    parameters: dict[str, Any]

    @classmethod
    def of(cls, poll_id: str, found: Found) -> PollStatus:
        """Return the status of a poll that `Store.find` found."""
        record, last = found.record, found.record.last_answer()
        shown = PollSpec.salvaged(record.spec).shown()
        waits = record.state == "waiting" and found.due_ms is not None and not record.paused
        return cls(
            id=poll_id,
            state=record.state,
            paused=bool(record.paused) and not record.ended,
            url=redact_url(str(shown.get("url", ""))),
            attempts=record.attempt,
            last_answer=last
            and LastAnswer(status=last[0], excerpt=last[1], elapsed=last[2] / 1000, at=_moment(last[3])),
            next_due=_moment(found.due_ms) if waits and found.due_ms else None,
            deadline=_moment(record.deadline_ms),
            created=_moment(record.created_ms),
            ended=_moment(record.ended_ms) if record.ended_ms else None,
            parameters=shown,
        )


class PollResult(AsyncResult):
    """The result of a poll. All that an `AsyncResult` can, and to watch and steer the poll.

    ``PollResult(poll_id)`` is that of a poll of the application that was set up last.
    """

    def __init__(
        self, id: str, backend: Any = None, task_name: Any = None, app: Any = None, parent: Any = None
    ) -> None:
        super().__init__(id, backend, task_name, app or current_app(), parent)

    def status(self) -> PollStatus:  # the stock one is an alias of `state`
        """Return where the poll stands.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        found = self._store.find(self.id)
        if found is None:
            raise UnknownPoll(f"No poll {self.id} is known here, or it ended too long ago.")
        return PollStatus.of(self.id, found)

    def cancel(self) -> bool:
        """Cancel the poll: it never runs again, and whoever waits gets `PollCancelled`.

        Returns whether the poll is cancelled now; False when it had ended before.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        return self._end("cancelled", "")

    def succeed(self, value: Any = None) -> bool:
        """End the poll with a value, as a webhook has told it: whoever waits gets the value.

        Returns whether the poll has succeeded, now or before; False when it had ended in another way.

        Raises:
            InvalidPoll: The value cannot be written as JSON.
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        try:
            text = outcome.value_text(plain(value))
        except ValueError as error:
            raise InvalidPoll.of({"value": str(error)}) from error
        return self._end("succeeded", text)

    def fail(self, reason: str) -> bool:
        """End the poll without success, as a webhook has told it: whoever waits gets `PollFailed`.

        Returns whether the poll has failed, now or before; False when it had ended in another way.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        return self._end("failed", outcome.error_text("PollFailed", reason))

    def nudge(self) -> bool:
        """Make the next attempt due now, or as soon as the one under way is over; False when it has ended.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        state = self._store.nudge(self.id)
        return self._steered("nudged", state, state in LIVE_STATES)

    def pause(self) -> bool:
        """Make no attempt until `resume`; the deadline stays. False when the poll had ended before.

        An attempt that is under way goes on, and may end the poll.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        state = self._store.pause(self.id)
        return self._steered("paused", state, state in LIVE_STATES)

    def resume(self) -> bool:
        """Make attempts again, the next one now, if the poll was paused; False when it has ended.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        state = self._store.resume(self.id)
        return self._steered("resumed", state, state in LIVE_STATES)

    def revoke(self, *args: Any, **kwargs: Any) -> None:
        """Cancel the poll, as `cancel` does; a task that is no poll (any more) is revoked by Celery."""
        if self._store.cancel(self.id) == "unknown":
            super().revoke(*args, **kwargs)

    def _end(self, state: str, text: str) -> bool:
        now = self._store.end(self.id, state, text)
        return self._steered(state, now, now == state)

    def _steered(self, change: str, state: str, done: bool) -> bool:
        self._must_be_known(state)
        if done:
            log_lines.steered(self.id, change)
        return done

    @property
    def _store(self) -> Store:
        return runtime_of(self.app).store

    def _must_be_known(self, state: str) -> None:
        if state == "unknown":
            raise UnknownPoll(f"No poll {self.id} is known here, or it ended too long ago.")


def _moment(ms: int) -> datetime:
    # A damaged record is shown as well as it can be; it must not keep others from being listed.
    return datetime.fromtimestamp(min(max(0, ms), LAST_MOMENT_MS) / 1000, UTC)
