"""One poll left to the workers, and watched from here when that is asked for."""

from __future__ import annotations

import os
import time

import click

from pollers import PollResult, PollStatus, UnknownPoll, app, poll
from pollers.cli.attempts import Line, View, view
from pollers.cli.connection import redis_url
from pollers.cli.ending import Ending
from pollers.cli.exits import SUCCEEDED
from pollers.cli.parameters import Given
from pollers.cli.text import write_json
from pollers.errors import PollEnded, StoreUnavailable
from pollers.runtime import runtime_of
from pollers.settings import Settings
from pollers.store.listing import count_workers

#: Seconds between two looks at a poll that is waited for.
LOOK_EVERY = 0.25


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
            status = _watch(result, screen)
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


def _watch(result: PollResult, screen: View) -> PollStatus:
    """Show the attempts of a poll until its outcome is there; return its last status."""
    seen = None
    while True:
        # In this order: what is ready has a status that will not change any more.
        ready, status = result.ready(), result.status()
        last = status.last_answer
        if last is not None and last.at != seen:
            seen = last.at
            state = "pending" if status.ended is None else status.state
            screen.show(
                Line(
                    attempt=status.attempts if status.state != "running" else status.attempts - 1,
                    at=last.at.timestamp(),
                    status=last.status,
                    elapsed=last.elapsed,
                    state=state,
                    decision="not yet" if state == "pending" else state,
                    excerpt=last.excerpt,
                )
            )
        if status.next_due is not None:
            screen.count_down(status.next_due.timestamp())
        elif status.ended is not None:
            screen.count_down(None)
        if ready:
            return status
        time.sleep(LOOK_EVERY)
