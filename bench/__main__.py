"""Run the benchmarks: ``python -m bench [--quick] [--only NAME]``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import bare, capacity, endpoint, machine, report, systems
from bench.measure import FULL, SHORT, TINY, Measurement, in_turns, measure
from bench.measure import bare as measure_bare

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"


def main() -> None:
    """Measure everything in one run, print the tables and write them for the documentation."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a tiny run that only shows that it works, with what is installed",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only systems whose name has this in it")
    arguments = parser.parse_args()
    quick, only = arguments.quick, arguments.only
    extent = TINY if quick else FULL
    console = Console()
    with (
        tempfile.TemporaryDirectory() as directory,
        endpoint.serving(Path(directory)) as server,
        machine.valkey(Path(directory) / "valkey") as redis,
    ):
        systems.use_redis(redis.url)
        measurements: list[Measurement] = []

        def note(one: Measurement) -> None:
            measurements.append(one)
            console.print(f"  {one.system}: {one.worker_ms:.3f} ms of CPU per attempt", style="dim")

        note(measure_bare("bare loop, requests (prepared)", bare.REQUESTS, server, extent, bare.run))
        if not quick or find_spec("aiohttp"):
            note(measure_bare("bare loop, aiohttp", bare.AIOHTTP, server, extent, bare.run))
        for system in systems.ALL:
            if only in system.name and (not quick or find_spec(system.package)):
                briefly = system is not systems.OURS if quick else system in systems.BRIEFLY
                note(measure(system, redis, server, extent, only_saturated=briefly))
        alone = {} if only else _alone(redis, server, quick=quick)
        needs = [] if only else capacity.tables(capacity.measure(server, extent))
    for table in report.tables(measurements):
        console.print(_printed(table))
    capacity.show(needs)
    sentences = report.sentences(measurements, alone)
    console.print("\n".join(sentences))
    RESULTS.mkdir(exist_ok=True)
    results = {"measurements": [dataclasses.asdict(one) for one in measurements], **alone}
    (RESULTS / "latest.json").write_text(json.dumps(results, indent=2))
    if not quick and not only:
        report.write_documentation(ROOT / "docs", measurements, sentences, _machine())
        capacity.NUMBERS.write_text(capacity.markdown(needs))
    report.plot(
        RESULTS / "cost.svg" if quick or only else ROOT / "docs" / "images" / "cost.svg", measurements
    )


def _alone(redis: machine.Redis, server: endpoint.Endpoint, *, quick: bool) -> dict[str, Any]:
    """Measure what only this system has."""
    from bench import scenarios  # reads where Redis is

    if quick:
        slow = [next(scenarios.slow_endpoints(redis, 1, warm=0, start=2))]
        waiting = scenarios.many_waiting(redis, 2_000, start=1)
    else:
        slow = list(scenarios.slow_endpoints(redis, 20))
        waiting = scenarios.many_waiting(redis, 1_000_000)
    pair = (systems.OURS, systems.LIMITED)
    return {
        "limits": in_turns(pair, redis, server, *((TINY, 1) if quick else (SHORT, 3))),
        "slow": [dataclasses.asdict(one) for one in slow],
        "waiting": dataclasses.asdict(waiting),
        "single": scenarios.single_submissions(redis, 1 if quick else 7),
        "imports": scenarios.import_times(1 if quick else 7),
    }


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def _printed(rows: list[tuple[str, ...]]) -> Table:
    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    main()
