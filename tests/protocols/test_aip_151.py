"""``"aip-151"``, against answers that Google's own definition of an operation writes."""

from __future__ import annotations

from typing import Any

import pytest
from google.longrunning.operations_pb2 import Operation
from google.protobuf import json_format, struct_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from pollers import PollFailed, PollRejected, poll
from tests.endpoints import Endpoint, Reply
from tests.protocols.conftest import Follower

NAME = "projects/p/operations/op-1"


def said(operation: Operation, status: int = 200) -> Reply:
    """Return an operation as Google's services write it."""
    return Reply(status, json_format.MessageToDict(operation))


def running(percent: int) -> Operation:
    """Return an operation that is not done."""
    operation = Operation(name=NAME)
    operation.metadata.Pack(struct_pb2.Value(number_value=percent))
    return operation


def done(value: Any) -> Operation:
    """Return an operation that has come to a result."""
    operation = Operation(name=NAME, done=True)
    operation.response.Pack(json_format.ParseDict(value, struct_pb2.Value()))
    return operation


def broken(code: int, message: str) -> Operation:
    """Return an operation that has failed, with details."""
    operation = Operation(name=NAME, done=True, error=status_pb2.Status(code=code, message=message))
    operation.error.details.add().Pack(error_details_pb2.ErrorInfo(reason="NO_DISK"))
    return operation


def test_an_operation_is_followed_until_done(follow: Follower, endpoint: Endpoint) -> None:
    """The value is its response; `done` is not there before, as false is not written."""
    url = endpoint.script("/v1/" + NAME, said(running(10)), said(running(50)), said(done({"n": 7})))
    assert follow(url, protocol="aip-151", returns="value.n") == 7
    assert len(endpoint.arrivals("/v1/" + NAME)) == 3


def test_a_method_that_returns_nothing_succeeds(follow: Follower, endpoint: Endpoint) -> None:
    """Its response may be empty, or left out."""
    url = endpoint.script("/v1/" + NAME, said(Operation(name=NAME, done=True)))
    assert follow(url, protocol="aip-151") is None


def test_a_failed_operation_tells_code_message_and_details(follow: Follower, endpoint: Endpoint) -> None:
    """Of its google.rpc.Status, though it is HTTP 200."""
    error = broken(code_pb2.RESOURCE_EXHAUSTED, "the disk is full")
    url = endpoint.script("/v1/" + NAME, said(running(1)), said(error))
    with pytest.raises(PollFailed, match=r"the disk is full \(code 8\).*NO_DISK"):
        follow(url, protocol="aip-151")


def test_an_unknown_operation_is_rejected_with_the_reason(follow: Follower, endpoint: Endpoint) -> None:
    """Google's errors have a body of their own; an overload is transient nevertheless."""
    error = {"error": {"code": 404, "message": "no such operation", "status": "NOT_FOUND"}}
    url = endpoint.script("/v1/" + NAME, Reply(503, {"error": {"code": 503}}), Reply(404, error))
    with pytest.raises(PollRejected, match="HTTP 404: no such operation"):
        follow(url, protocol="aip-151")
    assert len(endpoint.arrivals("/v1/" + NAME)) == 2


def test_a_body_that_is_no_operation_is_transient(follow: Follower, endpoint: Endpoint) -> None:
    """A page of a proxy."""
    url = endpoint.script("/v1/" + NAME, Reply(200, b"<html>"), Reply(200, [1]), said(done({"n": 7})))
    assert follow(url, protocol="aip-151", returns="value") == {"n": 7.0}


def test_metadata_tells_the_progress(endpoint: Endpoint) -> None:
    """It is what a poll returns whose deadline brings success."""
    url = endpoint.script("/v1/" + NAME, said(running(10)))
    value = poll(url, protocol="aip-151", on_deadline="succeed", every=0.5, timeout=1)
    assert value["value"] == 10


@pytest.mark.parametrize("called", ["/v1/projects/p/things:export", "/api/v2beta/things", "/things"])
def test_a_started_operation_is_followed_by_its_name(
    follow: Follower, endpoint: Endpoint, called: str
) -> None:
    """Under the version that was called, as the HTTP mapping of the Operations service says."""
    version = {"/v1/projects/p/things:export": "/v1/", "/api/v2beta/things": "/api/v2beta/", "/things": "/"}
    place = version[called] + NAME
    endpoint.script(place, said(running(50)), said(done("x")))
    url = endpoint.script(called, said(running(0)))
    assert follow(url, method="POST", start=True, protocol="aip-151", returns="value") == "x"
    assert len(endpoint.arrivals(place)) == 2


def test_a_start_may_be_done_at_once(follow: Follower, endpoint: Endpoint) -> None:
    """An operation that is done already has its response."""
    url = endpoint.script("/v1/things", said(done("x")))
    assert follow(url, method="POST", start=True, protocol="aip-151", returns="value") == "x"
