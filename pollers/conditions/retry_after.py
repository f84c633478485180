"""``Retry-After`` (RFC 9110, section 10.2.3): how long a service asks to be left alone."""

from __future__ import annotations

from collections.abc import Mapping

from pollers.http_date import http_date


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the header asks for, None when it is missing or malformed.

    It is a number of seconds or an HTTP-date; a date is measured against ``now``, epoch seconds, and
    one that has passed means 0. It may be as large as the service likes: whoever obeys it has a bound.
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    moment = http_date(text)
    return None if moment is None else max(0.0, moment - now)
