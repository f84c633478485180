"""The origin of a URL: what secrets and cookies belong to, and whom connections lead to."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


class Peer(NamedTuple):
    """Whom a connection leads to."""

    scheme: str
    host: str
    port: int


@lru_cache(maxsize=1024)
def origin(url: str) -> str:
    """Return scheme, host and port of a URL in one form (RFC 6454, section 4); ``null`` for none.

    The port is left out where it is the scheme's own.
    """
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        return "null"
    if not host or scheme not in _PORTS:
        return "null"
    host = f"[{host}]" if ":" in host else host.rstrip(".")
    return f"{scheme}://{host}" if port in (None, _PORTS[scheme]) else f"{scheme}://{host}:{port}"
