"""What `pollers doctor` prints."""

from __future__ import annotations

from collections.abc import Iterator

import click
import redis

from pollers import app
from pollers.cli.connection import store
from pollers.cli.examination.finding import Finding
from pollers.cli.examination.polls import examine_polls, examine_redis
from pollers.cli.examination.services import (
    examine_broker,
    examine_clock,
    examine_flower,
    examine_results,
    examine_settings,
)
from pollers.cli.examination.workers import ask_workers, examine_workers
from pollers.cli.exits import FAILED, SUCCEEDED, sentence
from pollers.cli.text import counted, printable, write_json
from pollers.errors import StoreUnavailable
from pollers.store import Polls, Store
from pollers.store.census import census
from pollers.store.connection import place
from pollers.store.damage import damage
from pollers.store.listing import count_polls
from pollers.store.risks import server_name
from pollers.store.shards import Shards
from pollers.store.totals import workers
from pollers.store.vitals import vitals

#: What a Redis that cannot be used costs.
_COST = "nothing is submitted or attempted."


def diagnose(flower: str | None, *, as_json: bool) -> int:
    """Print what was found; return the exit code."""
    try:
        with store() as polls:
            polls, away = _reachable(polls)
            server, live = server_name(polls.stores[0]), count_polls(polls)
            names = {worker.name for worker in workers(polls)}
            findings = [*away, *_examine(polls, names, flower)]
            survived = {one.kind.counter: one.times for one in damage(polls)}
    except (StoreUnavailable, redis.RedisError) as error:
        server, live, names, survived = "No Redis", 0, set[str](), dict[str, int]()
        findings = [Finding("redis", sentence(error), f"{_cure(error)}; until then {_COST}")]
    if as_json:
        told = [finding._asdict() for finding in findings]
        counts = {"server": server, "polls": live, "workers": sorted(names), "damage": survived}
        write_json({**counts, "findings": told})
    else:
        click.echo(f"{server}, {counted(live, 'poll')}, {counted(len(names), 'worker')}.")
        for finding in findings:
            click.echo(f"- {finding.part}: {printable(finding.problem)}\n  {printable(finding.cure)}")
        if survived:
            numbers = ", ".join(f"{number} {name}" for name, number in survived.items())
            click.echo(f"Survived since the first poll: {numbers}.")
        if not findings:
            click.echo("All is well.")
    return FAILED if findings else SUCCEEDED


def _cure(error: StoreUnavailable | redis.RedisError) -> str:
    if isinstance(error, redis.exceptions.NoPermissionError):
        return "Allow it to the user of POLLERS_REDIS_URL, by ACL SETUSER"
    start = "Start it, or mend" if isinstance(error, StoreUnavailable) else "Mend"
    return f"{start} POLLERS_REDIS_URL"


def _reachable(polls: Polls) -> tuple[Polls, list[Finding]]:
    """Leave out shards that are away, unless all are; say which."""
    if isinstance(polls, Store):
        return polls, []
    there, away = [], []
    for shard in polls.stores:
        try:
            server_name(shard)
        except StoreUnavailable as error:
            away.append(Finding("redis", str(error), "Start it again; its polls are not attempted before."))
        else:
            there.append(shard)
    return (Shards(there, polls.settings), away) if there else (polls, [])


def _examine(polls: Polls, names: set[str], flower: str | None) -> Iterator[Finding]:
    yield from examine_settings(app)
    credentials: set[str] = set()
    for shard in polls.stores:
        which = f"Shard at {place(shard.client)}: " if len(polls.stores) > 1 else ""
        found = census(shard)
        credentials.update(found.credentials)
        for examined in (
            examine_clock(shard),
            examine_redis(shard),
            examine_polls(shard, vitals(shard), found),
        ):
            for finding in examined:
                yield finding._replace(problem=f"{which}{finding.problem}")
    unreachable = list(examine_broker(app))
    yield from unreachable
    yield from examine_results(app)
    if not unreachable:
        yield from examine_workers(ask_workers(app, names, sorted(credentials)), names)
    if flower:
        yield from examine_flower(flower)
