"""Looking for polls: by what they are like, in the order of their due times, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from pollers.errors import StoreUnavailable
from pollers.store import Submission
from pollers.store.failing import Rounds
from pollers.store.parking import parked
from pollers.store.selection import (
    PAGE,
    Place,
    Selection,
    errors_in_a_row,
    lateness,
    select,
    select_by_due,
)
from pollers.store.totals import totals, workers
from pollers.store.traffic import shut
from pollers.store.values import Found
from tests.store.conftest import SPEC, World
from tests.waiting import wait_until


def ids(found: Iterator[tuple[str, Found]]) -> list[str]:
    """Return the ids of what was found."""
    return [poll_id for poll_id, _ in found]


def admit(world: World, poll_id: str, tags: tuple[str, ...] = (), **options: Any) -> None:
    """Admit a poll with tags."""
    spec = json.dumps({"url": "http://127.0.0.1/", "tags": tags}, separators=(",", ":"))
    world.admit(poll_id, spec=spec, **options)


def tick(world: World) -> None:
    """Wait for the next millisecond."""
    now = world.now_ms()
    wait_until(lambda: world.now_ms() > now)


def test_polls_are_listed_by_due_time(world: World) -> None:
    """Whatever the order they came in; what has ended comes last."""
    for poll_id, delay in (("c", 30.0), ("a", 10.0), ("b", 20.0), ("d", 5.0)):
        world.admit(poll_id, delay=delay)
    world.store.cancel("d")
    assert ids(select_by_due(world.store, Selection())) == ["a", "b", "c", "d"]
    assert ids(select_by_due(world.store, Selection(states=frozenset({"waiting"})))) == ["a", "b", "c"]


def test_a_list_goes_on_at_its_place(world: World) -> None:
    """Also when many are due, or were sent, at the same time, and when the poll at the place has moved on."""
    due = {f"p{number:04d}": 1_000_000 + number // 700 for number in range(3 * PAGE)}
    for poll_id in due:
        admit(world, poll_id)
    world.store.client.zadd(world.store.keys.schedule, due)
    expected = sorted(due)

    assert ids(select_by_due(world.store, Selection())) == expected
    world.store.client.zadd(world.store.keys.schedule, {poll_id: at + 0.5 for poll_id, at in due.items()})
    assert ids(select_by_due(world.store, Selection())) == expected
    for at in (0, 699, 700, 1_200):
        place = Place(due[expected[at]], expected[at])
        assert ids(select_by_due(world.store, Selection(), place)) == expected[at + 1 :]
    world.store.client.zadd(world.store.keys.schedule, {expected[699]: 2_000_000})
    listed = ids(select_by_due(world.store, Selection(), Place(1_000_000, expected[699])))
    assert set(expected[700:]) <= set(listed)


def test_a_poll_that_moves_on_meanwhile_is_listed_once(world: World) -> None:
    """As one that is attempted while the pages are read."""
    for number in range(PAGE + 100):
        world.admit(f"p{number:04d}", delay=number / 100)
    listed = []
    for poll_id, _ in select_by_due(world.store, Selection()):
        listed.append(poll_id)
        world.store.client.zadd(world.store.keys.schedule, {poll_id: world.now_ms() + 50_000})
    assert len(listed) == len(set(listed)) == PAGE + 100


def test_every_part_of_a_selection_counts(world: World) -> None:
    """State, tag, origin and age."""
    admit(world, "a", ("x", "y"), origin="one.example.com", delay=60.0)
    admit(world, "b", ("xy",), origin="two.example.com", delay=60.0)
    admit(world, "c", ("y",), origin="one.example.com")
    world.store.pause("b")
    world.begin("c")

    def selected(**wanted: Any) -> set[str]:
        assert set(ids(select(world.store, Selection(**wanted)))) == set(
            ids(select_by_due(world.store, Selection(**wanted)))
        )
        return set(ids(select(world.store, Selection(**wanted))))

    assert selected() == {"a", "b", "c"}
    assert selected(tag="y") == {"a", "c"}
    assert selected(tag="y", origin="one.example.com", states=frozenset({"running"})) == {"c"}
    assert selected(states=frozenset({"paused"})) == {"b"}
    assert selected(states=frozenset({"paused", "running"})) == {"b", "c"}
    assert selected(states=frozenset({"waiting"})) == {"a"}
    assert selected(older_than=0.0) == {"a", "b", "c"}
    assert selected(older_than=60.0) == set()


def test_overdue_polls_are_found_in_the_schedule_and_in_lots(world: World) -> None:
    """A parked poll has been due since it was parked; a paused one is not."""
    now = world.now_ms()
    for number in range(3):
        world.admit(f"late{number}")
    world.admit("paused")
    world.admit("later", delay=60.0)
    world.store.client.zadd(world.store.keys.schedule, {"late0": now - 10_000, "late1": now - 2_000})
    world.store.pause("paused")
    deadline = world.record("late2").deadline_ms
    world.store.client.zadd(world.store.keys.schedule, {"late2": deadline})
    world.store.client.zadd(
        world.store.keys.lots, {"queue:\0001\000000000000001\0" + f"{now - 30_000}\0\0late2": 0}
    )

    assert ids(select(world.store, Selection(overdue=1.0))) == ["late0", "late1", "late2"]
    assert ids(select(world.store, Selection(overdue=5.0))) == ["late0", "late2"]
    ((poll_id, found),) = parked(world.store)
    assert poll_id == "late2"
    assert 29 < lateness(found) < 60
    world.store.nudge("late2")
    assert ids(parked(world.store)) == []


def test_parked_polls_are_listed_by_the_time_since_which_they_are_due(world: World) -> None:
    """Before those that are due later, page by page, although the schedule has them at their deadlines."""
    world.admit("soon", delay=5.0, origin="other.example.com")
    shut(world.store, "api.example.com")
    for poll_id in ("b", "a", "c"):
        world.admit(poll_id, origin="api.example.com")
        world.dispatch()
        tick(world)
    world.admit("late", origin="other.example.com")
    assert world.parked() == {"a", "b", "c"}

    listed = list(select_by_due(world.store, Selection()))
    assert ids(iter(listed)) == ["b", "a", "c", "late", "soon"]
    for at, (poll_id, found) in enumerate(listed):
        assert found.due_ms is not None
        rest = select_by_due(world.store, Selection(), Place(found.due_ms, poll_id))
        assert ids(rest) == ids(iter(listed[at + 1 :]))
    assert ids(select_by_due(world.store, Selection(), lots=False)) == ["late", "soon", "b", "a", "c"]


def test_all_that_are_parked_are_found(world: World) -> None:
    """Over several pages of lots."""
    now = world.now_ms()
    for number in range(PAGE + 10):
        world.admit(f"p{number}", delay=60.0)
        member = f"limit:l\0001\0{number:012d}\0{now}\0\0p{number}"
        world.store.client.zadd(world.store.keys.lots, {member: 0})
    assert len(ids(parked(world.store))) == PAGE + 10


def test_the_polls_with_most_errors_are_found_bit_by_bit(world: World) -> None:
    """In rounds through all polls; one that answers again is forgotten in the round after."""
    for number in range(30):
        world.admit(f"p{number}")
    world.admit("worst")
    (pack,) = world.dispatch()
    world.store.begin(pack)
    for poll_id, errors in (("p1", 2), ("p2", 1), ("worst", 7)):
        world.settle(poll_id, progress=json.dumps({"errors": errors}), trouble=True)
    rounds = Rounds(world.store)
    while not rounds.size:
        rounds.go_on(10)
    assert [poll_id for poll_id, _ in rounds.worst()] == ["worst", "p1", "p2"]
    assert errors_in_a_row(dict(rounds.worst())["worst"].record) == 7
    world.store.cancel("worst")
    for _ in range(2):
        rounds.go_on(1000)
    assert [poll_id for poll_id, _ in rounds.worst()] == ["p1", "p2"]


def test_an_outage_does_not_end_the_round_of_the_errors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins anew, so that nobody takes a part of the polls for all of them."""
    world.store.admit_many([Submission(f"p{n}", spec=SPEC, span=1.0, timeout=60.0) for n in range(1500)])
    rounds = Rounds(world.store)
    rounds.go_on(10)
    assert 0 < rounds.looked < 1500

    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError("gone")

    with monkeypatch.context() as outage:
        outage.setattr(world.store.client, "hscan", away)
        with pytest.raises(StoreUnavailable):
            rounds.go_on(1500)
    assert (rounds.looked, rounds.size) == (0, 0)
    rounds.go_on(10)
    assert (0 < rounds.looked < 1500, rounds.size) == (True, 0)
    rounds.go_on(1500)
    assert rounds.size == 1500


