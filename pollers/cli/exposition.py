"""Prints and serves metrics."""

from __future__ import annotations

import threading
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import click

from pollers.cli.connection import store
from pollers.cli.text import write_json
from pollers.errors import InvalidSetting, PollError
from pollers.settings import listening_address


def print_file(name: str) -> None:
    """Print a file that is shipped with the package."""
    click.echo(resources.files("pollers.observe").joinpath(name).read_text("utf-8"), nl=False)


def print_metrics(*, as_json: bool) -> None:
    """Print the metrics as they are now."""
    _need_the_client()
    from prometheus_client import generate_latest

    from pollers.observe.metrics import registry_of

    with store() as polls:
        registry = registry_of(polls, version("pollers"))
        if as_json:
            write_json([_sample(one) for family in registry.collect() for one in family.samples])
        else:
            click.echo(generate_latest(registry), nl=False)


def serve_metrics(place: str) -> None:
    """Serve the metrics until Ctrl-C."""
    _need_the_client()
    from pollers.observe.serving import serve

    try:
        host, port = listening_address(place)
    except InvalidSetting as error:
        raise click.UsageError(str(error)) from error
    with store() as polls:
        try:
            server = serve(polls, host, port)
        except OSError as error:
            raise PollError(f"{place} cannot be listened at: {error.strerror or error}.") from error
        click.echo(f"Metrics are served at http://{host}:{port}/metrics", err=True)
        try:
            threading.Event().wait()
        finally:
            server.shutdown()
            server.server_close()


def _sample(sample: Any) -> dict[str, Any]:
    return {"name": sample.name, "labels": sample.labels, "value": sample.value}


def _need_the_client() -> None:
    if find_spec("prometheus_client") is None:
        raise PollError("Metrics need prometheus_client: pip install 'pollers[metrics]'.")
