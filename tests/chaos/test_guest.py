"""Polls from several worker processes as their services see them, with workers that are killed meanwhile."""

from __future__ import annotations

import json
import signal
import threading
import time
from bisect import bisect_right
from itertools import pairwise

import pytest

from tests.chaos.world import SPAN, World
from tests.endpoints import Endpoint, Reply
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]

#: What the way from the beginning of an attempt to the server may differ by from one to another, in seconds:
#: threads and sockets on a machine with two cores that runs all this.
JITTER = 0.1
#: Seconds until what has begun is at its server, and every worker has taken over what was changed.
SOON = 0.5


def arrivals(world: World) -> list[float]:
    """Return when requests of the submitted polls came, in order."""
    return sorted(arrival.at for name in world.results for arrival in world.endpoint.arrivals(name))


def most_in(moments: list[float], seconds: float) -> int:
    """Return how many of the moments any window of this length holds at most."""
    return max(bisect_right(moments, first + seconds) - at for at, first in enumerate(moments))


def limited(**limits: str) -> dict[str, str]:
    """Return the environment of a worker with limits."""
    return {"POLLERS_LIMITS": json.dumps(limits)}


def test_the_rate_is_kept_from_outside_while_workers_die(world: World) -> None:
    """Three workers, one of which is killed twice; the rate is kept in every window, and used."""
    world.settings |= limited(default="30/s burst 6")
    for name in ("w1", "w2", "w3"):
        world.start_worker(name)
    world.submit(150)
    for share in (0.3, 0.8):
        wait_until(lambda share=share: world.attempted(share), 60)
        world.kill(world.workers[0])
    world.account()
    moments = arrivals(world)
    for seconds in (0.5, 1, 2, 5, 10):
        assert most_in(moments, seconds) <= 6 + 30 * (seconds + JITTER), seconds
    assert len(moments) / (moments[-1] - moments[0]) > 20


def test_no_more_requests_than_allowed_are_at_the_service_at_once(world: World) -> None:
    """Even when a worker dies with some: their share comes back with their leases, and not before."""
    world.settings |= limited(default="in-flight 4")
    for name in ("w1", "w2"):
        world.start_worker(name)
    world.submit(40, attempts=2, delay=0.2)
    wait_until(lambda: world.attempted(0.3), 60)
    world.workers[0].kill()
    world.account()
    begun = arrivals(world)
    events = sorted([(at, 1) for at in begun] + [(at + 0.2, -1) for at in begun])
    now_there = most = 0
    for _, change in events:
        now_there += change
        most = max(most, now_there)
    assert most <= 4


def test_a_service_that_asks_for_a_pause_gets_it_from_all_workers(world: World) -> None:
    """One 429 with Retry-After: nobody asks for three seconds, then few do at first."""
    for name in ("w1", "w2"):
        world.start_worker(name)
    url = world.endpoint.script("/limited", Reply(429, headers={"Retry-After": "3"}), Reply(body={"done": 1}))
    world.submit(100, attempts=60, every=0.5)
    wait_until(lambda: world.attempted(1.0), 60)
    task = world.client.tasks["pollers.poll"]
    result = task.delay(url, until="done", every=0.5)
    held = world.wait_for_hold()
    assert result.get(timeout=30) == {"done": 1}
    asked_at = world.endpoint.arrivals("/limited")[0].at
    # What was in flight, or begun by then, still comes.
    assert not [at for at in arrivals(world) if held + SOON < at < asked_at + 2.9]
    assert 1 <= len([at for at in arrivals(world) if held < at < asked_at + 3.9]) < 60
    for one in world.results.values():
        one.cancel()


def test_one_dead_service_does_not_delay_the_polls_of_others(world: World) -> None:
    """Five thousand polls of a service that hangs; a hundred of one that is well stay as punctual."""
    world.settings |= limited(default="in-flight 10") | {"POLLERS_CONCURRENCY": "100"}
    for name in ("w1", "w2"):
        world.start_worker(name)
    task = world.client.tasks["pollers.poll"]
    cadence, healthy = 2.0, [f"/well/{number}" for number in range(100)]
    for path in healthy:
        url = world.endpoint.script(path, Reply(body={"done": False}))
        task.delay(url, until="done", every=cadence, timeout=120.0, request_timeout=1.0)

    def lateness(seconds: float) -> float:
        """Return how late all but one in a hundred attempts are, at most, over some time from now on."""
        began = time.time()
        wait_until(lambda: time.time() > began + seconds, seconds + 1)
        late = []
        for path in healthy:
            moments = [arrival.at for arrival in world.endpoint.arrivals(path) if arrival.at > began]
            late += [later - earlier - cadence for earlier, later in pairwise(moments)]
        assert len(late) > 100 * (seconds / cadence - 2)
        return sorted(late)[int(len(late) * 0.99)]

    wait_until(lambda: all(world.endpoint.arrivals(path) for path in healthy), 30)
    alone = lateness(12)
    with Endpoint() as dead:
        hanging = dead.script("/hangs", Reply(delay=30.0))
        for _ in range(5000):
            task.delay(hanging, until="done", every=cadence, timeout=120.0, request_timeout=1.0)
        wait_until(lambda: dead.arrivals("/hangs"), 30)
        assert lateness(15) < alone + 0.15
        assert len(dead.arrivals("/hangs")) < 20 * 20


