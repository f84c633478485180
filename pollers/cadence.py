"""When the next attempt is due: the cadences of a poll, on tenacity's wait strategies.

The strategies say how long to wait after an attempt; `next_due` adds the rules around them, and the
jitter, drawn from a generator that the caller owns, so that everything here is a pure function.

Sources: jitter after "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015); the last attempt
before the deadline after the Smithy waiter specification; ``Retry-After`` after RFC 9110 section 10.2.3.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from tenacity import RetryCallState
from tenacity.wait import wait_base, wait_chain, wait_exponential, wait_fixed, wait_incrementing

from pollers.durations import Duration, format_duration, parse_duration

#: How long before the deadline the last attempt is placed, in seconds, when the cadence has no more
#: room: enough for an ordinary request, and near enough to see what happened meanwhile.
LAST_ATTEMPT_MARGIN = 1.0

#: No growth is faster: even the longest wait is reached after a few attempts.
LARGEST_FACTOR = 1000

JITTERS = ("full", "equal", "decorrelated", "smithy")


class Due(NamedTuple):
    """When somebody should look at the poll again."""

    #: The moment, on the clock that ``now`` was read from, in seconds.
    at: float
    #: The wait that the cadence asked for, in seconds; the next decorrelated jitter builds on it.
    delay: float
    #: False when no attempt is to be made then, as the deadline has come.
    attempt: bool


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same wait after every attempt."""

    #: Seconds.
    delay: float

    #: A fixed cadence has no jitter.
    jitter = None

    def plain(self) -> float:
        """Return the cadence as plain JSON."""
        return self.delay

    @property
    def shortest(self) -> float:
        """The shortest wait in seconds."""
        return self.delay

    def strategy(self) -> wait_base:
        """Return the wait strategy."""
        return wait_fixed(self.delay)


@dataclass(frozen=True)
class Linear:
    """Waits that grow by a step: ``Linear(start="5s", step="5s", max="60s")``. All are durations."""

    start: Duration
    step: Duration
    max: Duration = 3600.0

    jitter = None

    def __post_init__(self) -> None:
        _parse_fields(self, "start", "step", "max")
        if self.max < self.start:  # type: ignore[operator]  # they are floats now
            raise ValueError(f"max is {format_duration(self.longest)}, which is shorter than start")

    def plain(self) -> dict[str, Any]:
        """Return the cadence as plain JSON."""
        return {"linear": {"start": self.start, "step": self.step, "max": self.max}}

    __json__ = plain

    @property
    def shortest(self) -> float:
        """The shortest wait in seconds."""
        return float(self.start)  # type: ignore[arg-type]  # __post_init__ made it a float

    @property
    def longest(self) -> float:
        """The longest wait in seconds."""
        return float(self.max)  # type: ignore[arg-type]

    def strategy(self) -> wait_base:
        """Return the wait strategy."""
        return wait_incrementing(self.start, self.step, self.max)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Exponential:
    """Waits that are multiplied: ``Exponential(min="1s", max="60s", factor=2, jitter="full")``.

    ``jitter`` spreads polls that began together: ``"full"`` takes any wait up to the computed one,
    ``"equal"`` its upper half, ``"decorrelated"`` up to three times the wait before, never over ``max``.
    ``"smithy"`` takes any wait from ``min`` up to it, and places a last attempt ``min`` before the deadline.
    """

    min: Duration = 1.0
    max: Duration = 60.0
    factor: float = 2.0
    jitter: str | None = None

    def __post_init__(self) -> None:
        _parse_fields(self, "min", "max")
        if not isinstance(self.factor, int | float) or not 1 <= self.factor <= LARGEST_FACTOR:
            raise ValueError(
                f"factor is {self.factor!r:.60}; it should be a number from 1 to {LARGEST_FACTOR}"
            )
        if self.jitter is not None and self.jitter not in JITTERS:
            raise ValueError(f"jitter is {self.jitter!r}; it should be one of {', '.join(JITTERS)}")
        if self.max < self.min:  # type: ignore[operator]  # __post_init__ made them floats
            raise ValueError(f"max is {format_duration(self.longest)}, which is shorter than min")

    def plain(self) -> dict[str, Any]:
        """Return the cadence as plain JSON."""
        fields = {"min": self.min, "max": self.max, "factor": self.factor}
        return {"exponential": fields | ({"jitter": self.jitter} if self.jitter else {})}

    __json__ = plain

    @property
    def shortest(self) -> float:
        """The shortest wait in seconds."""
        return float(self.min)  # type: ignore[arg-type]

    @property
    def longest(self) -> float:
        """The longest wait in seconds."""
        return float(self.max)  # type: ignore[arg-type]

    def strategy(self) -> wait_base:
        """Return the wait strategy."""
        return wait_exponential(
            multiplier=self.shortest,
            max=self.longest,
            exp_base=self.factor,
        )


@dataclass(frozen=True)
class Delays:
    """A wait for each attempt; the last one repeats."""

    delays: tuple[float, ...]

    jitter = None

    def plain(self) -> list[float]:
        """Return the cadence as plain JSON."""
        return list(self.delays)

    @property
    def shortest(self) -> float:
        """The shortest wait in seconds."""
        return min(self.delays)

    def strategy(self) -> wait_base:
        """Return the wait strategy."""
        return wait_chain(*map(wait_fixed, self.delays))


Cadence = Fixed | Linear | Exponential | Delays


def parse_cadence(value: object) -> Cadence:
    """Return the cadence that ``every`` describes.

    Raises:
        ValueError: The value describes none; the message says what would.

    """
    if isinstance(value, Cadence):
        return value
    if isinstance(value, Mapping):
        kinds: dict[str, Any] = {"linear": Linear, "exponential": Exponential}
        name, fields = next(iter(value.items()), ("", None))
        if len(value) != 1 or name not in kinds or not isinstance(fields, Mapping):
            raise ValueError('it should be {"linear": {...}} or {"exponential": {...}}')
        try:
            cadence: Cadence = kinds[name](**fields)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from error
        return cadence
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            raise ValueError("a list of delays needs at least one")
        return Delays(tuple(parse_duration(delay) for delay in value))
    return Fixed(parse_duration(value))  # type: ignore[arg-type]  # it refuses what it cannot read


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
    return cadence.strategy()


@lru_cache(maxsize=1024)
def _state(attempt: int) -> RetryCallState:
    """Return what a wait strategy reads: the number of the attempt."""
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = attempt
    return state


def _parse_fields(cadence: object, *names: str) -> None:
    for name in names:
        try:
            object.__setattr__(cadence, name, parse_duration(getattr(cadence, name)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
