"""The spec of a poll: what is accepted, what is refused and how, and how it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollers.attempt import SHORTEST_REQUEST
from pollers.cadence import Exponential, Fixed
from pollers.errors import InvalidPoll
from pollers.plain_json import DEEPEST
from pollers.spec import Match, PollSpec
from pollers.transport import Request
from pollers.validation import SHORTEST_REQUEST_TIMEOUT

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


@pytest.mark.parametrize("name", ["protocol", "carry"])
def test_a_poll_whose_requests_are_its_own_cannot_share_them(name: str) -> None:
    """Neither what a convention leads to, nor what values of its answers are in."""
    own = {"protocol": "accepted", "carry": {"since": "next"}}[name]
    problems = _problems(f"{URL}?since={{since}}", coalesce=True, **{name: own})
    assert problems == {
        "coalesce": f"cannot be given beside {name}, which makes requests that no other poll makes"
    }


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
    ("carry", {"a b": "x"}, "word"),
    ("carry", {"a": "x["}, "JMESPath"),
    ("carry", [], "mapping"),
    ("conditional", "yes", "True or False"),
    ("keep_params", [1], "list of names"),
    ("max_attempts", 0, "1 or more"),
    ("max_errors", 2.5, "whole number"),
    ("max_attempts", 10**400, "whole number"),
    ("request_timeout", 0, "10ms or more"),
    ("request_timeout", 0.001, "10ms or more"),
    ("url", "http://*.example.com", "host"),
    ("url", "http://.example.com", "host"),
    ("url", "http://a..b/", "host"),
    ("url", "http://%zz/", "host"),
    ("url", f"http://{'a' * 70}.example.com", "host"),
    ("url", f"http://{'a.' * 130}example.com", "host"),
    ("url", "http://[::1", "URL"),
    ("url", "http://a\\@b/", "host"),
    ("url", "http://example.com/\ud800", "surrogate"),
    ("headers", {"X": "ł"}, "Latin-1"),
    ("headers", {"X": " a"}, "space"),
    ("headers", {"X": "a\t"}, "space"),
    ("headers", {"X": "a\x1b[2J"}, "one line"),
    ("json", ["\ud800"], "surrogate"),
    ("json", {"\udfff": 1}, "surrogate"),
    ("json", [10**5000], "JSON"),
    ("data", "\ud800", "surrogate"),
    ("until", "status == '\ud800'", "surrogate"),
    ("until", Match(text="\ud800"), "surrogate"),
    ("until", "(" * 5000, "too deeply"),
    ("until", Match(text="a{99999999999999999999}"), "regular expression"),
    ("until", Match(text="(" * 5000), "regular expression"),
    ("until", Match(header={}), "mapping"),
    (
        "until",
        {"status": 200, "stats": 3},
        "has 'stats', which is no part of a Match; did you mean 'status'?",
    ),
    ("until", "lenth(@)", "calls lenth(), which is not a function of JMESPath; did you mean length()?"),
    ("until", "length()", "calls length() with no arguments; it takes 1 argument"),
    ("until", "a[?contains(b, 'c') && lenght(d) > `1`].e | [0]", "did you mean length()?"),
    ("until", "sort_by(@, &lower(a))", "calls lower(), which is not a function"),
    ("until", Match(body="{a: sum(b, c)}"), "calls sum() with 2 arguments; it takes 1 argument"),
    ("fail_when", "merge()", "it takes 1 argument or more"),
    ("returns", "join(a)", "calls join() with 1 argument; it takes 2 arguments"),
    ("every", "1000y", "10m"),
    ("every", 1e300, "100 years"),
    ("every", {"exponential": {"factor": float("inf")}}, "from 1 to 1000"),
    ("every", {"exponential": {"factor": 10**400}}, "from 1 to 1000"),
    ("every", {"linear": {"start": "5m", "step": 1, "max": "1m"}}, "max is 1m, which is shorter than start"),
    ("timeout", 1e300, "100 years"),
    ("timeout", 10**400, "100 years"),
    ("timeout", float("inf"), "100 years"),
    ("timeout", timedelta.max, "100 years"),
    ("deadline", float("nan"), "datetime"),
    ("deadline", float("inf"), "datetime"),
    ("deadline", 10**400, "datetime"),
    ("deadline", datetime.now(UTC) + timedelta(days=40_000), "100 years"),
    ("auth", "Bearer abc", "the workers hold the secret itself"),
    ("auth", "", "such as render-api"),
    ("auth", {"token": "abc"}, "such as render-api"),
]


@pytest.mark.parametrize(("field", "value", "hint"), WRONG)
def test_a_wrong_parameter_is_named_with_what_would_be_right(field: str, value: Any, hint: str) -> None:
    """One rule per parameter."""
    params = {"url": URL, field: value}
    problems = _problems(params, now=datetime.now(UTC).timestamp())
    assert list(problems) == [field]
    assert hint in problems[field]


def test_a_secret_in_the_place_of_its_name_is_not_shown() -> None:
    """The error goes to logs."""
    with pytest.raises(InvalidPoll) as caught:
        PollSpec.parse(URL, auth="Bearer abc.def")
    assert "abc" not in repr(caught.value.args)


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
        ({"carry": {"at": "at"}}, "carry"),
        ({"keep_params": ["v"]}, "keep_params"),
    ],
)
def test_contradictions_are_refused(params: dict[str, Any], field: str) -> None:
    """Options that cannot both be meant."""
    assert list(_problems(URL, **params)) == [field]


def test_an_answer_cannot_say_whom_to_ask() -> None:
    """A carried value in the host would let it."""
    assert "no valid host" in _problems("http://api{at}/", carry={"at": "at"})["url"]


def test_a_poll_cannot_be_without_a_deadline() -> None:
    """None is no limit to Celery's users; what a spec says of itself is accepted again."""
    assert "needs a deadline" in _problems(URL, timeout=None)["timeout"]
    assert "needs a deadline" in _problems({"url": URL, "timeout": None})["timeout"]
    given = PollSpec.parse(URL, deadline=datetime(2100, 1, 1, tzinfo=UTC)).given()
    assert given["timeout"] is None
    assert PollSpec.parse(given).given() == given


