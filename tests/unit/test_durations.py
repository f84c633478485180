"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollers.durations import LONGEST, approximate, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (5, 5.0),
        (0.5, 0.5),
        ("5", 5.0),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("10m", 600.0),
        ("2h30m", 9000.0),
        ("1d 2h", 93_600.0),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_a_duration_is_seconds(written: object, seconds: float) -> None:
    """Whatever form it is written in."""
    assert parse_duration(written) == pytest.approx(seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", ["", "soon", "5 parsecs", "m", -1, "-5s", float("nan"), "inf", True, None, []]
)
def test_what_is_no_duration_is_refused_with_a_hint(wrong: object) -> None:
    """The message says what would be right."""
    with pytest.raises(ValueError, match="10m"):
        parse_duration(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("absurd", [1e300, "1e300", float("inf"), 10**400, "36526d", timedelta.max])
def test_no_duration_is_longer_than_a_century(absurd: object) -> None:
    """No date that is computed from it is beyond what can be written."""
    assert parse_duration(LONGEST) == LONGEST
    with pytest.raises(ValueError, match="longer than 100 years"):
        parse_duration(absurd)  # type: ignore[arg-type]


@given(st.integers(0, 10**9).map(lambda ms: ms / 1000))
def test_a_formatted_duration_can_be_parsed_again(seconds: float) -> None:
    """To the millisecond."""
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1.0, "0.0s"),
        (0.42, "0.4s"),
        (5.0, "5.0s"),
        (9.97, "10s"),
        (49.4, "49s"),
        (59.6, "1m"),
        (65.0, "1m5s"),
        (9029.0, "2h30m"),
    ],
)
def test_people_are_told_as_much_of_a_duration_as_they_want(seconds: float, told: str) -> None:
    """The same in the terminal, in Flower, and in the reason for which a poll waits."""
    assert approximate(seconds) == told
