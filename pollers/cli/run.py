"""`pollers run`: poll from here, with nothing set up."""

from __future__ import annotations

import click

from pollers.cli.parameters import HERE, Given, poll_parameters


@click.command()
@poll_parameters(HERE)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the attempts.")
def run(given: Given, as_json: bool, quiet: bool) -> None:
    """Poll URL from here until a condition holds, and print the value.

    Needs neither Redis nor workers. Attempts are shown on stderr, the value is alone on stdout:
    text as it is, anything else as JSON. Ctrl-C, or q on a terminal, stops it.

    \b
    Examples:
      pollers run https://api.example.com/renders/42 --until "status == 'completed'" \\
          --fail-when "status == 'failed'" --returns output.url --every 5s --timeout 10m
      pollers run http://localhost:8080/health --until 200 --pending-on 503 --every 1s
    """
    from pollers.cli.here import poll_here

    raise SystemExit(poll_here(given, as_json=as_json, quiet=quiet))
