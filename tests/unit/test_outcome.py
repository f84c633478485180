"""What a finished poll gives its caller, also where somebody has damaged what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from pollers.errors import PollEnded, PollFailed, PollTimeout
from pollers.outcome import error_of, error_text, result_of, value_text
from pollers.store import Record

#: What a text of JSON may have become.
DAMAGED = ["{bad", "[]", "7", "null", '"reason"', "{}", '{"x":1e999}', "[" * 100_000]


def record(state: str, **fields: Any) -> Record:
    """Return the record of a poll that has ended."""
    given = {"spec": '{"url":"http://x/"}', "held": "", **fields}
    return Record(2, state, 3, 0, 0, 1, "timed_out", "", **given)


@pytest.mark.parametrize("outcome", ["", *DAMAGED])
def test_a_poll_that_timed_out_says_so(outcome: str) -> None:
    """Whatever has become of the reason."""
    error = error_of(record("timed_out", outcome=outcome))
    assert (type(error), error.reason) == (PollTimeout, "the deadline passed")


def test_a_poll_that_timed_out_tells_what_kept_it() -> None:
    """As `dispatch` has written it."""
    error = error_of(record("timed_out", outcome='{"reason":"the breaker was open"}'))
    assert (type(error), error.reason) == (PollTimeout, "the breaker was open")


@pytest.mark.parametrize("state", ["succeeded", "failed"])
@pytest.mark.parametrize("outcome", DAMAGED)
def test_a_damaged_outcome_is_a_failure(state: str, outcome: str) -> None:
    """It can be delivered."""
    with pytest.raises(PollFailed, match="its outcome in the store is damaged"):
        result_of(record(state, outcome=outcome))


@pytest.mark.parametrize("damaged", [*DAMAGED, '[200,"",1e999,1]', '[[],{},"x",null]'])
def test_what_else_is_damaged_keeps_no_outcome_back(damaged: str) -> None:
    """The spec, the progress or the last answer."""
    for field in ("spec", "progress", "answer"):
        assert result_of(record("succeeded", outcome=value_text(7), **{field: damaged})) == 7
        error = error_of(record("failed", outcome=error_text("PollFailed", "it broke"), **{field: damaged}))
        assert (type(error), error.reason) == (PollFailed, "it broke")
    assert isinstance(error_of(record("failed", spec='{"url":5}')), PollEnded)
    assert result_of(record("succeeded", progress="[" * 100_000)) is None
