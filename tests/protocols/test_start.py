"""Operations that a poll starts before it follows them."""

from __future__ import annotations

import json

import pytest

from pollers import InvalidPoll, PollFailed, PollRejected, poll
from tests.endpoints import Endpoint, Reply
from tests.protocols.conftest import Follower

ACCEPTED = Reply(202, b"", {"Location": "/jobs/1"})


def test_the_operation_is_started_once_and_followed(follow: Follower, endpoint: Endpoint) -> None:
    """By GET, without the body."""
    endpoint.script("/jobs/1", Reply(202), Reply(200, {"n": 7}))
    url = endpoint.script("/jobs", ACCEPTED)
    assert follow(url, method="POST", json={"x": 1}, start=True, protocol="accepted", returns="n") == 7
    (started,) = endpoint.arrivals("/jobs")
    assert (started.method, json.loads(started.body)) == ("POST", {"x": 1})
    assert [(one.method, one.body) for one in endpoint.arrivals("/jobs/1")] == [("GET", b"")] * 2
    assert endpoint.arrivals("/jobs/1")[0].headers["Idempotency-Key"] is None


def test_a_start_that_must_be_repeated_keeps_its_key(follow: Follower, endpoint: Endpoint) -> None:
    """The same after errors and lost answers."""
    endpoint.script("/jobs/1", Reply(200))
    url = endpoint.script("/jobs", Reply(503), Reply(drop=True), ACCEPTED)
    follow(url, method="POST", start=True, protocol="accepted")
    first, *others = [arrival.headers["Idempotency-Key"] for arrival in endpoint.arrivals("/jobs")]
    assert first
    assert others == [first, first]


def test_a_key_of_ones_own_is_kept(follow: Follower, endpoint: Endpoint) -> None:
    """However it is written."""
    url = endpoint.script("/jobs", Reply(200))
    follow(url, method="POST", headers={"idempotency-key": "mine"}, start=True, protocol="accepted")
    assert endpoint.arrivals("/jobs")[0].headers.get_all("Idempotency-Key") == ["mine"]


def test_a_start_may_have_its_result_at_once(follow: Follower, endpoint: Endpoint) -> None:
    """As services answer that had little to do."""
    url = endpoint.script("/jobs", Reply(200, {"n": 7}))
    assert follow(url, method="POST", start=True, protocol="accepted") == {"n": 7}


def test_an_answer_that_leads_nowhere_fails(follow: Follower, endpoint: Endpoint) -> None:
    """It does not start again."""
    url = endpoint.script("/jobs", Reply(202))
    with pytest.raises(PollFailed, match="names no operation to follow"):
        follow(url, method="POST", start=True, protocol="accepted")
    assert len(endpoint.arrivals("/jobs")) == 1


@pytest.mark.parametrize("protocol", ["aip-151", "device-flow"])
def test_a_success_that_nobody_understands_starts_nothing_again(
    follow: Follower, endpoint: Endpoint, protocol: str
) -> None:
    """A page in the place of an answer may mean that the operation has begun."""
    url = endpoint.script("/jobs", Reply(200, b"<html>"))
    with pytest.raises(PollFailed, match="cannot be followed: the body is not JSON"):
        follow(url, method="POST", start=True, protocol=protocol)
    assert len(endpoint.arrivals("/jobs")) == 1


def test_a_refused_start_is_rejected(follow: Follower, endpoint: Endpoint) -> None:
    """Permanently."""
    with pytest.raises(PollRejected, match="422"):
        follow(endpoint.script("/jobs", Reply(422)), method="POST", start=True, protocol="accepted")


def test_a_start_needs_a_convention() -> None:
    """Or nobody knows where to go on."""
    with pytest.raises(InvalidPoll, match="start: needs protocol"):
        poll.delay("http://x/", method="POST", start=True)
