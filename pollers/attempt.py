"""One attempt: what an answer of the endpoint means for its poll, as a settlement."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from pollers import outcome
from pollers.answer import Answer
from pollers.cadence import aligned, next_due
from pollers.conditions import Decision, asked_hold, decide, is_trouble
from pollers.settings import Settings
from pollers.spec import PollSpec
from pollers.store import Record, Settlement
from pollers.transport import Request, Transport

logger = logging.getLogger(__name__)

#: Specs, with their prepared requests, that a process keeps: preparing a request costs about as much
#: as sending it. About 5 KB each.
PARSED = 1024

#: Seconds that a request needs at least: one that is begun later would arrive after the deadline.
SHORTEST_REQUEST = 0.01

_rng = random.Random()


class Attempt(NamedTuple):
    """An attempt that has begun and is to be made."""

    poll_id: str
    record: Record
    #: Redis' clock in seconds, as this process knows it since the attempt began.
    clock: Callable[[], float]

    @property
    def remaining(self) -> float:
        """Seconds until the deadline of the poll."""
        return self.record.deadline_ms / 1000 - self.clock()


#: Gets an attempt and the answer to its request.
Heard = Callable[[Attempt, Answer], None]


def redis_clock(now_ms: int) -> Callable[[], float]:
    """Return a clock in seconds that goes on from a moment of Redis' clock, whatever the local time."""
    offset = now_ms / 1000 - time.monotonic()
    return lambda: time.monotonic() + offset


def make(attempt: Attempt, transport: Transport, settings: Settings, heard: Heard) -> Settlement | None:
    """Check the endpoint once and settle; None when there is no time left for a request.

    ``heard`` gets the answer of a request that other polls share.
    """
    try:
        spec, request = _parsed(attempt.record.spec)
    except Exception:
        logger.exception("The record of poll %s cannot be read.", attempt.poll_id)
        return _failed(attempt, "PollFailed", "its record in the store is damaged")
    timeout = min(spec.request_timeout, attempt.remaining)
    if timeout < SHORTEST_REQUEST:
        return None
    try:
        answer = transport.fetch(request, timeout=timeout)
        if attempt.record.request:
            heard(attempt, answer)
        return _settlement(attempt, spec, answer, settings)
    except Exception:
        logger.exception("Poll %s cannot be decided.", attempt.poll_id)
        return _failed(attempt, "PollFailed", "its answer could not be decided; the worker's log says why")


def take_over(attempt: Attempt, answer: Answer, settings: Settings) -> Settlement:
    """Settle an attempt by the answer that another poll got to the same request."""
    try:
        spec, _ = _parsed(attempt.record.spec)
        return _settlement(attempt, spec, answer, settings)
    except Exception:
        logger.exception("Poll %s cannot be decided.", attempt.poll_id)
        return _failed(attempt, "PollFailed", "its answer could not be decided; the worker's log says why")


@lru_cache(maxsize=PARSED)
def _parsed(spec_text: str) -> tuple[PollSpec, Request]:
    spec = PollSpec.from_json(spec_text)
    return spec, Request.of(spec)


def _settlement(attempt: Attempt, spec: PollSpec, answer: Answer, settings: Settings) -> Settlement:
    record, now = attempt.record, attempt.clock()
    progress = record.progress_values()
    decision = decide(spec, answer, attempt=record.attempt, errors=progress.get("errors", 0), now=now)
    due_ms, kept = 0, ""
    if decision.state == "pending":
        due = next_due(
            spec.cadence,
            attempt=record.attempt,
            now=now,
            deadline=record.deadline_ms / 1000,
            previous_delay=progress.get("delay"),
            retry_after=decision.retry_after,
            min_interval=settings.min_interval,
            rng=_rng,
        )
        at = due.at
        if attempt.record.request and due.attempt and not decision.retry_after:
            together = aligned(at, due.delay)
            if now + settings.min_interval <= together < record.deadline_ms / 1000:
                at = together
        due_ms, kept = round(at * 1000), _progress(progress, decision, due.delay)
    return Settlement(
        poll_id=attempt.poll_id,
        attempt=record.attempt,
        state="waiting" if decision.state == "pending" else decision.state,
        due_ms=due_ms,
        progress=kept,
        answer=_summary(answer, now),
        outcome=_outcome(decision),
        hold_ms=_hold_ms(answer, settings, now),
        trouble=is_trouble(answer),
    )


def _progress(before: dict[str, Any], decision: Decision, delay: float) -> str:
    after: dict[str, Any] = {"delay": round(delay, 3)}
    if decision.transient:
        after["errors"] = before.get("errors", 0) + 1
    if decision.value is not None:
        after["value"] = decision.value
    elif "value" in before:
        after["value"] = before["value"]
    return json.dumps(after, separators=(",", ":"))


def _hold_ms(answer: Answer, settings: Settings, now: float) -> int:
    if settings.hold != "origin":
        return 0
    asked = asked_hold(answer, now, rate_limit_headers=settings.rate_limit_headers)
    return round(min(asked, settings.longest_hold) * 1000)


def _outcome(decision: Decision) -> str:
    if decision.state == "succeeded":
        return outcome.value_text(decision.value)
    if decision.state == "failed":
        return outcome.error_text(decision.error, decision.reason)
    return ""


def _summary(answer: Answer, now: float) -> str:
    excerpt = answer.excerpt() if answer.error is None else answer.error_text[:200]
    summary = [answer.status, excerpt, round(answer.elapsed * 1000), round(now * 1000)]
    return json.dumps(summary, separators=(",", ":"))


def _failed(attempt: Attempt, error: str, reason: str) -> Settlement:
    return Settlement(
        attempt.poll_id,
        attempt.record.attempt,
        "failed",
        0,
        "",
        attempt.record.answer,
        outcome.error_text(error, reason),
    )
