"""Headers as no service should send them: a healthy poll goes on, whatever they say."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollers.answer import Answer
from pollers.conditions import asked_hold
from pollers.progress import NONE
from pollers.spec import PollSpec
from pollers.step import take_step
from pollers.transport import cookies

NOW, DEADLINE = 1e9, 1e9 + 3600
TIMES: dict[str, Any] = {"now": NOW, "deadline": DEADLINE, "min_interval": 0.5, "max_retry_after": 600}
#: Not https, from which no answer may lead to http.
URL = "http://api.example.com/jobs/1"
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
DATES = [
    "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
    "Sun, 99999999999999999999 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 +99999999999999999999",
    "Sun, 06 Nov 1994 99999999999999999999:49:37 GMT",
    "Sun, 06 Nov -1 08:49:37 GMT",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun Nov  6 08:49:37 0001",
    "Sun, 06 Nov 9999 23:59:59 -2359",
    *("", ",", "0,0,0,0,0,0", "\x00", "\xb2", "nan", "-inf", "1e999", "9" * 400, "9" * 5000, "-" + "9" * 400),
]
READ = [
    *("Date", "Last-Modified", "Expires", "Retry-After", "ETag", "Preference-Applied"),
    *("RateLimit", "RateLimit-Policy", "RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset"),
    *("Location", "Content-Type"),
]
PIECES = [*DATE.split(), "r=0", ";t=", "9" * 20, "http://", ":", "-1"]
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=30),
    st.sampled_from(DATES),
    st.lists(st.sampled_from(PIECES)).map("".join),
)
SPECS = [
    PollSpec.parse(URL, until="done", every="10s"),
    PollSpec.parse(URL, protocol="accepted", long_poll="30s"),
    PollSpec.parse(URL, until="done", on_deadline="succeed"),
]


def follow(headers: dict[str, str], status: int) -> None:
    """Take a step of each poll after an answer with these headers; all are pending."""
    answer = Answer(url=URL, status=status, headers=headers, body=b'{"done":false}', elapsed=0.1)
    for spec in SPECS:
        if status == 200 and spec.protocol:
            continue
        step = take_step(spec, NONE, answer, attempt=1, rng=random.Random(1), **TIMES)
        assert step.decision.state == "pending"
        assert step.due is not None
        assert NOW <= step.due.at <= DEADLINE
        assert json.loads(step.progress.to_json() or "{}").get("url", URL).lower().startswith("http")
    hold = asked_hold(answer, NOW, rate_limit_headers=True)
    assert hold >= 0
    assert not math.isnan(hold)


@pytest.mark.parametrize("status", [200, 202, 503])
@pytest.mark.parametrize("value", DATES)
def test_a_date_that_is_none_fails_no_healthy_poll(value: str, status: int) -> None:
    """Wherever it stands."""
    usual = {"Date": DATE, "RateLimit-Remaining": "0", "X-RateLimit-Remaining": "0"}
    for name in READ:
        follow(usual | {name: value}, status)
    for attribute in ("Expires", "Max-Age", "Path"):
        cookies.remember({}, URL, [f"a=b; {attribute}={value}"], NOW)


@given(st.dictionaries(st.sampled_from(READ), VALUES), st.sampled_from([200, 202, 429]))
def test_no_header_fails_a_healthy_poll(headers: dict[str, str], status: int) -> None:
    """Whatever Latin-1 can write."""
    follow(headers, status)
    cookies.remember({}, URL, headers.values(), NOW)
