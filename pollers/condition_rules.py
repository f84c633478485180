"""Rules for the parameters that are conditions on an answer, and `Match`.

Each returns the parameter as plain JSON, or raises ValueError with what would be right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pollers import http_syntax
from pollers.expressions import jmespath_text

_MATCH_PARTS = ("status", "header", "body", "text")
_STATUS_CLASS = re.compile(r"[1-5]xx")


@dataclass(frozen=True)
class Match:
    """A condition on an answer; all parts that are given must hold.

    ``status`` is a status, a class like ``"5xx"``, or a list of them; ``header`` maps names to regular
    expressions; ``body`` is JMESPath on the JSON body; ``text`` is a regular expression on the text.
    """

    status: int | str | Sequence[int | str] | None = None
    header: Mapping[str, str] | None = None
    body: str | None = None
    text: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the condition as plain JSON."""
        fields = {name: getattr(self, name) for name in _MATCH_PARTS}
        return {name: value for name, value in fields.items() if value is not None}

    __json__ = plain


def condition(value: object) -> Any:
    """Return a condition: JMESPath, a `Match`, or statuses."""
    if isinstance(value, str) and not _STATUS_CLASS.fullmatch(value):
        return jmespath_text(value)
    if isinstance(value, Match | Mapping):
        return _match(value)
    return _statuses(value)


def pending_on(value: object) -> list[Any]:
    """Return what means "not yet": statuses or `Match`, one or several."""
    listed = value if isinstance(value, list | tuple) else [value]
    return [_match(one) if isinstance(one, Match | Mapping) else _statuses(one)[0] for one in listed]


def _statuses(value: object) -> list[int | str]:
    listed = value if isinstance(value, list | tuple) else [value]
    for status in listed:
        number = isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599
        if not number and not (isinstance(status, str) and _STATUS_CLASS.fullmatch(status)):
            raise ValueError(f'has {status!r}; a status is a number from 100 to 599, or like "5xx"')
    if not listed:
        raise ValueError("is an empty list of statuses")
    return list(listed)


def _match(value: Match | Mapping[str, Any]) -> dict[str, Any]:
    parts = value.plain() if isinstance(value, Match) else dict(value)
    for name in parts:
        if name not in _MATCH_PARTS:
            near = difflib.get_close_matches(str(name), _MATCH_PARTS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(_MATCH_PARTS)}"
            raise ValueError(f"has {name!r:.60}, which is no part of a Match; {hint}")
    if not parts:
        raise ValueError(f"has no part of a Match; it takes {', '.join(_MATCH_PARTS)}")
    checked: dict[str, Any] = {}
    if "status" in parts:
        checked["status"] = _statuses(parts["status"])
    if "header" in parts:
        checked["header"] = _header_patterns(parts["header"])
    if "body" in parts:
        checked["body"] = jmespath_text(parts["body"])
    if "text" in parts:
        checked["text"] = _pattern(parts["text"])
    return checked


def _header_patterns(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("has a header that is no mapping of header names to regular expressions")
    return {http_syntax.header_name(name): _pattern(text) for name, text in value.items()}


def _pattern(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"has {value!r:.60}; it should be a regular expression")
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"has {value!r}, which is not a regular expression: {error}") from error
    return value
