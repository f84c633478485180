"""The capacity of one Redis and of two, measured beside the model: ``python -m bench.capacity [--quick]``.

The polls are kept by servers of their own, and Celery's messages by another, so that each part is seen.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import endpoint, machine, systems
from bench.endpoint import Endpoint
from bench.machine import Redis, running
from bench.measure import FULL, TINY, Extent
from bench.model import PLANNED, Model, Observation
from pollers.settings import Settings
from pollers.spec import PollSpec
from pollers.store import Pack, Settlement, Store, Submission, connect_polls

#: The load that the model is asked about: polls, and their cadence in seconds.
MILLION, CADENCE = 1_000_000, 60
#: Size of the packs of the measurement that tells what a pack costs.
SMALL_PACK = 10
#: What a poll and its last answer look like in Redis.
SPEC = json.dumps(
    {"url": f"https://api.example.com/{'x' * 90}", "until": "status == 'completed'", "every": 1}
)
ANSWER = json.dumps([200, '{"status": "running"}', 3, 1_700_000_000_000])
NUMBERS = Path(__file__).parents[1] / "docs" / "capacity-numbers.md"


def observe(
    servers: list[Redis], server: Endpoint, extent: Extent, *, shards: int, pack_size: int, name: str
) -> Observation:
    """Measure a load that is more than the workers can do; the first server is Celery's broker."""
    broker, *stores = servers[: 1 + shards]
    for one in servers:
        one.client.flushall()
    environment = {
        "POLLERS_REDIS_URL": broker.url,
        "POLLERS_SHARDS": ",".join(store.url for store in stores),
        "POLLERS_PACK_SIZE": str(pack_size),
    }
    _submit(Settings.read({}, environment), server, extent)
    with running(dataclasses.replace(systems.OURS, environment=environment)) as workers:
        time.sleep(extent.warm)
        before = (workers.cpu(), broker.cpu(), [store.cpu() for store in stores])
        packs, began = _packs_sent(broker), time.monotonic()
        time.sleep(extent.seconds)
        after = (workers.cpu(), broker.cpu(), [store.cpu() for store in stores])
        packs, ended = _packs_sent(broker) - packs, time.monotonic()
    made, elapsed = len(server.arrivals(began, ended)), ended - began
    used = [late - soon for soon, late in zip(before[2], after[2], strict=True)]
    return Observation(
        name=name,
        shards=shards,
        rate=made / elapsed,
        pack=made / max(1, packs),
        worker_us=1e6 * (after[0] - before[0]) / made,
        store_us=1e6 * sum(used) / made,
        broker_us=1e6 * (after[1] - before[1]) / made,
        store_loads=tuple(seconds / elapsed for seconds in used),
    )


def _submit(settings: Settings, server: Endpoint, extent: Extent) -> None:
    params = {"until": "status == 'completed'", "every": extent.every, "timeout": "2h"}
    polls = connect_polls(settings)
    submissions = []
    for number in range(extent.polls):
        spec = PollSpec.of_call((server.url(number),), params, min_interval=0.01, now=None)
        one = Submission(
            f"bench-{number}",
            spec=spec.to_json(),
            span=spec.longest_request,
            timeout=7200,
            origin=spec.origin,
        )
        # Spread over one cadence, as polls of a real application are.
        submissions.append(one._replace(delay=machine.START + extent.every * number / extent.polls))
    for start in range(0, len(submissions), 200):
        polls.admit_many(submissions[start : start + 200])
    for store in polls.stores:
        store.client.close()


def _packs_sent(broker: Redis) -> int:
    return int(broker.client.info("commandstats").get("cmdstat_lpush", {"calls": 0})["calls"])


