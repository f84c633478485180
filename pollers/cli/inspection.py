"""Looks at polls in the store: the list, and one of them in full."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pollers import PollStatus, poll
from pollers.cli.connection import redis_url, store
from pollers.cli.text import counted, printable, span, write_json
from pollers.durations import format_duration
from pollers.store.listing import count_polls, polls_in

_COLUMNS = ("id", "state", "attempts", "last answer", "next due", "deadline", "url")
#: Columns that are cut where a terminal has no room for all, to so many characters at least.
_CUT, _NARROWEST = ("last answer", "url"), 12
#: Columns that are left out where that is not enough.
_LEFT_OUT = ("deadline", "last answer", "attempts")
#: Characters between two columns.
_GAP = 2
_COLOURS = {
    "waiting": "yellow",
    "paused": "magenta",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "dim",
}


def list_polls(states: frozenset[str], limit: int, *, tag: str | None, as_json: bool) -> None:
    """Print up to ``limit`` polls that are in one of the states."""
    with store() as polls:
        found = polls_in(polls, states, tag=tag)
        listed = [PollStatus.of(*one) for one in islice(found, limit)]
        more = next(found, None) is not None
        total = count_polls(polls)
    listed.sort(key=lambda status: (status.next_due or status.deadline, status.id))
    if as_json:
        write_json([dataclasses.asdict(status) for status in listed])
    elif listed:
        _print_table(listed)
    else:
        click.echo("No polls are under way." if not total else f"None of {counted(total, 'poll')}.", err=True)
    if more:
        click.echo(f"There are more, {total} polls in all; --limit lists more of them.", err=True)


def show_poll(poll_id: str, *, as_json: bool) -> None:
    """Print one poll in full.

    Raises:
        UnknownPoll: There is none of this id.

    """
    with redis_url():
        result = poll.AsyncResult(poll_id)
        status = result.status()
        told = dataclasses.asdict(status)
        if status.ended is not None and result.ready():
            outcome = result.result
            failed = isinstance(outcome, BaseException)
            told["error" if failed else "value"] = str(outcome) if failed else outcome
    if as_json:
        write_json(told)
    else:
        _print_fields(_fields(status, told))


def _print_table(listed: Iterable[PollStatus]) -> None:
    rows = [_cells(status) for status in listed]
    if not sys.stdout.isatty():
        # For grep and awk: nothing cut off, nothing drawn.
        click.echo("\t".join(_COLUMNS))
        for row in rows:
            click.echo("\t".join(row))
        return
    console = Console(highlight=False)
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold")
    widths = _widths({name: max(map(len, (name, *cells))) for name, cells in columns.items()}, console.width)
    for name, width in widths.items():
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=width)
    for row in zip(*(columns[name] for name in widths), strict=True):
        table.add_row(*(Text(cell, _COLOURS.get(cell, "")) for cell in row))
    console.print(table)


def _widths(wanted: dict[str, int], total: int) -> dict[str, int]:
    """Return the columns that fit into a terminal, and how wide each is drawn."""
    widths = dict(wanted)
    for name in _CUT:
        widths[name] = min(wanted[name], _NARROWEST)
    for name in _LEFT_OUT:
        if sum(widths.values()) + _GAP * len(widths) > total:
            del widths[name]
    for name in (name for name in _CUT if name in widths):
        room = total - sum(widths.values()) - _GAP * len(widths)
        widths[name] = min(wanted[name], widths[name] + max(0, room // 2 if name == _CUT[0] else room))
    return widths


def _cells(status: PollStatus) -> tuple[str, ...]:
    return (
        printable(status.id),
        _state(status),
        str(status.attempts),
        _answer(status) or "-",
        _from_now(status.next_due) if status.next_due else "-",
        _from_now(status.deadline),
        printable(status.url),
    )


def _fields(status: PollStatus, told: dict[str, Any]) -> Iterable[tuple[str, str]]:
    yield "id", status.id
    yield "url", status.url
    yield "state", _state(status)
    yield "attempts", str(status.attempts)
    if status.last_answer is not None:
        last = status.last_answer
        yield "last answer", f"{_answer(status)} ({last.elapsed * 1000:.0f} ms, {_moment(last.at)})"
    if status.next_due is not None:
        yield "next due", _moment(status.next_due)
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


def _state(status: PollStatus) -> str:
    return "paused" if status.paused and status.state == "waiting" else status.state


def _answer(status: PollStatus) -> str:
    last = status.last_answer
    return "" if last is None else printable(f"{last.status or 'none'} {last.excerpt}".strip())


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({_from_now(moment)})"


def _from_now(moment: datetime) -> str:
    seconds = moment.timestamp() - time.time()
    return f"in {span(seconds)}" if seconds >= 0 else f"{span(-seconds)} ago"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
