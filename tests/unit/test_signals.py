"""What an answer says about its origin."""

from __future__ import annotations

from dataclasses import replace

import pytest
from requests.structures import CaseInsensitiveDict

from pollers.answer import Answer, AnswerError
from pollers.conditions import asked_hold, is_trouble

NOW = 1_800_000_000.0


def _answer(status: int | None = 200, error: AnswerError | None = None, **headers: str) -> Answer:
    named = CaseInsensitiveDict({name.replace("_", "-"): text for name, text in headers.items()})
    return Answer(url="", status=status, headers=named, body=b"", elapsed=0.1, error=error)


@pytest.mark.parametrize(
    ("status", "asked"), [(429, 7.0), (503, 7.0), (200, 0.0), (202, 0.0), (404, 0.0), (500, 0.0)]
)
def test_retry_after_speaks_for_the_origin_with_two_statuses(status: int, asked: float) -> None:
    """With others it is about this resource: when to look again."""
    assert asked_hold(_answer(status, Retry_After="7"), NOW, rate_limit_headers=False) == asked


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"RateLimit": '"default";r=0;t=30'}, 30.0),
        ({"RateLimit": '"default";r=5;t=30'}, 0.0),
        ({"RateLimit": '"burst";r=0;t=3, "daily";r=0;t=900'}, 900.0),
        ({"RateLimit": '"hour";r=0', "RateLimit-Policy": '"burst";q=10;w=1,"hour";q=100;w=3600'}, 3600.0),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 50.0),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "12"}, 12.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 40)}, 40.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) - 40)}, 0.0),
        ({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "40"}, 0.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, 0.0),
        ({"RateLimit": "nonsense;;r=x"}, 0.0),
    ],
)
def test_headers_that_say_nothing_left_hold_the_origin_where_they_are_read(
    headers: dict[str, str], asked: float
) -> None:
    """Until their window is over; a large reset is a moment."""
    answer = Answer(url="", status=200, headers=CaseInsensitiveDict(headers), body=b"", elapsed=0.1)
    assert asked_hold(answer, NOW, rate_limit_headers=True) == asked
    assert asked_hold(answer, NOW, rate_limit_headers=False) == 0


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_transient_statuses_are_trouble(status: int) -> None:
    """As are timeouts and broken connections; what is wrong with one poll is not."""
    assert is_trouble(_answer(status))
    assert is_trouble(_answer(None, AnswerError.TIMEOUT))
    assert is_trouble(_answer(None, AnswerError.CONNECTION))
    assert is_trouble(_answer(404)) is False
    assert not is_trouble(_answer(None, AnswerError.REFUSED))


def test_a_timeout_tells_nothing_where_the_deadline_had_left_no_time() -> None:
    """Neither that the origin is unwell nor that it is well."""
    assert is_trouble(replace(_answer(None, AnswerError.TIMEOUT), cut_short=True)) is None
