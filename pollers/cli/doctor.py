"""`pollers doctor`: what can lose polls, or keeps them from being made."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--flower",
    envvar="POLLERS_FLOWER_URL",
    metavar="URL",
    help="Look whether it is Flower that answers there, too; or POLLERS_FLOWER_URL.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def doctor(flower: str | None, as_json: bool) -> None:
    """Tell what can lose polls, or keeps them from being attempted, and the cure for each.

    Looks at the settings, Redis and its persistence, the polls in it, the broker, the result backend, all
    workers, and Flower. Exit code 1 when there is something to do.

    \b
    Examples:
      pollers doctor
      pollers doctor --flower http://127.0.0.1:5555
      pollers doctor --json | jq -r '.findings[].cure'
    """
    from pollers.cli.diagnosis import diagnose

    raise SystemExit(diagnose(flower, as_json=as_json))
