"""The parts of a snapshot as texts for people: the same on the live screen and in print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pollers.cli.board import Row, Snapshot
from pollers.cli.lists import COLOURS, answer_of
from pollers.cli.text import counted, from_now, printable
from pollers.durations import approximate

DUE_COLUMNS = ("late", "state", "attempts", "url", "last answer", "id")
FAILING_COLUMNS = ("errors", "state", "next due", "url", "last answer", "id")
ORIGIN_COLUMNS = ("origin", "state", "yet", "failed", "limit", "waiting")
WORKER_COLUMNS = ("worker", "seen", "queues")

#: Characters of a URL and of an answer in a row.
_URL, _ANSWER = 46, 34
_CONDITIONS = {
    "closed": "green",
    "approached": "green",
    "half-open": "yellow",
    "held": "yellow",
    "open": "red",
}
_LIVE = (("waiting", "yellow"), ("due", "bold yellow"), ("parked", "magenta"), ("running", "cyan"))
_OVER = (("succeeded", "green"), ("failed", "red"), ("timed_out", "red"), ("cancelled", "dim"))


def counts(snapshot: Snapshot) -> Text:
    """Return how many polls are where."""
    parts = [_count(snapshot, name, colour) for name, colour in (*_LIVE, *_OVER)]
    return Text("   ").join(parts)


def rates(snapshot: Snapshot) -> Text:
    """Return how many attempts and errors there are in a second, and how late attempts are."""
    attempts, errors = (
        rate[-1] if rate else 0.0 for rate in (snapshot.attempts_per_second, snapshot.errors_per_second)
    )
    text = Text.assemble("attempts ", (f"{attempts:,.0f}/s", "bold cyan"), "   errors ")
    text.append(f"{errors:,.1f}/s", "bold red" if errors else "bold green")
    text.append("   late ")
    late = (f"{name} {ms:,.0f} ms" for name, ms in snapshot.lateness_ms.items())
    return text.append(", ".join(late), "bold")


def due_cells(row: Row) -> list[Text]:
    """Return a poll as a row of the polls by due time."""
    status = row.status
    if row.late is not None:
        late = Text(approximate(row.late), "bold red" if row.late > 1 else "yellow")
    else:
        late = Text(from_now(status.next_due) if status.next_due else "-", "dim")
    return [late, _state(row), Text(str(status.attempts)), *_what(row)]


def failing_cells(row: Row) -> list[Text]:
    """Return a poll as a row of the polls with errors."""
    due = row.status.next_due
    return [Text(str(row.errors), "bold red"), _state(row), Text(from_now(due) if due else "-"), *_what(row)]


def origin_cells(origin: dict[str, Any]) -> list[Text]:
    """Return an origin as a row."""
    return [
        Text(printable(str(origin["origin"])) or "-"),
        Text(str(origin["state"]), _CONDITIONS.get(origin["state"], "magenta")),
        Text(f"for {approximate(origin['seconds'])}" if origin["seconds"] else "-"),
        Text(f"{origin['failures']} of {origin['attempts']}"),
        Text(printable(str(origin["limit"])) or "-"),
        Text(str(origin["waiting"])),
    ]


def limit_cells(limit: dict[str, Any]) -> list[Text]:
    """Return a limit that is not one origin's as a row among the origins."""
    return [
        Text(printable(limit["name"])),
        Text("limit", "dim"),
        Text("-"),
        Text(f"{limit['in_flight']} in flight"),
        Text(printable(limit["limit"])),
        Text(str(limit["waiting"])),
    ]


def worker_cells(worker: tuple[str, Sequence[str], float]) -> list[Text]:
    """Return a worker as a row."""
    name, queues, seen = worker
    told = ", ".join(printable(queue) or "celery" for queue in queues)
    return [Text(printable(name)), Text(f"{seen:.1f}s ago", "red" if seen > 2 else "dim"), Text(told)]


def looked_at(snapshot: Snapshot) -> str:
    """Return how far the search for failing polls has come; empty when it has seen all."""
    return "" if snapshot.looked_at >= 1 else f", {snapshot.looked_at:.0%} of the polls looked at"


def print_snapshot(snapshot: Snapshot, console: Console) -> None:
    """Print a snapshot, as wide as the terminal is."""
    console.print(counts(snapshot))
    console.print(rates(snapshot))
    console.print(f"{counted(len(snapshot.workers), 'worker')}, {counted(len(snapshot.origins), 'origin')}")
    for title, columns, rows in _tables(snapshot):
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in columns:
            # Ids are copied from here.
            table.add_column(column, no_wrap=True, overflow="fold" if column == "id" else "ellipsis")
        for row in rows:
            table.add_row(*row)
        if table.row_count:
            console.print()
            console.print(table)


def _tables(snapshot: Snapshot) -> Iterator[tuple[str, Sequence[str], list[list[Text]]]]:
    def cells(make: Callable[[Any], list[Text]], rows: Sequence[Any]) -> list[list[Text]]:
        return [make(row) for row in rows]

    yield "workers", WORKER_COLUMNS, cells(worker_cells, snapshot.workers)
    origins = cells(origin_cells, snapshot.origins) + cells(limit_cells, snapshot.limits)
    yield "origins and limits", ORIGIN_COLUMNS, origins
    yield "due next, the most overdue first", DUE_COLUMNS, cells(due_cells, snapshot.due)
    title = f"failing, the most errors in a row first{looked_at(snapshot)}"
    yield title, FAILING_COLUMNS, cells(failing_cells, snapshot.failing)


def _count(snapshot: Snapshot, name: str, colour: str) -> Text:
    number = snapshot.polls[name]
    return Text.assemble(f"{name.replace('_', ' ')} ", (f"{number:,}", colour if number else "dim"))


def _state(row: Row) -> Text:
    status = row.status
    return Text(status.why_waiting or status.state, COLOURS.get(status.state, ""))


def _what(row: Row) -> Iterator[Text]:
    for text, width in ((printable(row.status.url), _URL), (answer_of(row.status) or "-", _ANSWER)):
        cut = Text(text)
        cut.truncate(width, overflow="ellipsis")
        yield cut
    yield Text(printable(row.status.id), "dim")
