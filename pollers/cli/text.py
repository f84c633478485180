"""Texts for people and programs: safe for a terminal, exact for a pipe."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from typing import Any

import click

from pollers.durations import approximate
from pollers.plain_json import finite


def printable(text: str) -> str:
    """Return text as one line without control characters, which could steer the terminal."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in text)


def write_value(value: Any) -> None:
    """Write a poll's value to stdout: text as it is, anything else as JSON."""
    if isinstance(value, str):
        click.echo(_encodable(value), nl=not value.endswith("\n"))
    else:
        write_json(value)


def plain(value: Any) -> str:
    """Return JSON on one line."""
    return _json(value, None)


def write_json(value: Any) -> None:
    """Write JSON to stdout, indented for a reader at a terminal, on one line for a program."""
    click.echo(_json(value, 2 if sys.stdout.isatty() else None))


def from_now(moment: datetime) -> str:
    """Return how far away a moment is: ``in 12s``, ``2h30m ago``."""
    seconds = moment.timestamp() - time.time()
    return f"in {approximate(seconds)}" if seconds >= 0 else f"{approximate(-seconds)} ago"


def counted(number: int, noun: str) -> str:
    """Return a number of things: ``1 worker``, ``2 workers``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clock(moment: float) -> str:
    """Return a moment (epoch seconds) as the time of day here."""
    return datetime.fromtimestamp(moment).astimezone().strftime("%H:%M:%S")


def _json(value: Any, indent: int | None) -> str:
    value = finite(value)
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    return text if _encodable(text) == text else json.dumps(value, indent=indent, default=_plain)


def _encodable(text: str) -> str:
    """Return text with what stdout's encoding has no bytes for (half a surrogate pair) replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    raise TypeError(f"{value!r} cannot be written as JSON")
