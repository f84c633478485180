"""The worker's consumer, which outlives an outage of Redis and stops at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.worker import consumer

from pollers.broker import Transport
from pollers.runtime import runtime_of

logger = logging.getLogger(__name__)

#: Seconds that the event loop of gevent and eventlet waits for messages before it looks for a shutdown.
#: Celery's waits 2 s, twice.
ATTENTION = 0.25


class Consumer(consumer.Consumer):
    """Celery's consumer, without the crashes that an outage, or a malformed message, can bring.

    Celery 5.7 closes a lost connection twice, and acknowledges messages on channels that are closed. Both
    find kombu's channel without its transport: an `AttributeError`, with which the worker would end. So it
    would with the `ValueError` of a message that is no JSON.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loop: Callable[..., None]
        self.loop = partial(self._reconnecting, self.loop)

    def connection_for_read(self, heartbeat: float | None = None) -> Any:
        """Connect to the broker, by a transport that knows packs."""
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        Transport.use_on(connection)
        return self.ensure_connected(connection)

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

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Count a message whose body cannot be read; Celery logs and drops it."""
        super().on_decode_error(message, exc)
        self._note_malformed()

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Count a message that is not one of Celery's; Celery logs and drops it."""
        super().on_unknown_message(body, message)
        self._note_malformed()

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Count a message that no task can be made of; Celery logs and drops it."""
        super().on_invalid_task(body, message, exc)
        self._note_malformed()

    def _reconnecting(self, loop: Any, *args: Any) -> None:
        """Run the event loop; what kombu does not catch ends the connection, not the worker."""
        try:
            loop(*args)
        except (KeyError, TypeError, ValueError) as error:
            # Of a message that is no JSON, or no message: it is off the queue already.
            logger.exception("A message cannot be read; the event loop begins anew, on a new connection.")
            self._note_malformed()
            raise ConnectionError("a message could not be read") from error
        except AttributeError as error:
            logger.exception("The event loop begins anew, on a new connection.")
            raise ConnectionError("a message was acknowledged on a closed connection") from error

    def _note_malformed(self) -> None:
        runtime_of(self.app).store.note("malformed")


class _Attentive:
    """A connection to the broker that never waits long for messages."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def drain_events(self, timeout: float) -> Any:
        """Handle what comes within ``timeout`` seconds, or sooner."""
        return self._connection.drain_events(timeout=min(timeout, ATTENTION))
