"""``"azure-lro"``, beside azure-core and azure-mgmt-core: the same service, the same requests and result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import RequestIdPolicy
from azure.core.polling.base_polling import LROBasePolling, OperationFailed
from azure.core.rest import HttpRequest
from azure.mgmt.core.polling.arm_polling import ARMPolling

from pollers import InvalidPoll, PollFailed, PollRejected, poll
from tests.endpoints import Endpoint, Reply
from tests.protocols.conftest import Follower

RESOURCE, MONITOR, RESULT = "/r/1", "/op/1", "/result/1"
THING = {"name": "thing", "properties": {"provisioningState": "Succeeded"}}
FAILED = "the operation has failed"


def says(status: str, **more: Any) -> Reply:
    """Return what a status monitor says."""
    return Reply(200, {"status": status, **more})


def state(provisioning: str, status: int = 200) -> Reply:
    """Return a resource in a state."""
    return Reply(status, {"name": "thing", "properties": {"provisioningState": provisioning}})


def leads(header: str, status: int = 202, body: Any = b"", location: str = "") -> Reply:
    """Return the answer to a start."""
    headers = {header: MONITOR} | ({"Location": location} if location else {})
    return Reply(status, body, headers)


ASYNC, OPERATION = "Azure-AsyncOperation", "Operation-Location"

#: Method, final-state-via, what the start answers, what the monitor answers.
CASES: dict[str, tuple[str, str | None, Reply, list[Reply]]] = {
    "PUT, monitor": ("PUT", None, leads(ASYNC, 201, THING), [says("InProgress"), says("Succeeded")]),
    "PUT, any case": ("PUT", None, leads(ASYNC, 201), [says("running"), says("SUCCEEDED")]),
    "PATCH, monitor": ("PATCH", None, leads(ASYNC), [says("Succeeded")]),
    "PATCH, data plane": ("PATCH", None, leads(OPERATION), [says("notStarted"), says("succeeded")]),
    "POST, monitor and location": ("POST", None, leads(ASYNC, location=RESULT), [says("Succeeded")]),
    "POST, monitor alone": ("POST", None, leads(OPERATION), [says("succeeded", output=7)]),
    "POST via monitor": (
        "POST",
        "azure-async-operation",
        leads(ASYNC, location=RESULT),
        [says("Succeeded", properties={"output": 7})],
    ),
    "POST via operation-location": (
        "POST",
        "operation-location",
        leads(OPERATION, location=RESULT),
        [says("succeeded", resourceLocation=RESULT)],
    ),
    "PUT via location": ("PUT", "location", leads(ASYNC, location=RESULT), [says("Succeeded")]),
    "PUT via original-uri": ("PUT", "original-uri", leads(ASYNC, location=RESULT), [says("Succeeded")]),
    "resourceLocation": ("POST", None, leads(OPERATION), [says("Succeeded", resourceLocation=RESULT)]),
    "DELETE, monitor": ("DELETE", None, leads(ASYNC), [says("Deleting"), says("Succeeded")]),
    "DELETE via location": ("DELETE", "location", leads(ASYNC, location=RESULT), [says("Succeeded")]),
    "failed": ("PUT", None, leads(ASYNC), [says("Failed", error={"code": "Quota", "message": "no room"})]),
    "canceled": ("POST", None, leads(OPERATION), [says("running"), says("canceled")]),
    "done at once": ("POST", None, leads(OPERATION, 200, {"status": "Succeeded", "n": 7}), []),
    "location": ("POST", None, Reply(202, headers={"Location": MONITOR}), [Reply(202), Reply(200, THING)]),
    "location moves": (
        "DELETE",
        None,
        Reply(202, headers={"Location": MONITOR}),
        [Reply(202, headers={"Location": RESULT})],
    ),
    "location, 204": ("DELETE", None, Reply(202, headers={"Location": MONITOR}), [Reply(202), Reply(204)]),
    "not long at all": ("POST", None, Reply(200, {"n": 7}), []),
    "deleted at once": ("DELETE", None, Reply(204), []),
}

#: Method, and what the resource answers: the start, then GETs.
RESOURCES: dict[str, tuple[str, list[Reply]]] = {
    "created": ("PUT", [state("Creating", 201), state("Creating"), state("Succeeded")]),
    "accepted": ("PATCH", [Reply(202), state("Updating"), state("succeeded")]),
    "created without a state": ("PUT", [Reply(201, {"n": 1}), state("Creating"), Reply(200, {"n": 7})]),
    "there at once": ("PUT", [Reply(200, {"n": 7})]),
    "updating": ("PUT", [state("Updating"), state("Succeeded")]),
    "failed": ("PUT", [state("Creating", 201), state("Failed")]),
}


def by_azure(url: str, method: str, via: str | None, data_plane: bool) -> Any:
    """Return the result as Azure's own client gets it."""
    client: PipelineClient[Any, Any] = PipelineClient(url, policies=[RequestIdPolicy()])
    request = HttpRequest(method, url, headers={"x-ms-client-request-id": "1"}, json={"x": 1})
    polling = (LROBasePolling if data_plane else ARMPolling)(
        0, lro_options={"final-state-via": via} if via else {}
    )
    with client:
        initial = client._pipeline.run(request)
        initial.http_response.read()
        polling.initialize(client, initial, lambda response: response.http_response.json())
        try:
            polling.run()
        except (OperationFailed, HttpResponseError):
            return FAILED
        return polling.resource()


