"""Acceptors: how AWS and Smithy waiters say what an answer means.

Sources: the Smithy waiter specification, and ``waiters-2.json`` as botocore reads it. Acceptors are asked
in their order, and the first that matches decides: success, failure, or retry. None matches: an error
fails, anything else is not yet. Where AWS's clients try a request again on their own before their waiter
sees the answer, as on 503 or on throttling, the poll goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pollers.answer import Answer
from pollers.conditions.match import body_of, select

#: Answers from here on are errors to AWS's clients.
_FIRST_ERROR = 301
_CODE_IN_XML = re.compile(r"<Code>([^<]*)</Code>")
#: Error codes that AWS's clients try again on, whatever the status (botocore, ``retries/standard.py``).
_THROTTLED = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException"),
        *("TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"),
        *("TransactionInProgressException", "BandwidthLimitExceeded", "LimitExceededException"),
        *("RequestThrottled", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException"),
    }
)


def accepted_state(acceptors: list[Mapping[str, Any]], answer: Answer) -> tuple[str, str] | None:
    """Return the state that the first matching acceptor gives, and why; None when none matches.

    Raises:
        NotApplicable: An acceptor asks for JSON, and the body is none.

    """
    code = error_code(answer)
    for acceptor in acceptors:
        if _MATCHERS[acceptor["matcher"]](acceptor, answer, code):
            return acceptor["state"], _words(acceptor)
    return None


def error_code(answer: Answer) -> str | None:
    """Return the service's error code of an answer: by header, body or status; None without an error."""
    if (answer.status or 0) < _FIRST_ERROR:
        return None
    headers = answer.headers
    code = headers.get("x-amzn-query-error", "").partition(";")[0] or headers.get("x-amzn-errortype", "")
    code = code or _code_in(answer)
    # As in "com.amazonaws.eks#NotFound:http://...".
    return code.partition(":")[0].rpartition("#")[2] or str(answer.status)


def is_throttled(answer: Answer) -> bool:
    """Return whether a service asks to be left alone for a while, by its error code."""
    return error_code(answer) in _THROTTLED


def _code_in(answer: Answer) -> str:
    try:
        body = answer.json()
    except ValueError:
        found = _CODE_IN_XML.search(answer.text())
        return found[1] if found else ""
    if not isinstance(body, Mapping):
        return ""
    return str(next((body[name] for name in ("__type", "code", "Code") if body.get(name)), ""))


def _path(acceptor: Mapping[str, Any], answer: Answer, code: str | None) -> bool:
    return code is None and bool(_found(acceptor, answer) == acceptor["expected"])


def _path_all(acceptor: Mapping[str, Any], answer: Answer, code: str | None) -> bool:
    found = None if code is not None else _found(acceptor, answer)
    return isinstance(found, list) and bool(found) and all(one == acceptor["expected"] for one in found)


def _path_any(acceptor: Mapping[str, Any], answer: Answer, code: str | None) -> bool:
    found = None if code is not None else _found(acceptor, answer)
    return isinstance(found, list) and any(one == acceptor["expected"] for one in found)


def _status(acceptor: Mapping[str, Any], answer: Answer, code: str | None) -> bool:
    return bool(answer.status == acceptor["expected"])


def _error(acceptor: Mapping[str, Any], answer: Answer, code: str | None) -> bool:
    expected = acceptor["expected"]
    return (code is not None) == expected if isinstance(expected, bool) else code == expected


_MATCHERS: dict[str, Callable[[Mapping[str, Any], Answer, str | None], bool]] = {
    "path": _path,
    "pathAll": _path_all,
    "pathAny": _path_any,
    "status": _status,
    "error": _error,
}


def _found(acceptor: Mapping[str, Any], answer: Answer) -> Any:
    return select(acceptor["argument"], body_of(answer) if answer.body else {})


def _words(acceptor: Mapping[str, Any]) -> str:
    what = f"{acceptor['matcher']} {acceptor.get('argument', '')}".strip()
    return f"{what} is {acceptor['expected']!r}"
