"""Parked polls: since when they have been due, and why they wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pollers.status import PollStatus
from pollers.store import traffic
from pollers.store.parking import PAGE, explained
from pollers.store.values import Found
from tests.store.conftest import World

API = "api.example.com"


def explain(world: World, poll_id: str = "p", *, most: int = PAGE) -> Found:
    """Return a poll, explained."""
    found = world.store.find(poll_id)
    assert found is not None
    ((_, found),) = explained(world.store, [(poll_id, found)], most=most)
    return found


def shut(world: World) -> None:
    """Pause the origin."""
    traffic.shut(world.store, API)


def hold(world: World) -> None:
    """Let an answer ask for an hour without polls."""
    world.admit("told", origin=API)
    world.begin("told")
    world.settle("told", hold_ms=3_600_000)


def limit(world: World) -> None:
    """Use up the limit of the origin."""
    traffic.configure(world.store, {API: "1/h"}, None)
    traffic.introduce(world.store, [API])
    world.admit("first", origin=API)
    world.dispatch()


def break_(world: World) -> None:
    """Let the breaker open."""
    rules = {"ratio": 0.5, "minimum": 1, "window": 10.0, "shortest": 3600.0, "longest": 3600.0, "trials": 1}
    traffic.configure(world.store, {}, rules)
    traffic.introduce(world.store, [API])
    world.admit("failing", origin=API)
    world.begin("failing")
    world.settle("failing", trouble=True)


@pytest.mark.parametrize(
    ("keep", "why"),
    [
        (shut, "origin paused"),
        (hold, "origin held for "),
        (limit, "waits for a limit"),
        (break_, "breaker open for "),
    ],
)
def test_a_parked_poll_is_due_since_it_was_parked(
    world: World, keep: Callable[[World], None], why: str
) -> None:
    """And it is said what keeps it, whatever that is; its deadline is no due time."""
    keep(world)
    before = world.now_ms()
    world.admit("p", origin=API)
    assert world.dispatch() == []
    assert world.due_in("p") > 50
    found = explain(world)
    assert found.due_ms is not None
    assert before <= found.due_ms <= world.now_ms()
    assert found.parked
    assert found.why_waiting.startswith(why)
    status = PollStatus.of("p", found)
    assert (status.state, status.why_waiting) == ("waiting", found.why_waiting)
    assert status.next_due is not None
    assert round(status.next_due.timestamp() * 1000) == found.due_ms


def test_what_has_no_room_waits_for_its_turn(make_world: Callable[..., World]) -> None:
    """No gate keeps it."""
    world = make_world(concurrency=1, backlog=1, pack_size=1)
    for poll_id in ("first", "p"):
        world.admit(poll_id)
    world.dispatch()
    assert explain(world).why_waiting == "waits for its turn"


def test_what_is_not_parked_is_told_as_it_is(world: World) -> None:
    """Also a poll whose last attempt is due where the schedule has some that are parked."""
    deadline = world.record(world.admit("p", origin=API)).deadline_ms
    shut(world)
    world.store.client.zadd(world.store.keys.schedule, {"p": deadline - 1000})
    found = explain(world)
    assert (found.due_ms, found.parked, found.why_waiting) == (deadline - 1000, False, "")
    assert PollStatus.of("p", found).next_due is not None


def test_a_poll_that_gets_no_attempt_any_more_is_not_due(world: World) -> None:
    """It only waits for its deadline."""
    deadline = world.record(world.admit("p")).deadline_ms
    world.store.client.zadd(world.store.keys.schedule, {"p": deadline})
    status = PollStatus.of("p", explain(world))
    assert (status.next_due, status.why_waiting) == (None, None)


def test_a_paused_poll_is_paused(world: World) -> None:
    """In one word, and its due time is none."""
    world.admit("p")
    world.store.pause("p")
    status = PollStatus.of("p", explain(world))
    assert (status.state, status.paused, status.next_due, status.why_waiting) == (
        "paused",
        True,
        None,
        "paused",
    )


@pytest.mark.parametrize("breakers", [False, True])
def test_among_very_many_the_reason_is_told_without_the_due_time(world: World, breakers: bool) -> None:
    """As one poll is not worth going through all of them; also where last attempts pass breakers."""
    if breakers:
        traffic.configure(world.store, {}, {"minimum": 4})
        traffic.introduce(world.store, [API])
    shut(world)
    members = {f"limit:l\0001\0{number:012d}\0{world.now_ms()}\0\0other{number}": 0 for number in range(PAGE)}
    world.store.client.zadd(world.store.keys.lots, members)
    world.admit("p", origin=API)
    world.dispatch()
    few, all_of_them = (PollStatus.of("p", explain(world, most=most)) for most in (PAGE, 2 * PAGE))
    assert (few.next_due, few.why_waiting) == (None, "origin paused")
    assert (all_of_them.next_due is None, all_of_them.why_waiting) == (False, "origin paused")
