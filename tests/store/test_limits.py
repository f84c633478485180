"""Limits: a rate and a number in flight for a group of origins, kept by all workers together."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pollers.politeness import Limit
from pollers.settings import Settings
from pollers.store import Store, Submission, traffic
from tests.store.conftest import SPEC, StillWorld, World

API = "api.example.com"
#: Seconds between two calls of a dispatcher.
TICK = 0.02


def admit(
    world: StillWorld, polls: int, *, origin: str = API, prefix: str = "p", **options: object
) -> list[str]:
    """Admit polls of one origin, which are due at once."""
    return [world.admit(f"{prefix}{n:05d}", timeout=600.0, origin=origin, **options) for n in range(polls)]


def limited(world: StillWorld, **limits: str) -> None:
    """Set limits; underscores stand for dots, and the origins that are met are introduced."""
    traffic.configure(world.store, {name.replace("_", "."): text for name, text in limits.items()}, None)


def sent_over(world: StillWorld, seconds: float, tick: float = TICK) -> list[tuple[int, str]]:
    """Dispatch for some time; return what was sent when, in ms."""
    sent = []
    for _ in range(round(seconds / tick)):
        found = world.store.dispatch("w1", f"c{next(world._calls)}", {"": True})
        if found.strangers:
            traffic.introduce(world.store, found.strangers)
        for pack in found.packs:
            world.store.begin(pack)
            sent += [(world.now_ms(), str(poll_id)) for poll_id in pack.polls[::3]]
        world.wait(tick)
    return sent


def most_in(moments: list[int], window_ms: int) -> int:
    """Return how many of the moments any window of this length holds at most."""
    return max(bisect_right(moments, first + window_ms - 1) - at for at, first in enumerate(moments))


def test_no_window_holds_more_than_the_rate_and_the_burst(still: StillWorld) -> None:
    """A thousand polls of one origin are due at once; they go at ten a second, in the order they were due."""
    limited(still, api_example_com="10/s burst 5")
    polls = admit(still, 1000)
    sent = sent_over(still, 20)
    moments = [moment for moment, _ in sent]
    for seconds in (1, 2, 5, 10):
        assert most_in(moments, seconds * 1000) <= 5 + 10 * seconds
    assert len(sent) >= 195
    assert [poll_id for _, poll_id in sent] == polls[: len(sent)]


def test_a_poll_that_waits_for_its_turn_costs_no_call_anything(still: StillWorld) -> None:
    """It is parked; between two turns a dispatcher finds nothing due and sleeps until the next."""
    limited(still, api_example_com="1/s")
    admit(still, 100)
    sent_over(still, 0.1)
    found = still.store.dispatch("w1", "c", {"": True})
    assert found.packs == []
    assert found.next_due_in is not None
    assert 0.8 < found.next_due_in <= 1.0
    assert len(still.parked()) == 99


def test_origins_of_a_pattern_share_its_limit_and_others_have_their_own(still: StillWorld) -> None:
    """`default` is a limit for each of the others by itself."""
    traffic.configure(still.store, {"*.internal": "10/s", "default": "5/s"}, None)
    for number, origin in enumerate(["a.internal", "b.internal", "c.example.com", "d.example.com"]):
        admit(still, 100, origin=origin, prefix=f"{number}-")
    sent = sent_over(still, 10)
    counts = [sum(poll_id.startswith(f"{number}-") for _, poll_id in sent) for number in range(4)]
    assert 95 <= counts[0] + counts[1] <= 104
    assert 48 <= counts[2] <= 52
    assert 48 <= counts[3] <= 52


def test_a_poll_may_name_the_limit_that_it_keeps(still: StillWorld) -> None:
    """Instead of that of its origin."""
    limited(still, api_example_com="1/s", account="20/s")
    admit(still, 100, limit="account")
    assert 96 <= len(sent_over(still, 5)) <= 104


def test_polls_without_a_limit_are_not_kept_by_those_that_have_one(still: StillWorld) -> None:
    """They go at once, however many wait."""
    limited(still, api_example_com="1/s")
    admit(still, 400)
    admit(still, 50, origin="free.example.com", prefix="free")
    sent = sent_over(still, 0.1)
    assert sum(poll_id.startswith("free") for _, poll_id in sent) == 50


def test_a_limit_can_be_changed_while_polls_wait_at_it(still: StillWorld) -> None:
    """For all workers at once; what was set by hand goes before what is configured, until it is unset."""
    limited(still, api_example_com="1/s")
    admit(still, 500)
    assert len(sent_over(still, 2)) <= 3
    traffic.set_limit(still.store, API, "100/s")
    assert 95 <= len(sent_over(still, 1)) <= 120
    limited(still, api_example_com="2/s")
    assert traffic.read_rules(still.store).limits == {API: "100/s"}
    traffic.set_limit(still.store, API, None)
    assert len(sent_over(still, 5)) <= 11


def test_a_limit_that_cannot_be_kept_is_not_stored(still: StillWorld) -> None:
    """Whatever is wrong with it, nothing is half done."""
    for text in ("fast", "1/s burst 99999999999999999999", "9999999999999999999999/s"):
        with pytest.raises(ValueError, match="should be"):
            traffic.set_limit(still.store, API, text)
    assert traffic.read_rules(still.store).limits == {}


@pytest.mark.parametrize("wrong", ["1/s burst 99999999999999999999", "fast", b"\xff", ""])
def test_a_limit_that_somebody_has_written_wrongly_keeps_no_poll_back(
    still: StillWorld, caplog: pytest.LogCaptureFixture, wrong: str | bytes
) -> None:
    """It is told in the log, and left out; the others are kept, and can be changed."""
    still.store.client.hset(still.store.keys.rules, "limit:wrong.example.com", wrong)
    admit(still, 20, origin="wrong.example.com")
    assert len(sent_over(still, 1)) == 20
    assert "The limit 'wrong.example.com' is " in caplog.text
    traffic.set_limit(still.store, API, "10/s burst 5")
    admit(still, 50, prefix="q")
    assert 5 <= len(sent_over(still, 1)) <= 15
    traffic.set_limit(still.store, "wrong.example.com", "1/s burst 3")
    assert len(traffic.gates(still.store, "limit")) == 2


def test_limits_that_are_changed_by_two_at_once_are_both_in_force(still: StillWorld) -> None:
    """One has read the rules, and gives them to the gates after the other has given them newer ones."""
    other = Store.connect(still.settings)
    run = still.store.calls.run

    def late(name: str, keys: list[str], args: list[Any]) -> Any:
        assert name == "govern"
        still.store.calls.run = run  # type: ignore[method-assign]
        traffic.set_limit(other, "b", "20/s")
        traffic.set_limit(other, "a", "3/s")
        return run(name, keys, args)

    still.store.calls.run = late  # type: ignore[method-assign]
    traffic.set_limit(still.store, "a", "2/s")
    enforced = {gate.name: gate.state["rules"] for gate in traffic.gates(still.store, "limit")}
    assert enforced == {"a": Limit.parse("3/s").rules(), "b": Limit.parse("20/s").rules()}
    other.client.close()


def test_origins_that_nobody_asks_for_any_more_are_forgotten(still: StillWorld) -> None:
    """Their number does not grow with all that were ever met; those in use, or paused, stay."""
    traffic.configure(still.store, {"named": "1/s", "default": "5/s in-flight 2"}, None)
    traffic.shut(still.store, "paused.example.com")
    for day in range(12):
        admit(still, 1, origin="used.example.com", prefix=f"used-{day}")
        for number in range(20):
            admit(still, 1, origin=f"{day}-{number}.example.com", prefix=f"{day}-{number}-")
        for _, poll_id in sent_over(still, 0.1):
            assert still.settle(poll_id, 1, state="succeeded", outcome='{"value":1}')
        still.wait(86_400)
    known = {gate.name for gate in traffic.gates(still.store, "origin")}
    assert {"used.example.com", "paused.example.com"} <= known
    assert len(known) < 100
    limits = {gate.name for gate in traffic.gates(still.store, "limit")}
    assert {"named", "used.example.com"} <= limits
    assert len(limits) < 130


def test_a_limit_that_is_gone_lets_all_pass(still: StillWorld) -> None:
    """What waits at it goes out."""
    limited(still, api_example_com="1/s")
    admit(still, 100)
    sent_over(still, 0.1)
    limited(still)
    assert len(sent_over(still, 1)) == 99
    assert not still.parked()


def test_parked_polls_end_at_their_deadline(still: StillWorld) -> None:
    """Without an attempt, when their turn does not come before."""
    limited(still, api_example_com="1/h")
    for name in ("a", "b"):
        still.admit(name, timeout=30.0, origin=API)
    sent_over(still, 0.1)
    still.wait(31)
    sent_over(still, 0.1)
    assert still.record("b").state == "timed_out"
    assert still.record("b").attempt == 0


def test_a_parked_poll_can_be_cancelled_and_nudged(still: StillWorld) -> None:
    """A nudge does not take it past its limit; a cancelled one leaves its turn to the next."""
    limited(still, api_example_com="1/s")
    first, second, third, fourth = admit(still, 4)
    assert [poll_id for _, poll_id in sent_over(still, 0.1)] == [first]
    still.store.cancel(second)
    still.store.nudge(fourth)
    assert [poll_id for _, poll_id in sent_over(still, 3)] == [third, fourth]


def test_packs_that_come_together_late_keep_the_rate_as_they_begin(still: StillWorld) -> None:
    """A queue that stood still for ten seconds holds a hundred attempts; they do not begin at once."""
    still.store._settings = Settings(pack_size=1, concurrency=1000, backlog=1000)
    limited(still, api_example_com="10/s")
    admit(still, 150)
    packs = []
    for _ in range(500):
        found = still.store.dispatch("w1", f"c{next(still._calls)}", {"": True})
        traffic.introduce(still.store, found.strangers)
        packs += found.packs
        still.wait(TICK)
    assert len(packs) > 90
    assert sum(len(still.store.begin(pack).polls) for pack in packs) <= 2
    moments = [moment for moment, _ in sent_over(still, 10)]
    assert most_in(moments, 1000) <= 12
    assert len(moments) > 40


@given(
    rate=st.sampled_from([1, 7, 40, 300]),
    burst=st.integers(1, 20),
    gaps=st.lists(st.integers(1, 900), min_size=1, max_size=30),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_limit_holds_for_any_rhythm_of_calls(
    still: StillWorld, rate: int, burst: int, gaps: list[int]
) -> None:
    """Whenever dispatchers call, no window holds more than the rate and the burst."""
    still.store.client.flushdb()
    still.store.client.set("{pollers}:clock", 1_000_000)
    limited(still, api_example_com=f"{rate}/s burst {burst}")
    admit(still, 60)
    moments = [moment for gap in gaps for moment, _ in sent_over(still, gap / 1000, gap / 1000)]
    for window_ms in (100, 1000, 5000):
        if moments:
            assert most_in(moments, window_ms) <= burst + rate * window_ms / 1000


def test_no_more_are_in_flight_than_the_limit_says(still: StillWorld) -> None:
    """Each that settles makes room for the next, at once."""
    limited(still, api_example_com="in-flight 3")
    polls = admit(still, 10)
    assert [poll_id for _, poll_id in sent_over(still, 1)] == polls[:3]
    assert still.settle(polls[0], 1)
    assert [poll_id for _, poll_id in sent_over(still, 0.1)] == [polls[3]]


def test_the_share_of_a_dead_worker_comes_back_with_its_lease(still: StillWorld) -> None:
    """Of attempts that never begin, and of those that never settle."""
    limited(still, api_example_com="in-flight 2")
    admit(still, 6, span=30.0)
    traffic.introduce(still.store, [API])
    (pack,) = still.dispatch()
    still.store.begin(pack._replace(polls=pack.polls[:3]))  # the other message is lost
    still.wait(14)
    assert still.sent() == []
    still.wait(2)
    assert len(still.sent()) == 1
    still.wait(20)
    assert len(still.sent()) == 2
    assert still.store.client.hlen(still.store.keys.shares) == 2
    (limit,) = traffic.gates(still.store, "limit")
    assert limit.state["flying"] == 2


def test_a_cancelled_or_paused_poll_gives_its_share_back(still: StillWorld) -> None:
    """As does one that ends."""
    limited(still, api_example_com="in-flight 1")
    first, second, third, fourth = admit(still, 4)
    sent_over(still, 0.1)
    still.store.cancel(first)
    assert [poll_id for _, poll_id in sent_over(still, 0.1)] == [second]
    assert still.settle(second, 1, state="succeeded", outcome='{"value":1}')
    assert still.sent() == [third]
    still.store.pause(third)
    assert still.sent() == [fourth]


def flying(world: StillWorld) -> tuple[int, set[str]]:
    """Return how many the limit counts in flight, and which polls have a share."""
    (limit,) = traffic.gates(world.store, "limit")
    shares = {name.decode() for name in world.store.client.hkeys(world.store.keys.shares)}
    return limit.state.get("flying", 0), shares


@pytest.mark.parametrize("timeout", [12.0, 60.0])
def test_a_parked_poll_that_is_looked_at_anew_goes_once(still: StillWorld, timeout: float) -> None:
    """Nudged, or paused and resumed, also within a lease of its deadline; its share comes back whole."""
    limited(still, api_example_com="in-flight 5")
    traffic.introduce(still.store, [API])
    running = admit(still, 5, prefix="x")
    assert [poll_id for _, poll_id in sent_over(still, TICK)] == running
    still.admit("nudged", timeout=timeout, origin=API)
    still.admit("resumed", timeout=timeout, origin=API)
    assert still.sent() == []
    still.wait(TICK)
    still.store.nudge("nudged")
    still.store.pause("resumed")
    still.store.resume("resumed")
    assert still.sent() == []
    for poll_id in running:
        still.settle(poll_id, 1)
    assert sorted(still.sent() + still.sent()) == ["nudged", "resumed"]
    assert flying(still) == (2, {"nudged", "resumed"})
    for poll_id in ("nudged", "resumed"):
        still.attempt(poll_id, state="succeeded", outcome='{"value":1}')
    assert flying(still) == (0, set())


def test_a_poll_that_waits_for_its_queue_has_one_share(still: StillWorld) -> None:
    """Also when another entry of it passes the limit, as it was nudged where it was parked before."""
    still.store._settings = Settings(pack_size=1, backlog=1)
    limited(still, api_example_com="in-flight 2")
    traffic.introduce(still.store, [API, "free.example.com"])
    running = admit(still, 2, prefix="x")
    for _ in running:
        (pack,) = still.dispatch()
        still.store.begin(pack)
    parked = still.admit("p", timeout=600.0, origin=API)
    assert still.sent() == []
    still.wait(TICK)
    still.store.nudge(parked)
    [blocker] = admit(still, 1, prefix="y", origin="free.example.com")
    assert still.sent() == [blocker]
    for poll_id in running:
        still.settle(poll_id, 1)
    assert still.sent() == []
    still.wait(TICK)
    assert still.sent() == []
    assert flying(still) == (1, {parked})


def test_a_dispatched_poll_is_nudged_by_leaving_it_on_its_way(still: StillWorld) -> None:
    """It begins after the nudge anyway, and keeps its share."""
    limited(still, api_example_com="in-flight 1")
    traffic.introduce(still.store, [API])
    first, second = admit(still, 2)
    (pack,) = still.dispatch()
    still.wait(TICK)
    assert still.store.nudge(first) == "waiting"
    assert still.dispatch() == []
    assert [poll_id for poll_id, _ in still.store.begin(pack).polls] == [first]
    assert flying(still) == (1, {first})
    assert still.settle(first, 1)
    assert still.sent() == [second]


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_begins_late_has_a_share_or_waits_for_one(still: StillWorld, by_hand: bool) -> None:
    """A pack whose poll was paused and resumed, or whose lease has run out, takes no other's place."""
    limited(still, api_example_com="in-flight 1")
    traffic.introduce(still.store, [API])
    first, second = admit(still, 2)
    (pack,) = still.dispatch()
    if by_hand:
        still.store.pause(first)
        still.store.resume(first)
    else:
        still.wait(still.settings.lease)
    assert still.sent() == [second]
    assert still.store.begin(pack).polls == []
    assert still.record(first).attempt == 0
    assert flying(still) == (1, {second})
    still.attempt(second)
    assert still.sent() == [first]
    assert flying(still) == (1, {first})


