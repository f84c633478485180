"""The run as it goes: numbers of the store, tiles that have arrived, shown live or line by line."""

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
from pollers.demo.tasks import tile_path

#: Between two looks at the store, in seconds.
LOOK_EVERY = 0.25

#: Between two lines where there is no terminal, in seconds.
LINE_EVERY = 3.0

#: Span over which attempts per second are counted, in seconds.
RATE_SPAN = 3.0

#: Widest picture, in tiles, that the tile map shows.
MAP_COLUMNS = 32


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
            f"  waiting {self.overview.waiting}  due {self.overview.due}"
            f"  {self.rate:.1f} attempts/s  p99 lateness {self.overview.lateness_p99:.0f} ms"
        )


class Watch:
    """Turns cumulative counters into what happened since the picture was submitted."""

    def __init__(self, view: View, directory: Path, read: Callable[[], Overview]) -> None:
        self._view, self._directory, self._read = view, directory, read
        self._started = time.monotonic()
        #: Moments and attempts so far, at most `RATE_SPAN` back.
        self._history: deque[tuple[float, int]] = deque()
        self._before = read().attempts
        #: Mean colours of the tiles that have arrived, by place.
        self.colours: dict[tuple[int, int], tuple[int, int, int]] = {}

    def look(self) -> Look:
        """The present moment."""
        now, overview = time.monotonic(), self._read()
        self._history.append((now, overview.attempts))
        while now - self._history[0][0] > RATE_SPAN:
            self._history.popleft()
        since, attempts = self._history[0]
        for place in self._view.places():
            if place not in self.colours:
                self._look_for(place)
        return Look(
            elapsed=now - self._started,
            finished=len(self.colours),
            tiles=self._view.columns * self._view.rows,
            rate=(overview.attempts - attempts) / (now - since) if now > since else 0.0,
            attempts=overview.attempts - self._before,
            overview=overview,
        )

    def _look_for(self, place: tuple[int, int]) -> None:
        path = tile_path(self._directory, *place)
        if path.exists():
            pixels = path.read_bytes()
            red, green, blue = (sum(pixels[c::3]) * 3 // len(pixels) for c in range(3))
            self.colours[place] = (red, green, blue)


class Display:
    """Shows looks: live on a terminal, else a line every few seconds; a context manager."""

    def __init__(self, console: Console, view: View) -> None:
        self._console, self._view = console, view
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._next_line = 0.0

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, look: Look, colours: dict[tuple[int, int], tuple[int, int, int]]) -> None:
        """Show the moment, with the mean colours of the tiles that have arrived."""
        if self._console.is_terminal:
            self._live.update(self._page(look, colours))
        elif look.elapsed >= self._next_line:
            self._next_line = look.elapsed + LINE_EVERY
            self._console.print(look.line(), highlight=False)

    def _page(
        self, look: Look, colours: dict[tuple[int, int], tuple[int, int, int]]
    ) -> RenderableType:
        numbers = Table.grid(padding=(0, 3))
        shown = look.overview
        for name, value in (
            ("elapsed", f"{look.elapsed:.0f} s"),
            ("finished", f"{look.finished} of {look.tiles}"),
            ("waiting", str(shown.waiting)),
            ("due", str(shown.due)),
            ("running", str(shown.running)),
            ("attempts/s", f"{look.rate:.1f}"),
            ("p99 lateness", f"{shown.lateness_p99:.0f} ms"),
        ):
            numbers.add_row(Text(name, style="dim"), Text(value, style="bold"))
        body = Table.grid(padding=(0, 4))
        if self._view.columns <= MAP_COLUMNS:
            body.add_row(self._map(colours), numbers)
        else:
            body.add_row(numbers)
        bar = ProgressBar(total=look.tiles, completed=look.finished, width=60)
        return Group("", body, "", bar)

    def _map(self, colours: dict[tuple[int, int], tuple[int, int, int]]) -> Text:
        """A tile a pair of characters: its mean colour, or dots while it is waited for."""
        text = Text()
        for x, y in self._view.places():
            if x == 0 and y > 0:
                text.append("\n")
            if (x, y) in colours:
                red, green, blue = colours[x, y]
                text.append("  ", style=f"on rgb({red},{green},{blue})")
            else:
                text.append("··", style="dim")
        return text
