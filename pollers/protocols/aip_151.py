"""``"aip-151"``: Google's long-running operations.

Source: AIP-151 (google.aip.dev/151) and ``google/longrunning/operations.proto``, as JSON:

- ``name``: the operation is at ``GET /v1/{name}``. A started poll goes on there; the version is that of
  the URL that was called.
- ``done``: false, or absent, as long as the operation runs; ``metadata`` tells its progress.
- ``error``, a ``google.rpc.Status``: it has failed, by code, message and details.
- ``response``: its result. Absent for a method that returns nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pollers.answer import Answer
from pollers.conditions import Decision, by_status, failed, lead, mapping, members, pending, succeeded
from pollers.progress import Progress
from pollers.spec import PollSpec

#: The path of a URL up to its version, which the names of operations go on from.
_VERSIONED = re.compile(r"https?://[^/?#]+(?:/[^?#]*?)?/v\d\w*/")
#: Characters of an error's details that are told.
_LONGEST_DETAILS = 300


class LongRunningOperation:
    """The convention of ``google.longrunning.Operation``."""

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what ``done``, ``error`` and ``response`` say."""
        if not 200 <= (answer.status or 0) < 300:
            return _refused(answer)
        operation = mapping(answer)
        if operation.get("done") in (True, "true"):
            if operation.get("error"):
                return failed(_told(operation["error"]))
            return succeeded(spec, operation.get("response"))
        next_url = _place(answer, operation) if spec.start and not progress.url else None
        return pending("the operation is not done yet", value=operation.get("metadata"), next_url=next_url)


def _place(answer: Answer, operation: Mapping[str, Any]) -> str | None:
    name = operation.get("name")
    if not isinstance(name, str) or not name.strip("/"):
        return None
    version = _VERSIONED.match(answer.url)
    return lead(answer, (version[0] if version else "/") + name.strip("/"))


def _refused(answer: Answer) -> Decision:
    decision = by_status(answer)
    error = members(answer).get("error")
    if decision.transient or not isinstance(error, Mapping):
        return decision
    return failed(f"HTTP {answer.status}: {_told(error)}", rejected=True)


def _told(error: Any) -> str:
    """Return a ``google.rpc.Status`` in a sentence."""
    if not isinstance(error, Mapping):
        return str(error)
    text = f"{error.get('message') or 'the operation failed'} (code {error.get('code', 'unknown')})"
    if error.get("details"):
        text += f": {json.dumps(error['details'], separators=(',', ':'))[:_LONGEST_DETAILS]}"
    return text
