"""One poll run here, blocking: for scripts, consoles and tests that have no broker."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from pollers.answer import Answer
from pollers.conditional import conditional_headers
from pollers.conditions import Decision
from pollers.errors import PollCancelled, PollEnded, PollFailed, PollRejected, PollTimeout
from pollers.following import is_constant
from pollers.progress import NONE, Progress
from pollers.redaction import redact_url
from pollers.spec import PollSpec
from pollers.step import take_step
from pollers.transport import Request, Transport, unsent


class Attempted(NamedTuple):
    """An attempt that was made here, as whoever watches sees it."""

    attempt: int
    answer: Answer
    decision: Decision
    #: When the next attempt is due in epoch seconds; None when there will be none.
    due: float | None


def wait_here(seconds: float) -> bool:
    """Wait, so that Ctrl-C gets through at once; never asks to stop."""
    threading.Event().wait(seconds)
    return False


def run_here(
    spec: PollSpec,
    transport: Transport,
    *,
    on_attempt: Callable[[Attempted], None] = lambda attempted: None,
    on_change: Callable[[str, int, Any], None] = lambda poll_id, number, value: None,
    wait: Callable[[float], bool] = wait_here,
    min_interval: float = 0.5,
    max_retry_after: float = 3600.0,
    clock: Callable[[], float] = time.time,
    rng: random.Random | None = None,
) -> Any:
    """Poll until the answer meets its condition, and return the value.

    ``on_change`` gets each change of the answer, where the poll tells changes: an id, its number, the value.
    ``wait`` gets the seconds to the next attempt and returns True to cancel the poll.

    Raises:
        PollFailed: The poll failed; or `PollRejected`, `PollTimeout`, `PollCancelled` as it ended.

    """
    return _Run(
        spec=spec,
        transport=transport,
        on_attempt=on_attempt,
        on_change=on_change,
        wait=wait,
        min_interval=min_interval,
        max_retry_after=max_retry_after,
        clock=clock,
        rng=rng or random.Random(),
    ).go()


@dataclasses.dataclass(kw_only=True)
class _Run:
    spec: PollSpec
    transport: Transport
    on_attempt: Callable[[Attempted], None]
    on_change: Callable[[str, int, Any], None]
    wait: Callable[[float], bool]
    min_interval: float
    max_retry_after: float
    clock: Callable[[], float]
    rng: random.Random

    def __post_init__(self) -> None:
        self._started = self.clock()
        deadline, timeout = self.spec.deadline, self.spec.timeout
        self._deadline = deadline if deadline is not None else self._started + (timeout or 0.0)
        self._id = str(uuid.uuid4())
        self._attempt = 0
        self._last: Answer | None = None

    def go(self) -> Any:
        progress = NONE
        constant = Request.asking(self.spec) if is_constant(self.spec) else None
        while (left := self._deadline - self.clock()) > 0:
            self._attempt += 1
            answer = self._last = self._ask(constant, progress, left)
            decision, due, progress = take_step(
                self.spec,
                progress,
                answer,
                attempt=self._attempt,
                now=self.clock(),
                deadline=self._deadline,
                min_interval=self.min_interval,
                max_retry_after=self.max_retry_after,
                rng=self.rng,
            )
            next_at = due.at if due and due.attempt else None
            self.on_attempt(Attempted(self._attempt, answer, decision, next_at))
            if progress.untold:
                for number, value in progress.untold:
                    self.on_change(self._id, number, value)
                progress = progress._replace(untold=())
            if due is None:
                return self._end(decision)
            if self.wait(max(0.0, due.at - self.clock())):
                raise self._error(PollCancelled, "it was cancelled")
        if self.spec.on_deadline == "succeed":
            return progress.value
        raise self._error(PollTimeout, "the deadline passed")

    def _ask(self, constant: Request | None, progress: Progress, left: float) -> Answer:
        try:
            request = constant or Request.asking(self.spec, progress, self._id)
            if progress.validator:
                request = request.adding(conditional_headers(progress))
        except ValueError as error:  # by what an answer has put into it
            return unsent(self.spec.url, error)
        timeout = min(self.spec.longest_request, left)
        return self.transport.fetch(request, timeout=timeout, kept=progress.http)

    def _end(self, decision: Decision) -> Any:
        if decision.state == "succeeded":
            return decision.value
        error = PollRejected if decision.error == "PollRejected" else PollFailed
        raise self._error(error, decision.reason)

    def _error(self, error: type[PollEnded], reason: str) -> PollEnded:
        last = self._last
        return error.build(
            reason,
            url=redact_url(self.spec.url),
            status=last.status if last else None,
            excerpt=(last.error_text or last.excerpt()) if last else None,
            attempts=self._attempt,
            elapsed=self.clock() - self._started,
        )
