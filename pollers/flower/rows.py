"""How Flower shows a poll: its row, completed with what the store knows at this moment.

Events tell of some attempts only (``pollers_attempt_events``), and never of a pause or of a service that is
held. So when Flower draws a row, the store is asked how the poll is now.
"""

from __future__ import annotations

import ast
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from textwrap import shorten
from typing import Any

from celery import states

from pollers.durations import approximate, format_duration
from pollers.errors import StoreUnavailable, UnreadableRecord
from pollers.held import POLL
from pollers.observe.events import answered
from pollers.redaction import redact_url
from pollers.runtime import current_app, runtime_of
from pollers.spec import PollSpec
from pollers.store import Found, Polls
from pollers.store.parking import PAGE, explained

logger = logging.getLogger(__name__)

#: Seconds without a question to a store that did not answer: Flower waits for each.
SILENCE = 10.0
#: Characters of an answer or an error in the list; its page has all of them.
LONGEST_ANSWER = 80
#: Characters of the parameters there, which begin with the condition.
LONGEST_CONDITION = 40
#: Celery's words for the states of a poll.
STATES = {
    "waiting": states.RETRY,
    "running": states.RETRY,
    "succeeded": states.SUCCESS,
    "failed": states.FAILURE,
    "timed_out": states.FAILURE,
    "cancelled": states.REVOKED,
}
#: A space that keeps a cell on one line.
NO_BREAK = "\N{NO-BREAK SPACE}"
#: Parameters that are seconds.
_SECONDS = frozenset({"every", "timeout", "request_timeout", "long_poll"})

_ask_again_at = 0.0


def format_task(task: Any) -> Any:
    """Return a task as the list shows it; ``task`` is a copy that Flower has made for this."""
    task = in_full(task)
    if task.name == POLL:
        task.kwargs = _cut(task.kwargs, LONGEST_CONDITION)
        task.exception = _cut(task.exception, LONGEST_ANSWER)
        # How long from now is enough, and stays on one line.
        task.eta = _in_brackets(task.eta).replace(" ", NO_BREAK) if task.eta else None
    return task


def in_full(task: Any) -> Any:
    """Return a task as its own page shows it."""
    if task.name != POLL:
        return task
    url = task.args
    task.kwargs = described(task.kwargs)
    # It would always show the line where a worker raised what the poll has come to.
    task.traceback = None
    if task.exception and isinstance(url, str):
        task.exception = str(task.exception).replace(f"{url} ", "", 1)
    store = runtime_of(current_app()).store
    found = _ask(store, task.uuid)
    if found is not None:
        _complete(task, found, store)
    return task


def described(kwargs: Any) -> Any:
    """Return the parameters of a poll, as its events tell them, in words: ``until done, every 5s``."""
    try:
        parameters = ast.literal_eval(kwargs)
    except (SyntaxError, TypeError, ValueError):
        return kwargs  # cut off, or not from here
    if not isinstance(parameters, Mapping):
        return kwargs
    # A line each where there is room for lines, on a task's page.
    return ",\n".join(f"{name} {_words(name, value)}" for name, value in parameters.items())


def waiting_for(poll_id: str, found: Found, store: Polls, zone: tzinfo) -> str:
    """Return when the next attempt of a live poll is due, or what keeps it waiting."""
    # A page of what is parked is enough for a row, whose reason is right without the due time.
    ((_, found),) = explained(store, [(poll_id, found)], most=PAGE)
    record, due_ms = found.record, found.due_ms
    if found.why_waiting:
        return found.why_waiting
    if record.state == "running" or due_ms is None:
        return "under way"
    if due_ms == record.deadline_ms:
        return "no more attempts"
    away = (due_ms - found.now_ms) / 1000
    told = f"in {approximate(away)}" if away >= 0 else f"{approximate(-away)} late"
    return f"{_moment(due_ms, zone)} ({told})"


def _ask(store: Polls, poll_id: str) -> Found | None:
    """Return what the store knows of a poll; None when that is nothing, or it does not answer."""
    global _ask_again_at
    if time.monotonic() < _ask_again_at:
        return None
    try:
        return store.find(poll_id)
    except StoreUnavailable as error:
        _ask_again_at = time.monotonic() + SILENCE
        logger.warning("Rows of polls show what their last event said. %s", error)
    except UnreadableRecord as error:
        logger.warning("The row of poll %s shows what its last event said: %s", poll_id, error)
    return None


def _complete(task: Any, found: Found, store: Polls) -> None:
    record, zone = found.record, current_app().timezone or UTC
    task.args = redact_url(PollSpec.salvaged(record.spec).url) or task.args
    task.received = record.created_ms / 1000
    task.retries = record.attempt
    if record.answer and STATES[record.state] != states.FAILURE:
        task.exception = answered(record.answer)
    if record.ended:
        if task.state not in states.READY_STATES:
            # Flower has missed the end, or its outcome is on the way.
            task.state = STATES[record.state]
        task.eta = None
        task.runtime = max(0, record.ended_ms - record.created_ms) / 1000
        return
    # Revoke is offered in these states only.
    task.state = STATES[record.state] if record.attempt else states.RECEIVED
    task.eta = waiting_for(task.uuid, found, store, zone)
    task.expires = _moment(record.deadline_ms, zone)


def _cut(text: Any, length: int) -> Any:
    return shorten(text, length, placeholder=" ...") if isinstance(text, str) else text


def _in_brackets(text: str) -> str:
    return text.partition("(")[2].rstrip(")") or text


def _words(name: str, value: Any) -> str:
    if name in _SECONDS and isinstance(value, int | float):
        return format_duration(value)
    return value if isinstance(value, str) else repr(value)


def _moment(ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(ms / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
