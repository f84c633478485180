"""The origin of a URL (RFC 6454): what limits and holds are for, and what secrets and cookies belong to.

There is one reading of it, so that what belongs to an origin goes to all of its URLs, and to no other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

#: The schemes that are spoken here, and their own ports.
PORTS = {"http": 80, "https": 443}
#: The full form of the origin of what has none, as of a URL whose port is no number (section 6.2).
NONE = "null"


class Origin(NamedTuple):
    """Scheme, host and port."""

    scheme: str
    #: In small letters, without brackets, and without the dot that may end a name.
    host: str
    port: int
    #: ``https://host``, ``http://[::1]:8080``: without the port where it is the scheme's own.
    full: str
    #: The usual one is written short, as every waiting poll carries it: ``host`` is https at port 443.
    short: str


def parsed(url: str) -> Origin | None:
    """Return the origin of a URL; None when it has none that could be asked by HTTP."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return _of(parts.scheme, parts.netloc)


@lru_cache(maxsize=1024)
def full_origin(url: str) -> str:
    """Return the full form of a URL's origin."""
    origin = parsed(url)
    return origin.full if origin else NONE


def short_origin(url: str) -> str:
    """Return the short form of a URL's origin."""
    origin = parsed(url)
    return origin.short if origin else NONE


def in_full(short: str) -> str:
    """Return the full form of an origin in its short form."""
    return short if "://" in short else f"https://{short}"


def same_origin(one: str, other: str) -> bool:
    """Return whether two URLs have the same origin; what has none is like nothing else."""
    origin = parsed(one)
    return origin is not None and origin == parsed(other)


@lru_cache(maxsize=1024)  # many polls have few origins
def _of(scheme: str, netloc: str) -> Origin | None:
    parts = SplitResult(scheme, netloc, "", "", "")
    try:
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return None
    if not host or scheme not in PORTS or port == 0:
        return None
    place = f"[{host}]" if ":" in host else host
    if port in (None, PORTS[scheme]):
        full = f"{scheme}://{place}"
        return Origin(scheme, host, PORTS[scheme], full, place if scheme == "https" else full)
    full = f"{scheme}://{place}:{port}"
    return Origin(scheme, host, port, full, full)
