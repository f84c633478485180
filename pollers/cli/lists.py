"""Lists polls: a page of them, sorted and filtered, once or again and again."""

from __future__ import annotations

import dataclasses
import heapq
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pollers import PollStatus
from pollers.cli.connection import store
from pollers.cli.text import counted, from_now, plain, printable, write_json
from pollers.cli.waitbar import bar
from pollers.store import Found, Polls
from pollers.store.listing import count_polls
from pollers.store.parking import explained
from pollers.store.selection import Place, Selection, errors_in_a_row, select, select_by_due

#: Seconds between two looks of a list that is followed.
LOOK_EVERY = 1.0

_COLUMNS = ("id", "state", "attempts", "last answer", "next due", "deadline", "url")
#: Columns that are cut where a terminal has no room for all, to so many characters at least.
_CUT, _NARROWEST = ("last answer", "url"), 12
#: Columns that are left out where that is not enough.
_LEFT_OUT = ("deadline", "last answer", "attempts")
#: Characters between two columns.
_GAP = 2
COLOURS = {
    "waiting": "yellow",
    "paused": "magenta",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "dim",
}


def _due(found: Found) -> int:
    # A paused poll has no next attempt, only its end.
    return found.record.deadline_ms if found.due_ms is None or found.record.paused else found.due_ms


_KEYS: dict[str, Callable[[Found], int]] = {
    "due": _due,
    "deadline": lambda found: found.record.deadline_ms,
    "created": lambda found: found.record.created_ms,
    "attempts": lambda found: found.record.attempt,
    "errors": lambda found: errors_in_a_row(found.record),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """Which polls are listed, and how."""

    selection: Selection
    limit: int
    #: One of the keys of `_KEYS`.
    sort: str = "due"
    reverse: bool = False
    after: Place | None = None


@dataclasses.dataclass(frozen=True)
class Page:
    """What was found."""

    listed: list[tuple[str, Found]]
    #: Whether there are more polls that were asked for.
    more: bool
    #: Where the next page begins; None when it cannot be said.
    end: Place | None


def place(text: str) -> Place:
    """Return the place that a list has named."""
    due, _, poll_id = text.partition(":")
    if not due.isdecimal() or not poll_id:
        raise click.UsageError(f"{text!r} is no place in a list; it should be as the list before says it.")
    return Place(int(due), poll_id)


def list_polls(query: Query, *, as_json: bool) -> None:
    """Print polls."""
    with store() as polls:
        page, total = find(polls, query), count_polls(polls)
        listed = [PollStatus.of(*one) for one in explained(polls, page.listed)]
    if as_json:
        write_json([dataclasses.asdict(status) for status in listed])
    elif listed:
        _print_table(listed)
    else:
        click.echo("No polls are under way." if not total else f"None of {counted(total, 'poll')}.", err=True)
    if page.more:
        on = (
            f"--after {page.end.due_ms}:{page.end.poll_id} goes on"
            if page.end
            else "--limit lists more of them"
        )
        click.echo(f"There are more, {total} polls in all; {on}.", err=True)


def follow_polls(query: Query, *, as_json: bool) -> None:
    """Print polls until KeyboardInterrupt: on a terminal a table again and again, else what has changed."""
    console = Console(highlight=False)
    with store() as polls:
        if console.is_terminal and not as_json:
            with Live(console=console, auto_refresh=False, screen=True) as live:
                while True:
                    found = explained(polls, find(polls, query).listed)
                    listed = [PollStatus.of(*one) for one in found]
                    room = max(1, console.height - 2)
                    live.update(_table(listed[:room], console.width), refresh=True)
                    time.sleep(LOOK_EVERY)
        seen: dict[str, tuple[str, int, bool]] = {}
        while True:
            for poll_id, one in explained(polls, find(polls, query).listed):
                status = PollStatus.of(poll_id, one)
                now = (status.state, status.attempts, status.paused)
                if seen.get(poll_id) != now:
                    seen[poll_id] = now
                    line = plain(dataclasses.asdict(status)) if as_json else "\t".join(_cells(status))
                    click.echo(line)
            sys.stdout.flush()
            time.sleep(LOOK_EVERY)


def find(polls: Polls, query: Query) -> Page:
    """Return a page of polls."""
    by_due = query.sort == "due" and query.selection.overdue is None
    if by_due and not query.reverse:
        with bar("looking", count_polls(polls)) as advance:
            found = select_by_due(polls, query.selection, query.after, on_looked=advance)
            listed = list(islice(found, query.limit))
        more, due = next(found, None) is not None, listed[-1][1].due_ms if listed else None
        # What has ended is not in the schedule, and has no place there.
        return Page(listed, more, Place(due, listed[-1][0]) if more and due is not None else None)
    key, limit = _KEYS[query.sort], query.limit
    first = heapq.nlargest if query.reverse else heapq.nsmallest
    with bar("looking", count_polls(polls)) as advance:
        # Without their order, to have their due times.
        every = select_by_due if by_due else select
        found = every(polls, query.selection, on_looked=advance)
        listed = first(limit + 1, found, key=lambda one: (key(one[1]), one[0]))
    return Page(listed[:limit], len(listed) > limit, None)


def due_of(status: PollStatus, tell: Callable[[datetime], str] = from_now) -> str:
    """Return when the next attempt is due, and why it waits; empty when none will be."""
    due = tell(status.next_due) if status.next_due else ""
    return ", ".join(filter(None, (due, status.why_waiting)))


def answer_of(status: PollStatus) -> str:
    """Return the last answer in a few words; empty when there was none."""
    last = status.last_answer
    return "" if last is None else printable(f"{last.status or 'none'} {last.excerpt}".strip())


def _print_table(listed: Iterable[PollStatus]) -> None:
    if sys.stdout.isatty():
        console = Console(highlight=False)
        console.print(_table(listed, console.width))
        return
    # For grep and awk: nothing cut off, nothing drawn.
    click.echo("\t".join(_COLUMNS))
    for status in listed:
        click.echo("\t".join(_cells(status)))


def _table(listed: Iterable[PollStatus], width: int) -> Table:
    rows = [_cells(status) for status in listed]
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True) if rows else [()] * len(_COLUMNS), strict=True))
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="bold")
    widths = _widths({name: max(map(len, (name, *cells))) for name, cells in columns.items()}, width)
    for name, column in widths.items():
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=column)
    for row in zip(*(columns[name] for name in widths), strict=True):
        table.add_row(*(Text(cell, COLOURS.get(cell, "")) for cell in row))
    return table


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
        status.state,
        str(status.attempts),
        answer_of(status) or "-",
        due_of(status) or "-",
        from_now(status.deadline),
        printable(status.url),
    )
