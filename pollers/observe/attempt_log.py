"""The log of a process's attempts: a line for each when it is asked for, and one a minute for all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from pollers import log_lines
from pollers.engine import Settled

_NONE = {"pending": 0, "succeeded": 0, "failed": 0, "refused": 0, "trouble": 0}


class AttemptLog:
    """Writes what came of attempts; does nothing at all when the log does not want it."""

    def __init__(self, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``every`` is after how many seconds attempts are summed up, 0 for never."""
        self._every = every
        self._clock = clock
        self._began: float | None = None
        self._counts = dict(_NONE)
        self._slowest = 0.0

    def observe(self, settled: Sequence[Settled]) -> None:
        """Note a group of attempts. Called by one thread at a time."""
        if log_lines.attempts.isEnabledFor(logging.DEBUG):
            for one in settled:
                _write(one)
        if self._every and log_lines.attempts.isEnabledFor(logging.INFO):
            self._count(settled)

    def _count(self, settled: Sequence[Settled]) -> None:
        now, counts = self._clock(), self._counts
        if self._began is None:
            self._began = now
        for one in settled:
            counts[one.decision] += 1
            counts["trouble"] += bool(one.settlement.trouble)
            if one.answer and one.answer.elapsed > self._slowest:
                self._slowest = one.answer.elapsed
        if now - self._began >= self._every:
            log_lines.summarised(now - self._began, counts, round(self._slowest * 1000))
            self._began, self._counts, self._slowest = None, dict(_NONE), 0.0


def _write(settled: Settled) -> None:
    settlement, answer = settled.settlement, settled.answer
    log_lines.attempted(
        settled.poll_id,
        attempt=settlement.attempt,
        origin=settled.record.origin,
        status=answer.status if answer else None,
        error=str(answer.error) if answer and answer.error else None,
        ms=round(answer.elapsed * 1000) if answer else 0,
        decision=settled.decision,
        due_ms=settlement.due_ms if settled.accepted else 0,
    )
