"""Polls as their service sees them, from one real worker."""

from __future__ import annotations

import base64
import json
import time
from itertools import pairwise
from typing import Any

import pytest
import redis
from celery import Celery

from pollers import InvalidPoll, PollFailed, poll
from pollers.origin import short_origin
from pollers.runtime import runtime_of
from pollers.store import traffic
from tests.endpoints import Endpoint, Reply
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("worker")


def test_polls_of_the_same_request_share_one_a_tick(endpoint: Endpoint) -> None:
    """However quickly it is answered; each decides by its own condition, and has attempts of its own."""
    first = Reply(body={"step": 1}, delay=0.1)
    url = endpoint.script("/shared", first, *(Reply(body={"step": step}) for step in range(2, 8)))
    common = {"url": url, "returns": "step", "every": 0.5, "coalesce": True}
    fails = {**common, "until": "step == `9`", "fail_when": "step == `3`"}
    failing, *results = poll.submit_many(
        [fails, *({**common, "until": f"step >= `{4 + number % 2}`"} for number in range(199))]
    )
    with pytest.raises(PollFailed):
        failing.get(timeout=15)
    values = [result.get(timeout=15) for result in results]
    assert set(values[::2]) <= {4, 5}
    assert set(values[1::2]) <= {5, 6}
    moments = [arrival.at for arrival in endpoint.arrivals("/shared")]
    assert len(moments) == max(values)
    assert all(later - earlier > 0.2 for earlier, later in pairwise(moments[1:]))
    assert all(result.status().attempts >= 3 for result in results)


def test_a_request_with_other_headers_is_another_one(endpoint: Endpoint) -> None:
    """Answers are not shared between credentials."""
    url = endpoint.script("/private", Reply(body={"done": True}, delay=0.1))
    results = [
        poll.delay(url, until="done", coalesce=True, headers={"Authorization": f"Bearer {name}"})
        for name in ("a", "b", "a", "b")
    ]
    for result in results:
        result.get(timeout=10)
    asked = {arrival.headers["Authorization"] for arrival in endpoint.arrivals("/private")}
    assert asked == {"Bearer a", "Bearer b"}


def test_a_429_holds_the_other_polls_of_its_origin(endpoint: Endpoint, application: Celery) -> None:
    """Until the moment that it names."""
    url = endpoint.script("/often", Reply(body={"done": False}))
    often = poll.delay(url, until="done", every=0.5, timeout=60)
    wait_until(lambda: endpoint.arrivals("/often"), 10)
    limited = endpoint.script(
        "/limited", Reply(429, headers={"Retry-After": "2"}), Reply(body={"done": True})
    )
    told = poll.delay(limited, until="done", every=0.5)
    store, origin = runtime_of(application).store, short_origin(limited)
    wait_until(lambda: traffic.origin_gate(store, origin).condition() == "held", 10)
    held = time.time()
    told.get(timeout=15)
    often.cancel()
    until = endpoint.arrivals("/limited")[0].at + 2
    # What had begun by then still comes.
    assert not [a for a in endpoint.arrivals("/often") if held + 0.3 < a.at < until - 0.1]


def test_monitors_hear_of_a_hold(endpoint: Endpoint, shared_redis_url: str) -> None:
    """As an event of its own, ``pollers-origin``, which travels as Celery's do."""
    busy = Reply(429, headers={"Retry-After": "1"})
    url = endpoint.script("/busy", busy, Reply(body={"done": True}))
    with redis.Redis.from_url(shared_redis_url) as client, client.pubsub() as events:
        events.psubscribe("*celeryev*")
        poll.delay(url, until="done", every=0.5).get(timeout=10)
        bodies = []
        wait_until(lambda: bodies.append(events.get_message()) or _told(bodies, "pollers-origin"), 10)
    (event,) = _told(bodies, "pollers-origin")
    assert (event["change"], event["origin"]) == ("held", endpoint.url(""))


def test_monitors_hear_of_a_poll_that_its_origin_keeps(
    endpoint: Endpoint, application: Celery, shared_redis_url: str
) -> None:
    """Before its first attempt, so that it has a row; once."""
    store, origin = runtime_of(application).store, short_origin(endpoint.url("/"))
    traffic.shut(store, origin)
    with redis.Redis.from_url(shared_redis_url) as client, client.pubsub() as events:
        events.psubscribe("*celeryev*")
        result = poll.delay(endpoint.script("/kept", Reply(body={"done": True})), until="done", timeout=60)
        bodies = []
        wait_until(lambda: bodies.append(events.get_message()) or _told(bodies, "task-received"), 10)
    (event,) = _told(bodies, "task-received")
    assert (event["uuid"], event["name"], event["retries"]) == (result.id, "pollers.poll", 0)
    assert event["received"] == pytest.approx(result.status().created.timestamp(), abs=0.01)
    assert not endpoint.arrivals("/kept")
    traffic.reopen(store, origin)
    result.get(timeout=10)


def _told(messages: list[Any], kind: str) -> list[dict[str, Any]]:
    """Return the events of a kind among messages of monitors."""
    bodies = [
        json.loads(base64.b64decode(json.loads(message["data"])["body"]))
        for message in messages
        if message and message["type"] == "pmessage"
    ]
    events = [event for body in bodies for event in (body if isinstance(body, list) else [body])]
    return [event for event in events if event["type"] == kind]


def test_a_limit_that_is_not_set_is_refused(endpoint: Endpoint) -> None:
    """At submission, with those that are."""
    with pytest.raises(InvalidPoll, match="limit: is 'nobody', which is not set"):
        poll.delay(endpoint.url("/"), limit="nobody")


def test_the_limits_are_read_once_for_many_polls(endpoint: Endpoint, application: Celery) -> None:
    """When they name one that was set at run time."""
    store = runtime_of(application).store
    traffic.set_limit(store, "account", "1000/s")
    reads = _calls(store.client, "hgetall")
    url = endpoint.script("/many", Reply(body={"done": True}))
    results = poll.submit_many([url] * 100, until="done", limit="account")
    assert _calls(store.client, "hgetall") - reads <= 10  # the worker reads them when it meets an origin
    for result in results:
        assert result.get(timeout=10) == {"done": True}
    traffic.set_limit(store, "account", None)


def _calls(client: redis.Redis, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])
