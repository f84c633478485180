"""Looks at one poll in full, once or until it ends."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click

from pollers import PastAttempt, PollResult, PollStatus, poll
from pollers.cli.attempts import Line, View, cells, view
from pollers.cli.connection import redis_url
from pollers.cli.exits import SUCCEEDED
from pollers.cli.lists import answer_of, due_of
from pollers.cli.text import from_now, plain, printable, write_json
from pollers.durations import format_duration
from pollers.runtime import runtime_of
from pollers.store.parking import explained
from pollers.watching import Watch


def show_poll(poll_id: str, *, as_json: bool) -> None:
    """Print one poll in full.

    Raises:
        UnknownPoll: There is none of this id.

    """
    with redis_url():
        result = poll.AsyncResult(poll_id)
        status, history = result.status(), result.history()
        told = {**_told(result, status), "history": [dataclasses.asdict(one) for one in history]}
    if as_json:
        write_json(told)
        return
    _print_fields(fields(status, told))
    _print_history(history)


def follow_poll(poll_id: str, *, as_json: bool) -> int:
    """Print one poll and its attempts as they are made, until it ends; return the exit code.

    Raises:
        UnknownPoll: There is none of this id.

    """
    with redis_url():
        result = poll.AsyncResult(poll_id)
        status = result.status()
        if not as_json:
            _print_fields(fields(status, {}))
        deadline = status.deadline.timestamp()
        with view(deadline=deadline, quiet=as_json, leaving="leaves it", anew=False) as screen:
            for attempt in attempts_of(result, screen):
                if as_json:
                    click.echo(plain(dataclasses.asdict(attempt)))
                    sys.stdout.flush()
                else:
                    screen.show(line_of(attempt))
        status = result.status()
        told = _told(result, status)
    if as_json:
        click.echo(plain(told))
    else:
        _print_fields((name, text) for name, text in fields(status, told) if name in _OF_THE_END)
    return SUCCEEDED


#: What is told when a poll that was followed has ended.
_OF_THE_END = ("state", "attempts", "ended", "value", "error")


def attempts_of(result: PollResult, screen: View) -> Iterator[PastAttempt]:
    """Yield the attempts of a poll soon after they are made, until it ends; count down to the next meanwhile.

    Those that were made before come first, as far as they are remembered.
    """
    store = runtime_of(result.app).store
    watch = Watch(store, result.id)
    while True:
        look = watch.look()
        yield from look.attempts
        if look.ended or look.found is None:
            screen.count_down(None)
            return
        ((_, found),) = explained(store, [(result.id, look.found)])
        next_due = PollStatus.of(result.id, found).next_due
        if next_due is not None:
            screen.count_down(next_due.timestamp())
        time.sleep(look.pause)


def line_of(attempt: PastAttempt) -> Line:
    """Return an attempt as it is shown."""
    decision = "not yet" if attempt.decision == "pending" else attempt.decision
    return Line(
        attempt=attempt.attempt,
        at=attempt.at.timestamp(),
        status=attempt.status,
        elapsed=attempt.elapsed,
        state=attempt.decision,
        decision=decision,
        excerpt=attempt.excerpt,
    )


def _told(result: PollResult, status: PollStatus) -> dict[str, Any]:
    told = dataclasses.asdict(status)
    if status.ended is not None and result.ready():
        outcome = result.result
        failed = isinstance(outcome, BaseException)
        told["error" if failed else "value"] = str(outcome) if failed else outcome
    return told


def fields(status: PollStatus, told: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield what is told of a poll, as names and texts."""
    yield "id", status.id
    yield "url", status.url
    yield "state", status.state
    yield "attempts", str(status.attempts)
    if status.last_answer is not None:
        last = status.last_answer
        yield "last answer", f"{answer_of(status)} ({last.elapsed * 1000:.0f} ms, {_moment(last.at)})"
    if due := due_of(status, _moment):
        yield "next due", due
    yield "deadline", _moment(status.deadline)
    yield "created", _moment(status.created)
    if status.ended is not None:
        yield "ended", _moment(status.ended)
    for name, value in status.parameters.items():
        if name not in ("url", "deadline"):
            yield name, format_duration(value) if isinstance(value, float) else _text(value)
    for name in ("value", "error"):
        if name in told:
            yield name, _text(told[name])


def _print_fields(fields: Iterable[tuple[str, str]]) -> None:
    for name, text in fields:
        click.echo(f"{click.style(f'{name:<15}', bold=True)} {printable(text)}")


def _print_history(history: Iterable[PastAttempt]) -> None:
    for number, attempt in enumerate(history):
        if number == 0:
            click.echo(click.style("history", bold=True))
        click.echo("  " + "  ".join(cells(line_of(attempt))).rstrip())


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({from_now(moment)})"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
