"""Looks for what can lose polls, or keeps them from being attempted."""

from __future__ import annotations

import dataclasses

import click

from pollers.cli.connection import store
from pollers.cli.exits import FAILED, SUCCEEDED
from pollers.cli.text import counted, printable, write_json
from pollers.errors import StoreUnavailable
from pollers.store import Store
from pollers.store.connection import place
from pollers.store.listing import count_polls, count_workers
from pollers.store.risks import Risk, risks, server_name

_NO_WORKERS = Risk("No worker dispatches polls.", "Start one: celery -A pollers worker")


@dataclasses.dataclass(kw_only=True)
class _Diagnosis:
    """What was found of one schedule."""

    server: str
    polls: int
    workers: int
    risks: list[Risk]


def diagnose(*, as_json: bool) -> int:
    """Print what was found; return the exit code."""
    with store() as polls:
        if len(polls.stores) == 1:
            found = [_look_at(polls.stores[0])]
        else:
            found = [_try_to_look_at(shard) for shard in polls.stores]
        names = [f"Shard {number}, {place(one.client)}: " for number, one in enumerate(polls.stores)]
    if as_json:
        _print_json(found)
    else:
        for name, one in zip(names if len(found) > 1 else [""], found, strict=True):
            _print(name, one)
        if not any(one.risks for one in found):
            click.echo("All is well.")
    return FAILED if any(one.risks for one in found) else SUCCEEDED


def _look_at(shard: Store) -> _Diagnosis:
    found = _Diagnosis(
        server=server_name(shard), polls=count_polls(shard), workers=count_workers(shard), risks=risks(shard)
    )
    if not found.workers:
        found.risks.append(_NO_WORKERS)
    return found


def _try_to_look_at(shard: Store) -> _Diagnosis:
    """Look at one of several shards; that it cannot be reached is no reason not to look at the others."""
    try:
        return _look_at(shard)
    except StoreUnavailable as error:
        away = Risk(f"{error}", "Start it again; its polls are not attempted before.")
        return _Diagnosis(server="away", polls=0, workers=0, risks=[away])


def _print(name: str, found: _Diagnosis) -> None:
    counts = f"{counted(found.polls, 'poll')}, {counted(found.workers, 'worker')}."
    click.echo(f"{name}{found.server}, {counts}")
    for risk in found.risks:
        click.echo(printable(f"- {risk.problem}"))
        click.echo(f"  {risk.cure}")


def _print_json(found: list[_Diagnosis]) -> None:
    told = [{**vars(one), "risks": [risk._asdict() for risk in one.risks]} for one in found]
    if len(told) == 1:
        write_json(told[0])
        return
    together = {
        "server": told[0]["server"],
        "polls": sum(one.polls for one in found),
        "workers": min(one.workers for one in found),
        "risks": [risk for one in told for risk in one["risks"]],
    }
    write_json({**together, "shards": told})
