"""Values that callers pass, as plain JSON: what several rules for parameters are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jmespath.exceptions


def plain(value: object) -> Any:
    """Return a value as JSON has it; ValueError when it has no such form."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be written as JSON: {error}") from error


def mapping(value: object) -> dict[str, Any]:
    """Return a mapping as plain JSON; ValueError for anything else."""
    if not isinstance(value, Mapping):
        raise ValueError("should be a mapping of names to values")
    content: dict[str, Any] = plain(value)
    return content


def jmespath_text(value: object) -> str:
    """Return a JMESPath expression that compiles; ValueError with the position otherwise."""
    if not isinstance(value, str):
        raise ValueError(f"is {value!r:.60}; it should be a JMESPath expression")
    try:
        jmespath.compile(value)
    except jmespath.exceptions.JMESPathError as error:
        position = getattr(error, "lex_position", None)
        where = f" at position {position}" if position is not None and position >= 0 else ""
        reason = str(error).splitlines()[0].rstrip(":")
        raise ValueError(f"is not a JMESPath expression{where}: {value!r} ({reason})") from error
    return value
