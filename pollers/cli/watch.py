"""Shows the board of polls: live on a terminal, as text, or as JSON."""

from __future__ import annotations

import importlib.util
import sys
import time

import click
from rich.console import Console

from pollers.cli.board import Board
from pollers.cli.connection import store
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.panels import print_snapshot
from pollers.cli.text import plain, write_json

#: Seconds between two snapshots: rates are those of this time.
LOOK_EVERY = 1.0
#: Columns of a line where there is no terminal.
PIPE_WIDTH = 240


def show_top(text: str, *, once: bool, as_json: bool) -> int:
    """Show the board until it is left, or once; return the exit code.

    Raises:
        StoreUnavailable: Redis cannot be reached.

    """
    live = sys.stdout.isatty() and sys.stdin.isatty() and not as_json and not once
    if live and importlib.util.find_spec("textual") is None:
        raise click.ClickException("pollers top needs textual: pip install 'pollers[top]', or --once")
    with store() as polls:
        board = Board(polls)
        if live:
            from pollers.cli.screen import Top  # an extra

            screen = Top(board, text)
            screen.run()
            # Textual prints what went wrong, and raises nothing.
            return FAILED if screen.return_code else SUCCEEDED
        board.look(text)
        while True:
            time.sleep(LOOK_EVERY)
            snapshot = board.look(text)
            if as_json and not once:
                click.echo(plain(snapshot.plain()))
                sys.stdout.flush()
                continue
            if as_json:
                write_json(snapshot.plain())
            else:
                # At a pipe nothing is cut off.
                width = None if sys.stdout.isatty() else PIPE_WIDTH
                print_snapshot(snapshot, Console(highlight=False, width=width))
            return SUCCEEDED
