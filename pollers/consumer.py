"""The worker's consumer, which outlives an outage of Redis and stops at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.worker import consumer

logger = logging.getLogger(__name__)

#: Seconds that the event loop of gevent and eventlet waits for messages before it looks for a shutdown.
#: Celery's waits 2 s, twice.
ATTENTION = 0.25


class Consumer(consumer.Consumer):
    """Celery's consumer, without the crashes that an outage can bring.

    Celery 5.7 closes a lost connection twice, and acknowledges messages on channels that are closed. Both
    find kombu's channel without its transport: an `AttributeError`, with which the worker would end.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loop: Callable[..., None]
        self.loop = partial(_reconnecting, self.loop)

    def loop_args(self) -> tuple[Any, ...]:
        """Return what the event loop works with; one without a hub waits for a short time at once."""
        consumer, connection, *others = super().loop_args()
        return consumer, connection if self.hub else _Attentive(connection), *others

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Give up the lost connection; the caller makes a new one."""
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError:
            logger.debug("A lost connection could not be closed.", exc_info=True)


class _Attentive:
    """A connection to the broker that never waits long for messages."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def drain_events(self, timeout: float) -> Any:
        """Handle what comes within ``timeout`` seconds, or sooner."""
        return self._connection.drain_events(timeout=min(timeout, ATTENTION))


def _reconnecting(loop: Any, *args: Any) -> None:
    """Run the event loop; what a closed channel brings ends the connection, not the worker."""
    try:
        loop(*args)
    except AttributeError as error:
        logger.exception("The event loop begins anew, on a new connection.")
        raise ConnectionError("a message was acknowledged on a closed connection") from error
