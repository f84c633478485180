"""The same poller on huey: a task that schedules itself again."""

from __future__ import annotations

import os

import requests
from huey import RedisHuey

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS_URL"], results=False)
session = requests.Session()
session.trust_env = False


@huey.task()
def poll(url: str, every: float) -> None:
    """Ask the endpoint; schedule itself again until the operation is complete."""
    if session.get(url, timeout=10).json()["status"] != "completed":
        poll.schedule(args=(url, every), delay=every)


def submit(urls: list[str], every: float, delay: float) -> None:
    """Submit a poll for each URL; the first attempts are due after ``delay`` seconds."""
    for url in urls:
        poll.schedule(args=(url, every), delay=delay)
