"""The messages of one dispatch: sent together, and again where nobody knows what has arrived."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport.redis import PublishBatch

from pollers.errors import StoreUnavailable
from pollers.sending import is_outage, send_packs
from pollers.store import Pack
from tests.conftest import free_port

PACKS = [Pack(f"pack-{number}", "", [f"poll-{number}", 1, 0]) for number in range(3)]


@pytest.fixture
def application(valkey: str) -> Iterator[Celery]:
    """Return an application whose queue nobody consumes."""
    with Celery("sending", broker=f"{valkey}/9", set_as_current=False) as app:
        app.conf.task_publish_retry = False
        yield app


@pytest.fixture
def broker(valkey: str) -> Iterator[redis.Redis]:
    """Return the broker of that application, emptied."""
    with redis.Redis.from_url(f"{valkey}/9") as client:
        client.flushdb()
        yield client


def packs_in(broker: redis.Redis) -> list[str]:
    """Return the ids of the packs that are in the queue, in the order of their arrival."""
    messages = [json.loads(text) for text in broker.lrange("celery", 0, -1)]  # type: ignore[union-attr]
    return [message["headers"]["argsrepr"].split()[-1] for message in reversed(messages)]


def test_packs_arrive_in_order(application: Celery, broker: redis.Redis) -> None:
    """One message for each, whether there are many or one."""
    send_packs(application, PACKS)
    send_packs(application, PACKS[:1])
    assert packs_in(broker) == ["poll-0", "poll-1", "poll-2", "poll-0"]


def test_packs_are_sent_again_where_nobody_knows_what_has_arrived(
    application: Celery, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round trip that breaks off may have arrived; a pack that comes twice is begun once."""

    def broken(batch: PublishBatch) -> None:
        batch.pipeline.execute = lambda: (_ for _ in ()).throw(redis.ConnectionError("broken off"))
        whole(batch)

    whole = PublishBatch.flush
    monkeypatch.setattr(PublishBatch, "flush", broken)
    send_packs(application, PACKS)
    assert packs_in(broker) == ["poll-0", "poll-1", "poll-2"]


def test_a_message_that_is_wrong_is_no_outage(application: Celery, broker: redis.Redis) -> None:
    """Whatever kombu calls it."""
    with pytest.raises(OperationalError) as compressed:
        application.send_task("any", compression="nosuch", retry=True, retry_policy={"max_retries": 0})
    broker.set("text", "no list")
    with pytest.raises(OperationalError) as misplaced:
        application.send_task("any", queue="text", retry=True, retry_policy={"max_retries": 0})
    assert not is_outage(application, compressed.value)
    assert not is_outage(application, misplaced.value)
    assert not is_outage(application, TypeError("a record is wrong"))


def test_a_broker_that_is_away_is_an_outage(application: Celery) -> None:
    """So is a store, and a broker that takes no messages at all."""
    with Celery("away", broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False) as app:
        with pytest.raises(OperationalError) as away:
            app.send_task("any", retry=True, retry_policy={"max_retries": 0})
        assert is_outage(app, away.value)
    assert is_outage(application, redis.ConnectionError("broken off"))
    assert is_outage(application, StoreUnavailable("Redis is away"))
    full = OperationalError("full")
    full.__cause__ = redis.exceptions.OutOfMemoryError("command not allowed")
    assert is_outage(application, full)
