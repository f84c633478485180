"""Origins, limits and breakers as data."""

from __future__ import annotations

from typing import Any

import pytest

from pollers.politeness import Breaker, Limit, Limits, limit_for, rules_for


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("10/s", Limit(rate=10, burst=2)),
        ("1000/s burst 50", Limit(rate=1000, burst=50)),
        ("1000/s", Limit(rate=1000, burst=200)),
        ("90/m", Limit(rate=1.5, burst=1)),
        ("5000/h in-flight 20", Limit(rate=5000 / 3600, burst=1, in_flight=20)),
        ("0.5 / s burst 3 in-flight 2", Limit(rate=0.5, burst=3, in_flight=2)),
        ("in-flight 7", Limit(in_flight=7)),
    ],
)
def test_limits_are_read_as_they_are_said(text: str, limit: Limit) -> None:
    """A rate lets through at once what it allows in a fifth of a second, unless it says its burst."""
    assert Limit.parse(text) == limit


@pytest.mark.parametrize(
    "text", ["", "fast", "10", "10/x", "-1/s", "0/s", "in-flight 0", "burst 5", "10/s burst", 10, None]
)
def test_what_is_no_limit_is_refused(text: Any) -> None:
    """With a word on what would be right."""
    with pytest.raises(ValueError, match=r"should be|needs|pause"):
        Limit.parse(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1/s burst 99999999999999999999", "burst and in-flight should be up to 1000000"),
        ("1/s in-flight 99999999999999999999", "burst and in-flight should be up to 1000000"),
        (f"1/s burst {'9' * 5000}", "burst and in-flight should be up to 1000000"),
        ("9999999999999999999999/s", "its rate should be from 0.001/d to 1000000/s"),
        (f"{'9' * 5000}/s", "its rate should be from 0.001/d to 1000000/s"),
        ("0.0001/d", "its rate should be from 0.001/d to 1000000/s"),
    ],
)
def test_numbers_that_no_script_could_keep_are_refused(text: str, problem: str) -> None:
    """With what would be right."""
    with pytest.raises(ValueError, match=problem):
        Limit.parse(text)


def test_the_largest_and_the_smallest_numbers_are_limits() -> None:
    """As the error about others says."""
    assert Limit.parse("1000000/s burst 1000000 in-flight 1000000").burst == 1_000_000
    assert Limit.parse("0.001/d").rules()["interval"] == pytest.approx(86_400_000_000)


NAMES = ["api.example.com", "http://api.example.com", "api.example.com:8443", "*.example.com", "*", "default"]


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("api.example.com", "api.example.com"),
        ("http://api.example.com", "http://api.example.com"),
        ("https://api.example.com:8443", "api.example.com:8443"),
        ("https://api.example.com:9000", "api.example.com"),
        ("www.example.com", "*.example.com"),
        ("example.org", "*"),
    ],
)
def test_the_nearest_name_is_the_limit_of_an_origin(origin: str, name: str) -> None:
    """The origin, then host and port, then the host, then the longest pattern."""
    assert limit_for(origin, NAMES) == name


def test_default_is_for_origins_that_have_no_other_limit() -> None:
    """Each has one for itself; without it they have none."""
    assert limit_for("example.org", ["api.example.com", "default"]) == "default"
    assert limit_for("example.org", ["api.example.com"]) is None
    rules = rules_for(["example.org", "api.example.com"], {"api.example.com": "1/s", "default": "5/s"}, None)
    assert rules["origin:example.org"] == {"limit": "example.org"}
    assert rules["origin:api.example.com"] == {"limit": "api.example.com"}
    assert rules["limit:example.org"] == {"burst": 1, "interval": 200.0, "own": True}
    assert "limit:default" not in rules


def test_a_breaker_is_a_mapping_of_some_of_its_fields() -> None:
    """Times are durations; the scripts get ms."""
    breaker = Breaker.parse({"ratio": 0.25, "window": "1m"})
    assert breaker == Breaker(ratio=0.25, window=60.0)
    assert breaker.rules()["window"] == 60_000


@pytest.mark.parametrize(
    "value",
    [
        "on",
        {"ration": 1},
        {"ratio": 0},
        {"ratio": 2},
        {"minimum": 0},
        {"trials": "two"},
        {"minimum": 10**20},
        {"trials": 10**20},
        {"window": 0},
        {"shortest": "1m", "longest": "30s"},
    ],
)
def test_what_is_no_breaker_is_refused(value: Any) -> None:
    """Before a worker starts with it."""
    with pytest.raises(ValueError, match=r"should be|has no|needs"):
        Breaker.parse(value)


@pytest.mark.parametrize("value", [[], "10/s", {"a b": "1/s"}, {"a": "soon"}, {1: "1/s"}])
def test_what_are_no_limits_is_refused(value: Any) -> None:
    """The name of the wrong one is told."""
    with pytest.raises(ValueError, match=r"should be|not the name"):
        Limits.parse(value)
