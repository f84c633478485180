"""What a record says of its poll, as users see it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pollers.result import PollStatus
from pollers.store import Found, Record

CREATED_MS = 1_700_000_000_000


@pytest.mark.parametrize("ms", [1e303, float("inf"), float("nan"), 253_402_300_799_999, -(10**18)])
def test_a_record_with_an_absurd_moment_can_be_shown(ms: Any) -> None:
    """In every time zone, beside those that are in order."""
    record = Record(1, "waiting", 0, CREATED_MS, ms, 10_000, "timed_out", "", '{"url":"http://x/"}', "")
    status = PollStatus.of("p", Found(record, due_ms=ms, now_ms=CREATED_MS))
    assert status.created == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert 1969 <= status.deadline.astimezone().year <= 9999
