"""Any interleaving of steps keeps the promises: a quick look; `make chaos` looks longer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.store.model import StoreMachine

QUICK = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)

Step = tuple[str, dict[str, Any]]

ADMIT: Step = ("admit", {"timeout": 120.0, "delay": 0.0, "span": 0.5, "queue": ""})
SHORT: Step = ("admit", {"timeout": 2.0, "delay": 0.0, "span": 10.0, "queue": ""})
DISPATCH: Step = ("dispatch", {"worker": "w1", "far": False})
BEGIN: Step = ("begin", {"pick": 0})
BEGIN_EARLIER: Step = ("begin", {"pick": 1})
LEASE_ENDS: Step = ("wait", {"seconds": 6.0})
CANCEL: Step = ("cancel", {"pick": 0})


def settle(state: str, pick: int = 0) -> Step:
    """Return the step that settles an attempt; 0 is the latest that began."""
    return ("settle", {"pick": pick, "state": state, "wait": 0.5})


def deliver(*, delivers: bool) -> Step:
    """Return the step of a held task that delivers, or dies."""
    return ("run_held_task", {"pick": 0, "delivers": delivers})


#: Interleavings at which a protection is all that keeps a promise: steps as Hypothesis prints them. What
#: it finds is kept here too. Each was seen to fail without what its name says.
KEPT: dict[str, list[Step]] = {
    "the fence in begin: a message comes twice": [ADMIT, DISPATCH, BEGIN, BEGIN],
    "the fence in begin: a message comes after its lease, when another attempt has settled": [
        *(ADMIT, DISPATCH, LEASE_ENDS, DISPATCH, BEGIN, settle("waiting"), BEGIN_EARLIER),
    ],
    "the fence in settle: a frozen worker comes back after its attempt was taken over": [
        *(ADMIT, DISPATCH, BEGIN, LEASE_ENDS, DISPATCH, BEGIN, settle("succeeded", 1), settle("waiting")),
    ],
    "the fence in settle: an attempt settles twice": [
        *(ADMIT, DISPATCH, BEGIN, settle("succeeded"), settle("failed")),
    ],
    "the fence in settle: an attempt settles after a cancel": [
        *(ADMIT, DISPATCH, BEGIN, CANCEL, settle("succeeded")),
    ],
    "the lease in dispatch: a message is lost": [ADMIT, DISPATCH, LEASE_ENDS, DISPATCH, BEGIN],
    "the deadline in begin: a message is late": [
        *(SHORT, DISPATCH, ("wait", {"seconds": 1.0}), ("wait", {"seconds": 1.0}), BEGIN),
    ],
    "the claim: a held task comes twice, and the first dies": [
        *(ADMIT, DISPATCH, BEGIN, settle("succeeded")),
        *(deliver(delivers=False), deliver(delivers=True), LEASE_ENDS, deliver(delivers=True)),
    ],
}


def machine_on(redis_url: str) -> type[StoreMachine]:
    """Return the model with a database of its own."""
    return type("Machine", (StoreMachine,), {"redis_url": redis_url})


def run_model(redis_url: str, profile: Any) -> None:
    """Run the model on a database of its own."""
    run_state_machine_as_test(machine_on(redis_url), settings=profile)


def test_any_interleaving_keeps_the_promises(redis_url: str) -> None:
    """See `StoreMachine`."""
    run_model(redis_url, QUICK)


@pytest.mark.parametrize("steps", KEPT.values(), ids=KEPT)
def test_a_kept_interleaving_keeps_the_promises(redis_url: str, steps: list[Step]) -> None:
    """Step by step, as Hypothesis would."""
    machine = machine_on(redis_url)()
    try:
        for name, arguments in steps:
            getattr(machine, name)(**arguments)
            machine.every_poll_is_in_one_place()
            machine.shares_are_of_polls_in_flight()
    finally:
        machine.teardown()
