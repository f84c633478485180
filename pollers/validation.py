"""What each parameter of a poll may be: one rule per parameter, all broken ones told at once."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import jmespath.exceptions

from pollers.cadence import parse_cadence
from pollers.durations import format_duration, parse_duration
from pollers.politeness import PRIORITIES

#: A poll must have time for one attempt, in seconds.
SHORTEST_TIMEOUT = 1.0
#: Tags of one poll.
MOST_TAGS = 16
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_WORD = re.compile(r"[^\s\x00-\x1f\x7f,]{1,100}")
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
        fields = {name: getattr(self, name) for name in ("status", "header", "body", "text")}
        return {name: value for name, value in fields.items() if value is not None}

    __json__ = plain


def merge(url: object, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Join a positional url, or mapping of parameters, with named ones; return problems beside."""
    given = dict(url) if isinstance(url, Mapping) else {} if url is None else {"url": url}
    twice = {str(name): "is given twice" for name in given if name in params}
    return {**given, **params}, twice


def check(
    params: Mapping[str, Any], *, complete: bool, min_interval: float, now: float | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters as plain JSON, and what is wrong by parameter.

    ``complete`` asks for a url and for time that fits an attempt; ``now`` is in epoch seconds.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in params.items():
        rule = _RULES.get(name)
        if rule is None:
            problems[str(name)] = _unknown(str(name))
        elif value is not None or name == "json":
            try:
                values[name] = rule(value)
            except ValueError as error:
                problems[name] = str(error)
    _check_together(values, problems, complete=complete, now=now)
    if "every" in values and parse_cadence(values["every"]).shortest < min_interval:
        problems["every"] = (
            f"is shorter than pollers_min_interval, {format_duration(min_interval)}, at some point"
        )
    return values, problems


def _check_together(
    values: dict[str, Any], problems: dict[str, str], *, complete: bool, now: float | None
) -> None:
    if complete and "url" not in values and "url" not in problems:
        problems["url"] = "is missing; it should be an http or https URL"
    if values.get("json") is not None and "data" in values:
        problems["data"] = "cannot be sent beside json; give one of them"
    if "until" in values and values["until"] == values.get("fail_when"):
        problems["fail_when"] = "is the same condition as until; a poll cannot succeed and fail by it"
    if "deadline" in values:
        if values.get("timeout") is not None:
            problems["timeout"] = "cannot be given beside deadline; give one of them"
        elif now is not None and values["deadline"] <= now:
            problems["deadline"] = "is in the past"
        values["timeout"] = None


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _RULES, n=1)
    if near:
        return f"is not a parameter of a poll; did you mean {near[0]!r}?"
    return f"is not a parameter of a poll; it takes {', '.join(_RULES)}"


def _url(value: object) -> str:
    hint = "it should be an absolute http or https URL, such as https://api.example.com/jobs/42"
    if not isinstance(value, str):
        raise ValueError(f"is {value!r:.60}; {hint}")
    try:
        parts = urlsplit(value.strip())
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL ({error}); {hint}") from error
    if parts.scheme.lower() not in {"http", "https"}:
        raise ValueError(f"has the scheme {parts.scheme!r}; {hint}")
    if not parts.hostname or port == 0 or any(ord(letter) <= 32 for letter in value.strip()):
        raise ValueError(f"has no valid host, or a space; {hint}")
    return value.strip()


def _method(value: object) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError(f"is {value!r}; it should be an HTTP method such as GET or POST")
    return value.upper()


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("should be a mapping of header names to text")
    headers = {}
    for name, content in value.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"has {name!r}, which is not a header name")
        if not isinstance(content, str) or any(mark in content for mark in "\r\n\0"):
            raise ValueError(f"has a value for {name!r} that is not text on one line")
        headers[name] = content
    return headers


def _plain(value: object) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be written as JSON: {error}") from error


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("should be a mapping of names to values")
    plain: dict[str, Any] = _plain(value)
    return plain


