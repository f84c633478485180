"""Run the benchmarks: ``python -m bench [--quick]``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import endpoint, machine, systems
from bench.systems import Load, Measurement, Waiting

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
NUMBERS = ROOT / "docs" / "performance-numbers.md"


def main() -> None:
    """Measure everything in one run, print the table and write it for the documentation."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny run that only shows that it works")
    quick = parser.parse_args().quick
    full = Load(polls=200, every=0.05, warm=2, seconds=3) if quick else Load(1000, 0.2, 5, 20)
    console = Console()
    with (
        tempfile.TemporaryDirectory() as directory,
        endpoint.serving(Path(directory)) as url,
        machine.valkey(Path(directory) / "valkey") as redis,
    ):
        measurements = []
        for step in _steps(redis, url, full, quick=quick):
            measurements.append(step())
            console.print(f"  {measurements[-1].system}: {measurements[-1].worker_ms:.2f} ms", style="dim")
        memory = systems.waiting(redis, 2_000 if quick else 100_000)
    console.print(_table(measurements))
    console.print(_memory_sentence(memory))
    RESULTS.mkdir(exist_ok=True)
    results = {
        "measurements": [dataclasses.asdict(one) for one in measurements],
        "waiting": dataclasses.asdict(memory),
    }
    (RESULTS / "latest.json").write_text(json.dumps(results, indent=2))
    if not quick:
        NUMBERS.write_text(_markdown(measurements, memory))


def _steps(redis: machine.Redis, url: str, full: Load, *, quick: bool):  # type: ignore[no-untyped-def]
    """Yield the measurements to take, this system's first and last, so that drift shows."""
    ours = systems.pollers_system
    yield lambda: ours(redis, url, full, name="pollers, packs of up to 50, threads", pack_size=50)
    # Limits that are kept for every attempt, and that none meets.
    wide = {"default": "1000000/s in-flight 10000"}
    yield lambda: ours(redis, url, full, name="pollers, the same, with limits", pack_size=50, limits=wide)
    yield lambda: systems.bare_loop(url, full)
    by_hand = dataclasses.replace(full, polls=full.polls // 2, every=max(1.0, full.every))
    yield lambda: systems.self_retry(redis, url, by_hand)
    yield lambda: ours(redis, url, full, name="pollers, one attempt per task, threads", pack_size=1)
    if not quick:
        yield lambda: ours(
            redis, url, full, name="pollers, packs, prefork 2", pack_size=50, pool="prefork", slots=2
        )
        half = dataclasses.replace(full, every=full.polls / 800)
        yield lambda: ours(redis, url, half, name="pollers, packs, threads, at half load", pack_size=50)


_HEADINGS = ("system", "attempts/s", "worker CPU per attempt", "Redis CPU per attempt", "lateness p50 / p99")


def _row(one: Measurement) -> tuple[str, ...]:
    late = "-" if one.lateness_p50 is None else f"{one.lateness_p50:.0f} / {one.lateness_p99:.0f} ms"
    redis = "-" if one.redis_ms is None else f"{one.redis_ms:.3f} ms"
    return one.system, f"{one.attempts_per_second:.0f}", f"{one.worker_ms:.2f} ms", redis, late


def _table(measurements: list[Measurement]) -> Table:
    table = Table(*_HEADINGS)
    for one in measurements:
        table.add_row(*_row(one))
    return table


def _memory_sentence(memory: Waiting) -> str:
    before, after = memory.workers_before / 1e6, memory.workers_after / 1e6
    return (
        f"{memory.polls:,} waiting polls with a spec of 200 bytes: "
        f"{memory.redis_bytes:.0f} bytes of Redis each; "
        f"two workers use {before:.0f} MB without them and {after - before:+.1f} MB with them."
    )


def _markdown(measurements: list[Measurement], memory: Waiting) -> str:
    python = platform.python_version()
    lines = [
        f"Measured in one run of `make bench` on {systems.cores()} cores, Python {python}.",
        "",
        "| " + " | ".join(_HEADINGS) + " |",
        "| --- " * len(_HEADINGS) + "|",
        *("| " + " | ".join(_row(one)) + " |" for one in measurements),
        "",
        _memory_sentence(memory),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
