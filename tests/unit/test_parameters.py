"""What is typed at the command line, as the parameters of a poll."""

from __future__ import annotations

from typing import Any

import pytest

from pollers.cli.parameters import ALL, Given
from pollers.errors import InvalidPoll
from pollers.spec import PollSpec


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("protocol", "azure-lro", "azure-lro"),
        (
            "protocol",
            '{"azure-lro": {"final-state-via": "location"}}',
            {"azure-lro": {"final-state-via": "location"}},
        ),
        ("carry", ("since=next", "at=a.b"), {"since": "next", "at": "a.b"}),
        ("conditional", "no", False),
        ("keep_params", ("api-version",), ["api-version"]),
        ("long_poll", "30s", 30.0),
        ("webhook", "http://me/", {"url": "http://me/", "auth": "webhook"}),
        (
            "acceptors",
            '[{"state": "success", "matcher": "status", "expected": 200}]',
            [{"state": "success", "matcher": "status", "expected": 200}],
        ),
    ],
)
def test_an_option_says_what_the_parameter_says(name: str, typed: Any, value: Any) -> None:
    """In the words of a shell."""
    others = {"protocol": "accepted"} if name == "keep_params" else {}
    url = "http://x/{since}{at}" if name == "carry" else "http://x/"
    spec, _ = Given(texts={"url": url, name: typed, **others}).parse(min_interval=0.5)
    assert getattr(spec, name) == value


@pytest.mark.parametrize(("name", "typed"), [("conditional", "maybe"), ("start", "1"), ("acceptors", "{")])
def test_what_is_typed_wrong_is_told(name: str, typed: str) -> None:
    """By its name."""
    with pytest.raises(InvalidPoll) as caught:
        Given(texts={"url": "http://x/", name: typed}).parse(min_interval=0.5)
    assert name in caught.value.problems


@pytest.mark.parametrize(
    ("name", "typed", "told"),
    [
        ("webhook", "{", "is not JSON: "),
        ("protocol", '{"azure-lro"', "is not JSON: "),
        ("webhook", '{"url": 1}', "has a url that is 1; it should be an absolute http or https URL"),
        ("webhook", "me", "has the scheme ''; "),
        ("start", "maybe", "is 'maybe'; it should be yes or no"),
        ("coalesce", "true", "is 'true'; it should be yes or no"),
    ],
)
def test_the_message_is_about_what_the_option_takes(name: str, typed: str, told: str) -> None:
    """And not about what it becomes."""
    with pytest.raises(InvalidPoll) as caught:
        Given(texts={"url": "http://x/", name: typed}).parse(min_interval=0.5)
    assert caught.value.problems[name].startswith(told)


def test_every_parameter_has_an_option_but_the_signature() -> None:
    """Which no shell can write."""
    assert {"url", "on_change", *ALL} == set(PollSpec.__dataclass_fields__)
