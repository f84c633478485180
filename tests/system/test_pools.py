"""Every pool of Celery makes attempts: threads, prefork, gevent and solo."""

from __future__ import annotations

from typing import Any

import pytest

from pollers import poll
from tests.endpoints import Endpoint
from tests.system.workers import Worker


@pytest.mark.parametrize("pool", ["threads", "prefork", "gevent", "solo"])
def test_a_pool_makes_attempts_and_delivers(
    pool: str, redis_url: str, application: Any, endpoint: Endpoint
) -> None:
    """Thirty polls, two attempts each, then a warm shutdown that leaves nothing behind."""
    queue = f"pool-{pool}"
    with Worker(redis_url, name=pool, pool=pool, concurrency=2, queues=queue) as worker:
        results = []
        for number in range(30):
            url = endpoint.becomes(f"/{number}", {"status": "completed", "n": number}, after=1)
            condition = {"until": "status == 'completed'", "returns": "n", "every": 0.5}
            results.append(poll.apply_async((url,), condition, queue=queue))
        assert [result.get(timeout=30) for result in results] == list(range(30))
        assert "Traceback" not in worker.log()
    assert worker.process is not None
    assert worker.process.returncode == 0
