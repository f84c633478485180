"""Release, claim and deliver: the outcome reaches Celery at least once, and one at a time."""

from tests.store.conftest import World
from tests.waiting import wait_until


def _ended(world: World) -> None:
    world.admit("p", held='{"link":[]}')
    world.begin("p")
    world.settle("p", state="succeeded", outcome='{"value":42}')


def test_an_outcome_that_nobody_published_is_released(hasty: World) -> None:
    """The worker that settled died before it published the held task."""
    _ended(hasty)
    wait_until(lambda: [poll for poll, _ in hasty.store.release()] == ["p"], 5)


def test_a_released_outcome_is_leased_to_its_publisher(world: World) -> None:
    """Another dispatcher does not publish it at the same time."""
    world.admit("p")
    world.store.cancel("p")
    assert len(world.store.release()) == 1
    assert world.store.release() == []


def test_a_claimed_outcome_is_given_once(world: World) -> None:
    """A second copy of the held task steps back."""
    _ended(world)
    claim = world.store.claim("p")
    assert claim.verdict == "claimed"
    assert claim.record is not None
    assert claim.record.outcome == '{"value":42}'
    assert world.store.claim("p").verdict == "busy"


def test_a_claim_runs_out(hasty: World) -> None:
    """When the worker that runs the held task dies, the next copy delivers."""
    _ended(hasty)
    assert hasty.store.claim("p").verdict == "claimed"
    wait_until(lambda: hasty.store.claim("p").verdict == "claimed", 5)


def test_a_delivered_outcome_leaves_a_record_that_expires(world: World) -> None:
    """For `status`; the value is Celery's to keep."""
    _ended(world)
    world.store.claim("p")
    assert world.store.deliver("p", 100.0)
    assert world.record("p").state == "succeeded"
    assert world.record("p").outcome == ""
    assert not world.releasing("p")
    assert 99_000 < world.store.client.pttl(world.store.keys.ended("p")) <= 100_000
    assert world.store.client.hlen(world.store.keys.polls) == 0


def test_delivering_twice_changes_nothing(world: World) -> None:
    """The second call has nothing to note."""
    _ended(world)
    world.store.deliver("p", 100.0)
    assert not world.store.deliver("p", 1.0)
    assert world.store.claim("p").verdict == "delivered"
    assert world.store.client.pttl(world.store.keys.ended("p")) > 90_000


def test_a_live_poll_has_no_outcome_to_claim(world: World) -> None:
    """Nor has a poll that nobody knows."""
    world.admit("p")
    assert world.store.claim("p").verdict == "live"
    assert not world.store.deliver("p", 1.0)
    assert world.store.claim("stranger").verdict == "unknown"


def test_an_outcome_is_published_again_after_ever_longer_times(hasty: World) -> None:
    """So that slow workers do not drown in copies of what they already have; but not for ever longer."""
    _ended(hasty)
    pauses = []
    for _ in range(6):
        wait_until(hasty.store.release, 5)
        due = hasty.store.client.zscore(hasty.store.keys.releases, "p")
        assert due is not None
        pauses.append(due - hasty.now_ms())
    assert pauses[0] <= 100
    assert pauses[-1] > 4 * pauses[0]
    assert max(pauses) <= 16 * 50


def test_an_outcome_that_is_claimed_and_never_delivered_is_published_after_ever_longer_times(
    hasty: World,
) -> None:
    """A claim does not shorten the pause: what keeps it from being delivered may stay for long."""
    _ended(hasty)
    pauses = []
    for _ in range(5):
        wait_until(hasty.store.release, 5)
        assert hasty.store.claim("p").verdict == "claimed"
        due = hasty.store.client.zscore(hasty.store.keys.releases, "p")
        assert due is not None
        pauses.append(due - hasty.now_ms())
    assert pauses[-1] > 4 * pauses[0]
