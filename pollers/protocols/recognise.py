"""Which convention an answer follows, as far as one answer can tell, and the poll that it suggests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pollers.answer import Answer
from pollers.conditions import members

#: Members that tell a state, the usual ones first.
_STATES = ("status", "state", "phase", "jobStatus", "job_status", "job_state")
#: Words for a state that has come to an end.
_ENDED = frozenset(
    {
        *("done", "complete", "completed", "finished", "succeeded", "success", "successful", "ready"),
        *("ok", "active", "available", "healthy"),
    }
)
#: Members that are true at the end.
_FLAGS = ("done", "completed", "complete", "finished", "ready")


class Suggestion(NamedTuple):
    """What an answer looks like, and the poll to make."""

    #: Name of the convention; None where conditions do.
    protocol: str | None
    #: What in the answer says so, in a sentence.
    why: str
    #: Parameters of the poll beside the request.
    params: dict[str, Any]


def recognise(answer: Answer) -> Suggestion:
    """Return what the answer of a service suggests; a response with any status."""
    body = members(answer)
    for look in _LOOKS:
        suggestion = look(answer, body)
        if suggestion is not None:
            return suggestion
    if 200 <= (answer.status or 0) < 300:
        return Suggestion(None, "It is a success that tells no state: a poll returns it at once.", {})
    why = f"HTTP {answer.status} is an error; this is the poll if it means that the thing is not there yet."
    return Suggestion(None, why, {"pending_on": answer.status})


def _azure(answer: Answer, body: Mapping[str, Any]) -> Suggestion | None:
    for header in ("Operation-Location", "Azure-AsyncOperation"):
        if header in answer.headers:
            return _convention("azure-lro", f"It has the header {header}.")
    properties = body.get("properties")
    if isinstance(properties, Mapping) and "provisioningState" in properties:
        return _convention("azure-lro", "Its body has properties.provisioningState.")
    return None


def _device(answer: Answer, body: Mapping[str, Any]) -> Suggestion | None:
    if body.get("error") in ("authorization_pending", "slow_down", "expired_token"):
        return _convention("device-flow", f"Its error is {body['error']}, as RFC 8628 has it.")
    return None


def _google(answer: Answer, body: Mapping[str, Any]) -> Suggestion | None:
    named = isinstance(body.get("name"), str) and "operations/" in body["name"]
    if named and body.keys() & {"done", "metadata", "response", "error"}:
        return _convention("aip-151", "Its body is an operation: name, with done, metadata or response.")
    return None


def _job(answer: Answer, body: Mapping[str, Any]) -> Suggestion | None:
    if "jobID" in body and "status" in body:
        return _convention("ogc-job", "Its body is a job: jobID and status.")
    return None


def _aws(answer: Answer, body: Mapping[str, Any]) -> Suggestion | None:
    for header in ("x-amzn-RequestId", "x-amz-request-id", "x-amzn-errortype"):
        if header in answer.headers:
            why = f"It has the header {header}: the service may have a waiter, see Waiter.from_botocore."
            return Suggestion(None, why, {})
    return None


def _accepted(answer: Answer, body: Mapping[str, Any]) -> Suggestion | None:
    leads = "Location" in answer.headers
    if answer.status == 202:
        return _convention("accepted", "It is 202 Accepted" + (", with a Location." if leads else "."))
    if answer.status == 201 and leads:
        return _convention("accepted", "It is 201 Created, with a Location.", **_condition(body))
    return None


def _state(answer: Answer, body: Mapping[str, Any]) -> Suggestion | None:
    if 200 <= (answer.status or 0) < 300 and (condition := _condition(body)):
        member = re.match(r"\w+", condition["until"])
        name = member[0] if member else ""
        return Suggestion(None, f"Its body tells the state: {name} is {body.get(name)!r:.60}.", condition)
    return None


_LOOKS: list[Callable[[Answer, Mapping[str, Any]], Suggestion | None]] = [
    *(_azure, _device, _google, _job, _aws, _accepted, _state),
]


def _convention(name: str, why: str, **params: Any) -> Suggestion:
    return Suggestion(name, why, {"protocol": name, **params})


def _condition(body: Mapping[str, Any]) -> dict[str, str]:
    """Return a condition on the member that tells the state, if there is one."""
    for name in _STATES:
        if isinstance(state := body.get(name), str):
            ended = state if state.lower() in _ENDED else "completed"
            return {"until": f"{name} == '{ended}'"}
    return next(({"until": name} for name in _FLAGS if isinstance(body.get(name), bool)), {})
