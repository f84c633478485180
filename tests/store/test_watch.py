"""Looking at a poll again and again, from outside."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pollers.watching import LONGEST_PAUSE, Watch
from tests.store.conftest import World
from tests.store.test_history import SPEC, attempt


@pytest.mark.parametrize("history", [20, 0])
def test_each_attempt_is_told_once(make_world: Callable[..., World], history: int) -> None:
    """Also where no history is kept, as long as each is looked for in time."""
    world = make_world(history=history)
    world.admit("p", spec=SPEC)
    watch = Watch(world.store, "p")
    assert watch.look().attempts == []
    told = []
    for number in range(3):
        attempt(world, b'{"n": %d}' % number)
        told += watch.look().attempts
        assert watch.look().attempts == []
    assert [(one.attempt, one.decision, one.excerpt) for one in told] == [
        (number + 1, "pending", f'{{"n": {number}}}') for number in range(3)
    ]


@pytest.mark.parametrize("history", [20, 0])
def test_an_attempt_that_died_with_its_worker_is_not_told(
    make_world: Callable[..., World], history: int
) -> None:
    """The answer of the one before is not told again."""
    world = make_world(history=history)
    world.admit("p", spec=SPEC)
    watch = Watch(world.store, "p")
    attempt(world)
    assert len(watch.look().attempts) == 1
    world.store.nudge("p")
    world.begin("p")
    world.store.client.zadd(world.store.keys.schedule, {"p": world.now_ms()})
    world.dispatch()
    assert (world.record("p").attempt, world.record("p").state) == (2, "waiting")
    assert watch.look().attempts == []


def test_looks_are_rare_while_nothing_is_due(world: World) -> None:
    """One a second, and shortly after an attempt is due; more and more rarely while it takes long."""
    world.admit("p", delay=60.0)
    watch = Watch(world.store, "p")
    assert watch.look().pause == LONGEST_PAUSE
    world.store.nudge("p")
    pauses = [watch.look().pause for _ in range(10)]
    assert pauses == sorted(pauses)
    assert (pauses[0] < 0.1, pauses[-1]) == (True, LONGEST_PAUSE)
    assert (Watch(world.store, "stranger").look().found, watch.look().ended) == (None, False)
