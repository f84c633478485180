"""Workers are killed, frozen and replaced: every poll ends once, with its own value."""

from __future__ import annotations

import signal

import pytest

from tests.chaos.app import DEADLY
from tests.chaos.world import HASTY, World, pause, resume
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]


@pytest.mark.parametrize("point", DEADLY)
def test_kill_9_at_any_point_loses_no_poll(world: World, point: str) -> None:
    """Both workers die there, the one soon, the other later; others take their places."""
    world.settings |= HASTY
    world.start_worker("w1", CHAOS_POINT=point)
    world.start_worker("w2", CHAOS_POINT=point, CHAOS_PASSES="3")
    world.submit(200)
    world.submit_endless(20, timeout=5.0, delay=0.05)
    stats = world.account()
    assert world.deaths.count(-signal.SIGKILL) == 2
    assert stats["begun"] >= 3 * 200


def test_an_idle_worker_is_killed(world: World) -> None:
    """It held nothing, and nothing is missed."""
    idle, _ = world.start_workers("w1", "w2")
    idle.kill()
    world.submit(200)
    world.account()


def test_all_workers_are_killed_at_once(world: World) -> None:
    """In the middle of it; the polls wait for new ones."""
    world.settings |= HASTY
    workers = world.start_workers("w1", "w2", "w3")
    world.submit(300, delay=0.1)
    world.submit_endless(50, timeout=6.0, delay=0.1)
    wait_until(lambda: world.attempted(0.5), 30)
    for worker in workers:
        worker.kill()
    world.account()
    wait_until(lambda: len(world.deaths) == 3)


def test_a_rolling_restart_under_load_makes_no_attempt_twice(world: World) -> None:
    """Warm shutdowns finish what is in flight and leave the rest to others."""
    world.settings |= {"POLLERS_CONCURRENCY": "200"}
    workers = world.start_workers("w1", "w2")
    # Slower than a pack's task waits, and than a worker stops: `drain` is all that waits for them.
    world.submit(300, attempts=3, delay=1.5, request_timeout=5.0)
    wait_until(lambda: world.attempted(0.5), 30)
    for number, worker in enumerate(workers):
        world.start_worker(f"new{number}")
        world.stop(worker)
        assert worker.process is not None
        assert worker.process.returncode == 0
    stats = world.account()
    assert stats["crashed"] == stats["settle_refused"] == 0
    assert stats["settled"] == 3 * 300
    assert all(len(world.endpoint.arrivals(name)) == 3 for name in world.results)


def test_late_results_of_a_frozen_worker_are_refused(world: World) -> None:
    """It is stopped past its leases with requests in flight, and continued when others have gone on."""
    world.settings |= HASTY
    frozen = world.start_worker("w1", POLLERS_CONCURRENCY="200")
    world.submit(200, attempts=4, delay=0.5)
    wait_until(lambda: world.attempted(0.3), 30)
    pause(frozen)
    world.start_worker("w2")
    wait_until(lambda: world.stats()["crashed"] > 0, 30)
    resume(frozen)
    stats = world.account(overlaps=True)
    assert stats["settle_refused"] > 0


def test_a_poisonous_poll_fails_alone(world: World) -> None:
    """It kills every worker that attempts it; the others of its packs end well."""
    # Few in flight, as all that die twice beside the poison are then tried one at a time.
    world.settings |= HASTY | {"CHAOS_POINT": "poison", "POLLERS_CONCURRENCY": "10"}
    task = world.client.tasks["pollers.poll"]
    # All are due before there is a worker, so that packs are full.
    world.submit(100, attempts=4, delay=0.1)
    poison = task.delay(world.endpoint.url("/poison"), timeout=120.0, request_timeout=1.0)
    world.submit(100, attempts=4, delay=0.1)
    world.start_workers("w1", "w2")
    stats = world.account(120, others=1)
    with pytest.raises(Exception, match="its last 3 attempts died with their workers"):
        poison.get(timeout=60)
    assert len(world.deaths) == 3
    assert stats["failed"] == 1


def test_every_message_delivered_twice_makes_no_attempt_twice(world: World) -> None:
    """The second copy finds nothing to begin."""
    world.start_workers("w1", "w2", CHAOS_POINT="every message twice")
    world.submit(200, delay=0.05)
    stats = world.account()
    assert stats["begin_refused"] >= 3 * 200
    assert stats["settled"] == 3 * 200
