"""The response to one request: its head, and a body that is read once, up to a limit."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable
from dataclasses import dataclass

import requests
import urllib3

from pollers.answer import AnswerError
from pollers.transport.failures import Failed
from pollers.transport.headers import Headers

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it comes in."""

    status: int
    headers: Headers
    #: From the standard library, or from an adapter of `requests`.
    raw: http.client.HTTPResponse | requests.Response
    #: Ends the use of the connection; called with whether another request may follow on it.
    release: Callable[[bool], None]

    @classmethod
    def plain(cls, raw: http.client.HTTPResponse, release: Callable[[bool], None]) -> Response:
        """Return the response that the standard library reads from a connection."""
        return cls(raw.status, Headers(raw.headers.items()), raw, release)

    @classmethod
    def adapted(cls, raw: requests.Response) -> Response:
        """Return the response that an adapter of `requests` has got."""

        def release(reusable: bool) -> None:
            if reusable:
                raw.raw.release_conn()
            else:
                raw.raw.close()

        return cls(raw.status_code, Headers(raw.headers.items()), raw, release)

    def lines(self, name: str) -> list[str]:
        """Return the values of a header, one for each time that it came."""
        if isinstance(self.raw, requests.Response):
            values: list[str] = self.raw.raw.headers.getlist(name)
            return values
        return self.raw.headers.get_all(name) or []

    def read(self, limit: int) -> bytes:
        """Read the body, decompressed, and release the connection.

        Raises:
            Failed: It has more than ``limit`` bytes.
            Exception: What http.client and urllib3 raise when a body breaks off, or cannot be decompressed.

        """
        reusable = False
        try:
            body = self._body(limit)
            if len(body) > limit:
                raise Failed(AnswerError.BODY_TOO_LARGE, f"the body is larger than {limit} bytes")
            reusable = isinstance(self.raw, requests.Response) or (
                self.raw.isclosed() and not self.raw.will_close
            )
            return body
        finally:
            self.release(reusable)

    def discard(self) -> None:
        """Read on only as far as it is cheaper than another connection."""
        with contextlib.suppress(Exception):
            self.read(_CHUNK)

    def _body(self, limit: int) -> bytes:
        raw = self.raw
        if isinstance(raw, requests.Response):
            # An auth object may have looked at the body, and so read it.
            return raw.content if raw._content_consumed else _decompressed(raw.raw, limit)  # type: ignore[attr-defined]
        if "Content-Encoding" in self.headers:
            encoded = urllib3.HTTPResponse(raw, headers=self.headers, preload_content=False)
            return _decompressed(encoded, limit)
        body = raw.read(limit + 1)
        if raw.length and len(body) <= limit:
            raise http.client.IncompleteRead(body, raw.length)
        return body


def _decompressed(raw: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    chunks, size = [], 0
    while size <= limit and (chunk := raw.read(_CHUNK, decode_content=True)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)
