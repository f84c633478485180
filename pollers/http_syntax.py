"""What may stand in an HTTP request: the rules for URLs, methods and headers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
#: A part of a host name (RFC 1035, section 2.3.4), with the underscores of containers' names; letters of
#: other alphabets are written in ASCII when the request is made (RFC 5891).
_LABEL = re.compile(r"[\w-]{1,63}")
_LONGEST_HOST = 253
_URL_HINT = "it should be an absolute http or https URL, such as https://api.example.com/jobs/42"
_SPACE = re.compile(r"[\x00-\x20]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def url(value: object) -> str:
    """Return an absolute http or https URL; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"is {value!r:.60}; {_URL_HINT}")
    text = value.strip()
    try:
        parts = urlsplit(text)
        names_host = _names_host(parts.netloc)
    except ValueError as error:
        raise ValueError(f"is not a URL ({error}); {_URL_HINT}") from error
    if parts.scheme.lower() not in {"http", "https"}:
        raise ValueError(f"has the scheme {parts.scheme!r}; {_URL_HINT}")
    if not names_host or _SPACE.search(text):
        raise ValueError(f"has no valid host, or a space; {_URL_HINT}")
    return text


def method(value: object) -> str:
    """Return the name of an HTTP method; ValueError for anything else."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError(f"is {value!r:.60}; it should be an HTTP method such as GET or POST")
    return value.upper()


def headers(value: object) -> dict[str, str]:
    """Return headers that can be sent (RFC 9110, section 5.5); ValueError for anything else."""
    if not isinstance(value, Mapping):
        raise ValueError("should be a mapping of header names to text")
    return {header_name(name): _header_value(name, content) for name, content in value.items()}


def header_name(value: object) -> str:
    """Return the name of a header; ValueError for anything else."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError(f"has {value!r:.60}, which is not a header name")
    return value


@lru_cache(maxsize=1024)  # many polls have few hosts
def _names_host(netloc: str) -> bool:
    parts = SplitResult("", netloc, "", "", "")
    # Some programs read a backslash as a slash, and would find another host (WHATWG URL, section 4.4).
    return parts.port != 0 and "\\" not in netloc and _is_host(parts.hostname or "")


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    labels = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, labels))


def _header_value(name: str, content: object) -> str:
    # A header may be a secret: its value is not repeated.
    if not isinstance(content, str) or _CONTROL.search(content):
        raise ValueError(f"has a value for {name!r} that is not text on one line")
    if content != content.strip():
        raise ValueError(f"has a value for {name!r} with a space at its beginning or end")
    if not content.isascii():
        try:
            content.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"has a value for {name!r} with letters that are not in Latin-1") from None
    return content
