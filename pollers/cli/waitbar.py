"""A progress bar on stderr for what takes long: only at a terminal, and only when it does take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: Seconds before a bar is shown.
PATIENCE = 0.5


@contextmanager
def bar(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far something has come; yields what is to be called with the number that is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task(doing, total=total)
    began, shown = time.monotonic(), False

    def advance(done: int) -> None:
        nonlocal shown
        progress.update(task, completed=min(done, total))
        if not shown and console.is_terminal and time.monotonic() - began > PATIENCE:
            shown = True
            progress.start()

    try:
        yield advance
    finally:
        if shown:
            progress.stop()
