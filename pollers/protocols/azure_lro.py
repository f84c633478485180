"""``"azure-lro"``: the long-running operations of Azure.

Sources: "Asynchronous operations" of the Azure Resource Manager RPC (async-api-reference.md), the REST API
guidelines of Microsoft Azure ("Long-running operations & jobs"), and ``x-ms-long-running-operation-options``
of AutoRest; where they leave a choice, as azure-core and azure-mgmt-core choose.

- The answer to the start says where to go on: ``Operation-Location`` or ``Azure-AsyncOperation``, a status
  monitor; else ``Location``; else, for PUT and PATCH, the resource itself, by its ``provisioningState``.
- A status monitor has ``status``, a resource ``properties.provisioningState``: Succeeded, Failed, Canceled
  (in any case of letters); anything else is running. A ``Location`` is running as long as it answers 202.
- After success, a final GET brings the result: of what ``final-state-via`` says, of ``resourceLocation`` in
  the monitor's body, of the resource for PUT and PATCH, of the first ``Location`` for POST. Otherwise, as
  after DELETE, what the monitor said is the result.
- A failed operation has the reason in its ``error``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pollers.answer import Answer
from pollers.conditions import Decision, NotApplicable, by_status, failed, lead, members, pending, succeeded
from pollers.progress import Progress
from pollers.spec import PollSpec

#: Headers that name a status monitor. No service sends both.
_MONITORS = ("Operation-Location", "Azure-AsyncOperation")
_VIA_MONITOR = ("azure-async-operation", "operation-location")
_SUCCEEDED = "succeeded"
_FAILED = frozenset({"failed", "canceled", "cancelled"})


class AzureOperation:
    """The convention of Azure; it notes what it follows, and what the start said about the result."""

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what the answer means where the operation stands."""
        if not 200 <= (answer.status or 0) < 300:
            return _refused(answer)
        notes = progress.notes or {}
        if spec.start and not progress.url:
            return _started(spec, answer)
        if notes.get("follows") == "result":
            return succeeded(spec, answer.value())
        return _followed(spec, notes, answer)


def _started(spec: PollSpec, answer: Answer) -> Decision:
    location = lead(answer, answer.headers.get("Location"))
    notes = {"resource": answer.url, **({"location": location} if location else {})}
    for header in _MONITORS:
        monitor = lead(answer, answer.headers.get(header))
        if monitor:
            # Some services are done at once, and say so in the body of the start.
            state = _state(answer, "status") or "running"
            return _by_state(spec, {**notes, "follows": "monitor"}, answer, state, monitor)
    if location:
        return pending("the operation has begun", next_url=location, notes={"follows": "location"})
    if spec.method in ("PUT", "PATCH"):
        state = _provisioning(answer) or ("running" if answer.status in (201, 202) else _SUCCEEDED)
        return _by_state(spec, {"follows": "resource"}, answer, state, answer.url)
    return succeeded(spec, answer.value())


def _followed(spec: PollSpec, notes: Mapping[str, str], answer: Answer) -> Decision:
    follows = notes.get("follows")
    if follows == "location" or (follows is None and answer.status == 202):
        if answer.status == 202:
            return pending("HTTP 202 means not yet", next_url=lead(answer, answer.headers.get("Location")))
        return succeeded(spec, answer.value())
    if follows == "resource":
        state = _provisioning(answer) or ("running" if answer.status == 202 else _SUCCEEDED)
        return _by_state(spec, notes, answer, state, None)
    status = _state(answer, "status")
    if status is None and follows == "monitor":
        raise NotApplicable("the status monitor has no status")
    # Of something that somebody else has started: a monitor, a resource, or a result.
    return _by_state(spec, notes, answer, status or _provisioning(answer) or _SUCCEEDED, None)


def _by_state(
    spec: PollSpec, notes: Mapping[str, str], answer: Answer, state: str, next_url: str | None
) -> Decision:
    if state in _FAILED:
        return failed(_reason(answer) or f"the operation has {state}")
    if state != _SUCCEEDED:
        return pending(f"the operation is {state}", next_url=next_url, notes=notes)
    final = _final_url(spec, notes, answer)
    if final is None:
        return succeeded(spec, answer.value())
    return pending("the result is elsewhere", next_url=final, notes={"follows": "result"}, at_once=True)


def _final_url(spec: PollSpec, notes: Mapping[str, str], answer: Answer) -> str | None:
    """Return where the result of an operation is that has succeeded; None when it is here."""
    if notes.get("follows", "monitor") != "monitor":
        return None
    method = spec.method if spec.start else ""
    via = spec.protocol_options.get("final-state-via")
    if via == "location" and "location" in notes:
        return notes["location"]
    if via == "original-uri" and "resource" in notes:
        return notes["resource"]
    if via in _VIA_MONITOR and method == "POST":
        return None
    resource = lead(answer, members(answer).get("resourceLocation"))
    if resource:
        return resource
    if method in ("PUT", "PATCH"):
        return notes.get("resource")
    return notes.get("location") if method == "POST" else None


def _state(answer: Answer, name: str) -> str | None:
    return _lowered(members(answer).get(name))


def _provisioning(answer: Answer) -> str | None:
    properties = members(answer).get("properties")
    return _lowered(properties.get("provisioningState")) if isinstance(properties, Mapping) else None


def _lowered(state: Any) -> str | None:
    return state.lower() if isinstance(state, str) and state else None


def _refused(answer: Answer) -> Decision:
    decision, reason = by_status(answer), _reason(answer)
    if decision.transient or reason is None:
        return decision
    return failed(f"HTTP {answer.status}: {reason}", rejected=True)


def _reason(answer: Answer) -> str | None:
    """Return the error in a body, of an operation or of a resource, in a sentence."""
    body = members(answer)
    properties = body.get("properties")
    inner = properties.get("error") if isinstance(properties, Mapping) else None
    error = body.get("error") or inner
    if isinstance(error, Mapping):
        return f"{error.get('message') or 'the operation failed'} (code {error.get('code', 'unknown')})"
    return str(error) if error else None
