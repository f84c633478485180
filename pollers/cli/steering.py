"""Cancels, nudges, pauses and resumes polls, one by one, and says what came of each."""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from pollers import PollStatus
from pollers.cli.connection import store
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.neighbours import has_polls
from pollers.cli.text import counted, printable, write_json
from pollers.cli.waitbar import bar
from pollers.store import LIVE_STATES, TERMINAL_STATES, Found, Polls
from pollers.store.listing import count_polls
from pollers.store.selection import Selection, select

if TYPE_CHECKING:
    from pollers.cli.steer import Target

#: Polls that are due again in a second when they are resumed together.
RESUMED_PER_SECOND = 100
#: Polls that are steered without asking, and told of one by one.
FEW = 20

_UNKNOWN = "is not known here, or ended too long ago"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Action:
    """Something that is done to polls."""

    #: As in ``pollers cancel``.
    verb: str
    #: As in ``12 polls are cancelled``.
    done: str
    #: States of polls that it is done to when they are selected.
    states: frozenset[str]
    #: Does it to a poll, given how many are to be done; returns the state that it was in.
    change: Callable[[Polls, str, int], str]
    #: Whether it is done in a poll of a state, and what is told of one.
    words: Callable[[str], tuple[bool, str]]
    #: Does it to an origin, where it can be; what is told then.
    origin: tuple[Callable[[Polls, str], Any], str] | None = None


def steer(action: Action, target: Target, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Do something to polls, or to an origin; return the exit code."""
    with store() as polls:
        if target.origin is not None and action.origin is not None:
            return _steer_origin(polls, action, target.origin, dry_run=dry_run, as_json=as_json)
        if target.selection is None:
            found = _found(polls, target.poll_ids) if dry_run else []
            ids: Sequence[str] = target.poll_ids
        else:
            found = _selected(polls, action, target.selection)
            ids = [poll_id for poll_id, _ in found]
        if dry_run:
            return _rehearse(action, found, as_json=as_json)
        if target.selection is not None and len(ids) > FEW and not yes:
            _ask(action, len(ids))
        return _steer(polls, action, ids, as_json=as_json, told=target.selection is None or len(ids) <= FEW)


def _selected(polls: Polls, action: Action, selection: Selection) -> list[tuple[str, Found]]:
    if selection.states == LIVE_STATES | TERMINAL_STATES:
        selection = dataclasses.replace(selection, states=action.states)
    with bar("looking", count_polls(polls)) as advance:
        return list(select(polls, selection, on_looked=advance))


def _found(polls: Polls, ids: Sequence[str]) -> list[tuple[str, Found]]:
    return [(poll_id, found) for poll_id in ids if (found := polls.find(poll_id))]


def _rehearse(action: Action, found: Sequence[tuple[str, Found]], *, as_json: bool) -> int:
    statuses = (PollStatus.of(*one) for one in found)
    if as_json:
        write_json([{"id": one.id, "state": one.state, "url": one.url} for one in statuses])
        return SUCCEEDED
    click.echo(f"{counted(len(found), 'poll')} would be {action.done}{':' if found else '.'}")
    for one in islice(statuses, FEW):
        click.echo("  " + printable(f"{one.id}  {one.state}  {one.url}"))
    if len(found) > FEW:
        click.echo(f"  and {len(found) - FEW} more")
    return SUCCEEDED


def _ask(action: Action, number: int) -> None:
    question = f"{counted(number, 'poll')} match. {action.verb.capitalize()} all of them?"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say so with --yes; --dry-run tells which.")
    if not click.confirm(question, err=True):
        raise click.Abort


def _steer_origin(polls: Polls, action: Action, origin: str, *, dry_run: bool, as_json: bool) -> int:
    assert action.origin is not None
    change, told = action.origin
    if not dry_run:
        change(polls, origin)
    known, near = has_polls(polls, origin)
    if as_json:
        write_json([{"origin": origin, "done": not dry_run, "has_polls": known, "nearest": near}])
    else:
        click.echo(printable(f"{origin} would be {action.done}" if dry_run else f"{origin} {told}"))
    if not known:
        # Written in full: what was typed without a scheme may have been meant for another than https.
        full = origin if "://" in origin else f"https://{origin}"
        hint = f"; do you mean {near}?" if near else "."
        click.echo(printable(f"No live poll has the origin {full}{hint}"), err=True)
    return SUCCEEDED


def _steer(polls: Polls, action: Action, ids: Sequence[str], *, as_json: bool, told: bool) -> int:
    report = []
    with nullcontext(lambda _: None) if told else bar(action.verb, len(ids)) as advance:
        for number, poll_id in enumerate(ids, start=1):
            state = action.change(polls, poll_id, len(ids))
            done, words = action.words(state)
            report.append({"id": poll_id, "done": done, "state": state})
            if told and not as_json:
                click.echo(printable(f"{poll_id} {words}"), err=not done)
            advance(number)
    failed = sum(not one["done"] for one in report)
    if as_json:
        write_json(report)
    elif not ids:
        click.echo("No polls match.", err=True)
    elif not told:
        click.echo(f"{counted(len(ids) - failed, 'poll')} {action.done}; {failed} had ended before.")
    return FAILED if failed else SUCCEEDED


def _ended(state: str) -> str:
    return f"had ended before: {state}" if state in TERMINAL_STATES else _UNKNOWN


def _cancelled(state: str) -> tuple[bool, str]:
    return state == "cancelled", "is cancelled" if state == "cancelled" else _ended(state)


def _nudged(state: str) -> tuple[bool, str]:
    if state == "waiting":
        return True, "is due now"
    return (True, "is due after its attempt") if state == "running" else (False, _ended(state))


def _paused(state: str) -> tuple[bool, str]:
    if state == "running":
        return True, "is paused when its attempt is over"
    return (True, "is paused") if state == "waiting" else (False, _ended(state))


def _resumed(state: str) -> tuple[bool, str]:
    return (True, "is not paused any more") if state in LIVE_STATES else (False, _ended(state))


def _resume(polls: Polls, poll_id: str, number: int) -> str:
    # What many polls have waited for must not happen to all of them at once.
    spread = number / RESUMED_PER_SECOND if number > 1 else 0.0
    return polls.resume(poll_id, random.uniform(0, spread))


CANCEL = Action(
    verb="cancel",
    done="cancelled",
    states=LIVE_STATES,
    change=lambda polls, poll_id, _: polls.cancel(poll_id),
    words=_cancelled,
)
NUDGE = Action(
    verb="nudge",
    done="nudged",
    states=LIVE_STATES,
    change=lambda polls, poll_id, _: polls.nudge(poll_id),
    words=_nudged,
)
PAUSE = Action(
    verb="pause",
    done="paused",
    states=LIVE_STATES,
    change=lambda polls, poll_id, _: polls.pause(poll_id),
    words=_paused,
    origin=(lambda polls, origin: polls.shut(origin), "is paused"),
)
RESUME = Action(
    verb="resume",
    done="resumed",
    states=frozenset({"paused"}),
    change=_resume,
    words=_resumed,
    origin=(lambda polls, origin: polls.open(origin), "is resumed"),
)
