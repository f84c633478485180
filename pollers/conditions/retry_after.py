"""``Retry-After`` (RFC 9110, section 10.2.3): how long a service asks to be left alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
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
        return float(text) if len(text) <= 9 else None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            # The form of asctime names no zone; every HTTP-date is in UTC (RFC 9110, section 5.6.7).
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, OverflowError):
        return None
