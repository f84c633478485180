"""The dispatcher: the part of every worker that turns what is due into tasks.

A step of the worker's consumer, run by the worker's own timer: no thread, no leader, no beat. Any
number of workers dispatch side by side; the scripts see to it that a poll is taken once.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from itertools import count
from typing import Any

from celery import bootsteps
from celery.utils import uuid
from kombu.exceptions import OperationalError

from pollers import control
from pollers.attempt_task import ATTEMPT
from pollers.changes import Changes
from pollers.runtime import Runtime, runtime_of
from pollers.store import Dispatch, Pack, risks
from pollers.store.traffic import configure, introduce

logger = logging.getLogger(__name__)

#: Seconds between two calls while polls are due. A longer tick makes larger packs, and so cheaper
#: attempts, later.
SHORTEST_TICK = 0.040
#: Seconds between two calls when one could not look at all that is due: what is due behind thousands of
#: polls that have to wait must not wait with them.
MORE_TICK = 0.002
#: Seconds between two calls when nothing is due: eight calls a second find a poll that was submitted
#: for now, or nudged, within 125 ms.
LONGEST_TICK = 0.125
#: Seconds between two calls while Redis cannot be reached.
OUTAGE_TICK = 1.0


class Dispatcher(bootsteps.StartStopStep):
    """Takes due polls from the schedule, sends them as packs, and publishes held tasks."""

    label = "Dispatcher"
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        control.install()
        self._entry: Any = None
        self._queues: dict[str, bool] = {}
        self._outage = False
        self._calls = count()
        self._created_ms = 0
        self._name = ""

    def start(self, consumer: Any) -> None:
        """Begin to dispatch; called again after each reconnection to the broker."""
        self._consumer = consumer
        self._app = consumer.app
        self._runtime: Runtime = runtime_of(consumer.app)
        self._changes = Changes(consumer.app, self._runtime.store)
        self._runtime.events_enabled = lambda: bool(consumer.event_dispatcher.enabled)
        self._name = f"{consumer.hostname}.{os.getpid()}.{uuid()[:8]}"
        self._queues = {}
        self._schedule(SHORTEST_TICK)

    def stop(self, consumer: Any) -> None:
        """Stop dispatching; what is due is left to other workers."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None

    shutdown = stop

    def tick(self) -> None:
        """Dispatch once and plan the next call."""
        delay = OUTAGE_TICK
        try:
            delay = self._dispatch()
            if self._outage:
                logger.warning("Redis answers again; dispatching goes on.")
                self._outage = False
        except OperationalError as error:  # of the store, or of the broker
            if not self._outage:
                logger.error("Dispatching pauses until Redis answers. %s", error)
                self._outage = True
        except Exception:
            logger.exception("A dispatch failed; what it had taken is due again when its lease ends.")
        finally:
            self._schedule(delay)

    def _dispatch(self) -> float:
        if not self._queues:
            self._queues = self._consumed_queues()
            self._warn_of_risks()
            self._configure_traffic()
        call_id = f"{self._name}.{next(self._calls)}"
        found = self._runtime.store.dispatch(self._name, call_id, self._queues)
        self._warn_of_loss(found.created_ms)
        for pack in found.packs:
            self._send(pack)
        released = self._runtime.store.release() if found.releasing else []
        for poll_id, record in released:
            self._changes.end(poll_id, record)
        for poll_id in found.unreadable:
            logger.warning("Poll %s is left alone: its record is damaged, or of a newer version.", poll_id)
        for queue in found.unknown_queues:
            self._queues.setdefault(queue, False)
        if found.strangers:
            introduce(self._runtime.store, found.strangers)
        tick = _next_tick(found)
        self._runtime.meter.flush_when_due()
        return min(tick, SHORTEST_TICK) if released else tick

    def _warn_of_risks(self) -> None:
        for risk in risks(self._runtime.store):
            logger.warning("%s %s", risk.problem, risk.cure)

    def _warn_of_loss(self, created_ms: int) -> None:
        if self._created_ms and created_ms != self._created_ms:
            logger.error(
                "Redis has lost its polls: it was emptied, or restarted without its file. "
                "Those that are submitted from now on are attempted."
            )
        self._created_ms = created_ms

    def _configure_traffic(self) -> None:
        settings = self._runtime.settings
        breaker = dataclasses.asdict(settings.breaker) if settings.breaker else None
        configure(self._runtime.store, settings.limits.texts(), breaker)

    def _send(self, pack: Pack) -> None:
        size = len(pack.polls) // 3
        self._app.send_task(
            ATTEMPT,
            args=(pack.id, pack.queue, pack.polls),
            argsrepr=f"{size} polls" if size > 1 else f"attempt {pack.polls[1]} of {pack.polls[0]}",
            ignore_result=True,
            **({"queue": pack.queue} if pack.queue else {}),
        )

    def _schedule(self, delay: float) -> None:
        self._entry = self._consumer.timer.call_after(delay, self.tick)

    def _consumed_queues(self) -> dict[str, bool]:
        """Map each known queue to whether this worker consumes it; '' is Celery's own routing."""
        amqp = self._app.amqp
        consumed = set(amqp.queues.consume_from)
        routed = amqp.router.route({}, ATTEMPT)["queue"].name
        return {
            "": routed in consumed,
            **{queue: queue in consumed for queue in self._runtime.store.known_queues()},
            **dict.fromkeys(consumed, True),
        }


def _next_tick(found: Dispatch) -> float:
    if found.more or found.strangers:
        return MORE_TICK
    if found.packs or found.unknown_queues or found.next_due_in is None:
        return SHORTEST_TICK if found.packs or found.unknown_queues else LONGEST_TICK
    return min(max(found.next_due_in, SHORTEST_TICK), LONGEST_TICK)
