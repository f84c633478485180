"""Cookies: kept for a poll between its attempts, by origin (RFC 6265)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pollers.transport import Transport
from pollers.transport.cookies import LONGEST, MOST, header, remember
from tests.endpoints import Endpoint, Reply
from tests.transport.wire import get

NOW = 1_000_000_000.0
URL = "https://api.example.com/jobs/42"


@pytest.fixture
def elsewhere() -> Iterator[Endpoint]:
    """Return a server of another origin."""
    with Endpoint() as endpoint:
        yield endpoint


def after(*lines: str, url: str = URL, now: float = NOW) -> Any:
    """Return the cookies after one answer."""
    return remember({}, url, lines, now)


@pytest.mark.parametrize(
    ("line", "url", "sent"),
    [
        ("a=1", URL, "a=1"),
        ('a="1 2"; HttpOnly; SameSite=Lax', URL, 'a="1 2"'),
        ("a=b=c", URL, "a=b=c"),
        ("a=1; Path=/", "https://api.example.com/", "a=1"),
        ("a=1; Path=/jobs", "https://api.example.com/jobs/7/state", "a=1"),
        ("a=1; Path=/jobs", "https://api.example.com/jobsite", ""),
        ("a=1", "https://api.example.com/jobs/7", "a=1"),
        ("a=1", "https://api.example.com/other", ""),
        ("a=1; Domain=example.com", "https://www.example.com/jobs/42", ""),
        ("a=1", "https://api.example.com:8443/jobs/42", ""),
        ("a=1", "http://api.example.com/jobs/42", ""),
        ("a=1", "https://API.example.com:443/jobs/42", "a=1"),
        ("a=1; Max-Age=60", URL, "a=1"),
        ("a=1; Max-Age=0", URL, ""),
        ("a=1; Max-Age=-5", URL, ""),
        ("a=1; Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:37 GMT", URL, "a=1"),
        ("a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT", URL, ""),
        ("a=1; Expires=Sun, 06-Nov-2044 08:49:37 GMT", URL, "a=1"),
        ("a=1; Expires=never; Max-Age=long", URL, "a=1"),
        ("=1", URL, ""),
        ("no cookie", URL, ""),
        (f"a={'x' * LONGEST}", URL, ""),
    ],
)
def test_where_a_cookie_is_sent(line: str, url: str, sent: str) -> None:
    """To the origin and the path that it was set for, while it lives."""
    assert header(after(line), url, NOW) == sent


def test_a_secure_cookie_is_taken_from_https_only() -> None:
    """As browsers do."""
    assert after("a=1; Secure", url="http://api.example.com/") == {}
    assert header(after("a=1; Secure"), URL, NOW) == "a=1"


def test_a_cookie_lives_until_it_expires() -> None:
    """Also when no answer takes it back."""
    kept = after("a=1; Max-Age=60", "b=2")
    assert header(kept, URL, NOW + 59) == "a=1; b=2"
    assert header(kept, URL, NOW + 61) == "b=2"
    assert remember(kept, URL, (), NOW + 61) == {"https://api.example.com": [["b", "2", "/jobs", None]]}


def test_a_later_cookie_replaces_one_of_its_name_and_path() -> None:
    """Or removes it; another path is another cookie, and the longer path goes first."""
    kept = remember(after("a=1", "a=root; Path=/"), URL, ["a=2"], NOW)
    assert header(kept, URL, NOW) == "a=2; a=root"
    assert header(remember(kept, URL, ["a=; Max-Age=0"], NOW), URL, NOW) == "a=root"


def test_a_poll_keeps_a_bounded_number_of_cookies() -> None:
    """The last ones."""
    kept = after(*(f"c{number}=1" for number in range(100)))
    assert len(kept["https://api.example.com"]) == MOST
    assert header(kept, URL, NOW).startswith("c80=1")
    for number in range(100):
        kept = remember(kept, f"https://s{number}.example.com/", ["a=1", "b=2", "c=3"], NOW)
    assert sum(map(len, kept.values())) == MOST
    assert list(kept)[-1] == "https://s99.example.com"


def test_cookies_come_back_with_the_next_request(endpoint: Endpoint) -> None:
    """Of any worker: what is kept is plain JSON."""
    url = endpoint.script("/", Reply(headers={"Set-Cookie": "state=7; Path=/"}), Reply())
    first, second = Transport(), Transport()
    kept = json.loads(json.dumps(first.fetch(get(url), timeout=5).kept))
    answer = second.fetch(get(url), timeout=5, kept=kept)
    assert [arrival.headers["Cookie"] for arrival in endpoint.arrivals("/")] == [None, "state=7"]
    assert answer.kept == kept
    first.close(), second.close()


def test_an_answer_without_cookies_leaves_nothing(transport: Transport, endpoint: Endpoint) -> None:
    """So that most polls carry nothing."""
    assert transport.fetch(get(endpoint.script("/", Reply())), timeout=5).kept is None


def test_kept_cookies_join_those_of_the_poll(transport: Transport, endpoint: Endpoint) -> None:
    """A poll may name some in its headers."""
    url = endpoint.script("/", Reply(headers={"Set-Cookie": "a=1"}), Reply())
    request = get(url, headers={"Cookie": "own=2"})
    kept = transport.fetch(request, timeout=5).kept
    transport.fetch(request, timeout=5, kept=kept)
    assert endpoint.arrivals("/")[1].headers["Cookie"] == "own=2; a=1"


def test_cookies_of_a_redirect_are_kept_and_sent_on(
    transport: Transport, endpoint: Endpoint, elsewhere: Endpoint
) -> None:
    """To the same origin; another one gets only its own."""
    other = elsewhere.script("/there", Reply(headers={"Set-Cookie": "there=3"}))
    url = endpoint.script("/1", Reply(302, headers={"Location": "/2", "Set-Cookie": "a=1; Path=/"}))
    endpoint.script("/2", Reply(302, headers={"Location": other, "Set-Cookie": "b=2; Path=/"}))
    kept = transport.fetch(get(url), timeout=5).kept
    transport.fetch(get(url), timeout=5, kept=kept)
    assert [arrival.headers["Cookie"] for arrival in endpoint.arrivals("/2")] == ["a=1", "a=1; b=2"]
    assert [arrival.headers["Cookie"] for arrival in elsewhere.arrivals("/there")] == [None, "there=3"]


def test_cookies_outlive_an_attempt_without_an_answer(transport: Transport, endpoint: Endpoint) -> None:
    """They belong to the poll."""
    url = endpoint.script("/", Reply(headers={"Set-Cookie": "a=1"}), Reply(drop=True))
    kept = transport.fetch(get(url), timeout=5).kept
    failed = transport.fetch(get(url), timeout=5, kept=kept)
    assert (failed.status, failed.kept) == (None, kept)
