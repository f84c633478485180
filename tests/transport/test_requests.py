"""What is sent: method, query, headers, body, and by which way."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pollers.transport import Request, Transport
from tests.endpoints import Arrival, Endpoint, RawServer, Reply
from tests.transport.wire import get, post, read_head, response


def sent(transport: Transport, endpoint: Endpoint, **fields: Any) -> Arrival:
    """Send a request and return it as it arrived."""
    method, path = fields.pop("method", "GET"), fields.pop("path", "/")
    endpoint.script("/", Reply())
    assert transport.fetch(Request(method=method, url=endpoint.url(path), **fields), timeout=5).status == 200
    return endpoint.arrivals("/")[-1]


def test_parameters_join_those_of_the_url(transport: Transport, endpoint: Endpoint) -> None:
    """Lists are repeated, text is quoted."""
    arrival = sent(transport, endpoint, path="/?a=1", params={"b": ["2", "3"], "c": "x y&z"})
    query = parse_qs(urlsplit(arrival.path).query)
    assert query == {"a": ["1"], "b": ["2", "3"], "c": ["x y&z"]}


@pytest.mark.parametrize(
    ("fields", "content_type", "body"),
    [
        ({"json": {"a": [1, None]}}, "application/json", b'{"a": [1, null]}'),
        ({"data": {"grant_type": "x y"}}, "application/x-www-form-urlencoded", b"grant_type=x+y"),
        ({"data": "Zoë"}, None, "Zoë".encode()),
        ({"data": "<a/>", "headers": {"Content-Type": "text/xml"}}, "text/xml", b"<a/>"),
    ],
)
def test_a_body_is_sent_as_it_was_given(
    transport: Transport, endpoint: Endpoint, fields: Any, content_type: str | None, body: bytes
) -> None:
    """JSON, a form, or text, with the type that goes with it."""
    arrival = sent(transport, endpoint, method="POST", **fields)
    assert (arrival.headers["Content-Type"], arrival.body) == (content_type, body)


def test_requests_say_who_sends_them(endpoint: Endpoint) -> None:
    """By default with the version; by setting; or as the poll says."""
    for setting, headers, expected in (
        ("", {}, "pollers/"),
        ("fleet/7", {}, "fleet/7"),
        ("fleet/7", {"user-agent": "own"}, "own"),
    ):
        transport = Transport(user_agent=setting)
        assert sent(transport, endpoint, headers=headers).headers["User-Agent"].startswith(expected)
        transport.close()


def test_a_head_has_no_body(transport: Transport, endpoint: Endpoint) -> None:
    """Its headers are the answer."""
    url = endpoint.script("/", Reply(body="body", headers={"X-State": "done"}))
    answer = transport.fetch(Request(method="HEAD", url=url), timeout=5)
    assert (answer.status, answer.body, answer.headers["x-state"]) == (200, b"", "done")


class Proxy:
    """A forward proxy that answers by itself, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, sock: Any) -> None:
        while head := read_head(sock):
            self.asked.append(head.split(b"\r\n")[0].decode())
            sock.sendall(response(b'"by proxy"'))


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by requests itself."""
    proxy = Proxy()
    with RawServer(proxy) as server:
        monkeypatch.setenv("http_proxy", server.url())
        transport = Transport()
        answer = transport.fetch(get("http://service.example/jobs/1"), timeout=5)
        transport.close()
    assert answer.json() == "by proxy"
    assert proxy.asked == ["GET http://service.example/jobs/1 HTTP/1.1"]


def test_no_proxy_is_obeyed(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    """Hosts that it names are asked directly."""
    proxy = Proxy()
    url = endpoint.script("/", Reply(body="direct"))
    with RawServer(proxy) as server:
        monkeypatch.setenv("http_proxy", server.url())
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        transport = Transport()
        answer = transport.fetch(get(url), timeout=5)
        transport.close()
    assert (answer.text(), proxy.asked) == ("direct", [])


def test_a_body_is_sent_again_by_the_next_attempt(transport: Transport, endpoint: Endpoint) -> None:
    """A request is prepared once, and sent often."""
    request = post(endpoint.script("/", Reply()), data="text")
    for _ in range(3):
        assert transport.fetch(request, timeout=5).status == 200
    assert [arrival.body for arrival in endpoint.arrivals("/")] == [b"text"] * 3
