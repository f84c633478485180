"""Redirects: the request that an answer asks for instead (RFC 9110, section 15.4)."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urljoin

import requests
from requests.utils import requote_uri

from pollers.answer import AnswerError
from pollers.origin import PORTS, full_origin
from pollers.redaction import is_secret, redact_url
from pollers.transport.failures import Failed, Refused

#: Redirects followed for one answer.
MOST = 10

STATUSES = frozenset({301, 302, 303, 307, 308})
#: What describes the content of a request, and goes when the content does.
_CONTENT = frozenset(
    {
        *("content-encoding", "content-language", "content-length", "content-location", "content-type"),
        *("content-digest", "digest", "last-modified", "transfer-encoding"),
    }
)


def redirected(prepared: requests.PreparedRequest, status: int, location: str) -> requests.PreparedRequest:
    """Return the request that follows ``prepared`` after an answer with this status and ``Location``.

    A POST becomes a GET by 301 and 302, as clients have always done, and everything but HEAD by 303;
    its content goes then. 307 and 308 change nothing. What belongs to an origin stays there.

    Raises:
        Failed: The redirect leads to no http or https URL, or from https to http (`Refused`).

    """
    following = prepared.copy()
    url = _target(prepared.url or "", location)
    try:
        following.prepare_url(url, None)
    except ValueError as error:
        raise Failed(AnswerError.REDIRECT, f"a redirect to {redact_url(url)}, which is no URL") from error
    following.method = _method(prepared.method or "GET", status)
    if following.method != prepared.method:
        following.body = None
        _remove(following, _CONTENT.__contains__)
    if full_origin(following.url or "") != full_origin(prepared.url or ""):
        _remove(following, lambda name: name in ("host", "origin", "referer") or is_secret(name))
    return following


def _target(base: str, location: str) -> str:
    try:
        # http.client reads headers as Latin-1, and services send UTF-8.
        location = location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        pass
    try:
        url = urljoin(base, requote_uri(location))
        scheme = url.partition(":")[0].lower()
    except ValueError as error:
        raise Failed(AnswerError.REDIRECT, "a redirect to what is no URL") from error
    if scheme not in PORTS:
        raise Failed(AnswerError.REDIRECT, f"a redirect to {redact_url(url)}, which is not http")
    check_security(base, url)
    return url


def check_security(before: str, url: str) -> None:
    """Raise `Refused` when a service at one URL leads to another that is less secure."""
    if before.lower().startswith("https:") and url.lower().startswith("http:"):
        raise Refused(f"https may not lead to {redact_url(url)}, which is not secure")


def _method(method: str, status: int) -> str:
    if status == 303:
        return "HEAD" if method == "HEAD" else "GET"
    return "GET" if method == "POST" and status in (301, 302) else method


def _remove(request: requests.PreparedRequest, belongs: Callable[[str], bool]) -> None:
    for name in [name for name in request.headers if belongs(name.lower())]:
        del request.headers[name]
