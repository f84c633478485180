"""Answers that polls share: each is given to all polls that were due when it came.

One thread does it for all requests of a process, so that no attempt waits for it. The store knows
which polls an answer is for, and when it has been for all of them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NamedTuple

from pollers.answer import Answer
from pollers.attempt import Attempt, redis_clock
from pollers.errors import StoreUnavailable
from pollers.store import Store
from pollers.store.answers import join, pass_on

logger = logging.getLogger(__name__)

#: Seconds between two looks for polls that are on their way to an answer: about a dispatcher's tick.
PAUSE = 0.02


class _Share(NamedTuple):
    asked: Attempt
    answer: Answer


class Sharing:
    """Gives answers to the polls that wait for them; safe to call from many threads."""

    def __init__(
        self, store: Store, *, give: Callable[[list[Attempt], Answer], None], done: Callable[[], None]
    ) -> None:
        """``give`` gets attempts that have begun, and their answer; ``done`` hears when a `share` is over."""
        self._store = store
        self._give = give
        self._done = done
        self._shares: SimpleQueue[_Share] = SimpleQueue()
        self._start = threading.Lock()
        self._runs = False
        self._hurries = False

    def share(self, asked: Attempt, answer: Answer) -> None:
        """Let the polls that wait for the answer to the same request have it."""
        self._shares.put(_Share(asked, answer))
        with self._start:
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="pollers-sharing", daemon=True).start()

    def hurry(self) -> None:
        """Keep no answer any longer: who comes later asks again."""
        self._hurries = True

    def _run(self) -> None:
        kept: list[_Share] = []
        while True:
            try:
                kept.append(self._shares.get(timeout=PAUSE if kept else None))
            except Empty:
                pass
            kept = [share for share in kept if not self._is_over(share)]

    def _is_over(self, share: _Share) -> bool:
        over = True
        try:
            over = self._join(share)
        except StoreUnavailable as error:
            logger.warning("Polls that wait for an answer will ask for it themselves: %s", error)
        except Exception:
            logger.exception("An answer could not be shared.")
        finally:
            if over:
                self._done()
        return over

    def _join(self, share: _Share) -> bool:
        """Give an answer to all that wait for it by now; return whether no other can have it."""
        if share.answer.cut_short:
            # The others have time left for a request that takes longer.
            pass_on(self._store, share.asked.poll_id)
            return True
        while True:
            asked, record = share.asked, share.asked.record
            joined = join(self._store, record.request, asked.poll_id, record.attempt, last=self._hurries)
            if joined.polls:
                clock = redis_clock(joined.now_ms)
                self._give([Attempt(*poll, clock) for poll in joined.polls], share.answer)
            if joined.over or not joined.polls:
                return joined.over
