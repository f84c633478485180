"""Shards: several schedules that are used as one store. Which of them a poll is in, its id says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Self, TypeAlias, TypeVar

from pollers.errors import StoreUnavailable
from pollers.settings import Settings
from pollers.sharding import shard_of
from pollers.store.layout import Layout
from pollers.store.store import Store
from pollers.store.values import Admission, Claim, Found, Submission

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class Shards:
    """Several stores. What is said of one poll goes to its shard; each method is that of `Store`.

    New polls go to the shard that their id says. One from before there were so many shards is where it was,
    so what its shard does not know is looked for in the others.
    """

    def __init__(self, stores: Sequence[Store], settings: Settings) -> None:
        #: One for each shard, by its number.
        self.stores = tuple(stores)
        self.settings = settings
        # The others, which are retired, take no new polls.
        self._taking = len(self.stores) - settings.retired_shards
        self._layout = Layout.of(settings, retired=settings.retired_shards)
        self._is_noted = False

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Return the shards that the settings say; the first call of each connects."""
        return cls([Store.connect(one) for one in settings.by_shard()], settings)

    def admit(self, submission: Submission) -> Admission:
        """Accept a poll."""
        self._note_layout()
        return self._home(submission.poll_id).admit(submission)

    def admit_many(self, submissions: Sequence[Submission]) -> list[Admission]:
        """Accept polls, each by itself, in one round trip to each shard."""
        self._note_layout()
        numbers: dict[Store, list[int]] = {}
        for number, submission in enumerate(submissions):
            numbers.setdefault(self._home(submission.poll_id), []).append(number)
        admissions: dict[int, Admission] = {}
        for store, here in numbers.items():
            try:
                admitted = store.admit_many([submissions[number] for number in here])
            except StoreUnavailable as error:
                done = f"Of the next {len(submissions)}, {len(admissions)} are submitted, to other shards."
                raise StoreUnavailable(f"{done} {error}") from error
            admissions.update(zip(here, admitted, strict=True))
        return [admissions[number] for number in range(len(submissions))]

    def told(self, poll_id: str, before: str, after: str) -> bool:
        """Note that the changes in a progress are told."""
        return self._wherever(poll_id, lambda store: store.told(poll_id, before, after), False)

    def claim(self, poll_id: str) -> Claim:
        """Claim the outcome of a poll, to deliver it."""
        return self._wherever(poll_id, lambda store: store.claim(poll_id), Claim("unknown", None))

    def deliver(self, poll_id: str, life: float) -> bool:
        """Note that an outcome was delivered."""
        return self._wherever(poll_id, lambda store: store.deliver(poll_id, life), False)

    def cancel(self, poll_id: str) -> str:
        """Cancel a poll."""
        return self._wherever(poll_id, lambda store: store.cancel(poll_id), "unknown")

    def revoke(self, poll_id: str, life: float) -> str:
        """Cancel a poll, or see to it that its own shard does not admit it."""
        known = self.cancel(poll_id)
        return self._home(poll_id).revoke(poll_id, life) if known == "unknown" else known

    def end(self, poll_id: str, state: str, outcome: str = "") -> str:
        """End a poll."""
        return self._wherever(poll_id, lambda store: store.end(poll_id, state, outcome), "unknown")

    def nudge(self, poll_id: str) -> str:
        """Make a waiting poll due now."""
        return self._wherever(poll_id, lambda store: store.nudge(poll_id), "unknown")

    def pause(self, poll_id: str) -> str:
        """Pause a poll."""
        return self._wherever(poll_id, lambda store: store.pause(poll_id), "unknown")

    def resume(self, poll_id: str, delay: float = 0.0) -> str:
        """Resume a paused poll."""
        return self._wherever(poll_id, lambda store: store.resume(poll_id, delay), "unknown")

    def find(self, poll_id: str) -> Found | None:
        """Return a poll, live or ended, or None when it is not known (any more)."""
        return self._wherever(poll_id, lambda store: store.find(poll_id), None)

    def holding(self, poll_id: str) -> Store:
        """Return the shard that has a poll; the one that would have it, when none does."""
        home = self._home(poll_id)
        return self._wherever(poll_id, lambda store: store if store.find(poll_id) else home, home)

    def note(self, counter: str, number: int = 1) -> None:
        """Count what should not happen."""
        self.stores[0].note(counter, number)

    def _note_layout(self) -> None:
        """See to it, before the first poll, that no worker starts with fewer shards."""
        if self._is_noted:
            return
        for store in self.stores:
            try:
                self._layout.noted(store)
            except StoreUnavailable as error:
                logger.warning("Polls of this shard cannot be submitted now. %s", error)
        self._is_noted = True

    def _home(self, poll_id: str) -> Store:
        return self.stores[shard_of(poll_id, self._taking)]

    def _wherever(self, poll_id: str, ask: Callable[[Store], _Answer], unknown: _Answer) -> _Answer:
        home = self._home(poll_id)
        for store in (home, *(other for other in self.stores if other is not home)):
            if (answer := ask(store)) != unknown:
                return answer
        return unknown


#: The polls of an installation: in one schedule, or in several.
Polls: TypeAlias = Store | Shards


def connect_polls(settings: Settings) -> Polls:
    """Return the store that the settings say: a plain `Store` where there is one shard."""
    first, *others = settings.by_shard()
    return Shards.connect(settings) if others else Store.connect(first)
