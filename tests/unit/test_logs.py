"""The log: a line for each change with its fields, as JSON or for people, and none that nobody asked for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import Ignore

from pollers import log_lines
from pollers.answer import Answer, AnswerError
from pollers.engine import Settled
from pollers.errors import InvalidPoll, PollEnded, PollFailed
from pollers.observe.attempt_log import AttemptLog
from pollers.observe.logs import JsonFormatter, WithoutTasks
from pollers.store import Record, Settlement


def settled(state: str = "waiting", *, accepted: bool = True, **answer: Any) -> Settled:
    """Return an attempt after its settlement."""
    record = Record(2, "running", 3, 0, 0, 0, "timed_out", "", "{}", "", origin="api.example.com")
    due = 1_700_000_000_000 if state == "waiting" else 0
    settlement = Settlement("p", 3, state, due, "", "", "", trouble=bool(answer.get("error")))
    got = {"url": "", "status": 200, "headers": {}, "body": b"", "elapsed": 0.034, **answer}
    return Settled("p", record, settlement, accepted, Answer(**got))


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what was logged, as the JSON formatter writes it."""
    return [json.loads(JsonFormatter().format(record)) for record in caplog.records]


def test_an_attempt_is_one_line_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """With all that one looks for, as fields."""
    caplog.set_level(logging.DEBUG, "pollers.attempts")
    AttemptLog(0).observe([settled()])
    (line,) = lines(caplog)
    assert line.pop("time")
    assert line == {
        "level": "DEBUG",
        "logger": "pollers.attempts",
        "message": "Attempt 3 of poll p at api.example.com: 200 in 34 ms, pending, "
        "next due 2023-11-14T22:13:20.000+00:00",
        "event": "attempt",
        "poll_id": "p",
        "attempt": 3,
        "origin": "api.example.com",
        "status": 200,
        "error": None,
        "ms": 34,
        "decision": "pending",
        "next_due": "2023-11-14T22:13:20.000+00:00",
    }


def test_an_attempt_without_a_response_says_what_came_instead(caplog: pytest.LogCaptureFixture) -> None:
    """By the kind of the error; its text is not in the log."""
    caplog.set_level(logging.DEBUG, "pollers.attempts")
    AttemptLog(0).observe([settled(status=None, error=AnswerError.TIMEOUT, error_text="hush")])
    (line,) = lines(caplog)
    assert "timeout in 34 ms" in line["message"]
    assert line["error"] == "timeout"
    assert "hush" not in json.dumps(line)


def test_a_minute_of_attempts_is_one_line_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """However many there were."""
    caplog.set_level(logging.INFO, "pollers.attempts")
    now = 100.0
    log = AttemptLog(60, clock=lambda: now)
    for _ in range(10):
        log.observe([settled()] * 1000)
    now = 161.0
    log.observe([settled("succeeded"), settled(accepted=False), settled(error=AnswerError.DNS, elapsed=2.0)])
    log.observe([settled()])
    (line,) = lines(caplog)
    assert line["message"] == (
        "10003 attempts in 61 s: 10001 pending, 1 succeeded, 0 failed, 1 refused, 1 trouble; "
        "the slowest took 2000 ms"
    )
    assert (line["attempts"], line["pending"], line["slowest_ms"]) == (10003, 10001, 2000)


def test_one_attempt_in_a_minute_is_one(caplog: pytest.LogCaptureFixture) -> None:
    """The line reads as a sentence."""
    caplog.set_level(logging.INFO, "pollers.attempts")
    now = 100.0
    log = AttemptLog(60, clock=lambda: now)
    log.observe([])
    now = 161.0
    log.observe([settled()])
    (line,) = lines(caplog)
    assert line["message"].startswith("1 attempt in 61 s: 1 pending, ")


def test_a_log_that_wants_no_attempts_is_not_asked_for_each(caplog: pytest.LogCaptureFixture) -> None:
    """Once for a group."""
    caplog.set_level(logging.WARNING, "pollers.attempts")

    class Untouchable(list[Settled]):
        def __iter__(self) -> Iterator[Settled]:
            raise AssertionError("looked at")

    AttemptLog(60).observe(Untouchable([settled()]))


@pytest.mark.parametrize(
    ("state", "level"),
    [("succeeded", "INFO"), ("cancelled", "INFO"), ("failed", "WARNING"), ("timed_out", "WARNING")],
)
def test_a_bad_end_is_a_warning(state: str, level: str, caplog: pytest.LogCaptureFixture) -> None:
    """And a good one is not."""
    caplog.set_level(logging.INFO, "pollers.polls")
    log_lines.ended("p", state=state, origin="o", attempts=1, status=None, seconds=2.0, reason="why")
    (line,) = lines(caplog)
    assert line["level"] == level
    assert line["message"] == f"Poll p at o {state.replace('_', ' ')} after 1 attempt in 2.0 s: why"


