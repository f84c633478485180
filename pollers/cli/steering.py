"""Cancels, nudges, pauses and resumes polls, one by one, and says what came of each."""

from __future__ import annotations

import dataclasses
import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from pollers import PollStatus
from pollers.cli.connection import store
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.neighbours import has_polls
from pollers.cli.signals import between_steps
from pollers.cli.text import counted, printable, write_json
from pollers.cli.waitbar import bar
from pollers.completion import TAG, is_webhook
from pollers.origin import in_full
from pollers.store import LIVE_STATES, TERMINAL_STATES, Found, Polls
from pollers.store.listing import count_polls
from pollers.store.parking import explained
from pollers.store.record import SEEN_LIVE
from pollers.store.selection import Selection, select
from pollers.store.traffic import reopen, shut

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
    #: Whether it was done to a poll that has a state then, and what is told of one.
    words: Callable[[str], tuple[bool, str]]
    #: The state that it leads to, from each that it changes.
    leads_to: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Whether polls that send webhooks are left alone, unless their ids or their tag are given: of what has
    #: ended, somebody has still to be told.
    spares_webhooks: bool = False
    #: What is to be said of a poll that it was done to: why nothing comes of it yet.
    why_waiting: Callable[[Polls, str], str] = lambda polls, poll_id: ""
    #: Does it to an origin, where it can be; what is told then.
    origin: tuple[Callable[[Polls, str], Any], str] | None = None

    def tell(self, polls: Polls, poll_id: str, state: str) -> tuple[bool, str]:
        """Return whether it is done to a poll, and what is told of that."""
        done, words = self.words(state)
        why = self.why_waiting(polls, poll_id) if done else ""
        return done, f"{words}, but not attempted yet: {why}" if why else words


