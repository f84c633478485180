"""Cancels, nudges, pauses and resumes polls, one by one, and says what came of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

import click

from pollers.cli.connection import store
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.text import printable, write_json
from pollers.politeness import origin_of
from pollers.store import LIVE_STATES, TERMINAL_STATES, Store
from pollers.store.listing import polls_in

if TYPE_CHECKING:
    from pollers.cli.steer import Target

#: Polls of a tag that are due again in a second when they are resumed together.
RESUMED_PER_SECOND = 100

_UNKNOWN = "is not known here, or ended too long ago"


def cancel_polls(poll_ids: Iterable[str], *, as_json: bool) -> int:
    """Cancel polls; return the exit code."""

    def words(state: str) -> tuple[bool, str]:
        return state == "cancelled", "is cancelled" if state == "cancelled" else _ended(state)

    with store() as polls:
        return _steer(poll_ids, polls.cancel, words, as_json=as_json)


def nudge_polls(poll_ids: Iterable[str], *, as_json: bool) -> int:
    """Make polls due now; return the exit code."""

    def words(state: str) -> tuple[bool, str]:
        if state == "waiting":
            return True, "is due now"
        return (True, "is due after its attempt") if state == "running" else (False, _ended(state))

    with store() as polls:
        return _steer(poll_ids, polls.nudge, words, as_json=as_json)


def pause_polls(target: Target, *, as_json: bool) -> int:
    """Pause polls, or an origin; return the exit code."""

    def words(state: str) -> tuple[bool, str]:
        if state == "running":
            return True, "is paused when its attempt is over"
        return (True, "is paused") if state == "waiting" else (False, _ended(state))

    with store() as polls:
        if target.origin is not None:
            origin = _origin(target.origin)
            polls.shut(origin)
            return _told(origin, "is paused", as_json=as_json)
        return _steer(_ids(polls, target), polls.pause, words, as_json=as_json)


def resume_polls(target: Target, *, as_json: bool) -> int:
    """Resume polls, or an origin; return the exit code."""

    def words(state: str) -> tuple[bool, str]:
        return (True, "is not paused any more") if state in LIVE_STATES else (False, _ended(state))

    with store() as polls:
        if target.origin is not None:
            origin = _origin(target.origin)
            polls.open(origin)
            return _told(origin, "is open to its polls", as_json=as_json)
        ids = _ids(polls, target)
        # What many polls have waited for must not happen to all of them at once.
        spread = len(ids) / RESUMED_PER_SECOND if target.tag is not None else 0.0
        return _steer(
            ids, lambda poll_id: polls.resume(poll_id, random.uniform(0, spread)), words, as_json=as_json
        )


def _ids(polls: Store, target: Target) -> Collection[str]:
    if target.tag is None:
        return target.poll_ids
    return [poll_id for poll_id, _ in polls_in(polls, LIVE_STATES, tag=target.tag)]


def _origin(text: str) -> str:
    """Return an origin in its short form; what has no scheme is https."""
    origin = origin_of(text if "://" in text else f"https://{text}")
    if not origin.rpartition("://")[2]:
        raise click.UsageError(f"{text!r} is no origin; it should be like https://api.example.com.")
    return origin


def _told(origin: str, what: str, *, as_json: bool) -> int:
    if as_json:
        write_json([{"origin": origin, "done": True}])
    else:
        click.echo(printable(f"{origin} {what}"))
    return SUCCEEDED


def _steer(
    poll_ids: Iterable[str],
    change: Callable[[str], str],
    words: Callable[[str], tuple[bool, str]],
    *,
    as_json: bool,
) -> int:
    report, code = [], SUCCEEDED
    for poll_id in poll_ids:
        state = change(poll_id)
        done, told = words(state)
        code = code if done else FAILED
        report.append({"id": poll_id, "done": done, "state": state})
        if not as_json:
            click.echo(printable(f"{poll_id} {told}"), err=not done)
    if as_json:
        write_json(report)
    return code


def _ended(state: str) -> str:
    return f"had ended before: {state}" if state in TERMINAL_STATES else _UNKNOWN
