"""Who goes first when more is due than can be done: by priority, then tenants in turn."""

from __future__ import annotations

from collections import Counter

from pollers.politeness import PRIORITIES
from pollers.settings import Settings
from pollers.store import traffic
from tests.store.conftest import StillWorld
from tests.store.test_limits import API, admit, sent_over

HIGH, NORMAL, LOW = PRIORITIES["high"], PRIORITIES["normal"], PRIORITIES["low"]


def saturate(world: StillWorld) -> None:
    """Leave room for one poll at a time, and take it."""
    world.store._settings = Settings(pack_size=1, backlog=1)
    world.admit("blocker")
    (world.blocker,) = world.dispatch()  # type: ignore[attr-defined]


def served(world: StillWorld, polls: int) -> list[str]:
    """Make room for one poll after another; return the first letters of those that went, in their order."""
    order = []
    pack = world.blocker  # type: ignore[attr-defined]
    for _ in range(polls):
        world.store.begin(pack)
        world.wait(0.001)
        (pack,) = world.dispatch()
        order.append(str(pack.polls[0])[0])
    world.blocker = pack  # type: ignore[attr-defined]
    return order


def test_priorities_share_what_there_is_and_the_low_do_not_starve(still: StillWorld) -> None:
    """Of 13, nine are high, three normal and one is low."""
    saturate(still)
    for prefix, priority in (("l", LOW), ("n", NORMAL), ("h", HIGH)):
        admit(still, 60, prefix=prefix, priority=priority)
    assert still.dispatch() == []
    assert Counter(served(still, 39)) == {"h": 27, "n": 9, "l": 3}


def test_what_a_priority_does_not_need_the_others_get(still: StillWorld) -> None:
    """And one that comes back has no claim on what it did not use."""
    saturate(still)
    admit(still, 60, prefix="l", priority=LOW)
    assert still.dispatch() == []
    assert Counter(served(still, 20)) == {"l": 20}
    admit(still, 60, prefix="h", priority=HIGH)
    assert still.dispatch() == []
    assert 8 <= Counter(served(still, 10))["h"] <= 10
    assert Counter(served(still, 20))["l"] == 2


def test_tenants_share_evenly_whatever_they_have_due(still: StillWorld) -> None:
    """A late tenant with ten polls is not behind another's hundreds."""
    saturate(still)
    admit(still, 200, prefix="a", tenant="a")
    assert still.dispatch() == []
    assert served(still, 5) == ["a"] * 5
    admit(still, 10, prefix="b", tenant="b")
    admit(still, 10, prefix="c", tenant="c")
    assert still.dispatch() == []
    assert Counter(served(still, 30)) == {"a": 10, "b": 10, "c": 10}
    assert served(still, 5) == ["a"] * 5


def test_tenants_share_a_limit_evenly(still: StillWorld) -> None:
    """As they share workers."""
    traffic.configure(still.store, {API: "10/s"}, None)
    admit(still, 300, prefix="a", tenant="a")
    admit(still, 300, prefix="b", tenant="b")
    counts = Counter(poll_id[0] for _, poll_id in sent_over(still, 10))
    assert abs(counts["a"] - counts["b"]) <= 3
    assert counts["a"] > 45


def test_a_tenant_whose_polls_are_gone_takes_no_turn(still: StillWorld) -> None:
    """Cancelled, or ended at their deadlines while they waited: the others get what it would have had."""
    saturate(still)
    gone = admit(still, 50, prefix="g", tenant="g")
    for number in range(50):
        still.admit(f"short{number}", timeout=2.0, tenant="short")
    admit(still, 50, prefix="a", tenant="a")
    assert still.dispatch() == []
    for poll_id in gone:
        still.store.cancel(poll_id)
    still.wait(3)
    assert served(still, 50) == ["a"] * 50


def test_polls_without_a_tenant_share_as_one(still: StillWorld) -> None:
    """They go in the order they were due."""
    saturate(still)
    admit(still, 20, prefix="x")
    admit(still, 20, prefix="t", tenant="t")
    assert still.dispatch() == []
    assert Counter(served(still, 20)) == {"x": 10, "t": 10}


def test_lots_leave_nothing_behind(still: StillWorld) -> None:
    """What they remember goes with their last poll."""
    saturate(still)
    admit(still, 20, tenant="t")
    assert still.dispatch() == []
    served(still, 20)
    still.store.begin(still.blocker)  # type: ignore[attr-defined]
    still.dispatch()
    keys = still.store.keys
    assert still.store.client.exists(keys.lots, keys.flows, keys.turns) == 0


def test_what_a_lot_remembers_does_not_grow_with_its_tenants(still: StillWorld) -> None:
    """It is read and written in each call: of each tenant that has polls parked, the hash has a field."""
    saturate(still)
    for number in range(300):
        admit(still, 1, prefix=f"p{number}-", tenant=f"tenant-{number}")
    for _ in range(5):
        still.dispatch()
    client, flows = still.store.client, still.store.keys.flows
    assert client.hlen(flows) == 301
    assert client.hstrlen(flows, "queue:") < 100
    assert len(served(still, 300)) == 300
    assert client.hkeys(flows) == []


def test_a_tenant_with_one_poll_at_a_time_takes_no_more_than_its_share(still: StillWorld) -> None:
    """Though it has none parked whenever one of its polls comes due."""
    saturate(still)
    admit(still, 10, prefix="m", tenant="m")
    assert still.dispatch() == []
    order = []
    for number in range(10):
        admit(still, 1, prefix=f"o{number}-", tenant="o")
        order += served(still, 2)
    assert Counter(order) == {"m": 10, "o": 10}


def test_members_of_lots_that_nobody_can_read_stop_nothing(still: StillWorld) -> None:
    """Written by hand, or by a version that had another form."""
    saturate(still)
    admit(still, 3, tenant="t")
    assert still.dispatch() == []
    damaged = {"queue:\0001\0nonsense": 0, "queue:\0001\000000000000000\0001\0p": 0}
    still.store.client.zadd(still.store.keys.lots, damaged)
    assert len(served(still, 3)) == 3
    assert still.parked() == set()


def test_a_lot_that_was_removed_by_hand_keeps_nobody_out(still: StillWorld) -> None:
    """What comes due later goes its way."""
    traffic.configure(still.store, {API: "1/s"}, None)
    admit(still, 10)
    sent_over(still, 0.1)
    still.store.client.delete(still.store.keys.lots)
    sent_over(still, 2)
    admit(still, 1, prefix="later")
    assert len(sent_over(still, 2)) == 1
