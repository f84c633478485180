"""The same poller on dramatiq: an actor that sends itself again with a delay."""

from __future__ import annotations

import os

import dramatiq
import requests
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ["BENCH_REDIS_URL"])
dramatiq.set_broker(broker)
session = requests.Session()
session.trust_env = False


@dramatiq.actor(max_retries=None)
def poll(url: str, every: float) -> None:
    """Ask the endpoint; send itself again until the operation is complete."""
    if session.get(url, timeout=10).json()["status"] != "completed":
        poll.send_with_options(args=(url, every), delay=round(every * 1000))


def submit(urls: list[str], every: float, delay: float) -> None:
    """Submit a poll for each URL; the first attempts are due after ``delay`` seconds."""
    for url in urls:
        poll.send_with_options(args=(url, every), delay=round(delay * 1000) or None)
