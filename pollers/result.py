"""`PollResult`: the `AsyncResult` of a poll, which can also be watched, nudged and cancelled."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery.result import AsyncResult, assert_will_not_block

from pollers import log_lines, outcome
from pollers.errors import InvalidPoll, UnknownPoll
from pollers.plain_json import plain
from pollers.rescheduling import reschedule
from pollers.runtime import current_app, runtime_of
from pollers.status import LastAnswer, PastAttempt, PollStatus
from pollers.store import LIVE_STATES
from pollers.store.history import read_history
from pollers.watching import LONGEST_PAUSE, SHORTEST_PAUSE, SLOWER, Look, Patience, Watch

if TYPE_CHECKING:
    from pollers.store import Polls

#: Seconds for what should be there; Celery takes 0 for "no limit".
_NOW = 0.1
#: Seconds that a poll may be unknown to whoever iterates over its attempts: one that is sent by name, or by
#: the step before it, is admitted by a worker.
ADMISSION = 30.0

__all__ = ["LastAnswer", "PastAttempt", "PollResult", "PollStatus"]


class PollResult(AsyncResult):
    """The result of a poll. All that an `AsyncResult` can, and to watch and steer the poll.

    ``PollResult(poll_id)`` is that of a poll of the application that was set up last.
    """

    def __init__(
        self, id: str, backend: Any = None, task_name: Any = None, app: Any = None, parent: Any = None
    ) -> None:
        super().__init__(id, backend, task_name, app or current_app(), parent)

    def __reduce_args__(self) -> tuple[Any, ...]:
        # A backend would come back as one of Celery's current application, which need not be that of polls.
        return self.id, None, None, None, self.parent

    def status(self) -> PollStatus:  # the stock one is an alias of `state`
        """Return where the poll stands.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        from pollers.store.parking import explained  # brings redis

        found = self._store.find(self.id)
        if found is None:
            raise self._unknown()
        ((_, found),) = explained(self._store, [(self.id, found)])
        return PollStatus.of(self.id, found)

    def history(self) -> list[PastAttempt]:
        """Return the last attempts, the latest last: as many as ``pollers_history`` says.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        runtime = runtime_of(self.app)
        entries = read_history(runtime.store, self.id, runtime.settings.history)
        found = runtime.store.find(self.id)
        if found is None:
            raise self._unknown()
        return [PastAttempt.of(entry, found.record) for entry in entries]

    def wait(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *,
        on_attempt: Callable[[PastAttempt], object] | None = None,
        **options: Any,
    ) -> Any:
        """Wait for the outcome as `get` does, and call ``on_attempt`` with each attempt soon after it.

        The attempts that were made before are told first, as far as they are remembered. ``options`` are
        those of `get`.

        Raises:
            TimeoutError: The outcome was not there within ``timeout`` seconds; it is that of Celery.
            PollEnded: The poll ended without success, unless ``propagate`` is False.

        """
        if on_attempt is None or self.ignored:
            return self.get(timeout, propagate, **options)
        if options.get("disable_sync_subtasks", True):
            assert_will_not_block()
        patience = Patience(timeout)
        watch = Watch(self._store, self.id)
        while True:
            look = watch.look()
            for attempt in look.attempts:
                on_attempt(attempt)
            if look.ended or (look.found is None and self._is_over(propagate)):
                left = patience.left()
                return self.get(None if left is None else max(left, _NOW), propagate, **options)
            time.sleep(patience.at_most(look.pause))

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> Any:
        """Wait for the outcome in an asyncio application; returns and raises what `get` does.

        Redis is asked by threads of the loop's executor, for a moment each: nothing blocks the loop, and
        a cancelled wait leaves nothing behind.
        """
        import asyncio  # many applications have no use for it

        patience, pause = Patience(timeout), SHORTEST_PAUSE
        if self.ignored:
            return None
        async for _ in self._looks(patience, propagate):
            pass
        # The outcome is known; Celery has it a moment later.
        while not await asyncio.to_thread(self.ready):
            await asyncio.sleep(patience.at_most(pause))
            pause = min(pause * SLOWER, LONGEST_PAUSE)
        self.maybe_throw(propagate=propagate)
        return self.result

    def __aiter__(self) -> AsyncIterator[PastAttempt]:
        """Yield what `attempts` does, without a timeout."""
        return self.attempts()

    async def attempts(self, timeout: float | None = None) -> AsyncIterator[PastAttempt]:
        """Yield the attempts that are remembered, and each new one soon after it was made, to the end.

        A poll that is not known may yet be admitted: it is waited for while the step of the chain before it
        is under way, as far as this result knows of one, and half a minute otherwise.

        Raises:
            TimeoutError: The poll had not ended within ``timeout`` seconds; it is that of Celery.
            UnknownPoll: No poll of this id has been known for half a minute.

        """
        import asyncio

        admission = Patience(ADMISSION)
        async for look in self._looks(Patience(timeout), propagate=True):
            for attempt in look.attempts:
                yield attempt
            if look.found is not None or await asyncio.to_thread(self._is_a_later_step):
                admission = Patience(ADMISSION)
            elif admission.left() == 0:
                raise self._unknown()

    async def _looks(self, patience: Patience, propagate: bool) -> AsyncIterator[Look]:
        import asyncio

        watch = Watch(self._store, self.id)
        while True:
            look = await asyncio.to_thread(watch.look)
            yield look
            if look.ended or (look.found is None and await asyncio.to_thread(self._is_over, propagate)):
                return
            await asyncio.sleep(patience.at_most(look.pause))

    def _is_a_later_step(self) -> bool:
        return self.parent is not None and not self.parent.ready()

    def _is_over(self, propagate: bool) -> bool:
        """Return whether a poll that the store does not know has ended; raise why it never began."""
        if propagate:
            self._maybe_reraise_parent_error()
        return bool(self.ready())

    def cancel(self) -> bool:
        """Cancel the poll: it never runs again, and whoever waits gets `PollCancelled`.

        Returns whether the poll is cancelled now; False when it had ended before.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        return self._end("cancelled", "")

    def succeed(self, value: Any = None) -> bool:
        """End the poll with a value, as a webhook has told it: whoever waits gets the value.

        Returns whether the poll has succeeded, now or before; False when it had ended in another way.

        Raises:
            InvalidPoll: The value cannot be written as JSON.
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        try:
            text = outcome.value_text(plain(value))
        except ValueError as error:
            raise InvalidPoll.of({"value": str(error)}) from error
        return self._end("succeeded", text)

    def fail(self, reason: str) -> bool:
        """End the poll without success, as a webhook has told it: whoever waits gets `PollFailed`.

        Returns whether the poll has failed, now or before; False when it had ended in another way.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        return self._end("failed", outcome.error_text("PollFailed", reason))

    def nudge(self) -> bool:
        """Make the next attempt due now, or as soon as the one under way is over.

        Returns False when the poll is paused, which stays so, or has ended. Whatever keeps its origin or its
        limit keeps the attempt that is due (`PollStatus.why_waiting`).

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        state = self._store.nudge(self.id)
        return self._steered("nudged", state, state in LIVE_STATES)

    def pause(self) -> bool:
        """Make no attempt until `resume`; the deadline stays. False when the poll had ended before.

        An attempt that is under way goes on, and may end the poll.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        state = self._store.pause(self.id)
        return self._steered("paused", state, state in ("paused", "running"))

    def resume(self) -> bool:
        """Make attempts again, the next one now, if the poll was paused; False when it has ended.

        Raises:
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        state = self._store.resume(self.id)
        return self._steered("resumed", state, state in LIVE_STATES)

    def reschedule(self, *, every: Any = None, deadline: datetime | None = None) -> None:
        """Change the cadence, the deadline, or both, in the forms that a poll takes them.

        The next attempt is due when it was, or one wait of the new cadence from now, whichever is sooner.
        While an attempt is under way, it is waited for.

        Raises:
            InvalidPoll: The cadence or the deadline is not one that a poll may have.
            AlreadyEnded: The poll has ended.
            UnknownPoll: No poll of this id is known, or it ended more than ``result_expires`` ago.

        """
        settings = runtime_of(self.app).settings
        reschedule(self._store, self.id, settings, every=every, deadline=deadline)
        log_lines.steered(self.id, "rescheduled")

    def revoke(self, *args: Any, **kwargs: Any) -> None:
        """Cancel the poll, as `cancel` does; a task that is no poll (any more) is revoked by Celery."""
        if self._store.cancel(self.id) == "unknown":
            super().revoke(*args, **kwargs)

    def _end(self, state: str, text: str) -> bool:
        now = self._store.end(self.id, state, text)
        return self._steered(state, now, now == state)

    def _steered(self, change: str, state: str, done: bool) -> bool:
        self._must_be_known(state)
        if done:
            log_lines.steered(self.id, change)
        return done

    @property
    def _store(self) -> Polls:
        return runtime_of(self.app).store

    def _must_be_known(self, state: str) -> None:
        if state == "unknown":
            raise self._unknown()

    def _unknown(self) -> UnknownPoll:
        return UnknownPoll(f"No poll {self.id} is known here, or it ended too long ago.")
