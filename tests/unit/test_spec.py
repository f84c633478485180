"""The spec of a poll: what is accepted, what is refused and how, and how it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollers.cadence import Exponential, Fixed
from pollers.errors import InvalidPoll
from pollers.spec import Match, PollSpec

URL = "https://api.example.com/renders/42"


def _problems(*args: Any, **params: Any) -> dict[str, str]:
    with pytest.raises(InvalidPoll) as caught:
        PollSpec.parse(*args, **params)
    return caught.value.problems


def test_a_url_is_enough() -> None:
    """Everything else has a default."""
    spec = PollSpec.parse(URL)
    assert (spec.method, spec.every, spec.timeout, spec.request_timeout) == ("GET", 5.0, 600.0, 10.0)
    assert spec.to_json() == f'{{"url":"{URL}"}}'


def test_a_mapping_may_take_the_place_of_the_url() -> None:
    """As a chain's parent may give; what is named twice is refused."""
    assert PollSpec.parse({"url": URL, "every": 7}, timeout="1m").every == 7.0
    assert _problems({"url": URL, "every": 7}, every=8) == {"every": "is given twice"}
    assert "url" in _problems({"every": 7})


WRONG: list[tuple[str, Any, str]] = [
    ("url", "ftp://example.com", "http"),
    ("url", "example.com/x", "http"),
    ("url", "http://", "host"),
    ("url", "http://exa mple.com/", "space"),
    ("url", "http://example.com:99999/", "URL"),
    ("url", 42, "absolute"),
    ("untill", "x", "did you mean 'until'"),
    ("method", "GET IT", "HTTP method"),
    ("priority", "urgent", "high, normal, low"),
    ("tenant", "two words", "word"),
    ("limit", "", "word"),
    ("tags", ["a b"], "word"),
    ("tags", [str(number) for number in range(17)], "16"),
    ("headers", {"X": "a\r\nb"}, "one line"),
    ("headers", {"X Y": "a"}, "header name"),
    ("headers", ["a"], "mapping"),
    ("json", object(), "JSON"),
    ("json", float("nan"), "JSON"),
    ("params", {"a": {1}}, "JSON"),
    ("until", "status ==", "position 9"),
    ("until", "status == 'x", "JMESPath"),
    ("until", 99, "100 to 599"),
    ("until", [], "empty"),
    ("until", True, "100 to 599"),
    ("until", {"state": 200}, "Match"),
    ("until", Match(), "Match"),
    ("until", Match(text="("), "regular expression"),
    ("until", Match(status="6xx"), "5xx"),
    ("returns", "a[", "JMESPath"),
    ("returns", 5, "JMESPath"),
    ("pending_on", ["status == 1"], "status"),
    ("every", "fast", "10m"),
    ("every", 0.1, "pollers_min_interval"),
    ("every", [5, 0.1], "pollers_min_interval"),
    ("every", Exponential(0.1, 5), "pollers_min_interval"),
    ("timeout", 0.5, "one attempt"),
    ("timeout", "forever", "10m"),
    ("deadline", datetime(2030, 1, 1), "time zone"),
    ("deadline", "tomorrow", "ISO 8601"),
    ("deadline", datetime(2020, 1, 1, tzinfo=UTC), "past"),
    ("on_deadline", "explode", "succeed"),
    ("max_attempts", 0, "1 or more"),
    ("max_errors", 2.5, "whole number"),
    ("request_timeout", 0, "more than 0"),
]


@pytest.mark.parametrize(("field", "value", "hint"), WRONG)
def test_a_wrong_parameter_is_named_with_what_would_be_right(field: str, value: Any, hint: str) -> None:
    """One rule per parameter."""
    params = {"url": URL, field: value}
    problems = _problems(params, now=datetime.now(UTC).timestamp())
    assert list(problems) == [field]
    assert hint in problems[field]


@given(st.sets(st.sampled_from(range(len(WRONG))), min_size=1))
def test_all_wrong_parameters_are_named_at_once(chosen: set[int]) -> None:
    """Nobody fixes them one by one."""
    wrong = {WRONG[index][0]: WRONG[index][1] for index in sorted(chosen)}
    problems = _problems(now=datetime.now(UTC).timestamp(), **({"url": URL} | wrong))
    assert set(wrong) <= set(problems)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"json": {}, "data": "x"}, "data"),
        ({"timeout": 5, "deadline": datetime.now(UTC) + timedelta(days=1)}, "timeout"),
        ({"until": "ok", "fail_when": "ok"}, "fail_when"),
    ],
)
def test_contradictions_are_refused(params: dict[str, Any], field: str) -> None:
    """Options that cannot both be meant."""
    assert list(_problems(URL, **params)) == [field]


def test_a_poll_without_a_url_is_refused() -> None:
    """Unless it is a step of a chain, which is not complete yet."""
    assert "missing" in _problems()["url"]
    assert PollSpec.check_partial({"until": "ok", "every": "2s"}) == {"until": "ok", "every": 2.0}


def test_a_partial_call_is_checked_too() -> None:
    """All that is known already."""
    with pytest.raises(InvalidPoll, match="did you mean 'every'"):
        PollSpec.check_partial({"evry": 1})


def test_a_partial_call_can_be_completed() -> None:
    """What `check_partial` returns is accepted by `parse` and means the same."""
    params = {
        "until": Match(status=[200, "4xx"], header={"X": "y"}, body="ok", text="z"),
        "every": Exponential("1s", "1m", jitter="full"),
        "deadline": datetime(2100, 1, 1, tzinfo=UTC),
        "pending_on": [404, Match(status=400, body="error == 'authorization_pending'")],
    }
    plain = PollSpec.check_partial(params)
    assert PollSpec.parse(URL, **plain) == PollSpec.parse(URL, **params)


def test_a_spec_survives_being_written() -> None:
    """To JSON and back."""
    spec = PollSpec.parse(
        URL,
        method="post",
        headers={"A": "b"},
        params={"p": [1, 2]},
        json={"x": None},
        until=["2xx"],
        fail_when=Match(text="no"),
        returns="a.b",
        pending_on=404,
        every=[1, 2, 3],
        timeout="1h",
        on_deadline="succeed",
        max_attempts=5,
        max_errors=2,
        request_timeout=3,
    )
    assert PollSpec.from_json(spec.to_json()) == spec


def test_fields_of_later_versions_are_left_out() -> None:
    """A record may have been written by a newer release."""
    assert PollSpec.from_json(f'{{"url":"{URL}","charm":"strange"}}') == PollSpec.parse(URL)


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"until":"x"}', "\x00"])
def test_a_damaged_spec_is_a_value_error(damaged: str) -> None:
    """And nothing else."""
    with pytest.raises(ValueError, match=r"."):
        PollSpec.from_json(damaged)


def test_the_cadence_is_the_one_that_was_asked_for() -> None:
    """Built from its plain form."""
    assert PollSpec.parse(URL, every="7s").cadence == Fixed(7.0)
    exponential = Exponential(1, 60, jitter="full")
    assert PollSpec.from_json(PollSpec.parse(URL, every=exponential).to_json()).cadence == exponential


def test_what_is_shown_has_no_secrets() -> None:
    """For Flower, commands and errors."""
    spec = PollSpec.parse(URL + "?token=x", headers={"Authorization": "Bearer x"})
    assert spec.shown() == {"url": URL + "?token=***", "headers": {"Authorization": "***"}}
