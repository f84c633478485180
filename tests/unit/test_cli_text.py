"""Texts of the commands."""

import pytest

from pollers.cli.text import counted, plain


@pytest.mark.parametrize(("number", "told"), [(0, "0 workers"), (1, "1 worker"), (2, "2 workers")])
def test_things_are_counted_as_people_do(number: int, told: str) -> None:
    """One of them is no plural."""
    assert counted(number, "worker") == told


def test_numbers_that_json_does_not_have_are_texts() -> None:
    """A program that reads them would stop at a bare NaN."""
    value = {"a": [float("nan"), 1.5], "b": (float("inf"),)}
    assert plain(value) == '{"a": ["NaN", 1.5], "b": ["Infinity"]}'
