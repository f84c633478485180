"""`Transport`: sends requests and returns answers, and never lets the network raise."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from pollers.answer import Answer, AnswerError
from pollers.redaction import is_secret, redact_url
from pollers.transport.adapter import WatchedAdapter
from pollers.transport.connections import Connections, current
from pollers.transport.request import Request, Wire
from pollers.transport.response import BodyTooLarge, Response
from pollers.transport.watchdog import Guard, Watchdog

#: Origins whose connections are kept, and idle connections kept for each.
POOLED_ORIGINS = 256
POOLED_CONNECTIONS = 64
#: Redirects followed for one answer.
MAX_REDIRECTS = 10
NO_HEADERS: CaseInsensitiveDict[str] = CaseInsensitiveDict()
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})  # RFC 9110, section 9.2.2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class _Failed(Exception):
    """The request came to an end without a response; args are the error and its sentence."""


class Transport:
    """The HTTP side of one process. Safe to share between threads; keeps connections for all."""

    def __init__(self, *, max_body: int = 1_048_576, user_agent: str = "") -> None:
        self._max_body = max_body
        self._user_agent = user_agent or _own_name()
        self._user_agent_line = f"User-Agent: {self._user_agent}\r\n".encode("latin-1")
        names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        self._ca_bundle = next(filter(None, map(os.environ.get, names)), DEFAULT_CA_BUNDLE_PATH)
        self._connections = Connections(POOLED_ORIGINS, POOLED_CONNECTIONS, self._ca_bundle)
        self._watchdog = Watchdog()
        # The rules of redirects and proxies; nothing is sent through it.
        self._rules = requests.Session()
        self._rules.trust_env = False
        # Read once: asking the environment costs more than a fast request.
        self._proxied = bool(get_environ_proxies("http://pollers.invalid/")) or any(
            name.lower().endswith("_proxy") and value for name, value in os.environ.items()
        )
        self._adapter = WatchedAdapter(POOLED_ORIGINS, POOLED_CONNECTIONS, max_retries=0)

    def fetch(self, request: Request, *, timeout: float) -> Answer:
        """Send a request and return the answer, following redirects, within ``timeout`` seconds."""
        started = time.monotonic()
        guard = self._watchdog.guard(timeout)
        current.guard = guard
        url, body, error, text = request.url, b"", None, ""
        status: int | None = None
        headers: CaseInsensitiveDict[str] = NO_HEADERS
        try:
            response = self._follow(request, guard)
            url, status, headers = response.url, response.status, response.headers
            body = response.read(self._max_body)
            if guard.expired:
                raise _Failed(AnswerError.TIMEOUT, "")
        except BodyTooLarge:
            error, text = AnswerError.BODY_TOO_LARGE, f"the body is larger than {self._max_body} bytes"
        except Exception as trouble:
            error, text = _explain(trouble, guard)
        finally:
            current.guard = None
            guard.done()
        elapsed = time.monotonic() - started
        if error is AnswerError.TIMEOUT:
            text = f"no complete answer in {timeout:.1f} s"
        return Answer(
            url=url,
            status=status if error is None else None,
            headers=headers,
            body=body,
            elapsed=elapsed,
            error=error,
            error_text=text,
        )

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()
        self._adapter.close()

    def _follow(self, request: Request, guard: Guard) -> Response:
        prepared, wire = request.prepared, request.wire
        response = self._send(prepared, wire, guard)
        for _ in range(MAX_REDIRECTS):
            if response.status not in _REDIRECTS or "location" not in response.headers:
                return response
            response.discard()
            prepared = self._redirected(prepared, response)
            response = self._send(prepared, Wire.of(prepared), guard)
        response.discard()
        raise _Failed(AnswerError.REDIRECT, f"more than {MAX_REDIRECTS} redirects")

    def _send(self, prepared: requests.PreparedRequest, wire: Wire, guard: Guard) -> Response:
        """Send once; and again on a new connection when a kept one had been closed meanwhile."""
        proxies = get_environ_proxies(prepared.url or "") if self._proxied else None
        if proxies and select_proxy(prepared.url or "", proxies):
            send = partial(self._send_adapted, prepared, proxies, guard)
        else:
            send = partial(self._send_plain, prepared, wire, guard)
        try:
            return send()
        except Exception as error:
            stale = guard.reused and not guard.expired and _cut_off(error)
            if not stale or prepared.method not in _IDEMPOTENT:
                raise
            return send()

    def _send_plain(self, prepared: requests.PreparedRequest, wire: Wire, guard: Guard) -> Response:
        """Send on a connection of our own, in a third of the time that an adapter takes."""
        timeout, connections = self._time_left(guard), self._connections
        connection = connections.take(wire.origin)
        guard.reused = connection is not None
        if connection is None:
            connection = connections.open(wire.origin, timeout)
        sock = connection.sock
        guard.watch(sock)
        try:
            sock.settimeout(timeout)
            user_agent = b"" if wire.names_user_agent else self._user_agent_line
            with suppress(BrokenPipeError):  # the response may tell why it was cut off
                sock.sendall(b"".join((wire.head, user_agent, b"\r\n", wire.body)))
            raw = connection.response_class(sock, method=prepared.method)
            raw.begin()
        except BaseException:
            connection.close()
            raise

        def release(reusable: bool) -> None:
            if reusable:
                connections.keep(wire.origin, connection)
            else:
                connection.close()

        return Response.plain(prepared.url or "", raw, release)

    def _send_adapted(
        self, prepared: requests.PreparedRequest, proxies: dict[str, str], guard: Guard
    ) -> Response:
        """Send through an adapter of `requests`."""
        timeout = self._time_left(guard)
        guard.reused = False
        prepared.headers.setdefault("User-Agent", self._user_agent)
        response = self._adapter.send(
            prepared, stream=True, timeout=(timeout, timeout), verify=self._ca_bundle, proxies=proxies
        )
        return Response.adapted(response)

    @staticmethod
    def _time_left(guard: Guard) -> float:
        if guard.remaining <= 0:
            raise _Failed(AnswerError.TIMEOUT, "")
        return guard.remaining

    def _redirected(self, prepared: requests.PreparedRequest, response: Response) -> requests.PreparedRequest:
        """Return the request that a redirect asks for (RFC 9110, section 15.4)."""
        following = prepared.copy()
        described = response.described()
        target = self._rules.get_redirect_target(described) or ""
        url = requests.compat.urljoin(response.url, requests.utils.requote_uri(target))
        if requests.compat.urlparse(url).scheme not in {"http", "https"}:
            raise _Failed(AnswerError.REDIRECT, f"a redirect to {redact_url(url)}, which is not http")
        following.prepare_url(url, None)
        self._rules.rebuild_method(following, described)
        if following.method != prepared.method:
            following.body = None
            for name in ("Content-Length", "Content-Type", "Transfer-Encoding"):
                following.headers.pop(name, None)
        if self._rules.should_strip_auth(prepared.url, following.url):
            for name in [name for name in following.headers if is_secret(name)]:
                del following.headers[name]
        return following


def _own_name() -> str:
    try:
        return f"pollers/{version('pollers')}"
    except PackageNotFoundError:
        return "pollers"


def _explain(trouble: Exception, guard: Guard) -> tuple[AnswerError, str]:
    """Return what went wrong, by kind and in a sentence."""
    if isinstance(trouble, _Failed):
        return trouble.args[0], trouble.args[1]
    if guard.expired:
        return AnswerError.TIMEOUT, ""
    causes = _causes(trouble)
    for cause in causes:
        for kinds, error, sentence in _KINDS:
            if isinstance(cause, kinds):
                return error, sentence.format(_short(causes[0]))
    return AnswerError.MALFORMED, f"the request failed: {_short(trouble)}"


#: Kinds of exceptions and what they mean; the first that fits the innermost cause says what happened.
_KINDS: list[tuple[type[Exception] | tuple[type[Exception], ...], AnswerError, str]] = [
    (
        (urllib3.exceptions.NameResolutionError, socket.gaierror),
        AnswerError.DNS,
        "the host name is unknown: {}",
    ),
    (
        (ssl.SSLError, urllib3.exceptions.SSLError, requests.exceptions.SSLError),
        AnswerError.TLS,
        "TLS failed: {}",
    ),
    (http.client.RemoteDisconnected, AnswerError.CONNECTION, "the connection was closed without an answer"),
    (ConnectionError, AnswerError.CONNECTION, "no connection: {}"),
    # Before the timeouts: urllib3 derives it from them.
    (urllib3.exceptions.NewConnectionError, AnswerError.CONNECTION, "no connection: {}"),
    ((TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout), AnswerError.TIMEOUT, ""),
    (urllib3.exceptions.DecodeError, AnswerError.MALFORMED, "the body cannot be decompressed: {}"),
    (
        (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead),
        AnswerError.CONNECTION,
        "the connection broke in the body: {}",
    ),
    (http.client.HTTPException, AnswerError.MALFORMED, "the answer is not HTTP: {}"),
    (
        (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader),
        AnswerError.REFUSED,
        "it cannot be requested: {}",
    ),
    (urllib3.exceptions.HTTPError, AnswerError.CONNECTION, "no answer: {}"),
    (requests.RequestException, AnswerError.CONNECTION, "no answer: {}"),
]


def _causes(trouble: BaseException) -> list[BaseException]:
    """Return an exception and those it wraps, the innermost first."""
    found: list[BaseException] = []
    pending: list[object] = [trouble]
    while pending:
        one = pending.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            pending += [*one.args, getattr(one, "reason", None), one.__cause__]
    return found[::-1]


def _cut_off(error: Exception) -> bool:
    """Return whether the connection ended before any byte of a response."""
    return any(
        isinstance(cause, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError)
        for cause in _causes(error)
    )


def _short(trouble: BaseException) -> str:
    return " ".join(str(trouble).split())[:160] or type(trouble).__name__
