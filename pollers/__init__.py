"""Wait for remote operations, durably and at scale: polls on Celery and Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from celery import Celery
from celery.local import Proxy

from pollers.app import app, setup
from pollers.cadence import Exponential, Linear
from pollers.errors import (
    AlreadyEnded,
    InvalidPoll,
    InvalidSetting,
    PollCancelled,
    PollEnded,
    PollError,
    PollFailed,
    PollRejected,
    PollTimeout,
    StoreUnavailable,
    UnknownPoll,
)
from pollers.held import POLL
from pollers.later import later
from pollers.runtime import current_app, runtime_of
from pollers.spec import Match
from pollers.task import PollTask
from pollers.waiter import Waiter

if TYPE_CHECKING:
    from pollers.result import LastAnswer, PastAttempt, PollResult, PollStatus
    from pollers.store.overview import Overview
    from pollers.transport import credential

_RESULTS = ("LastAnswer", "PastAttempt", "PollResult", "PollStatus")
__getattr__ = later(
    __name__,
    {
        "Overview": "pollers.store.overview",
        "credential": "pollers.transport",
        **dict.fromkeys(_RESULTS, "pollers.result"),
    },
)

#: The poll as a Celery task of the application that was set up last.
poll = cast(PollTask, Proxy(lambda: current_app().tasks[POLL]))


def overview(application: Celery | None = None) -> Overview:
    """Return how many polls are where, and how punctual attempts are.

    Counts the polls of an application, by default of the one that was set up last.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    from pollers.store.overview import overview as overview_of

    return overview_of(runtime_of(application or current_app()).store)


__all__ = [
    "AlreadyEnded",
    "Exponential",
    "InvalidPoll",
    "InvalidSetting",
    "LastAnswer",
    "Linear",
    "Match",
    "Overview",
    "PastAttempt",
    "PollCancelled",
    "PollEnded",
    "PollError",
    "PollFailed",
    "PollRejected",
    "PollResult",
    "PollStatus",
    "PollTimeout",
    "StoreUnavailable",
    "UnknownPoll",
    "Waiter",
    "app",
    "credential",
    "overview",
    "poll",
    "setup",
]
