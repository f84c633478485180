"""Which answers are news."""

from __future__ import annotations

from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from pollers.answer import Answer
from pollers.conditions import Decision, failed, pending
from pollers.news import MOST, news_of
from pollers.progress import NONE, Progress
from pollers.spec import PollSpec

SIGNATURE = {"task": "note"}
NOT_YET = pending("not yet")


def _answer(body: bytes = b"{}", status: int = 200, **headers: str) -> Answer:
    return Answer(
        url="http://x/", status=status, headers=CaseInsensitiveDict(headers), body=body, elapsed=0.1
    )


def _changes(*answers: Answer, decision: Decision = NOT_YET, **params: Any) -> list[Any]:
    """Return the values that a poll would tell for answers one after another."""
    spec, progress, told = PollSpec.parse("http://x/", on_change=SIGNATURE, **params), NONE, []
    for answer in answers:
        news = news_of(spec, progress, answer, decision)
        told += [value for _, value in news.untold]
        progress = Progress(seen=news.seen, changes=news.changes)
    assert progress.changes == len(told)
    return told


@pytest.mark.parametrize(
    ("params", "answers", "told"),
    [
        ({}, [_answer(b"1"), _answer(b"1"), _answer(b"2"), _answer(b"1")], [1, 2, 1]),
        ({}, [_answer(b'{"a":1,"b":2}'), _answer(b'{"b": 2, "a": 1}')], [{"a": 1, "b": 2}]),
        ({}, [_answer(b"1", ETag='"x"'), _answer(b"2", ETag='"x"'), _answer(b"2", ETag='"y"')], [1, 2]),
        ({}, [_answer(b"text"), _answer(b"")], ["text", ""]),
        ({}, [_answer(b"1"), _answer(b"", 304), _answer(b"1")], [1]),
        ({"returns": "s"}, [_answer(b'{"s":1,"t":1}'), _answer(b'{"s":1,"t":2}', ETag='"y"')], [1]),
        ({"returns": "s"}, [_answer(b"<html>"), _answer(b'{"s":1}')], [1]),
        ({"pending_on": 404}, [_answer(b'"no"', 404), _answer(b'"yes"')], ["no", "yes"]),
    ],
)
def test_an_answer_is_news_when_it_differs(
    params: dict[str, Any], answers: list[Answer], told: list[Any]
) -> None:
    """In what is selected, or in its validator, or in its body; the first always."""
    assert _changes(*answers, **params) == told


def test_an_error_is_no_news() -> None:
    """The operation has not changed by it."""
    assert _changes(_answer(b"1", 404), decision=failed("HTTP 404", rejected=True)) == []
    assert _changes(_answer(b"1", 503), decision=pending("HTTP 503", transient=True)) == []


def test_what_cannot_be_told_for_long_is_told_in_short() -> None:
    """Only so many changes are kept; the next one is what the answer has become by then."""
    spec = PollSpec.parse("http://x/", on_change=SIGNATURE)
    full = Progress(seen="x", changes=MOST, untold=[[number, number] for number in range(1, MOST + 1)])
    assert len(news_of(spec, full, _answer(b"5"), pending("")).untold) == MOST
    after = Progress(seen="x", changes=MOST)
    assert news_of(spec, after, _answer(b"6"), pending("")).untold == ((MOST + 1, 6),)
