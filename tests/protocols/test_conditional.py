"""Conditional requests, against a server that evaluates them as RFC 9110 section 13 says."""

from __future__ import annotations

import time
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

import pytest

from pollers import poll
from tests.endpoints import Arrival, Endpoint, Reply
from tests.protocols.conftest import Follower

RUNNING = {"status": "running"}
DONE = {"status": "done"}
UNTIL = "status == 'done'"


class Resource:
    """A resource that changes with every few requests, and its validators (section 8.8)."""

    def __init__(self, *states: Any, weak: bool = False, tagged: bool = True, age: float = 60) -> None:
        self.states = list(states)
        self.weak, self.tagged, self.age = weak, tagged, age
        #: Status of every answer.
        self.answered: list[int] = []

    def __call__(self, arrival: Arrival) -> Reply:
        """Answer a request."""
        version, body = self._now()
        headers = {"Last-Modified": formatdate(version - self.age, usegmt=True)}
        if self.tagged:
            headers["ETag"] = f'{"W/" if self.weak else ""}"v{body}"'.replace(" ", "").replace("'", "")
        unchanged = self._unchanged(arrival, headers)
        self.answered.append(304 if unchanged else 200)
        return Reply(304 if unchanged else 200, b"" if unchanged else body, headers)

    def _now(self) -> tuple[float, Any]:
        return time.time(), self.states[min(len(self.answered), len(self.states) - 1)]

    def _unchanged(self, arrival: Arrival, headers: dict[str, str]) -> bool:
        if (asked := arrival.headers.get("If-None-Match")) is not None:  # section 13.1.2: weak comparison
            tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
            return headers.get("ETag", "").removeprefix("W/") in tags
        if (since := arrival.headers.get("If-Modified-Since")) is not None:  # section 13.1.3
            return parsedate_to_datetime(headers["Last-Modified"]) <= parsedate_to_datetime(since)
        return False


class Dated(Resource):
    """Has no tags, and changed at fixed moments."""

    def __init__(self, *states: tuple[float, Any]) -> None:
        super().__init__(*states, tagged=False, age=0)

    def _now(self) -> tuple[float, Any]:
        moment, body = super()._now()[1]
        return moment, body


@pytest.mark.parametrize("weak", [False, True])
def test_an_answer_that_has_not_changed_costs_no_body(
    follow: Follower, endpoint: Endpoint, weak: bool
) -> None:
    """By its ETag, strong or weak; and what has changed is seen."""
    resource = Resource(RUNNING, RUNNING, {"status": "paused"}, RUNNING, RUNNING, RUNNING, DONE, weak=weak)
    assert follow(endpoint.script("/a", resource), until=UNTIL) == DONE
    assert resource.answered == [200, 304, 200, 200, 304, 304, 200]


def test_last_modified_serves_where_there_is_no_etag(follow: Follower, endpoint: Endpoint) -> None:
    """When it is old enough to be believed."""
    long_ago = time.time() - 60
    resource = Dated((long_ago, RUNNING), (long_ago, RUNNING), (long_ago + 30, DONE))
    assert follow(endpoint.script("/a", resource), until=UNTIL) == DONE
    assert resource.answered == [200, 304, 200]


def test_a_change_within_the_second_of_the_answer_is_seen(follow: Follower, endpoint: Endpoint) -> None:
    """A Last-Modified of this very second is no validator (section 8.8.2.2)."""
    now = time.time()
    resource = Dated((now, RUNNING), (now, RUNNING), (now, DONE))
    assert follow(endpoint.script("/a", resource), until=UNTIL) == DONE
    assert resource.answered == [200, 200, 200]


def test_the_validator_outlives_an_error(follow: Follower, endpoint: Endpoint) -> None:
    """And is not taken from a proxy's page."""
    tagged = Reply(200, RUNNING, {"ETag": '"1"'})
    page = Reply(200, b"<html>", {"ETag": '"page"'})
    url = endpoint.script("/a", tagged, Reply(503), page, Reply(304), Reply(200, DONE))
    follow(url, until=UNTIL)
    asked = [arrival.headers["If-None-Match"] for arrival in endpoint.arrivals("/a")]
    assert asked == [None, '"1"', '"1"', '"1"', '"1"']


@pytest.mark.parametrize(
    "params",
    [
        {"conditional": False},
        {"coalesce": True},
        {"method": "POST"},
        {"headers": {"If-None-Match": '"mine"'}},
        {"headers": {"Range": "bytes=0-9"}},
        {"carry": {"at": "status"}, "params": {"at": "{at}"}},
    ],
)
def test_some_polls_do_not_ask_conditionally(
    follow: Follower, endpoint: Endpoint, params: dict[str, Any]
) -> None:
    """Told not to, sharing, by a method that has no such thing, with conditions or requests of their own."""
    url = endpoint.script("/a", Reply(200, RUNNING, {"ETag": '"1"'}), Reply(200, DONE))
    follow(url, until=UNTIL, **params)
    assert endpoint.arrivals("/a")[1].headers.get("If-None-Match") in (None, '"mine"')


@pytest.mark.parametrize("tag", ["unquoted", '"' + "x" * 300 + '"', '"a"b"', 'w/"a"', '"a", "b"'])
def test_a_malformed_etag_is_none(follow: Follower, endpoint: Endpoint, tag: str) -> None:
    """Nor is one too long to keep."""
    url = endpoint.script("/a", Reply(200, RUNNING, {"ETag": tag}), Reply(200, DONE))
    follow(url, until=UNTIL)
    assert endpoint.arrivals("/a")[1].headers["If-None-Match"] is None


def test_the_validator_of_one_url_is_not_sent_to_another(follow: Follower, endpoint: Endpoint) -> None:
    """When a convention leads on."""
    endpoint.script("/b", Reply(200, DONE))
    url = endpoint.script("/a", Reply(200, RUNNING, {"ETag": '"1"'}), Reply(202, b"", {"Location": "/b"}))
    follow(url, protocol="accepted", until=UNTIL)
    assert endpoint.arrivals("/a")[1].headers["If-None-Match"] == '"1"'
    assert endpoint.arrivals("/b")[0].headers["If-None-Match"] is None


def test_the_last_value_outlives_unchanged_answers(endpoint: Endpoint) -> None:
    """Where the deadline brings success."""
    url = endpoint.script("/a", Reply(200, RUNNING, {"ETag": '"1"'}), Reply(304))
    assert poll(url, until=UNTIL, on_deadline="succeed", every=0.5, timeout=1) == RUNNING
