"""Redirects: RFC 9110, section 15.4, and what must not travel along."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pollers.answer import AnswerError
from pollers.transport import Request, Transport
from pollers.transport.failures import Refused
from pollers.transport.redirects import redirected
from tests.endpoints import Endpoint, Reply
from tests.transport.wire import get, post


@pytest.fixture
def elsewhere() -> Iterator[Endpoint]:
    """Return a server of another origin."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("status", "method", "followed_by"),
    [
        *((301, "GET", "GET"), (302, "GET", "GET"), (303, "GET", "GET"), (307, "GET", "GET")),
        *((301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET")),
        *((307, "POST", "POST"), (308, "POST", "POST"), (303, "HEAD", "HEAD"), (308, "PUT", "PUT")),
        *((301, "PUT", "PUT"), (302, "PUT", "PUT"), (303, "PUT", "GET"), (302, "DELETE", "DELETE")),
    ],
)
def test_the_method_of_a_redirected_request(
    transport: Transport, endpoint: Endpoint, status: int, method: str, followed_by: str
) -> None:
    """And its body, which stays where the method does."""
    url = endpoint.script("/from", Reply(status, headers={"Location": "/to"}))
    endpoint.script("/to", Reply(body="there"))
    sends_body = method in {"POST", "PUT"}
    request = Request(method=method, url=url, json={"a": 1} if sends_body else None)
    answer = transport.fetch(request, timeout=5)
    assert (answer.status, answer.url) == (200, endpoint.url("/to"))
    [arrival] = endpoint.arrivals("/to")
    assert arrival.method == followed_by
    assert arrival.body == (b'{"a": 1}' if followed_by in {"POST", "PUT"} else b"")
    assert ("Content-Type" in arrival.headers) is (followed_by in {"POST", "PUT"})


def test_a_redirect_is_followed_anew_by_each_attempt(transport: Transport, endpoint: Endpoint) -> None:
    """The kept request stays what the poll says."""
    request = post(endpoint.script("/from", Reply(303, headers={"Location": "/to"})), json={"a": 1})
    endpoint.script("/to", Reply(body="there"))
    for _ in range(2):
        assert transport.fetch(request, timeout=5).text() == "there"
    assert [arrival.body for arrival in endpoint.arrivals("/from")] == [b'{"a": 1}'] * 2


def test_a_loop_ends(transport: Transport, endpoint: Endpoint) -> None:
    """After ten redirects."""
    url = endpoint.script("/round", Reply(302, headers={"Location": "/round"}))
    answer = transport.fetch(get(url), timeout=5)
    assert (answer.error, answer.status) == (AnswerError.REDIRECT, None)
    assert answer.error_text == "more than 10 redirects"
    assert len(endpoint.arrivals("/round")) == 11


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/file", "file:///etc/passwd", "gopher://127.0.0.1/1"])
def test_a_redirect_leads_to_http_only(transport: Transport, endpoint: Endpoint, target: str) -> None:
    """Whatever the service names."""
    url = endpoint.script("/from", Reply(302, headers={"Location": target}))
    answer = transport.fetch(get(url), timeout=5)
    assert answer.error is AnswerError.REDIRECT
    assert "which is not http" in answer.error_text


def test_a_redirect_without_a_place_is_an_answer(transport: Transport, endpoint: Endpoint) -> None:
    """300 and 304 are no redirects either."""
    for status in (300, 302, 304):
        assert transport.fetch(get(endpoint.script(f"/{status}", Reply(status))), timeout=5).status == status


def test_what_describes_the_content_goes_with_it(transport: Transport, endpoint: Endpoint) -> None:
    """RFC 9110, section 15.4: a GET that was a POST says nothing about a body."""
    url = endpoint.script("/from", Reply(303, headers={"Location": "/to"}))
    endpoint.script("/to", Reply())
    described = {"Content-Language": "en", "Content-Encoding": "identity", "X-Plain": "1"}
    transport.fetch(post(url, data="text", headers=described), timeout=5)
    [arrival] = endpoint.arrivals("/to")
    assert [name for name in arrival.headers if name.lower().startswith("content-")] == []
    assert arrival.headers["X-Plain"] == "1"


@pytest.mark.parametrize(
    ("location", "path"),
    [("to", "/a/to"), ("../to", "/to"), ("?page=2", "/a/from?page=2"), ("/zo\u00eb", "/zo%C3%AB")],
)
def test_a_place_may_be_relative(transport: Transport, endpoint: Endpoint, location: str, path: str) -> None:
    """To the URL that answered; and in UTF-8, which headers are not made for."""
    location = location.encode().decode("latin-1")
    first, then = Reply(302, headers={"Location": location}), Reply(body="there")
    endpoint.script(path.partition("?")[0], *([first, then] if "?" in path else [then]))
    url = endpoint.url("/a/from") if "?" in path else endpoint.script("/a/from", first)
    assert transport.fetch(get(url), timeout=5).url == endpoint.url(path)


@pytest.mark.parametrize("target", ["http://[broken/", "http://", "http://exa mple:x/"])
def test_a_redirect_to_what_is_no_url_is_told(transport: Transport, endpoint: Endpoint, target: str) -> None:
    """Rather than raised."""
    url = endpoint.script("/from", Reply(302, headers={"Location": target}))
    answer = transport.fetch(get(url), timeout=5)
    assert (answer.status, answer.error) == (None, AnswerError.REDIRECT)


def test_https_never_falls_back_to_http(transport: Transport, endpoint: Endpoint) -> None:
    """By a redirect, nor by a URL that the service names."""
    target = endpoint.script("/", Reply())
    secure = Request(method="GET", url="https://api.example.com/jobs/1").prepared
    with pytest.raises(Refused, match=r"https may not lead to http://127\.0\.0\.1:\d+/, which is not secure"):
        redirected(secure, 301, target)
    answer = transport.fetch(get(target, home="https://api.example.com/jobs/1"), timeout=5)
    assert (answer.error, "which is not secure" in answer.error_text) == (AnswerError.REFUSED, True)
    assert endpoint.arrivals("/") == []


SECRETS = {"Authorization": "Bearer 123", "X-Api-Key": "456", "Cookie": "session=789"}


def test_secrets_do_not_follow_to_another_origin(
    transport: Transport, endpoint: Endpoint, elsewhere: Endpoint
) -> None:
    """Neither the standard header nor a service's own; everything else does."""
    target = elsewhere.script("/to", Reply(body="there"))
    url = endpoint.script("/from", Reply(302, headers={"Location": target}))
    request = get(url, headers={**SECRETS, "X-Plain": "1"})
    assert transport.fetch(request, timeout=5).text() == "there"
    [sent], [followed] = endpoint.arrivals("/from"), elsewhere.arrivals("/to")
    assert {name: sent.headers[name] for name in SECRETS} == SECRETS
    assert [name for name in SECRETS if name in followed.headers] == []
    assert followed.headers["X-Plain"] == "1"


def test_secrets_stay_at_their_own_origin(transport: Transport, endpoint: Endpoint) -> None:
    """A redirect within it changes nothing."""
    url = endpoint.script("/from", Reply(302, headers={"Location": "/to"}))
    endpoint.script("/to", Reply())
    transport.fetch(get(url, headers=SECRETS), timeout=5)
    [followed] = endpoint.arrivals("/to")
    assert {name: followed.headers[name] for name in SECRETS} == SECRETS


def test_a_poll_s_secrets_stay_at_its_own_origin_when_a_service_names_another_url(
    transport: Transport, endpoint: Endpoint, elsewhere: Endpoint
) -> None:
    """As by ``Operation-Location``: no redirect, and led elsewhere all the same."""
    url = elsewhere.script("/to", Reply())
    transport.fetch(get(url, home=endpoint.url("/from"), headers=SECRETS | {"X-Plain": "1"}), timeout=5)
    [arrival] = elsewhere.arrivals("/to")
    assert [name for name in SECRETS if name in arrival.headers] == []
    assert arrival.headers["X-Plain"] == "1"