def test_a_service_that_comes_back_is_approached(world: World) -> None:
    """While it is down its breaker spares it; when it is well again, requests grow from a few."""
    breaker = {"POLLERS_BREAKER": json.dumps({"minimum": 10, "shortest": "1s", "longest": "4s"})}
    for name in ("w1", "w2"):
        world.start_worker(name, **breaker)
    world.endpoint.outage = Reply(503)
    world.submit(300, attempts=2, timeout=90.0)
    wait_until(lambda: world.stats()["origins_open"] >= 3, 60)
    spared = len(world.endpoint.failed)
    world.endpoint.outage = None
    for name, result in world.results.items():
        assert result.get(timeout=60) == name
    # Three hundred polls every half second for some seconds would have been thousands.
    assert spared < 450
    moments = arrivals(world)
    assert len([at for at in moments if at < moments[0] + 1]) < 40
    assert world.stats()["origins_closed"] >= 1


def test_crowds_are_spread(world: World) -> None:
    """Four hundred polls that are submitted at once, and are due together after an outage."""
    world.start_workers("w1", "w2")
    world.submit(400, attempts=60, every=5.0)
    wait_until(lambda: world.attempted(1.0), 20)
    first = arrivals(world)
    assert most_in(first, 1) < 250
    for worker in list(world.workers):
        world.stop(worker)
    threading.Event().wait(25)
    known = len(arrivals(world))
    deadly, _ = world.start_workers("w3", "w4")
    wait_until(lambda: len(arrivals(world)) >= known + 100, 30)
    world.kill(deadly)
    wait_until(lambda: len(arrivals(world)) >= known + 400, 30)
    assert world.deaths == [-signal.SIGKILL]
    assert most_in(arrivals(world)[known:], 1) < 250
    for one in world.results.values():
        one.cancel()


@pytest.mark.parametrize("choice", ["attempt", "wait"])
def test_an_open_breaker_and_the_last_attempt(world: World, choice: str) -> None:
    """It is made shortly before the deadline, or not at all, as the setting says; also when a worker dies."""
    breaker = json.dumps({"minimum": 10, "shortest": "60s", "longest": "90s"})
    world.start_workers("w1", "w2", POLLERS_BREAKER=breaker, POLLERS_OPEN_BREAKER=choice)
    world.settings |= {"POLLERS_BREAKER": breaker, "POLLERS_OPEN_BREAKER": choice}
    world.endpoint.outage = Reply(503)
    world.submit_endless(40, timeout=15.0)
    wait_until(lambda: world.stats()["origins_open"] >= 1, 20)
    deadlines = [result.status().deadline.timestamp() for result in world.endless.values()]
    threading.Event().wait(3)
    open_since = len(world.endpoint.failed)
    world.workers[0].kill()
    world.account(40)
    late = world.endpoint.failed[open_since:]
    if choice == "wait":
        assert late == []
    else:
        assert {arrival.path for arrival in late} == set(world.endless)
        assert min(deadlines) - 2 < min(arrival.at for arrival in late)


def test_a_thousand_polls_of_one_endpoint_cost_one_request_a_tick(world: World) -> None:
    """On two workers, one of which is killed."""
    for name in ("w1", "w2"):
        world.start_worker(name)
    cadence, ticks = 2.0, 8
    task = world.client.tasks["pollers.poll"]
    url = world.endpoint.script("/status", Reply(body={"done": False}, delay=0.1))
    results = [
        task.delay(url, until="done", every=cadence, timeout=90.0, request_timeout=SPAN, coalesce=True)
        for _ in range(1000)
    ]
    # Submitting them takes some ticks; from then on they are together.
    wait_until(lambda: all(result.status().attempts for result in results), 30)
    threading.Event().wait(2 * cadence)
    before, began = len(world.endpoint.arrivals("/status")), [result.status().attempts for result in results]
    threading.Event().wait(cadence * ticks)
    requests = len(world.endpoint.arrivals("/status")) - before
    made = [result.status().attempts - before for result, before in zip(results, began, strict=True)]
    assert ticks - 1 <= requests <= ticks + 2
    assert min(made) >= ticks - 2
    world.workers[0].kill()
    world.endpoint.script("/status", Reply(body={"done": True}, delay=0.1))
    for result in results:
        assert result.get(timeout=40) == {"done": True}
