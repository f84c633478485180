"""`on_change`, end to end: a real worker tells the changes of a service's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from pollers import InvalidPoll, PollCancelled, poll
from pollers.progress import Progress
from pollers.runtime import runtime_of
from tests.endpoints import Endpoint, Reply
from tests.system.app import app, changed
from tests.waiting import wait_until

UNTIL = "status == 'done'"
Seen = Callable[..., list[Any]]


def steps(*states: str) -> list[Reply]:
    """Return answers with a state each."""
    return [Reply(200, {"status": state}) for state in states]


@pytest.mark.usefixtures("worker")
def test_each_change_is_told_once_and_in_order(endpoint: Endpoint, seen: Seen) -> None:
    """The first answer and the last are changes too; the same again is none."""
    url = endpoint.script("/a", *steps("queued", "queued", "running", "done"))
    result = poll.delay(url, until=UNTIL, returns="status", every=0.5, on_change=changed.s(name="order"))
    assert result.get(timeout=20) == "done"
    told = seen("order", 3)
    assert told == [[result.id, 1, "queued"], [result.id, 2, "running"], [result.id, 3, "done"]]


@pytest.fixture
def waiting(endpoint: Endpoint) -> Iterator[Any]:
    """Return a poll that has told its first answer, and waits for long."""
    url = endpoint.script("/a", *steps("queued", "running"))
    result = poll.delay(url, until=UNTIL, every=60, timeout=300, on_change=changed.s(name="crash"))
    yield result
    result.cancel()


def lose(result: Any, shared_redis_url: str, seen: Seen) -> None:
    """Leave the record as a worker does that dies after the settlement, before it tells the change."""
    store = runtime_of(app).store
    seen("crash", 1)
    wait_until(lambda: "untold" not in store.find(result.id).record.progress)  # type: ignore[union-attr]
    progress = store.find(result.id).record.progress  # type: ignore[union-attr]
    lost = Progress(seen=Progress.from_json(progress).seen, changes=1, untold=[[1, {"status": "queued"}]])
    assert store.told(result.id, progress, lost.to_json())
    with redis.Redis.from_url(shared_redis_url) as client:
        client.delete("tests:seen:crash")


@pytest.mark.usefixtures("worker")
def test_a_change_that_a_dead_worker_did_not_tell_is_told_with_the_next_attempt(
    waiting: Any, shared_redis_url: str, seen: Seen
) -> None:
    """With its number, beside those that are found then; the worker's threads may run both at once."""
    lose(waiting, shared_redis_url, seen)
    waiting.nudge()
    assert sorted(change for _, change, _ in seen("crash", 2)) == [1, 2]


@pytest.mark.usefixtures("worker")
def test_a_change_that_a_dead_worker_did_not_tell_is_told_at_the_end(
    waiting: Any, shared_redis_url: str, seen: Seen
) -> None:
    """However the poll ends."""
    lose(waiting, shared_redis_url, seen)
    waiting.cancel()
    assert [change for _, change, _ in seen("crash", 1)] == [1]
    with pytest.raises(PollCancelled):
        waiting.get(timeout=20)


def test_a_poll_called_directly_tells_changes_too(endpoint: Endpoint, seen: Seen, worker: Any) -> None:
    """By the broker, as it would call any task."""
    url = endpoint.script("/a", *steps("queued", "done"))
    assert poll(url, until=UNTIL, every=0.5, on_change=changed.s(name="here")) == {"status": "done"}
    assert [told[1:] for told in seen("here", 2)] == [[1, {"status": "queued"}], [2, {"status": "done"}]]


def test_what_is_no_signature_is_refused() -> None:
    """Before anything is stored."""
    with pytest.raises(InvalidPoll, match="on_change: is 'note'; it should be a Celery signature"):
        poll.delay("http://x/", on_change="note")
