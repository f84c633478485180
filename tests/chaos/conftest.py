"""Every test here is a scenario with a world of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Return a world without workers."""
    with World() as world:
        yield world
