"""``"accepted"``, against a server that does what RFC 9110 sections 15.3.3 and 15.4.4 say."""

from __future__ import annotations

import pytest

from pollers import PollFailed, PollRejected
from tests.endpoints import Endpoint, Reply
from tests.protocols.conftest import Follower


def test_the_location_of_a_202_is_asked_next(follow: Follower, endpoint: Endpoint) -> None:
    """Absolute or relative, and another with each answer, as long as it is 202."""
    endpoint.script("/jobs/1/b", Reply(202, headers={"Location": endpoint.url("/jobs/1/c")}))
    endpoint.script("/jobs/1/c", Reply(202), Reply(200, {"n": 7}))
    url = endpoint.script("/jobs/1", Reply(202, headers={"Location": "1/b"}))
    assert follow(url, protocol="accepted", returns="n") == 7
    paths = ("/jobs/1", "/jobs/1/b", "/jobs/1/c")
    assert [len(endpoint.arrivals(path)) for path in paths] == [1, 1, 2]


def test_a_location_that_nobody_can_ask_is_none(follow: Follower, endpoint: Endpoint) -> None:
    """The same URL is asked again."""
    pending = Reply(202, headers={"Location": "http://127.0.0.1:99999/x"})
    assert follow(endpoint.script("/a", pending, Reply(body=7)), protocol="accepted") == 7


def test_retry_after_is_obeyed_on_every_202(follow: Follower, endpoint: Endpoint) -> None:
    """Seconds here; the cadence where there is none."""
    url = endpoint.script("/a", Reply(202, headers={"Retry-After": "30"}), Reply(202), Reply(204))
    assert follow(url, protocol="accepted", every=5) == ""
    assert follow.waits == [30.0, 5.0]


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_is_the_result(follow: Follower, endpoint: Endpoint, status: int) -> None:
    """Also 201 with a Location, which is where the created resource is."""
    url = endpoint.script("/a", Reply(202), Reply(status, b"", {"Location": "/made"}))
    assert follow(url, protocol="accepted") == ""
    assert endpoint.arrivals("/made") == []


def test_see_other_leads_to_the_result(follow: Follower, endpoint: Endpoint) -> None:
    """By GET, at once."""
    endpoint.script("/result", Reply(200, {"n": 7}))
    url = endpoint.script("/a", Reply(202), Reply(303, headers={"Location": "/result"}))
    assert follow(url, protocol="accepted") == {"n": 7}
    assert [arrival.method for arrival in endpoint.arrivals("/result")] == ["GET"]


def test_conditions_decide_where_the_service_says_200_all_along(follow: Follower, endpoint: Endpoint) -> None:
    """The Location is followed, and the state is in the body there."""
    endpoint.becomes("/jobs/1", {"status": "done"}, after=2)
    url = endpoint.script("/jobs", Reply(201, headers={"Location": "/jobs/1"}))
    assert follow(url, protocol="accepted", until="status == 'done'") == {"status": "done"}
    endpoint.script("/jobs/1", Reply(200, {"status": "broken"}))
    with pytest.raises(PollFailed, match="broken"):
        follow(url, protocol="accepted", until="status == 'done'", fail_when="status == 'broken'")


def test_an_operation_that_is_gone_is_rejected(follow: Follower, endpoint: Endpoint) -> None:
    """As any permanent answer is."""
    url = endpoint.script("/a", Reply(202), Reply(410))
    with pytest.raises(PollRejected, match="410"):
        follow(url, protocol="accepted")


def test_secrets_do_not_follow_to_another_origin(follow: Follower, endpoint: Endpoint) -> None:
    """Other headers do; to the same origin all do, but for those of the body."""
    headers = {"Authorization": "Bearer hush", "X-Trace": "t", "Content-Type": "text/plain"}
    with Endpoint() as elsewhere:
        elsewhere.script("/c", Reply(200))
        endpoint.script("/b", Reply(202, headers={"Location": elsewhere.url("/c")}))
        url = endpoint.script("/a", Reply(202, headers={"Location": "/b"}))
        follow(url, method="POST", data="x", headers=headers, protocol="accepted")
        assert [arrival.headers["Authorization"] for arrival in endpoint.arrivals("/b")] == ["Bearer hush"]
        (arrival,) = elsewhere.arrivals("/c")
    assert (arrival.method, arrival.body) == ("GET", b"")
    assert arrival.headers["Authorization"] is None
    assert (arrival.headers["X-Trace"], arrival.headers["Content-Type"]) == ("t", None)


def test_parameters_can_be_asked_to_stay(follow: Follower, endpoint: Endpoint) -> None:
    """From the URL or from `params`, unless the followed URL has its own."""
    endpoint.script("/b", Reply(202, headers={"Location": "/c?api-version=2"}))
    endpoint.script("/c", Reply(200))
    url = endpoint.script("/a", Reply(202, headers={"Location": "/b?x=1"}))
    follow(
        url + "?api-version=1&y=2",
        params={"tenant": "t"},
        protocol="accepted",
        keep_params=["api-version", "tenant"],
    )
    assert [arrival.path for arrival in endpoint.arrivals("/b")] == ["/b?x=1&api-version=1&tenant=t"]
    assert [arrival.path for arrival in endpoint.arrivals("/c")] == ["/c?api-version=2&tenant=t"]
