"""What goes wrong on the way becomes an answer that says so, never an exception."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from typing import Any

import pytest
import trustme

from pollers.answer import AnswerError
from pollers.transport import Transport
from tests.conftest import free_port
from tests.endpoints import RawServer
from tests.transport.wire import get, read_head, response, says


def test_a_refused_connection(transport: Transport) -> None:
    """Nobody listens."""
    answer = transport.fetch(get(f"http://127.0.0.1:{free_port()}/"), timeout=5)
    assert (answer.error, answer.status) == (AnswerError.CONNECTION, None)
    assert "refused" in answer.error_text


def test_an_unknown_host(transport: Transport) -> None:
    """The name is reserved for having no address (RFC 6761)."""
    answer = transport.fetch(get("http://no-such-host.invalid/"), timeout=10)
    assert answer.error is AnswerError.DNS
    assert answer.error_text.startswith("the host name is unknown: ")


def test_a_connection_closed_without_an_answer(transport: Transport) -> None:
    """As an overloaded service does."""
    with RawServer(read_head) as server:
        answer = transport.fetch(get(server.url()), timeout=5)
    assert answer.error is AnswerError.CONNECTION
    assert answer.error_text == "the connection was closed without an answer"


def test_a_connection_that_is_reset(transport: Transport) -> None:
    """In the middle of the headers."""

    def reset(sock: Any) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 O")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    with RawServer(reset) as server:
        answer = transport.fetch(get(server.url()), timeout=5)
    assert answer.error is AnswerError.CONNECTION


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + b"X: y\r\n" * 200 + b"\r\nabc",
        b"\0" * 100_000,
    ],
    ids=["another protocol", "a status that is none", "too many headers", "an endless line"],
)
def test_an_answer_that_is_not_http(transport: Transport, said: bytes) -> None:
    """Whatever it is, the transport says that it is not HTTP."""
    with RawServer(says(said)) as server:
        answer = transport.fetch(get(server.url()), timeout=5)
    assert answer.error is AnswerError.MALFORMED
    assert answer.status is None


class TLSServer:
    """A server with a certificate of a test's own authority."""

    def __init__(self, authority: trustme.CA, name: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)

    def __call__(self, sock: socket.socket) -> None:
        with self._context.wrap_socket(sock, server_side=True) as secure:
            while read_head(secure):
                secure.sendall(response(b"1"))


def test_a_certificate_that_nobody_vouches_for(transport: Transport) -> None:
    """Is no reason to try again."""
    with RawServer(TLSServer(trustme.CA(), "127.0.0.1")) as server:
        answer = transport.fetch(get(server.url(scheme="https")), timeout=5)
    assert answer.error is AnswerError.TLS
    assert answer.error_text.startswith("TLS failed: ")
    assert "certificate verify failed" in answer.error_text


def test_a_certificate_of_another_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Is as good as none."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    transport = Transport()
    with RawServer(TLSServer(authority, "elsewhere.example")) as server:
        answer = transport.fetch(get(server.url(scheme="https")), timeout=5)
    transport.close()
    assert answer.error is AnswerError.TLS


def test_an_authority_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Named as for requests; the connection is kept like any."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    transport = Transport()
    handshakes: list[int] = []
    serve = TLSServer(authority, "127.0.0.1")

    def counted(sock: socket.socket) -> None:
        handshakes.append(threading.get_ident())
        serve(sock)

    with RawServer(counted) as server:
        answers = [transport.fetch(get(server.url(scheme="https")), timeout=5) for _ in range(3)]
        transport.close()
    assert [answer.json() for answer in answers] == [1, 1, 1]
    assert len(handshakes) == 1
