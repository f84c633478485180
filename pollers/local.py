"""One poll run here, blocking: for scripts, consoles and tests that have no broker."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from pollers.answer import Answer
from pollers.cadence import next_due
from pollers.conditions import Decision, decide
from pollers.errors import PollCancelled, PollEnded, PollFailed, PollRejected, PollTimeout
from pollers.redaction import redact_url
from pollers.spec import PollSpec
from pollers.transport import Request, Transport


class Progress(NamedTuple):
    """What happened so far, after each attempt."""

    attempt: int
    answer: Answer
    decision: Decision
    #: When the next attempt is due in epoch seconds; None when there will be none.
    due: float | None
    #: The deadline in epoch seconds.
    deadline: float


def wait_here(seconds: float) -> bool:
    """Wait, so that Ctrl-C gets through at once; never asks to stop."""
    threading.Event().wait(seconds)
    return False


def run_here(
    spec: PollSpec,
    transport: Transport,
    *,
    on_attempt: Callable[[Progress], None] = lambda progress: None,
    wait: Callable[[float], bool] = wait_here,
    min_interval: float = 0.5,
    max_retry_after: float = 3600.0,
    clock: Callable[[], float] = time.time,
    rng: random.Random | None = None,
) -> Any:
    """Poll until the answer meets its condition, and return the value.

    ``wait`` gets the seconds to the next attempt and returns True to cancel the poll.

    Raises:
        PollFailed: The poll failed; or `PollRejected`, `PollTimeout`, `PollCancelled` as it ended.

    """
    return _Run(
        spec, transport, on_attempt, wait, min_interval, max_retry_after, clock, rng or random.Random()
    ).go()


class _Run:
    def __init__(
        self,
        spec: PollSpec,
        transport: Transport,
        on_attempt: Callable[[Progress], None],
        wait: Callable[[float], bool],
        min_interval: float,
        max_retry_after: float,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._spec, self._transport = spec, transport
        self._on_attempt, self._wait = on_attempt, wait
        self._min_interval, self._max_retry_after = min_interval, max_retry_after
        self._clock, self._rng = clock, rng
        self._started = clock()
        self._deadline = spec.deadline if spec.deadline is not None else self._started + (spec.timeout or 0.0)
        self._attempt = 0
        self._last: Answer | None = None

    def go(self) -> Any:
        request, errors, delay, value = Request.of(self._spec), 0, None, None
        while (left := self._deadline - self._clock()) > 0:
            self._attempt += 1
            kept = self._last.kept if self._last else None
            answer = self._transport.fetch(request, timeout=min(self._spec.request_timeout, left), kept=kept)
            self._last, now = answer, self._clock()
            decision = decide(self._spec, answer, attempt=self._attempt, errors=errors, now=now)
            if decision.state != "pending":
                self._on_attempt(Progress(self._attempt, answer, decision, None, self._deadline))
                return self._end(decision)
            errors = errors + 1 if decision.transient else 0
            value = value if decision.value is None else decision.value
            due = next_due(
                self._spec.cadence,
                attempt=self._attempt,
                now=now,
                deadline=self._deadline,
                previous_delay=delay,
                retry_after=decision.retry_after and min(decision.retry_after, self._max_retry_after),
                min_interval=self._min_interval,
                rng=self._rng,
            )
            delay = due.delay
            next_at = due.at if due.attempt else None
            self._on_attempt(Progress(self._attempt, answer, decision, next_at, self._deadline))
            if self._wait(max(0.0, due.at - self._clock())):
                raise self._error(PollCancelled, "it was cancelled")
        if self._spec.on_deadline == "succeed":
            return value
        raise self._error(PollTimeout, "the deadline passed")

    def _end(self, decision: Decision) -> Any:
        if decision.state == "succeeded":
            return decision.value
        error = PollRejected if decision.error == "PollRejected" else PollFailed
        raise self._error(error, decision.reason)

    def _error(self, error: type[PollEnded], reason: str) -> PollEnded:
        last = self._last
        return error.build(
            reason,
            url=redact_url(self._spec.url),
            status=last.status if last else None,
            excerpt=(last.error_text or last.excerpt()) if last else None,
            attempts=self._attempt,
            elapsed=self._clock() - self._started,
        )
