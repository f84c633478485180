"""A poller as its users write it by hand: a Celery task that raises ``self.retry(countdown=...)``."""

from __future__ import annotations

import os
from typing import Any

import redis
import requests
from celery import Celery, Task

URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")

app = Celery("handwritten", broker=URL, backend=URL, set_as_current=False)
counter = redis.Redis.from_url(URL)


@app.task(bind=True, max_retries=None)
def poll(self: Task, url: str, every: float) -> Any:
    """Ask the endpoint; try again later until the operation is complete."""
    answer = requests.get(url, timeout=10)
    counter.incr("bench:attempts")
    body = answer.json()
    if body["status"] != "completed":
        raise self.retry(countdown=every)
    return body
