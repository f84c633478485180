"""The options that say which polls are meant: by state, tag, origin, lateness and age."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pollers.store.selection import Selection

#: States as people see them; a poll may also be paused while it is ``running``.
STATES = ("waiting", "running", "paused", "succeeded", "failed", "timed_out", "cancelled")

Command = Callable[..., None]


class DurationOption(click.ParamType):  # type: ignore[type-arg]
    """A duration such as ``90``, ``1.5s`` or ``2h30m``, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        from pollers.durations import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class OriginOption(click.ParamType):  # type: ignore[type-arg]
    """An origin such as ``api.example.com``, in its short form."""

    name = "origin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it; what has no scheme is https."""
        from pollers import http_syntax
        from pollers.origin import in_full, short_origin

        try:
            return short_origin(http_syntax.url(in_full(value)))
        except ValueError:
            self.fail(f"{value!r} is no origin; it should be like https://api.example.com.", param, ctx)


_STATE = click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only polls in this state; repeatable. Ended ones are there until they are delivered.",
)
_TAG = click.option("--tag", help="Only polls with this tag.")
_ORIGIN = click.option("--origin", type=OriginOption(), help="Only polls of this origin.")
_OVERDUE = click.option(
    "--overdue",
    type=DurationOption(),
    is_flag=False,
    flag_value="1s",
    help="Only polls whose next attempt is late by so much. [1s when nothing else is said]",
)
_OLDER_THAN = click.option(
    "--older-than", type=DurationOption(), help="Only polls that were submitted so long ago, or longer."
)


def selecting(*, origin: bool = True) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options as its argument ``selection``; None without any."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def wrapped(
            states: tuple[str, ...],
            tag: str | None,
            overdue: float | None,
            older_than: float | None,
            **others: Any,
        ) -> None:
            from pollers.store.selection import Selection

            given: dict[str, Any] = {"tag": tag, "overdue": overdue, "older_than": older_than}
            if origin:
                given["origin"] = others.pop("origin")
            if states:
                given["states"] = frozenset(states)
            chosen = {name: value for name, value in given.items() if value is not None}
            selection: Selection | None = Selection(**chosen) if chosen else None
            command(selection=selection, **others)

        options = (_STATE, _TAG, *((_ORIGIN,) if origin else ()), _OVERDUE, _OLDER_THAN)
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate
