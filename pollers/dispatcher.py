"""The dispatcher: the part of every worker that turns what is due into tasks.

A step of the worker's consumer, run by the worker's own timer: no thread, no leader, no beat. Any
number of workers dispatch side by side; the scripts see to it that a poll is taken once.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import os
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from celery import bootsteps
from celery.utils import uuid
from celery.worker import state
from kombu.exceptions import OperationalError

from pollers import control
from pollers.changes import Changes
from pollers.errors import InvalidSetting
from pollers.observe.events import KeptEvents
from pollers.runtime import Runtime, runtime_of
from pollers.sending import is_outage, route_of, send_packs
from pollers.store import Dispatch, Record, Store
from pollers.store.connection import must_answer, place
from pollers.store.layout import adopt, forget_retired
from pollers.store.listing import read_found
from pollers.store.risks import Risk, risks
from pollers.store.traffic import configure, introduce

logger = logging.getLogger(__name__)

#: Seconds between two calls while polls are due. A longer tick makes larger packs, and so cheaper
#: attempts, later. Each of several shards has one of so many turns: else its packs were so much smaller.
SHORTEST_TICK = 0.030
#: Seconds between two calls when one could not look at all that is due: what is due behind thousands of
#: polls that have to wait must not wait with them.
MORE_TICK = 0.002
#: Seconds between two calls when nothing is due: eight calls a second find a poll that was submitted
#: for now, or nudged, within 125 ms.
LONGEST_TICK = 0.125
#: Seconds between two calls while Redis cannot be reached.
OUTAGE_TICK = 1.0
#: Seconds after which queues of others are forgotten, until one of their polls is met again.
REMEMBERED = 60.0
#: Exit code of a worker that cannot work with its settings: EX_CONFIG of sysexits.h.
UNUSABLE = 78


class Dispatcher(bootsteps.StartStopStep):
    """Takes due polls from the schedules, sends them as packs, and publishes held tasks."""

    label = "Dispatcher"
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        control.install()
        # Everything is imported by now, and stays: collections need not look at it again and again,
        # and the children of a prefork pool, which start after this, go on sharing its pages.
        gc.collect()
        gc.freeze()
        self._dispatchings: list[Dispatching] = []

    def start(self, consumer: Any) -> None:
        """Begin to dispatch; called again after each reconnection to the broker."""
        runtime = runtime_of(consumer.app)
        # A consumer that has stopped has none, and the attempts in flight are finished then.
        runtime.events_enabled = lambda: bool(getattr(consumer.event_dispatcher, "enabled", False))
        if not self._dispatchings:
            self._dispatchings = [
                Dispatching(consumer.app, runtime, consumer.hostname, number)
                for number in range(len(runtime.store.stores))
            ]
        name = f"{consumer.hostname}.{os.getpid()}.{uuid()[:8]}"

        def consumed() -> frozenset[str]:
            # Not `amqp.queues`: in older Celerys, that has queues that are only published to.
            tasks = consumer.task_consumer
            return frozenset(queue.name for queue in tasks.queues) if tasks else frozenset()

        for dispatching in self._dispatchings:
            dispatching.start(consumer.timer, name, consumed)

    def stop(self, consumer: Any) -> None:
        """Stop dispatching; what is due is left to other workers."""
        for dispatching in self._dispatchings:
            dispatching.stop()

    shutdown = stop


class Dispatching:
    """The dispatching of one schedule, at its own tick: other shards go on when its Redis is away."""

    def __init__(self, app: Any, runtime: Runtime, hostname: str, number: int) -> None:
        self._app = app
        self._runtime = runtime
        self._number = number
        self._store: Store = runtime.store.stores[number]
        self._url = runtime.settings.by_shard()[number].redis_url
        self._changes = Changes(app, runtime.store)
        self._kept_events = KeptEvents(app, hostname, runtime.settings.attempt_events)
        self._timer: Any = None
        self._entry: Any = None
        #: Whether the store has been told what this worker is configured with.
        self._prepared = False
        self._consumes: Callable[[], frozenset[str]] = frozenset
        self._consumed: frozenset[str] = frozenset()
        self._queues: dict[str, bool] = {}
        self._forget_at = 0.0
        self._outage = False
        self._calls = count()
        self._created_ms: int | None = None
        self._told: set[Risk] = set()
        self._name = ""
        shards = len(runtime.store.stores)
        #: Whether it is to be told when the retired shards are empty; the last one sees to it.
        self._retiring = runtime.settings.retired_shards > 0 and number == shards - 1
        self._tick = SHORTEST_TICK * shards
        #: What is said of it in the log, where there are others.
        self._which = f" of shard {number} ({place(self._store.client)})" if shards > 1 else ""

    def start(self, timer: Any, name: str, consumes: Callable[[], frozenset[str]]) -> None:
        """Begin to dispatch as a worker of this name, on its timer; ``consumes`` gives its queues."""
        self._timer = timer
        self._name = name
        self._consumes = consumes
        self._prepared = False
        self._schedule(SHORTEST_TICK * (self._number + 1))

    def stop(self) -> None:
        """Stop dispatching."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None

    def tick(self) -> None:
        """Dispatch once and plan the next call."""
        delay = OUTAGE_TICK
        try:
            if self._outage and self._which:
                # The timer that it would hold up is that of the other shards too.
                must_answer(self._url, self._store.keys.polls)
            delay = self._dispatch()
            if self._outage:
                logger.warning("Redis%s answers again; dispatching goes on.", self._which)
                self._outage = False
        except OperationalError as error:  # of the store, or of the broker
            if not self._outage:
                logger.error("Dispatching%s pauses until Redis answers. %s", self._which, error)
                self._outage = True
        except InvalidSetting as error:
            logger.critical("This worker stops. %s", error)
            state.should_stop = UNUSABLE
        except Exception:
            logger.exception("A dispatch failed; what it had taken is due again when its lease ends.")
        finally:
            self._schedule(delay)

    def _dispatch(self) -> float:
        if not self._prepared:
            if self._created_ms is None:
                # Before it is told anything, so that none of that is lost with it.
                self._created_ms = self._store.created_ms()
            self._adopt()
            self._configure_traffic()
            self._look_at_queues(self._consumes())
            self._prepared = True
            self._warn_of_risks()
        elif (consumed := self._consumes()) != self._consumed or time.monotonic() >= self._forget_at:
            self._look_at_queues(consumed)
        call_id = f"{self._name}.{next(self._calls)}"
        found = self._store.dispatch(self._name, call_id, self._queues, created_ms=self._created_ms)
        self._notice_loss(found.created_ms)
        send_packs(self._app, found.packs, self._number)
        released = self._store.release() if found.releasing else []
        for poll_id, record in released:
            self._publish(poll_id, record)
        for poll_id in found.unreadable:
            logger.warning("Poll %s is left alone: its record is damaged, or of a newer version.", poll_id)
        for queue in found.unknown_queues:
            self._queues.setdefault(queue, False)
        if found.strangers:
            introduce(self._store, found.strangers)
        if found.kept and self._runtime.events_enabled():
            self._show(found.kept)
        if self._retiring and found.next_due_in is None and not found.releasing:
            self._forget_retired()
        self._runtime.meter.flush_when_due()
        tick = _next_tick(found, self._tick)
        return min(tick, SHORTEST_TICK) if released else tick

    def _show(self, kept: list[str]) -> None:
        waiting = ((poll_id, found.record) for poll_id, found in read_found(self._store, kept))
        try:
            self._kept_events.send(waiting)
        except Exception:
            logger.exception("Monitors were not told of %d polls that wait.", len(kept))

    def _publish(self, poll_id: str, record: Record) -> None:
        """Publish an ended poll. One that cannot be published keeps no other back; `release` has it again."""
        try:
            self._changes.end(poll_id, record)
        except Exception as error:
            if is_outage(self._app, error):
                raise
            told = f"{type(error).__name__}: {error}"
            logger.error("The outcome of poll %s cannot be published, and is tried again: %s", poll_id, told)

    def _adopt(self) -> None:
        if adopt(self._store, self._runtime.settings):
            logger.warning("Polls are divided over more shards than before, or others: one%s.", self._which)

    def _forget_retired(self) -> None:
        if forget_retired(self._runtime.store.stores, self._runtime.settings):
            self._retiring = False
            logger.warning("The retired shards are empty: they can be taken out of pollers_shards.")

    def _warn_of_risks(self) -> None:
        for risk in risks(self._store):
            if risk not in self._told:
                self._told.add(risk)
                logger.warning("%s %s", risk.problem, risk.cure)

    def _notice_loss(self, created_ms: int) -> None:
        if created_ms == self._created_ms:
            return
        if self._created_ms:
            logger.error(
                "Redis%s has lost its polls: it was emptied, or restarted without its file. "
                "Those that are submitted from now on are attempted.",
                self._which,
            )
        # Its first poll as well: it may have been emptied when it had limits, and no poll yet.
        self._prepared = False
        self._created_ms = created_ms

    def _configure_traffic(self) -> None:
        settings = self._runtime.settings
        breaker = dataclasses.asdict(settings.breaker) if settings.breaker else None
        configure(self._store, settings.limits.texts(), breaker)

    def _schedule(self, delay: float) -> None:
        self._entry = self._timer.call_after(delay, self.tick)

    def _look_at_queues(self, consumed: frozenset[str]) -> None:
        """Map each queue to whether this worker consumes it; '' is Celery's own routing.

        Those of others come in when one of their polls is met: there may be thousands, each with its price.
        """
        routed = route_of(self._app, "")["queue"].name
        queues = {"": routed in consumed, **dict.fromkeys(consumed, True)}
        self._store.withdraw(self._name, [name for name in self._queues if not queues.get(name)])
        self._queues, self._consumed = queues, consumed
        self._forget_at = time.monotonic() + REMEMBERED


def _next_tick(found: Dispatch, shortest: float) -> float:
    if found.more or found.strangers:
        return MORE_TICK
    if found.packs or found.unknown_queues:
        return shortest
    if found.next_due_in is None:
        return LONGEST_TICK
    return min(max(found.next_due_in, shortest), LONGEST_TICK)
