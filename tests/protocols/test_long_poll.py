"""Long polling, with services that do what RFC 7240 section 4.3 says, and with some that do not."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from pollers import InvalidPoll, poll
from tests.endpoints import Arrival, Endpoint, Reply
from tests.protocols.conftest import Follower

RUNNING = Reply(200, {"done": False})
DONE = Reply(200, {"done": True})


def holding(after: float, **headers: str) -> Any:
    """Return what answers after a while, if the client prefers to wait so long."""

    def answer(arrival: Arrival) -> Reply:
        preferred = re.search(r"wait=(\d+)", arrival.headers.get("Prefer", ""))
        hold = after if preferred and int(preferred[1]) >= after else 0.0
        return Reply(200, {"done": False}, headers, delay=hold)

    return answer


def test_a_service_that_waits_is_asked_again_at_once(follow: Follower, endpoint: Endpoint) -> None:
    """The request may take that much longer; its end is not the end of a cadence."""
    url = endpoint.script("/a", holding(0.6), holding(0.6), DONE)
    follow(url, until="done", long_poll="30s", every=5, request_timeout=0.3)
    assert follow.waits == [0.0, 0.0]
    assert [arrival.headers["Prefer"] for arrival in endpoint.arrivals("/a")] == ["wait=30"] * 3


def test_a_service_that_does_not_wait_is_polled_at_the_cadence(follow: Follower, endpoint: Endpoint) -> None:
    """Not in a circle without a pause."""
    follow(endpoint.script("/a", RUNNING, RUNNING, DONE), until="done", long_poll=30, every=5)
    assert follow.waits == [5.0, 5.0]


def test_news_are_followed_up_soon(follow: Follower, endpoint: Endpoint) -> None:
    """When the service says that it waits, or there is more to carry; but at pollers_min_interval."""
    said = holding(0.0, **{"Preference-Applied": "wait"})
    more = Reply(200, {"at": 7})
    url = endpoint.script("/a", said, more, more, DONE)
    follow(url, until="done", long_poll=30, every=5, params={"at": "{at}"}, carry={"at": "at"})
    assert follow.waits == [0.5, 0.5, 5.0]


def test_retry_after_and_errors_are_respected(follow: Follower, endpoint: Endpoint) -> None:
    """Held or not."""
    held = Reply(200, {"done": False}, {"Retry-After": "20"}, delay=0.6)
    follow(endpoint.script("/a", held, Reply(503, delay=0.6), DONE), until="done", long_poll=30, every=5)
    assert follow.waits == [20.0, 5.0]


def test_preferences_of_ones_own_stay(follow: Follower, endpoint: Endpoint) -> None:
    """Also where a convention leads on."""
    endpoint.script("/b", Reply(200))
    url = endpoint.script("/a", Reply(202, b"", {"Location": "/b"}))
    follow(url, headers={"prefer": "return=minimal"}, long_poll=30, protocol="accepted")
    for path in ("/a", "/b"):
        assert endpoint.arrivals(path)[0].headers["Prefer"] == "return=minimal, wait=30"


@pytest.mark.parametrize("wrong", ["0.5s", 1.5, "soon"])
def test_it_is_whole_seconds(wrong: Any) -> None:
    """As the header has them."""
    with pytest.raises(InvalidPoll, match="long_poll"):
        poll.delay("http://x/", long_poll=wrong)


def test_the_whole_time_may_be_polled_without_a_condition(endpoint: Endpoint) -> None:
    """Nothing ends the poll but its deadline, which brings success with the last answer."""
    url = endpoint.script("/a", Reply(200, {"n": 1}), Reply(200, {"n": 2}))
    began = time.monotonic()
    assert poll(url, on_deadline="succeed", every=0.5, timeout=1) == {"n": 2}
    assert time.monotonic() - began >= 0.9
