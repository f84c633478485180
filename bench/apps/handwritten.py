"""A poller as its users write it by hand: a Celery task that raises ``self.retry(countdown=...)``."""

from __future__ import annotations

import os
from typing import Any

import requests
from celery import Celery, Task

URL = os.environ["BENCH_REDIS_URL"]

app = Celery("handwritten", broker=URL, backend=URL, set_as_current=False)


@app.task(bind=True, max_retries=None)
def poll(self: Task, url: str, every: float) -> Any:
    """Ask the endpoint; try again later until the operation is complete."""
    body = requests.get(url, timeout=10).json()
    if body["status"] != "completed":
        raise self.retry(countdown=every)
    return body


def submit(urls: list[str], every: float, delay: float) -> None:
    """Submit a poll for each URL; the first attempts are due after ``delay`` seconds."""
    for url in urls:
        poll.apply_async((url, every), countdown=delay)
