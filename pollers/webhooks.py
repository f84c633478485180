"""Incoming webhooks (Standard Webhooks): an operation tells of its end, and its poll is the safety net.

::

    event = webhooks.receive(request.body, request.headers, secret)
    poll.AsyncResult(webhooks.poll_id("renders", event.payload["data"]["id"])).nudge()
"""

from __future__ import annotations

import base64
import json
import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pollers import standard_webhooks
from pollers.errors import PollError

#: Seconds that a message may be older, or newer, than this machine's clock says.
TOLERANCE = 300.0
#: Bytes of a new secret.
_NEW_SECRET = 32
_POLLS = uuid.UUID("0f6d3a52-7a7e-4c1b-9a43-6d1f6a0d7c15")


class InvalidWebhook(PollError, ValueError):
    """A webhook is not signed by whom it should be, or is too old: answer it with 401 and do nothing."""


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A webhook whose signature is right."""

    #: What tells the message from others; the same each time that it is sent again.
    id: str
    #: When it was sent, in epoch seconds.
    timestamp: int
    #: Its body as JSON.
    payload: Any


def receive(
    body: bytes, headers: Mapping[str, str], secret: str | Sequence[str], *, now: float | None = None
) -> Webhook:
    """Check a webhook, and return it.

    ``body`` is what came in, byte by byte; ``secret`` one ``whsec_...``, or several while one is replaced;
    ``now`` is epoch seconds, by default the clock's. A message that is older than five minutes is refused.
    One that comes again within them is not: what `nudge`, `succeed` and `fail` do may be done twice.

    Raises:
        InvalidWebhook: It is not signed with the secret, or was not sent just now.
        ValueError: The secret is none.
        TypeError: The body is not bytes.

    """
    if not isinstance(body, bytes | bytearray):
        raise TypeError(
            f"The body of a webhook must be bytes, as it came in, and not {type(body).__name__}: what is "
            "decoded or parsed may differ from what was signed."
        )
    given = {name.lower(): value for name, value in dict(headers).items()}
    missing = [
        name
        for name in (standard_webhooks.ID, standard_webhooks.TIMESTAMP, standard_webhooks.SIGNATURE)
        if not given.get(name)
    ]
    if missing:
        raise InvalidWebhook(f"The webhook has no {' and no '.join(missing)}.")
    message_id, stamp = given[standard_webhooks.ID], given[standard_webhooks.TIMESTAMP]
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
        raise InvalidWebhook("The timestamp of the webhook is no number.")
    timestamp = int(stamp)
    if abs(timestamp - (time.time() if now is None else now)) > TOLERANCE:
        raise InvalidWebhook("The webhook was not sent within the last five minutes, or a clock is wrong.")
    keys = [secret] if isinstance(secret, str) else secret
    if not standard_webhooks.is_signed(keys, message_id, timestamp, body, given[standard_webhooks.SIGNATURE]):
        raise InvalidWebhook("The webhook is not signed with the secret that is known here.")
    try:
        return Webhook(id=message_id, timestamp=timestamp, payload=json.loads(body or b"null"))
    except ValueError as error:
        raise InvalidWebhook("The body of the webhook is no JSON.") from error


def poll_id(*operation: str) -> str:
    """Return the id for the poll of an operation, always the same: ``poll_id("renders", "42")``.

    Submit the poll with it (``apply_async(..., task_id=...)``), and a webhook that names the operation finds
    the poll; submitted twice, it is one poll.
    """
    return str(uuid.uuid5(_POLLS, json.dumps(operation)))


def new_secret() -> str:
    """Return a new secret to sign with."""
    return standard_webhooks.PREFIX + base64.b64encode(secrets.token_bytes(_NEW_SECRET)).decode()