def test_a_deadline_must_leave_time_for_an_attempt() -> None:
    """As a timeout must."""
    now = 1_900_000_000.0
    assert _problems(URL, deadline=now + 0.3, now=now) == {
        "deadline": "is in 300ms; one attempt needs 1s or more"
    }
    assert PollSpec.parse(URL, deadline=now + 1.5, now=now).timeout is None


def test_a_request_is_given_as_much_time_as_an_attempt_needs() -> None:
    """What is accepted is asked at least once."""
    assert SHORTEST_REQUEST_TIMEOUT >= SHORTEST_REQUEST


@pytest.mark.parametrize("levels", [DEEPEST + 1, 990, 100_000])
def test_json_is_not_nested_without_end(levels: int) -> None:
    """Whoever reads it would meet the limit of recursion."""
    nested: Any = 1
    for _ in range(levels):
        nested = [nested] if levels % 2 else {"a": nested}
    assert "nested too deeply" in _problems(URL, json=nested)["json"]


def test_json_may_be_as_deep_as_is_said() -> None:
    """With anything in the innermost list."""
    nested: Any = ["a", 1, None]
    for _ in range(DEEPEST - 1):
        nested = [nested, {}]
    assert PollSpec.parse(URL, json=nested).json == nested


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/",
        "http://render_farm-1/jobs",
        "http://xn--bcher-kva.example./",
        "http://bücher.example/",
        "http://127.0.0.1/",
        "http://[::1]:8080/",
        "https://user:pass@example.com/a%zz?b=%",
    ],
)
def test_a_host_has_many_forms(url: str) -> None:
    """Names, also of containers and in other alphabets, and addresses."""
    spec = PollSpec.parse(url)
    Request.of(spec).check()
    assert spec.url == url


@pytest.mark.parametrize("url", ["http://[v1.x]/", "http://ßa--_/", "http://ł:ł@example.com/"])
def test_what_no_request_can_carry_is_refused_at_last(url: str) -> None:
    """By the library that would write the request."""
    spec = PollSpec.parse(url)
    with pytest.raises(InvalidPoll) as caught:
        Request.of(spec).check()
    assert list(caught.value.problems) == ["url"]


