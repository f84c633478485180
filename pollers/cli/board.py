"""What `pollers top` shows, as one value: read from Redis in short pieces, whatever the number of polls."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any

from pollers import PollStatus
from pollers.cli.traffic import limits_of, origins_of
from pollers.store import Found, Polls
from pollers.store.failing import Rounds
from pollers.store.overview import overview
from pollers.store.parking import PAGE, explained, parked
from pollers.store.selection import Selection, errors_in_a_row, lateness, select_by_due
from pollers.store.totals import Totals, Worker, totals, workers

#: Readings that are kept, of which there is one a second.
READINGS = 60
#: Polls that are listed at most.
ROWS = 30
#: Polls that one look goes through, in the order of their due times, to find those that a filter wants.
LOOKED_AT = 5_000
#: Polls that one look goes through for errors.
STRIDE = 2_500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A poll in a list."""

    status: PollStatus
    #: Transient errors since its last answer.
    errors: int
    #: Seconds that its next attempt is late; None when none is due.
    late: float | None

    @classmethod
    def of(cls, poll_id: str, found: Found) -> Row:
        """Return the row of a poll."""
        late = lateness(found)
        return cls(
            status=PollStatus.of(poll_id, found),
            errors=errors_in_a_row(found.record),
            late=round(late, 3) if late > 0 else None,
        )

    def matches(self, text: str) -> bool:
        """Return whether a text is in what tells the poll: id, URL, state, tags, tenant."""
        told = self.status
        named = (told.id, told.url, told.state, *map(str, told.parameters.get("tags", ())))
        return any(text in one.lower() for one in (*named, str(told.parameters.get("tenant", "")).lower()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The polls, the workers and the origins at one moment."""

    at: datetime
    #: The counts of `pollers.overview`.
    polls: dict[str, Any]
    #: Attempts and errors a second, one number for each of the last seconds, the latest last.
    attempts_per_second: list[float]
    errors_per_second: list[float]
    #: Lateness in ms of the last minute's attempts that 50, 90 and 99 in 100 did not exceed.
    lateness_ms: dict[str, float]
    workers: list[Worker]
    #: As `pollers origins` and `pollers limits` list them.
    origins: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    #: Polls by due time, the most overdue first.
    due: list[Row]
    #: Polls with errors in a row, the most first.
    failing: list[Row]
    #: The share of all polls that was looked at for errors.
    looked_at: float

    def plain(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        told = dataclasses.asdict(self)
        told["workers"] = [worker._asdict() for worker in self.workers]
        for name in ("due", "failing"):
            told[name] = [{**row.pop("status"), **row} for row in told[name]]
        for name in ("attempts_per_second", "errors_per_second"):
            told[name] = told[name][-1] if told[name] else 0.0
        return told


class Board:
    """Takes one snapshot after the other, about one a second. Safe to share between threads."""

    def __init__(self, store: Polls) -> None:
        self.store = store
        self._readings: deque[Totals] = deque(maxlen=READINGS + 1)
        self._rounds = Rounds(store)
        # A filter that is typed asks for a snapshot while the one of this second is being taken.
        self._lock = threading.Lock()

    def look(self, text: str = "") -> Snapshot:
        """Take a snapshot; only polls in which a text is found are listed.

        Raises:
            StoreUnavailable: Redis cannot be reached.

        """
        with self._lock:
            return self._look(text.strip().lower())

    def _look(self, text: str) -> Snapshot:
        self._readings.append(totals(self.store))
        self._rounds.go_on(STRIDE)
        counts = overview(self.store)
        first, last = self._readings[0], self._readings[-1]
        live = counts.waiting + counts.due + counts.running
        held = dict(islice(parked(self.store), LOOKED_AT if text else ROWS))
        worst = [Row.of(poll_id, held.get(poll_id, found)) for poll_id, found in self._rounds.worst()]
        return Snapshot(
            at=datetime.fromtimestamp(last.at_ms / 1000, UTC),
            polls=dataclasses.asdict(counts),
            attempts_per_second=self._rates("attempts"),
            errors_per_second=self._rates("errors"),
            lateness_ms={
                f"p{share:.0f}": round(last.lateness_since(first, share / 100), 1) for share in (50, 90, 99)
            },
            workers=workers(self.store),
            origins=origins_of(self.store),
            limits=limits_of(self.store),
            due=self._due(held, text),
            failing=[row for row in worst if row.matches(text)][:ROWS],
            looked_at=1.0 if self._rounds.size else min(1.0, self._rounds.looked / max(1, live)),
        )

    def _rates(self, name: str) -> list[float]:
        readings = list(self._readings)
        return [
            round(
                (getattr(after, name) - getattr(before, name)) * 1000 / max(1, after.at_ms - before.at_ms), 1
            )
            for before, after in pairwise(readings)
        ]

    def _due(self, held: dict[str, Found], text: str) -> list[Row]:
        """Return the first polls by due time; those that are parked have been due for a while."""
        scheduled = select_by_due(self.store, Selection(), lots=False)
        found = dict(islice(scheduled, LOOKED_AT if text else ROWS)) | held
        first = sorted(found.items(), key=lambda one: (one[1].due_ms or one[1].record.deadline_ms, one[0]))
        wanted = islice((one for one in first if Row.of(*one).matches(text)), ROWS)
        # Most that are parked are known as such already: no need to go through all of them.
        return [Row.of(*one) for one in explained(self.store, list(wanted), most=PAGE)]
