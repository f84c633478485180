"""What the doctor counts in the records: queues, credentials, and what nobody can read."""

from __future__ import annotations

import json

import msgpack

from pollers.store import Submission
from pollers.store.census import census
from pollers.store.record import VERSION
from pollers.store.vitals import vitals
from tests.store.conftest import SPEC, World
from tests.store.test_damaged_records import edit


def test_the_census_counts_what_live_polls_ask_for(world: World) -> None:
    """Not those that have ended."""
    spec = json.dumps({"url": "http://127.0.0.1/", "auth": "render-api"}, separators=(",", ":"))
    for name in ("a", "b", "ended"):
        world.admit(name, spec=spec, queue="far")
    world.admit("plain")
    world.store.cancel("ended")
    found = census(world.store)
    assert found.queues == {"far": 2, "": 1}
    assert found.credentials == {"render-api": 2}
    assert found.unreadable == {}


def test_the_census_finds_what_nobody_can_read(world: World) -> None:
    """Damaged records, and those of a newer version, with the reason; a damaged spec is none."""
    world.admit("spec", spec='{"auth":')
    for name, raw in (("junk", b"\xc1"), ("newer", msgpack.packb([VERSION + 1]))):
        world.store.client.hset(world.store.keys.polls, name, raw)
    unreadable = census(world.store).unreadable
    assert set(unreadable) == {"junk", "newer"}
    assert f"version {VERSION + 1}" in unreadable["newer"]


def test_the_census_ends_after_so_many(world: World) -> None:
    """So that a million polls do not keep it."""
    world.store.admit_many([Submission(f"p{n}", spec=SPEC, span=1.0, timeout=60.0) for n in range(1500)])
    assert 600 <= census(world.store, most=600).queues.total() < 1500


def test_vitals_tell_how_long_something_waits_and_who_works(world: World) -> None:
    """Polls that are due, outcomes, and workers by queue."""
    assert vitals(world.store)[1:4] == (0.0, 0.0, 0.0)
    world.admit("p", queue="far")
    world.admit("q")
    world.store.cancel("q")
    edit(world, "q", ended_ms=world.now_ms() - 120_000)
    assert len(world.store.release()) == 1  # published once more, in vain
    world.store.client.zadd(world.store.keys.schedule, {"p": world.now_ms() - 60_000})
    world.store.dispatch("w1@a.b.1234.abcd", "c", {"": True, "far": False})
    now = vitals(world.store)
    assert now.oldest_due >= 60
    assert now.oldest_outcome >= 120
    assert now.created > 0
    assert {queue: one.workers for queue, one in now.queues.items()} == {"": 1, "far": 0}


def test_a_cancelled_poll_is_not_overdue(world: World) -> None:
    """Though its entry is still in the lot of its queue."""
    world.admit("p", queue="far")
    world.store.client.zadd(world.store.keys.schedule, {"p": world.now_ms() - 60_000})
    world.store.dispatch("w", "c", {"": True, "far": False})
    world.store.cancel("p")
    assert world.parked() == {"p"}
    assert vitals(world.store).oldest_due == 0
