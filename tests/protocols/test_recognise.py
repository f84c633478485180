"""What one answer tells about the convention of its API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from pollers.answer import Answer
from pollers.protocols.recognise import recognise
from pollers.spec import PollSpec

CASES: list[tuple[int, Any, dict[str, str], dict[str, Any]]] = [
    (202, b"", {"Operation-Location": "/op"}, {"protocol": "azure-lro"}),
    (201, {}, {"azure-asyncoperation": "/op", "Location": "/r"}, {"protocol": "azure-lro"}),
    (200, {"properties": {"provisioningState": "Creating"}}, {}, {"protocol": "azure-lro"}),
    (400, {"error": "authorization_pending"}, {}, {"protocol": "device-flow"}),
    (200, {"name": "projects/p/operations/1", "done": True}, {}, {"protocol": "aip-151"}),
    (201, {"jobID": "1", "status": "accepted"}, {"Location": "/jobs/1"}, {"protocol": "ogc-job"}),
    (200, {"cluster": {}}, {"x-amzn-RequestId": "1"}, {}),
    (202, b"", {}, {"protocol": "accepted"}),
    (201, {"state": "queued"}, {"Location": "/1"}, {"protocol": "accepted", "until": "state == 'completed'"}),
    (200, {"status": "running"}, {}, {"until": "status == 'completed'"}),
    (200, {"state": "Ready"}, {}, {"until": "state == 'Ready'"}),
    (200, {"finished": False}, {}, {"until": "finished"}),
    (200, {"n": 7}, {}, {}),
    (200, [1], {}, {}),
    (200, b"<html>", {}, {}),
    (404, {"error": "no such job"}, {}, {"pending_on": 404}),
]


@pytest.mark.parametrize(("status", "body", "headers", "params"), CASES)
def test_an_answer_suggests_a_poll(
    status: int, body: Any, headers: dict[str, str], params: dict[str, Any]
) -> None:
    """Which can be made as it is."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer(
        url="http://x/", status=status, headers=CaseInsensitiveDict(headers), body=encoded, elapsed=0.1
    )
    suggestion = recognise(answer)
    assert suggestion.params == params
    assert suggestion.protocol == params.get("protocol")
    assert suggestion.why.endswith(".")
    PollSpec.parse("http://x/", **suggestion.params)
