"""The worker's consumer, which outlives an outage of Redis."""

from __future__ import annotations

import logging

from celery.worker import consumer

logger = logging.getLogger(__name__)


class Consumer(consumer.Consumer):
    """Celery's consumer, without the crash that an outage can bring.

    Celery 5.7 closes a lost connection twice. When the first time has failed half-way, as Redis was
    away and messages were not acknowledged yet, the second finds kombu's channel without its transport:
    an `AttributeError`, with which the worker would end. The connection is given up either way.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Give up the lost connection; the caller makes a new one."""
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError:
            logger.debug("A lost connection could not be closed.", exc_info=True)
