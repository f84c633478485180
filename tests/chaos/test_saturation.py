"""Three times more is due than the workers can do, for a minute."""

from __future__ import annotations

import threading

import psutil
import pytest

from pollers import PollTimeout
from tests.chaos.world import World
from tests.endpoints import Reply

#: One worker makes twelve attempts of 0.2 s at a time: sixty a second. Two hundred polls ask for
#: two hundred.
POLLS = 200
LANES = 12
ANSWER = 0.2
CADENCE = 1.0
#: Polls that end before, so that the worker's memory is that of a warm worker.
WARM_UP = 600

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]


def test_deadlines_hold_and_lateness_is_shared(world: World) -> None:
    """Every poll ends within a second after its deadline, nothing starts after it, all get their turn."""
    worker = world.start_worker("w1", POLLERS_CONCURRENCY=str(LANES))
    assert worker.process is not None
    process = psutil.Process(worker.process.pid)
    # Celery's clients and tracebacks are garbage in cycles: what it leaves for the collector is as much
    # as it will be after some hundreds of outcomes.
    world.submit_endless(WARM_UP, timeout=1.0)
    world.account()
    task = world.client.tasks["pollers.poll"]
    results = {}
    for number in range(POLLS):
        url = world.endpoint.script(f"/{number}", Reply(body={"done": False}, delay=ANSWER))
        # Deadlines between 50 and 59 seconds, so that they do not all come at once.
        timeout = 50.0 + number % 10
        results[f"/{number}"] = task.delay(
            url, until="done", every=CADENCE, timeout=timeout, request_timeout=1.0
        )
    threading.Event().wait(10)
    memory_early = process.memory_info().rss
    for result in results.values():
        with pytest.raises(PollTimeout):
            result.get(timeout=80)
    memory_late = process.memory_info().rss

    attempts = []
    for path, result in results.items():
        status, arrivals = result.status(), world.endpoint.arrivals(path)
        assert status.ended is not None
        assert (status.ended - status.deadline).total_seconds() < 1.0
        assert max(arrival.at for arrival in arrivals) < status.deadline.timestamp()
        attempts.append(len(arrivals) / (status.deadline - status.created).total_seconds())
    # As many as there is time for, give or take what starting costs; nobody has twice another's share.
    assert 0.6 < sum(attempts) * ANSWER / LANES <= 1.05
    assert max(attempts) < 2 * min(attempts)
    assert memory_late - memory_early < 10_000_000
    assert world.stats()["crashed"] == 0
