"""Watches a poll from outside: each attempt soon after it is made, for little of Redis' time.

Nothing is published for an attempt, which would be paid for by every poll. A watcher knows from the
record when the next attempt is due, and looks again then. A look is one round trip; about two come to an
attempt.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from celery.exceptions import TimeoutError as CeleryTimeoutError

from pollers.status import PastAttempt
from pollers.store import Found
from pollers.store.history import Entry, read_history

if TYPE_CHECKING:
    from pollers.store import Polls

#: Seconds between two looks at most: a nudge can make an attempt due at any time.
LONGEST_PAUSE = 1.0
#: Seconds from the moment an attempt is due to the first look for its answer, and the factor by which the
#: looks then get rarer.
SHORTEST_PAUSE, SLOWER = 0.05, 1.5


@dataclasses.dataclass(frozen=True)
class Look:
    """What one look has found."""

    #: Attempts that were settled since the look before, the latest last; as many as are remembered.
    attempts: list[PastAttempt]
    #: The poll; None when no poll of this id is known (yet, or any more).
    found: Found | None
    #: Seconds to wait before the next look.
    pause: float

    @property
    def ended(self) -> bool:
        """Whether the poll has come to its end."""
        return self.found is not None and self.found.record.ended


class Watch:
    """Looks at a poll again and again; the caller waits between two looks."""

    def __init__(self, polls: Polls, poll_id: str) -> None:
        self._polls = polls
        self._poll_id = poll_id
        self._seen = 0
        #: When the last answer was there that was told without a history.
        self._answered_ms = 0
        self._pause = SHORTEST_PAUSE

    def look(self) -> Look:
        """Look once.

        Raises:
            StoreUnavailable: Redis cannot be reached.

        """
        found = self._polls.find(self._poll_id)
        if found is None:
            return Look([], None, LONGEST_PAUSE)
        attempts = self._news(found)
        due_in = ((found.due_ms or 0) - found.now_ms) / 1000 if found.record.state == "waiting" else 0.0
        if attempts or due_in > 0:
            self._pause = SHORTEST_PAUSE
        pause, self._pause = self._pause, min(self._pause * SLOWER, LONGEST_PAUSE)
        return Look(attempts, found, min(max(0.0, due_in) + pause, LONGEST_PAUSE))

    def _news(self, found: Found) -> list[PastAttempt]:
        record = found.record
        settled = record.attempt - (record.state == "running")
        if settled <= self._seen:
            return []
        history = read_history(self._polls, self._poll_id)
        entries = [one for one in history if one.attempt > self._seen]
        last = record.last_answer()
        if not history and last is not None and last[3] > self._answered_ms:
            # No history is kept: the last answer is all there is.
            status, excerpt, elapsed_ms, self._answered_ms = last
            entries = [Entry(settled, self._answered_ms, status, elapsed_ms, excerpt)]
        self._seen = max([settled, *(one.attempt for one in entries)])
        return [PastAttempt.of(one, record) for one in entries]


class Patience:
    """How long somebody waits; None for ever."""

    def __init__(self, timeout: float | None) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Return the seconds that are left, None for no end."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def at_most(self, pause: float) -> float:
        """Return a pause that does not go beyond that.

        Raises:
            TimeoutError: Nothing is left; the error is that of Celery.

        """
        left = self.left()
        if left == 0:
            raise CeleryTimeoutError("The operation timed out.")
        return pause if left is None else min(pause, left)
