"""One step of a poll: what an answer means, what is kept of it, and when to ask again. Pure.

The same step is taken by the attempts of workers and by polls that run here.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from pollers.answer import Answer
from pollers.cadence import Due, next_due
from pollers.conditions import Decision, decide
from pollers.progress import Progress
from pollers.spec import PollSpec


class Step(NamedTuple):
    """What came of one attempt."""

    decision: Decision
    #: When to look at the poll again; None when it has ended.
    due: Due | None
    #: What the next attempt gets.
    progress: Progress


def take_step(
    spec: PollSpec,
    progress: Progress,
    answer: Answer,
    *,
    attempt: int,
    now: float,
    deadline: float,
    min_interval: float,
    rng: random.Random,
) -> Step:
    """Return what comes of the answer that attempt number ``attempt`` got.

    ``progress`` is what the attempt before had left, ``now`` and ``deadline`` are epoch seconds,
    ``min_interval`` is in seconds.
    """
    decision = decide(spec, answer, attempt=attempt, errors=progress.errors, now=now)
    if decision.state != "pending":
        return Step(decision, None, progress)
    cadence = spec.cadence
    due = next_due(
        cadence,
        attempt=attempt,
        now=now,
        deadline=deadline,
        previous_delay=progress.delay,
        retry_after=decision.retry_after,
        min_interval=min_interval,
        rng=rng,
    )
    kept = Progress(
        errors=progress.errors + 1 if decision.transient else 0,
        delay=round(due.delay, 3) if cadence.jitter == "decorrelated" else None,
        value=progress.value if decision.value is None else decision.value,
    )
    return Step(decision, due, kept)
