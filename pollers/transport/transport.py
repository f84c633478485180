"""`Transport`: sends requests and returns answers, and never lets the network raise."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import requests
from requests.hooks import dispatch_hook
from requests.structures import CaseInsensitiveDict

from pollers.answer import Answer, AnswerError
from pollers.settings import Settings
from pollers.transport import redirects
from pollers.transport.connections import WatchedAdapter, current, remaining_time
from pollers.transport.credentials import Keyring
from pollers.transport.failures import Failed, cut_off, explain
from pollers.transport.proxies import Proxies
from pollers.transport.reach import Rules
from pollers.transport.request import Request
from pollers.transport.visit import Visit
from pollers.transport.watchdog import Guard, Watchdog

#: Origins whose connections are kept, and idle connections kept for each.
POOLED_ORIGINS = 256
POOLED_CONNECTIONS = 64
_CHUNK = 65_536
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
        self._adapter = WatchedAdapter(POOLED_ORIGINS, POOLED_CONNECTIONS, max_retries=0)
        self._watchdog = Watchdog()
        self._proxies = Proxies(proxy)
        self.keyring = Keyring(credentials_file, self._fetch_for_credential)
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._verify: bool | str = bundle or True

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
        headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        try:
            if not request.at_home:
                redirects.check_security(request.home, request.url)
            if request.auth:
                visit.find_credential(self.keyring, request.auth)
            response, url = self._follow(request.prepared, visit, guard)
            status = response.status_code
            headers = response.headers
            body = self._body(response, guard)
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
        self._adapter.close()

    def _follow(
        self, prepared: requests.PreparedRequest, visit: Visit, guard: Guard
    ) -> tuple[requests.Response, str]:
        """Return the response that no redirect leads on from, and its URL."""
        if prepared.headers.get("User-Agent", "").startswith("python-requests/"):
            prepared.headers["User-Agent"] = self._user_agent
        for _ in range(redirects.MOST + 1):
            response = self._ask(prepared, visit, guard)
            url, headers = prepared.url or "", response.headers
            if "set-cookie" in headers:
                visit.received(url, response)
            if response.status_code not in redirects.STATUSES or "location" not in headers:
                return response, url
            response.close()
            prepared = redirects.redirected(prepared, response.status_code, headers["location"])
            visit.redirected(prepared.url or "")
        raise Failed(AnswerError.REDIRECT, f"more than {redirects.MOST} redirects")

    def _ask(self, prepared: requests.PreparedRequest, visit: Visit, guard: Guard) -> requests.Response:
        """Send a request with what the poll holds for its origin; and again when that had run out."""
        sent = visit.outgoing(prepared)
        response = self._send(sent, guard)
        if visit.credential is None:
            return response
        if response.status_code == 401 and visit.renew(sent):
            response.close()
            sent = visit.outgoing(prepared)
            response = self._send(sent, guard)
        return self._hooked(sent, response, guard) if sent.hooks["response"] else response

    def _hooked(
        self, sent: requests.PreparedRequest, response: requests.Response, guard: Guard
    ) -> requests.Response:
        """Show a response to an auth object that asked for it, as digest does; it may send again."""
        # Read here, by our limits; the object may look at it.
        response._content, response._content_consumed = self._read(response, guard), True  # type: ignore[attr-defined]
        shown: requests.Response = dispatch_hook(
            "response", sent.hooks, response, **self._options(sent, guard)
        )
        return shown

    def _body(self, response: requests.Response, guard: Guard) -> bytes:
        return response.content if response._content_consumed else self._read(response, guard)  # type: ignore[attr-defined]

    def _send(self, prepared: requests.PreparedRequest, guard: Guard) -> requests.Response:
        """Send once; and again on a new connection when a kept one had been closed meanwhile."""
        try:
            return self._send_once(prepared, guard)
        except requests.ConnectionError as error:
            stale = guard.reused and not guard.expired and cut_off(error)
            if not stale or prepared.method not in _IDEMPOTENT:
                raise
            return self._send_once(prepared, guard)

    def _send_once(self, prepared: requests.PreparedRequest, guard: Guard) -> requests.Response:
        options = self._options(prepared, guard)
        guard.reused = False
        return self._adapter.send(prepared, **options)

    def _options(self, prepared: requests.PreparedRequest, guard: Guard) -> dict[str, Any]:
        """Return how a request is sent now: by which time, with which certificates, by which proxy."""
        url, remaining = prepared.url or "", guard.remaining
        if remaining <= 0:
            raise Failed(AnswerError.TIMEOUT, "")
        proxies = self._proxies.of(url)
        if proxies and current.reach is not None:
            current.reach.behind_proxy(url)
        own = self.keyring.certificates(url)
        return {
            "stream": True,
            "timeout": (remaining, remaining),
            "verify": own.get("ca", self._verify),
            "cert": (own["cert"], own["key"]) if "key" in own else own.get("cert"),
            "proxies": proxies,
        }

    def _fetch_for_credential(self, request: Request) -> Answer:
        """Send a request that another one needs for its credential, within the time of that one."""
        return self.fetch(request, timeout=remaining_time())

    def _read(self, response: requests.Response, guard: Guard) -> bytes:
        """Read the body, decompressed, up to the limit."""
        raw, chunks, size = response.raw, [], 0
        while chunk := raw.read(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > self._max_body:
                raw.close()
                raise Failed(AnswerError.BODY_TOO_LARGE, f"the body is larger than {self._max_body} bytes")
            if guard.expired:
                raise Failed(AnswerError.TIMEOUT, "")
            chunks.append(chunk)
        raw.release_conn()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _own_name() -> str:
    try:
        return f"pollers/{version('pollers')}"
    except PackageNotFoundError:
        return "pollers"
