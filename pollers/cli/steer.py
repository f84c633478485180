"""`pollers cancel`, `nudge`, `pause` and `resume`: stop polls, make them due now, let them rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pollers.cli.filters import OriginOption, selecting
from pollers.cli.parameters import PollId

if TYPE_CHECKING:
    from pollers.store.selection import Selection


class Target(NamedTuple):
    """What is to be steered: one of the three."""

    poll_ids: tuple[str, ...] = ()
    selection: Selection | None = None
    origin: str | None = None


_OPTIONS = (
    click.argument("poll_ids", metavar="[ID...]", nargs=-1, type=PollId()),
    click.option("--dry-run", "-n", is_flag=True, help="Only tell what would come of it."),
    click.option("--yes", "-y", is_flag=True, help="Do not ask, however many polls match."),
    click.option("--json", "as_json", is_flag=True, help="Print a JSON array."),
)


def _steering(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@_steering
@selecting()
def cancel(poll_ids: tuple[str, ...], selection: Selection | None, **options: Any) -> None:
    """Cancel polls, by id or all that match: they never run again.

    Whoever waits for them gets PollCancelled. Exit code 1 when one of them had ended before, or is not
    known. The webhooks that tell ends of polls are sent by polls, too: these are only cancelled by id or
    with --tag webhook, as their receivers would never hear of the end.

    \b
    Examples:
      pollers cancel 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers cancel --tag nightly --dry-run
      pollers cancel --origin api.example.com --older-than 1d --yes
    """
    from pollers.cli.steering import CANCEL, steer

    raise SystemExit(steer(CANCEL, _one_of(poll_ids, selection), **options))


@click.command()
@_steering
@selecting()
def nudge(poll_ids: tuple[str, ...], selection: Selection | None, **options: Any) -> None:
    """Make the next attempt of polls due now, by id or of all that match.

    A paused poll stays paused, and what keeps an origin or a limit keeps the attempt. Exit code 1 when one
    of them is paused, has ended, or is not known.

    \b
    Examples:
      pollers nudge 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers nudge --origin api.example.com
    """
    from pollers.cli.steering import NUDGE, steer

    raise SystemExit(steer(NUDGE, _one_of(poll_ids, selection), **options))


_GATE = click.option(
    "--origin", type=OriginOption(), help="An origin such as api.example.com: all its polls, also later ones."
)


@click.command()
@_steering
@selecting(origin=False)
@_GATE
def pause(poll_ids: tuple[str, ...], selection: Selection | None, origin: str | None, **options: Any) -> None:
    """Pause polls: no attempts until they are resumed. They still end at their deadlines.

    An attempt that is under way goes on. Exit code 1 when one of the polls has ended, or is not known. An
    origin that no live poll has is paused for later ones, with a warning that names the nearest.

    \b
    Examples:
      pollers pause 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers pause --tag nightly
      pollers pause --origin https://api.example.com
    """
    from pollers.cli.steering import PAUSE, steer

    raise SystemExit(steer(PAUSE, _one_of(poll_ids, selection, origin), **options))


@click.command()
@_steering
@selecting(origin=False)
@_GATE
def resume(
    poll_ids: tuple[str, ...], selection: Selection | None, origin: str | None, **options: Any
) -> None:
    """Resume polls that were paused; of an origin, end its hold and close its breaker, too.

    Many polls are not due all at once, but a hundred a second. Exit code 1 when one of the polls has ended,
    or is not known.

    \b
    Examples:
      pollers resume 0c0a7d36-6f2b-4a53-9d0e-2f7f1c1f5d55
      pollers resume --tag nightly
      pollers resume --origin https://api.example.com
    """
    from pollers.cli.steering import RESUME, steer

    raise SystemExit(steer(RESUME, _one_of(poll_ids, selection, origin), **options))


def _one_of(poll_ids: tuple[str, ...], selection: Selection | None, origin: str | None = None) -> Target:
    if (bool(poll_ids) + (selection is not None) + (origin is not None)) != 1:
        raise click.UsageError("Give ids of polls, or say which polls (--tag, --state ...), or --origin.")
    return Target(poll_ids, selection, origin)
