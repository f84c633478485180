"""`pollers ls`: the polls that are under way."""

from __future__ import annotations

import click

STATES = ("waiting", "running", "succeeded", "failed", "timed_out", "cancelled")


@click.command()
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only polls in this state; repeatable. Ended ones are listed until they are delivered.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Most polls to list.",
)
@click.option("--tag", help="Only polls with this tag.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def ls(states: tuple[str, ...], limit: int, tag: str | None, as_json: bool) -> None:
    """List polls, those due next first.

    \b
    Examples:
      pollers ls --state waiting --limit 20
      pollers ls --tag nightly
      pollers ls --limit 1000 --json | jq -r '.[] | select(.attempts > 100) | .id'
    """
    from pollers.cli.inspection import list_polls

    list_polls(frozenset(states or STATES), limit, tag=tag, as_json=as_json)
