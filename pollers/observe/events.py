"""Events for Flower and other monitors: one row per poll, from its first attempt to its outcome.

One that a gate keeps from its first attempt has its row from then on.

A waiting poll is shown as Celery shows a task that waits for its next try: state RETRY, with the
number of attempts as ``retries``, the last answer as ``exception`` and the next due time as ``eta``.
A state of our own would not do: monitors order unknown states after REVOKED, and a cancelled poll
would look alive for ever (``celery.events.state.Task.event``).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from celery.utils.nodenames import anon_nodename
from kombu.exceptions import OperationalError
from kombu.utils.json import loads

from pollers.engine import Settled
from pollers.held import POLL, texts
from pollers.spec import PollSpec
from pollers.store import Record, Submission

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

#: More events than any group of settlements has, so that a group goes out as one message.
_BUFFER = 10_000


class _Allowance:
    """Not more events a second than monitors can follow."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._allowed = per_second
        self._second_began = time.monotonic()

    def renew(self) -> None:
        """Allow all of a second again when one is over."""
        # All at the beginning of a second: a few large messages cost less than many small ones.
        if time.monotonic() - self._second_began >= 1:
            self._allowed, self._second_began = self._per_second, time.monotonic()

    def take(self) -> bool:
        """Return whether there may be one more."""
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True


class KeptEvents:
    """Sends the events that make rows of polls which a gate keeps from their first attempt."""

    def __init__(self, app: Celery, hostname: str, per_second: int) -> None:
        self._app = app
        self._hostname = hostname
        self._allowance = _Allowance(per_second)

    def send(self, kept: Iterable[tuple[str, Record]]) -> None:
        """Send the events of some of them; the others get their rows with their first attempts."""
        self._allowance.renew()
        rows = [_known(poll_id, record) for poll_id, record in kept if self._allowance.take()]
        if rows:
            _publish(self._app, self._hostname, [("task-received", {**row, "retries": 0}) for row in rows])


class AttemptEvents:
    """Sends the events of one process's attempts."""

    def __init__(self, app: Celery, hostname: str, per_second: int) -> None:
        self._app = app
        self._hostname = hostname
        self._allowance = _Allowance(per_second)

    def send(self, settled: Iterable[Settled]) -> None:
        """Send events of attempts whose polls wait again; ends are told by the held task itself.

        First attempts always are, as they make the row. Called by one thread at a time.
        """
        self._allowance.renew()
        events = [event for one in settled if self._shown(one) for event in _events(one)]
        if events:
            _publish(self._app, self._hostname, events)

    def _shown(self, settled: Settled) -> bool:
        if not settled.accepted or settled.settlement.state != "waiting":
            return False
        return settled.settlement.attempt == 1 or self._allowance.take()


def send_sent(app: Celery, submissions: Iterable[Submission]) -> None:
    """Send the events of polls that were submitted here."""
    try:
        _publish(app, anon_nodename(), [("task-sent", _sent(one)) for one in submissions])
    except OperationalError as trouble:
        # They are submitted all the same.
        logger.warning("Monitors were not told of submitted polls: %s", trouble)


def _sent(submission: Submission) -> dict[str, Any]:
    now = time.time()
    return {
        **_row(submission.poll_id, PollSpec.from_json(submission.spec), submission.held),
        "retries": 0,
        "eta": _moment(now + submission.delay),
        "expires": _moment(submission.deadline or now + (submission.timeout or 0.0)),
        "queue": submission.queue or None,
    }


def send_revoked(app: Celery, hostname: str, poll_id: str) -> None:
    """Send the event that ends the row of a cancelled poll."""
    fields = {"uuid": poll_id, "terminated": False, "signum": None, "expired": False}
    try:
        _publish(app, hostname, [("task-revoked", fields)])
    except OperationalError as trouble:
        logger.warning("Monitors were not told that poll %s is cancelled: %s", poll_id, trouble)


def send_origin(app: Celery, hostname: str, origin: str, change: str) -> None:
    """Send the event ``pollers-origin``: an origin is ``held``, or its breaker ``open`` or ``closed``."""
    _publish(app, hostname, [("pollers-origin", {"origin": origin, "change": change})])


def _publish(app: Celery, hostname: str, events: list[tuple[str, dict[str, Any]]]) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        dispatcher = app.events.Dispatcher(
            producer.connection,
            hostname=hostname,
            channel=producer.channel,
            buffer_group=frozenset({"task"}),
            buffer_limit=_BUFFER,
        )
        for kind, fields in events:
            dispatcher.send(kind, **fields)
        dispatcher.flush()


def _events(settled: Settled) -> list[tuple[str, dict[str, Any]]]:
    record, settlement = settled.record, settled.settlement
    row = {
        **_known(settled.poll_id, record),
        "retries": settlement.attempt,
        "eta": _moment(settlement.due_ms / 1000),
    }
    retried = ("task-retried", {**row, "exception": answered(settlement.answer)})
    return [retried] if settlement.attempt > 1 else [("task-received", row), retried]


def _known(poll_id: str, record: Record) -> dict[str, Any]:
    """Return what a record tells of a poll."""
    return {
        **_row(poll_id, PollSpec.from_json(record.spec), record.held),
        # Monitors sort by it. Those that were started later, or have forgotten the row, learn it here.
        "received": record.created_ms / 1000,
        "expires": _moment(record.deadline_ms / 1000),
    }


def _row(poll_id: str, spec: PollSpec, held: str) -> dict[str, Any]:
    """Return what stays the same for all of a poll's life."""
    args, kwargs = texts(spec)
    try:
        options = dict(loads(held)) if held else {}
    except (TypeError, ValueError):
        options = {}  # damaged: told when the poll ends
    return {
        "uuid": poll_id,
        "name": POLL,
        "args": args,
        "kwargs": kwargs,
        # Where in a chain the poll stands.
        "root_id": options.get("root_id") or poll_id,
        "parent_id": options.get("parent_id"),
    }


def answered(answer: str) -> str:
    """Return an answer, as records keep it, for people: ``200 in 12 ms: {...}``."""
    status, excerpt, elapsed_ms, _ = json.loads(answer)
    return f"{status or 'no answer'} in {elapsed_ms} ms: {excerpt}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
