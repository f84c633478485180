"""The total time of a request is bounded, whatever the other side does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from pollers.answer import Answer, AnswerError
from pollers.transport import Transport
from tests.endpoints import Endpoint, RawServer, Reply
from tests.transport.wire import get, read_head

TIMEOUT = 0.4


def timed(transport: Transport, url: str) -> tuple[Answer, float]:
    """Fetch with a short timeout; return the answer and the seconds it took."""
    started = time.monotonic()
    answer = transport.fetch(get(url), timeout=TIMEOUT)
    return answer, time.monotonic() - started


def drip(sock: Any, beginning: bytes, drop: bytes) -> None:
    """Say something, and then a little ten times a second until the client goes."""
    read_head(sock)
    sock.sendall(beginning)
    sock.settimeout(0.1)
    while True:
        try:
            if not sock.recv(1):
                return
        except TimeoutError:
            sock.sendall(drop)


def silence(sock: Any) -> None:
    """Read until the client goes."""
    while sock.recv(4096):
        pass


BEHAVIOURS: dict[str, Callable[[Any], None]] = {
    "never answers": silence,
    "drips headers": lambda sock: drip(sock, b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    "drips a body with a length": lambda sock: drip(
        sock, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"x"
    ),
    "drips a body without end": lambda sock: drip(sock, b"HTTP/1.0 200 OK\r\n\r\n", b"x"),
    "drips chunks": lambda sock: drip(
        sock, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
    ),
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_an_endpoint_cannot_hold_a_request_beyond_its_time(transport: Transport, behaviour: str) -> None:
    """Each wait for bytes is short here; only the total is not."""
    with RawServer(BEHAVIOURS[behaviour]) as server:
        answer, took = timed(transport, server.url())
    assert (answer.error, answer.status) == (AnswerError.TIMEOUT, None)
    assert answer.error_text == "no complete answer in 0.4 s"
    assert TIMEOUT <= took < TIMEOUT + 1


def test_a_tls_handshake_that_hangs_is_bounded(transport: Transport) -> None:
    """The time counts from the connection on."""
    with RawServer(silence) as server:
        answer, took = timed(transport, server.url(scheme="https"))
    assert answer.error is AnswerError.TIMEOUT
    assert took < TIMEOUT + 1


def test_a_connection_that_is_not_taken_is_bounded(transport: Transport) -> None:
    """A server whose queue of connections is full answers nothing at all."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            answer, took = timed(transport, f"http://127.0.0.1:{address[1]}/")
        finally:
            for one in waiting:
                one.close()
    assert answer.error is AnswerError.TIMEOUT
    assert took < TIMEOUT + 1


def test_redirects_share_one_time(transport: Transport, endpoint: Endpoint) -> None:
    """A chain of slow redirects takes no longer than one slow answer may."""
    for number in range(5):
        endpoint.script(f"/{number}", Reply(302, headers={"Location": f"/{number + 1}"}, delay=0.15))
    answer, took = timed(transport, endpoint.url("/0"))
    assert answer.error is AnswerError.TIMEOUT
    assert took < TIMEOUT + 1


def test_a_timeout_leaves_other_requests_alone(transport: Transport, endpoint: Endpoint) -> None:
    """The socket that is shut down is the one whose time is over."""
    slow = endpoint.script("/slow", Reply(body="slow", delay=1.0))
    quick = endpoint.script("/quick", Reply(body="quick"))
    assert transport.fetch(get(quick), timeout=5).text() == "quick"
    assert timed(transport, slow)[0].error is AnswerError.TIMEOUT
    assert transport.fetch(get(slow), timeout=5).text() == "slow"
    assert transport.fetch(get(quick), timeout=5).text() == "quick"
