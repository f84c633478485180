"""`pollers cancel`, `nudge`, `pause` and `resume`: stop polls, make them due now, let them rest."""

from __future__ import annotations

from typing import NamedTuple

import click


class Target(NamedTuple):
    """What is to be steered: one of the three."""

    poll_ids: tuple[str, ...]
    tag: str | None
    origin: str | None


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


_some_ids = click.argument("poll_ids", metavar="[ID...]", nargs=-1)
_tag = click.option("--tag", help="Polls with this tag that are under way.")
_origin = click.option("--origin", help="An origin such as api.example.com: all its polls, also later ones.")


@click.command()
@_some_ids
@_tag
@_origin
@_json
def pause(poll_ids: tuple[str, ...], tag: str | None, origin: str | None, as_json: bool) -> None:
    """Pause polls: no attempts until they are resumed. They still end at their deadlines.

    An attempt that is under way goes on. Exit code 1 when one of the polls has ended, or is not known.

    \b
    Examples:
      pollers pause 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers pause --tag nightly
      pollers pause --origin https://api.example.com
    """
    from pollers.cli.steering import pause_polls

    raise SystemExit(pause_polls(_one_of(poll_ids, tag, origin), as_json=as_json))


@click.command()
@_some_ids
@_tag
@_origin
@_json
def resume(poll_ids: tuple[str, ...], tag: str | None, origin: str | None, as_json: bool) -> None:
    """Resume polls that were paused; of an origin, end its hold and close its breaker, too.

    Exit code 1 when one of the polls has ended, or is not known.

    \b
    Examples:
      pollers resume 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers resume --tag nightly
      pollers resume --origin https://api.example.com
    """
    from pollers.cli.steering import resume_polls

    raise SystemExit(resume_polls(_one_of(poll_ids, tag, origin), as_json=as_json))


def _one_of(poll_ids: tuple[str, ...], tag: str | None, origin: str | None) -> Target:
    if (bool(poll_ids) + (tag is not None) + (origin is not None)) != 1:
        raise click.UsageError("Give ids of polls, or --tag, or --origin.")
    return Target(poll_ids, tag, origin)
