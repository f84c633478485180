"""The engine of a worker process: makes the attempts of packs concurrently, settles them in groups.

A pack's task begins all its polls in one call and hands them to the lanes. What is done goes to one
settler thread, which settles in one call all that has come together meanwhile (a group commit). The
task returns when its polls are settled, or, so that a slow endpoint holds no slot of the Celery
pool, when all have started and only slow ones are left; those settle by themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from kombu.exceptions import OperationalError

from pollers.answer import Answer
from pollers.attempt import Attempt, ask, redis_clock, settlement_of
from pollers.errors import StoreUnavailable
from pollers.lanes import Lanes
from pollers.settings import Settings
from pollers.sharing import Sharing
from pollers.store import Pack, Record, Settlement, Store
from pollers.transport import Transport

logger = logging.getLogger(__name__)

#: Seconds that finished attempts wait for company while others are in flight.
LINGER = 0.010
#: Seconds that a pack's task waits for its slow attempts before it leaves them to the settler.
PATIENCE = 0.25


class Settled(NamedTuple):
    """An attempt after its settlement, as observers see it."""

    poll_id: str
    #: The record as it was when the attempt began.
    record: Record
    settlement: Settlement
    #: False when the store refused it, because the attempt was no longer the poll's.
    accepted: bool


class PackReport(NamedTuple):
    """What a pack's task returns, for people who look at it in Flower."""

    begun: int
    #: Polls of the message that were not begun: ended, too late, or begun by another copy.
    refused: int
    #: Attempts still in flight when the task returned.
    slow: int


class _Flight:
    """One attempt on its way, and the pack that waits for it."""

    __slots__ = ("answer", "attempt", "joined", "landed", "started")

    def __init__(self, attempt: Attempt, landed: Callable[[], None], *, joined: Answer | None = None) -> None:
        """``joined`` is the answer that another attempt has got for it."""
        self.attempt = attempt
        self.landed = landed
        self.started = False
        self.answer = joined
        self.joined = joined is not None


class Engine:
    """Makes attempts. One per process; safe to call from many threads."""

    def __init__(
        self,
        store: Store,
        transport: Transport,
        settings: Settings,
        *,
        publish: Callable[[str, Record], None],
        observe: Callable[[list[Settled]], None],
    ) -> None:
        self._store = store
        self._transport = transport
        self._settings = settings
        self._publish = publish
        self._observe = observe
        self._lanes = Lanes(settings.concurrency)
        self._sharing = Sharing(store, give=self._join, done=partial(self._release, 1))
        self._done: SimpleQueue[_Flight] = SimpleQueue()
        self._room = threading.Condition()
        self._in_flight = 0
        threading.Thread(target=self._settler, name="pollers-settler", daemon=True).start()

    def run_pack(self, pack: Pack) -> PackReport:
        """Begin the attempts of a pack and make them; returns when no fast one is left."""
        size = len(pack.polls) // 3
        self._reserve(size)
        try:
            begun = self._store.begin(pack)
        except BaseException:
            self._release(size)
            raise
        self._release(size - len(begun.polls))
        if not begun.polls:
            return PackReport(0, size, 0)
        clock = redis_clock(begun.now_ms)
        landing = _Landing(len(begun.polls))
        flights = [_Flight(Attempt(*poll, clock), landing.one) for poll in begun.polls]
        self._lanes.submit([partial(self._fly, flight) for flight in flights])
        while not landing.all.wait(PATIENCE):
            if all(flight.started for flight in flights):
                break
        return PackReport(len(flights), size - len(flights), landing.left)

    def drain(self) -> None:
        """Wait until every attempt in flight is settled and every outcome published.

        The longest ``request_timeout`` among them bounds the time.
        """
        self._sharing.hurry()
        with self._room:
            self._room.wait_for(lambda: self._in_flight == 0)

    def _fly(self, flight: _Flight) -> None:
        flight.started = True
        try:
            flight.answer = ask(flight.attempt, self._transport)
            if flight.answer and flight.attempt.record.request:
                self._share(flight.attempt, flight.answer)
        finally:
            self._done.put(flight)

    def _share(self, asked: Attempt, answer: Answer) -> None:
        # Sharing is in flight as an attempt is: `drain` waits for it.
        self._release(-1)
        self._sharing.share(asked, answer)

    def _join(self, attempts: list[Attempt], answer: Answer) -> None:
        """Settle attempts that have the answer of another."""
        self._release(-len(attempts))
        for attempt in attempts:
            self._done.put(_Flight(attempt, lambda: None, joined=answer))

    def _reserve(self, size: int) -> None:
        # What is not begun stays leased by the dispatcher only, and is not taken for a slow attempt.
        with self._room:
            self._room.wait_for(
                lambda: self._in_flight == 0 or self._in_flight + size <= self._settings.concurrency
            )
            self._in_flight += size

    def _release(self, size: int) -> None:
        with self._room:
            self._in_flight -= size
            self._room.notify_all()

    def _settler(self) -> None:
        while True:
            flights = [self._done.get()]
            if self._in_flight > 1:
                time.sleep(LINGER)
            while not self._done.empty():
                flights.append(self._done.get())
            try:
                self._settle(flights)
            except StoreUnavailable as error:
                logger.error(
                    "%d attempts could not be settled and will be made again: %s", len(flights), error
                )
            except Exception:
                logger.exception("%d attempts could not be settled.", len(flights))
            finally:
                for flight in flights:
                    flight.landed()
                self._release(len(flights))

    def _settle(self, flights: list[_Flight]) -> None:
        decided = [
            (flight.attempt, _without_news(settlement) if flight.joined else settlement)
            for flight in flights
            if (settlement := settlement_of(flight.attempt, flight.answer, self._settings))
        ]
        if not decided:
            return
        settlements = [settlement for _, settlement in decided]
        results = self._store.settle(settlements)
        ended = [
            partial(self._deliver, settlement.poll_id, result)
            for settlement, result in zip(settlements, results, strict=True)
            if isinstance(result, Record)
        ]
        if ended:
            # A publication is in flight as an attempt is: `drain` waits for it.
            with self._room:
                self._in_flight += len(ended)
            self._lanes.submit(ended)
        self._observe(
            [
                Settled(attempt.poll_id, attempt.record, settlement, result is not False)
                for (attempt, settlement), result in zip(decided, results, strict=True)
            ]
        )

    def _deliver(self, poll_id: str, record: Record) -> None:
        try:
            self._publish(poll_id, record)
        except OperationalError as error:
            logger.warning("The outcome of poll %s is published when the broker answers: %s", poll_id, error)
        finally:
            self._release(1)


def _without_news(settlement: Settlement) -> Settlement:
    """Return a settlement that tells nothing of its origin, as the attempt that asked has told it."""
    return settlement._replace(hold_ms=0, trouble=None)


class _Landing:
    """Counts down the attempts of one pack; only the settler thread counts."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.all = threading.Event()

    def one(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.all.set()
