"""Workers on a real Valkey, an endpoint server, and pollers' own application pointed at them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

import pollers
from pollers.runtime import forget_runtimes
from tests.endpoints import Endpoint
from tests.system.app import SEEN
from tests.system.workers import Worker
from tests.waiting import wait_until


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Return a scriptable HTTP server."""
    with Endpoint() as server:
        yield server


@pytest.fixture
def application(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return pollers' application, submitting to this test's Redis."""
    monkeypatch.setenv("POLLERS_REDIS_URL", redis_url)
    app = pollers.app
    before = (app.conf.broker_url, app.conf.result_backend)
    app.conf.update(broker_url=redis_url, result_backend=redis_url)
    _reconnect(app)
    yield app
    _reconnect(app)
    app.conf.update(broker_url=before[0], result_backend=before[1])


def _reconnect(app: Any) -> None:
    """Forget connections, so that the next use follows the configuration."""
    app.pool.force_close_all()
    app._pool = None
    app.amqp._producer_pool = None
    app._backend_cache = None
    app._local.__dict__.pop("backend", None)
    forget_runtimes()


@pytest.fixture
def worker(redis_url: str, application: Any) -> Iterator[Worker]:
    """Return one running worker with the threads pool."""
    with Worker(redis_url) as running:
        yield running


@pytest.fixture
def seen(redis_url: str) -> Callable[[str], list[Any]]:
    """Return a reader of what the workers' tasks noted under a name."""
    client = redis.Redis.from_url(redis_url)

    def read(name: str, count: int = 1, limit: float = 15.0) -> list[Any]:
        wait_until(lambda: client.llen(SEEN + name) >= count, limit)
        return [json.loads(text) for text in client.lrange(SEEN + name, 0, -1)]

    return read
