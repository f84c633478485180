"""The lines of the log about polls: for each its words and its fields, of which none can hold a secret.

Fields travel as ``extra=``, so that any formatter, ours or an application's own, can write them.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

#: Lines about attempts: each at DEBUG, all of a minute together at INFO.
attempts = logging.getLogger("pollers.attempts")
#: Lines about polls: their ends at INFO, or at WARNING when they are bad; other changes at DEBUG.
polls = logging.getLogger("pollers.polls")

#: Lines about origins, at WARNING.
origins = logging.getLogger("pollers.origins")

_CHANGES = {
    "held": "Polls of %s are held: it asked to be left alone.",
    "open": "The breaker of %s has opened: too many of its attempts fail.",
    "closed": "The breaker of %s has closed: it answers again.",
}
#: Ends that somebody may have to look at.
_BAD_ENDS = frozenset({"failed", "timed_out"})


def attempted(
    poll_id: str,
    *,
    attempt: int,
    origin: str,
    status: int | None,
    error: str | None,
    ms: int,
    decision: str,
    due_ms: int,
) -> None:
    """Write the line of an attempt; ``error`` is the kind of it, ``due_ms`` 0 when none follows."""
    fields: dict[str, Any] = {
        "event": "attempt",
        "poll_id": poll_id,
        "attempt": attempt,
        "origin": origin,
        "status": status,
        "error": error,
        "ms": ms,
        "decision": decision,
        "next_due": _moment(due_ms) if due_ms else None,
    }
    answer = status if status is not None else error or "nothing asked"
    then = f", next due {fields['next_due']}" if due_ms else ""
    attempts.debug(
        "Attempt %d of poll %s at %s: %s in %d ms, %s%s",
        *(attempt, poll_id, origin, answer, ms, decision, then),
        extra=fields,
    )


def summarised(seconds: float, counts: dict[str, int], slowest_ms: int) -> None:
    """Write the line about all attempts of the last so many seconds, with their number by decision."""
    number = sum(counts[name] for name in counts if name != "trouble")
    attempts.info(
        "%s in %.0f s: %s; the slowest took %d ms",
        *(_counted(number), seconds, ", ".join(f"{counts[name]} {name}" for name in counts), slowest_ms),
        extra={
            "event": "attempts",
            "attempts": number,
            "seconds": round(seconds, 1),
            "slowest_ms": slowest_ms,
            **counts,
        },
    )


def admitted(poll_id: str, origin: str) -> None:
    """Write that a poll is accepted."""
    fields = {"event": "admitted", "poll_id": poll_id, "origin": origin}
    polls.debug("Poll %s of %s is admitted", poll_id, origin, extra=fields)


def steered(poll_id: str, change: str) -> None:
    """Write what somebody has done to a poll: ``cancelled``, ``nudged``, ``paused``, ``resumed``, ..."""
    polls.debug("Poll %s is %s", poll_id, change, extra={"event": change, "poll_id": poll_id})


def ended(
    poll_id: str,
    *,
    state: str,
    origin: str,
    attempts: int,
    status: int | None,
    seconds: float,
    reason: str | None,
) -> None:
    """Write that a poll has ended; ``seconds`` are those since it was admitted."""
    polls.log(
        logging.WARNING if state in _BAD_ENDS else logging.INFO,
        "Poll %s at %s %s after %s in %.1f s%s",
        *(poll_id, origin, state.replace("_", " "), _counted(attempts), seconds),
        f": {reason}" if reason else "",
        extra={
            "event": "ended",
            "poll_id": poll_id,
            "state": state,
            "origin": origin,
            "attempts": attempts,
            "status": status,
            "seconds": round(seconds, 3),
            "reason": reason,
        },
    )


def origin_changed(origin: str, change: str) -> None:
    """Write that an origin is ``held`` now, or its breaker ``open`` or ``closed``."""
    fields = {"event": f"origin-{change}", "origin": origin}
    origins.warning(_CHANGES[change], origin, extra=fields)


def _counted(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
