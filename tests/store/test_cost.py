"""What a waiting poll costs Redis, and that every kind of Redis will do."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import pytest

from pollers.errors import StoreUnavailable
from pollers.settings import Settings
from pollers.store import Store, Submission
from tests.conftest import free_port
from tests.store.conftest import World

#: Many enough for the tables of Redis to be full as they are with 100,000; `make bench` counts those.
POLLS = 20_000
ORIGIN = "api.example.com"


def test_a_waiting_poll_costs_at_most_700_bytes(world: World) -> None:
    """With a spec of 200 bytes and an ordinary id, everything counted."""
    spec = json.dumps({"url": "https://api.example.com/renders/42", "until": "status == 'completed'"})
    spec = spec[:-1] + ',"returns":"' + "x" * (200 - len(spec) - 13) + '"}'
    assert len(spec) == 200
    store = world.store
    store.client.execute_command("MEMORY", "PURGE")
    before = int(store.client.info("memory")["used_memory"])
    script = store.calls.scripts["admit"]
    pipe = store.client.pipeline(transaction=False)
    keys = store.keys
    for _ in range(POLLS):
        poll_id = str(uuid4())
        script(
            keys=[
                keys.polls,
                keys.schedule,
                keys.stats,
                keys.queues,
                keys.ended(poll_id),
                keys.admissions(ORIGIN),
            ],
            args=[
                poll_id,
                "",
                spec,
                "",
                10_000,
                "timed_out",
                300_000,
                600_000,
                0,
                ORIGIN,
                "",
                1,
                "",
                0,
                0,
                "",
            ],
            client=pipe,
        )
    pipe.execute()
    assert store.client.hlen(keys.polls) == POLLS
    used = int(store.client.info("memory")["used_memory"]) - before
    assert used / POLLS <= 700


def test_the_life_of_a_poll_works_on_redis_6_2(redis62_url: str) -> None:
    """The oldest that is supported: every script runs there."""
    world = World(redis62_url)
    world.admit("p")
    world.store.nudge("p")
    world.begin("p")
    assert world.settle("p", attempt=1, due_ms=world.now_ms()) is True
    pack = world.dispatch()[0]
    world.store.begin(pack)
    assert world.settle("p", attempt=2, state="succeeded", outcome='{"value":1}')
    world.store.release()
    assert world.store.claim("p").verdict == "claimed"
    assert world.store.deliver("p", 60.0)
    world.admit("q")
    assert world.store.cancel("q") == "cancelled"


def test_a_prefix_keeps_two_installations_apart(redis_url: str) -> None:
    """In one database of one Redis."""
    one, other = (Store.connect(Settings(redis_url=redis_url, prefix=name)) for name in ("one", "other"))
    one.admit(Submission("p", spec="{}", span=1.0, timeout=60.0))
    assert other.find("p") is None
    assert other.dispatch("w", "c", {"": True}).packs == []
    assert {key.split(b":")[0] for key in one.client.scan_iter()} == {b"{one}", b"{other}"}


def test_a_redis_that_is_away_is_told_in_a_sentence() -> None:
    """With its address, and soon."""
    store = Store.connect(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"Redis at 127\.0\.0\.1:\d+ cannot be reached"):
        store.admit(Submission("p", spec="{}", span=1.0, timeout=60.0))
    assert time.monotonic() - started < 10


def test_an_address_that_is_no_redis_is_told_in_a_sentence() -> None:
    """It says how an address begins."""
    with pytest.raises(StoreUnavailable, match="redis://"):
        Store.connect(Settings(redis_url="http://example.com"))
