"""Texts of the commands."""

import pytest

from pollers.cli.text import counted


@pytest.mark.parametrize(("number", "told"), [(0, "0 workers"), (1, "1 worker"), (2, "2 workers")])
def test_things_are_counted_as_people_do(number: int, told: str) -> None:
    """One of them is no plural."""
    assert counted(number, "worker") == told
