"""The capacity model of the documentation: it finds the costs that there are, and scales as it says."""

from __future__ import annotations

import pytest

from bench.model import PLANNED, Cost, Model, Observation


def _observation(pack: float) -> Observation:
    return Observation(
        name="",
        shards=1,
        rate=1000.0,
        pack=pack,
        worker_us=400 + 4000 / pack,
        store_us=60 + 300 / pack,
        broker_us=500 / pack,
        store_loads=(0.1,),
    )


MODEL = Model.of(_observation(80), _observation(10))


def test_two_measurements_tell_the_costs_of_attempts_and_of_packs() -> None:
    """Whatever the sizes of their packs."""
    assert MODEL.worker.attempt == pytest.approx(400)
    assert MODEL.worker.pack == pytest.approx(4000)
    assert MODEL.store.per_attempt(50) == pytest.approx(66)
    assert MODEL.broker == Cost(pytest.approx(0), pytest.approx(500))  # type: ignore[arg-type]


def test_packs_are_what_comes_due_in_a_tick_of_a_worker() -> None:
    """And never larger than a pack can be, nor smaller than one poll."""
    for rate in (1.0, 100.0, 16_667.0, 100_000.0):
        needs = MODEL.needs(rate)
        assert 1 <= needs.pack <= 100
        assert rate * MODEL.worker.per_attempt(needs.pack) / 1e6 <= PLANNED * needs.processes


def test_shards_divide_what_the_stores_do() -> None:
    """And nothing else."""
    one, two = MODEL.needs(16_667.0, 1), MODEL.needs(16_667.0, 2)
    assert two.store_load == pytest.approx(one.store_load / 2)
    assert (two.processes, two.broker_load) == (one.processes, one.broker_load)
    assert MODEL.most(2) == pytest.approx(2 * MODEL.most(1), rel=0.02)
