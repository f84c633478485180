"""Workers are killed while they start operations, and while they tell changes."""

from __future__ import annotations

import base64
import json
import signal
from collections import defaultdict
from typing import Any

import pytest

from tests.chaos.world import World
from tests.endpoints import Reply
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]

#: Queue of the tasks that changes are told to. Nobody consumes it.
CHANGES = "changes"


@pytest.mark.parametrize("point", ["during the request", "between request and settle"])
def test_a_start_that_is_repeated_after_a_crash_has_the_same_key(world: World, point: str) -> None:
    """The service hears of some operations twice, and can tell."""
    world.start_worker("w1", CHAOS_POINT=point)
    world.start_worker("w2", CHAOS_POINT=point, CHAOS_PASSES="1")
    task = world.client.tasks["pollers.poll"]
    started: dict[str, Any] = {}
    for number in range(50):
        path = f"/start/{number}"
        job = world.endpoint.script(f"/job/{number}", Reply(202), Reply(200, {"n": number}))
        url = world.endpoint.script(path, Reply(202, b"", {"Location": job}))
        started[path] = task.start("POST", url, returns="n", every=0.5, timeout=120, request_timeout=1.0)
    for number, (path, result) in enumerate(started.items()):
        assert result.get(timeout=90) == number
        keys = {arrival.headers["Idempotency-Key"] for arrival in world.endpoint.arrivals(path)}
        assert keys == {result.id}
    assert world.deaths.count(-signal.SIGKILL) == 2
    assert sum(len(world.endpoint.arrivals(path)) for path in started) > len(started)


@pytest.mark.parametrize("point", ["before a change is told", "after a change is told"])
def test_no_change_is_lost_with_a_worker(world: World, point: str) -> None:
    """Each is told at least once, and for the first time in order."""
    world.start_worker("w1", CHAOS_POINT=point)
    world.start_worker("w2", CHAOS_POINT=point, CHAOS_PASSES="30")
    world.submit(100, on_change=world.client.signature("chaos.changed", queue=CHANGES))
    world.account()
    wait_until(lambda: world.deaths.count(-signal.SIGKILL) == 2)
    told: dict[str, list[int]] = defaultdict(list)
    for message in reversed(world.redis.lrange(CHANGES, 0, -1)):
        parameters = json.loads(base64.b64decode(json.loads(message)["body"]))[1]
        if parameters["change"] not in told[parameters["poll_id"]]:
            told[parameters["poll_id"]].append(parameters["change"])
    assert told == {result.id: [1, 2] for result in world.results.values()}
