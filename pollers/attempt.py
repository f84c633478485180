"""One attempt: what an answer of the endpoint means for its poll, as a settlement."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from pollers import outcome, registry
from pollers.answer import Answer, AnswerError
from pollers.conditional import conditional_headers
from pollers.conditions import Decision, asked_hold, is_trouble
from pollers.due import Due, aligned
from pollers.following import is_constant
from pollers.progress import NONE, Progress
from pollers.redaction import redact_text
from pollers.settings import Settings
from pollers.spec import PollSpec
from pollers.step import take_step
from pollers.store import Record, Settlement
from pollers.store.history import Entry
from pollers.transport import Request, Transport, unsent

logger = logging.getLogger(__name__)

#: Specs, with their prepared requests, that a process keeps: to read and prepare one costs half as much
#: as sending it. About 3.5 KB each.
PARSED = 4096

#: Seconds that a request needs at least: one that is begun later would arrive after the deadline.
SHORTEST_REQUEST = 0.01

_UNKNOWN = "is registered in this worker; it should import the module that registers it"

_NO_HEADERS: Mapping[str, str] = {}

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


def redis_clock(now_ms: int) -> Callable[[], float]:
    """Return a clock in seconds that goes on from a moment of Redis' clock, whatever the local time."""
    offset = now_ms / 1000 - time.monotonic()
    return lambda: time.monotonic() + offset


def ask(attempt: Attempt, transport: Transport, headers: Mapping[str, str] = _NO_HEADERS) -> Answer | None:
    """Ask the endpoint once, with more headers; None when there is nothing to ask, or no time left for it."""
    try:
        spec, request = _parsed(attempt.record.spec)
        progress = Progress.from_json(attempt.record.progress)
        if not _is_known(spec):
            return None
    except Exception:
        logger.exception("The record of poll %s cannot be read.", attempt.poll_id)
        return None
    try:
        timeout = min(spec.longest_request, attempt.remaining)
        if timeout < SHORTEST_REQUEST:
            return None
        request = request or _request(attempt, spec, progress)
        if progress.validator:
            request = request.adding(conditional_headers(progress))
        if headers:
            request = request.adding(headers)
    except Exception as error:
        # By what an answer has put into it, or by a damaged record: it would be the same the next time.
        logger.warning("The request of poll %s cannot be made: %r", attempt.poll_id, error)
        return unsent(str(spec.url), error)
    try:
        answer = transport.fetch(request, timeout=timeout, kept=progress.http)
    except Exception as error:
        # Not the network, which does not raise: without an answer it would look as if the worker had died.
        logger.exception("The request of poll %s failed.", attempt.poll_id)
        return unsent(request.url, error, transient=True)
    if answer.error is AnswerError.TIMEOUT and timeout < spec.longest_request:
        return replace(answer, cut_short=True)
    return answer


def settlement_of(
    attempt: Attempt,
    answer: Answer | None,
    settings: Settings,
    on_damage: Callable[[], object] = lambda: None,
) -> Settlement | None:
    """Decide on an answer; None when the attempt was not made, as its deadline had come.

    ``on_damage`` is called when somebody has damaged the record.
    """
    try:
        spec, _ = _parsed(attempt.record.spec)
        progress = Progress.from_json(attempt.record.progress)
        is_known = _is_known(spec)
    except Exception:
        on_damage()
        return _failed(attempt, "PollFailed", "its record in the store is damaged")
    if not is_known:
        return _failed(attempt, "PollFailed", f"no convention {spec.convention!r} {_UNKNOWN}")
    if answer is None:
        return None
    if progress is NONE and attempt.record.progress:
        logger.warning("The progress of poll %s is damaged; it counts from the beginning.", attempt.poll_id)
        on_damage()
    try:
        return _settlement(attempt, spec, progress, answer, settings)
    except Exception:
        logger.exception("Poll %s cannot be decided.", attempt.poll_id)
        return _failed(attempt, "PollFailed", "its answer could not be decided; the worker's log says why")


def _is_known(spec: PollSpec) -> bool:
    return spec.protocol is None or spec.convention in registry.names()


@lru_cache(maxsize=PARSED)
def _parsed(spec_text: str) -> tuple[PollSpec, Request | None]:
    """Return a spec, and the request of all its attempts, if that is one."""
    spec = PollSpec.from_json(spec_text)
    return spec, Request.asking(spec) if is_constant(spec) else None


def _request(attempt: Attempt, spec: PollSpec, progress: Progress) -> Request:
    """Return the request of an attempt of a poll whose attempts do not all ask the same."""
    if spec.carry is None and (progress.url or not spec.start):
        return _leading_request(attempt.record.spec, progress.url)
    return Request.asking(spec, progress, attempt.poll_id)


@lru_cache(maxsize=PARSED)
def _leading_request(spec_text: str, url: str) -> Request:
    """Return the request of the attempts that a convention has led to a URL, or to none yet."""
    return Request.asking(_parsed(spec_text)[0], Progress(url=url))


def _settlement(
    attempt: Attempt, spec: PollSpec, progress: Progress, answer: Answer, settings: Settings
) -> Settlement:
    record, now = attempt.record, attempt.clock()
    decision, due, left = take_step(
        spec,
        progress,
        answer,
        attempt=record.attempt,
        now=now,
        deadline=record.deadline_ms / 1000,
        min_interval=settings.min_interval,
        max_retry_after=settings.max_retry_after,
        rng=_rng,
    )
    if due and record.request and not decision.retry_after:
        due = _together(due, record.deadline_ms / 1000)
    summary, entry = _told(record, answer, now, remember=settings.history > 0)
    return Settlement(
        poll_id=attempt.poll_id,
        attempt=record.attempt,
        state="waiting" if due else decision.state,
        due_ms=round(due.at * 1000) if due else 0,
        progress=left.to_json(),
        answer=summary,
        outcome=_outcome(decision),
        hold_ms=_hold_ms(answer, settings, now),
        trouble=is_trouble(answer),
        entry=entry,
    )


def _together(due: Due, deadline: float) -> Due:
    """Return when a poll that shares its request is due: with the others of its cadence, if it can be.

    What they ask for together is still asked for no more often than their cadence says.
    """
    if not due.attempt or due.delay <= 0:
        return due
    at = aligned(due.at, due.delay)
    return due._replace(at=at) if at < deadline else due


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


def _told(record: Record, answer: Answer, now: float, *, remember: bool) -> tuple[str, bytes]:
    """Return what is told of an answer: as the last answer of the poll, and as an entry of its history."""
    excerpt = redact_text(answer.excerpt() if answer.error is None else answer.error_text[:200])
    elapsed_ms, now_ms = round(answer.elapsed * 1000), round(now * 1000)
    summary = json.dumps([answer.status, excerpt, elapsed_ms, now_ms], separators=(",", ":"))
    if not remember:
        return summary, b""
    unchanged = _without_times(summary) == _without_times(record.answer)
    entry = Entry(record.attempt, now_ms, answer.status, elapsed_ms, excerpt)
    return summary, entry.pack(unchanged=unchanged)


def _without_times(summary: str) -> str:
    return summary.rsplit(",", 2)[0]


def _failed(attempt: Attempt, error: str, reason: str) -> Settlement:
    return Settlement(
        attempt.poll_id,
        attempt.record.attempt,
        "failed",
        0,
        attempt.record.progress,
        attempt.record.answer,
        outcome.error_text(error, reason),
    )
