"""Where an answer leads: references in its headers and body, resolved as RFC 3986 says."""

from __future__ import annotations

from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from pollers.answer import Answer


def lead(answer: Answer, reference: Any) -> str | None:
    """Return a reference of an answer, absolute or relative to its URL, as an absolute http(s) URL.

    None where there is none, or it leads nowhere.
    """
    if not isinstance(reference, str) or not reference.strip():
        return None
    try:
        url = urldefrag(urljoin(answer.url, reference.strip())).url
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None
