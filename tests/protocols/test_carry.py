"""`carry`, with services that need it: cursors, JSON-RPC, GraphQL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pollers import PollFailed, PollRejected
from tests.endpoints import Arrival, Endpoint, Reply
from tests.protocols.conftest import Follower


def test_a_cursor_goes_into_the_query(follow: Follower, endpoint: Endpoint) -> None:
    """Left out of the first request, as no answer has given it; kept when an answer does not."""
    first, without = Reply(200, {"next": "a&b"}), Reply(200, {})
    url = endpoint.script("/events", first, without, Reply(200, {"next": None, "done": True}))
    follow(url, params={"since": "{since}"}, carry={"since": "next"}, until="done")
    paths = [arrival.path for arrival in endpoint.arrivals("/events")]
    assert paths == ["/events", "/events?since=a%26b", "/events?since=a%26b"]


def test_values_go_into_url_and_headers(follow: Follower, endpoint: Endpoint) -> None:
    """Encoded as each wants it: nothing carried can add a path, a parameter or a header."""
    endpoint.script("/jobs/", Reply(200, {"id": "a/b?c", "mark": "x\r\nEvil: 1"}))
    endpoint.script("/jobs/a%2Fb%3Fc", Reply(200, {"done": True}))
    follow(
        endpoint.url("/jobs/{id}"),
        headers={"X-Mark": "{mark}", "X-Two": "<{mark}>"},
        carry={"id": "id", "mark": "mark"},
        until="done",
    )
    (before,), (after,) = endpoint.arrivals("/jobs/"), endpoint.arrivals("/jobs/a%2Fb%3Fc")
    assert (before.headers["X-Mark"], before.headers["X-Two"]) == (None, "<>")
    assert (after.headers["X-Mark"], after.headers["Evil"]) == ("x Evil: 1", None)


def test_json_rpc_gets_values_with_their_type(follow: Follower, endpoint: Endpoint) -> None:
    """A number stays a number; a member without a value is left out."""

    def rpc(arrival: Arrival) -> Reply:
        call = json.loads(arrival.body)
        seen = call["params"].get("since", 0)
        result = {"cursor": seen + 1, "state": "done" if seen == 2 else "running"}
        return Reply(200, {"jsonrpc": "2.0", "id": call["id"], "result": result})

    value = follow(
        endpoint.script("/rpc", rpc),
        method="POST",
        json={"jsonrpc": "2.0", "id": 1, "method": "wait", "params": {"job": 42, "since": "{cursor}"}},
        carry={"cursor": "result.cursor"},
        until="result.state == 'done'",
        returns="result.cursor",
    )
    assert value == 3


def test_graphql_braces_are_left_alone(follow: Follower, endpoint: Endpoint) -> None:
    """Only names that are carried are replaced."""
    query = "query($after: String) { jobs(after: $after) { state } }"
    url = endpoint.script("/graphql", Reply(200, {"data": {"end": "x"}}), Reply(200, {"data": {"done": 1}}))
    body = {"query": query, "variables": {"after": "{state}"}}
    follow(url, method="POST", json=body, carry={"state": "data.end"}, until="data.done")
    sent = [json.loads(arrival.body) for arrival in endpoint.arrivals("/graphql")]
    assert sent == [{"query": query, "variables": {}}, {"query": query, "variables": {"after": "x"}}]


@pytest.mark.parametrize(("data", "sent"), [("at={at}", b"at=7"), ("{at}", b"7"), ({"at": "{at}"}, b"at=7")])
def test_other_bodies_can_have_values_too(
    follow: Follower, endpoint: Endpoint, data: Any, sent: bytes
) -> None:
    """Texts and forms."""
    url = endpoint.script("/a", Reply(200, {"at": 7}), Reply(200, {"done": 1}))
    follow(url, method="POST", data=data, carry={"at": "at"}, until="done")
    assert endpoint.arrivals("/a")[1].body == sent


def test_more_than_a_record_should_hold_fails(follow: Follower, endpoint: Endpoint) -> None:
    """With what to do."""
    url = endpoint.script("/a", Reply(200, {"at": "x" * 5000}))
    with pytest.raises(PollFailed, match=r"5010 characters to carry.*select less"):
        follow(url, params={"at": "{at}"}, carry={"at": "at"}, until="done")


def test_half_a_character_is_carried_as_json_writes_it(follow: Follower, endpoint: Endpoint) -> None:
    """Escaped, as it came; where it cannot be written, the poll fails with the reason."""
    half = Reply(202, b'{"cursor":"\\ud83d"}')
    url = endpoint.script("/a", half, Reply(body=7))
    assert follow(url, method="POST", json={"from": "{cursor}"}, carry={"cursor": "cursor"}) == 7
    assert endpoint.arrivals("/a")[1].body == b'{"from": "\\ud83d"}'
    with pytest.raises(PollRejected, match=r"it cannot be requested: .*surrogates not allowed"):
        follow(endpoint.script("/b", half) + "?from={cursor}", carry={"cursor": "cursor"})
