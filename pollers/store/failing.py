"""The polls with the most errors in a row, found by looking at all of them a little at a time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from pollers.errors import StoreUnavailable
from pollers.store.listing import polls_in
from pollers.store.record import LIVE_STATES
from pollers.store.selection import errors_in_a_row
from pollers.store.shards import Polls
from pollers.store.values import Found

#: Polls that are kept of a round.
KEPT = 50


class Rounds:
    """Goes through all polls again and again: every attempt would have to pay for an index of errors."""

    def __init__(self, polls: Polls) -> None:
        self._polls = polls
        self._round: Iterator[tuple[str, Found]] = iter(())
        self._looked = 0
        self._found: dict[str, Found] = {}
        self._last: dict[str, Found] = {}
        #: Polls that were looked at in the round before; 0 when there was none yet.
        self.size = 0

    @property
    def looked(self) -> int:
        """How many polls this round has looked at."""
        return self._looked

    def go_on(self, most: int) -> None:
        """Look at about so many polls more.

        Raises:
            StoreUnavailable: Redis cannot be reached; the round begins anew.

        """
        try:
            self._look(most)
        except StoreUnavailable:
            # A generator that has raised is at its end, which would pass for that of the round.
            self._found, self._looked = {}, 0
            raise

    def _look(self, most: int) -> None:
        until = self._looked + most
        if not self._looked:
            self._round = polls_in(self._polls, LIVE_STATES, on_looked=self._note)
        while self._looked < until:
            one = next(self._round, None)
            if one is None:
                self._last, self.size = self._found, self._looked
                self._found, self._looked = {}, 0
                return
            if errors_in_a_row(one[1].record):
                self._found[one[0]] = one[1]
                if len(self._found) > 4 * KEPT:
                    self._found = dict(_worst(self._found))

    def worst(self) -> list[tuple[str, Found]]:
        """Return the polls with the most errors in a row, of this round and the one before."""
        return _worst({**self._last, **self._found})

    def _note(self, looked: int) -> None:
        self._looked = looked


def _worst(found: dict[str, Found]) -> list[tuple[str, Found]]:
    return heapq.nlargest(KEPT, found.items(), key=lambda one: errors_in_a_row(one[1].record))
