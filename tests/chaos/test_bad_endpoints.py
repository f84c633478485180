"""Endpoints that misbehave in every way end their own polls, and hold up nobody else's."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest
import trustme

from pollers import PollEnded
from tests.chaos.world import World
from tests.conftest import free_port
from tests.endpoints import RawServer
from tests.transport.test_failures import TLSServer
from tests.transport.test_total_time import BEHAVIOURS
from tests.transport.wire import read_head, response, says

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]


#: Seconds that a request to an endpoint takes which does not answer.
HANG = 3.0


def endless(sock: Any) -> None:
    """Send a body that does not end."""
    read_head(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        sock.sendall(b"x" * 10_000)


def reset(sock: Any) -> None:
    """Reset the connection in place of an answer."""
    read_head(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


#: How an endpoint behaves, and what its poll ends with.
BAD: dict[str, tuple[Callable[[Any], None], str]] = {
    **{name: (handle, "no complete answer") for name, handle in BEHAVIOURS.items()},
    "resets the connection": (reset, "reset"),
    "hangs up": (read_head, "closed without an answer"),
    "speaks another protocol": (says(b"SSH-2.0-OpenSSH\r\n"), "not HTTP"),
    "sends an endless body": (endless, "larger than"),
    "sends a bomb": (
        says(response(gzip.compress(b"\0" * 50_000_000), "Content-Encoding: gzip")),
        "larger than",
    ),
    "says gzip and sends none": (says(response(b"plain", "Content-Encoding: gzip")), "decompress"),
    "sends a page": (says(response(b"<html>", "Content-Type: application/json")), "not JSON"),
    "says another charset than it has": (
        says(response('{"done": "sí"}'.encode("latin-1"), "Content-Type: application/json; charset=utf-8")),
        "not JSON",
    ),
    "redirects to itself": (
        says(response(b"", "Location: /", "Connection: close", status="302 Found")),
        "redirects",
    ),
}


def test_bad_endpoints_hold_up_nobody(world: World) -> None:
    """Ten polls of each of them, and a hundred of good ones, on one worker."""
    world.start_worker("w1", POLLERS_CONCURRENCY="200")
    task = world.client.tasks["pollers.poll"]
    parameters = {"until": "done", "every": 0.5, "timeout": 15.0, "request_timeout": HANG, "max_errors": 2}
    with ExitStack() as servers:
        urls = {name: servers.enter_context(RawServer(handle)).url() for name, (handle, _) in BAD.items()}
        expected = {name: sentence for name, (_, sentence) in BAD.items()}
        urls["refuses"], expected["refuses"] = f"http://127.0.0.1:{free_port()}/", "refused"
        tls = servers.enter_context(RawServer(TLSServer(trustme.CA(), "127.0.0.1")))
        urls["has a bad certificate"], expected["has a bad certificate"] = tls.url(scheme="https"), "TLS"
        bad = [(name, task.delay(url, **parameters)) for name, url in urls.items() for _ in range(10)]
        old = servers.enter_context(RawServer(says(response(b'{"done": true}', version="1.0"))))
        old_ones = [task.delay(old.url(), **parameters) for _ in range(10)]
        world.submit(100, attempts=8)
        for name in world.results:
            assert world.results[name].get(timeout=30) == name
        assert [result.get(timeout=30) for result in old_ones] == [{"done": True}] * 10
        for name, result in bad:
            with pytest.raises(PollEnded) as ended:
                result.get(timeout=30)
            assert expected[name] in str(ended.value), name
    gaps = [
        later.at - earlier.at
        for name in world.results
        for earlier, later in pairwise(world.endpoint.arrivals(name))
    ]
    # The cadence is 0.5 s; no attempt of a good endpoint waits for the end of a bad one's.
    assert sorted(gaps)[int(0.95 * len(gaps))] < 0.5 + HANG / 2
    assert world.deaths == []
