"""The cadences of a poll: how its attempts are spaced, as `every` says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pollers.durations import Duration, format_duration, parse_duration

#: No growth is faster: even the longest wait is reached after a few attempts.
LARGEST_FACTOR = 1000

JITTERS = ("full", "equal", "decorrelated", "smithy")


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


def _parse_fields(cadence: object, *names: str) -> None:
    for name in names:
        try:
            object.__setattr__(cadence, name, parse_duration(getattr(cadence, name)))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
