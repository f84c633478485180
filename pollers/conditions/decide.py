"""The decision: what the answer of an attempt means for its poll."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from pollers.answer import Answer, AnswerError
from pollers.conditions.match import NotApplicable, holds, search
from pollers.conditions.retry_after import retry_after
from pollers.spec import PollSpec

#: Statuses that say "try again later": timeouts, overload, and trouble between us and the service.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Statuses that mean "not yet" where a poll does not say which do: Accepted, and Not Modified.
PENDING_STATUSES = frozenset({202, 304})
#: Errors that another attempt may not meet again.
TRANSIENT_ERRORS = frozenset(
    {AnswerError.TIMEOUT, AnswerError.CONNECTION, AnswerError.DNS, AnswerError.MALFORMED}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What one answer means."""

    state: Literal["pending", "succeeded", "failed"]
    #: The value to return, as plain JSON. Of a pending poll only where its deadline brings success.
    value: Any = None
    #: Name of the error, when failed: ``PollFailed`` or ``PollRejected``.
    error: str = ""
    #: Why, in words.
    reason: str = ""
    #: Whether the answer was a transient error, which `max_errors` counts.
    transient: bool = False
    #: Seconds that the service asked to be left alone.
    retry_after: float | None = None


def decide(spec: PollSpec, answer: Answer, *, attempt: int, errors: int, now: float) -> Decision:
    """Return what an answer means for its poll.

    ``attempt`` is the number of the attempt, ``errors`` how many transient errors came right before
    it, ``now`` the moment in epoch seconds.
    """
    decision = _judge(spec, answer)
    if decision.state != "pending":
        return decision
    if decision.transient and spec.max_errors is not None and errors + 1 >= spec.max_errors:
        return _failed(_too_many_errors(errors + 1, decision.reason))
    if spec.max_attempts is not None and attempt >= spec.max_attempts:
        attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return _failed(f"still pending after {attempts}: {decision.reason}")
    wait = retry_after(answer.headers, now) if answer.headers else None
    value = _last_value(spec, answer) if spec.on_deadline == "succeed" else None
    return replace(decision, retry_after=wait, value=value)


def _judge(spec: PollSpec, answer: Answer) -> Decision:
    if answer.error is not None:
        if answer.error in TRANSIENT_ERRORS:
            return _pending(answer.error_text, transient=True)
        name = "PollRejected" if answer.error is AnswerError.REFUSED else "PollFailed"
        return _failed(answer.error_text, name)
    try:
        return _by_conditions(spec, answer)
    except NotApplicable as error:
        # Proxies put pages of their own in front of a service for a while.
        return _pending(str(error), transient=True)


def _by_conditions(spec: PollSpec, answer: Answer) -> Decision:
    status = answer.status or 0
    if spec.pending_on is not None and any(_means_pending(one, answer) for one in spec.pending_on):
        return _pending(f"HTTP {status} means not yet")
    try:
        if spec.fail_when is not None and holds(spec.fail_when, answer):
            return _failed(f"{_words(spec.fail_when)} holds")
        if spec.until is not None and holds(spec.until, answer):
            return _succeeded(spec, answer)
    except NotApplicable:
        if spec.pending_on is not None or status not in PENDING_STATUSES:
            raise
    if spec.pending_on is None and status in PENDING_STATUSES:
        return _pending(f"HTTP {status} means not yet")
    if 200 <= status < 300:
        if spec.until is None:
            return _succeeded(spec, answer)
        return _pending(f"{_words(spec.until)} does not hold yet")
    if status in TRANSIENT_STATUSES:
        return _pending(f"HTTP {status}", transient=True)
    return _failed(f"HTTP {status} is a permanent answer", "PollRejected")


def _means_pending(condition: Any, answer: Answer) -> bool:
    try:
        return holds(condition if isinstance(condition, dict) else [condition], answer)
    except NotApplicable:
        return False


def _succeeded(spec: PollSpec, answer: Answer) -> Decision:
    if spec.returns is None:
        return Decision(state="succeeded", value=answer.value())
    return Decision(state="succeeded", value=search(spec.returns, answer))


def _last_value(spec: PollSpec, answer: Answer) -> Any:
    if answer.error is not None or not 200 <= (answer.status or 0) < 300:
        return None
    try:
        return _succeeded(spec, answer).value
    except NotApplicable:
        return None


def _pending(reason: str, *, transient: bool = False) -> Decision:
    return Decision(state="pending", reason=reason, transient=transient)


def _failed(reason: str, error: str = "PollFailed") -> Decision:
    return Decision(state="failed", error=error, reason=reason)


def _too_many_errors(errors: int, last: str) -> str:
    return f"1 error: {last}" if errors == 1 else f"{errors} errors in a row, the last: {last}"


def _words(condition: Any) -> str:
    if isinstance(condition, str):
        return condition
    if isinstance(condition, dict):
        return "the match on " + ", ".join(condition)
    return "status " + " or ".join(map(str, condition))
