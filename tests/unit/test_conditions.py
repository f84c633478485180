"""What an answer means for its poll."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from jmespath.exceptions import UnknownFunctionError
from requests.structures import CaseInsensitiveDict

from pollers.answer import Answer, AnswerError
from pollers.conditions import Decision, decide, holds, retry_after
from pollers.spec import Match, PollSpec

RUNNING, COMPLETED = {"status": "running"}, {"status": "completed", "n": 7}


def _answer(
    status: int | None = 200, body: Any = None, error: AnswerError | None = None, **headers: str
) -> Answer:
    encoded = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Answer(
        url="http://x/",
        status=status,
        headers=CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()}),
        body=encoded,
        elapsed=0.1,
        error=error,
        error_text="it went wrong" if error else "",
    )


def _decide(answer: Answer, attempt: int = 1, errors: int = 0, **params: Any) -> Decision:
    spec = PollSpec.parse("http://x/", **params)
    return decide(spec, answer, attempt=attempt, errors=errors, now=1_700_000_000.0)


JMES = {"until": "status == 'completed'"}


@pytest.mark.parametrize(
    ("params", "answer", "state"),
    [
        ({}, _answer(200, RUNNING), "succeeded"),
        ({}, _answer(204), "succeeded"),
        ({}, _answer(202, RUNNING), "pending"),
        ({}, _answer(304), "pending"),
        (JMES, _answer(200, RUNNING), "pending"),
        (JMES, _answer(200, COMPLETED), "succeeded"),
        (JMES, _answer(202, COMPLETED), "succeeded"),
        (JMES, _answer(202, b""), "pending"),
        (JMES, _answer(500, COMPLETED), "pending"),
        (JMES, _answer(200, [1]), "pending"),
        (JMES, _answer(200, COMPLETED, content_type="text/html"), "succeeded"),
        ({"until": "length(@) > `2`"}, _answer(200, 5), "pending"),
        ({"until": "n"}, _answer(200, {"n": 0}), "succeeded"),
        ({"until": "n"}, _answer(200, {"n": []}), "pending"),
        ({"until": 404}, _answer(404), "succeeded"),
        ({"until": [200, 404]}, _answer(404), "succeeded"),
        ({"until": "2xx"}, _answer(202), "succeeded"),
        ({"until": Match(header={"x-state": "^done$"})}, _answer(200, x_state="done"), "succeeded"),
        ({"until": Match(header={"x-state": "^done$"})}, _answer(200, x_state="undone"), "pending"),
        ({"until": Match(text="fertig")}, _answer(200, b"ist fertig"), "succeeded"),
        ({"until": Match(status=200, body="ok")}, _answer(200, {"ok": False}), "pending"),
        ({"fail_when": "status == 'running'"}, _answer(200, RUNNING), "failed"),
        ({**JMES, "fail_when": 500}, _answer(500), "failed"),
        ({"pending_on": 404}, _answer(404), "pending"),
        ({"pending_on": [404]}, _answer(202), "succeeded"),
        (
            {"pending_on": Match(status=400, body="error == 'slow'")},
            _answer(400, {"error": "slow"}),
            "pending",
        ),
        ({"pending_on": Match(status=400, body="error == 'slow'")}, _answer(400, {"error": "no"}), "failed"),
        ({"fail_when": "4xx", "pending_on": 404}, _answer(404), "pending"),
        ({}, _answer(301), "failed"),
        ({}, _answer(401), "failed"),
        ({}, _answer(501), "failed"),
    ],
)
def test_an_answer_means(params: dict[str, Any], answer: Answer, state: str) -> None:
    """Conditions before statuses, except where a poll says what is pending."""
    assert _decide(answer, **params).state == state


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_some_statuses_are_transient(status: int) -> None:
    """Another attempt may not meet them."""
    decision = _decide(_answer(status), **JMES)
    assert (decision.state, decision.transient) == ("pending", True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_other_errors_are_permanent(status: int) -> None:
    """The poll is rejected, with the status as the reason."""
    decision = _decide(_answer(status), **JMES)
    assert (decision.state, decision.error) == ("failed", "PollRejected")
    assert str(status) in decision.reason


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (AnswerError.TIMEOUT, "pending"),
        (AnswerError.CONNECTION, "pending"),
        (AnswerError.DNS, "pending"),
        (AnswerError.MALFORMED, "pending"),
        (AnswerError.TLS, "failed"),
        (AnswerError.BODY_TOO_LARGE, "failed"),
        (AnswerError.REDIRECT, "failed"),
        (AnswerError.REFUSED, "failed"),
    ],
)
def test_an_error_without_a_response_is_transient_or_permanent(error: AnswerError, state: str) -> None:
    """By its kind; its sentence is the reason."""
    decision = _decide(_answer(None, error=error))
    assert decision.state == state
    assert decision.transient == (state == "pending")
    assert decision.reason == "it went wrong"


def test_a_body_that_is_not_json_is_transient() -> None:
    """A proxy's page in front of the service, for a while."""
    decision = _decide(_answer(200, b"<html>"), **JMES)
    assert (decision.state, decision.transient) == ("pending", True)


