"""Durations as people write them: ``5``, ``"1.5s"``, ``"10m"``, ``"2h30m"``, or a `timedelta`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_HINT = 'it should be seconds as a number, a timedelta, or text like "1.5s", "10m" or "2h30m"'

#: No duration is longer, in seconds: 100 years. What is computed from it is a date that can be written.
LONGEST = 36_525 * 86_400.0

Duration = float | int | str | timedelta


def parse_duration(value: Duration) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: The value is not a duration, or is negative, not a number, or longer than 100 years.

    """
    seconds = _seconds(value)
    if not seconds >= 0:
        raise ValueError(f"{value!r:.60} is not a length of time: {_HINT}")
    if seconds > LONGEST:
        raise ValueError(f"{value!r:.60} is longer than 100 years: {_HINT}")
    return float(seconds)


def _seconds(value: object) -> float | int:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = value.strip().lower()
        if _WHOLE.fullmatch(text):
            return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        try:
            return float(text)
        except ValueError:
            pass
    raise ValueError(f"{value!r:.60} is not a duration: {_HINT}")


def format_duration(seconds: float) -> str:
    """Return a duration as people write it: ``2h30m``, ``1.5s``, ``250ms``."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    parts = []
    for unit in ("d", "h", "m"):
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            parts.append(f"{int(count)}{unit}")
    if seconds or not parts:
        parts.append(f"{round(seconds, 3):g}s")
    return "".join(parts)


def approximate(seconds: float) -> str:
    """Return a duration at a reader's precision: ``0.4s``, ``12s``, ``2h30m``; never negative."""
    seconds = max(0.0, seconds)
    if round(seconds, 1) < 10:
        return f"{seconds:.1f}s"
    return format_duration(round(seconds) if seconds < 3600 else round(seconds / 60) * 60)
