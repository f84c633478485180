"""Gives a poll that is under way another cadence or deadline."""

from __future__ import annotations

import dataclasses
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pollers import validation
from pollers.errors import AlreadyEnded, InvalidPoll, UnknownPoll
from pollers.settings import Settings
from pollers.spec import PollSpec
from pollers.store import TERMINAL_STATES
from pollers.store.reschedule import Revision
from pollers.store.reschedule import reschedule as change

if TYPE_CHECKING:
    from pollers.store import Polls

#: Seconds between two looks whether an attempt that is under way has been settled.
LOOK_EVERY = 0.05


def reschedule(
    polls: Polls, poll_id: str, settings: Settings, *, every: Any, deadline: datetime | None
) -> None:
    """Change when a poll is attempted, and until when; what is None stays.

    Raises:
        InvalidPoll: The cadence or the deadline is not one that a poll may have.
        UnknownPoll: No poll of this id is known (any more).
        AlreadyEnded: It has ended.

    """
    given = {name: value for name, value in (("every", every), ("deadline", deadline)) if value is not None}
    if not given:
        raise InvalidPoll.of({"every": "and deadline are missing; give one of them, or both"})
    give_up = None
    while True:
        found = polls.find(poll_id)
        if found is None:
            raise UnknownPoll(f"No poll {poll_id} is known here, or it ended too long ago.")
        values, problems = validation.check(
            given, complete=False, min_interval=settings.min_interval, now=found.now_ms / 1000
        )
        if problems:
            raise InvalidPoll.of(problems)
        if deadline is not None:
            values["timeout"] = None
        spec = PollSpec.from_json(found.record.spec)
        revised = dataclasses.replace(spec, **values)
        revision = Revision(
            before=found.record.spec,
            after=revised.to_json(),
            wait=revised.cadence.shortest,
            deadline=values.get("deadline"),
        )
        state = change(polls.holding(poll_id), poll_id, revision)
        if state == "waiting":
            return
        if state == "late":
            raise InvalidPoll.of({"deadline": "has passed, by the clock of Redis"})
        if state in TERMINAL_STATES:
            raise AlreadyEnded(f"Poll {poll_id} has ended ({state}); it cannot be rescheduled any more.")
        if state == "running":
            # The attempt that is under way places the next one by the old cadence: done again after it.
            give_up = give_up or time.monotonic() + found.record.span_ms / 1000
            if time.monotonic() >= give_up:
                return
            time.sleep(LOOK_EVERY)
