"""The capacity model: what a load needs in worker processes and Redis, out of what attempts and packs cost.

An attempt has a cost of its own, and its part of what its pack costs: Celery's price of a task, a call
of each script. So it costs ``attempt + pack / size``, and two measurements with packs of different sizes give
both. Packs are as large as what comes due in a dispatcher's tick, for each of the worker processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pollers.dispatcher import SHORTEST_TICK

#: Polls in a pack at most, as ``pollers_pack_size`` is by default.
LARGEST_PACK = 100
#: Share of a core that is planned with: the rest is for peaks, and for what is late to catch up.
PLANNED = 0.7


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What was measured of a load; CPU in microseconds per attempt."""

    name: str
    shards: int
    #: Attempts a second.
    rate: float
    #: Polls in a pack, on average.
    pack: float
    worker_us: float
    #: Of the servers that keep the polls, all together.
    store_us: float
    #: Of the server that is Celery's broker.
    broker_us: float
    #: Share of a core that each of the servers that keep the polls has used.
    store_loads: tuple[float, ...]


@dataclass(frozen=True)
class Cost:
    """CPU in microseconds."""

    attempt: float
    pack: float

    @classmethod
    def between(cls, large: tuple[float, float], small: tuple[float, float]) -> Cost:
        """Return the cost out of two measurements: polls in a pack, and the cost per attempt."""
        pack = (small[1] - large[1]) / (1 / small[0] - 1 / large[0])
        return cls(max(0.0, large[1] - pack / large[0]), pack)

    def per_attempt(self, size: float) -> float:
        """Return what an attempt costs in packs of a size."""
        return self.attempt + self.pack / size


@dataclass(frozen=True, kw_only=True)
class Model:
    """What attempts cost whom."""

    worker: Cost
    store: Cost
    broker: Cost

    @classmethod
    def of(cls, large: Observation, small: Observation) -> Model:
        """Return the model that two measurements with packs of different sizes give."""
        costs = {
            part: Cost.between(
                (large.pack, getattr(large, f"{part}_us")), (small.pack, getattr(small, f"{part}_us"))
            )
            for part in ("worker", "store", "broker")
        }
        return cls(**costs)

    def needs(self, rate: float, shards: int = 1) -> Needs:
        """Return what so many attempts a second need, when their polls are divided over shards."""
        processes, pack = 1, float(LARGEST_PACK)
        while True:
            # A worker comes to each of the shards in turn, at a tick: so many shards, so many more polls.
            pack = min(LARGEST_PACK, max(1.0, rate * SHORTEST_TICK / processes))
            wanted = math.ceil(rate * self.worker.per_attempt(pack) / 1e6 / PLANNED)
            if wanted <= processes:
                break
            processes = wanted
        return Needs(
            rate=rate,
            shards=shards,
            processes=processes,
            pack=pack,
            store_load=rate * self.store.per_attempt(pack) / 1e6 / shards,
            broker_load=rate * self.broker.per_attempt(pack) / 1e6,
        )

    def most(self, shards: int = 1) -> float:
        """Return the attempts a second at which so many servers, one to a shard, have no more to give.

        Planned, that is; without a reserve it is `PLANNED` of what they can do.
        """
        low, high = 0.0, 1e6
        while high - low > 1:
            rate = (low + high) / 2
            low, high = (rate, high) if self.needs(rate, shards).store_load <= PLANNED else (low, rate)
        return low


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a load needs."""

    rate: float
    shards: int
    #: Worker processes, of which each uses `PLANNED` of a core.
    processes: int
    #: Polls in a pack, on average.
    pack: float
    #: Share of a core that the server of each shard uses, and that Celery's broker uses.
    store_load: float
    broker_load: float
