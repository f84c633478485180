"""What should not happen and is survived is counted, once for each time, with when it last happened."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pollers.store import Pack
from pollers.store.damage import KINDS, damage
from pollers.store.overview import overview
from tests.store.conftest import StillWorld, World
from tests.waiting import wait_until


def counted(world: World) -> dict[str, int]:
    """Return how often each kind has happened, those that have."""
    return {one.kind.counter: one.times for one in damage(world.store)}


STEPS: dict[str, Callable[[World], object]] = {
    "dispatch": lambda world: world.dispatch(),
    "begin": lambda world: world.store.begin(Pack("pack", "", ["p", 1, 0])),
    "settle": lambda world: world.settle("p"),
    "told": lambda world: world.store.told("p", "", ""),
    "release": lambda world: world.store.release(),
    "claim": lambda world: world.store.claim("p"),
    "deliver": lambda world: world.store.deliver("p", 1.0),
    "cancel": lambda world: world.store.cancel("p"),
    "nudge": lambda world: world.store.nudge("p"),
    "pause": lambda world: world.store.pause("p"),
    "resume": lambda world: world.store.resume("p"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_record_that_a_script_cannot_read_is_counted(world: World, step: str) -> None:
    """By whichever script meets it."""
    world.admit("p")
    world.store.client.hset(world.store.keys.polls, "p", b"\xc1 no record")
    world.store.client.zadd(world.store.keys.releases, {"p": 1})
    STEPS[step](world)
    assert counted(world) == {"unreadable": 1}


def test_nothing_is_counted_while_all_is_well(world: World) -> None:
    """Not the first loading of the scripts either, nor what is refused to a cancelled poll."""
    world.admit()
    world.begin()
    world.store.cancel("p")
    assert not world.settle()
    assert world.store.claim("unknown").verdict == "unknown"
    assert counted(world) == {}


def test_an_attempt_that_is_never_settled_is_counted_with_its_late_settlement(still: StillWorld) -> None:
    """And a pack that was never begun."""
    still.admit("p")
    still.begin("p")
    still.wait(20)
    assert still.dispatch()
    assert counted(still) == {"crashed": 1}
    assert not still.settle("p", 1)
    assert counted(still) == {"crashed": 1, "overtaken": 1}
    still.wait(20)
    still.dispatch()
    assert counted(still) == {"crashed": 1, "overtaken": 1, "packs_lost": 1}


def test_scripts_that_redis_has_forgotten_are_counted(world: World) -> None:
    """Each that is sent once more, not the first time that one is sent."""
    world.admit()
    world.dispatch()
    world.store.client.script_flush()
    world.dispatch()
    world.admit("q")
    assert counted(world) == {"scripts_reloaded": 2}


def test_damage_tells_how_long_ago_it_was_and_what_to_do(world: World) -> None:
    """By the clock of Redis; the overview has the numbers."""
    world.store.note("malformed", 3)
    [one] = damage(world.store)
    assert (one.kind.counter, one.times) == ("malformed", 3)
    assert one.ago < 2
    world.store.client.hset(world.store.keys.stats, "last:malformed", world.now_ms() - 60_000)
    wait_until(lambda: 59 < damage(world.store)[0].ago < 70)
    numbers = overview(world.store).damage
    assert numbers["malformed"] == 3
    assert set(numbers) == {kind.counter for kind in KINDS}


def test_packs_are_counted_by_size_and_lateness_is_summed(still: StillWorld) -> None:
    """For histograms: bucket b holds packs of more than 2^(b-1) and up to 2^b polls."""
    for size in (1, 2, 3, 4, 5):
        for number in range(size):
            still.admit(f"p{size}-{number}")
        still.wait(0.1)
        [pack] = still.dispatch()
        still.store.begin(pack)
    stats = still.store.client.hgetall(still.store.keys.stats)
    assert {name: int(value) for name, value in stats.items() if name.startswith(b"packs:")} == {
        b"packs:0": 1,
        b"packs:1": 1,
        b"packs:2": 2,
        b"packs:3": 1,
    }
    assert int(stats[b"lateness_ms"]) == 100 * (1 + 2 + 3 + 4 + 5)
