"""Any interleaving of steps keeps the promises: the long look."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.store.test_model import QUICK, run_model

pytestmark = pytest.mark.chaos

THOROUGH = settings(QUICK, max_examples=2_000, stateful_step_count=60)


@pytest.mark.timeout(400)
def test_two_thousand_interleavings_keep_the_promises(redis_url: str) -> None:
    """See `tests.store.model.StoreMachine`."""
    run_model(redis_url, THOROUGH)
