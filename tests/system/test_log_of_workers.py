"""What real workers write into their logs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery

from pollers import PollCancelled, PollFailed, poll
from tests.endpoints import Endpoint, Reply
from tests.system.workers import Worker
from tests.waiting import wait_until


def test_the_end_of_a_poll_is_a_line_and_packs_are_none(worker: Worker, endpoint: Endpoint) -> None:
    """At INFO."""
    before = len(worker.log())
    url = endpoint.script("/failing", Reply(200, {"status": "bad"}))
    result = poll.delay(url, until="status == 'done'", fail_when="status == 'bad'", every=0.5)
    with pytest.raises(PollFailed):
        result.get(timeout=20)
    wait_until(lambda: f"Poll {result.id} at http://127.0.0.1:" in worker.log())
    (line,) = [line for line in worker.log().splitlines() if result.id in line]
    assert "WARNING" in line
    assert line.endswith(" holds")
    assert "pollers.attempt[" not in worker.log()[before:]


def test_a_cancelled_poll_is_one_line(worker: Worker, endpoint: Endpoint) -> None:
    """Ours, at INFO; that its held task is ignored says nothing more."""
    result = poll.delay(endpoint.script("/never", Reply(202)), every=30)
    assert result.cancel()
    with pytest.raises(PollCancelled):
        result.get(timeout=20)
    # Celery writes of a held task when all else is done for it, and then of the next one.
    poll.delay(endpoint.script("/next", Reply(200, 1))).get(timeout=20)
    (line,) = [line for line in worker.log().splitlines() if result.id in line]
    assert f"Poll {result.id} at http://127.0.0.1:" in line


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("hijack", ["1", "0"])
def test_a_worker_writes_json(
    hijack: str, application: Celery, shared_redis_url: str, endpoint: Endpoint
) -> None:
    """By Celery's handlers, and by those that an application has given the root logger."""
    settings = {"POLLERS_LOG_FORMAT": "json", "TESTS_HIJACK": hijack}
    worker = Worker(
        shared_redis_url,
        app="tests.system.log_app",
        name="json",
        pool="prefork",
        concurrency=1,
        queues="json",
        settings=settings,
        arguments=["--loglevel", "DEBUG"],
    )
    with worker:
        url = endpoint.becomes("/a", {"status": "done"}, after=1)
        result = poll.apply_async([url], {"until": "status == 'done'", "every": 0.5}, queue="json")
        result.get(timeout=20)
        wait_until(lambda: any(line.get("event") == "ended" for line in json_lines(worker.log())))
        lines = json_lines(worker.log())
    ours = [line for line in lines if line.get("poll_id") == result.id]
    assert [(line["event"], line.get("decision")) for line in ours] == [
        ("attempt", "pending"),
        ("attempt", "succeeded"),
        ("ended", None),
    ]
    assert {line["status"] for line in ours} == {200}
    assert any(line.get("task_name") == "pollers.attempt" for line in lines), "Celery's lines have their task"


def json_lines(log: str) -> list[dict[str, Any]]:
    """Return the records of a log; the banner is none."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{") and line.endswith("}")]