def test_two_readings_of_the_totals_give_rates(world: World) -> None:
    """Attempts, errors, and the lateness in between."""
    before = totals(world.store)
    for number in range(4):
        world.admit(f"p{number}")
    (pack,) = world.dispatch()
    world.store.begin(pack)
    world.settle("p0", trouble=True)
    world.settle("p1")
    after = totals(world.store)
    assert (after.attempts, after.errors) == (4, 1)
    assert 0 <= after.lateness_since(before, 0.99) < 1000
    assert after.lateness_since(after, 0.99) == 0
    assert after.at_ms >= before.at_ms


def test_workers_are_told_with_their_queues(world: World) -> None:
    """Those that have dispatched in the last few seconds."""
    world.admit("p", queue="slow")
    world.dispatch(("", "slow"))
    world.store.dispatch("w2", "c", {"slow": True})
    one, other = workers(world.store)
    assert (one.name, one.queues, other.name, other.queues) == ("w1", ["", "slow"], "w2", ["slow"])
    assert 0 <= one.seen < 2


def test_a_worker_has_the_name_that_celery_knows_it_by(world: World) -> None:
    """One that was started again a moment ago is one worker, with the queues of both processes."""
    for name, queues in (("w1@a.b.7.0a1b2c3d", ("", "slow")), ("w1@a.b.8.4e5f6a7b", ("slow", "far"))):
        world.store.dispatch(name, f"c-{name}", dict.fromkeys(queues, True))
    world.admit("p", queue="slow")
    world.admit("q", queue="far")
    (one,) = workers(world.store)
    assert (one.name, one.queues) == ("w1@a.b", ["", "far", "slow"])
