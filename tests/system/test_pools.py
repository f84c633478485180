"""Every pool of Celery makes attempts: threads, prefork, gevent and solo."""

from __future__ import annotations

from typing import Any

import pytest

from pollers import poll
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.test_metrics import Metrics
from tests.system.workers import Worker
from tests.waiting import wait_until

#: A warm shutdown of prefork can take half a minute.
pytestmark = pytest.mark.timeout(120)

POOLS = ["threads", "prefork", pytest.param("gevent", marks=pytest.mark.slow), "solo"]


@pytest.mark.usefixtures("room_for_origins")
@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_makes_attempts_and_delivers(
    pool: str, shared_redis_url: str, application: Any, endpoint: Endpoint
) -> None:
    """Thirty polls, two attempts each, all counted, then a warm shutdown that leaves nothing behind."""
    queue = f"pool-{pool}"
    settings = {"POLLERS_METRICS_PORT": str(port := free_port())}
    with Worker(
        shared_redis_url, name=pool, pool=pool, concurrency=2, queues=queue, settings=settings
    ) as worker:
        results = []
        for number in range(30):
            url = endpoint.becomes(f"/{number}", {"status": "completed", "n": number}, after=1)
            condition = {"until": "status == 'completed'", "returns": "n", "every": 0.5}
            results.append(poll.apply_async((url,), condition, queue=queue))
        assert [result.get(timeout=30) for result in results] == list(range(30))
        metrics, origin = Metrics(port), endpoint.url("/").removesuffix("/")
        wait_until(lambda: metrics("pollers_attempts_total", origin=origin) == 60)
        assert f"concurrency: 2 ({pool.removesuffix('s')})" in worker.log()
        assert "Traceback" not in worker.log()
    assert worker.process is not None
    assert worker.process.returncode == 0


@pytest.mark.parametrize("pool", POOLS)
def test_a_warm_shutdown_finishes_the_attempts_in_flight(
    pool: str, shared_redis_url: str, application: Any, endpoint: Endpoint
) -> None:
    """Of an endpoint so slow that the task of its pack has returned: nothing is asked twice."""
    queue = f"shutdown-{pool}"
    url = endpoint.script("/slow", Reply(delay=2, body={"status": "running"}))
    with Worker(shared_redis_url, name=f"shutdown-{pool}", pool=pool, concurrency=2, queues=queue):
        result = poll.apply_async((url,), {"until": "status == 'completed'", "every": 600}, queue=queue)
        wait_until(lambda: endpoint.arrivals("/slow"), 10)
    status = result.status()
    assert (status.state, status.attempts) == ("waiting", 1)
    assert status.last_answer is not None
    assert status.last_answer.status == 200
    result.cancel()
