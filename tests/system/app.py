"""The Celery application that the system tests' workers run: pollers' own, and a few tasks around polls.

Its tasks write what they got to Redis, so that a test can observe them from outside.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import redis
from requests.auth import HTTPBasicAuth

from pollers import app, credential
from pollers.answer import Answer
from pollers.conditions import Decision, pending, succeeded
from pollers.progress import Progress
from pollers.protocols import register
from pollers.spec import PollSpec
from tests.waiting import wait_until

SEEN = "tests:seen:"


@credential("of-function")
def of_function() -> HTTPBasicAuth:
    """Give a credential to the polls that name it, out of the worker's environment."""
    return HTTPBasicAuth("me", os.environ["TESTS_PASSWORD"])


#: Signs the webhooks of polls.
WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@credential("webhook")
def webhook() -> dict[str, str]:
    """Give the secret of webhooks."""
    return {"kind": "webhook", "secret": WEBHOOK_SECRET}


def _note(name: str, value: Any) -> None:
    client = redis.Redis.from_url(os.environ["POLLERS_REDIS_URL"])
    client.rpush(SEEN + name, json.dumps(value))
    client.close()


class Third:
    """A convention of an application's own: the third answer is the result."""

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Count in the notes."""
        count = int((progress.notes or {}).get("count", 0)) + 1
        if count < 3:
            return pending(f"this is answer {count}", notes={"count": str(count)})
        return succeeded(spec, answer.value())


register("tests-third", Third())


@app.task(name="tests.echo")
def echo(value: Any) -> Any:
    """Return what it gets."""
    return value


@app.task(name="tests.note")
def note(value: Any, name: str) -> Any:
    """Note what it gets under a name, and return it."""
    _note(name, value)
    return value


@app.task(name="tests.changed")
def changed(value: Any, name: str, poll_id: str, change: int) -> None:
    """Note the change of a poll's answer."""
    _note(name, [poll_id, change, value])


@app.task(name="tests.note_error")
def note_error(request: Any, error: Any, traceback: Any, name: str = "") -> None:
    """Note the error that an errback hears of."""
    _note(name, [request.id, type(error).__name__, str(error)])


@app.task(name="tests.total")
def total(values: list[Any]) -> Any:
    """Return the sum of a chord's values."""
    return sum(values)


@app.task(name="tests.wait_for_file")
def wait_for_file(path: str) -> None:
    """Run until the file is there, and remove it; there is one beside it meanwhile."""
    Path(f"{path}.waited-for").touch()
    wait_until(Path(path).exists, 60)
    Path(path).unlink()


@app.task(name="tests.submit")
def submit(url: str, **parameters: Any) -> str:
    """Submit a poll from inside a task; return its id."""
    from pollers import poll

    return str(poll.delay(url, **parameters).id)
