"""Dates as HTTP writes them."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime


def http_date(text: str) -> float | None:
    """Return the epoch seconds of an HTTP-date, None when it is none.

    RFC 9110, section 5.6.7, has three forms: ``Sun, 06 Nov 1994 08:49:37 GMT``, and the obsolete
    ``Sunday, 06-Nov-94 08:49:37 GMT`` and ``Sun Nov  6 08:49:37 1994``. All are GMT.
    """
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # The last form names no zone, which Python takes for the local one.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
