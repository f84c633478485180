"""``Retry-After`` (RFC 9110, section 10.2.3): how long a service asks to be left alone."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the header asks for, None when it is missing or malformed.

    It is a number of seconds or an HTTP-date; a date is measured against ``now``, epoch seconds, and
    one that has passed means 0.
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        # Longer numbers are nonsense, and the deadline bounds the rest.
        return float(text[:9]) if len(text) <= 9 else None
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
