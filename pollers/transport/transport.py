"""`Transport`: sends requests and returns answers, and never lets the network raise."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import requests
from requests.hooks import dispatch_hook
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from pollers.answer import Answer, AnswerError
from pollers.settings import Settings
from pollers.transport import debug_log as debug_log
from pollers.transport import redirects
from pollers.transport.adapter import WatchedAdapter
from pollers.transport.connections import Connections, current, remaining_time
from pollers.transport.credentials import Keyring
from pollers.transport.failures import Failed, cut_off, explain
from pollers.transport.headers import Headers
from pollers.transport.proxies import Proxies
from pollers.transport.reach import Rules
from pollers.transport.request import Request, Wire
from pollers.transport.response import Response
from pollers.transport.visit import Visit
from pollers.transport.watchdog import Guard, Watchdog

#: Peers whose connections are kept, and idle connections kept for each.
POOLED_PEERS = 256
POOLED_CONNECTIONS = 64
NO_HEADERS = Headers()
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})  # RFC 9110, section 9.2.2


class Transport:
    """The HTTP side of one process. Safe to share between threads; keeps connections for all."""

    def __init__(
        self,
        *,
        max_body: int = 1_048_576,
        user_agent: str = "",
        rules: Rules | None = None,
        credentials_file: str = "",
        proxy: str = "",
    ) -> None:
        self._max_body = max_body
        self._rules = rules or Rules()
        self._user_agent = user_agent or _own_name()
        self._user_agent_line = f"User-Agent: {self._user_agent}\r\n".encode("latin-1")
        names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        self._ca_bundle = next(filter(None, map(os.environ.get, names)), DEFAULT_CA_BUNDLE_PATH)
        self._connections = Connections(POOLED_PEERS, POOLED_CONNECTIONS, self._ca_bundle)
        self._adapter = WatchedAdapter(POOLED_PEERS, POOLED_CONNECTIONS, max_retries=0)
        self._watchdog = Watchdog()
        self._proxies = Proxies(proxy)
        self.keyring = Keyring(credentials_file, self._fetch_for_credential)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the transport that the settings describe."""
        return cls(
            max_body=settings.max_body,
            user_agent=settings.user_agent,
            rules=Rules(
                block_private=settings.block_private,
                allowed_hosts=settings.allowed_hosts,
                denied_hosts=settings.denied_hosts,
                allowed_networks=settings.allowed_networks,
                denied_networks=settings.denied_networks,
            ),
            credentials_file=settings.credentials_file,
            proxy=settings.proxy,
        )

    def fetch(self, request: Request, *, timeout: float, kept: Mapping[str, Any] | None = None) -> Answer:
        """Send a request and return the answer, following redirects, within ``timeout`` seconds.

        ``kept`` is what the poll's answer before said (`Answer.kept`).
        """
        started = time.monotonic()
        guard = self._watchdog.guard(timeout)
        visit = Visit(request, kept, self._rules)
        # Of a fetch that needs this one for its credential.
        outer = current.guard, current.reach
        current.guard, current.reach = guard, visit.reach
        url, body, error, text = request.url, b"", None, ""
        status: int | None = None
        headers = NO_HEADERS
        try:
            if not request.at_home:
                redirects.check_security(request.home, request.url)
            if request.auth:
                visit.find_credential(self.keyring, request.auth)
            response, url = self._follow(request, visit, guard)
            status, headers = response.status, response.headers
            body = response.read(self._max_body)
            if guard.expired:
                raise Failed(AnswerError.TIMEOUT, "")
        except Exception as trouble:
            error, text = explain(trouble, guard)
        finally:
            current.guard, current.reach = outer
            guard.done()
        elapsed = time.monotonic() - started
        if error is AnswerError.TIMEOUT:
            text = f"no complete answer in {timeout:.1f} s"
        if visit.credential is not None:
            # A service may echo what it was sent.
            masked, headers = visit.credential.masked, visit.credential.masked_headers(headers)
            url, text, body = masked(url), masked(text), visit.credential.masked_bytes(body)
        return Answer(
            url=url,
            status=status if error is None else None,
            headers=headers,
            body=body,
            elapsed=elapsed,
            error=error,
            error_text=text,
            kept=visit.kept(),
        )

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()
        self._adapter.close()

    def _follow(self, request: Request, visit: Visit, guard: Guard) -> tuple[Response, str]:
        """Return the response that no redirect leads on from, and its URL."""
        prepared: requests.PreparedRequest = request.prepared
        wire: Wire | None = request.wire
        for _ in range(redirects.MOST + 1):
            response = self._ask(prepared, wire, visit, guard)
            url, headers = prepared.url or "", response.headers
            if "set-cookie" in headers:
                visit.received(url, response.lines("Set-Cookie"))
            if response.status not in redirects.STATUSES or "location" not in headers:
                return response, url
            response.discard()
            prepared, wire = redirects.redirected(prepared, response.status, headers["location"]), None
            visit.redirected(prepared.url or "")
        raise Failed(AnswerError.REDIRECT, f"more than {redirects.MOST} redirects")

    def _ask(
        self, prepared: requests.PreparedRequest, wire: Wire | None, visit: Visit, guard: Guard
    ) -> Response:
        """Send a request with what the poll holds for its origin; and again when that had run out."""
        sent = visit.outgoing(prepared)
        response = self._send(sent, wire if sent is prepared else None, guard)
        if visit.credential is None:
            return response
        if response.status == 401 and visit.renew(sent):
            response.discard()
            sent = visit.outgoing(prepared)
            response = self._send(sent, None, guard)
        return self._hooked(sent, response, guard) if sent.hooks["response"] else response

    def _hooked(self, sent: requests.PreparedRequest, response: Response, guard: Guard) -> Response:
        """Show a response to an auth object that asked for it, as digest does; it may send again."""
        raw = response.raw
        # Read here, by our limits; the object may look at it.
        raw._content, raw._content_consumed = response.read(self._max_body), True  # type: ignore[union-attr]
        return Response.adapted(dispatch_hook("response", sent.hooks, raw, **self._options(sent, guard)))

    def _send(self, prepared: requests.PreparedRequest, wire: Wire | None, guard: Guard) -> Response:
        """Send once; and again on a new connection when a kept one had been closed meanwhile."""
        if self._is_plain(prepared):
            send = partial(self._send_plain, prepared, wire or Wire.of(prepared), guard)
        else:
            send = partial(self._send_adapted, prepared, guard)
        try:
            return send()
        except Exception as error:
            stale = guard.reused and not guard.expired and cut_off(error)
            if not stale or prepared.method not in _IDEMPOTENT:
                raise
            return send()

    def _is_plain(self, prepared: requests.PreparedRequest) -> bool:
        """Return whether a request takes no more than a connection: no proxy, certificate or auth object."""
        url = prepared.url or ""
        special = prepared.hooks["response"] or self._proxies.of(url) or self.keyring.certificates(url)
        return not special

    def _send_plain(self, prepared: requests.PreparedRequest, wire: Wire, guard: Guard) -> Response:
        """Send on a connection of our own, in a third of the time that an adapter takes."""
        timeout, connections = _time_left(guard), self._connections
        connection = connections.take(wire.peer)
        guard.reused = False
        try:
            if connection is None:
                connection = connections.open(wire.peer)
            else:
                connection.resume()
            sock = connection.sock
            sock.settimeout(timeout)
            user_agent = b"" if wire.names_user_agent else self._user_agent_line
            with suppress(BrokenPipeError):  # the response may tell why it was cut off
                sock.sendall(b"".join((wire.head, user_agent, b"\r\n", wire.body)))
            raw = connection.response_class(sock, method=prepared.method)
            raw.begin()
        except BaseException:
            if connection is not None:
                connection.close()
            raise

        def release(reusable: bool) -> None:
            if reusable:
                guard.watch(None)  # from now on it belongs to others
                connections.keep(wire.peer, connection)
            else:
                connection.close()

        return Response.plain(raw, release)

    def _send_adapted(self, prepared: requests.PreparedRequest, guard: Guard) -> Response:
        """Send through an adapter of `requests`."""
        options = self._options(prepared, guard)
        guard.reused = False
        prepared.headers.setdefault("User-Agent", self._user_agent)
        return Response.adapted(self._adapter.send(prepared, **options))

    def _options(self, prepared: requests.PreparedRequest, guard: Guard) -> dict[str, Any]:
        """Return how an adapter sends now: by which time, with which certificates, by which proxy."""
        url, timeout = prepared.url or "", _time_left(guard)
        proxies = self._proxies.of(url)
        if proxies and current.reach is not None:
            current.reach.behind_proxy(url)
        own = self.keyring.certificates(url)
        return {
            "stream": True,
            "timeout": (timeout, timeout),
            "verify": own.get("ca", self._ca_bundle),
            "cert": (own["cert"], own["key"]) if "key" in own else own.get("cert"),
            "proxies": proxies,
        }

    def _fetch_for_credential(self, request: Request) -> Answer:
        """Send a request that another one needs for its credential, within the time of that one."""
        return self.fetch(request, timeout=remaining_time())


def _time_left(guard: Guard) -> float:
    if guard.remaining <= 0:
        raise Failed(AnswerError.TIMEOUT, "")
    return guard.remaining


def _own_name() -> str:
    try:
        return f"pollers/{version('pollers')}"
    except PackageNotFoundError:
        return "pollers"
