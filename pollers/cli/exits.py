"""How a command ends: its exit code, and one clear sentence for every error."""

from __future__ import annotations

import errno
from typing import Any

import click

from pollers.cli import signals
from pollers.cli.text import printable

SUCCEEDED = 0
FAILED = 1
WRONG_USAGE = 2
#: As `timeout` of the GNU core utilities has it.
TIMED_OUT = 124
#: 128 + SIGINT, as shells have it.
INTERRUPTED = 130


class Commands(click.Group):
    """A group of commands that end with a sentence and an exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            with signals.raised():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except click.NoSuchOption as error:
            # The nearest one; click lists them by the alphabet.
            del (error.possibilities or [])[1:]
            raise
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            # A reader that went away (`pollers ls | head`) is click's to handle.
            if ctx.params["traceback"] or getattr(error, "errno", None) == errno.EPIPE:
                raise
            click.echo(sentence(error), err=True)
            ctx.exit(code(error))


def code(error: BaseException) -> int:
    """Return the exit code that tells of an error."""
    from pollers.errors import InvalidPoll, InvalidSetting, PollTimeout

    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, InvalidPoll | InvalidSetting):
        return WRONG_USAGE
    return TIMED_OUT if isinstance(error, PollTimeout) else FAILED


def sentence(error: BaseException) -> str:
    """Return what people are told of an error; several lines for an `InvalidPoll`."""
    import redis
    from celery.exceptions import BackendError
    from kombu.exceptions import OperationalError

    from pollers.cli.parameters import shown_name
    from pollers.errors import InvalidPoll, PollError

    if isinstance(error, InvalidPoll):
        wrong = [f"  {shown_name(field)}: {what}" for field, what in error.problems.items()]
        return "\n".join(map(printable, ("This is not a poll that can be made:", *wrong)))
    if isinstance(error, PollError):
        return printable(str(error))
    if isinstance(error, redis.RedisError | OperationalError | BackendError):
        return printable(f"Redis cannot be used: {error.__cause__ or error}")
    return printable(
        f"pollers failed unexpectedly: {type(error).__name__}: {error} "
        "(`pollers --traceback ...` shows where)"
    )
