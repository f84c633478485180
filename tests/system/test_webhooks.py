"""Webhooks both ways, with real workers: the end of a poll is told, and a poll hears of an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from standardwebhooks import Webhook

from pollers import InvalidPoll, PollCancelled, PollFailed, UnknownPoll, poll, webhooks
from tests.endpoints import Arrival, Endpoint, Reply
from tests.system.app import WEBHOOK_SECRET
from tests.system.workers import Worker
from tests.waiting import wait_until

UNTIL: dict[str, Any] = {"until": "status == 'done'", "every": 0.5}


@pytest.fixture
def hook() -> Iterator[Endpoint]:
    """Return the server that webhooks go to."""
    with Endpoint() as server:
        yield server


def told(hook: Endpoint, count: int = 1) -> list[tuple[str, Any]]:
    """Return id and message of the webhooks that have come, checked by the reference library."""
    wait_until(lambda: len(hook.arrivals("/hook")) >= count, 15)
    return [(one.headers["webhook-id"], verified(one)) for one in hook.arrivals("/hook")]


def verified(arrival: Arrival) -> Any:
    """Return the message of a webhook."""
    assert arrival.method == "POST"
    assert arrival.headers["Content-Type"] == "application/json"
    return Webhook(WEBHOOK_SECRET).verify(arrival.body, dict(arrival.headers))


@pytest.mark.usefixtures("worker")
def test_the_end_of_a_poll_is_told_by_a_signed_webhook(endpoint: Endpoint, hook: Endpoint) -> None:
    """With its value, its state, and what it was; secrets in its URL are hidden."""
    url = endpoint.becomes("/a", {"status": "done", "name": "Grüße"}, after=1)
    receiver = hook.script("/hook", Reply(204))
    result = poll.delay(f"{url}?token=hush", **UNTIL, webhook=receiver, tags=["render"])
    [(message_id, message)] = told(hook)
    assert message_id == f"msg_{result.id}"
    assert message["type"] == "poll.succeeded"
    assert message["timestamp"].endswith("+00:00")
    data = message["data"]
    assert data.pop("elapsed") > 0
    assert data == {
        "id": result.id,
        "state": "succeeded",
        "url": f"{url}?token=***",
        "attempts": 2,
        "tags": ["render"],
        "value": {"status": "done", "name": "Grüße"},
    }
    assert result.get(timeout=20) == data["value"]
    sent = poll.AsyncResult(f"{result.id}.webhook")
    wait_until(lambda: sent.status().state == "succeeded")
    assert "data" not in sent.status().parameters or sent.status().parameters["data"] == "***"


@pytest.mark.usefixtures("worker")
def test_half_a_character_keeps_no_webhook_back(endpoint: Endpoint, hook: Endpoint) -> None:
    """JSON can say it, by its escape."""
    url = endpoint.script("/a", Reply(body=b'{"status":"done","at":"\\ud83d"}'))
    poll.delay(url, **UNTIL, webhook=hook.script("/hook", Reply(204)))
    [(_, message)] = told(hook)
    assert message["data"]["value"] == {"status": "done", "at": "\ud83d"}


@pytest.mark.usefixtures("worker")
def test_an_end_without_success_is_told_too(endpoint: Endpoint, hook: Endpoint) -> None:
    """With the error."""
    url = endpoint.script("/a", Reply(403, "no"))
    result = poll.delay(url, **UNTIL, webhook=hook.script("/hook", Reply(200)))
    [(_, message)] = told(hook)
    assert message["type"] == "poll.failed"
    assert (message["data"]["id"], "value" in message["data"]) == (result.id, False)
    assert message["data"]["error"]["type"] == "PollRejected"
    assert message["data"]["error"]["status"] == 403


@pytest.mark.usefixtures("worker")
def test_a_receiver_that_is_down_is_told_when_it_is_up(endpoint: Endpoint, hook: Endpoint) -> None:
    """By the same message, however often it is sent; and once it is acknowledged, no more."""
    receiver = hook.script("/hook", Reply(drop=True), Reply(503), Reply(404), Reply(200))
    url = endpoint.script("/a", Reply(200, {"status": "done"}))
    sent = poll.AsyncResult(f"{poll.delay(url, **UNTIL, webhook=receiver).id}.webhook")
    for count in range(1, 4):
        told(hook, count)
        wait_until(lambda: sent.status().state == "waiting")
        sent.nudge()
    assert len({(message_id, str(message)) for message_id, message in told(hook, 4)}) == 1
    wait_until(lambda: sent.status().state == "succeeded")
    assert len(hook.arrivals("/hook")) == 4


@pytest.mark.usefixtures("worker")
def test_a_poll_that_was_cancelled_is_told_too(endpoint: Endpoint, hook: Endpoint) -> None:
    """Nobody made an attempt that could have sent it."""
    result = poll.apply_async(
        [endpoint.url("/a")], {**UNTIL, "webhook": hook.script("/hook", Reply(200))}, countdown=60
    )
    result.cancel()
    [(_, message)] = told(hook)
    assert (message["type"], message["data"]["attempts"]) == ("poll.cancelled", 0)
    with pytest.raises(PollCancelled):
        result.get(timeout=20)


@pytest.mark.usefixtures("worker")
def test_the_guard_holds_for_webhooks(endpoint: Endpoint) -> None:
    """As for any poll: they are polls; and the outcome is delivered all the same."""
    url = endpoint.script("/a", Reply(200, {"status": "done"}))
    result = poll.delay(url, **UNTIL, webhook="http://169.254.169.254/hook")
    assert result.get(timeout=20) == {"status": "done"}
    sent = poll.AsyncResult(f"{result.id}.webhook")
    wait_until(lambda: sent.status().state == "failed")
    last = sent.status().last_answer
    assert last is not None
    assert "may not be polled" in last.excerpt


@pytest.mark.slow
def test_a_webhook_survives_the_death_of_its_worker(
    application: Celery, shared_redis_url: str, endpoint: Endpoint, hook: Endpoint
) -> None:
    """Killed after the outcome is known, while it is being told: the same message comes again."""
    settings = {"POLLERS_LEASE": "1s"}
    receiver = hook.script("/hook", Reply(200, delay=30), Reply(200))
    url = endpoint.script("/a", Reply(200, {"status": "done"}))
    names = {"queues": "mortal", "settings": settings}
    first = Worker(shared_redis_url, name="mortal1", **names)  # type: ignore[arg-type]
    with first.launched():
        parameters = {**UNTIL, "webhook": receiver}
        result = poll.apply_async([url], parameters, queue="mortal")
        wait_until(lambda: len(hook.arrivals("/hook")) == 1, 20)
        first.kill()
    with Worker(shared_redis_url, name="mortal2", **names):  # type: ignore[arg-type]
        wait_until(lambda: len(hook.arrivals("/hook")) == 2, 40)
        assert len({message_id for message_id, _ in told(hook, 2)}) == 1
        assert result.get(timeout=20) == {"status": "done"}


@pytest.mark.usefixtures("worker")
def test_an_incoming_webhook_nudges_the_poll_of_its_operation(endpoint: Endpoint) -> None:
    """The poll is the safety net: its own condition decides."""
    url = endpoint.becomes("/a", {"status": "done"}, after=1)
    poll_id = webhooks.poll_id("renders", "42", url)
    waiting = poll.apply_async([url], {**UNTIL, "every": "1h", "timeout": "1d"}, task_id=poll_id)
    wait_until(lambda: len(endpoint.arrivals("/a")) == 1)
    assert poll.AsyncResult(webhooks.poll_id("renders", "42", url)).nudge()
    assert waiting.get(timeout=20) == {"status": "done"}
    assert poll.AsyncResult(poll_id).nudge() is False, "a webhook that comes again does no harm"


@pytest.mark.usefixtures("worker")
def test_a_nudge_during_an_attempt_is_not_lost(endpoint: Endpoint) -> None:
    """The operation may have ended just after the endpoint has answered."""
    slow = Reply(200, {"status": "running"}, delay=0.5)
    url = endpoint.script("/a", slow, Reply(200, {"status": "done"}))
    waiting = poll.delay(url, **{**UNTIL, "every": "1h"}, timeout="1d")
    wait_until(lambda: len(endpoint.arrivals("/a")) == 1)
    assert waiting.nudge()
    assert waiting.get(timeout=20) == {"status": "done"}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("end", "expected"),
    [(lambda result: result.succeed({"url": "x"}), {"url": "x"}), (lambda result: result.fail("no"), None)],
)
def test_an_incoming_webhook_may_end_the_poll(
    end: Callable[[Any], bool], expected: Any, endpoint: Endpoint
) -> None:
    """Whoever waits gets what it said, as of any poll; what comes later changes nothing."""
    result = poll.delay(endpoint.script("/a", Reply(202)), **{**UNTIL, "every": "1h"}, timeout="1d")
    assert end(result) is True
    if expected is None:
        with pytest.raises(PollFailed, match="failed: no"):
            result.get(timeout=20)
        assert result.succeed(1) is False
    else:
        assert result.get(timeout=20) == expected
        assert result.fail("late") is False
    assert end(result) is True


def test_an_end_that_cannot_be_told_is_refused(application: Celery, endpoint: Endpoint) -> None:
    """And so is one of a poll that nobody knows."""
    result = poll.apply_async([endpoint.url("/a")], countdown=60)
    with pytest.raises(InvalidPoll, match="value: cannot be written as JSON"):
        result.succeed(object())
    result.cancel()
    with pytest.raises(UnknownPoll):
        poll.AsyncResult("stranger").succeed(1)