def scripts_alone(redis: Redis, seconds: float) -> Observation:
    """Measure what one process can do that dispatches, begins and settles 20,000 polls, and nothing else.

    So Redis is busier than workers on a small machine can keep it, and an attempt costs it the same or less.
    """
    redis.client.flushall()
    store = Store.connect(Settings(redis_url=redis.url, backlog=1000, concurrency=1000))
    polls = [Submission(f"p{number}", spec=SPEC, span=10.0, timeout=7200.0) for number in range(20_000)]
    for start in range(0, len(polls), 200):
        store.admit_many(polls[start : start + 200])
    made, packs, cpu, began = 0, 0, redis.cpu(), time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        for pack in store.dispatch("bench", f"bench.{packs}", {"": True}).packs:
            made, packs = made + _attempted(store, pack), packs + 1
    used = redis.cpu() - cpu
    store.client.close()
    return Observation(
        name="the scripts alone",
        shards=1,
        rate=made / elapsed,
        pack=made / packs,
        worker_us=0.0,
        store_us=1e6 * used / made,
        broker_us=0.0,
        store_loads=(used / elapsed,),
    )


def _attempted(store: Store, pack: Pack) -> int:
    now_ms, polls = store.begin(pack)
    store.settle(
        [
            Settlement(poll_id, record.attempt, "waiting", now_ms + 1000, "", ANSWER, "")
            for poll_id, record in polls
        ]
    )
    return len(polls)


def measure(server: Endpoint, extent: Extent) -> list[Observation]:
    """Measure one shard with large packs and with small ones, two shards, and the scripts alone."""
    os.environ["POLLERS_MIN_INTERVAL"] = "10ms"
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        servers = [
            stack.enter_context(machine.valkey(Path(directory) / name)) for name in ("broker", "a", "b")
        ]
        return [
            observe(servers, server, extent, shards=1, pack_size=100, name="one shard"),
            observe(servers, server, extent, shards=1, pack_size=SMALL_PACK, name="one shard, packs of 10"),
            observe(servers, server, extent, shards=2, pack_size=100, name="two shards"),
            scripts_alone(servers[1], extent.seconds),
        ]


def tables(observations: list[Observation]) -> list[list[tuple[str, ...]]]:
    """Return the measurements beside the model, and what the model says of a million polls."""
    model = Model.of(observations[0], observations[1])
    measured = [
        ("", "attempts/s", "polls in a pack", "workers, us", "store, us", "broker, us", "load of each store")
    ]
    for one in observations:
        loads = " / ".join(f"{load:.0%}" for load in one.store_loads)
        costs = (one.worker_us, one.store_us, one.broker_us)
        figures = (
            f"{one.rate:.0f}",
            f"{one.pack:.0f}",
            *(f"{cost:.0f}" if cost else "-" for cost in costs),
            loads,
        )
        measured.append((f"{one.name}, measured", *figures))
    two = observations[2]
    costs = tuple(part.per_attempt(two.pack) for part in (model.worker, model.store, model.broker))
    load = two.rate * costs[1] / 1e6 / two.shards
    figures = (f"{two.rate:.0f}", f"{two.pack:.0f}", *(f"{cost:.0f}" for cost in costs), f"{load:.0%} each")
    measured.append((f"{two.name}, by the model", *figures))
    return [measured, _needs(model)]


def _needs(model: Model) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            *("shards", "worker processes", "polls in a pack", "load of each store", "load of the broker"),
            *(f"most attempts/s at {PLANNED:.0%}", "polls at 60 s"),
        )
    ]
    for shards in (1, 2, 4, 8):
        needs, most = model.needs(MILLION / CADENCE, shards), model.most(shards)
        loads = f"{needs.store_load:.0%}", f"{needs.broker_load:.0%}"
        rows.append(
            (
                *(str(shards), str(needs.processes), f"{needs.pack:.0f}", *loads),
                *(f"{most:,.0f}", f"{most * CADENCE:,.0f}"),
            )
        )
    return rows


def markdown(tables: list[list[tuple[str, ...]]]) -> str:
    """Return the tables as docs/capacity.md includes them."""
    lines = []
    for rows in tables:
        lines += ["| " + " | ".join(rows[0]) + " |", "| --- " * len(rows[0]) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows[1:]] + [""]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables, and write them for the documentation unless it is a tiny run."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as directory, endpoint.serving(Path(directory)) as server:
        found = tables(measure(server, TINY if quick else FULL))
    show(found)
    if not quick:
        NUMBERS.write_text(markdown(found))


def show(found: list[list[tuple[str, ...]]]) -> None:
    """Print tables."""
    for rows in found:
        table = Table(*rows[0])
        for row in rows[1:]:
            table.add_row(*row)
        Console().print(table)


if __name__ == "__main__":
    main()
