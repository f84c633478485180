"""What an answer says about its origin, whatever it means for its poll: leave me alone, or I am unwell."""

from __future__ import annotations

from pollers.answer import Answer
from pollers.conditions.decide import TRANSIENT_ERRORS, TRANSIENT_STATUSES
from pollers.conditions.rate_limit import exhausted_for
from pollers.conditions.retry_after import retry_after

#: Statuses with which ``Retry-After`` speaks for the service, not for one resource (RFC 6585, section 4;
#: RFC 9110, section 15.6.4).
HOLDING_STATUSES = frozenset({429, 503})


def is_trouble(answer: Answer) -> bool | None:
    """Return whether the origin is unwell, which its breaker counts: the errors that are transient.

    None where the answer does not tell: the origin might have answered in the time that others give it.
    """
    if answer.cut_short:
        return None
    return answer.error in TRANSIENT_ERRORS or answer.status in TRANSIENT_STATUSES


def asked_hold(answer: Answer, now: float, *, rate_limit_headers: bool) -> float:
    """Return the seconds for which the origin asks to be left alone; 0 when it does not.

    ``now`` is epoch seconds; ``rate_limit_headers`` says whether those are read, beside ``Retry-After``.
    """
    if not answer.headers:
        return 0.0
    asked = retry_after(answer.headers, now) if answer.status in HOLDING_STATUSES else None
    left = exhausted_for(answer.headers, now) if rate_limit_headers else None
    return max(asked or 0.0, left or 0.0)
