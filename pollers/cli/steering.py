"""Cancels and nudges polls, one by one, and says what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from pollers.cli.connection import store
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.text import printable, write_json
from pollers.store import TERMINAL_STATES

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
        # Its attempt is what a nudge asks for.
        return (True, "has an attempt running") if state == "running" else (False, _ended(state))

    with store() as polls:
        return _steer(poll_ids, polls.nudge, words, as_json=as_json)


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
