"""Events for Flower and other monitors: one row per poll, from its first attempt to its outcome.

A waiting poll is shown as Celery shows a task that waits for its next try: state RETRY, with the
number of attempts as ``retries``, the last answer as ``exception`` and the next due time as ``eta``.
A state of our own would not do: monitors order unknown states after REVOKED, and a cancelled poll
would look alive for ever (``celery.events.state.Task.event``).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kombu.utils.json import loads

from pollers.engine import Settled
from pollers.held import POLL
from pollers.spec import PollSpec

if TYPE_CHECKING:
    from celery import Celery

#: More events than any group of settlements has, so that a group goes out as one message.
_BUFFER = 10_000


def send(app: Celery, hostname: str, settled: Iterable[Settled], share: float) -> None:
    """Send the events of attempts whose polls wait again; ends are told by the held task itself.

    ``share`` is the part of attempts, 0 to 1, that send one; a first attempt always does.
    """
    events = [
        event
        for one in settled
        if one.accepted
        and one.settlement.state == "waiting"
        and (one.settlement.attempt == 1 or random.random() < share)
        for event in _events(one)
    ]
    if events:
        _publish(app, hostname, events)


def send_revoked(app: Celery, hostname: str, poll_id: str) -> None:
    """Send the event that ends the row of a cancelled poll."""
    fields = {"uuid": poll_id, "terminated": False, "signum": None, "expired": False}
    _publish(app, hostname, [("task-revoked", fields)])


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
    shown = PollSpec.from_json(record.spec).shown()
    url = shown.pop("url", "")
    row = {
        "uuid": settled.poll_id,
        "name": POLL,
        "args": repr((url,)),
        "kwargs": repr(shown),
        "retries": settlement.attempt,
        "eta": datetime.fromtimestamp(settlement.due_ms / 1000, UTC).isoformat(timespec="milliseconds"),
    }
    status, excerpt, elapsed_ms, _ = json.loads(settlement.answer)
    answered = f"{status or 'no answer'} in {elapsed_ms} ms: {excerpt}"
    retried = ("task-retried", {**row, "exception": answered})
    if settlement.attempt > 1:
        return [retried]
    # Monitors list rows by when they were received; it also tells where in a chain the poll stands.
    held = loads(record.held) if record.held else {}
    parents = {
        "root_id": held.get("root_id") or settled.poll_id,
        "parent_id": held.get("parent_id"),
    }
    return [("task-received", {**row, **parents}), retried]
