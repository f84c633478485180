"""The hand-written Celery poller with every tuning that is known to help, short of another design.

It sends itself again and returns, instead of raising; stores no results of attempts; keeps its HTTP
connections; sends no events; uses one key per queue; and has no gossip, mingling or heartbeats.
"""

from __future__ import annotations

import os
from typing import Any

import requests
from celery import Celery, Task

URL = os.environ["BENCH_REDIS_URL"]

app = Celery("tuned", broker=URL, backend=URL, set_as_current=False)
app.conf.update(
    task_ignore_result=True,
    broker_transport_options={"priority_steps": [0]},
    worker_prefetch_multiplier=16,
    worker_send_task_events=False,
    worker_disable_rate_limits=True,
    broker_heartbeat=0,
)
session = requests.Session()
session.trust_env = False


@app.task(bind=True)
def poll(self: Task, url: str, every: float) -> Any:
    """Ask the endpoint; send itself again until the operation is complete."""
    if session.get(url, timeout=10).json()["status"] != "completed":
        self.apply_async((url, every), countdown=every)


def submit(urls: list[str], every: float, delay: float) -> None:
    """Submit a poll for each URL; the first attempts are due after ``delay`` seconds."""
    with app.producer_pool.acquire() as producer:
        for url in urls:
            poll.apply_async((url, every), countdown=delay, producer=producer)
