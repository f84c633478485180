"""Shows the attempts of a poll as they are made: live on a terminal, else one plain line each."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from pollers.cli.keyboard import quits
from pollers.cli.text import clock, printable
from pollers.durations import approximate

#: Redraws of the countdown in a second.
REFRESH = 5

_COLOURS = {"pending": "yellow", "succeeded": "green", "failed": "red"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One attempt as it is shown."""

    #: From 1.
    attempt: int
    #: When its answer was there, in epoch seconds.
    at: float
    #: HTTP status; None when no response came.
    status: int | None
    #: Seconds that the request took.
    elapsed: float
    #: ``pending``, ``succeeded`` or ``failed``.
    state: str
    #: What was decided, in words.
    decision: str
    #: The beginning of the body, or what went wrong.
    excerpt: str


class View(Protocol):
    """Where attempts are shown."""

    def show(self, line: Line) -> None:
        """Show an attempt."""

    def count_down(self, due: float | None) -> None:
        """Say when the next attempt is due, in epoch seconds; None when there will be none."""


@contextmanager
def view(*, deadline: float, quiet: bool, leaving: str, anew: bool = True) -> Iterator[View]:
    """Show attempts on stderr while the context lasts.

    ``deadline`` is in epoch seconds; ``leaving`` says what ``q`` does; ``anew`` says that it begins now.
    On a terminal, ``q`` raises KeyboardInterrupt in the main thread.
    """
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield _Silence()
    elif not console.is_terminal or console.is_dumb_terminal:
        yield _Lines()
    else:
        with quits() as can_quit:
            footer = _Footer(deadline, f"q {leaving}" if can_quit else f"Ctrl-C {leaving}")
            footer.due = time.time() if anew else None
            with Live(footer, console=console, refresh_per_second=REFRESH, transient=True):
                yield _Screen(console, footer)


class _Silence:
    def show(self, line: Line) -> None:
        pass

    def count_down(self, due: float | None) -> None:
        pass


class _Lines:
    def show(self, line: Line) -> None:
        click.echo("  ".join(cells(line)).rstrip(), file=sys.stderr)

    def count_down(self, due: float | None) -> None:
        pass


class _Footer:
    """What is going on right now; drawn anew several times a second."""

    def __init__(self, deadline: float, hint: str) -> None:
        self.deadline = deadline
        self.hint = hint
        self.attempt = 0
        self.due: float | None = None

    def __rich__(self) -> Text:
        now, due = time.time(), self.due
        if due is not None and due > now:
            doing = f"attempt {self.attempt + 1} in {approximate(due - now)}"
        elif due is not None:
            doing = f"attempt {self.attempt + 1} for {approximate(now - due)}"
        else:
            doing = "no attempt is left"
        left = f"deadline in {approximate(self.deadline - now)}"
        return Text(f"{doing} · {left} · {self.hint}", "dim", no_wrap=True, overflow="ellipsis")


class _Screen:
    def __init__(self, console: Console, footer: _Footer) -> None:
        self._console = console
        self._footer = footer

    def show(self, line: Line) -> None:
        self._footer.attempt = line.attempt
        at, number, status, took, decision, excerpt = cells(line)
        colour = _COLOURS.get(line.state, "")
        text = Text()
        text.append(f"{at}  {number}  ", "dim").append(status, colour).append(f"  {took}  ", "dim")
        text.append(decision, colour).append(f"  {excerpt}")
        self._console.print(text, no_wrap=True, overflow="ellipsis")

    def count_down(self, due: float | None) -> None:
        self._footer.due = due


def cells(line: Line) -> tuple[str, str, str, str, str, str]:
    """Return an attempt as columns of text."""
    return (
        clock(line.at),
        f"#{line.attempt:<3}",
        str(line.status or "---"),
        f"{line.elapsed * 1000:5.0f} ms",
        printable(line.decision),
        printable(line.excerpt),
    )
