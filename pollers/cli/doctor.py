"""`pollers doctor`: what can lose polls, or keeps them from being made."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def doctor(as_json: bool) -> None:
    """Tell what can lose polls, or keeps them from being attempted, and the cure for each.

    Exit code 1 when there is something to do.

    \b
    Examples:
      pollers doctor
      pollers doctor --json | jq -r '.risks[].cure'
    """
    from pollers.cli.diagnosis import diagnose

    raise SystemExit(diagnose(as_json=as_json))