def test_what_begins_late_takes_a_share_that_is_free(still: StillWorld) -> None:
    """As what was sent before there was a limit does."""
    traffic.introduce(still.store, [API])
    first, second = admit(still, 2)
    (pack,) = still.dispatch()
    limited(still, api_example_com="in-flight 1")
    assert [poll_id for poll_id, _ in still.store.begin(pack).polls] == [first]
    assert flying(still) == (1, {first})
    assert still.sent() == []
    assert still.settle(first, 1)
    assert still.sent() == [second]


def test_a_full_queue_keeps_limited_polls_in_line(still: StillWorld) -> None:
    """What has passed its limit waits in the lot of its queue, and goes when there is room."""
    still.store._settings = Settings(pack_size=1, backlog=1)
    limited(still, api_example_com="100/s")
    traffic.introduce(still.store, [API, "free.example.com"])
    admit(still, 5)
    admit(still, 5, origin="free.example.com", prefix="q")
    order = []
    for _ in range(14):
        for pack in still.dispatch():
            still.store.begin(pack)
            order += pack.polls[::3]
        still.wait(TICK)
    assert len(order) == 10
    assert not still.parked()


@pytest.mark.slow
def test_a_call_is_short_however_many_polls_of_one_limited_origin_are_due(world: World) -> None:
    """A hundred thousand: no call makes more than a few hundred commands, the last no more than the first."""
    store, keys = world.store, world.store.keys
    traffic.configure(store, {API: "10/s"}, None)
    for first in range(0, 100_000, 200):
        names = (f"p{number:06d}" for number in range(first, first + 200))
        store.admit_many([Submission(name, SPEC, 10.0, timeout=3600.0, origin=API) for name in names])
    made = []
    while store.client.zcard(keys.lots) < 99_000:
        before = _commands(store)
        found = store.dispatch("w1", f"c{len(made)}", {"": True})
        made.append(_commands(store) - before)
        traffic.introduce(store, found.strangers)
    assert len(made) > 900
    # In most calls, because Redis counts the commands of another test's worker, too.
    assert statistics.quantiles(made, n=10)[-1] < 300
    assert statistics.median(made[-100:]) <= statistics.median(made[:100]) + 10


def _commands(store: Store) -> int:
    """Count the commands that Redis has executed, those of scripts among them."""
    return sum(command["calls"] for command in store.client.info("commandstats").values())
