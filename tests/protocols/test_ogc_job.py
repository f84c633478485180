"""``"ogc-job"``, against a service that does what OGC API - Processes, Part 1, says."""

from __future__ import annotations

from typing import Any

import pytest

from pollers import PollFailed, PollRejected, poll
from tests.endpoints import Arrival, Endpoint, Reply
from tests.protocols.conftest import Follower

EXECUTION, JOB, RESULTS = "/processes/buffer/execution", "/jobs/81574318", "/jobs/81574318/results"
REL = "http://www.opengis.net/def/rel/ogc/1.0/results"
AREA = {"area": {"value": 7}}


def info(status: str, **more: Any) -> Reply:
    """Return a job as the schema statusInfo.yaml says."""
    return Reply(200, {"jobID": "81574318", "type": "process", "status": status, **more})


def execution(arrival: Arrival) -> Reply:
    """Answer an execution request (requirements 24 to 34): with a job where that is preferred."""
    if "respond-async" not in arrival.headers.get("Prefer", ""):
        return Reply(200, AREA)
    headers = {"Location": JOB, "Preference-Applied": "respond-async"}
    return Reply(201, {"jobID": "81574318", "type": "process", "status": "accepted"}, headers)


START: dict[str, Any] = {
    "method": "POST",
    "json": {"inputs": {"distance": 5}},
    "start": True,
    "protocol": "ogc-job",
}


@pytest.mark.parametrize("rel", [REL, "results"])
def test_a_process_is_executed_and_its_results_fetched(
    follow: Follower, endpoint: Endpoint, rel: str
) -> None:
    """By the link of the job, at once when it is successful."""
    links = [{"rel": "self", "href": JOB}, {"rel": rel, "href": "/elsewhere/results"}]
    endpoint.script(JOB, info("accepted"), info("running", progress=50), info("successful", links=links))
    endpoint.script("/elsewhere/results", Reply(200, AREA))
    assert follow(endpoint.script(EXECUTION, execution), **START, returns="area.value") == 7
    assert follow.waits == [5.0, 5.0, 5.0, 0.0]


def test_results_are_below_the_job_where_it_has_no_link(follow: Follower, endpoint: Endpoint) -> None:
    """Section 7.13."""
    endpoint.script(RESULTS, Reply(200, AREA))
    assert follow(endpoint.script(JOB, info("successful")) + "?f=json", protocol="ogc-job") == AREA


def test_a_service_may_work_at_once(follow: Follower, endpoint: Endpoint) -> None:
    """When one prefers so, or it does not know how to wait."""
    url = endpoint.script(EXECUTION, execution)
    assert follow(url, **START, headers={"Prefer": "return=minimal"}) == AREA


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (info("failed", message="no such layer"), "no such layer"),
        (info("dismissed"), "the job was dismissed"),
    ],
)
def test_a_job_may_end_without_results(follow: Follower, endpoint: Endpoint, job: Reply, reason: str) -> None:
    """Its message is the reason."""
    endpoint.script(JOB, info("running"), job)
    with pytest.raises(PollFailed, match=reason):
        follow(endpoint.script(EXECUTION, execution), **START)


def test_an_exception_is_told_in_its_own_words(follow: Follower, endpoint: Endpoint) -> None:
    """Of the form of RFC 7807."""
    kind = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job"
    gone = Reply(404, {"type": kind, "title": "NoSuchJob", "detail": "the job is not here"})
    with pytest.raises(PollRejected, match="HTTP 404: the job is not here"):
        follow(endpoint.script(JOB, Reply(503), gone), protocol="ogc-job")


def test_the_job_is_the_progress(endpoint: Endpoint) -> None:
    """What a poll returns whose deadline brings success."""
    url = endpoint.script(JOB, info("running", progress=50))
    value = poll(url, protocol="ogc-job", on_deadline="succeed", every=0.5, timeout=1)
    assert value["progress"] == 50
