"""The webhook that tells the end of a poll: sent by a poll of its own.

It is admitted before the outcome is delivered, under an id that comes from the first one's. So it is told at
least once whatever dies, and sent again until its receiver acknowledges it, as any poll goes on until its
condition holds: with the same leases, guard, credentials and limits.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kombu.exceptions import OperationalError

from pollers import held, standard_webhooks
from pollers.cadence import Exponential
from pollers.errors import PollEnded
from pollers.outcome import result_of
from pollers.plain_json import compact
from pollers.runtime import runtime_of
from pollers.spec import PollSpec
from pollers.store import Record
from pollers.store.listing import tags_of

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

#: In the text of a spec that asks for a webhook.
MARK = '"webhook":'
#: What the id of its poll ends with, and what that is tagged with.
SUFFIX, TAG = ".webhook", "webhook"
#: How long a webhook is sent again.
TIMEOUT = "3d"
#: Seconds to wait before it is sent again: at first, and at last.
SHORTEST_WAIT, LONGEST_WAIT = 5.0, 3600.0
#: Seconds that a receiver may take to acknowledge.
REQUEST_TIMEOUT = "15s"


def tell(app: Celery, poll_id: str, record: Record) -> None:
    """See to it that the end of a poll is told by a webhook, if it asks for one; may be done twice.

    Raises:
        kombu.exceptions.OperationalError: Redis cannot be reached.

    """
    try:
        spec = PollSpec.from_json(record.spec)
        if not spec.webhook:
            return
        app.tasks[held.POLL].apply_async(
            (spec.webhook["url"],),
            _parameters(poll_id, spec, record, runtime_of(app).settings.min_interval),
            task_id=poll_id + SUFFIX,
            ignore_result=True,
            add_to_parent=False,
            parent_id=poll_id,
            **({"queue": record.queue} if record.queue else {}),
        )
    except OperationalError:
        raise
    except Exception:
        logger.exception("The webhook of poll %s cannot be sent.", poll_id)


def is_webhook(poll_id: str, record: Record) -> bool:
    """Return whether a poll is one that sends the webhook of another."""
    return poll_id.endswith(SUFFIX) and TAG in tags_of(record)


def _parameters(poll_id: str, spec: PollSpec, record: Record, min_interval: float) -> dict[str, Any]:
    # With this jitter, the shortest wait is half of what is asked for.
    shortest = max(SHORTEST_WAIT, 2 * min_interval)
    return {
        "method": "POST",
        "headers": {"Content-Type": "application/json", standard_webhooks.ID: f"msg_{poll_id}"},
        # As text: it is signed byte by byte, and monitors do not show it.
        "data": compact(_message(poll_id, spec, record)),
        "auth": spec.webhook["auth"],
        "protocol": "standard-webhook",
        "conditional": False,
        "every": Exponential(min=shortest, max=max(shortest, LONGEST_WAIT), factor=3, jitter="equal").plain(),
        "timeout": TIMEOUT,
        "request_timeout": REQUEST_TIMEOUT,
        "tags": [TAG],
    }


def _message(poll_id: str, spec: PollSpec, record: Record) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": poll_id,
        "state": record.state,
        "url": spec.shown()["url"],
        "attempts": record.attempt,
        "elapsed": max(0, record.ended_ms - record.created_ms) / 1000,
        "tags": list(spec.tags),
    }
    try:
        data["value"] = result_of(record)
    except PollEnded as error:
        data["error"] = {
            "type": type(error).__name__,
            "message": str(error),
            "reason": error.reason,
            "status": error.status,
        }
    ended = datetime.fromtimestamp(record.ended_ms / 1000, UTC)
    return {
        "type": f"poll.{record.state}",
        "timestamp": ended.isoformat(timespec="milliseconds"),
        "data": data,
    }
