"""Where an answer leads: references in its headers and body, resolved as RFC 3986 says."""

from __future__ import annotations

from typing import Any
from urllib.parse import urldefrag, urljoin

from pollers.answer import Answer
from pollers.origin import parsed


def lead(answer: Answer, reference: Any) -> str | None:
    """Return a reference of an answer, absolute or relative to its URL, as an absolute http(s) URL.

    None where there is none, or it leads nowhere.
    """
    if not isinstance(reference, str) or not reference.strip():
        return None
    try:
        url = urldefrag(urljoin(answer.url, reference.strip())).url
    except ValueError:
        return None
    return url if parsed(url) else None
