"""What was measured as tables, sentences and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.measure import Measurement
from bench.systems import OURS, SINGLE

Rows = list[tuple[str, ...]]

#: The load that the model is asked about: polls, and their cadence in seconds.
MILLION, CADENCE = 1_000_000, 60


def tables(measurements: Sequence[Measurement]) -> list[Rows]:
    """Return the table of attempts and the table of waiting, submitting and stopping."""
    attempts: Rows = [
        (
            *("system", "attempts/s", "worker CPU per attempt", "at half load", "lateness p50 / p99"),
            *("Redis CPU per attempt", "Redis commands per attempt"),
        )
    ]
    waiting: Rows = [
        ("system", "submissions/s", "Redis bytes per waiting poll", "worker bytes", "warm shutdown")
    ]
    for one in measurements:
        attempts.append(
            (
                one.system,
                f"{one.attempts_per_second:.0f}",
                f"{one.worker_ms:.3f} ms",
                _number(one.half_load_ms, ".2f", " ms"),
                "-" if one.lateness_p50 is None else f"{one.lateness_p50:.0f} / {one.lateness_p99:.0f} ms",
                _number(one.redis_ms, ".3f", " ms"),
                _number(one.redis_commands, ".2f"),
            )
        )
        if one.submissions_per_second is not None:
            waiting.append(
                (
                    one.system,
                    f"{one.submissions_per_second:.0f}",
                    _number(one.waiting_redis_bytes, ".0f"),
                    _number(one.waiting_worker_bytes, ".0f"),
                    _number(one.shutdown_s, ".1f", " s"),
                )
            )
    return [attempts, waiting]


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"


def sentences(measurements: Sequence[Measurement], alone: dict[str, Any]) -> list[str]:
    """Return what was measured of this system alone, and what follows from it."""
    if not alone:
        return []
    many, imports = alone["waiting"], alone["imports"]
    slow = [
        f"- 500 polls at a cadence of 5 s on two worker processes, {one['name']}: lateness "
        f"p50 {one['lateness_p50']:.0f} ms, p99 {one['lateness_p99']:.0f} ms."
        for one in alone["slow"]
    ]
    waiting = (
        f"- {many['polls']:,} waiting polls with a spec of 200 bytes: {many['redis_bytes']:.0f} bytes of "
        f"Redis each; both workers together {many['worker_bytes'] / 1e6:+.1f} MB; submitted by "
        f"`submit_many` at {many['submitted_per_second']:.0f} a second; a `dispatch` takes "
        f"{many['dispatch_many_us']:.0f} us, with 1,000 of them {many['dispatch_few_us']:.0f} us."
    )
    without, limited = alone["limits"].values()
    limits = (
        f"- Limits, by the median of pairs in turns: {limited:.3f} ms of worker CPU per attempt with them, "
        f"{without:.3f} ms without: {limited / without - 1:+.0%}."
    )
    single = " and ".join(f"{name} {rate:.0f} a second" for name, rate in alone["single"].items())
    starts = ", ".join(f"`{name}` {1000 * seconds:.0f} ms" for name, seconds in imports.items())
    return [
        limits,
        *slow,
        waiting,
        f"- One by one: {single}.",
        f"- {starts}.",
        *_capacity(measurements, many["redis_bytes"]),
    ]


def _capacity(measurements: Sequence[Measurement], redis_bytes: float) -> list[str]:
    """Return what a million polls need, by a model: costs per attempt add up."""
    ours = next(one for one in measurements if one.system == OURS.name)
    single = next(one for one in measurements if one.system == SINGLE.name)
    rate = MILLION / CADENCE
    scaling = ours.attempts_per_second / single.attempts_per_second
    needs = (
        f"- {MILLION:,} polls at a cadence of {CADENCE} s are {rate:,.0f} attempts a second: "
        f"{rate * ours.worker_ms / 1000:.1f} cores of workers, {rate * (ours.redis_ms or 0) / 10:.0f} % of "
        f"Redis' one core, {MILLION * redis_bytes / 1e6:.0f} MB of Redis."
    )
    end = f"- One Redis ends near {1000 / (ours.redis_ms or 1):,.0f} attempts a second, with its core full."
    processes = (
        f"- Two worker processes make {scaling:.1f} times the attempts of one, on a machine whose cores they "
        f"share with Redis and the endpoint."
    )
    return [needs, end, processes]


def write_documentation(
    docs: Path, measurements: Sequence[Measurement], lines: Sequence[str], machine: str
) -> None:
    """Write the tables and sentences where docs/performance.md includes them."""
    parts = [f"Measured in one run of `make bench` on {machine}.", ""]
    for rows in tables(measurements):
        parts += ["| " + " | ".join(row) + " |" for row in rows[:1]]
        parts += ["| --- " * len(rows[0]) + "|"]
        parts += ["| " + " | ".join(row) + " |" for row in rows[1:]]
        parts += [""]
    (docs / "performance-numbers.md").write_text("\n".join([*parts, *lines, ""]))


def plot(target: Path, measurements: Sequence[Measurement]) -> None:
    """Draw the worker CPU per attempt of each system."""
    import matplotlib as mpl  # takes half a second

    mpl.use("svg")
    from matplotlib import pyplot

    ordered = sorted(measurements, key=lambda one: one.worker_ms, reverse=True)
    figure, axes = pyplot.subplots(figsize=(9, 0.45 * len(ordered) + 1))
    colours = ["tab:blue" if one.system.startswith("pollers") else "tab:gray" for one in ordered]
    bars = axes.barh([one.system for one in ordered], [one.worker_ms for one in ordered], color=colours)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(xlabel="worker CPU per attempt in ms")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
