"""`pollers show`: everything about one poll."""

from __future__ import annotations

import click


@click.command()
@click.argument("poll_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show(poll_id: str, as_json: bool) -> None:
    """Show one poll: state, last answer, parameters, outcome.

    \b
    Examples:
      pollers show 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers show 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55 --json | jq .last_answer
    """
    from pollers.cli.inspection import show_poll

    show_poll(poll_id, as_json=as_json)
