"""The store: every state change of a poll is one method here, and one script in Redis."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self, cast

import msgpack
import redis

from pollers import log_lines
from pollers.errors import StoreUnavailable
from pollers.settings import Settings
from pollers.store.calls import Calls, patiently
from pollers.store.connection import connect, translated_errors
from pollers.store.keys import Keys
from pollers.store.record import Record, read_records
from pollers.store.values import (
    Admission,
    Begun,
    Claim,
    Dispatch,
    Found,
    Pack,
    Settlement,
    Submission,
)

logger = logging.getLogger(__name__)

#: A running attempt may settle so long after its deadline, in ms: its request ends with the deadline,
#: and the answer still has to travel. Together with a dispatcher's tick it stays under one second.
GRACE_MS = 400
#: What an attempt may take beyond its span, in ms, before its lease runs out: waiting for a thread
#: in its worker, and settling.
MARGIN_MS = 5_000
#: Attempts in a row that died with their workers, after which a poll is attempted on its own. Not
#: after the first: a killed worker is common, and all its polls would queue up for it.
SUSPICIOUS = 2
#: A worker that has not dispatched for so long, in ms, counts as gone.
WORKER_LIFE_MS = 5_000
#: Polls that one `dispatch` takes at most, so that a call stays around two milliseconds.
DISPATCH_LIMIT = 500
#: How long before its deadline, in ms, a poll gets its last attempt through an open breaker.
LAST_CALL_MS = 1_000
#: Polls that one `release` takes at most: publishing one costs about a millisecond.
RELEASE_LIMIT = 20


class Store:
    """Polls in Redis. Safe to share between threads.

    Every method raises `StoreUnavailable` when Redis cannot be reached or takes no writes; those
    that an application or a settled attempt depends on try again for a few seconds first.
    """

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self.client = client
        self.keys = Keys(settings.prefix)
        #: Hears of an origin and its change: it is ``held`` now, or its breaker is ``open`` or ``closed``.
        self.on_change: Callable[[str, str], None] = lambda origin, change: None
        #: How many shards there are, which keep the limits together.
        self.shards = settings.shards if isinstance(settings.shards, int) else len(settings.shards)
        self.calls = Calls(client)
        self.calls.on_reload = partial(self.note, "scripts_reloaded")
        self._settings = settings

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Return the store at ``settings.redis_url``; the first call connects."""
        return cls(connect(settings.redis_url, Keys(settings.prefix).polls), settings)

    def holding(self, poll_id: str) -> Store:
        """Return the schedule that has a poll: of one there is no choice."""
        return self

    @property
    def stores(self) -> tuple[Store, ...]:
        """The schedules of this store: one, which is itself; `Shards` have more."""
        return (self,)

    def admit(self, submission: Submission) -> Admission:
        """Accept a poll."""
        return Admission.read(self.calls.run_patiently("admit", *self._admitting(submission)))

    def admit_many(self, submissions: Sequence[Submission]) -> list[Admission]:
        """Accept polls, each by itself, in one round trip."""
        calls = [self._admitting(submission) for submission in submissions]
        return [Admission.read(answer) for answer in patiently(self.calls.run_many, "admit", calls)]

    def _admitting(self, submission: Submission) -> tuple[list[str], list[Any]]:
        keys, one, timeout = self.keys, submission, submission.timeout
        return (
            [
                *(keys.polls, keys.schedule, keys.stats, keys.queues, keys.ended(one.poll_id)),
                keys.admissions(one.origin),
            ],
            [
                *(one.poll_id, one.queue, one.spec, one.held, _ms(one.span), one.lapse, _ms(one.delay)),
                *(-1 if timeout is None else _ms(timeout), _ms(one.deadline or 0)),
                *(one.origin, one.limit, one.priority, one.tenant),
                *(_ms(one.spread), random.random(), one.request),
            ],
        )

    def dispatch(
        self, worker: str, call_id: str, queues: Mapping[str, bool], *, created_ms: int | None = None
    ) -> Dispatch:
        """Take due polls; ``queues`` maps each known queue to whether the worker consumes it.

        With ``created_ms``, none is taken from a store that was emptied and begun anew since then.
        """
        settings, keys = self._settings, self.keys
        # What is begun together also has to run together, as its leases count from there; and what waits
        # unbegun for longer than its lease is sent twice.
        pack_size = min(settings.pack_size, settings.concurrency)
        backlog = max(1, min(settings.backlog, settings.concurrency) // pack_size)
        found = self.calls.run(
            "dispatch",
            [
                *(keys.polls, keys.schedule, keys.releases, keys.stats, keys.suspect, keys.gates, keys.turns),
                *(keys.lots, keys.flows, keys.shares, keys.rules, keys.outage, keys.asking),
                *(key for queue in queues for key in keys.for_queue(queue)),
            ],
            [
                *(worker, WORKER_LIFE_MS, _ms(settings.lease), GRACE_MS, DISPATCH_LIMIT),
                *(pack_size, backlog, call_id),
                *(settings.max_crashes, SUSPICIOUS, MARGIN_MS, self._last_call_ms),
                -1 if created_ms is None else created_ms,
                *(part for queue, consumed in queues.items() for part in (queue, int(consumed))),
            ],
        )
        return Dispatch.read(found)

    @property
    def _last_call_ms(self) -> int:
        return LAST_CALL_MS if self._settings.open_breaker == "attempt" else 0

    def withdraw(self, worker: str, queues: Iterable[str]) -> None:
        """Count a worker no more among those of some queues, so that none sends packs there for it."""
        with translated_errors(self.client):
            for queue in queues:
                self.client.zrem(self.keys.workers(queue), worker)

    def begin(self, pack: Pack) -> Begun:
        """Begin the attempts of a pack; those that are stale, ended or too late are left out."""
        keys = self.keys
        now, *begun = self.calls.run(
            "begin",
            [
                *(keys.polls, keys.schedule, keys.stats, keys.queued(pack.queue)),
                *(keys.gates, keys.turns, keys.asking, keys.shares),
            ],
            [pack.id, MARGIN_MS, GRACE_MS, self._last_call_ms, *pack.polls],
        )
        return Begun(now, read_records(begun))

    def settle(self, settlements: Sequence[Settlement]) -> list[Record | bool]:
        """Settle attempts; per attempt True (waits again), False (refused) or the ended record."""
        keys = self.keys
        results, changes = self.calls.run_patiently(
            "settle",
            [
                *(keys.polls, keys.schedule, keys.releases, keys.stats, keys.suspect),
                *(keys.gates, keys.turns, keys.shares, keys.nudged),
                *(keys.history(one.poll_id) for one in settlements),
            ],
            [
                *(_ms(self._settings.lease), random.random(), self._settings.history),
                # Lua's MessagePack knows one type for text and bytes.
                *(msgpack.packb(settlement, use_bin_type=False) for settlement in settlements),
            ],
        )
        for origin, change in zip(changes[::2], changes[1::2], strict=True):
            log_lines.origin_changed(origin.decode(), change.decode())
            self.on_change(origin.decode(), change.decode())
        return [Record.unpack(result) if isinstance(result, bytes) else bool(result) for result in results]

    def told(self, poll_id: str, before: str, after: str) -> bool:
        """Note that the changes in the progress ``before`` are told; ``after`` is the same without them."""
        return bool(self.calls.run("told", [self.keys.polls, self.keys.stats], [poll_id, before, after]))

    def release(self) -> list[tuple[str, Record]]:
        """Take polls whose held task should be published now."""
        keys = self.keys
        arguments = [_ms(self._settings.lease), RELEASE_LIMIT]
        return read_records(self.calls.run("release", [keys.polls, keys.releases, keys.stats], arguments))

    def claim(self, poll_id: str) -> Claim:
        """Claim the outcome of a poll, to deliver it."""
        keys = self.keys
        verdict, *record = self.calls.run_patiently(
            "claim",
            [keys.polls, keys.releases, keys.ended(poll_id), keys.stats],
            [poll_id, _ms(self._settings.lease)],
        )
        return Claim(verdict.decode(), Record.unpack(record[0]) if record else None)

    def deliver(self, poll_id: str, life: float) -> bool:
        """Note that an outcome was delivered; its record is kept for ``life`` seconds more."""
        keys = self.keys
        key_list = [
            *(keys.polls, keys.releases, keys.ended(poll_id), keys.stats),
            keys.history(poll_id),
        ]
        return bool(self.calls.run_patiently("deliver", key_list, [poll_id, _ms(life)]))

    def cancel(self, poll_id: str) -> str:
        """Cancel a poll; return ``cancelled``, the state it had ended in before, or ``unknown``."""
        return self.end(poll_id, "cancelled")

    def revoke(self, poll_id: str, life: float) -> str:
        """Cancel a poll; one that is not known is not admitted within the next ``life`` seconds."""
        return self._end(poll_id, "cancelled", "", life)

    def end(self, poll_id: str, state: str, outcome: str = "") -> str:
        """End a poll from outside; return the state it has now, that of an end before, or ``unknown``."""
        return self._end(poll_id, state, outcome, 0.0)

    def _end(self, poll_id: str, state: str, outcome: str, life: float) -> str:
        keys = self.keys
        key_list = [
            *(keys.polls, keys.schedule, keys.releases, keys.stats, keys.ended(poll_id)),
            *(keys.suspect, keys.gates, keys.turns, keys.shares, keys.asking),
        ]
        return str(self.calls.run_patiently("end", key_list, [poll_id, state, outcome, _ms(life)]).decode())

    def nudge(self, poll_id: str) -> str:
        """Make a poll due now, or when the attempt under way has settled.

        Returns its state, ``paused`` when that kept it from being nudged, or ``unknown``.
        """
        keys = self.keys
        key_list = [keys.polls, keys.schedule, keys.ended(poll_id), keys.stats, keys.nudged]
        return str(self.calls.run_patiently("nudge", key_list, [poll_id]).decode())

    def pause(self, poll_id: str) -> str:
        """Pause a poll; return its state, ``paused`` or ``running`` when it is paused, or ``unknown``."""
        keys = self.keys
        key_list = [
            *(keys.polls, keys.schedule, keys.ended(poll_id)),
            *(keys.gates, keys.turns, keys.shares, keys.asking, keys.stats),
        ]
        return str(self.calls.run_patiently("pause", key_list, [poll_id]).decode())

    def resume(self, poll_id: str, delay: float = 0.0) -> str:
        """Resume a paused poll, which is due after ``delay`` seconds; return its state, or ``unknown``."""
        keys = self.keys
        key_list = [keys.polls, keys.schedule, keys.ended(poll_id), keys.stats]
        return str(self.calls.run_patiently("resume", key_list, [poll_id, _ms(delay)]).decode())

    def created_ms(self) -> int:
        """Return when the first poll was admitted, in ms by Redis' clock; 0 before."""
        with translated_errors(self.client):
            return int(cast("bytes | None", self.client.hget(self.keys.stats, "created")) or 0)

    def note(self, counter: str, number: int = 1) -> None:
        """Count what should not happen (`pollers.store.damage`); does without while Redis is away."""
        try:
            self.calls.run("note", [self.keys.stats], [counter, number])
        except StoreUnavailable as error:
            logger.warning("%d times %s could not be counted: %s", number, counter, error)

    def find(self, poll_id: str) -> Found | None:
        """Return a poll, live or ended, or None when it is not known (any more).

        Raises:
            UnreadableRecord: Its record is damaged, or of a newer version.

        """
        with translated_errors(self.client):
            pipe = self.client.pipeline(transaction=False)
            pipe.hget(self.keys.polls, poll_id)
            pipe.get(self.keys.ended(poll_id))
            pipe.zscore(self.keys.schedule, poll_id)
            pipe.time()
            live, ended, due, (seconds, microseconds) = pipe.execute()
        if not (live or ended):
            return None
        due_ms = None if due is None else int(due)
        return Found(Record.unpack(live or ended), due_ms, seconds * 1000 + microseconds // 1000)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
