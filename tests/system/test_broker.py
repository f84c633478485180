"""The transport of a worker: no copies of packs at the broker, and nothing lost that is delivered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from kombu import Connection, Consumer, Producer, Queue
from kombu.message import Message

from pollers.attempt_task import ATTEMPT
from pollers.broker import Transport
from tests.waiting import wait_until

QUEUE = Queue("celery")
OTHER = "reports.write"


@pytest.fixture
def broker(valkey: str) -> Iterator[redis.Redis]:
    """Return the broker, emptied."""
    with redis.Redis.from_url(f"{valkey}/9") as client:
        client.flushdb()
        yield client


@pytest.fixture
def delivered(valkey: str, broker: redis.Redis) -> Iterator[list[Message]]:
    """Return a pack and another message that a worker's connection has got, in this order."""
    with Connection(f"{valkey}/9") as sender:
        producer = Producer(sender)
        for task in (ATTEMPT, OTHER):
            producer.publish({}, routing_key="celery", headers={"task": task}, declare=[QUEUE])
    messages: list[Message] = []
    connection = Connection(f"{valkey}/9")
    Transport.use_on(connection)
    with connection, Consumer(connection, [QUEUE], on_message=messages.append):
        while len(messages) < 2:
            connection.drain_events(timeout=5)
        yield messages
    wait_until(lambda: not copies(broker), 5)


def copies(broker: redis.Redis) -> int:
    """Return how many messages are kept until they are acknowledged."""
    return int(broker.hlen("unacked"))  # type: ignore[arg-type]


def waiting(broker: redis.Redis) -> int:
    """Return how many messages are in the queue."""
    return int(broker.llen("celery"))  # type: ignore[arg-type]


def test_there_is_a_copy_of_each_message_but_packs(broker: redis.Redis, delivered: list[Message]) -> None:
    """Until it is acknowledged; then nothing is left of either."""
    pack, other = delivered
    assert (pack.headers["task"], other.headers["task"]) == (ATTEMPT, OTHER)
    assert copies(broker) == 1
    pack.ack()
    assert copies(broker) == 1
    other.ack()
    assert copies(broker) == 0
    delivered[0].channel.close()
    assert waiting(broker) == 0


def test_what_was_not_acknowledged_goes_back(broker: redis.Redis, delivered: list[Message]) -> None:
    """When the worker stops, for somebody else."""
    assert waiting(broker) == 0
    delivered[0].channel.close()
    assert waiting(broker) == 2


def test_what_is_rejected_goes_back_when_asked_for(broker: redis.Redis, delivered: list[Message]) -> None:
    """A pack as any other message."""
    for message in delivered:
        message.reject(requeue=True)
    assert (waiting(broker), copies(broker)) == (2, 0)


def test_what_is_rejected_is_gone(broker: redis.Redis, delivered: list[Message]) -> None:
    """A pack as any other message."""
    for message in delivered:
        message.reject()
    assert (waiting(broker), copies(broker)) == (0, 0)


@pytest.mark.parametrize("url", ["redis://:secret@localhost:6379/3", "rediss://localhost/0", "memory://"])
def test_a_connection_is_shown_as_ever(url: str) -> None:
    """And one of another transport keeps it."""
    mine, plain = Connection(url), Connection(url)
    Transport.use_on(mine)
    assert mine.as_uri() == plain.as_uri()
    assert issubclass(mine.get_transport_cls(), plain.get_transport_cls())