@given(st.text("aZ0.-_~:/?#[]@!$&'()*+,;=%\\é☃ \x7f", max_size=12), st.sampled_from(["http", "HTTPS"]))
def test_a_url_that_is_accepted_can_be_sent(rest: str, scheme: str) -> None:
    """Whatever is in it."""
    try:
        request = Request.of(PollSpec.parse(f"{scheme}://{rest}"))
        request.check()
    except InvalidPoll as error:
        assert list(error.problems) == ["url"]  # noqa: PT017  # either is right
    else:
        assert request.wire.head


@given(st.text(max_size=8))
def test_a_header_that_is_accepted_can_be_sent(value: str) -> None:
    """Whatever is in it."""
    try:
        spec = PollSpec.parse(URL, headers={"X-Name": value})
    except InvalidPoll as error:
        assert list(error.problems) == ["headers"]  # noqa: PT017  # either is right
    else:
        assert Request.of(spec).wire.head


def test_a_secret_in_a_header_is_not_repeated() -> None:
    """By the error that refuses it."""
    for secret in ("sesame ", "sesame\n", "sesamł"):
        assert "sesam" not in _problems(URL, headers={"Authorization": secret})["headers"]


def test_there_is_one_positional_argument() -> None:
    """And it is the url, or what a chain's task before returned."""
    problems = _call_problems(("http://x", "y"), {})
    assert "2 positional arguments" in problems["args"]
    assert "absolute" in _call_problems((["x"],), {})["url"]
    assert "absolute" in _call_problems((42,), {})["url"]
    assert "missing" in _call_problems((), {})["url"]
    assert "list with the url" in _call_problems(URL, {})["args"]
    assert "list with the url" in _call_problems({"url": URL}, {})["args"]


def test_names_of_our_own_are_no_parameters() -> None:
    """A poll that is called with them is refused like any other."""
    assert list(_call_problems((URL,), {"now": 1, "min_interval": 2})) == ["now", "min_interval"]


def _call_problems(args: Any, params: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidPoll) as caught:
        PollSpec.of_call(args, params, min_interval=0.5, now=None)
    return caught.value.problems


def test_a_poll_without_a_url_is_refused() -> None:
    """Unless it is a step of a chain, which is not complete yet."""
    assert "missing" in _problems()["url"]
    assert PollSpec.check_partial({"until": "ok", "every": "2s"}) == {"until": "ok", "every": 2.0}


def test_a_partial_call_is_checked_too() -> None:
    """All that is known already."""
    with pytest.raises(InvalidPoll, match="did you mean 'every'"):
        PollSpec.check_partial({"evry": 1})
    with pytest.raises(InvalidPoll, match="absolute http or https URL"):
        PollSpec.check_partial({}, (42,))
    with pytest.raises(InvalidPoll, match="positional arguments"):
        PollSpec.check_partial({}, (URL, "x"))
    with pytest.raises(InvalidPoll, match="needs a deadline"):
        PollSpec.check_partial({"timeout": None})


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
        params={"p": [1, 2], "at": "{at}"},
        json={"x": None},
        until=["2xx"],
        fail_when=Match(text="no"),
        returns="a.b",
        pending_on=404,
        conditional=False,
        carry={"at": "at"},
        on_change={"task": "note"},
        long_poll=30,
        every=[1, 2, 3],
        timeout="1h",
        on_deadline="succeed",
        max_attempts=5,
        max_errors=2,
        request_timeout=3,
        auth="render-api",
    )
    assert PollSpec.from_json(spec.to_json()) == spec


def test_polls_share_what_they_ask_for_with_the_same_patience() -> None:
    """Whatever they make of the answer, and until when: else one would get the timeout of another."""

    def digest(**params: object) -> str:
        return PollSpec.parse(URL, coalesce=True, **params).request_digest

    assert digest() == digest(until="done", timeout=20, max_errors=1, every=2) == digest(request_timeout=10)
    assert len({digest(), digest(request_timeout=1), digest(headers={"Accept": "text/plain"})}) == 3


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
