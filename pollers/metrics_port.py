"""The step of a worker that serves its metrics over HTTP, where `pollers_metrics_port` asks for it.

Only the main process of a worker has steps, so of a prefork worker one process serves. Its thread does
nothing but answer scrapes, with what is in Redis; the children, which are forked before it starts, and
those that replace them, use nothing of it.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps

from pollers.runtime import runtime_of
from pollers.settings import listening_address

logger = logging.getLogger(__name__)


class MetricsPort(bootsteps.StartStopStep):
    """Serves metrics while the worker runs, during outages of Redis too."""

    label = "Metrics"
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        runtime = runtime_of(consumer.app)
        self.enabled = bool(runtime.settings.metrics_port)
        self._runtime = runtime
        self._server: Any = None

    def start(self, consumer: Any) -> None:
        """Listen; called again after each reconnection to the broker, when it listens already."""
        if self._server is not None:
            return
        place = self._runtime.settings.metrics_port
        try:
            from pollers.observe.serving import serve

            self._server = serve(self._runtime.store, *listening_address(place))
        except ImportError:
            logger.error("Metrics need prometheus_client: pip install 'pollers[metrics]'.")
        except OSError as error:
            logger.error("Metrics cannot be served at %s: %s.", place, error.strerror or error)
        else:
            logger.info("Metrics are served at %s.", place)

    def stop(self, consumer: Any) -> None:
        """Go on: who scrapes wants to know of an outage."""

    def shutdown(self, consumer: Any) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
