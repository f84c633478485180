"""Polls whose attempts die with their workers: tried again, then on their own, then failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pollers import outcome
from pollers.errors import PollFailed
from pollers.store import Pack
from tests.store.conftest import World


def crash(world: World, *packs: Pack) -> None:
    """Begin packs and let the leases of their attempts run out."""
    for pack in packs:
        begun = world.store.begin(pack).polls
        assert begun
        world.store.client.zadd(world.store.keys.schedule, {poll_id: 1 for poll_id, _ in begun})


def polls_of(packs: list[Pack]) -> list[list[object]]:
    """Return the ids in each pack."""
    return [pack.polls[::3] for pack in packs]


def test_polls_of_a_killed_worker_are_tried_again_together(world: World) -> None:
    """One crash is the worker's, as far as anyone knows."""
    for name in "abc":
        world.admit(name)
    crash(world, *world.dispatch())
    assert polls_of(world.dispatch()) == [["a", "b", "c"]]


def test_a_suspect_is_tried_on_its_own(world: World) -> None:
    """After two crashes, one by one, each in a pack of its own; others are not held up."""
    for name in "abc":
        world.admit(name)
    crash(world, *world.dispatch())
    crash(world, *world.dispatch())
    world.admit("new")
    (first, others) = world.dispatch()
    assert polls_of([first, others]) == [["a"], ["new"]]
    for name in "bc":
        assert 0 < world.due_in(name) <= 0.1


def test_a_suspect_that_settles_makes_room_for_the_next(world: World) -> None:
    """And is no suspect any more."""
    for name in "ab":
        world.admit(name)
    crash(world, *world.dispatch())
    crash(world, *world.dispatch())
    (alone,) = world.dispatch()
    world.store.begin(alone)
    assert world.settle("a", attempt=3) is True
    assert world.record("a").crashes == 0
    world.store.nudge("b")
    assert polls_of(world.dispatch()) == [["b"]]


def test_a_poll_that_crashes_every_time_fails(world: World) -> None:
    """After as many attempts as the setting allows; the outcome says so."""
    world.admit("p")
    for _ in range(3):
        crash(world, *world.dispatch())
    assert world.dispatch() == []
    record = world.record("p")
    assert (record.state, record.attempt, record.crashes) == ("failed", 3, 3)
    assert world.releasing("p")
    assert not world.scheduled("p")
    with pytest.raises(PollFailed, match="its last 3 attempts died with their workers"):
        outcome.result_of(record)
    assert world.store.client.get(world.store.keys.suspect) is None


def test_the_number_of_crashes_is_a_setting(make_world: Callable[..., World]) -> None:
    """With 1, the first crash is the last."""
    world = make_world(max_crashes=1)
    world.admit("p")
    crash(world, *world.dispatch())
    world.dispatch()
    assert world.record("p").state == "failed"


def test_a_suspect_that_was_parked_stays_parked_until_there_is_room(
    make_world: Callable[..., World],
) -> None:
    """Nothing is forgotten when several suspects are parked and one pack fits."""
    world = make_world(pack_size=2, backlog=2)
    world.admit("a")
    world.admit("b")
    crash(world, *world.dispatch())
    crash(world, *world.dispatch())
    world.admit("new")  # takes the only pack
    world.store.client.zadd(world.store.keys.schedule, {"new": 0})
    (taken,) = world.dispatch()
    assert polls_of([taken]) == [["new"]]
    assert world.parked() == {"a", "b"}
    world.store.begin(taken)
    (alone,) = world.dispatch()
    assert polls_of([alone]) == [["a"]]
    assert world.parked() == {"b"}
    world.store.begin(alone)
    assert world.dispatch() == []
    assert 0 < world.due_in("b") <= 0.1


def test_a_late_settle_shows_that_its_worker_lives(world: World) -> None:
    """A slow name server, say, outlasts the lease of each attempt: the poll crashes nobody."""
    world.admit("p")
    crash(world, *world.dispatch())
    crash(world, *world.dispatch())
    assert world.record("p").crashes == 1
    (pack,) = world.dispatch()
    assert world.record("p").crashes == 2
    assert world.settle("p", attempt=1) is False
    assert world.settle("p", attempt=2) is False
    assert world.record("p").crashes == 0
    world.store.begin(pack)
    assert world.record("p").attempt == 3


def test_a_cancelled_suspect_makes_room_for_the_next(world: World) -> None:
    """It will not be attempted any more."""
    for name in "ab":
        world.admit(name)
    crash(world, *world.dispatch())
    crash(world, *world.dispatch())
    assert polls_of(world.dispatch()) == [["a"]]
    world.store.cancel("a")
    world.store.nudge("b")
    assert polls_of(world.dispatch()) == [["b"]]
