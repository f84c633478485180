"""Admission: a poll is accepted whole, once, or not at all."""

from pollers.store import Submission
from tests.store.conftest import World


def test_an_admitted_poll_waits_in_the_schedule(world: World) -> None:
    """It is due at once when no delay is given, and its record tells so."""
    world.admit("p", timeout=60)
    assert world.record("p").state == "waiting"
    assert world.record("p").attempt == 0
    assert world.due_in("p") <= 0
    assert world.record("p").deadline_ms - world.record("p").created_ms == 60_000


def test_the_first_attempt_can_be_delayed(world: World) -> None:
    """A countdown moves the first due time."""
    world.admit("p", delay=30.0)
    assert 29 < world.due_in("p") <= 30
    assert world.dispatch() == []


def test_a_second_admission_of_the_same_id_changes_nothing(world: World) -> None:
    """Submitting again after an unclear answer of Redis is safe."""
    first = world.store.admit(Submission("p", spec="{}", span=1.0, timeout=60.0))
    second = world.store.admit(Submission("p", spec="{other}", span=1.0, timeout=90.0))
    assert (first.new, second.new) == (True, False)
    assert world.record("p").spec == "{}"


def test_an_id_that_has_ended_is_not_admitted_again(world: World) -> None:
    """A redelivered message of a poll that is over does not start it anew."""
    world.admit("p")
    world.store.cancel("p")
    world.store.claim("p")
    world.store.deliver("p", 60)
    assert not world.store.admit(Submission("p", spec="{}", span=1.0, timeout=60.0)).new
    assert world.record("p").state == "cancelled"


def test_a_deadline_that_has_passed_stores_nothing(world: World) -> None:
    """Redis' clock decides, and nothing is half-stored."""
    admission = world.store.admit(Submission("p", spec="{}", span=1.0, deadline=1_000_000.0))
    assert not admission.in_time
    assert world.store.find("p") is None
    assert not world.scheduled("p")
