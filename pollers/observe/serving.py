"""Serves the metrics of an installation over HTTP."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from prometheus_client import start_http_server

from pollers.observe.metrics import registry_of
from pollers.store import Polls


def serve(polls: Polls, host: str, port: int) -> Any:
    """Serve metrics from a thread, at every path; return the server.

    Raises:
        OSError: The address cannot be listened at.

    """
    server, _ = start_http_server(port, host, registry_of(polls, version("pollers")))
    return server
