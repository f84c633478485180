"""Workers on a real Valkey, an endpoint server, and pollers' own application pointed at them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery

import pollers
from pollers.store import Keys
from tests.conftest import VALKEY_PORT, free_port
from tests.endpoints import Endpoint
from tests.system.app import SEEN
from tests.system.workers import Worker
from tests.waiting import wait_until

#: Where the session's worker serves its metrics.
METRICS_PORT = free_port()

# pytest looks at every name of a test module while it collects, and a look at `poll` reads the settings.
os.environ["POLLERS_REDIS_URL"] = f"redis://127.0.0.1:{VALKEY_PORT}/0"


@pytest.fixture(scope="session")
def shared_redis_url(valkey: str) -> str:
    """Return the URL of the database that all system tests share, as applications share one."""
    return f"{valkey}/0"


@pytest.fixture(scope="session")
def application(shared_redis_url: str) -> Iterator[Celery]:
    """Return pollers' application, configured by environment as a user would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLLERS_REDIS_URL", shared_redis_url)
        assert pollers.app.conf.broker_url == shared_redis_url
        yield pollers.app
        pollers.app.close()


@pytest.fixture(scope="session")
def worker(shared_redis_url: str, application: Celery) -> Iterator[Worker]:
    """Return one running worker of the default queue, which serves metrics."""
    with Worker(shared_redis_url, settings={"POLLERS_METRICS_PORT": str(METRICS_PORT)}) as running:
        yield running


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Return a scriptable HTTP server."""
    with Endpoint() as server:
        yield server


@pytest.fixture
def seen(shared_redis_url: str) -> Iterator[Callable[..., list[Any]]]:
    """Return a reader of what the workers' tasks noted under a name."""
    with redis.Redis.from_url(shared_redis_url) as client:

        def read(name: str, count: int = 1, limit: float = 15.0) -> list[Any]:
            wait_until(lambda: client.llen(SEEN + name) >= count, limit)
            return [json.loads(text) for text in client.lrange(SEEN + name, 0, -1)]

        yield read
        for key in client.keys(SEEN + "*"):
            client.delete(key)


@pytest.fixture
def room_for_origins(shared_redis_url: str) -> None:
    """Forget what was counted: the first fifty origins only have counters of their own."""
    with redis.Redis.from_url(shared_redis_url) as client:
        client.delete(Keys("pollers").metrics)
