"""`pollers probe`: which convention does this API follow?"""

from __future__ import annotations

import click

from pollers.cli.parameters import REQUEST, Given, poll_parameters


@click.command()
@poll_parameters(REQUEST)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def probe(given: Given, as_json: bool) -> None:
    """Send one request to URL, say which convention its answer follows, and print the poll to make.

    Sends what it is told to: with --method POST it may start an operation.

    \b
    Examples:
      pollers probe https://api.example.com/operations/42
      pollers probe https://api.example.com/exports --method POST --json-body '{"table": "orders"}'
    """
    from pollers.cli.probing import probe_url

    raise SystemExit(probe_url(given, as_json=as_json))
