"""The response to one request: its head, and a body that is read once, up to a limit."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

_CHUNK = 65_536


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it comes in."""

    url: str
    status: int
    #: Repeated headers are joined by commas (RFC 9110, section 5.3).
    headers: CaseInsensitiveDict[str]
    #: Reads the body as it is sent, or, from urllib3, decompressed.
    raw: http.client.HTTPResponse | urllib3.BaseHTTPResponse
    #: Ends the use of the connection; called with whether another request may follow on it.
    release: Callable[[bool], None]

    @classmethod
    def plain(cls, url: str, raw: http.client.HTTPResponse, release: Callable[[bool], None]) -> Response:
        """Return the response that the standard library reads from a connection."""
        return cls(url, raw.status, merged(raw.headers.items()), raw, release)

    @classmethod
    def adapted(cls, response: requests.Response) -> Response:
        """Return the response that an adapter of `requests` has got."""
        raw = response.raw
        release = lambda reusable: raw.release_conn() if reusable else raw.close()  # noqa: E731
        return cls(response.url, response.status_code, CaseInsensitiveDict(response.headers), raw, release)

    def read(self, limit: int) -> bytes:
        """Read the body, decompressed, and release the connection.

        Raises:
            BodyTooLarge: It has more than ``limit`` bytes.
            Exception: What http.client and urllib3 raise when a body breaks off, or cannot be decompressed.

        """
        raw, reusable = self.raw, False
        try:
            if isinstance(raw, http.client.HTTPResponse) and "Content-Encoding" not in self.headers:
                body = raw.read(limit + 1)
                if raw.length and len(body) <= limit:
                    raise http.client.IncompleteRead(body, raw.length)
            else:
                body = self._decompressed(limit)
            if len(body) > limit:
                raise BodyTooLarge
            reusable = not isinstance(raw, http.client.HTTPResponse) or (
                raw.isclosed() and not raw.will_close
            )
            return body
        finally:
            self.release(reusable)

    def discard(self) -> None:
        """Read on only as far as it is cheaper than another connection."""
        with contextlib.suppress(Exception):
            self.read(_CHUNK)

    def described(self) -> requests.Response:
        """Return it as `requests` describes a response, without its body."""
        described = requests.Response()
        described.url, described.status_code, described.headers = self.url, self.status, self.headers
        return described

    def _decompressed(self, limit: int) -> bytes:
        raw = self.raw
        if isinstance(raw, http.client.HTTPResponse):
            raw = urllib3.HTTPResponse(raw, headers=self.headers, preload_content=False)
        chunks, size = [], 0
        while size <= limit and (chunk := raw.read(_CHUNK, decode_content=True)):
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)


def merged(items: Iterable[tuple[str, str]]) -> CaseInsensitiveDict[str]:
    """Return headers by name, those that came more than once joined."""
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, value in items:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
