"""`pollers submit`: leave a poll to the workers."""

from __future__ import annotations

import click

from pollers.cli.parameters import ALL, Given, poll_parameters


@click.command()
@poll_parameters(ALL)
@click.option("--id", "poll_id", metavar="ID", help="Id of the poll. [default: a new one]")
@click.option("--wait", is_flag=True, help="Wait for the outcome and end as `pollers run` does.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the attempts while waiting.")
def submit(given: Given, poll_id: str | None, wait: bool, as_json: bool, quiet: bool) -> None:
    """Submit a poll of URL to the workers, and print its id.

    \b
    Examples:
      pollers submit https://api.example.com/renders/42 --until "status == 'completed'"
      pollers show $(pollers submit https://example.com/report --pending-on 404 --timeout 2h)
    """
    from pollers.cli.there import submit_there

    code = submit_there(given, poll_id=poll_id, wait=wait, as_json=as_json, quiet=quiet)
    raise SystemExit(code)
