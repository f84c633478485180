"""The decision: what the answer of an attempt means for its poll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pollers.answer import Answer, AnswerError
from pollers.conditions.acceptors import accepted_state, error_code, is_throttled
from pollers.conditions.match import NotApplicable, holds, search, select
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
    #: Where a convention leads the attempts from now on, an absolute URL; None for where this one went.
    next_url: str | None = None
    #: What a convention notes for its next reading; None to keep what it had noted.
    notes: Mapping[str, str] | None = None
    #: Whether the next attempt follows at once: what it will get is ready, elsewhere.
    at_once: bool = False
    #: Seconds by which all later waits are to grow.
    slower: float = 0.0


def decide(
    spec: PollSpec,
    answer: Answer,
    *,
    attempt: int,
    errors: int,
    now: float,
    read: Callable[[Answer], Decision] | None = None,
) -> Decision:
    """Return what an answer means for its poll.

    ``attempt`` is the number of the attempt, ``errors`` how many transient errors came right before
    it, ``now`` the moment in epoch seconds. ``read`` is how the poll's convention reads a response,
    where it has one; else the conditions of the spec decide.
    """
    decision = _judge(spec, answer, read)
    if decision.state != "pending":
        return decision
    if decision.transient and spec.max_errors is not None and errors + 1 >= spec.max_errors:
        return failed(_too_many_errors(errors + 1, decision.reason))
    if spec.max_attempts is not None and attempt >= spec.max_attempts:
        attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return failed(f"still pending after {attempts}: {decision.reason}")
    wait = retry_after(answer.headers, now) if answer.headers else None
    value = None
    if spec.on_deadline == "succeed":
        value = decision.value if decision.value is not None else _last_value(spec, answer)
    if wait is None and value is decision.value:
        return decision
    return replace(decision, retry_after=wait, value=value)


def _judge(spec: PollSpec, answer: Answer, read: Callable[[Answer], Decision] | None) -> Decision:
    if answer.error is not None:
        if answer.error in TRANSIENT_ERRORS:
            return pending(answer.error_text, transient=True)
        return failed(answer.error_text, rejected=answer.error is AnswerError.REFUSED)
    if spec.pending_on is not None and any(_means_pending(one, answer) for one in spec.pending_on):
        return pending(f"HTTP {answer.status} means not yet")
    try:
        return read(answer) if read else by_conditions(spec, answer)
    except NotApplicable as error:
        # Proxies put pages of their own in front of a service for a while.
        return pending(str(error), transient=True)


def by_conditions(spec: PollSpec, answer: Answer) -> Decision:
    """Return what `acceptors`, or `until`, `fail_when` and the status of a response say.

    Raises:
        NotApplicable: A condition asks for JSON, and the body is none.

    """
    if spec.acceptors is not None:
        return _by_acceptors(spec, answer)
    status = answer.status or 0
    try:
        if spec.fail_when is not None and holds(spec.fail_when, answer):
            return failed(f"{_words(spec.fail_when)} holds")
        if spec.until is not None and holds(spec.until, answer):
            return _succeeded(spec, answer)
    except NotApplicable:
        if spec.pending_on is not None or status not in PENDING_STATUSES:
            raise
    if spec.pending_on is None and status in PENDING_STATUSES:
        return pending(f"HTTP {status} means not yet")
    if 200 <= status < 300:
        if spec.until is None:
            if spec.on_deadline == "succeed" and spec.protocol is None:
                return pending("the poll lasts until its deadline")
            return _succeeded(spec, answer)
        return pending(f"{_words(spec.until)} does not hold yet")
    return by_status(answer)


def _by_acceptors(spec: PollSpec, answer: Answer) -> Decision:
    accepted = accepted_state(spec.acceptors, answer)
    if accepted is None:
        if is_throttled(answer):
            return pending(f"HTTP {answer.status}, throttled", transient=True)
        return pending("no acceptor matches yet") if error_code(answer) is None else by_status(answer)
    state, why = accepted
    if state == "success":
        return _succeeded(spec, answer)
    return failed(why) if state == "failure" else pending(why)


def by_status(answer: Answer) -> Decision:
    """Return what a response that is no success means by its status alone: transient, or permanent."""
    if answer.status in TRANSIENT_STATUSES:
        return pending(f"HTTP {answer.status}", transient=True)
    return failed(f"HTTP {answer.status} is a permanent answer", rejected=True)


def _means_pending(condition: Any, answer: Answer) -> bool:
    try:
        return holds(condition if isinstance(condition, dict) else [condition], answer)
    except NotApplicable:
        return False


def _last_value(spec: PollSpec, answer: Answer) -> Any:
    if answer.error is not None or not 200 <= (answer.status or 0) < 300:
        return None
    try:
        return _succeeded(spec, answer).value
    except NotApplicable:
        return None


def _succeeded(spec: PollSpec, answer: Answer) -> Decision:
    if spec.returns is None:
        return Decision(state="succeeded", value=answer.value())
    return Decision(state="succeeded", value=search(spec.returns, answer))


def succeeded(spec: PollSpec, value: Any) -> Decision:
    """Return the decision that the poll has succeeded with what `returns` selects of a value."""
    return Decision(state="succeeded", value=value if spec.returns is None else select(spec.returns, value))


def pending(reason: str, *, transient: bool = False, **more: Any) -> Decision:
    """Return the decision that the poll goes on; ``more`` are other fields of a `Decision`."""
    return Decision(state="pending", reason=reason, transient=transient, **more)


def failed(reason: str, *, rejected: bool = False) -> Decision:
    """Return the decision that the poll has failed; ``rejected`` for an answer that is permanent."""
    return Decision(state="failed", error="PollRejected" if rejected else "PollFailed", reason=reason)


def _too_many_errors(errors: int, last: str) -> str:
    return f"1 error: {last}" if errors == 1 else f"{errors} errors in a row, the last: {last}"


def _words(condition: Any) -> str:
    if isinstance(condition, str):
        return condition
    if isinstance(condition, dict):
        return "the match on " + ", ".join(condition)
    return "status " + " or ".join(map(str, condition))
