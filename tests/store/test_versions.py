"""Records of the version before are read, by Python and by the scripts."""

from __future__ import annotations

import msgpack

from pollers.store import Record, traffic
from pollers.store.record import NORMAL
from tests.store.conftest import SPEC, World


def admit_as_version_1(world: World, poll_id: str) -> None:
    """Store a poll as version 1 of the layout had it."""
    now = world.now_ms()
    record = [1, "waiting", 0, now, now + 60_000, 10_000, "timed_out", "", SPEC, "", "", "", "", 0, 0, 0]
    world.store.client.hset(world.store.keys.polls, poll_id, msgpack.packb(record))
    world.store.client.zadd(world.store.keys.schedule, {poll_id: now})


def test_a_poll_of_version_1_lives_on(world: World) -> None:
    """It is attempted, settles and ends; what it did not have has the default."""
    admit_as_version_1(world, "p")
    assert world.record("p").origin == ""
    _, record = world.begin("p")
    assert (record.version, record.priority, record.paused) == (2, NORMAL, 0)
    assert world.settle("p", due_ms=world.now_ms())
    world.begin("p")
    ended = world.settle("p", 2, state="succeeded", outcome='{"value":1}')
    assert isinstance(ended, Record)
    assert world.store.claim("p").verdict == "claimed"


def test_a_poll_of_version_1_can_be_steered(world: World) -> None:
    """Paused, resumed, nudged and cancelled."""
    admit_as_version_1(world, "p")
    assert world.store.pause("p") == "paused"
    assert world.dispatch() == []
    assert world.store.resume("p") == "waiting"
    assert world.store.nudge("p") == "waiting"
    assert len(world.dispatch()) == 1
    assert world.store.cancel("p") == "cancelled"


def test_a_poll_of_version_1_passes_every_gate(world: World) -> None:
    """Its record does not say its origin."""
    traffic.configure(world.store, {"default": "1/h"}, {"ratio": 0.5})
    for name in ("a", "b", "c"):
        admit_as_version_1(world, name)
    (pack,) = world.dispatch()
    assert len(world.store.begin(pack).polls) == 3
