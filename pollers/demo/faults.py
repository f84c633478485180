"""What goes wrong on purpose at the render farm, and how long things take: chance with a seed.

Chance is drawn from the seed and the *name* of what happens ("third look at tile 5-2"), not from
one stream of numbers, so that a run is the same again whatever the order of its requests.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """How the farm disturbs one request."""

    #: 429 with Retry-After: 1.
    BUSY = "429"
    #: 503, an HTML page, as a proxy in front of a service sends it.
    UNAVAILABLE = "503"
    #: The request is acted upon, but the connection is closed without an answer.
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chance:
    """How often the farm misbehaves, as rates from 0 to 1, and how long a tile takes."""

    seed: int = 1
    #: Share of requests answered 429.
    busy: float = 0.05
    #: Share of requests answered 503.
    unavailable: float = 0.03
    #: Share of requests that get no answer.
    dropped: float = 0.03
    #: Share of tiles that end as failed.
    failed: float = 0.0
    #: Shortest and longest time that a tile takes once it is its turn, in seconds.
    shortest: float = 1.5
    longest: float = 4.5

    def __post_init__(self) -> None:
        """Refuse rates that are none: `ValueError` names them."""
        rates = {name: getattr(self, name) for name in ("busy", "unavailable", "dropped", "failed")}
        wrong = [name for name, rate in rates.items() if not 0 <= rate <= 1]
        if wrong or self.busy + self.unavailable + self.dropped > 1:
            raise ValueError(f"rates lie between 0 and 1 and add up to at most 1, not {rates}")
        if not 0 <= self.shortest <= self.longest:
            raise ValueError(f"a tile takes from {self.shortest} to {self.longest} s: not a range")

    def fault(self, *name: object) -> Fault | None:
        """The disturbance of the request called `name`, the same whenever it is asked."""
        drawn = self._draw("fault", *name).random()
        for fault, rate in (
            (Fault.BUSY, self.busy),
            (Fault.UNAVAILABLE, self.unavailable),
            (Fault.DROPPED, self.dropped),
        ):
            if drawn < rate:
                return fault
            drawn -= rate
        return None

    def duration(self, tile: str) -> float:
        """Seconds that the tile takes at least, once it is its turn."""
        return self._draw("duration", tile).uniform(self.shortest, self.longest)

    def fails(self, tile: str) -> bool:
        """Whether the tile ends as failed."""
        return self._draw("fails", tile).random() < self.failed

    def _draw(self, *name: object) -> Random:
        # A string seeds by its SHA-512, which is the same in every process; hash() would not be.
        return Random(":".join(map(str, (self.seed, *name))))
