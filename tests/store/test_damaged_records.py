"""Records that somebody has edited: each is left alone, told of, and holds up no other poll."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from pollers.errors import UnreadableRecord
from pollers.store import Record, traffic
from tests.store.conftest import StillWorld, World
from tests.store.test_limits import API, admit, sent_over

#: A value of a wrong type for a field of each type.
WRONG: dict[type, list[Any]] = {int: [None, "1"], str: [None, 7]}


def edit(world: World, poll_id: str, **fields: Any) -> None:
    """Write fields of a record as nobody should."""
    changed = world.record(poll_id)._replace(**fields)
    world.store.client.hset(world.store.keys.polls, poll_id, msgpack.packb(list(changed)))


@pytest.mark.parametrize("field", Record._fields)
def test_a_field_of_the_wrong_type_harms_its_poll_only(world: World, field: str) -> None:
    """It is left alone, and told of once in a while; the others are dispatched."""
    world.admit("p")
    right = getattr(world.record(), field)
    for wrong in WRONG[type(right)]:
        name = f"{field}-{wrong}"
        world.admit(name)
        edit(world, name, **{field: wrong})
        found = world.store.dispatch("w1", f"c-{name}", {"": True})
        assert found.unreadable == [name]
        assert world.due_of(name) > 1
        with pytest.raises(UnreadableRecord):
            world.store.find(name)
        assert world.store.claim(name).verdict == "live"
    assert world.admit("next") in str(world.dispatch())


def test_an_unknown_state_is_a_damaged_record(world: World) -> None:
    """Nobody knows what it means."""
    world.admit("p")
    edit(world, "p", state="sleeping")
    assert world.store.dispatch("w1", "c", {"": True}).unreadable == ["p"]


def test_an_unknown_priority_is_a_damaged_record(world: World) -> None:
    """It has no place in a lot."""
    world.admit("p")
    edit(world, "p", priority=7)
    assert world.store.dispatch("w1", "c", {"": True}).unreadable == ["p"]


def test_a_record_that_is_damaged_while_it_is_parked_holds_up_no_other(still: StillWorld) -> None:
    """Whatever its tenant, its limit or its origin has become."""
    traffic.configure(still.store, {API: "1/s"}, None)
    first, *others = admit(still, 5, tenant="t")
    assert [poll_id for _, poll_id in sent_over(still, 0.1)] == [first]
    edit(still, others[0], priority=7)
    edit(still, others[1], tenant=None)
    edit(still, others[2], tenant="a\0b", limit="no such", origin="\0")
    assert set(others[2:]) <= {poll_id for _, poll_id in sent_over(still, 5)}


@pytest.mark.parametrize("half", range(len(Record._fields)))
def test_half_a_record_is_a_damaged_record(world: World, half: int) -> None:
    """However much of it is missing."""
    world.admit("p")
    packed = msgpack.packb(list(world.record())[:half])
    world.store.client.hset(world.store.keys.polls, "p", packed)
    assert world.store.dispatch("w1", "c", {"": True}).unreadable == ["p"]
    with pytest.raises(UnreadableRecord):
        world.store.find("p")
