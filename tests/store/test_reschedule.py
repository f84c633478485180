"""Another cadence or deadline for a poll that is under way."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pollers.errors import AlreadyEnded, InvalidPoll, UnknownPoll
from pollers.rescheduling import reschedule
from pollers.spec import PollSpec
from pollers.store.reschedule import Revision
from pollers.store.reschedule import reschedule as change_in_store
from tests.store.conftest import World

SPEC = '{"url":"http://127.0.0.1/","until":"done","every":3600.0}'


def change(world: World, *, every: Any = None, deadline: datetime | None = None, poll_id: str = "p") -> None:
    """Reschedule a poll as `PollResult` does."""
    reschedule(world.store, poll_id, world.settings, every=every, deadline=deadline)


def test_a_shorter_cadence_brings_the_next_attempt_forward(world: World) -> None:
    """One of the new waits from now at the latest."""
    world.admit("p", spec=SPEC, delay=3000.0, timeout=7200.0)
    change(world, every="5s")
    assert 4 < world.due_in("p") <= 5
    assert PollSpec.from_json(world.record("p").spec).every == 5.0


def test_a_longer_cadence_leaves_the_next_attempt_where_it_is(world: World) -> None:
    """It counts from the attempt after that."""
    world.admit("p", delay=5.0)
    change(world, every="50s")
    assert 4 < world.due_in("p") <= 5


def test_a_deadline_is_moved(world: World) -> None:
    """Sooner and later; the parameters say the new one."""
    world.admit("p", spec=SPEC, delay=50.0)
    soon = datetime.now(UTC) + timedelta(seconds=20)
    change(world, deadline=soon)
    record = world.record("p")
    assert record.deadline_ms == round(soon.timestamp() * 1000)
    assert PollSpec.from_json(record.spec).timeout is None
    assert 19 < world.due_in("p") <= 20
    change(world, deadline=soon + timedelta(hours=1))
    assert world.record("p").deadline_ms == record.deadline_ms + 3_600_000
    assert len(world.dispatch()) == 1


def test_a_poll_that_is_on_its_way_is_not_sent_again(world: World) -> None:
    """Whatever its new cadence and deadline are, it is in the message that was sent."""
    world.admit("p", spec=SPEC)
    (pack,) = world.dispatch()
    change(world, every="0.5s")
    change(world, deadline=datetime.now(UTC) + timedelta(seconds=5))
    assert 4 < world.due_in("p") <= 5
    assert world.dispatch() == []
    assert len(world.store.begin(pack).polls) == 1


def test_a_paused_poll_stays_paused(world: World) -> None:
    """Until its new deadline."""
    world.admit("p", spec=SPEC, delay=50.0)
    world.store.pause("p")
    change(world, every=5, deadline=datetime.now(UTC) + timedelta(seconds=300))
    assert world.dispatch() == []
    assert 295 < world.due_in("p") <= 300


def test_an_attempt_that_is_under_way_is_waited_for(world: World) -> None:
    """It places the next one by the old cadence, which the new one puts right."""
    world.admit("p", spec=SPEC, timeout=7200.0)
    world.begin("p")
    changing = threading.Thread(target=change, args=(world,), kwargs={"every": 5})
    changing.start()
    changing.join(0.2)
    assert changing.is_alive()
    assert world.settle("p", due_ms=world.now_ms() + 3_600_000) is True
    changing.join(5)
    assert 4 < world.due_in("p") <= 5


def test_the_lease_of_a_running_attempt_goes_with_the_deadline(world: World) -> None:
    """So that the poll ends in time."""
    world.admit("p", spec=SPEC)
    world.begin("p")
    record = world.record("p")
    ends = world.now_ms() / 1000 + 2
    revision = Revision(record.spec, record.spec, 5.0, ends)
    assert change_in_store(world.store, "p", revision) == "running"
    assert 2 < world.due_in("p") <= 2.4
    assert change_in_store(world.store, "p", revision._replace(deadline=ends + 60)) == "running"
    assert 14 < world.due_in("p") <= 15


def test_a_spec_that_somebody_else_has_changed_is_not_overwritten(world: World) -> None:
    """The caller reads it again."""
    world.admit("p")
    assert change_in_store(world.store, "p", Revision("{}", SPEC, 5.0)) == "changed"
    assert world.record("p").spec != SPEC


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "every"),
        ({"every": "often"}, "every"),
        ({"every": 0.1}, "every"),
        ({"deadline": datetime(2020, 1, 1, tzinfo=UTC)}, "deadline"),
        ({"deadline": datetime(2020, 1, 1)}, "deadline"),
        ({"deadline": datetime.now(UTC) + timedelta(days=40_000)}, "deadline"),
    ],
)
def test_a_wrong_change_is_named_and_changes_nothing(
    world: World, changes: dict[str, Any], field: str
) -> None:
    """As at submission."""
    world.admit("p")
    before = world.record("p")
    with pytest.raises(InvalidPoll) as caught:
        change(world, **changes)
    assert list(caught.value.problems) == [field]
    assert world.record("p") == before


def test_a_poll_that_has_ended_is_not_rescheduled(world: World) -> None:
    """Before its delivery and after it; nor is one that nobody knows."""
    world.admit("p")
    world.store.cancel("p")
    with pytest.raises(AlreadyEnded, match=r"has ended \(cancelled\)"):
        change(world, every=5)
    world.store.deliver("p", 60.0)
    with pytest.raises(AlreadyEnded):
        change(world, every=5)
    with pytest.raises(UnknownPoll):
        change(world, every=5, poll_id="stranger")
