"""`pollers ls`: the polls that are under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pollers.cli.filters import selecting

if TYPE_CHECKING:
    from pollers.store.selection import Selection

SORTS = ("due", "deadline", "created", "attempts", "errors")


@click.command()
@selecting()
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="due",
    show_default=True,
    help="Order: due next first, deadline first, oldest first, fewest attempts, fewest errors in a row.",
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Most polls to list."
)
@click.option(
    "--after", metavar="PLACE", help="The next page of a list by due time, as the one before says it."
)
@click.option(
    "--follow", "-f", is_flag=True, help="Go on, until Ctrl-C: draw it anew, or print what has changed."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array; with --follow, an object a line.")
def ls(selection: Selection | None, after: str | None, **options: Any) -> None:
    """List polls, those due next first.

    Lists of a million polls can be paged through by due time; any other order looks at all of them. Redis
    serves others meanwhile.

    \b
    Examples:
      pollers ls --state waiting --limit 20
      pollers ls --tag nightly --origin api.example.com --older-than 1h
      pollers ls --overdue 10s
      pollers ls --sort errors --reverse --limit 10
      pollers ls --follow
      pollers ls --limit 1000 --json | jq -r '.[] | select(.attempts > 100) | .id'
    """
    from pollers.cli.lists import Query, follow_polls, list_polls, place
    from pollers.store.selection import Selection

    follow, as_json = options.pop("follow"), options.pop("as_json")
    query = Query(selection=selection or Selection(), after=place(after) if after else None, **options)
    if query.after and (
        query.sort != "due" or query.reverse or follow or query.selection.overdue is not None
    ):
        raise click.UsageError("--after goes on with a list by due time, without --overdue and --follow.")
    (follow_polls if follow else list_polls)(query, as_json=as_json)
