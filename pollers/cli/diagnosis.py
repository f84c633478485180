"""Looks for what can lose polls, or keeps them from being attempted."""

from __future__ import annotations

import click

from pollers.cli.connection import store
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.text import counted, write_json
from pollers.store.listing import count_polls, count_workers
from pollers.store.risks import Risk, risks, server_name

_NO_WORKERS = Risk("No worker dispatches polls.", "Start one: celery -A pollers worker")


def diagnose(*, as_json: bool) -> int:
    """Print what was found; return the exit code."""
    with store() as polls:
        server, found = server_name(polls), risks(polls)
        live, workers = count_polls(polls), count_workers(polls)
    if not workers:
        found.append(_NO_WORKERS)
    if as_json:
        told = [risk._asdict() for risk in found]
        write_json({"server": server, "polls": live, "workers": workers, "risks": told})
    else:
        click.echo(f"{server}, {counted(live, 'poll')}, {counted(workers, 'worker')}.")
        for risk in found:
            click.echo(f"- {risk.problem}\n  {risk.cure}")
        if not found:
            click.echo("All is well.")
    return FAILED if found else SUCCEEDED
