"""What each parameter of a poll may be: one rule per parameter, all broken ones told at once."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from pollers import condition_rules, following_rules, http_syntax, registry
from pollers.cadence import parse_cadence
from pollers.durations import LONGEST, format_duration, parse_duration
from pollers.expressions import jmespath_text
from pollers.plain_json import encodable, mapping, plain
from pollers.politeness import PRIORITIES

#: A poll must have time for one attempt, in seconds.
SHORTEST_TIMEOUT = 1.0
#: A request that has less time, in seconds, is not begun.
SHORTEST_REQUEST_TIMEOUT = 0.01
#: The credential that signs the webhook of a poll that names no other.
WEBHOOK_AUTH = "webhook"
#: Tags of one poll.
MOST_TAGS = 16
#: More attempts than any poll can make.
_MOST = 10**9
#: No deadline is later, in epoch seconds: the end of the year 9999.
_LAST_MOMENT = 253_402_300_799
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORD = re.compile(r"[^\s\x00-\x1f\x7f,]{1,100}")


def merge(args: Sequence[Any], params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Join the positional argument, a url or a mapping of parameters, with named ones; problems beside."""
    problems = {}
    if not isinstance(args, list | tuple):
        return dict(params), {"args": f"are {args!r:.60}; it should be a list with the url"}
    if len(args) > 1:
        problems["args"] = (
            f"there are {len(args)} positional arguments; a poll takes one, the url "
            "(in a chain, that is the result of the task before)"
        )
    first = args[0] if args else None
    given = dict(first) if isinstance(first, Mapping) else {} if first is None else {"url": first}
    problems |= {str(name): "is given twice" for name in given if name in params}
    return {**given, **params}, problems


def check(
    params: Mapping[str, Any], *, complete: bool, min_interval: float, now: float | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters as plain JSON, and what is wrong by parameter.

    ``complete`` asks for a url and for time that fits an attempt; ``now`` is in epoch seconds.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in params.items():
        if name not in _RULES:
            problems[str(name)] = _unknown(str(name))
        elif name == "timeout" and value is None and params.get("deadline") is None:
            # In Celery, and in HTTP clients, None would mean "without limit".
            problems[name] = "is None, but a poll needs a deadline; leave it out for 10m, or give a duration"
        elif value is not None or name == "json":
            try:
                repeated = name in _REPEATED and isinstance(value, str | int | float)
                values[name] = (_remembered if repeated else _checked)(name, value)
            except ValueError as error:
                problems[name] = str(error)
    _check_together(values, problems, complete=complete, now=now)
    if "every" in values and parse_cadence(values["every"]).shortest < min_interval:
        problems["every"] = (
            f"is shorter than pollers_min_interval, {format_duration(min_interval)}, at some point"
        )
    return values, problems


def _checked(name: str, value: object) -> Any:
    """Return the value of a parameter as plain JSON; raises `ValueError` when it is wrong."""
    return encodable(_RULES[name](value))


#: The same, which looks at each value once; an error is not remembered.
_remembered = lru_cache(maxsize=1024, typed=True)(_checked)
#: Parameters that the polls of an application have in common, while they differ by their URLs.
_REPEATED = frozenset({"until", "fail_when", "returns", "every", "timeout", "request_timeout"})


def _check_together(
    values: dict[str, Any], problems: dict[str, str], *, complete: bool, now: float | None
) -> None:
    if complete and "url" not in values and "url" not in problems:
        problems["url"] = "is missing; it should be an http or https URL"
    if values.get("json") is not None and "data" in values:
        problems["data"] = "cannot be sent beside json; give one of them"
    if "until" in values and values["until"] == values.get("fail_when"):
        problems["fail_when"] = "is the same condition as until; a poll cannot succeed and fail by it"
    for name in ("until", "fail_when", "protocol") if "acceptors" in values else ():
        if name in values:
            problems[name] = "cannot be given beside acceptors, which decide"
    protocol = values.get("protocol")
    convention = next(iter(protocol), None) if isinstance(protocol, dict) else protocol
    if convention is not None and registry.entry(convention).decides:
        for name in ("until", "fail_when"):
            if name in values:
                problems[name] = f"cannot be given beside protocol={convention!r}, which decides"
    if values.get("start") and complete and "protocol" not in values:
        problems["start"] = "needs protocol, which says where the started operation is followed"
    for name in ("protocol", "carry") if values.get("coalesce") else ():
        if name in values:
            problems["coalesce"] = (
                f"cannot be given beside {name}, which makes requests that no other poll makes"
            )
    if "keep_params" in values and complete and "protocol" not in values:
        problems["keep_params"] = "is for URLs that a convention follows; give protocol as well"
    if complete and "carry" in values:
        request = json.dumps([values.get(name) for name in ("url", "params", "headers", "json", "data")])
        unused = [name for name in values["carry"] if f"{{{name}}}" not in request]
        if unused:
            problems["carry"] = f"has {unused[0]!r}, but {{{unused[0]}}} is nowhere in the request"
    if "deadline" in values:
        if values.get("timeout") is not None:
            problems["timeout"] = "cannot be given beside deadline; give one of them"
        elif now is not None and (problem := _deadline_problem(values["deadline"] - now)):
            problems["deadline"] = problem
        values["timeout"] = None


def _deadline_problem(left: float) -> str:
    if left <= 0:
        return "is in the past"
    if left < SHORTEST_TIMEOUT:
        return f"is in {format_duration(left)}; one attempt needs {SHORTEST_TIMEOUT:g}s or more"
    return "is more than 100 years away" if left > LONGEST else ""


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _RULES, n=1)
    if near:
        return f"is not a parameter of a poll; did you mean {near[0]!r}?"
    return f"is not a parameter of a poll; it takes {', '.join(_RULES)}"


