"""The note that changes have been told."""

from __future__ import annotations

from tests.store.conftest import World

BEFORE, AFTER = '{"changes":1,"untold":[[1,"x"]]}', '{"changes":1}'


def test_what_was_told_is_noted_once(world: World) -> None:
    """The second time there is nothing to note."""
    world.admit()
    world.begin()
    world.settle(progress=BEFORE)
    assert world.store.told("p", BEFORE, AFTER) is True
    assert world.record().progress == AFTER
    assert world.store.told("p", BEFORE, AFTER) is False


def test_a_note_about_an_earlier_attempt_is_refused(world: World) -> None:
    """A later one has left something else meanwhile."""
    world.admit()
    world.begin()
    world.settle(progress='{"changes":2,"untold":[[1,"x"],[2,"y"]]}')
    assert world.store.told("p", BEFORE, AFTER) is False
    assert world.record().progress.endswith('[2,"y"]]}')


def test_changes_of_an_ended_poll_stay_until_they_are_told(world: World) -> None:
    """For whoever publishes its held task."""
    world.admit()
    world.begin()
    ended = world.settle(state="succeeded", progress=BEFORE, outcome="{}")
    assert not isinstance(ended, bool)
    assert ended.progress == BEFORE
    assert world.store.told("p", BEFORE, "") is True
    assert world.store.told("unknown", BEFORE, "") is False
