"""Listing what is in the store."""

import json

from pollers.store.listing import count_polls, count_workers, polls_in
from tests.store.conftest import World


def test_every_poll_is_listed_once_with_its_due_time(world: World) -> None:
    """Over many batches, whatever their order."""
    ids = {world.admit(f"p{number}", delay=5.0) for number in range(700)}

    found = list(polls_in(world.store, batch=50))

    assert sorted(poll_id for poll_id, _ in found) == sorted(ids)
    assert {one.record.state for _, one in found} == {"waiting"}
    assert all(0 < (one.due_ms or 0) - one.now_ms <= 5_000 for _, one in found)
    assert count_polls(world.store) == len(ids)


def test_the_hash_may_grow_between_two_batches(world: World) -> None:
    """What was there from the start is listed, and nothing twice, while Redis rehashes."""
    first = {world.admit(f"p{number}") for number in range(300)}
    listed = []

    for poll_id, _ in polls_in(world.store, batch=10):
        listed.append(poll_id)
        world.admit(f"later-{len(listed)}")

    assert first <= set(listed)
    assert len(listed) == len(set(listed))


def test_only_the_states_that_were_asked_for_are_listed(world: World) -> None:
    """A running poll among waiting ones; an ended one until its outcome is delivered."""
    for poll_id in ("a", "b", "c"):
        world.admit(poll_id)
    (pack,) = world.dispatch()
    world.store.begin(pack)
    world.settle("b")
    world.store.cancel("c")

    def listed(*states: str) -> set[str]:
        return {poll_id for poll_id, _ in polls_in(world.store, states)}

    assert listed("waiting") == {"b"}
    assert listed("running") == {"a"}
    assert listed("cancelled", "running") == {"a", "c"}
    world.store.deliver("c", 60)
    assert listed("cancelled") == set()


def test_an_ended_poll_has_no_due_time(world: World) -> None:
    """It has left the schedule."""
    world.admit("p")
    world.store.cancel("p")

    ((_, found),) = polls_in(world.store)

    assert found.due_ms is None


def test_a_damaged_record_is_left_out(world: World) -> None:
    """It hides no other poll."""
    world.admit("p")
    world.store.client.hset(world.store.keys.polls, "damaged", b"\xc1 no record")

    assert [poll_id for poll_id, _ in polls_in(world.store)] == ["p"]


def test_an_empty_store_lists_nothing(world: World) -> None:
    """No polls, no error."""
    assert list(polls_in(world.store)) == []
    assert count_polls(world.store) == 0


def test_workers_are_counted_by_queue_while_they_dispatch(world: World) -> None:
    """One that only looks after another queue's polls is not a worker of that queue."""
    assert count_workers(world.store) == 0
    world.dispatch(("", "slow"))
    world.dispatch(("foreign",), consumed=False)

    assert count_workers(world.store) == 1
    assert count_workers(world.store, "slow") == 1
    assert count_workers(world.store, "foreign") == 0


def test_polls_are_listed_by_tag(world: World) -> None:
    """By a whole tag; specs that cannot be read have none."""
    for name, tags in (("a", ["x", "y"]), ("b", ["xy"]), ("c", ["y"])):
        world.admit(name, spec=json.dumps({"url": "http://127.0.0.1/", "tags": tags}, separators=(",", ":")))
    world.admit("d", spec='{"tags":damaged')
    world.admit("e")
    assert {poll_id for poll_id, _ in polls_in(world.store, tag="x")} == {"a"}
    assert {poll_id for poll_id, _ in polls_in(world.store, tag="y")} == {"a", "c"}
