"""One step of a poll: what an answer means, what is kept of it, and when to ask again. Pure.

The same step is taken by the attempts of workers and by polls that run here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from pollers import registry
from pollers.answer import Answer, AnswerError
from pollers.carrying import TooMuch, carried_on
from pollers.conditional import keep_validator
from pollers.conditions import Decision, NotApplicable, decide, failed, pending
from pollers.due import Due, next_due
from pollers.following import keep_params, refusal
from pollers.news import News, news_of
from pollers.progress import NONE, Progress
from pollers.spec import PollSpec


class Step(NamedTuple):
    """What came of one attempt."""

    decision: Decision
    #: When to look at the poll again; None when it has ended.
    due: Due | None
    #: What the next attempt gets; of a poll that has ended, what is still to be told.
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
    max_retry_after: float,
    rng: random.Random,
) -> Step:
    """Return what comes of the answer that attempt number ``attempt`` got.

    ``progress`` is what the attempt before had left, ``now`` and ``deadline`` are epoch seconds,
    ``min_interval`` and ``max_retry_after`` are in seconds.
    """
    decision = decide(
        spec,
        answer,
        attempt=attempt,
        errors=progress.errors,
        now=now,
        read=_reader(spec, progress, answer),
    )
    news = news_of(spec, progress, answer, decision)
    if decision.state != "pending":
        return Step(decision, None, _last(news))
    try:
        carried = progress.carried if decision.transient else carried_on(spec, progress, answer)
    except TooMuch as error:
        return Step(failed(str(error)), None, _last(news))
    cadence = spec.cadence

    def due_in(slower: float) -> Due:
        return next_due(
            cadence,
            attempt=attempt,
            now=now,
            deadline=deadline,
            previous_delay=progress.delay,
            retry_after=decision.retry_after and min(decision.retry_after, max_retry_after),
            min_interval=min_interval,
            slower=slower,
            rng=rng,
        )

    slower = progress.slower + decision.slower
    pause = _pause(spec, answer, decision, min_interval, news=carried != progress.carried)
    due = due_in(slower) if pause is None else Due(now + pause, progress.delay or 0.0, attempt=True)
    if answer.error is AnswerError.TIMEOUT and _timeouts_slow_down(spec):
        slower += due.delay + slower
        due = due_in(slower)
    url, transient = decision.next_url or progress.url, decision.transient
    # A validator is that of one resource: not of another URL, nor of another question.
    same_request = url == progress.url and carried == progress.carried
    kept = Progress(
        errors=progress.errors + 1 if transient else 0,
        delay=round(due.delay, 3) if cadence.jitter == "decorrelated" else None,
        value=progress.value if decision.value is None else decision.value,
        url=url,
        notes=progress.notes if decision.notes is None else decision.notes,
        validator=keep_validator(spec, progress, answer, transient=transient) if same_request else "",
        carried=carried,
        seen=news.seen,
        changes=news.changes,
        untold=news.untold,
        slower=slower,
        http=answer.kept,
    )
    return Step(decision, due, kept)


def _last(news: News) -> Progress:
    """Return what is left when a poll has ended: changes that nobody has been told of."""
    return Progress(untold=news.untold) if news.untold else NONE


def _pause(
    spec: PollSpec, answer: Answer, decision: Decision, min_interval: float, *, news: bool
) -> float | None:
    """Return the seconds to the next attempt where it is not for the cadence to say; else None.

    A long poll goes on at once after an answer that the service has held, and after news; never
    sooner than ``min_interval`` after the request before began.
    """
    if decision.at_once:
        return 0.0
    if spec.long_poll is None or decision.transient or decision.retry_after:
        return None
    held = answer.elapsed >= min_interval or "wait" in answer.headers.get("Preference-Applied", "")
    return max(0.0, min_interval - answer.elapsed) if held or news else None


def _reader(spec: PollSpec, progress: Progress, answer: Answer) -> Callable[[Answer], Decision] | None:
    """Return what reads a response in the place of the conditions, if something does."""
    if progress.validator and answer.status == 304:
        return lambda _: pending("HTTP 304 means unchanged")
    return partial(_read, spec, progress) if spec.protocol else None


def _read(spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
    """Return how the poll's convention reads a response, once it is clear where it leads."""
    starting = spec.start and not progress.url
    try:
        decision: Decision = registry.find(spec.convention or "").read(spec, progress, answer)
    except NotApplicable as error:
        if not starting:
            raise
        # What has succeeded is not sent again for being told in words that nobody understands.
        return failed(f"the answer to the start cannot be followed: {error}")
    if decision.next_url is None:
        if not starting or decision.transient or decision.state != "pending":
            return decision
        return failed("the answer to the start names no operation to follow")
    why_not = refusal(spec, answer.url, decision.next_url)
    if why_not:
        return failed(why_not, rejected=True)
    return replace(decision, next_url=keep_params(spec, decision.next_url))


def _timeouts_slow_down(spec: PollSpec) -> bool:
    """Return whether the poll's convention wants every timeout to double the wait."""
    if spec.convention is None or spec.convention not in registry.names():
        return False
    return bool(getattr(registry.find(spec.convention), "timeouts_slow_down", False))
