"""`pollers submit`: leave a poll to the workers."""

from __future__ import annotations

import click

from pollers.cli.parameters import ALL, Given, PollId, poll_parameters


@click.command()
@poll_parameters(ALL)
@click.option("--id", "poll_id", metavar="ID", type=PollId(), help="Id of the poll. [default: a new one]")
@click.option("--wait", is_flag=True, help="Wait for the outcome and end as `pollers run` does.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the progress.")
def submit(given: Given, poll_id: str | None, wait: bool, as_json: bool, quiet: bool) -> None:
    """Submit a poll of URL to the workers, and print its id.

    With @FILE (or @- for stdin) as URL, submit many polls that have the options in common: the file
    has a URL on each line, or a JSON object of parameters. No line can repeat an option that all have.
    When it ends early, by Ctrl-C or an error, the ids are printed of those that are submitted.

    \b
    Examples:
      pollers submit https://api.example.com/renders/42 --until "status == 'completed'"
      pollers show $(pollers submit https://example.com/report --pending-on 404 --timeout 2h)
      pollers submit @urls.txt --until "status == 'completed'" > ids.txt
    """
    if given.source is not None:
        if poll_id is not None or wait:
            raise click.UsageError("Many polls take neither --id nor --wait.")
        from pollers.cli.many import submit_many

        raise SystemExit(submit_many(given, as_json=as_json, quiet=quiet))
    from pollers.cli.there import submit_there

    code = submit_there(given, poll_id=poll_id, wait=wait, as_json=as_json, quiet=quiet)
    raise SystemExit(code)