def steer(action: Action, target: Target, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Do something to polls, or to an origin; return the exit code."""
    with store() as polls:
        if target.origin is not None and action.origin is not None:
            return _steer_origin(polls, action, target.origin, dry_run=dry_run, as_json=as_json)
        chosen = None if target.selection is None else _selected(polls, action, target.selection)
        if dry_run:
            named = [(poll_id, polls.find(poll_id)) for poll_id in target.poll_ids]
            return _rehearse(action, named if chosen is None else chosen, as_json=as_json)
        ids = target.poll_ids if chosen is None else [poll_id for poll_id, _ in chosen]
        if chosen is not None and len(ids) > FEW and not yes:
            _ask(action, len(ids))
        return _steer(polls, action, ids, as_json=as_json, told=chosen is None or len(ids) <= FEW)


def _selected(polls: Polls, action: Action, selection: Selection) -> list[tuple[str, Found]]:
    if selection.states == Selection().states:
        selection = dataclasses.replace(selection, states=action.states)
    with bar("looking", count_polls(polls)) as advance:
        found = list(select(polls, selection, on_looked=advance))
    if not action.spares_webhooks or selection.tag == TAG:
        return found
    chosen = [one for one in found if not is_webhook(one[0], one[1].record)]
    if spared := len(found) - len(chosen):
        click.echo(f"{counted(spared, 'outgoing webhook')} left out; --tag {TAG} selects them.", err=True)
    return chosen


def _rehearse(action: Action, found: Sequence[tuple[str, Found | None]], *, as_json: bool) -> int:
    """Tell what `_steer` would do; return its exit code."""
    states = [one[1].record.seen if one[1] else "unknown" for one in found]
    both = [
        (one, action.words(action.leads_to.get(state, state)))
        for one, state in zip(found, states, strict=True)
    ]
    would = [one for one, (done, _) in both if done]
    would_not = [f"{one[0]} {words}" for one, (done, words) in both if not done]
    if as_json:
        write_json([{**_shown(*one), "would_be_done": done} for one, (done, _) in both])
    else:
        click.echo(f"{counted(len(would), 'poll')} would be {action.done}{':' if would else '.'}")
        _echo_few(("  {id}  {state}  {url}".format(**_shown(*one)) for one in would), len(would))
        _echo_few(would_not, len(would_not), err=True)
    return FAILED if would_not else SUCCEEDED


def _shown(poll_id: str, found: Found | None) -> dict[str, str | None]:
    if found is None:
        return {"id": poll_id, "state": "unknown", "url": None}
    status = PollStatus.of(poll_id, found)
    return {"id": poll_id, "state": status.state, "url": status.url}


def _echo_few(lines: Iterable[str], number: int, *, err: bool = False) -> None:
    for line in islice(lines, FEW):
        click.echo(printable(line), err=err)
    if number > FEW:
        click.echo(f"  and {number - FEW} more", err=err)


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
        hint = f"; do you mean {near}?" if near else "."
        click.echo(printable(f"No live poll has the origin {in_full(origin)}{hint}"), err=True)
    return SUCCEEDED


def _steer(polls: Polls, action: Action, ids: Sequence[str], *, as_json: bool, told: bool) -> int:
    report: list[dict[str, Any]] = []
    try:
        with (
            nullcontext(lambda _: None) if told else bar(action.verb, len(ids)) as advance,
            between_steps() as step_is_over,
        ):
            for number, poll_id in enumerate(ids, start=1):
                state = action.change(polls, poll_id, len(ids))
                report.append({"id": poll_id, "done": action.words(state)[0], "state": state})
                if told and not as_json:
                    done, words = action.tell(polls, poll_id, state)
                    click.echo(printable(f"{poll_id} {words}"), err=not done)
                advance(number)
                step_is_over()
    except BaseException:
        click.echo(f"Ended early, after {len(report)} of {counted(len(ids), 'poll')}.", err=True)
        raise
    finally:
        # What was done is told, however it ends.
        if as_json:
            write_json(report)
        elif not told:
            click.echo(_summary(action, report))
    if not ids and not as_json:
        click.echo("No polls match.", err=True)
    return SUCCEEDED if all(one["done"] for one in report) else FAILED


def _summary(action: Action, report: Sequence[Mapping[str, Any]]) -> str:
    not_done = [one["state"] for one in report if not one["done"]]
    paused = not_done.count("paused")
    others = f", {paused} are paused" if paused else ""
    done_to = f"{counted(len(report) - len(not_done), 'poll')} {action.done}"
    return f"{done_to}; {len(not_done) - paused} had ended before{others}."


def _ended(state: str) -> str:
    return f"had ended before: {state}" if state in TERMINAL_STATES else _UNKNOWN


def _cancelled(state: str) -> tuple[bool, str]:
    return (True, "is cancelled") if state == "cancelled" else (False, _ended(state))


def _nudged(state: str) -> tuple[bool, str]:
    if state == "waiting":
        return True, "is due now"
    if state == "paused":
        return False, "is paused, and stays so: `pollers resume` makes it due now"
    return (True, "is due after its attempt") if state == "running" else (False, _ended(state))


def _paused(state: str) -> tuple[bool, str]:
    if state == "running":
        return True, "is paused when its attempt is over"
    return (True, "is paused") if state == "paused" else (False, _ended(state))


def _resumed(state: str) -> tuple[bool, str]:
    return (True, "is not paused any more") if state in LIVE_STATES else (False, _ended(state))


def _kept(polls: Polls, poll_id: str) -> str:
    """Return why a poll that is due is not attempted yet, and what ends that where somebody can."""
    found = polls.find(poll_id)
    if found is None:
        return ""
    ((_, found),) = explained(polls, [(poll_id, found)])
    paused = found.why_waiting == "origin paused"
    return found.why_waiting + (f" (`pollers resume --origin {found.record.origin}`)" if paused else "")


def _resume(polls: Polls, poll_id: str, number: int) -> str:
    # What many polls have waited for must not happen to all of them at once.
    spread = number / RESUMED_PER_SECOND if number > 1 else 0.0
    return polls.resume(poll_id, random.uniform(0, spread))


CANCEL = Action(
    verb="cancel",
    done="cancelled",
    states=SEEN_LIVE,
    change=lambda polls, poll_id, _: polls.cancel(poll_id),
    words=_cancelled,
    leads_to=dict.fromkeys(SEEN_LIVE, "cancelled"),
    spares_webhooks=True,
)
NUDGE = Action(
    verb="nudge",
    done="nudged",
    states=LIVE_STATES,
    change=lambda polls, poll_id, _: polls.nudge(poll_id),
    words=_nudged,
    why_waiting=_kept,
)
PAUSE = Action(
    verb="pause",
    done="paused",
    states=SEEN_LIVE,
    change=lambda polls, poll_id, _: polls.pause(poll_id),
    words=_paused,
    leads_to={"waiting": "paused"},
    origin=(shut, "is paused"),
)
RESUME = Action(
    verb="resume",
    done="resumed",
    states=frozenset({"paused"}),
    change=_resume,
    words=_resumed,
    leads_to={"paused": "waiting"},
    origin=(reopen, "is resumed"),
)
