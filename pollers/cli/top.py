"""`pollers top`: all of it, live."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--filter", "text", default="", help="Only polls with this in their id, URL, state, tags or tenant."
)
@click.option("--once", is_flag=True, help="Print one snapshot, also where there is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object; without --once, one a second.")
def top(text: str, once: bool, as_json: bool) -> None:
    """Show polls, attempts, origins and workers, live; open, nudge, pause and cancel polls.

    Keys: Tab goes from table to table, Enter opens a poll, n nudges, p pauses or resumes (an origin, too), c
    cancels, / filters, q or Ctrl-C quits. Needs `pip install 'pollers[top]'`, but for --once and --json.

    \b
    Examples:
      pollers top
      pollers top --filter nightly
      pollers top --once --json | jq .lateness_ms
    """
    from pollers.cli.watch import show_top

    raise SystemExit(show_top(text, once=once, as_json=as_json))
