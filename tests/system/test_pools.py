"""Every pool of Celery makes attempts: threads, prefork, gevent and solo."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from pollers import poll
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.test_metrics import Metrics
from tests.system.workers import ROOT, STOP_LIMIT, Worker
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


@pytest.mark.parametrize(
    ("arguments", "settings", "pool"),
    [
        ((), {}, "threads"),
        (("-EP", "prefork"), {}, "prefork"),
        ((), {"CELERY_WORKER_POOL": "prefork"}, "prefork"),
    ],
)
def test_a_worker_has_the_pool_that_was_named(
    shared_redis_url: str, arguments: tuple[str, ...], settings: dict[str, str], pool: str
) -> None:
    """However it was named; threads where none was."""
    command = [sys.executable, "-m", "celery", "-A", "pollers", "worker", "-c", "1", *arguments]
    environment = {**os.environ, "POLLERS_REDIS_URL": shared_redis_url, **settings}
    worker = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert worker.stdout is not None
    try:
        banner = next(line for line in worker.stdout if "concurrency: " in line)
    finally:
        worker.terminate()
        worker.communicate(timeout=STOP_LIMIT)
    assert banner.rstrip().endswith(f"concurrency: 1 ({pool})")


def test_threads_do_not_scale(shared_redis_url: str) -> None:
    """Celery would try, fail, and connect anew, without end."""
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "pollers", "worker", "--autoscale", "4,1"],
        cwd=ROOT,
        env={**os.environ, "POLLERS_REDIS_URL": shared_redis_url},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert "--autoscale needs --pool prefork" in ended.stderr
    assert "Traceback" not in ended.stderr
