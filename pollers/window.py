"""The time that a poll has: its own deadline beside Celery's ``countdown``, ``eta`` and ``expires``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pollers.durations import LONGEST
from pollers.errors import InvalidPoll
from pollers.spec import PollSpec

_HINTS = {
    "countdown": "it should be seconds, as a number",
    "eta": "it should be a datetime, or ISO 8601 text",
    "expires": "it should be seconds, as a number, a datetime, or ISO 8601 text",
}


class Window(NamedTuple):
    """When a poll may be attempted."""

    #: Seconds until the first attempt.
    delay: float
    #: Seconds until the deadline; None when `deadline` says it.
    timeout: float | None
    #: The deadline in epoch seconds; None when `timeout` says it.
    deadline: float | None


def window(spec: PollSpec, options: Mapping[str, Any], now: Callable[[], datetime]) -> Window:
    """Return the time that a poll has by its spec and the options of ``apply_async``.

    ``now`` gives an aware datetime, when it is needed; naive ones among the options are UTC, as for Celery.

    Raises:
        InvalidPoll: An option cannot be read, or leaves no time for an attempt.

    """
    problems: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name in ("countdown", "eta", "expires"):
        try:
            if (value := _seconds(name, options.get(name), now)) is not None:
                seconds[name] = value
        except ValueError as error:
            problems[name] = str(error)
    expires = seconds.get("expires")
    if expires is not None and expires <= 0:
        problems["expires"] = "has passed"
    if problems:
        raise InvalidPoll.of(problems)
    left = spec.timeout if spec.deadline is None else spec.deadline - now().timestamp()
    timeout, deadline = spec.timeout, spec.deadline
    if expires is not None:
        left = expires if left is None else min(expires, left)
        timeout, deadline = left, None
    named = "countdown" if seconds.get("countdown") else "eta"
    delay = max(0.0, seconds.get(named, 0.0))
    if left is not None and delay >= left:
        raise InvalidPoll.of(
            {named: f"the first attempt is due in {delay:.4g} s, but the deadline comes in {left:.4g} s"}
        )
    return Window(delay, timeout, deadline)


def _seconds(name: str, value: Any, now: Callable[[], datetime]) -> float | None:
    """Return the seconds until a moment; numbers are seconds already."""
    if value is None:
        return None
    if name != "eta" and isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        moment = now()
        seconds = (_moment(name, value) - moment).total_seconds()
    if not -LONGEST <= seconds <= LONGEST:
        raise ValueError(f"is {value!r:.60}; {_HINTS[name]} within 100 years")
    return float(seconds)


def _moment(name: str, value: Any) -> datetime:
    if isinstance(value, str) and name != "countdown":
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"is {value!r:.60}; {_HINTS[name]}") from None
    if name == "countdown" or not isinstance(value, datetime):
        raise ValueError(f"is {value!r:.60}; {_HINTS[name]}")
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
