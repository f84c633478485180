"""Sending packs: the messages of one dispatch, in one round trip where kombu can; and what errors mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from celery.utils import uuid
from kombu.exceptions import KombuError, OperationalError

from pollers.attempt_task import ATTEMPT
from pollers.errors import InvalidSetting, StoreUnavailable
from pollers.store import Pack
from pollers.store.connection import refuses_writes

if TYPE_CHECKING:
    from celery import Celery
    from kombu.entity import Queue


def send_packs(app: Celery, packs: Sequence[Pack], shard: int = 0) -> None:
    """Send a ``pollers.attempt`` for each pack of a shard.

    Raises:
        kombu.exceptions.OperationalError: The broker cannot be reached; what was not sent is due again
            when its lease ends.

    """
    if not packs:
        return
    routes = {queue: route_of(app, queue) for queue in {pack.queue for pack in packs}}
    with app.producer_or_acquire() as producer:
        # kombu 5.7 and up.
        together = getattr(producer, "batch", nullcontext) if len(packs) > 1 else nullcontext
        try:
            with together():
                for pack in packs:
                    _send(app, pack, shard, producer, routes[pack.queue])
        except OperationalError:
            raise
        except KombuError:
            # It is not known which of them have arrived; one that arrives twice is begun once.
            for pack in packs:
                _send(app, pack, shard, producer, routes[pack.queue])


def is_outage(app: Celery, error: Exception) -> bool:
    """Return whether an error of sending says that Redis or the broker is away, not that a message is bad."""
    if isinstance(error, StoreUnavailable):
        return True
    with app.connection_for_write() as connection:  # connects when it is used, which it is not
        of_connection, of_message = connection.connection_errors, connection.channel_errors
    # kombu tells of both as an OperationalError, if it tried again.
    cause = (isinstance(error, OperationalError) and error.__cause__) or error
    if isinstance(cause, (KeyError, *of_message)):  # KeyError: an error of the connection, to kombu's Redis
        return refuses_writes(cause)
    return isinstance(cause, (OperationalError, *of_connection))


def route_of(app: Celery, queue: str) -> dict[str, Any]:
    """Return the options with which Celery sends packs for a queue, with that queue; '' is its own routing.

    Raises:
        InvalidSetting: ``task_routes`` lead packs where no queue is known.

    """
    route = dict(app.amqp.router.route({"queue": queue} if queue else {}, ATTEMPT))
    if queue:
        # What `task_routes` say of others would lead it away from its queue.
        return {name: value for name, value in route.items() if name not in ("exchange", "routing_key")}
    if "queue" not in route:
        route["queue"] = _queue_behind(app, route)
    return route


def _queue_behind(app: Celery, route: Mapping[str, Any]) -> Queue:
    """Return the queue that a route leads to by exchange and routing key."""
    exchange = route.get("exchange") or app.amqp.default_queue.exchange
    name, key = getattr(exchange, "name", exchange), route.get("routing_key")
    queues: Iterable[Queue] = app.amqp.queues.values()
    for queue in queues:
        if (queue.exchange.name, queue.routing_key) == (name, key):
            return queue
    raise InvalidSetting(
        f"task_routes send {ATTEMPT} to the exchange {name!r} with the routing key {key!r}, which no queue "
        f"has; give it the name of a queue: {{'queue': {app.amqp.default_queue.name!r}}}"
    )


def _send(app: Celery, pack: Pack, shard: int, producer: Any, route: Mapping[str, Any]) -> None:
    """Send a pack as `send_task` would, which looks at every option that a task can have."""
    size = len(pack.polls) // 3
    message = app.amqp.create_task_message(
        uuid(),
        ATTEMPT,
        (pack.id, pack.queue, pack.polls, *((shard,) if shard else ())),
        {},
        argsrepr=f"{size} polls" if size > 1 else f"attempt {pack.polls[1]} of {pack.polls[0]}",
        kwargsrepr="{}",
        ignore_result=True,
    )
    # A pack goes where workers consume: they have declared its queue.
    app.amqp.send_task_message(producer, ATTEMPT, message, declare=(), **route)
