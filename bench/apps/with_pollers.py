"""The same poll on this system."""

from __future__ import annotations

from pollers import poll

UNTIL = "status == 'completed'"


def submit(urls: list[str], every: float, delay: float) -> None:
    """Submit a poll for each URL; the first attempts are due after ``delay`` seconds."""
    # One by one, as the others do; `submit_many` is measured beside.
    for url in urls:
        poll.apply_async((url,), {"until": UNTIL, "every": every, "timeout": "2h"}, countdown=delay)
