"""What real services do that no convention covers, and how a poll says it."""

from __future__ import annotations

from typing import Any

import pytest

from pollers import Match, PollRejected
from tests.endpoints import Endpoint, Reply
from tests.protocols.conftest import Follower


def test_the_state_may_be_in_a_header_of_a_head_answer(follow: Follower, endpoint: Endpoint) -> None:
    """Which has no body."""
    url = endpoint.script("/a", Reply(headers={"X-State": "busy"}), Reply(headers={"X-State": "done"}))
    follow(url, method="HEAD", until=Match(header={"X-State": "^done$"}))
    assert [arrival.method for arrival in endpoint.arrivals("/a")] == ["HEAD", "HEAD"]


def test_a_4xx_may_mean_not_yet_by_its_body(follow: Follower, endpoint: Endpoint) -> None:
    """Another body with the same status is permanent."""
    not_yet, wrong = Reply(409, {"code": "NotReady"}), Reply(409, {"code": "Conflict"})
    params: dict[str, Any] = {"pending_on": Match(status=409, body="code == 'NotReady'")}
    assert follow(endpoint.script("/a", not_yet, not_yet, Reply(200, {"n": 7})), **params) == {"n": 7}
    with pytest.raises(PollRejected, match="409"):
        follow(endpoint.script("/b", not_yet, wrong), **params)


@pytest.mark.parametrize("hundred", ["100", 100, "100.0"])
def test_numbers_may_come_as_text(follow: Follower, endpoint: Endpoint, hundred: Any) -> None:
    """Now so, now so."""
    url = endpoint.script("/a", Reply(200, {"progress": "55"}), Reply(200, {"progress": hundred}))
    follow(url, until="to_number(progress) >= `100`")
    assert len(endpoint.arrivals("/a")) == 2


def test_fields_may_disappear(follow: Follower, endpoint: Endpoint) -> None:
    """What is not there is null."""
    replies = [Reply(200, body) for body in ({"error": "x"}, {}, {"finished_at": "now"})]
    follow(endpoint.script("/a", *replies), until="error == null && finished_at")
    assert len(endpoint.arrivals("/a")) == 3


def test_a_finished_operation_may_be_gone(follow: Follower, endpoint: Endpoint) -> None:
    """Then 404 is success."""
    url = endpoint.script("/a", Reply(200, {"status": "running"}), Reply(404, {"error": "gone"}))
    assert follow(url, until=404) == {"error": "gone"}
