"""Holds and breakers: what one attempt learns of an origin, all its polls keep."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from pollers import PollTimeout, outcome
from pollers.settings import Settings
from pollers.store import Pack, traffic
from tests.store.conftest import StillWorld
from tests.store.test_limits import admit, sent_over

API = "api.example.com"
RULES = {"ratio": 0.5, "minimum": 4, "window": 10.0, "shortest": 8.0, "longest": 30.0, "trials": 2}


def with_breaker(world: StillWorld) -> None:
    """Configure breakers."""
    traffic.configure(world.store, {}, RULES)
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
    (pack,) = still.dispatch()
    (first, _), *others = still.store.begin(pack).polls
    still.settle(first, hold_ms=5000)
    for poll_id, _ in others:
        still.settle(poll_id, due_ms=still.now_ms() + 1000)
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
    """Each time in a row twice as long, up to the longest; never less than half of that; then it is tried."""
    with_breaker(still)
    fall(still)
    admit(still, 50)
    left = (gate(still).state["open_until"] - still.now_ms()) / 1000
    for longest in (16, 30, 30):
        assert sent_over(still, left - 0.5) == []
        still.wait(0.6)
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


def test_a_poll_gets_its_last_attempt_when_the_breaker_opens_later(still: StillWorld) -> None:
    """It was parked before, as the origin was held; also where it waits for its queue by then."""
    with_breaker(still)
    first, *others = admit(still, 5, prefix="down")
    (pack,) = still.dispatch()
    still.store.begin(pack)
    still.settle(first, hold_ms=500, due_ms=still.now_ms() + 400_000)
    names = [still.admit(f"p{number}", origin=API, timeout=3.0) for number in range(9)]
    assert still.sent() == []
    for poll_id in others:
        still.settle(poll_id, trouble=True, due_ms=still.now_ms() + 400_000)
    assert gate(still).state["breaker"] == "open"
    assert sent_over(still, 1.9) == []
    still.store._settings = Settings(pack_size=1, backlog=1)
    still.wait(0.1)
    assert sorted(poll_id for _, poll_id in sent_over(still, 0.3)) == names


@pytest.mark.parametrize("opens", [True, False])
def test_a_poll_that_waits_at_a_limit_is_not_kept_from_its_end(still: StillWorld, opens: bool) -> None:
    """With breakers in force, it is looked at when its turn comes; its deadline ends it."""
    traffic.configure(still.store, {API: "in-flight 1"}, RULES)
    traffic.introduce(still.store, [API])
    still.admit("first", origin=API)
    still.begin("first")
    still.admit("p", origin=API, timeout=3.0)
    assert still.sent() == []
    assert still.due_of("p") == 3.0
    still.wait(2.5)
    if opens:
        still.settle("first")
    assert still.sent() == (["p"] if opens else [])
    still.wait(0.5)
    still.sent()
    assert still.record("p").state == "timed_out"


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


def begun(world: StillWorld, packs: list[Pack]) -> list[str]:
    """Begin what has been sent; return the ids of the polls that began."""
    return [poll_id for pack in packs for poll_id, _ in world.store.begin(pack).polls]


def pause_origin(world: StillWorld) -> None:
    """Pause the origin by hand."""
    traffic.shut(world.store, API)


def hold_origin(world: StillWorld) -> None:
    """Let an attempt under way hear that the origin wants to be left alone."""
    world.settle("under way", hold_ms=20_000)


def open_breaker(world: StillWorld) -> None:
    """Let the breaker open by an attempt under way."""
    traffic.configure(world.store, {}, {**RULES, "minimum": 1})
    world.settle("under way", trouble=True)


@pytest.mark.parametrize("shut", [pause_origin, hold_origin, open_breaker])
def test_what_is_sent_and_has_not_begun_waits_when_its_origin_shuts(
    still: StillWorld, shut: Callable[[StillWorld], None]
) -> None:
    """It is parked, no attempt is counted, and it goes when the origin is open again, in its place."""
    with_breaker(still)
    still.admit("under way", origin=API)
    still.begin("under way")
    polls = admit(still, 3)
    packs = still.dispatch()
    shut(still)
    still.wait(0.01)
    late = admit(still, 1, prefix="q")
    assert begun(still, packs) == []
    assert still.sent() == []
    assert still.parked() == {*polls, *late}
    assert {still.record(poll_id).attempt for poll_id in polls} == {0}
    traffic.reopen(still.store, API)
    assert still.sent() == [*polls, *late]


def test_a_last_attempt_that_is_sent_begins_through_an_open_breaker(still: StillWorld) -> None:
    """As it would have been sent. A pause keeps it."""
    with_breaker(still)
    still.admit("under way", origin=API)
    still.begin("under way")
    for poll_id in ("a", "b"):
        still.admit(poll_id, origin=API, timeout=3.0)
    packs = [pack._replace(polls=pack.polls[at : at + 3]) for pack in still.dispatch() for at in (0, 3)]
    still.wait(2.5)
    open_breaker(still)
    assert begun(still, packs[:1]) == ["a"]
    pause_origin(still)
    assert begun(still, packs[1:]) == []


def test_others_ask_when_the_origin_has_kept_the_poll_that_did(still: StillWorld) -> None:
    """They are parked at the origin too, and one of them asks when that is open."""
    polls = [still.admit(name, origin=API, request="digest") for name in ("a", "b", "c")]
    packs = still.dispatch()
    assert still.sent() == []
    pause_origin(still)
    assert begun(still, packs) == []
    assert still.sent() == []
    assert not still.store.client.exists(still.store.keys.asking)
    traffic.reopen(still.store, API)
    (asks,) = still.sent()
    assert asks in polls
