"""Whether a condition holds for an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathTypeError
from jmespath.parser import ParsedResult

from pollers.answer import Answer


class NotApplicable(Exception):
    """A condition asks for JSON, and the body is none."""


def holds(condition: Any, answer: Answer) -> bool:
    """Return whether a condition, in the form that a spec keeps, holds for an answer.

    JMESPath asks only answers of success (2xx): an error's body says nothing about the operation.

    Raises:
        NotApplicable: The condition asks for JSON, and the body is none.

    """
    if isinstance(condition, str):
        return 200 <= (answer.status or 0) < 300 and _truthy(search(condition, answer))
    if isinstance(condition, Mapping):
        return _matches(condition, answer)
    return _status_in(condition, answer.status)


def search(expression: str, answer: Answer) -> Any:
    """Return what a JMESPath expression finds in the JSON body; None when it does not apply to it.

    Raises:
        NotApplicable: The body is not JSON.

    """
    return select(expression, body_of(answer))


def body_of(answer: Answer) -> Any:
    """Return the JSON body.

    Raises:
        NotApplicable: The body is not JSON.

    """
    try:
        return answer.json()
    except ValueError as error:
        raise NotApplicable("the body is not JSON") from error


def mapping(answer: Answer) -> Mapping[str, Any]:
    """Return the JSON body, an object.

    Raises:
        NotApplicable: The body is not a JSON object.

    """
    body = body_of(answer)
    if not isinstance(body, Mapping):
        raise NotApplicable("the body is not a JSON object")
    return body


def members(answer: Answer) -> Mapping[str, Any]:
    """Return the JSON body, an object; an empty one where it is none, as for a body that may be anything."""
    try:
        return mapping(answer)
    except NotApplicable:
        return {}


def select(expression: str, value: Any) -> Any:
    """Return what a JMESPath expression finds in a value; None when it does not apply to it."""
    try:
        return _compiled(expression).search(value)
    except JMESPathTypeError:
        # A function met a value it is not made for, as `length(@)` of null: not found, not wrong.
        return None


@lru_cache(maxsize=2048)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


@lru_cache(maxsize=2048)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _matches(match: Mapping[str, Any], answer: Answer) -> bool:
    if "status" in match and not _status_in(match["status"], answer.status):
        return False
    for name, pattern in match.get("header", {}).items():
        if not _pattern(pattern).search(answer.headers.get(name, "")):
            return False
    if "text" in match and not _pattern(match["text"]).search(answer.text()):
        return False
    return "body" not in match or _truthy(search(match["body"], answer))


def _status_in(statuses: Any, status: int | None) -> bool:
    if status is None:
        return False
    return any(
        wanted == status or wanted == f"{status // 100}xx"
        for wanted in (statuses if isinstance(statuses, list | tuple) else [statuses])
    )


def _truthy(value: Any) -> bool:
    # As JMESPath's own `!` and `&&` see it: 0 is true; false, null and what is empty are not.
    return value is not None and value is not False and value not in ("", [], {})
