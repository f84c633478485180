"""Examines what is beside the store: settings, this machine's clock, broker, result backend and Flower."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pollers.cli.examination.finding import Finding
from pollers.cli.examination.workers import CLOCK_TOLERANCE
from pollers.durations import approximate
from pollers.redaction import redact_url
from pollers.settings import misspelt
from pollers.store import Store

if TYPE_CHECKING:
    from celery import Celery

#: Seconds that a broker or Flower has to answer.
TIMEOUT = 5.0
#: What Flower says at its ``/healthcheck``, and bytes that are read of what others say there.
_HEALTHY, _BEGINNING = b"OK", 64


def examine_settings(app: Celery) -> Iterator[Finding]:
    """Yield names that are no settings; values that cannot be used have stopped the command before."""
    for sentence in misspelt(app.conf, os.environ):
        yield Finding("settings", sentence, "Mend the name; until then the setting has its default.")


def examine_clock(store: Store) -> Iterator[Finding]:
    """Yield whether this machine's clock is wrong."""
    seconds, microseconds = store.client.time()
    ahead = time.time() - int(seconds) - int(microseconds) / 1e6
    if abs(ahead) > CLOCK_TOLERANCE:
        side = "ahead of" if ahead > 0 else "behind"
        yield Finding(
            "settings",
            f"The clock of this machine is {approximate(abs(ahead))} {side} that of Redis.",
            "Keep time (NTP): deadlines that are given here as moments are off by as much.",
        )


def examine_broker(app: Celery) -> Iterator[Finding]:
    """Yield whether the broker cannot be reached."""
    try:
        with app.connection_for_write(connect_timeout=TIMEOUT) as connection:
            connection.ensure_connection(max_retries=1, timeout=TIMEOUT)
    except Exception as error:  # each transport has its own
        place = redact_url(str(app.conf.broker_url))
        yield Finding(
            "broker",
            f"The broker at {place} cannot be reached: {type(error).__name__}: {error}",
            "Start it, or mend broker_url; until then nothing is attempted, and polls time out.",
        )


def examine_results(app: Celery) -> Iterator[Finding]:
    """Yield whether outcomes cannot be kept or read."""
    backend = app.backend
    if type(backend).__name__ == "DisabledBackend":
        yield Finding(
            "results",
            "There is no result backend: get() of a poll never returns, and chords do not end.",
            "Set result_backend, to the Redis of the polls for instance.",
        )
        return
    try:
        backend.get_task_meta("pollers-doctor", cache=False)
    except Exception as error:  # each backend has its own
        yield Finding(
            "results",
            f"The result backend cannot be read: {type(error).__name__}: {error}",
            "Start it, or mend result_backend; outcomes are delivered when it is back.",
        )


def examine_flower(url: str) -> Iterator[Finding]:
    """Yield whether it is not Flower that answers at a URL.

    Behind something that wants a password, 401 is as much as can be known.
    """
    import requests

    place = redact_url(url)
    if urlsplit(url).scheme not in ("http", "https"):
        yield Finding("flower", f"{place} is no URL of Flower.", "Give it as http://127.0.0.1:5555")
        return
    try:
        with requests.get(f"{url.rstrip('/')}/healthcheck", timeout=TIMEOUT, stream=True) as answer:
            status, body = answer.status_code, next(answer.iter_content(_BEGINNING), b"")
    except requests.RequestException as error:
        problem = f"Flower at {place} cannot be reached: {type(error).__name__}."
    else:
        if status == 401 or (status == 200 and body.strip() == _HEALTHY):
            return
        problem = f"Flower at {place} answers {status}."
        if status in (200, 404):
            problem = f"What answers at {place} is not Flower: its /healthcheck does not say OK."
    yield Finding("flower", problem, "Start it (celery -A pollers flower), or name the right URL.")
