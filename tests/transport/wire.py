"""Requests for the tests of the transport, and answers as they are on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pollers.answer import Answer
from pollers.transport import Request, Transport

#: Puts a credential's fields into the environment, by the name ``x``.
Hold = Callable[..., None]


def get(url: str, **fields: Any) -> Request:
    """Return a GET of a URL."""
    return Request(method="GET", url=url, **fields)


def post(url: str, **fields: Any) -> Request:
    """Return a POST to a URL."""
    return Request(method="POST", url=url, **fields)


def signed(transport: Transport, url: str, **fields: Any) -> Answer:
    """Fetch a URL with the credential ``x``."""
    return transport.fetch(get(url, auth="x", **fields), timeout=5)


def response(body: bytes = b"{}", *headers: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    """Return a response with its length, as it is sent."""
    lines = [f"HTTP/{version} {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_head(sock: Any) -> bytes:
    """Read a request up to the end of its headers; empty when the client has gone."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(4096)
        if not part:
            return b""
        head += part
    return head


def says(answer: bytes) -> Callable[[Any], None]:
    """Return a handler for `RawServer` that reads a request, says this, and hangs up."""

    def handle(sock: Any) -> None:
        read_head(sock)
        sock.sendall(answer)

    return handle
