"""Delivery: Celery stores a poll's own outcome, and no trouble that it meets on the way.

When Redis goes away while a held task runs, Celery would record that as the task's failure: for good,
with the errbacks, although the poll has succeeded. The held task is published again instead.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery import states

from pollers import log_lines
from pollers.errors import InvalidPoll, PollEnded, StoreUnavailable
from pollers.held import HELD_HEADER
from pollers.outcome import error_of
from pollers.runtime import runtime_of
from pollers.store import Record

if TYPE_CHECKING:
    from celery import Celery, Task

logger = logging.getLogger(__name__)

#: Seconds that the record of a delivered poll is kept when results never expire.
DEFAULT_LIFE = 86_400.0


def is_outcome(error: object) -> bool:
    """Return whether an exception is what a poll has come to."""
    return isinstance(error, PollEnded | InvalidPoll)


def log_end(poll_id: str, record: Record) -> None:
    """Write into the log how a poll has ended."""
    last = record.last_answer()
    log_lines.ended(
        poll_id,
        state=record.state,
        origin=record.origin,
        attempts=record.attempt,
        status=last[0] if last else None,
        seconds=(record.ended_ms - record.created_ms) / 1000,
        reason=None if record.state in ("succeeded", "cancelled") else error_of(record).reason,
    )


def tell_cancelled(task: Task, record: Record) -> bool:
    """Tell Celery that the poll of a held task was cancelled; return whether it has noted that.

    Its word for it is REVOKED, and it tells all whom it would tell of a failure.
    """
    request = task.request
    stored = not request.ignore_result or task.store_errors_even_if_ignored
    try:
        task.backend.mark_as_failure(
            request.id, error_of(record), request=request, store_result=stored, state=states.REVOKED
        )
    except Exception as trouble:
        # As in Celery's own delivery of the other outcomes, it is done again.
        logger.warning("Poll %s is cancelled, which could not be told yet: %s", request.id, trouble)
        return False
    return True


def note_delivery(app: Celery, poll_id: str) -> None:
    """Note that Celery has the outcome of a poll, and all that hangs on it has been told."""
    try:
        runtime_of(app).store.deliver(poll_id, record_life(app))
    except StoreUnavailable as error:
        logger.warning("The outcome of poll %s will be delivered once more: %s", poll_id, error)


def record_life(app: Celery) -> float:
    """Return the seconds that what is known of an ended poll is kept: Celery's ``result_expires``."""
    expires = app.conf.result_expires
    # None and 0 are "never" to Celery; records of polls would fill Redis.
    if not expires:
        return DEFAULT_LIFE
    return float(getattr(expires, "total_seconds", lambda: expires)())


class OutcomeBackend:
    """A result backend of Celery, in front of which a held task's foreign failures are turned away."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def __reduce__(self) -> tuple[Any, ...]:
        # Without it, a copy would be made before it has a backend, and look there for how to be made.
        return OutcomeBackend, (self._backend,)

    def mark_as_failure(
        self, task_id: str, exc: BaseException, traceback: Any = None, request: Any = None, **options: Any
    ) -> None:
        """Store a failure, unless it is the delivery that has failed."""
        if request and request.get(HELD_HEADER) and not is_outcome(exc):
            logger.warning("The outcome of poll %s will be delivered again: %r", task_id, exc)
            return
        # The place in a worker where an outcome was raised tells nobody anything.
        told = None if is_outcome(exc) else traceback
        self._backend.mark_as_failure(task_id, exc, told, request, **options)
