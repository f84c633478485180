"""Many polls left to the workers at once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pollers import poll
from pollers.cli.connection import redis_url
from pollers.cli.exits import SUCCEEDED
from pollers.cli.parameters import Given, shown_name
from pollers.cli.signals import between_steps
from pollers.cli.text import counted, write_json
from pollers.errors import InvalidPoll

#: A field as `submit_many` names it.
_OF_A_POLL = re.compile(r"polls\[(\d+)\]\.(.+)")


def submit_many(given: Given, *, as_json: bool, quiet: bool) -> int:
    """Submit a poll for each line of a file, print the ids in its order, and return the exit code.

    Ids are printed of those that are submitted when it ends early, too: who tries again leaves them out.
    """
    params, lines = given.common(), dict(_lines(str(given.source)))
    if not lines:
        raise click.UsageError(f"@{given.source} has no line that is not empty: there is nothing to submit.")
    ids: list[str] = []
    try:
        _submit(list(lines.values()), params, ids, quiet=quiet)
    except InvalidPoll as error:
        raise _by_line(error, list(lines.items()), params) from error
    except (KeyboardInterrupt, SystemExit):
        click.echo(f"{len(ids)} of {counted(len(lines), 'poll')} submitted.", err=True)
        raise
    finally:
        if ids and as_json:
            write_json({"ids": ids})
        elif ids:
            click.echo("\n".join(ids))
    return SUCCEEDED


def _submit(
    polls: Sequence[str | Mapping[str, Any]], params: Mapping[str, Any], ids: list[str], *, quiet: bool
) -> None:
    """Submit polls; put in ``ids`` those of what is submitted, however it ends."""
    columns = (TextColumn("submitting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        redis_url(),
        Progress(*columns, console=Console(stderr=True), disable=quiet) as progress,
        ExitStack() as checked,
    ):
        task = progress.add_task("", total=len(polls))
        step_is_over: Callable[[], None] | None = None

        def on_submitted(more: Sequence[str]) -> None:
            nonlocal step_is_over
            # Before that, nothing is lost when Ctrl-C ends it at once.
            step_is_over = step_is_over or checked.enter_context(between_steps())
            ids.extend(more)
            progress.update(task, completed=len(ids))
            step_is_over()

        results = poll.submit_many(polls, on_submitted=on_submitted, **params)
    # An eager application makes them one by one, and tells of none on the way.
    ids[:] = [result.id for result in results]


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
        lines = (sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"@{source} cannot be read: {error}") from error
    # As JSON Lines has it: str.splitlines() would part texts that have other separators in them.
    for number, line in enumerate(lines.split("\n"), start=1):
        line = line.strip()
        if line.startswith("{"):
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise click.UsageError(f"Line {number} is not JSON: {error}") from error
        elif line:
            yield number, line
