"""When the next attempt is due: the cadences of a poll, on tenacity's wait strategies.

The strategies say how long to wait after an attempt; `next_due` adds the rules around them, and the
jitter, drawn from a generator that the caller owns, so that everything here is a pure function.

Sources: jitter after "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015); the last attempt
before the deadline after the Smithy waiter specification; ``Retry-After`` after RFC 9110 section 10.2.3.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import NamedTuple

from tenacity import RetryCallState
from tenacity.wait import wait_base, wait_chain, wait_exponential, wait_fixed, wait_incrementing

from pollers.cadence import Cadence, Delays, Exponential, Fixed

#: How long before the deadline the last attempt is placed, in seconds, when the cadence has no more
#: room: enough for an ordinary request, and near enough to see what happened meanwhile.
LAST_ATTEMPT_MARGIN = 1.0


class Due(NamedTuple):
    """When somebody should look at the poll again."""

    #: The moment, on the clock that ``now`` was read from, in seconds.
    at: float
    #: The wait that the cadence asked for, in seconds; the next decorrelated jitter builds on it.
    delay: float
    #: False when no attempt is to be made then, as the deadline has come.
    attempt: bool


def next_due(
    cadence: Cadence,
    *,
    attempt: int,
    now: float,
    deadline: float,
    previous_delay: float | None,
    retry_after: float | None,
    min_interval: float,
    rng: random.Random,
    slower: float = 0.0,
) -> Due:
    """Return when the attempt after number ``attempt`` is due. All times are seconds.

    The cadence, with its jitter, and ``slower``, which a service has asked to be added; never sooner
    than ``retry_after`` and ``min_interval``; and never at or past the deadline: then one last attempt
    shortly before it, and after that one, none.
    """
    delay = _delay(cadence, attempt, previous_delay, min_interval, rng)
    at = now + max(delay + slower, retry_after or 0.0, min_interval)
    smithy = cadence.jitter == "smithy"
    if at < (deadline - cadence.shortest if smithy else deadline):
        return Due(at, delay, True)
    # A service that asked for more time than there is gets no attempt before it.
    earliest = now + max(min_interval, retry_after or 0.0)
    last = deadline - (cadence.shortest if smithy else LAST_ATTEMPT_MARGIN)
    if last >= earliest:
        return Due(last, delay, True)
    return Due(deadline, delay, False)


def aligned(at: float, delay: float) -> float:
    """Return the moment to which a due time moves so that polls of one cadence are due together.

    That is the last multiple of ``delay`` before it, or the next one if that would halve the wait. All are
    seconds.
    """
    tick = at // delay * delay
    return tick if at - tick <= delay / 2 else tick + delay


def _delay(
    cadence: Cadence,
    attempt: int,
    previous_delay: float | None,
    min_interval: float,
    rng: random.Random,
) -> float:
    if isinstance(cadence, Exponential) and cadence.jitter == "decorrelated":
        low = float(cadence.shortest)
        high = max(low, 3 * (previous_delay if previous_delay is not None else low))
        # Bounded before the draw, not after: polls live at the cap, and have to stay apart there.
        return rng.uniform(low, min(high, cadence.longest))
    base = _strategy(cadence)(_state(attempt))
    if cadence.jitter == "full":
        return rng.uniform(min(min_interval, base), base)
    if cadence.jitter == "smithy":
        return rng.uniform(cadence.shortest, base)
    if cadence.jitter == "equal":
        return rng.uniform(base / 2, base)
    return base


@lru_cache(maxsize=1024)
def _strategy(cadence: Cadence) -> wait_base:
    if isinstance(cadence, Fixed):
        return wait_fixed(cadence.delay)
    if isinstance(cadence, Delays):
        return wait_chain(*map(wait_fixed, cadence.delays))
    if isinstance(cadence, Exponential):
        return wait_exponential(multiplier=cadence.shortest, max=cadence.longest, exp_base=cadence.factor)
    return wait_incrementing(cadence.start, cadence.step, cadence.max)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _state(attempt: int) -> RetryCallState:
    """Return what a wait strategy reads: the number of the attempt."""
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = attempt
    return state
