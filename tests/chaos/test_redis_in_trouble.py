"""Redis is killed, cut off, slow, full, empty: nothing that it has kept is lost, and trouble is told."""

from __future__ import annotations

import threading

import pytest

from pollers import StoreUnavailable
from tests.chaos.wire import Wire
from tests.chaos.world import KEYS, World
from tests.conftest import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

#: Seconds that Redis is out of reach.
OUTAGE = 30.0


def let_pass(seconds: float) -> None:
    """Let an outage last."""
    threading.Event().wait(seconds)


def test_redis_is_killed_and_restarted_from_its_file(world: World) -> None:
    """Twice, in the middle of it; the workers stay and go on."""
    workers = [world.start_worker(name) for name in ("w1", "w2")]
    world.submit(200, attempts=6)
    for share in (0.3, 0.9):
        wait_until(lambda share=share: world.attempted(share), 30)  # type: ignore[misc]
        world.kill_valkey()
        let_pass(1.0)
        world.valkey.start()
    world.account(120)
    assert world.deaths == []
    assert all("Connection to broker lost" in worker.log() for worker in workers)


@pytest.mark.parametrize("kind", ["refuse", "swallow"])
def test_redis_is_out_of_reach_for_half_a_minute(kind: str) -> None:
    """Connections are refused, or everything on them vanishes; the workers find back."""
    port = free_port()
    with Wire(port) as wire, World(port=port, redis_url=f"redis://127.0.0.1:{wire.port}/0") as world:
        for name in ("w1", "w2"):
            world.start_worker(name)
        world.submit(200, attempts=6)
        wait_until(lambda: world.attempted(0.3), 30)
        getattr(wire, kind)()
        let_pass(OUTAGE)
        wire.mend()
        world.account(120)
        assert world.deaths == []


def test_redis_is_slow() -> None:
    """Every answer takes 20 ms longer: all goes on, later."""
    port = free_port()
    with Wire(port) as wire, World(port=port, redis_url=f"redis://127.0.0.1:{wire.port}/0") as world:
        wire.delay = 0.01
        for name in ("w1", "w2"):
            world.start_worker(name)
        world.submit(50)
        world.account()


def test_redis_comes_back_empty(world: World) -> None:
    """What it had is lost; the workers keep running, and do what is submitted from then on."""
    worker = world.start_worker("w1")
    world.submit(50, attempts=100)
    wait_until(lambda: world.attempted(1.0), 30)
    world.redis.flushall()
    world.redis.script_flush()
    world.results.clear()
    world.submit(50)
    world.account()
    assert world.deaths == []
    assert worker.process is not None
    assert worker.process.poll() is None


def test_redis_is_full(world: World) -> None:
    """Submission says so, and nothing is half-stored; what waits goes on when there is room."""
    world.redis.config_set("maxmemory-policy", "noeviction")
    world.submit(20)
    world.redis.config_set("maxmemory", "1mb")
    task = world.client.tasks["pollers.poll"]
    with pytest.raises(StoreUnavailable, match="takes no writes"):
        task.delay(world.endpoint.url("/"), until="done")
    assert world.redis.hlen(KEYS.polls) == world.redis.zcard(KEYS.schedule) == 20
    world.redis.config_set("maxmemory", "0")
    world.start_worker("w1")
    world.account()


def test_redis_fills_up_while_workers_run(world: World) -> None:
    """They wait and say so; nothing is lost."""
    worker = world.start_worker("w1")
    world.submit(50, attempts=6)
    wait_until(lambda: world.attempted(0.5), 30)
    world.redis.config_set("maxmemory", "1mb")
    wait_until(lambda: "takes no writes" in worker.log(), 30)
    world.redis.config_set("maxmemory", "0")
    world.account()
    assert world.deaths == []


def test_the_queue_of_the_broker_is_flushed(world: World) -> None:
    """Again and again: what was in it is sent again."""
    for name in ("w1", "w2"):
        world.start_worker(name)
    world.submit(200, attempts=4, delay=0.05)
    for share in (0.2, 0.4, 0.6, 0.8):
        wait_until(lambda share=share: world.attempted(share), 30)  # type: ignore[misc]
        world.redis.delete("celery", "unacked", "unacked_index")
    world.account()
