"""Waiting for a condition, with a limit, in place of sleeping and hoping."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

#: Seconds between two looks: short beside what tests wait for, long enough to leave the CPU to it.
LOOK_EVERY = 0.01


def wait_until(condition: Callable[[], object], limit: float = 20.0) -> None:
    """Return as soon as the condition holds; fail the test when it does not within `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() >= end:
            raise AssertionError(f"not within {limit:g} s: {_source(condition)}")
        time.sleep(LOOK_EVERY)


def _source(condition: Callable[[], object]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