def test_fields_with_secret_names_are_masked() -> None:
    """Whoever has logged them."""
    record = logging.makeLogRecord({"msg": "x", "api_key": "hush", "data_of": {"token": "hush", "size": 1}})
    text = JsonFormatter().format(record)
    assert "hush" not in text
    assert json.loads(text)["data_of"] == {"token": "***", "size": 1}


def test_an_exception_and_a_strange_field_are_one_line_too() -> None:
    """So that a collector gets whole records."""
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "x", "exc_info": (ValueError, error, error.__traceback__)})
    record.path = object()
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("ValueError: two\nlines")


class _Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def _endless() -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless |= {"me": endless, "again": [endless, endless]}
    return endless


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ({(1, 2): 3}, {"(1, 2)": 3}),
        ({b"a": 1}, {"b'a'": 1}),
        ({UUID(int=1): 1}, {str(UUID(int=1)): 1}),
        ([float("nan"), float("inf"), -float("inf"), 0.5], ["NaN", "Infinity", "-Infinity", 0.5]),
        ("a\ud800", "a?"),
        (_Unspeakable(), "<_Unspeakable>"),
        ({_Unspeakable(): 1}, {"<_Unspeakable>": 1}),
        (_endless(), {"me": "...", "again": ["...", "..."]}),
        ({1}, [1]),
        (None, None),
    ],
)
def test_whatever_is_logged_is_one_line_of_valid_json(field: Any, written: Any) -> None:
    """No line is lost, and nothing is raised into the application that logs."""

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    text = JsonFormatter().format(logging.makeLogRecord({"msg": "x", "field": field}))
    assert text.encode().count(b"\n") == 0
    assert json.loads(text, parse_constant=refused)["field"] == written


def test_nesting_without_end_is_cut_off() -> None:
    """And what no text can be made of costs the fields, not the line."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert '["..."]' in JsonFormatter().format(logging.makeLogRecord({"msg": "x", "field": deep}))
    line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "x", "field": 10**5000})))
    assert (line["message"], line["unwritten"]) == ("x", "ValueError in a field")


def test_a_message_whose_arguments_do_not_fit_is_not_lost() -> None:
    """Its words are there."""
    line = json.loads(JsonFormatter().format(logging.makeLogRecord({"msg": "%d polls", "args": ("x",)})))
    assert line["message"] == "%d polls (with arguments that do not fit)"


def test_no_field_takes_the_place_of_what_a_line_always_has() -> None:
    """Its level is the real one."""
    fields = {"time": 3, "level": "mine", "logger": "other", "exception": "none"}
    record = logging.makeLogRecord({"msg": "x", "name": "tests", "levelname": "INFO", **fields})
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "tests", "x")
    assert line["time"] != 3


@pytest.mark.parametrize(
    ("name", "level", "exc", "told"),
    [
        ("pollers.attempt", "INFO", None, False),
        ("pollers.poll", "INFO", None, False),
        ("pollers.poll", "INFO", PollFailed("x"), False),
        ("pollers.poll", "INFO", Ignore(), False),
        ("pollers.poll", "INFO", InvalidPoll("x"), True),
        ("pollers.poll", "INFO", ValueError("x"), True),
        ("pollers.poll", "ERROR", None, True),
        ("an.application", "INFO", None, True),
    ],
)
def test_lines_of_celery_about_packs_are_left_out(
    name: str, level: str, exc: Exception | None, told: bool
) -> None:
    """And about held tasks, whose ends have a line; never errors, nor other tasks."""
    context = {"name": name, "id": "1"} | ({"exc": repr(exc)} if exc else {})
    record = logging.LogRecord("tests.quiet", getattr(logging, level), "", 1, "%(name)s", (context,), None)
    quiet = WithoutTasks(("pollers.poll", "pollers.attempt"), PollEnded)
    logging.getLogger("tests.quiet").setLevel(logging.INFO)
    assert quiet.filter(record) is told
    logging.getLogger("tests.quiet").setLevel(logging.DEBUG)
    assert quiet.filter(record) is True


@pytest.mark.parametrize(("name", "told"), [("pollers.poll", False), ("an.application", True)])
def test_the_line_of_a_revoked_held_task_is_left_out(name: str, told: bool) -> None:
    """Which has no fields; at DEBUG it is back."""
    quiet = WithoutTasks(("pollers.poll", "pollers.attempt"), PollEnded)
    text = "Discarding revoked task: %s[%s]"
    record = logging.LogRecord("tests.quiet", logging.INFO, "", 1, text, (name, "1"), None)
    logging.getLogger("tests.quiet").setLevel(logging.INFO)
    assert quiet.filter(record) is told
    logging.getLogger("tests.quiet").setLevel(logging.DEBUG)
    assert quiet.filter(record) is True
