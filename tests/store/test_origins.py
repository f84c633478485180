"""Holds and breakers: what one attempt learns of an origin, all its polls keep."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pollers import PollTimeout, outcome
from pollers.politeness import Breaker
from pollers.settings import Settings
from pollers.store import traffic
from tests.store.conftest import StillWorld
from tests.store.test_limits import admit, sent_over

API = "api.example.com"
BREAKER = Breaker(ratio=0.5, minimum=4, window=10.0, shortest=8.0, longest=30.0, trials=2)


def with_breaker(world: StillWorld) -> None:
    """Configure breakers."""
    rules = {"ratio": 0.5, "minimum": 4, "window": 10.0, "shortest": 8.0, "longest": 30.0, "trials": 2}
    traffic.configure(world.store, {}, rules)
    traffic.introduce(world.store, [API])


def gate(world: StillWorld) -> traffic.Gate:
    """Return the gate of the origin."""
    (found,) = traffic.gates(world.store, "origin")
    return found


def condition(world: StillWorld) -> str:
    """Return what people are told of the origin at this moment of the simulated clock."""
    return gate(world)._replace(now_ms=world.now_ms()).condition()


def fall(world: StillWorld) -> None:
    """Let the origin fail until its breaker opens."""
    polls = admit(world, 4, prefix="down")
    assert world.sent() == polls
    for poll_id in polls:
        world.attempt(poll_id, trouble=True, due_ms=world.now_ms() + 400_000)
    assert gate(world).state["breaker"] == "open"


def test_a_hold_keeps_all_polls_of_the_origin(still: StillWorld) -> None:
    """Those of other origins go on."""
    admit(still, 20)
    first, *others = still.sent()
    still.attempt(first, hold_ms=5000)
    for poll_id in others:
        still.attempt(poll_id, due_ms=still.now_ms() + 1000)
    still.admit("other", origin="other.example.com")
    still.wait(1)
    assert still.sent() == ["other"]
    assert gate(still).state["held"] == still.now_ms() + 4000
    assert still.store.client.hget(still.store.keys.stats, "origins_held") == b"1"


def test_polls_that_a_gate_keeps_from_their_first_attempt_are_told_once(still: StillWorld) -> None:
    """When they come due; not those that had attempts, and not again when their turn comes."""
    still.admit("before", origin=API)
    still.sent()
    still.attempt("before", due_ms=still.now_ms() + 1000)
    traffic.shut(still.store, API)
    still.admit("new", origin=API)
    kept = []
    for _ in range(4):
        kept += still.store.dispatch("w1", "c", {"": True}).kept
        still.wait(0.6)
    assert kept == ["new"]
    assert still.parked() == {"before", "new"}


def test_after_a_hold_the_origin_is_approached(still: StillWorld) -> None:
    """A few polls at first, twice as many a second later, and so on."""
    first = still.admit("first", origin=API)
    still.sent()
    still.attempt(first, hold_ms=2000, due_ms=still.now_ms() + 300_000)
    admit(still, 200)
    assert sent_over(still, 2) == []
    counts = [len(sent_over(still, 1)) for _ in range(6)]
    assert counts[0] <= 8
    assert sum(counts) == 200
    assert all(later <= 2 * earlier + 8 for earlier, later in pairwise(counts))


def test_a_breaker_opens_by_the_ratio_of_failures(still: StillWorld) -> None:
    """Not before the minimum of attempts, and not below the ratio."""
    with_breaker(still)
    polls = admit(still, 12)
    assert still.sent() == polls
    for poll_id in polls[:3]:
        still.attempt(poll_id, trouble=True)
    assert "breaker" not in gate(still).state
    for poll_id in polls[3:8]:
        still.attempt(poll_id)
    still.attempt(polls[8], trouble=True)
    assert "breaker" not in gate(still).state
    still.attempt(polls[9], trouble=True)
    assert gate(still).state["breaker"] == "open"
    still.admit("late", origin=API)
    assert still.sent() == []


def test_an_answer_that_is_shared_counts_once(still: StillWorld) -> None:
    """A failed request of a hundred polls is one failure, and a trial that went well is one."""
    with_breaker(still)
    polls = admit(still, 12)
    assert still.sent() == polls
    still.attempt(polls[0], trouble=True)
    for poll_id in polls[1:]:
        still.attempt(poll_id, trouble=None)
    assert "breaker" not in gate(still).state
    assert sum(attempts for _, attempts, _ in gate(still).state["window"]) == 1


def test_what_is_told_of_an_origin_is_what_breakers_are_called_elsewhere(still: StillWorld) -> None:
    """Closed while all is well; one word for one thing in events, commands and metrics."""
    with_breaker(still)
    told = [condition(still)]
    fall(still)
    told.append(condition(still))
    admit(still, 2)
    trials = [poll_id for _, poll_id in sent_over(still, 8.1)]
    told.append(condition(still))
    for poll_id in trials:
        still.settle(poll_id, 1)
    told.append(condition(still))
    still.wait(11)
    told.append(condition(still))
    traffic.shut(still.store, API)
    told.append(condition(still))
    assert told == ["closed", "open", "half-open", "approached", "closed", "paused"]


def test_old_failures_leave_the_window(still: StillWorld) -> None:
    """Three failures, and a fourth when they are forgotten, open nothing."""
    with_breaker(still)
    polls = admit(still, 4)
    still.sent()
    for poll_id in polls[:3]:
        still.attempt(poll_id, trouble=True)
    still.wait(11)
    still.attempt(polls[3], trouble=True)
    assert "breaker" not in gate(still).state


def test_an_open_breaker_is_tried_with_few_and_closes(still: StillWorld) -> None:
    """Two trials at a time; when both went well, the origin is approached again."""
    with_breaker(still)
    fall(still)
    admit(still, 50)
    assert sent_over(still, 3.9) == []
    trials = [poll_id for _, poll_id in sent_over(still, 4.2)]
    assert len(trials) == 2
    assert gate(still).state["breaker"] == "half_open"
    for poll_id in trials:
        assert still.settle(poll_id, 1)
    assert "breaker" not in gate(still).state
    assert 2 <= len(sent_over(still, 0.5)) <= 8
    assert len(sent_over(still, 6)) >= 40


def test_a_failed_trial_opens_the_breaker_for_longer(still: StillWorld) -> None:
    """Each time in a row twice as long, up to the longest; never less than half of that."""
    with_breaker(still)
    fall(still)
    admit(still, 50)
    for longest in (16, 30, 30):
        still.wait(30)
        trial, *_ = still.sent()
        still.attempt(trial, trouble=True)
        left = (gate(still).state["open_until"] - still.now_ms()) / 1000
        assert longest / 2 <= left <= longest


def test_trials_that_never_come_back_are_given_up(still: StillWorld) -> None:
    """A crash in the half-open state does not leave the breaker there."""
    with_breaker(still)
    fall(still)
    admit(still, 50)
    still.wait(8)
    assert len(still.sent()) == 2
    assert sent_over(still, 5) == []
    still.wait(30)
    assert len(still.sent()) == 2


def test_a_trial_that_says_nothing_is_given_back(still: StillWorld) -> None:
    """At once another poll is tried in its place; the breaker is neither closed by it nor opened."""
    with_breaker(still)
    fall(still)
    admit(still, 50)
    still.wait(8)
    trials = still.sent()
    assert len(trials) == 2
    still.attempt(trials[0])
    still.attempt(trials[1], trouble=None)
    still.wait(0.001)
    (another,) = still.sent()
    assert gate(still).state["breaker"] == "half_open"
    assert sent_over(still, 1) == []
    still.attempt(another)
    assert "breaker" not in gate(still).state


def test_only_a_trial_is_given_back(still: StillWorld) -> None:
    """Not for what passed the breaker as its last attempt, nor for what was under way when it opened."""
    with_breaker(still)
    early = still.admit("early", origin=API)
    assert still.sent() == [early]
    fall(still)
    admit(still, 50)
    still.wait(8)
    assert len(still.sent()) == 2
    last = still.admit("last", origin=API, timeout=1.5)
    assert [poll_id for _, poll_id in sent_over(still, 1)] == [last]
    assert still.settle(last, 1, trouble=None)
    still.attempt(early, trouble=None)
    assert sent_over(still, 1) == []


@pytest.mark.parametrize("polls", [1, 30])
def test_a_poll_gets_its_last_attempt_through_an_open_breaker(still: StillWorld, polls: int) -> None:
    """Shortly before its deadline, however many wait, unless the setting says that it waits."""
    with_breaker(still)
    fall(still)
    names = [still.admit(f"p{number}", origin=API, timeout=3.0) for number in range(polls)]
    assert sent_over(still, 1.9) == []
    assert sorted(poll_id for _, poll_id in sent_over(still, 0.3)) == sorted(names)


def test_a_poll_that_waits_at_an_open_breaker_says_so_when_it_times_out(still: StillWorld) -> None:
    """With ``pollers_open_breaker = "wait"``."""
    still.store._settings = Settings(open_breaker="wait")
    with_breaker(still)
    fall(still)
    still.admit("p", origin=API, timeout=3.0)
    assert sent_over(still, 3.1) == []
    with pytest.raises(PollTimeout, match="while the breaker of its origin was open"):
        outcome.result_of(still.record("p"))


def test_an_origin_can_be_paused_and_opened_by_hand(still: StillWorld) -> None:
    """Before any poll is known; its polls end at their deadlines; opening ends holds and breakers too."""
    assert traffic.shut(still.store, API)
    assert not traffic.shut(still.store, API)
    admit(still, 5)
    still.admit("short", origin=API, timeout=5.0)
    assert sent_over(still, 6) == []
    assert still.record("short").state == "timed_out"
    assert traffic.reopen(still.store, API)
    assert len(sent_over(still, 2)) == 5
    assert not traffic.reopen(still.store, API)


def test_what_had_passed_its_gates_is_kept_when_the_origin_shuts(still: StillWorld) -> None:
    """As long as it waits in the lot of its queue; then it waits for the origin."""
    still.store._settings = Settings(pack_size=1, backlog=1)
    still.admit("blocker")
    (blocker,) = still.dispatch()
    admit(still, 5)
    assert still.dispatch() == []
    traffic.shut(still.store, API)
    still.store.begin(blocker)
    assert still.dispatch() == []
    assert len(still.parked()) == 5
    traffic.reopen(still.store, API)
    assert len(still.dispatch()) == 1
