"""One poll left to the workers, and watched from here when that is asked for."""

from __future__ import annotations

import os
import time

import click

from pollers import PollResult, UnknownPoll, app, poll
from pollers.cli.attempts import view
from pollers.cli.connection import redis_url
from pollers.cli.ending import Ending
from pollers.cli.exits import SUCCEEDED
from pollers.cli.inspection import attempts_of, line_of
from pollers.cli.parameters import Given
from pollers.cli.text import write_json
from pollers.errors import PollEnded, StoreUnavailable
from pollers.runtime import runtime_of
from pollers.settings import Settings
from pollers.store.listing import count_workers


def submit_there(given: Given, *, poll_id: str | None, wait: bool, as_json: bool, quiet: bool) -> int:
    """Submit a poll, wait for it if asked to, and return the exit code."""
    # Checked before a server is started for it.
    spec, parameters = given.parse(min_interval=_settings().min_interval)
    with redis_url():
        if poll_id is not None and _is_known(poll_id):
            click.echo(f"Poll {poll_id} is known already; nothing new was submitted.", err=True)
            result = poll.AsyncResult(poll_id)
        else:
            result = poll.apply_async((spec.url,), parameters, task_id=poll_id)
        if _nobody_works():
            click.echo(
                "No worker is running: the poll waits for one (`pollers dev`, or "
                "`celery -A pollers worker`).",
                err=True,
            )
        if wait:
            return _wait(result, as_json=as_json, quiet=quiet)
        if as_json:
            write_json({"id": result.id})
        else:
            click.echo(result.id)
        return SUCCEEDED


def _settings() -> Settings:
    # Not those of the runtime, which keeps for good what it reads before there is a Redis.
    return Settings.read(app.conf, os.environ)


def _nobody_works() -> bool:
    try:
        return not count_workers(runtime_of(app).store)
    except StoreUnavailable:  # of another shard than the poll's
        return False


def _is_known(poll_id: str) -> bool:
    try:
        poll.AsyncResult(poll_id).status()
    except UnknownPoll:
        return False
    return True


def _wait(result: PollResult, *, as_json: bool, quiet: bool) -> int:
    status = result.status()
    started = status.created.timestamp()
    try:
        hint = "leaves it to the workers"
        with view(deadline=status.deadline.timestamp(), quiet=quiet, leaving=hint) as screen:
            for attempt in attempts_of(result, screen):
                screen.show(line_of(attempt))
            # What Redis has lost meanwhile is unknown; its value would be waited for without end.
            status = result.status()
            value = result.get()
        ended = (status.ended or status.deadline).timestamp()
        ending = Ending(value=value, attempts=status.attempts, elapsed=ended - started)
    except PollEnded as error:
        ending = Ending(error=error, attempts=error.attempts, elapsed=error.elapsed)
    except KeyboardInterrupt as error:
        status = result.status()
        ending = Ending(error=error, attempts=status.attempts, elapsed=time.time() - started)
    goes_on = f"Poll {result.id} goes on: `pollers show {result.id}`."
    return ending.tell(as_json=as_json, interrupted=goes_on, id=result.id)
