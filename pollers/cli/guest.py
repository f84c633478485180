"""`pollers limits` and `pollers origins`: how services are treated, and how they are."""

from __future__ import annotations

import click

_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
_one = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")


@click.group(invoke_without_command=True)
@_json
@click.pass_context
def limits(context: click.Context, as_json: bool) -> None:
    """List the limits that are in force, or change one for all workers.

    \b
    Examples:
      pollers limits
      pollers limits set api.example.com "10/s burst 5"
      pollers limits unset api.example.com
    """
    if context.invoked_subcommand is None:
        from pollers.cli.traffic import list_limits

        list_limits(as_json=as_json)


@limits.command("set")
@click.argument("name")
@click.argument("limit")
@_one
def set_(name: str, limit: str, as_json: bool) -> None:
    """Set a limit for all workers, from now on; it goes before what they are configured with.

    NAME is an origin, a host, a pattern such as *.internal, "default", or a word that polls name.
    LIMIT is like "10/s", "600/m burst 20", "5/s in-flight 2" or "in-flight 20".

    \b
    Example:
      pollers limits set api.example.com "10/s burst 5"
    """
    from pollers.cli.traffic import change_limit

    change_limit(name, limit, as_json=as_json)


@limits.command()
@click.argument("name")
@_one
def unset(name: str, as_json: bool) -> None:
    """Take back what was set by hand: what the workers are configured with counts again, if anything.

    \b
    Example:
      pollers limits unset api.example.com
    """
    from pollers.cli.traffic import change_limit

    change_limit(name, None, as_json=as_json)


@click.command()
@_json
def origins(as_json: bool) -> None:
    """List the origins that something is known of: limits, holds, breakers, pauses, and how many polls wait.

    The state of an origin is that of its breaker: closed while all is well (as for one without a breaker),
    open while it keeps the polls, half-open during trials. Or it is held, paused, or approached after any
    of these.

    \b
    Examples:
      pollers origins
      pollers origins --json | jq -r '.[] | select(.state != "closed") | .origin'
    """
    from pollers.cli.traffic import list_origins

    list_origins(as_json=as_json)
