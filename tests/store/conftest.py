"""A store on a real Valkey, and short words for what happens to polls in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from pollers.settings import Settings
from pollers.store import Pack, Record, Settlement, Store, Submission
from tests.store.clock import SimulatedStore
from tests.waiting import wait_until

SPEC = '{"url":"http://127.0.0.1/"}'
WORKER = "w1"


class World:
    """A store and its one worker; each method is a step in a poll's life."""

    def __init__(self, redis_url: str, **settings: object) -> None:
        self.settings = Settings(redis_url=redis_url, **settings)  # type: ignore[arg-type]
        self.store = Store.connect(self.settings)
        self._calls = count()

    def admit(self, poll_id: str = "p", *, timeout: float = 60.0, **options: object) -> str:
        """Admit a poll that is due now."""
        options = {"spec": SPEC, "span": 10.0, "timeout": timeout, **options}
        self.store.admit(Submission(poll_id, **options))  # type: ignore[arg-type]
        return poll_id

    def dispatch(self, queues: tuple[str, ...] = ("",), consumed: bool = True) -> list[Pack]:
        """Dispatch once; return the packs."""
        named = dict.fromkeys(queues, consumed)
        return self.store.dispatch(WORKER, f"c{next(self._calls)}", named).packs

    def begin(self, poll_id: str = "p") -> tuple[Pack, Record]:
        """Dispatch and begin one poll."""
        pack = next(pack for pack in self.dispatch() if poll_id in pack.polls)
        return pack, dict(self.store.begin(pack).polls)[poll_id]

    def settle(self, poll_id: str = "p", attempt: int = 1, **settlement: object) -> Record | bool:
        """Settle an attempt; waiting again in 60 s unless told otherwise."""
        texts = {"progress": "", "answer": "", "outcome": ""}
        values = {"state": "waiting", "due_ms": self.now_ms() + 60_000, **texts}
        one = Settlement(poll_id=poll_id, attempt=attempt, **(values | settlement))  # type: ignore[arg-type]
        return self.store.settle([one])[0]

    def now_ms(self) -> int:
        """Return the clock of Redis in ms."""
        seconds, microseconds = self.store.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def record(self, poll_id: str = "p") -> Record:
        """Return the record of a poll."""
        found = self.store.find(poll_id)
        assert found is not None
        return found.record

    def due_in(self, poll_id: str = "p") -> float:
        """Return in how many seconds somebody looks at the poll again."""
        found = self.store.find(poll_id)
        assert found is not None
        assert found.due_ms is not None
        return (found.due_ms - found.now_ms) / 1000

    def due_of(self, poll_id: str) -> float:
        """Return in how many seconds somebody looks at a poll again, whatever its record."""
        score = self.store.client.zscore(self.store.keys.schedule, poll_id)
        assert score is not None
        return (score - self.now_ms()) / 1000

    def scheduled(self, poll_id: str = "p") -> bool:
        """Return whether the poll is in the schedule."""
        return self.store.client.zscore(self.store.keys.schedule, poll_id) is not None

    def releasing(self, poll_id: str = "p") -> bool:
        """Return whether the poll's outcome waits to be delivered."""
        return self.store.client.zscore(self.store.keys.releases, poll_id) is not None

    def parked(self) -> set[str]:
        """Return the ids of the polls that are in some lot."""
        members = self.store.client.zrange(self.store.keys.lots, 0, -1)
        return {member.decode().rpartition("\0")[2] for member in members}

    def let_expire(self, poll_id: str = "p") -> None:
        """Dispatch until the poll has ended by its deadline."""

        def ended() -> bool:
            self.dispatch()
            return self.record(poll_id).ended

        wait_until(ended, 5)


@pytest.fixture
def make_world(redis_url: str) -> Iterator[Callable[..., World]]:
    """Return a maker of worlds with settings of their own, on one Valkey."""
    made: list[World] = []

    def make(**settings: object) -> World:
        made.append(World(redis_url, **settings))
        return made[-1]

    yield make
    for world in made:
        world.store.client.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Return a world with an ordinary lease."""
    return make_world()


@pytest.fixture
def hasty(make_world: Callable[..., World]) -> World:
    """Return a world whose leases end after 50 ms."""
    return make_world(lease=0.05)


class StillWorld(World):
    """A world whose time stands still until it is moved."""

    def __init__(self, redis_url: str, **settings: object) -> None:
        super().__init__(redis_url, **settings)
        self.store = SimulatedStore(self.store.client, self.settings)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.store.advance(seconds)

    def now_ms(self) -> int:
        """Return the simulated clock in ms."""
        return self.store.now_ms

    def sent(self) -> list[str]:
        """Dispatch once; return the ids of the polls that were sent, in their order."""
        return [str(poll_id) for pack in self.dispatch() for poll_id in pack.polls[::3]]

    def attempt(self, poll_id: str, **settlement: object) -> None:
        """Begin and settle an attempt of a poll that was sent."""
        number = self.record(poll_id).attempt + 1
        self.store.begin(Pack("pack", "", [poll_id, number, self.now_ms()]))
        assert self.settle(poll_id, number, **settlement)


@pytest.fixture
def still(redis_url: str) -> Iterator[StillWorld]:
    """Return a world with a simulated clock, and room for a thousand polls."""
    world = StillWorld(redis_url, concurrency=1000, backlog=1000)
    yield world
    world.store.client.close()
