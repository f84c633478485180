"""This system with a queue for attempts alone, without acknowledgements (docs/performance.md)."""

from __future__ import annotations

from kombu import Queue

from pollers import app

app.conf.update(
    task_queues=[Queue("celery"), Queue("attempts", no_ack=True)],
    task_routes={"pollers.attempt": {"queue": "attempts"}},
)
