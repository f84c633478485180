"""`on_change`: which answers are news, and what is kept of them until they have been told. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pollers.answer import Answer
from pollers.conditional import validator
from pollers.conditions import Decision, NotApplicable, body_of, select
from pollers.progress import Progress
from pollers.spec import PollSpec

#: Changes that may wait to be told. While there are so many, as the broker is away, no more are noted:
#: the next one that is tells what the answer is by then.
MOST = 16
#: Characters of a digest: 64 bits tell apart the answers of one poll.
_DIGEST = 16


class News(NamedTuple):
    """What a poll knows of the changes of its answers."""

    #: Validator or digest of the last answer.
    seen: str
    #: How many changes there were.
    changes: int
    #: Those that are not told yet, as (number, value).
    untold: Sequence[Sequence[Any]]


def news_of(spec: PollSpec, progress: Progress, answer: Answer, decision: Decision) -> News:
    """Return the news after an answer.

    The first answer is a change, and then each that differs from the one before: in what `returns`
    selects, or without that in its validator, or without one in its body. Errors, transient or
    permanent, and answers that `returns` cannot be applied to, are none.
    """
    known = News(progress.seen, progress.changes, progress.untold)
    if spec.on_change is None or answer.status in (None, 304) or len(known.untold) >= MOST:
        return known
    if decision.transient or decision.error == "PollRejected":
        return known
    try:
        value = _value(spec, answer, decision)
    except NotApplicable:
        return known
    seen = (spec.returns is None and spec.protocol is None and validator(answer)) or _digest(value)
    if seen == known.seen:
        return known
    number = known.changes + 1
    return News(seen, number, (*known.untold, (number, value)))


def _value(spec: PollSpec, answer: Answer, decision: Decision) -> Any:
    if decision.value is not None:
        return decision.value
    return answer.value() if spec.returns is None else select(spec.returns, body_of(answer))


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