def _data(value: object) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("is binary; it should be text, or a mapping for a form") from None
    return value if isinstance(value, str) else _mapping(value)


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
    unknown = parts.keys() - {"status", "header", "body", "text"}
    if unknown or not parts:
        raise ValueError("has no part of a Match; it takes status, header, body and text")
    plain: dict[str, Any] = {}
    if "status" in parts:
        plain["status"] = _statuses(parts["status"])
    if "header" in parts:
        plain["header"] = {name: _pattern(text) for name, text in _headers(parts["header"]).items()}
    if "body" in parts:
        plain["body"] = jmespath_text(parts["body"])
    if "text" in parts:
        plain["text"] = _pattern(parts["text"])
    return plain


def _pattern(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"has {value!r:.60}; it should be a regular expression")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"has {value!r}, which is not a regular expression: {error}") from error
    return value


def _condition(value: object) -> Any:
    if isinstance(value, str) and not _STATUS_CLASS.fullmatch(value):
        return jmespath_text(value)
    if isinstance(value, Match | Mapping):
        return _match(value)
    return _statuses(value)


def _pending_on(value: object) -> list[Any]:
    listed = value if isinstance(value, list | tuple) else [value]
    return [_match(one) if isinstance(one, Match | Mapping) else _statuses(one)[0] for one in listed]


def _every(value: object) -> Any:
    return parse_cadence(value).plain()


def _timeout(value: object) -> float:
    seconds = parse_duration(value)  # type: ignore[arg-type]  # it refuses what it cannot read
    if seconds < SHORTEST_TIMEOUT:
        raise ValueError(f"is {format_duration(seconds)}; one attempt needs {SHORTEST_TIMEOUT:g}s or more")
    return seconds


def _request_timeout(value: object) -> float:
    seconds = parse_duration(value)  # type: ignore[arg-type]
    if seconds <= 0:
        raise ValueError("should be more than 0 seconds")
    return seconds


def _deadline(value: object) -> float:
    hint = "it should be a datetime with a time zone, or ISO 8601 text with an offset"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)  # epoch seconds, as `check` itself writes them
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"is {value!r}; {hint}") from None
    if not isinstance(value, datetime):
        raise ValueError(f"is {value!r:.60}; {hint}")
    if value.tzinfo is None:
        raise ValueError(f"is {value.isoformat()} without a time zone; {hint}")
    return value.timestamp()


def _on_deadline(value: object) -> str:
    if value not in ("fail", "succeed"):
        raise ValueError(f'is {value!r}; it should be "fail" or "succeed"')
    return str(value)


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"is {value!r}; it should be a whole number of 1 or more")
    return value


def _word(value: object) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError(
            f"is {value!r:.120}; it should be a word of up to 100 characters, no space or comma in it"
        )
    return value


def _priority(value: object) -> str:
    if not isinstance(value, str) or value not in PRIORITIES:
        raise ValueError(f"is {value!r:.60}; it should be one of {', '.join(PRIORITIES)}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is {value!r:.60}; it should be True or False")
    return value


def _tags(value: object) -> list[str]:
    listed = value if isinstance(value, list | tuple | set | frozenset) else [value]
    if len(listed) > MOST_TAGS:
        raise ValueError(f"has {len(listed)} tags; a poll takes {MOST_TAGS}")
    return sorted({_word(tag) for tag in listed})


_RULES: dict[str, Callable[[object], Any]] = {
    "url": _url,
    "method": _method,
    "headers": _headers,
    "params": _mapping,
    "json": _plain,
    "data": _data,
    "until": _condition,
    "fail_when": _condition,
    "returns": jmespath_text,
    "pending_on": _pending_on,
    "every": _every,
    "timeout": _timeout,
    "deadline": _deadline,
    "on_deadline": _on_deadline,
    "max_attempts": _count,
    "max_errors": _count,
    "request_timeout": _request_timeout,
    "limit": _word,
    "priority": _priority,
    "tenant": _word,
    "coalesce": _flag,
    "tags": _tags,
}
