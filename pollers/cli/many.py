"""Many polls left to the workers at once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pollers import poll
from pollers.cli.connection import redis_url
from pollers.cli.exits import SUCCEEDED
from pollers.cli.parameters import Given, shown_name
from pollers.cli.text import write_json
from pollers.errors import InvalidPoll

#: A field as `submit_many` names it.
_OF_A_POLL = re.compile(r"polls\[(\d+)\]\.(.+)")


def submit_many(given: Given, *, as_json: bool, quiet: bool) -> int:
    """Submit a poll for each line of a file, print the ids in its order, and return the exit code."""
    params, lines = given.common(), dict(_lines(str(given.source)))
    polls = list(lines.values())
    columns = (TextColumn("submitting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with redis_url(), Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("", total=len(polls))
        try:
            results = poll.submit_many(
                polls, on_submitted=lambda count: progress.update(task, completed=count), **params
            )
        except InvalidPoll as error:
            raise _by_line(error, list(lines.items()), params) from error
    if as_json:
        write_json({"ids": [result.id for result in results]})
    else:
        click.echo("\n".join(result.id for result in results))
    return SUCCEEDED


def _by_line(
    error: InvalidPoll, lines: Sequence[tuple[int, str | Mapping[str, Any]]], params: Mapping[str, Any]
) -> InvalidPoll:
    """Return the error with the number of the line in the place of the poll's; options as they are typed."""
    problems = {}
    for field, problem in error.problems.items():
        place = _OF_A_POLL.fullmatch(field)
        if place is None:
            problems[field] = problem
            continue
        (number, line), name = lines[int(place[1])], place[2]
        option = shown_name(name) if name in params else name
        if name in params and isinstance(line, Mapping) and name in line:
            option, problem = name, f"repeats {option}, which all polls have here"
        problems[f"Line {number}: {option}"] = problem
    return InvalidPoll.of(problems)


def _lines(source: str) -> Iterator[tuple[int, str | Mapping[str, Any]]]:
    """Yield the number of each line that is not empty, and what it says: a URL, or parameters as JSON."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"@{source} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if line.startswith("{"):
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise click.UsageError(f"Line {number} is not JSON: {error}") from error
        elif line:
            yield number, line
