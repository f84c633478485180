"""What Celery's own settings mean for polls, in applications of somebody's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from celery import Celery, chain

import pollers
from pollers import PollCancelled
from pollers.attempt_task import ATTEMPT
from pollers.dispatcher import UNUSABLE
from pollers.held import POLL
from pollers.runtime import runtime_of, use
from pollers.store import Keys
from tests.endpoints import Endpoint
from tests.system.workers import Worker
from tests.waiting import wait_until

DONE = {"until": "status == 'completed'", "every": 0.5, "timeout": 30}


@contextmanager
def configured(redis_url: str, **configuration: Any) -> Iterator[Celery]:
    """Return an application with a worker of its own, both configured so."""
    conf = {"broker_url": redis_url, "result_backend": redis_url, **configuration}
    application = Celery("plain", set_as_current=False)
    application.conf.update(conf)
    settings = {"TESTS_CONFIGURATION": json.dumps(conf)}
    try:
        with pytest.MonkeyPatch.context() as patch:
            # For other tests it may name the database that they share.
            patch.setenv("POLLERS_REDIS_URL", redis_url)
            with Worker(redis_url, name="plain", app="tests.system.plain_app", settings=settings):
                pollers.setup(application)
                yield application
    finally:
        for store in runtime_of(application).store.stores:
            store.client.close()
        application.close()
        use(pollers.app)
        # Celery binds the class of a task to the application that has registered it last.
        for name in (POLL, ATTEMPT):
            pollers.app.tasks[name].bind(pollers.app)


def test_results_come_to_who_has_submitted_where_none_are_stored(redis_url: str, endpoint: Endpoint) -> None:
    """With ``rpc://``: one by one and many, by a chain, and by a plain message."""
    url = endpoint.becomes("/a", {"status": "completed"}, after=1)
    before = endpoint.becomes("/before", {"status": "completed", "url": url}, after=1)
    with configured(redis_url, result_backend="rpc://") as application:
        poll = application.tasks[POLL]
        results = [
            poll.delay(url, **DONE),
            *poll.submit_many([url, url], **DONE),
            chain(poll.s(before, returns="url", **DONE), poll.s(**DONE)).delay(),
            application.send_task(POLL, [url], DONE),
        ]
        assert [result.get(timeout=20) for result in results] == [{"status": "completed"}] * 5


def test_no_result_is_stored_where_the_configuration_says_so(redis_url: str, endpoint: Endpoint) -> None:
    """And a call may say otherwise; of a cancelled poll as of one that has succeeded."""
    url = endpoint.becomes("/a", {"status": "completed"}, after=0)
    never = endpoint.becomes("/never", {"status": "completed"}, after=999)
    with configured(redis_url, task_ignore_result=True) as application:
        poll = application.tasks[POLL]
        cancelled = poll.delay(never, **DONE)
        wanted = poll.apply_async((never,), DONE, ignore_result=False)
        ignored = [poll.delay(url, **DONE), *poll.submit_many([url], **DONE)]
        assert [result.get(timeout=20) for result in ignored] == [None, None]
        assert poll.apply_async((url,), DONE, ignore_result=False).get(timeout=20) == {"status": "completed"}
        sent = application.send_task(POLL, [url], DONE)
        cancelled.cancel()
        wanted.cancel()
        with pytest.raises(PollCancelled):
            wanted.get(timeout=20)
        ended = [cancelled, *ignored, poll.AsyncResult(sent.id)]
        with redis.Redis.from_url(redis_url) as client:
            delivered = [Keys("pollers").ended(result.id) for result in ended]
            wait_until(lambda: client.exists(*delivered) == len(ended))
            assert client.exists(*(f"celery-task-meta-{result.id}" for result in ended)) == 0


def test_a_rate_limit_for_all_tasks_delays_no_poll(redis_url: str, endpoint: Endpoint) -> None:
    """By whichever of Celery's ways."""
    url = endpoint.becomes("/a", {"status": "completed"}, after=1)
    limit = "1/m"
    everything = {"*": {"rate_limit": limit}}
    with configured(redis_url, task_default_rate_limit=limit, task_annotations=everything) as application:
        for name in (POLL, ATTEMPT):
            assert application.control.rate_limit(name, limit, reply=True)
        poll = application.tasks[POLL]
        for _ in range(3):
            assert poll.delay(url, **DONE).get(timeout=15) == {"status": "completed"}


def test_packs_may_be_routed_by_exchange_and_routing_key(redis_url: str, endpoint: Endpoint) -> None:
    """As other tasks; a poll that names a queue is attempted there all the same."""
    url = endpoint.becomes("/a", {"status": "completed"}, after=1)
    routes = {ATTEMPT: {"exchange": "celery", "routing_key": "celery"}}
    with configured(redis_url, task_routes=routes) as application:
        poll = application.tasks[POLL]
        assert poll.delay(url, **DONE).get(timeout=15) == {"status": "completed"}
        far = poll.apply_async((url,), DONE, queue="far")
        other = {"TESTS_CONFIGURATION": json.dumps({"broker_url": redis_url, "task_routes": routes})}
        with Worker(
            redis_url, name="far", app="tests.system.plain_app", queues="far", settings=other
        ) as worker:
            assert far.get(timeout=15) == {"status": "completed"}
            assert far.id in worker.log()


def test_a_route_of_packs_to_no_queue_stops_the_worker(redis_url: str) -> None:
    """With what would be right; else no poll would be attempted, nor end."""
    conf = {"broker_url": redis_url, "task_routes": {ATTEMPT: {"exchange": "nowhere", "routing_key": "x"}}}
    settings = {"TESTS_CONFIGURATION": json.dumps(conf)}
    with (
        worker := Worker(redis_url, name="lost", app="tests.system.plain_app", settings=settings)
    ).launched():
        assert worker.process is not None
        assert worker.process.wait(30) == UNUSABLE
        assert "give it the name of a queue: {'queue': 'celery'}" in worker.log()