def by_us(follow: Follower, url: str, method: str, via: str | None) -> Any:
    """Return the result as a poll gets it."""
    protocol: Any = {"azure-lro": {"final-state-via": via}} if via else "azure-lro"
    try:
        value = follow(url, method=method, json={"x": 1}, start=True, protocol=protocol)
    except PollFailed:
        return FAILED
    return None if value == "" else value


def seen(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return the requests that came, in order."""
    arrivals = [one for path in list(endpoint._arrivals) for one in endpoint.arrivals(path)]
    return [(one.method, one.path) for one in sorted(arrivals, key=lambda one: one.at)]


def absolute(reply: Reply, service: Endpoint) -> Reply:
    """Return a reply whose references are absolute, as Azure's are, and must be for its client."""
    headers = {name: service.url(value) for name, value in reply.headers.items()}
    body = reply.body
    if isinstance(body, dict) and "resourceLocation" in body:
        body = {**body, "resourceLocation": service.url(RESULT)}
    return replace(reply, headers=headers, body=body)


def compare(
    follow: Follower, service: Endpoint, scripts: Mapping[str, list[Reply]], method: str, via: str | None
) -> Any:
    """Return the result, after a look that Azure's client and ours did the same."""
    results, requests = [], []
    data_plane = OPERATION in scripts[RESOURCE][0].headers
    for ours in (False, True):
        service.forget()
        for path, replies in scripts.items():
            service.script(path, *(absolute(reply, service) for reply in replies))
        url = service.url(RESOURCE) + "?api-version=1"
        results.append(by_us(follow, url, method, via) if ours else by_azure(url, method, via, data_plane))
        requests.append(seen(service))
    assert results[1] == results[0]
    assert requests[1] == requests[0]
    return results[1]


@pytest.mark.parametrize("name", CASES)
def test_an_operation_is_followed_as_azure_follows_it(
    follow: Follower, endpoint: Endpoint, name: str
) -> None:
    """The same requests in the same order, final GET included, and the same result."""
    method, via, start, monitor = CASES[name]
    scripts = {RESOURCE: [start, Reply(200, THING)], RESULT: [Reply(200, {"n": 7})]}
    compare(follow, endpoint, scripts | ({MONITOR: monitor} if monitor else {}), method, via)


@pytest.mark.parametrize("name", RESOURCES)
def test_a_resource_is_followed_as_azure_follows_it(follow: Follower, endpoint: Endpoint, name: str) -> None:
    """By its provisioning state, where no header leads on."""
    method, replies = RESOURCES[name]
    compare(follow, endpoint, {RESOURCE: replies}, method, None)


def test_retry_after_counts_on_each_answer(follow: Follower, endpoint: Endpoint) -> None:
    """That of the start too; the final GET follows at once."""
    start = Reply(201, b"", {ASYNC: MONITOR, "Retry-After": "20"})
    endpoint.script(MONITOR, Reply(200, {"status": "Running"}, {"Retry-After": "30"}), says("Succeeded"))
    url = endpoint.script(RESOURCE, start, Reply(200, THING))
    assert follow(url, method="PUT", start=True, protocol="azure-lro", every=5) == THING
    assert follow.waits == [20.0, 30.0, 0.0]


def test_the_error_body_is_the_reason(follow: Follower, endpoint: Endpoint) -> None:
    """Of a failed operation, of a failed resource, and of a refused request."""
    error = {"code": "Quota", "message": "no room"}
    failed = Reply(200, {"status": "Failed", "error": error})
    resource = Reply(200, {"properties": {"provisioningState": "Failed", "error": error}})
    for reply in (failed, resource):
        with pytest.raises(PollFailed, match=r"no room \(code Quota\)"):
            follow(endpoint.script("/a", reply), protocol="azure-lro")
    with pytest.raises(PollRejected, match=r"HTTP 404: no room \(code Quota\)"):
        follow(endpoint.script("/b", Reply(503), Reply(404, {"error": error})), protocol="azure-lro")


@pytest.mark.parametrize(
    "replies",
    [
        [says("Running"), says("Succeeded", n=7)],
        [state("Creating"), state("Succeeded")],
        [Reply(202), Reply(200, {"n": 7})],
    ],
)
def test_what_others_started_can_be_followed(
    follow: Follower, endpoint: Endpoint, replies: list[Reply]
) -> None:
    """A status monitor, a resource, or a Location: told apart by what they say."""
    value = follow(endpoint.script("/a", *replies), protocol="azure-lro")
    assert value == (replies[-1].body)
    assert len(endpoint.arrivals("/a")) == len(replies)


def test_an_unknown_option_is_refused() -> None:
    """With what would be right."""
    with pytest.raises(InvalidPoll, match=r"final-state-via='moon'; azure-lro takes final-state-via: azure-"):
        poll.delay("http://x/", protocol={"azure-lro": {"final-state-via": "moon"}})
