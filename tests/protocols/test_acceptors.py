"""Acceptors, beside botocore's own waiter: the same answers, the same outcome after as many attempts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import WaiterError
from botocore.session import get_session
from botocore.waiter import WaiterModel, create_waiter_with_client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pollers import InvalidPoll, PollFailed, PollRejected, Waiter, poll
from tests.endpoints import Endpoint, Reply
from tests.protocols.conftest import Follower, Here

PATH = "/clusters"
MOST = 4

names = st.sampled_from(["a", "b"])
codes = st.sampled_from(["NotFound", "Denied"])

#: Answers of the operation ListClusters, and errors in all the forms that AWS has.
replies = st.one_of(
    st.lists(names, max_size=3).map(lambda found: Reply(200, {"clusters": found})),
    names.map(lambda token: Reply(200, {"nextToken": token})),
    st.builds(
        lambda status, code, form: Reply(status, *form(code)),
        st.sampled_from([400, 403, 404, 409]),
        codes,
        st.sampled_from(
            [
                lambda code: ({"__type": f"com.amazonaws.eks#{code}"},),
                lambda code: ({"code": code, "message": "no"},),
                lambda code: ({}, {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/"}),
                lambda code: (b"",),
            ]
        ),
    ),
)


def acceptor(matcher: str, expected: Any, argument: str | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """Return acceptors of a matcher in every state."""
    fixed = {"matcher": matcher, "expected": expected} | ({"argument": argument} if argument else {})
    return st.sampled_from(["success", "failure", "retry"]).map(lambda state: {"state": state, **fixed})


acceptors = st.lists(
    st.one_of(
        acceptor("path", "a", "nextToken"),
        acceptor("path", True, "length(clusters || `[]`) > `1`"),
        acceptor("pathAll", "a", "clusters[]"),
        acceptor("pathAny", "b", "clusters[]"),
        acceptor("status", 200),
        acceptor("status", 404),
        acceptor("error", "NotFound"),
        acceptor("error", "404"),
        acceptor("error", True),
        acceptor("error", False),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="session")
def client(service: Endpoint) -> Iterator[Any]:
    """Return AWS's client of a service, pointed at the test's, which tries nothing again by itself."""
    made = get_session().create_client(
        "eks",
        region_name="eu-central-1",
        endpoint_url=service.url(""),
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield made
    made.close()


def by_botocore(client: Any, asked: list[dict[str, Any]]) -> bool:
    """Return whether botocore's waiter succeeds."""
    waiter = {"operation": "ListClusters", "delay": 0, "maxAttempts": MOST, "acceptors": asked}
    model = WaiterModel({"version": 2, "waiters": {"It": waiter}})
    try:
        create_waiter_with_client("It", model, client).wait()
    except WaiterError:
        return False
    return True


def by_us(follow: Follower, url: str, asked: list[dict[str, Any]]) -> bool:
    """Return whether a poll succeeds."""
    try:
        follow(url, acceptors=asked, max_attempts=MOST)
    except PollFailed:
        return False
    except PollRejected:
        return False
    return True


@given(asked=acceptors, said=st.lists(replies, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_outcome_is_that_of_botocore(
    client: Any, service: Endpoint, transport: Any, asked: list[dict[str, Any]], said: list[Reply]
) -> None:
    """For any acceptors and any answers, after the same number of requests."""
    seen = []
    for ours in (False, True):
        service.forget()
        url = service.script(PATH, *said)
        succeeded = by_us(Here(transport), url, asked) if ours else by_botocore(client, asked)
        seen.append((succeeded, len(service.arrivals(PATH))))
    assert seen[1] == seen[0]


def test_what_clients_try_again_is_transient(follow: Follower, endpoint: Endpoint) -> None:
    """Overload and throttling, where no acceptor has a word about them."""
    throttled = Reply(400, {"__type": "ThrottlingException"})
    url = endpoint.script(PATH, Reply(503), throttled, Reply(429), Reply(200, {"clusters": ["a"]}))
    asked = [{"state": "success", "matcher": "pathAny", "argument": "clusters", "expected": "a"}]
    assert follow(url, acceptors=asked, max_errors=4, returns="clusters[0]") == "a"


def test_error_codes_of_xml_are_read_too(follow: Follower, endpoint: Endpoint) -> None:
    """S3 and others write them so."""
    error = Reply(404, "<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>")
    asked = [{"state": "retry", "matcher": "error", "expected": "NoSuchBucket"}]
    asked.append({"state": "success", "matcher": "status", "expected": 200})
    assert follow(endpoint.script("/b", error, Reply(200, "<ok/>")), acceptors=asked) == "<ok/>"


def test_the_failure_names_the_acceptor(follow: Follower, endpoint: Endpoint) -> None:
    """Which is what the service said."""
    asked = [{"state": "failure", "matcher": "path", "argument": "status", "expected": "FAILED"}]
    with pytest.raises(PollFailed, match="path status is 'FAILED'"):
        follow(endpoint.script("/a", Reply(200, {"status": "FAILED"})), acceptors=asked)


def test_a_waiter_of_botocore_becomes_parameters(follow: Follower, endpoint: Endpoint) -> None:
    """From the package or from the file, by either spelling of its name."""
    waiter = Waiter.from_botocore("eks", "cluster_active")
    path = next((Path(botocore.__file__).parent / "data" / "eks").glob("*/waiters-2.json"))
    assert Waiter.from_file(path, "ClusterActive") == waiter
    params = waiter.params()
    assert (params["every"], params["max_attempts"]) == (30.0, 40)
    creating, active = ({"cluster": {"status": status}} for status in ("CREATING", "ACTIVE"))
    url = endpoint.script("/c", Reply(200, creating), Reply(200, active))
    assert follow(url, **params, returns="cluster.status") == "ACTIVE"
    assert follow.waits == [30.0]


def test_a_waiter_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With those that are."""
    with pytest.raises(ValueError, match="no waiter 'Moon'; there are AddonActive"):
        Waiter.from_botocore("eks", "Moon")
    with pytest.raises(ValueError, match="no waiters of a service 'moon'"):
        Waiter.from_botocore("moon", "Full")
    (tmp_path / "waiters").write_text(json.dumps({"version": 1, "waiters": {}}))
    with pytest.raises(ValueError, match="version 2"):
        Waiter.from_file(tmp_path / "waiters", "x")


GOOD = {"state": "success", "matcher": "status", "expected": 200}


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"acceptors": []}, "list of acceptors"),
        ({"acceptors": [{**GOOD, "state": "maybe"}]}, "success, failure, retry"),
        ({"acceptors": [{**GOOD, "matcher": "moon"}]}, "pathAll"),
        ({"acceptors": [{"state": "retry", "matcher": "error"}]}, "expected value"),
        ({"acceptors": [{**GOOD, "matcher": "path", "argument": "a["}]}, "JMESPath"),
        ({"acceptors": [GOOD], "until": "x"}, "until: cannot be given beside acceptors"),
        ({"acceptors": [GOOD], "protocol": "accepted"}, "protocol: cannot be given beside acceptors"),
    ],
)
def test_wrong_acceptors_are_refused(params: dict[str, Any], hint: str) -> None:
    """Before anything is stored."""
    with pytest.raises(InvalidPoll, match=hint):
        poll.delay("http://x/", **params)
