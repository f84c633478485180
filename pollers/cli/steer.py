"""`pollers cancel` and `pollers nudge`: stop polls, or make them due now."""

from __future__ import annotations

import click

_ids = click.argument("poll_ids", metavar="ID...", nargs=-1, required=True)
_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")


@click.command()
@_ids
@_json
def cancel(poll_ids: tuple[str, ...], as_json: bool) -> None:
    """Cancel polls: they never run again.

    Whoever waits for them gets PollCancelled. Exit code 1 when one of them had ended before, or is not
    known.

    \b
    Examples:
      pollers cancel 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers ls --json | jq -r '.[].id' | xargs pollers cancel
    """
    from pollers.cli.steering import cancel_polls

    raise SystemExit(cancel_polls(poll_ids, as_json=as_json))


@click.command()
@_ids
@_json
def nudge(poll_ids: tuple[str, ...], as_json: bool) -> None:
    """Make the next attempt of polls due now.

    Exit code 1 when one of them has ended, or is not known.

    \b
    Example:
      pollers nudge 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
    """
    from pollers.cli.steering import nudge_polls

    raise SystemExit(nudge_polls(poll_ids, as_json=as_json))
