"""Polls that share a request: one asks, the others get its answer."""

from __future__ import annotations

from pollers.store import traffic
from pollers.store.answers import join, pass_on
from tests.store.conftest import StillWorld
from tests.store.test_limits import API, admit, sent_over

REQUEST = "digest"


def joined(world: StillWorld, asker: str, attempt: int = 1, *, last: bool = True) -> list[str]:
    """Let all that wait have the answer of a poll; return their ids."""
    return [poll_id for poll_id, _ in join(world.store, REQUEST, asker, attempt, last=last).polls]


def test_one_asks_and_the_others_join(still: StillWorld) -> None:
    """Each as an attempt of its own, which settles by itself."""
    first, *others = admit(still, 100, request=REQUEST)
    assert [poll_id for _, poll_id in sent_over(still, 1)] == [first]
    assert joined(still, first) == others
    assert still.record(others[0]).state == "running"
    assert still.record(others[0]).attempt == 1
    for poll_id in (first, *others):
        assert still.settle(poll_id, 1)
    assert not still.parked()
    assert not still.store.client.exists(still.store.keys.asking, still.store.keys.turns)


def test_an_answer_is_kept_until_all_that_were_due_when_it_came_have_it(still: StillWorld) -> None:
    """However long the dispatchers take to look at them: one request for 1,500 polls, in many calls."""
    first, *others = admit(still, 1500, request=REQUEST)
    assert still.sent() == [first]
    still.attempt(first)
    had = []
    for _ in range(100):
        answer = join(still.store, REQUEST, first, 1, last=False)
        had += [poll_id for poll_id, _ in answer.polls]
        if answer.over:
            break
        assert still.sent() == []
        still.wait(0.04)
    assert sorted(had) == others
    assert not still.store.client.exists(still.store.keys.asking, still.store.keys.turns)


def test_who_is_due_after_the_answer_asks_again(still: StillWorld) -> None:
    """What was known before it was due is nothing new; the earlier answer is for nobody any more then."""
    first, *_ = admit(still, 300, request=REQUEST)
    assert still.sent() == [first]
    still.attempt(first)
    assert not join(still.store, REQUEST, first, 1, last=False).over
    still.wait(0.01)
    later = still.admit("later", timeout=600.0, origin=API, request=REQUEST)
    assert sent_over(still, 0.06)[-1][1] == later
    assert join(still.store, REQUEST, first, 1, last=False) == (still.now_ms(), [], True)
    assert joined(still, later)


def test_an_old_answer_of_the_poll_that_asks_again_is_for_nobody(still: StillWorld) -> None:
    """It came before those were due that wait now: they get the answer of its next attempt."""
    first = still.admit("first", request=REQUEST)
    assert still.sent() == [first]
    still.attempt(first, due_ms=still.now_ms() + 10)
    still.wait(0.01)
    (pack,) = still.dispatch()
    later = still.admit("later", request=REQUEST)
    still.wait(0.001)
    assert still.dispatch() == []
    assert joined(still, first, 1) == []
    still.store.begin(pack)
    assert joined(still, first, 1) == []
    assert joined(still, first, 2) == [later]


def test_a_second_copy_of_a_message_does_not_stop_who_asks(still: StillWorld) -> None:
    """The attempt that the first copy began has the others wait for its answer."""
    first, other = (still.admit(name, request=REQUEST) for name in ("first", "other"))
    (pack,) = still.dispatch()
    still.store.begin(pack)
    assert still.store.begin(pack).polls == []
    assert still.sent() == []
    assert joined(still, first) == [other]


def test_an_answer_that_nobody_can_take_any_more_is_given_up(still: StillWorld) -> None:
    """When no dispatcher looks at what is due, the lease of the attempt ends the wait."""
    first, *_ = admit(still, 300, request=REQUEST)
    assert still.sent() == [first]
    still.attempt(first)
    assert not join(still.store, REQUEST, first, 1, last=False).over
    still.wait(16)
    assert join(still.store, REQUEST, first, 1, last=False).over


def test_the_next_tick_has_a_request_of_its_own(still: StillWorld) -> None:
    """As have polls of another request, and those that do not share."""
    admit(still, 10, request=REQUEST)
    for _, poll_id in sent_over(still, 0.02):
        assert len(joined(still, poll_id)) == 9
        assert still.settle(poll_id, 1)
    admit(still, 2, request=REQUEST, prefix="next")
    admit(still, 2, request="another", prefix="other")
    admit(still, 2, prefix="own")
    assert {poll_id[:4] for _, poll_id in sent_over(still, 0.02)} == {"next", "othe", "own0"}
    assert still.store.client.hlen(still.store.keys.asking) == 2


def test_another_poll_asks_when_the_worker_that_did_is_dead(still: StillWorld) -> None:
    """When the lease of its attempt ends; at once when it is cancelled or paused."""
    first, *others = admit(still, 5, request=REQUEST)
    sent_over(still, 0.02)
    still.wait(14.5)
    assert still.sent() == []
    still.wait(1)
    assert len(still.sent()) == 1
    asking = next(name for name in (first, *others) if name not in still.parked())
    still.store.cancel(asking)
    assert len(still.sent()) == 1
    still.wait(400)
    assert len(still.parked()) <= 4


def test_another_poll_asks_when_an_answer_is_not_for_the_others(still: StillWorld) -> None:
    """At once, whatever becomes of the one that has asked; who asks by then is left to it."""
    first, *others = admit(still, 5, request=REQUEST)
    assert [poll_id for _, poll_id in sent_over(still, 0.02)] == [first]
    pass_on(still.store, first)
    (second,) = still.sent()
    assert second in others
    for poll_id in (first, "unknown"):
        pass_on(still.store, poll_id)
    assert still.sent() == []
    assert still.settle(first, 1)
    assert sorted([second, *joined(still, second)]) == others


def test_polls_that_wait_for_an_answer_end_at_their_deadline(still: StillWorld) -> None:
    """And can be cancelled, paused and nudged; what is stale does not join."""
    for name, timeout in (
        ("asks", 600.0),
        ("short", 5.0),
        ("gone", 600.0),
        ("rests", 600.0),
        ("waits", 600.0),
    ):
        still.admit(name, timeout=timeout, origin=API, request=REQUEST)
        still.wait(0.001)
    assert [poll_id for _, poll_id in sent_over(still, 0.02)] == ["asks"]
    still.store.cancel("gone")
    still.store.pause("rests")
    still.wait(5)
    still.sent()
    assert still.record("short").state == "timed_out"
    assert joined(still, "asks") == ["waits"]


def test_a_shared_request_counts_once_towards_a_limit(still: StillWorld) -> None:
    """What joins passes no gate."""
    traffic.configure(still.store, {API: "1/m in-flight 1"}, None)
    first, *_ = admit(still, 50, request=REQUEST)
    assert len(sent_over(still, 1)) == 1
    assert len(joined(still, first)) == 49
