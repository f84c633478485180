"""Wait for remote operations, durably and at scale: polls on Celery and Redis."""

from typing import cast

from celery.local import Proxy

from pollers.app import app, current_app, setup
from pollers.cadence import Exponential, Linear
from pollers.errors import (
    InvalidPoll,
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
from pollers.result import LastAnswer, PollResult, PollStatus
from pollers.spec import Match
from pollers.task import PollTask

#: The poll as a Celery task of the application that was set up last.
poll = cast(PollTask, Proxy(lambda: current_app().tasks[POLL]))

__all__ = [
    "Exponential",
    "InvalidPoll",
    "LastAnswer",
    "Linear",
    "Match",
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
    "app",
    "poll",
    "setup",
]
