"""What is typed for a parameter of a poll, as the parameter takes it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_STATUS = r"(?:\d+|[1-5]xx)"
_STATUSES = re.compile(rf"{_STATUS}(?:\s*,\s*{_STATUS})*")


def _condition(text: str) -> Any:
    """Return a condition as the parameter takes it; what is nothing else is JMESPath."""
    text = text.strip()
    if _STATUSES.fullmatch(text):
        statuses = [_count(status.strip()) for status in text.split(",")]
        return statuses if len(statuses) > 1 else statuses[0]
    return _json_object(text) or text


def _cadence(text: str) -> Any:
    """Return a cadence as the parameter takes it."""
    if ".." in text:
        shortest, longest = text.split("..", 1)
        return {"exponential": {"min": shortest.strip(), "max": longest.strip()}}
    if "," in text and not text.lstrip().startswith(("{", "[")):
        return [delay.strip() for delay in text.split(",")]
    return _json_object(text) or text


def _json_object(text: str) -> dict[str, Any] | None:
    """Return a JSON object, None for anything else: a JMESPath hash begins with a brace as well."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _count(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?\d+", text.strip()) else text


def _object_or_text(text: str) -> Any:
    """Return a JSON object; text that does not begin like one as it is."""
    if not text.lstrip().startswith("{"):
        return text
    return _json(text)


def _flag(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"is {text!r}; it should be yes or no")
    return text == "yes"


def _pending(texts: Iterable[str]) -> list[Any]:
    answers: list[Any] = []
    for text in texts:
        answer = _condition(text)
        answers.extend(answer if isinstance(answer, list) else [answer])
    return answers


def _headers(texts: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"{text!r} is not of the form 'Name: value'")
        if name.strip() in headers:
            raise ValueError(f"{name.strip()!r} is given twice")
        headers[name.strip()] = value.strip()
    return headers


def _params(texts: Iterable[str]) -> dict[str, str | list[str]]:
    params: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"{text!r} is not of the form name=value")
        params.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in params.items()}


def _content(text: str) -> str:
    """Return the text, or the content of the file it names: ``@FILE``, ``@-`` for stdin."""
    if not text.startswith("@"):
        return text
    try:
        if text == "@-":
            return sys.stdin.read()
        return Path(text[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"cannot be read from {text[1:]!r}: {why}") from error


def _json_content(text: str) -> Any:
    return _json(_content(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error


#: Parameter -> what reads what was typed for it; others are taken as they are. ValueError says what is wrong.
READERS: dict[str, Callable[[Any], Any]] = {
    "until": _condition,
    "fail_when": _condition,
    "pending_on": _pending,
    "every": _cadence,
    "max_attempts": _count,
    "max_errors": _count,
    "keep_params": list,
    "acceptors": _json_content,
    "protocol": _object_or_text,
    "start": _flag,
    "conditional": _flag,
    "carry": _params,
    "headers": _headers,
    "params": _params,
    "coalesce": _flag,
    "webhook": _object_or_text,
    "data": _content,
    "json": _json_content,
}
