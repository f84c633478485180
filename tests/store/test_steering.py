"""Cancel and nudge."""

from pollers.store import Submission
from tests.store.conftest import SPEC, World


def test_a_cancelled_poll_never_runs_again(world: World) -> None:
    """It leaves the schedule, and a message under way begins nothing."""
    world.admit("p")
    (pack,) = world.dispatch()
    assert world.store.cancel("p") == "cancelled"
    assert world.store.begin(pack).polls == []
    assert world.dispatch() == []
    assert world.releasing("p")


def test_cancelling_twice_is_the_same_as_once(world: World) -> None:
    """And the moment it ended stays."""
    world.admit("p")
    world.store.cancel("p")
    before = world.record("p")
    assert world.store.cancel("p") == "cancelled"
    assert world.record("p") == before


def test_a_poll_that_has_ended_cannot_be_cancelled(world: World) -> None:
    """Its terminal state is never left, before and after its delivery."""
    world.admit("p")
    world.begin("p")
    world.settle("p", state="failed", outcome="{}")
    assert world.store.cancel("p") == "failed"
    world.store.deliver("p", 60)
    assert world.store.cancel("p") == "failed"


def test_a_poll_that_is_revoked_before_it_is_known_is_not_admitted(world: World) -> None:
    """However often it is revoked, nobody says that it is known; for as long as that is remembered."""
    assert world.store.revoke("p", 60) == "unknown"
    assert world.store.revoke("p", 60) == "unknown"
    assert not world.store.admit(Submission("p", SPEC, 10.0, timeout=60.0)).new
    assert world.store.find("p") is None
    assert world.dispatch() == []
    assert 59_000 < world.store.client.pttl(world.store.keys.ended("p")) <= 60_000


def test_a_known_poll_is_revoked_as_it_is_cancelled(world: World) -> None:
    """Live, ended, and delivered."""
    world.admit("p")
    assert world.store.revoke("p", 60) == "cancelled"
    assert world.store.revoke("p", 60) == "cancelled"
    world.store.deliver("p", 60)
    assert world.store.revoke("p", 60) == "cancelled"
    assert world.store.find("p") is not None


def test_a_nudged_poll_is_due_now(world: World) -> None:
    """Whatever its cadence says."""
    world.admit("p", delay=30.0)
    assert world.store.nudge("p") == "waiting"
    assert world.due_in("p") <= 0
    assert len(world.dispatch()) == 1


def test_a_nudge_does_not_move_an_overdue_poll_back(world: World) -> None:
    """It keeps its place among the others that are due."""
    world.admit("p")
    before = world.store.client.zscore(world.store.keys.schedule, "p")
    world.store.nudge("p")
    assert world.store.client.zscore(world.store.keys.schedule, "p") == before


def test_a_poll_that_is_nudged_in_an_attempt_is_due_after_it(world: World) -> None:
    """Once: what the nudge is about may have come after the answer."""
    world.admit("p")
    world.begin("p")
    assert world.store.nudge("p") == "running"
    assert world.settle("p")
    assert world.due_in("p") <= 0
    world.begin("p")
    assert world.settle("p", attempt=2)
    assert world.due_in("p") > 50


def test_an_ended_poll_cannot_be_nudged(world: World) -> None:
    """Its state is told instead, and what was remembered of it is forgotten."""
    world.admit("p")
    world.begin("p")
    world.store.nudge("p")
    world.settle("p", state="failed", outcome="{}")
    assert world.store.nudge("p") == "failed"
    assert not world.scheduled("p")
    assert not world.store.client.exists(world.store.keys.nudged)


def test_a_poll_is_ended_from_outside(world: World) -> None:
    """By whoever knows its outcome: the attempt under way is refused, and the outcome is delivered."""
    world.admit("p")
    world.begin("p")
    assert world.store.end("p", "succeeded", '{"value":1}') == "succeeded"
    assert world.settle("p", state="failed", outcome="{}") is False
    assert (world.record("p").state, world.record("p").outcome) == ("succeeded", '{"value":1}')
    assert world.releasing("p")
    assert world.store.client.hget(world.store.keys.stats, "succeeded") == b"1"


def test_ending_a_poll_twice_keeps_the_first_end(world: World) -> None:
    """As a webhook may come twice, and two may contradict."""
    world.admit("p")
    world.store.end("p", "succeeded", '{"value":1}')
    before = world.record("p")
    assert world.store.end("p", "succeeded", '{"value":2}') == "succeeded"
    assert world.store.end("p", "failed", "{}") == "succeeded"
    assert world.store.cancel("p") == "succeeded"
    assert world.record("p") == before
    world.store.deliver("p", 60)
    assert world.store.end("p", "failed", "{}") == "succeeded"


def test_nobody_knows_a_stranger(world: World) -> None:
    """An unknown id is told as such."""
    assert world.store.cancel("stranger") == "unknown"
    assert world.store.nudge("stranger") == "unknown"
    assert world.store.find("stranger") is None


def test_a_paused_poll_waits_until_it_is_resumed(world: World) -> None:
    """A message under way begins nothing; a nudge does not end the pause."""
    world.admit("p")
    (pack,) = world.dispatch()
    assert world.store.pause("p") == "paused"
    assert world.store.begin(pack).polls == []
    assert world.store.nudge("p") == "paused"
    assert world.due_in("p") > 50
    assert world.dispatch() == []
    assert world.store.resume("p") == "waiting"
    assert len(world.dispatch()) == 1


def test_a_poll_that_is_paused_in_an_attempt_waits_after_it(world: World) -> None:
    """The attempt itself settles, and may end the poll."""
    world.admit("p")
    world.begin("p")
    assert world.store.pause("p") == "running"
    assert world.store.nudge("p") == "paused"
    assert world.settle("p", due_ms=world.now_ms())
    assert world.dispatch() == []
    assert world.due_in("p") > 50
    world.store.resume("p", 30.0)
    assert 29 < world.due_in("p") <= 30


def test_a_paused_poll_ends_at_its_deadline(world: World) -> None:
    """Without another attempt."""
    world.admit("p", timeout=0.1)
    world.store.pause("p")
    world.let_expire("p")
    assert world.record("p").state == "timed_out"


def test_pausing_and_resuming_twice_is_the_same_as_once(world: World) -> None:
    """A resume of what is not paused does not make it due."""
    world.admit("p", delay=30.0)
    assert world.store.resume("p") == "waiting"
    assert world.due_in("p") > 29
    for _ in range(2):
        assert world.store.pause("p") == "paused"
    for _ in range(2):
        assert world.store.resume("p", 5.0) == "waiting"
    assert 4 < world.due_in("p") <= 5
    assert world.store.pause("stranger") == world.store.resume("stranger") == "unknown"