def _data(value: object) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ValueError("is binary; it should be text, or a mapping for a form") from None
    return value if isinstance(value, str) else mapping(value)


def _every(value: object) -> Any:
    return parse_cadence(value).plain()


def _timeout(value: object) -> float:
    seconds = parse_duration(value)  # type: ignore[arg-type]  # it refuses what it cannot read
    if seconds < SHORTEST_TIMEOUT:
        raise ValueError(f"is {format_duration(seconds)}; one attempt needs {SHORTEST_TIMEOUT:g}s or more")
    return seconds


def _request_timeout(value: object) -> float:
    seconds = parse_duration(value)  # type: ignore[arg-type]
    if seconds < SHORTEST_REQUEST_TIMEOUT:
        raise ValueError(
            f"is {seconds * 1000:g}ms; a request needs {format_duration(SHORTEST_REQUEST_TIMEOUT)} or more"
        )
    return seconds


def _deadline(value: object) -> float:
    hint = "it should be a datetime with a time zone, or ISO 8601 text with an offset"
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Epoch seconds, as `check` itself writes them.
        if not 0 <= value <= _LAST_MOMENT:
            raise ValueError(f"is {value!r:.60}, which is no moment from 1970 to 9999; {hint}")
        return float(value)
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
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise ValueError(f"is {value!r:.60}; it should be a whole number of 1 or more, up to {_MOST:,}")
    return value


def _auth(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        # Not shown: somebody may have taken the secret itself for what is wanted.
        raise ValueError(
            "is no name of credentials; it should be letters, digits, dots, dashes and underscores, such as "
            "render-api: the workers hold the secret itself"
        )
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


def _tags(value: object) -> list[str]:
    listed = value if isinstance(value, list | tuple | set | frozenset) else [value]
    if len(listed) > MOST_TAGS:
        raise ValueError(f"has {len(listed)} tags; a poll takes {MOST_TAGS}")
    return sorted({_word(tag) for tag in listed})


def _webhook(value: object) -> dict[str, str]:
    given = {"url": value} if isinstance(value, str) else mapping(value)
    if not {"url"} <= given.keys() <= {"url", "auth"}:
        raise ValueError('should be a URL, or a mapping {"url": ..., "auth": the name of a credential}')
    try:
        url = http_syntax.url(given["url"])
    except ValueError as error:
        raise ValueError(str(error) if isinstance(value, str) else f"has a url that {error}") from error
    return {"url": url, "auth": _auth(given.get("auth", WEBHOOK_AUTH))}


_RULES: dict[str, Callable[[object], Any]] = {
    "url": http_syntax.url,
    "method": http_syntax.method,
    "headers": http_syntax.headers,
    "params": mapping,
    "json": plain,
    "data": _data,
    "until": condition_rules.condition,
    "fail_when": condition_rules.condition,
    "acceptors": following_rules.acceptors,
    "returns": jmespath_text,
    "pending_on": condition_rules.pending_on,
    "protocol": following_rules.protocol,
    "start": following_rules.flag,
    "keep_params": following_rules.names,
    "conditional": following_rules.flag,
    "carry": following_rules.carry,
    "on_change": following_rules.on_change,
    "every": _every,
    "timeout": _timeout,
    "deadline": _deadline,
    "on_deadline": _on_deadline,
    "max_attempts": _count,
    "max_errors": _count,
    "long_poll": following_rules.long_poll,
    "request_timeout": _request_timeout,
    "auth": _auth,
    "limit": _word,
    "priority": _priority,
    "tenant": _word,
    "coalesce": following_rules.flag,
    "tags": _tags,
    "webhook": _webhook,
}
