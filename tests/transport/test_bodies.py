"""Bodies: read up to a limit, decompressed, whatever they claim to be."""

from __future__ import annotations

import gzip
import json
import resource
import sys
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest

from pollers.answer import AnswerError
from pollers.transport import Transport
from tests.endpoints import Endpoint, RawServer, Reply
from tests.transport.wire import get, read_head, response, says

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def test_a_body_up_to_the_limit_is_read(transport: Transport, endpoint: Endpoint) -> None:
    """The limit of these tests is 10,000 bytes."""
    url = endpoint.script("/", Reply(body=b"x" * 10_000))
    assert len(transport.fetch(get(url), timeout=5).body) == 10_000


def test_a_body_over_the_limit_is_refused(transport: Transport, endpoint: Endpoint) -> None:
    """By a byte; and the next request is not disturbed by what was not read."""
    large = endpoint.script("/large", Reply(body=b"x" * 10_001))
    small = endpoint.script("/small", Reply(body=b"small"))
    answer = transport.fetch(get(large), timeout=5)
    assert answer.error is AnswerError.BODY_TOO_LARGE
    assert answer.error_text == "the body is larger than 10000 bytes"
    assert transport.fetch(get(small), timeout=5).text() == "small"


def test_an_endless_body_is_left_at_the_limit(transport: Transport) -> None:
    """Long before the time is over."""

    def endless(sock: Any) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.sendall(b"x" * 1000)

    with RawServer(endless) as server:
        answer = transport.fetch(get(server.url()), timeout=20)
    assert answer.error is AnswerError.BODY_TOO_LARGE
    assert answer.elapsed < 10


def _deflate(data: bytes) -> bytes:
    """Compress without the head that RFC 9110 asks for, as some services do."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "deflate": lambda data: zlib.compress(data, 1),
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": lambda data: zstd.compress(data, 1),
}


def test_all_codings_are_offered(transport: Transport, endpoint: Endpoint) -> None:
    """By every request."""
    transport.fetch(get(endpoint.script("/", Reply())), timeout=5)
    offered = endpoint.arrivals("/")[0].headers["Accept-Encoding"]
    assert {coding.strip() for coding in offered.split(",")} == set(CODINGS)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        *CODINGS.items(),
        ("deflate", _deflate),
        ("x-gzip", CODINGS["gzip"]),
        ("zstd, gzip", lambda data: CODINGS["gzip"](CODINGS["zstd"](data))),
    ],
)
def test_a_compressed_body_is_decompressed(
    transport: Transport, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    """As the request offers it."""
    packed = pack(b'{"ok": true}')
    with RawServer(says(response(packed, f"Content-Encoding: {coding}"))) as server:
        assert transport.fetch(get(server.url()), timeout=5).json() == {"ok": True}


@pytest.mark.parametrize("coding", CODINGS)
def test_a_compressed_bomb_is_refused(transport: Transport, coding: str) -> None:
    """A hundred megabytes in a hundred kilobytes, or less: the limit counts what comes out."""
    bomb = CODINGS[coding](b"\0" * 100_000_000)
    with RawServer(says(response(bomb, f"Content-Encoding: {coding}"))) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = transport.fetch(get(server.url()), timeout=20)
    assert answer.error is AnswerError.BODY_TOO_LARGE
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_body_that_does_not_decompress_is_malformed(transport: Transport) -> None:
    """With the reason."""
    with RawServer(says(response(b"not gzip", "Content-Encoding: gzip"))) as server:
        answer = transport.fetch(get(server.url()), timeout=5)
    assert answer.error is AnswerError.MALFORMED
    assert "decompress" in answer.error_text


def test_a_body_that_breaks_off_is_an_error(transport: Transport) -> None:
    """Half an answer is none."""
    with RawServer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")) as server:
        answer = transport.fetch(get(server.url()), timeout=5)
    assert (answer.error, answer.status, answer.body) == (AnswerError.CONNECTION, None, b"")


def test_chunks_are_joined(transport: Transport) -> None:
    """Chunked transfer coding, with an extension and a trailer."""
    chunks = b"4;x=y\r\n[1, \r\n2\r\n2]\r\n0\r\nX-Trailer: 1\r\n\r\n"
    with RawServer(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)) as server:
        assert transport.fetch(get(server.url()), timeout=5).json() == [1, 2]


def test_http_1_0_is_understood(transport: Transport) -> None:
    """A body that ends with the connection."""
    with RawServer(says(b"HTTP/1.0 200 OK\r\n\r\n[1]")) as server:
        assert transport.fetch(get(server.url()), timeout=5).json() == [1]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-8-sig"])
def test_json_is_read_whatever_the_content_type_says(
    transport: Transport, endpoint: Endpoint, charset: str
) -> None:
    """RFC 8259 wants UTF-8; not everyone does."""
    body = json.dumps({"name": "Zoë"}, ensure_ascii=False).encode(charset)
    url = endpoint.script("/", Reply(body=body, headers={"Content-Type": "text/html"}))
    assert transport.fetch(get(url), timeout=5).json() == {"name": "Zoë"}


def test_text_is_read_by_its_charset(transport: Transport, endpoint: Endpoint) -> None:
    """And as UTF-8 where that is not known."""
    for charset, body in (("latin-1", "Zoë".encode("latin-1")), ("no-such", "Zoë".encode())):
        headers = {"Content-Type": f"text/plain; charset={charset}"}
        url = endpoint.script(f"/{charset}", Reply(body=body, headers=headers))
        assert transport.fetch(get(url), timeout=5).text() == "Zoë"
