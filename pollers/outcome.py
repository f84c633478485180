"""What a finished poll gives its caller: the value, or the error that tells why there is none."""

from __future__ import annotations

import json
from typing import Any

from pollers.errors import PollCancelled, PollEnded, PollFailed, PollRejected, PollTimeout
from pollers.progress import Progress
from pollers.redaction import redact_url
from pollers.spec import PollSpec
from pollers.store import Record

_ERRORS: dict[str, type[PollEnded]] = {
    error.__name__: error for error in (PollFailed, PollRejected, PollTimeout, PollCancelled)
}


def value_text(value: Any) -> str:
    """Return the outcome of a poll that succeeded, as it is stored."""
    return json.dumps({"value": value}, separators=(",", ":"))


def error_text(error: str, reason: str) -> str:
    """Return the outcome of a poll that failed, as it is stored; ``error`` names a `PollEnded`."""
    return json.dumps({"error": error, "reason": reason}, separators=(",", ":"))


def result_of(record: Record) -> Any:
    """Return the value of an ended poll.

    Raises:
        PollFailed: It failed, or its outcome in the store is damaged; or `PollRejected`, `PollTimeout`,
            `PollCancelled` as it ended.

    """
    if record.state == "succeeded":
        kept = _read(record.outcome)
        if "value" in kept:
            return kept["value"]
        if record.outcome:
            raise error_of(record)
        # It succeeded by its deadline (`on_deadline`): the value is that of its last answer.
        return Progress.from_json(record.progress).value
    raise error_of(record)


def error_of(record: Record) -> PollEnded:
    """Return the error of a poll that ended without success."""
    spec, kept = PollSpec.salvaged(record.spec), _read(record.outcome)
    if record.state == "timed_out":
        error, reason = "PollTimeout", kept.get("reason", "the deadline passed")
    elif record.state == "cancelled":
        error, reason = "PollCancelled", "on request"
    elif record.outcome:
        error = kept.get("error", "PollFailed")
        reason = kept.get("reason", "its outcome in the store is damaged")
    else:
        # No attempt came to an end: `dispatch` gave it up.
        error, reason = "PollFailed", f"its last {record.crashes} attempts died with their workers"
    last = record.last_answer()
    return _ERRORS.get(str(error), PollFailed).build(
        str(reason),
        url=redact_url(str(spec.url)),
        status=last[0] if last else None,
        excerpt=last[1] if last else None,
        attempts=record.attempt,
        elapsed=max(0, record.ended_ms - record.created_ms) / 1000,
    )


def _read(text: str) -> dict[str, Any]:
    """Return an outcome as it was stored; nothing when there is none, or somebody has damaged it."""
    try:
        kept = json.loads(text or "{}")
    except (RecursionError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
