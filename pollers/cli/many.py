"""Many polls left to the workers at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pollers import poll
from pollers.cli.connection import redis_url
from pollers.cli.exits import SUCCEEDED
from pollers.cli.parameters import Given
from pollers.cli.text import write_json


def submit_many(given: Given, *, as_json: bool, quiet: bool) -> int:
    """Submit a poll for each line of a file, print the ids in its order, and return the exit code."""
    params, polls = given.common(), list(_lines(str(given.source)))
    columns = (TextColumn("submitting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with redis_url(), Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("", total=len(polls))
        results = poll.submit_many(
            polls, on_submitted=lambda count: progress.update(task, completed=count), **params
        )
    if as_json:
        write_json({"ids": [result.id for result in results]})
    else:
        click.echo("\n".join(result.id for result in results))
    return SUCCEEDED


def _lines(source: str) -> Iterator[str | Mapping[str, Any]]:
    """Yield what each line that is not empty says: a URL, or parameters as JSON."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"@{source} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise click.UsageError(f"Line {number} is not JSON: {error}") from error
        elif line:
            yield line
