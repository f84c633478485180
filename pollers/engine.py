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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

from kombu.exceptions import OperationalError

from pollers import in_flight
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
    #: What the attempt got; None when there was nothing to ask.
    answer: Answer | None = None
    #: What `Engine` was given at its beginning by ``before``.
    asked: Any = None

    @property
    def decision(self) -> str:
        """What came of it: ``pending``, ``succeeded``, ``failed``, or ``refused`` by the store."""
        if not self.accepted:
            return "refused"
        state = self.settlement.state
        return "pending" if state == "waiting" else state


class PackReport(NamedTuple):
    """What a pack's task returns, for people who look at it in Flower."""

    begun: int
    #: Polls of the message that were not begun: ended, too late, or begun by another copy.
    refused: int
    #: Attempts still in flight when the task returned.
    slow: int


class _Shard:
    """A schedule, and what is done of its attempts and not settled yet."""

    def __init__(self, store: Store, release: Callable[[int], None]) -> None:
        self.store = store
        self.done: SimpleQueue[_Flight] = SimpleQueue()
        self.sharing = Sharing(store, give=self._join, done=partial(release, 1))
        self._release = release

    def _join(self, attempts: list[Attempt], answer: Answer) -> None:
        """Have attempts settled that have the answer of another."""
        self._release(-len(attempts))
        for attempt in attempts:
            self.done.put(_Flight(self, attempt, lambda: None, joined=answer))


class _Flight:
    """One attempt on its way, and the pack that waits for it."""

    __slots__ = ("answer", "asked", "attempt", "joined", "landed", "shard", "started")

    def __init__(
        self,
        shard: _Shard,
        attempt: Attempt,
        landed: Callable[[], None],
        *,
        joined: Answer | None = None,
    ) -> None:
        """``joined`` is the answer that another attempt has got for it."""
        self.shard = shard
        self.attempt = attempt
        self.landed = landed
        self.started = False
        self.answer = joined
        self.joined = joined is not None
        self.asked: Any = None


class Engine:
    """Makes attempts. One per process; safe to call from many threads."""

    def __init__(
        self,
        stores: Sequence[Store],
        transport: Transport,
        settings: Settings,
        *,
        publish: Callable[[str, Record], None],
        observe: Callable[[list[Settled]], None],
        before: Callable[[Attempt], tuple[Any, Mapping[str, str]]] | None = None,
    ) -> None:
        """``before`` gets an attempt that is about to ask; gives what `observe` gets back, and headers."""
        self._transport = transport
        self._settings = settings
        self._publish = publish
        self._observe = observe
        self._before = before
        self._lanes = Lanes(settings.concurrency)
        self._room = threading.Condition()
        self._in_flight = 0
        self._observing = threading.Lock()
        self._shards = [_Shard(store, self._release) for store in stores]
        for shard in self._shards:
            # Each its own: one whose Redis is away must not keep the others waiting.
            threading.Thread(target=self._settler, args=(shard,), name="pollers-settler", daemon=True).start()

    def run_pack(self, pack: Pack) -> PackReport:
        """Begin the attempts of a pack and make them; returns when no fast one is left."""
        size = len(pack.polls) // 3
        if pack.shard >= len(self._shards):
            logger.error("Polls of shard %d are left to workers that know of it.", pack.shard)
            return PackReport(0, size, 0)
        shard = self._shards[pack.shard]
        self._reserve(size)
        try:
            begun = shard.store.begin(pack)
        except BaseException:
            self._release(size)
            raise
        self._release(size - len(begun.polls))
        if not begun.polls:
            return PackReport(0, size, 0)
        in_flight.expect(max(record.span_ms for _, record in begun.polls) / 1000)
        clock = redis_clock(begun.now_ms)
        landing = _Landing(len(begun.polls))
        flights = [_Flight(shard, Attempt(*poll, clock), landing.one) for poll in begun.polls]
        self._lanes.submit([partial(self._fly, flight) for flight in flights])
        while not landing.all.wait(PATIENCE):
            if all(flight.started for flight in flights):
                break
        return PackReport(len(flights), size - len(flights), landing.left)

    def drain(self) -> None:
        """Wait until every attempt in flight is settled and every outcome published.

        The longest ``request_timeout`` among them bounds the time.
        """
        for shard in self._shards:
            shard.sharing.hurry()
        with self._room:
            self._room.wait_for(lambda: self._in_flight == 0)

    def _fly(self, flight: _Flight) -> None:
        flight.started = True
        try:
            headers = self._begin(flight) if self._before else {}
            flight.answer = ask(flight.attempt, self._transport, headers)
            if flight.answer and flight.attempt.record.request:
                self._share(flight.shard, flight.attempt, flight.answer)
        finally:
            flight.shard.done.put(flight)

    def _share(self, shard: _Shard, asked: Attempt, answer: Answer) -> None:
        # Sharing is in flight as an attempt is: `drain` waits for it.
        self._release(-1)
        shard.sharing.share(asked, answer)

    def _begin(self, flight: _Flight) -> Mapping[str, str]:
        """Tell of an attempt before it is made; returns the headers that its request is to have."""
        assert self._before
        try:
            flight.asked, headers = self._before(flight.attempt)
        except Exception:
            # Whoever looks on must not keep a poll from its attempt.
            logger.exception("The beginning of an attempt of poll %s was not noted.", flight.attempt.poll_id)
            return {}
        return headers

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

    def _settler(self, shard: _Shard) -> None:
        done = shard.done
        while True:
            flights = [done.get()]
            if self._in_flight > 1:
                time.sleep(LINGER)
            while not done.empty():
                flights.append(done.get())
            try:
                self._settle(shard.store, flights)
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

    def _settle(self, store: Store, flights: list[_Flight]) -> None:
        decided = [
            (flight, _without_news(settlement) if flight.joined else settlement)
            for flight in flights
            if (settlement := settlement_of(flight.attempt, flight.answer, self._settings, self._note_damage))
        ]
        if not decided:
            return
        settlements = [settlement for _, settlement in decided]
        results = store.settle(settlements)
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
        settled = [
            Settled(
                *(settlement.poll_id, flight.attempt.record, settlement, result is not False),
                *(flight.answer, flight.asked),
            )
            for (flight, settlement), result in zip(decided, results, strict=True)
        ]
        with self._observing:
            self._observe(settled)

    def _note_damage(self) -> None:
        self._shards[0].store.note("damaged")

    def _deliver(self, poll_id: str, record: Record) -> None:
        try:
            self._publish(poll_id, record)
        except OperationalError as error:
            logger.warning("The outcome of poll %s is published when the broker answers: %s", poll_id, error)
        except Exception as error:  # else nobody would hear of it
            logger.error("The outcome of poll %s cannot be published, and is tried again: %s", poll_id, error)
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
