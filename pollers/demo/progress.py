"""The run as it goes: numbers of the store and tiles that have arrived, live or line by line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pollers import Overview
from pollers.demo.mandelbrot import View
from pollers.demo.preview import Preview
from pollers.demo.tasks import tile_path

#: Between two looks at the store, in seconds.
LOOK_EVERY = 0.25

#: Between two lines where there is no terminal, in seconds.
LINE_EVERY = 3.0

#: Span over which attempts per second are counted, in seconds.
RATE_SPAN = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What there is to show at one moment."""

    #: Seconds since the picture was submitted.
    elapsed: float
    #: Tiles whose pixels have arrived, and all of them.
    finished: int
    tiles: int
    #: Attempts a second over the last `RATE_SPAN`.
    rate: float
    #: Attempts since the picture was submitted.
    attempts: int
    overview: Overview

    def line(self) -> str:
        """The moment in one line."""
        return (
            f"{self.elapsed:5.1f} s  finished {self.finished}/{self.tiles}"
            f"  waiting {self.overview.waiting}  due {self.overview.due}  running {self.overview.running}"
            f"  {self.rate:.1f} attempts/s  p99 lateness {self.overview.lateness_p99:.0f} ms"
        )


class Watch:
    """Turns what the store counts in all into what happened since the picture was submitted."""

    def __init__(self, view: View, directory: Path, read: Callable[[], Overview]) -> None:
        self._view, self._directory, self._read = view, directory, read
        self.preview = Preview(view)
        #: Moments and attempts so far, as far back as `RATE_SPAN`.
        self._history = deque([(time.monotonic(), read().attempts)])
        self._started, self._attempts_before = self._history[0]

    def look(self) -> Look:
        """The present moment."""
        now, overview = time.monotonic(), self._read()
        self._history.append((now, overview.attempts))
        while now - self._history[0][0] > RATE_SPAN:
            self._history.popleft()
        since, attempts = self._history[0]
        for place in self._view.places():
            path = tile_path(self._directory, *place)
            if place not in self.preview and path.exists():
                self.preview.add(place, path.read_bytes())
        return Look(
            elapsed=now - self._started,
            finished=len(self.preview),
            tiles=self._view.columns * self._view.rows,
            rate=(overview.attempts - attempts) / max(now - since, LOOK_EVERY),
            attempts=overview.attempts - self._attempts_before,
            overview=overview,
        )


class Display:
    """Shows looks: live on a terminal, else a line every few seconds; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._next_line = 0.0

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, look: Look, preview: Preview) -> None:
        """Show the moment, and as much of the picture as there is."""
        if self._console.is_terminal:
            self._live.update(page(look, preview), refresh=True)
        elif look.elapsed >= self._next_line:
            self._next_line = look.elapsed + LINE_EVERY
            self._console.out(look.line(), highlight=False)


def page(look: Look, preview: Preview) -> RenderableType:
    """The moment as a terminal shows it."""
    numbers, counted = Table.grid(padding=(0, 3)), look.overview
    for name, value in (
        ("elapsed", f"{look.elapsed:.0f} s"),
        ("finished", f"{look.finished} of {look.tiles}"),
        ("waiting", f"{counted.waiting}"),
        ("due", f"{counted.due}"),
        ("running", f"{counted.running}"),
        ("attempts", f"{look.attempts}"),
        ("attempts/s", f"{look.rate:.1f}"),
        ("p99 lateness", f"{counted.lateness_p99:.0f} ms"),
    ):
        numbers.add_row(Text(name, style="dim"), Text(value, style="bold"))
    body = Table.grid(padding=(0, 4))
    body.add_row(preview.text(), numbers)
    bar = ProgressBar(total=look.tiles, completed=look.finished, width=60)
    return Group("", body, "", bar)
