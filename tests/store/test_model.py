"""Any interleaving of steps keeps the promises: a quick look; `make chaos` looks longer."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.store.model import StoreMachine

QUICK = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def run_model(redis_url: str, profile: Any) -> None:
    """Run the model on a database of its own."""
    machine = type("Machine", (StoreMachine,), {"redis_url": redis_url})
    run_state_machine_as_test(machine, settings=profile)


def test_any_interleaving_keeps_the_promises(redis_url: str) -> None:
    """See `StoreMachine`."""
    run_model(redis_url, QUICK)
