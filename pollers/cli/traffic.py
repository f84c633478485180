"""Lists limits and origins, and changes limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from pollers.cli.connection import store
from pollers.cli.text import printable, write_json
from pollers.durations import approximate
from pollers.politeness import Limits
from pollers.store import Polls
from pollers.store.traffic import Gate, gates, read_rules, set_limit


def list_limits(*, as_json: bool) -> None:
    """Print the limits that are in force, those set by hand among them."""
    with store() as polls:
        listed = limits_of(polls)
    if as_json:
        write_json(listed)
    elif not listed:
        click.echo("There are no limits.", err=True)
    else:
        told = [{**one, "set_by_hand": "by hand" if one["set_by_hand"] else "configured"} for one in listed]
        _print(("name", "limit", "set", "in flight", "waiting"), [list(one.values()) for one in told])


def limits_of(polls: Polls) -> list[dict[str, Any]]:
    """Return the limits as they are listed."""
    rules, found = read_rules(polls), {gate.name: gate for gate in gates(polls, "limit")}
    return [
        {
            "name": name,
            "limit": text,
            "set_by_hand": name in rules.by_hand,
            "in_flight": found[name].state.get("flying", 0) if name in found else 0,
            "waiting": found[name].parked if name in found else 0,
        }
        for name, text in sorted(rules.limits.items())
    ]


def change_limit(name: str, text: str | None, *, as_json: bool) -> None:
    """Set a limit by hand, or take it back with None."""
    if text is not None:
        try:
            Limits.parse({name: text})
        except ValueError as error:
            raise click.UsageError(f"{error}.") from error
    with store() as polls:
        set_limit(polls, name, text)
        now = read_rules(polls).limits.get(name)
    if as_json:
        write_json({"name": name, "limit": now})
    else:
        click.echo(printable(f"{name}: {now or 'no limit'}"))


def list_origins(*, as_json: bool) -> None:
    """Print the origins that something is known of."""
    with store() as polls:
        listed = origins_of(polls)
    if as_json:
        write_json(listed)
    elif not listed:
        click.echo("Nothing is known of any origin.", err=True)
    else:
        cells = [[*one.values()] for one in listed]
        for row in cells:
            row[2] = f"for {approximate(row[2])}" if row[2] else "-"
        _print(("origin", "state", "yet", "attempts", "failed", "limit", "waiting"), cells)


def origins_of(polls: Polls) -> list[dict[str, Any]]:
    """Return the origins as they are listed."""
    limits = {gate.name: gate for gate in gates(polls, "limit")}
    return [_origin(gate, limits) for gate in gates(polls, "origin")]


def _origin(gate: Gate, limits: dict[str, Gate]) -> dict[str, Any]:
    limit = gate.state["rules"].get("limit") or ""
    window = gate.state.get("window") or []
    return {
        "origin": gate.name,
        "state": gate.condition(),
        "seconds": round(gate.shut_for(), 1),
        "attempts": gate.lately,
        "failures": sum(part[2] for part in window),
        "limit": limit,
        "waiting": gate.parked + (limits[limit].parked if limit in limits else 0),
    }


def _print(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    cells = [list(columns), *([printable(str(cell)) or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