def test_only_a_value_that_a_function_is_not_made_for_is_not_found() -> None:
    """A function that does not exist is an error: a poll with one would never end well."""
    assert _decide(_answer(200, 5), until="length(@) > `2`").state == "pending"
    with pytest.raises(UnknownFunctionError):
        holds("lenth(@)", _answer(200, [1]))


def test_a_deeply_nested_body_is_not_json() -> None:
    """It breaks no worker."""
    assert _decide(_answer(200, b"[" * 100_000), **JMES).transient


@pytest.mark.parametrize(
    ("params", "body", "value"),
    [
        ({}, COMPLETED, COMPLETED),
        ({}, b"plain text", "plain text"),
        ({}, b"", ""),
        ({"returns": "n"}, COMPLETED, 7),
        ({"returns": "missing"}, COMPLETED, None),
        ({"returns": "length(n)"}, COMPLETED, None),
        ({}, "\ufeff{}".encode(), {}),
    ],
)
def test_the_value_is_what_returns_selects(params: dict[str, Any], body: Any, value: Any) -> None:
    """By default the JSON body, else the text."""
    assert _decide(_answer(200, body), **params) == Decision(state="succeeded", value=value)


@pytest.mark.parametrize("charset", ["idna", "punycode", "undefined", "no-such", "hex"])
def test_a_charset_that_is_none_of_a_body_means_utf_8(charset: str) -> None:
    """Python knows some that decode names, or nothing at all."""
    answer = _answer(200, "ist fertig: ä".encode(), content_type=f"text/plain; charset={charset}")
    assert _decide(answer, until=Match(text="fertig: ä")).value == "ist fertig: ä"


def test_too_many_errors_in_a_row_fail() -> None:
    """Counting this one."""
    assert _decide(_answer(503), max_errors=1).reason == "1 error: HTTP 503"
    assert _decide(_answer(503), errors=1, max_errors=2).reason == "2 errors in a row, the last: HTTP 503"
    assert _decide(_answer(503), errors=1, max_errors=3).state == "pending"
    assert _decide(_answer(503), errors=2, max_errors=3).error == "PollFailed"


def test_a_poll_that_is_pending_too_often_fails() -> None:
    """After the attempt that its limit names."""
    assert _decide(_answer(202), attempt=2, max_attempts=3).state == "pending"
    assert "after 1 attempt:" in _decide(_answer(202), max_attempts=1).reason
    assert "3 attempts" in _decide(_answer(202), attempt=3, max_attempts=3).reason
    assert _decide(_answer(200), attempt=3, max_attempts=3).state == "succeeded"


def test_the_last_value_is_offered_where_the_deadline_brings_success() -> None:
    """And only there."""
    params = {**JMES, "returns": "status"}
    assert _decide(_answer(200, RUNNING), on_deadline="succeed", **params).value == "running"
    assert _decide(_answer(200, RUNNING), **params).value is None


def test_without_a_condition_the_deadline_alone_brings_success() -> None:
    """A poll for the whole time; a convention knows better when there is a result."""
    assert _decide(_answer(200, RUNNING), on_deadline="succeed").state == "pending"
    assert _decide(_answer(200, RUNNING), on_deadline="succeed").value == RUNNING
    assert _decide(_answer(200, RUNNING), on_deadline="succeed", protocol="accepted").state == "succeeded"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120.0),
        ("Tuesday, 14-Nov-23 22:15:20 GMT", 120.0),
        ("Tue Nov 14 22:15:20 2023", 120.0),
        ("Tue, 14 Nov 2000 22:15:20 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_has_two_forms(header: str, seconds: float | None) -> None:
    """RFC 9110, section 10.2.3, with the three forms of an HTTP-date; what is malformed is left out."""
    assert retry_after({"Retry-After": header}, 1_700_000_000.0) == seconds


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live in another time zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize("header", ["Tue Nov 14 22:15:20 2023", "Tue, 14 Nov 2023 22:15:20 -0000"])
def test_a_date_without_a_zone_is_in_utc(header: str) -> None:
    """Wherever the worker stands (RFC 9110, section 5.6.7)."""
    assert retry_after({"Retry-After": header}, 1_700_000_000.0) == 120.0


def test_retry_after_counts_on_any_status() -> None:
    """On 202 as on 503."""
    for status in (202, 503, 200):
        assert _decide(_answer(status, RUNNING, retry_after="7"), **JMES).retry_after == 7.0
