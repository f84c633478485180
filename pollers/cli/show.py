"""`pollers show`: everything about one poll."""

from __future__ import annotations

import click

from pollers.cli.parameters import PollId


@click.command()
@click.argument("poll_id", metavar="ID", type=PollId())
@click.option("--follow", "-f", is_flag=True, help="Show the attempts as they are made, until it ends.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object; with --follow, one a line.")
def show(poll_id: str, follow: bool, as_json: bool) -> None:
    """Show one poll: state, last answer, parameters, outcome, and its last attempts.

    \b
    Examples:
      pollers show 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers show 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55 --follow
      pollers show 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55 --json | jq '.history[-1]'
    """
    from pollers.cli.inspection import follow_poll, show_poll

    if follow:
        raise SystemExit(follow_poll(poll_id, as_json=as_json))
    show_poll(poll_id, as_json=as_json)
