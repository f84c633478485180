"""Connections are kept for each origin, shared by all threads, and replaced when they are stale."""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pollers.answer import AnswerError
from pollers.transport import Transport
from tests.endpoints import Endpoint, RawServer, Reply
from tests.transport.wire import get, post, read_head, response


def test_a_connection_serves_one_request_after_another(transport: Transport, endpoint: Endpoint) -> None:
    """Also when polls differ, as long as their origin is the same."""
    for path in ("/a", "/b", "/a"):
        endpoint.script(path, Reply(body={"path": path}))
        assert transport.fetch(get(endpoint.url(path)), timeout=5).json() == {"path": path}
    clients = {arrival.client for path in ("/a", "/b") for arrival in endpoint.arrivals(path)}
    assert len(clients) == 1


def test_a_connection_is_reused_after_an_answer_without_body(
    transport: Transport, endpoint: Endpoint
) -> None:
    """204 and 304 leave it usable, as every answer does."""
    for status in (204, 304, 200):
        url = endpoint.script(f"/{status}", Reply(status))
        assert transport.fetch(get(url), timeout=5).status == status
    assert len({endpoint.arrivals(f"/{status}")[0].client for status in (204, 304, 200)}) == 1


def test_many_threads_share_one_transport(transport: Transport, endpoint: Endpoint) -> None:
    """Each gets the answer to its own request, over no more connections than there are threads."""
    for number in range(300):
        endpoint.script(f"/{number}", Reply(body=number))
    requests = [get(endpoint.url(f"/{number}")) for number in range(300)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda request: transport.fetch(request, timeout=10), requests))
    assert [answer.json() for answer in answers] == list(range(300))
    clients = {endpoint.arrivals(f"/{number}")[0].client for number in range(300)}
    assert len(clients) <= 50


def test_one_request_can_be_sent_by_many_threads(transport: Transport, endpoint: Endpoint) -> None:
    """A request is prepared once and shared by the attempts of its poll."""
    request = get(endpoint.script("/", Reply(body="ok")), headers={"X-Own": "1"})
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: transport.fetch(request, timeout=10), range(100)))
    assert {answer.text() for answer in answers} == {"ok"}
    assert {arrival.headers["X-Own"] for arrival in endpoint.arrivals("/")} == {"1"}


def test_a_stale_connection_is_replaced(transport: Transport) -> None:
    """A kept connection that the server has closed meanwhile costs no attempt."""
    connections = 0

    def once(sock: Any) -> None:
        nonlocal connections
        connections += 1
        read_head(sock)
        sock.sendall(response(b"1"))

    with RawServer(once) as server:
        for _ in range(3):
            assert transport.fetch(get(server.url()), timeout=5).json() == 1
    assert connections == 3


def test_a_connection_that_breaks_upon_a_post_is_not_tried_again(transport: Transport) -> None:
    """Nobody knows whether the service has acted on it (RFC 9110, section 9.2.2)."""
    heads: list[bytes] = []
    lock = threading.Lock()

    def twice(sock: Any) -> None:
        # Answers the first request on a connection, reads a second one, and hangs up.
        for answered in (True, False):
            head = read_head(sock)
            if not head:
                return
            with lock:
                heads.append(head)
            if answered:
                sock.sendall(response(b"1"))

    with RawServer(twice) as server:
        assert transport.fetch(post(server.url()), timeout=5).status == 200
        broken = transport.fetch(post(server.url()), timeout=5)
        assert broken.error is AnswerError.CONNECTION
        assert len(heads) == 2
        assert transport.fetch(get(server.url()), timeout=5).status == 200
        # The same with a GET: sent on the kept connection, then on a new one.
        assert transport.fetch(get(server.url()), timeout=5).status == 200
    assert len(heads) == 5


def test_a_forked_child_has_its_own_connections_and_watchdog(endpoint: Endpoint) -> None:
    """A prefork worker's child makes a new transport; nothing of the parent's holds it up."""
    url = endpoint.script("/", Reply(body="ok"))
    parent = Transport()
    assert parent.fetch(get(url), timeout=5).status == 200
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = get(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        child = os.fork()
        if child == 0:
            mine = Transport()
            fine = mine.fetch(get(url), timeout=5).status == 200
            timed_out = mine.fetch(hanging, timeout=0.3).error is AnswerError.TIMEOUT
            os._exit(0 if fine and timed_out else 1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert parent.fetch(get(url), timeout=5).status == 200
    parent.close()
    assert len({arrival.client for arrival in endpoint.arrivals("/")}) == 2
