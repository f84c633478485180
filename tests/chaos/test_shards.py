"""Workers that serve several shards are killed: every poll ends once, with its own value, wherever it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.chaos.app import DEADLY
from tests.chaos.world import HASTY, World

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]


@pytest.fixture
def world() -> Iterator[World]:
    """Return a world whose polls are in three schedules."""
    with World(shards=3) as world:
        yield world


@pytest.mark.parametrize("point", [DEADLY[0], DEADLY[2], DEADLY[-1]])
def test_kill_9_loses_no_poll_of_any_shard(world: World, point: str) -> None:
    """Both workers die there, the one soon, the other later; others take their places."""
    world.settings |= HASTY
    world.start_worker("w1", CHAOS_POINT=point)
    world.start_worker("w2", CHAOS_POINT=point, CHAOS_PASSES="3")
    world.submit(300)
    world.submit_endless(20, timeout=5.0, delay=0.05)
    world.account()
    assert world.deaths.count(-signal.SIGKILL) == 2
