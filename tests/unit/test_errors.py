"""Errors say what happened, and survive pickling and Celery's result backends."""

import pickle

import pytest
from celery import Celery

import pollers
from pollers import InvalidPoll, PollCancelled, PollEnded, PollFailed, PollRejected, PollTimeout

ENDED = [PollFailed, PollRejected, PollTimeout, PollCancelled]


def _error(kind: type[PollEnded]) -> PollEnded:
    return kind.build(
        "status == 'failed' holds",
        url="https://api.example.com/renders/42",
        status=200,
        excerpt='{"status": "failed"}',
        attempts=3,
        elapsed=12.14,
    )


def test_the_message_tells_the_whole_story() -> None:
    """What, why, how often, how long, and the last answer."""
    assert str(_error(PollFailed)) == (
        "https://api.example.com/renders/42 failed: status == 'failed' holds "
        '(3 attempts in 12.1 s; last answer 200: {"status": "failed"})'
    )


def test_a_poll_without_an_attempt_has_no_last_answer() -> None:
    """And its message does not speak of one."""
    error = PollTimeout.build("x", url="u", status=None, excerpt=None, attempts=0, elapsed=1.0)
    assert str(error) == "u timed out: x (0 attempts in 1.0 s)"
    assert (error.status, error.excerpt) == (None, None)


def test_a_reason_is_not_said_twice() -> None:
    """Where no response came, the last answer is what went wrong."""
    error = PollFailed.build(
        "1 error: no connection", url="u", status=None, excerpt="no connection", attempts=1, elapsed=1.0
    )
    assert str(error) == "u failed: 1 error: no connection (1 attempt in 1.0 s)"
    assert error.excerpt == "no connection"


@pytest.mark.parametrize("kind", ENDED)
def test_an_error_survives_celerys_json_results(kind: type[PollEnded]) -> None:
    """Written and read by a real backend."""
    app = Celery("errors", backend="cache+memory://", set_as_current=False)
    app.backend.store_result("id", _error(kind), "FAILURE")
    read = app.AsyncResult("id").result
    assert type(read) is kind
    assert (str(read), read.args) == (str(_error(kind)), _error(kind).args)
    assert (read.status, read.attempts, read.elapsed) == (200, 3, 12.14)
    assert read.excerpt == '{"status": "failed"}'
    assert read.reason == "status == 'failed' holds"


@pytest.mark.parametrize("kind", ENDED)
def test_an_error_survives_pickling(kind: type[PollEnded]) -> None:
    """As between processes of a pool."""
    assert pickle.loads(pickle.dumps(_error(kind))).args == _error(kind).args


def test_an_invalid_poll_names_every_wrong_field() -> None:
    """And survives the same journey."""
    error = InvalidPoll.of({"url": "is missing", "every": "is no duration"})
    assert str(error) == "This poll is not valid. url: is missing; every: is no duration"
    app = Celery("errors", backend="cache+memory://", set_as_current=False)
    app.backend.store_result("id", error, "FAILURE")
    read = app.AsyncResult("id").result
    assert read.problems == {"url": "is missing", "every": "is no duration"}
    assert isinstance(read, ValueError)


def test_the_public_names_are_these() -> None:
    """A change here is a change for users."""
    assert pollers.__all__ == [
        "AlreadyEnded",
        "Exponential",
        "InvalidPoll",
        "InvalidSetting",
        "LastAnswer",
        "Linear",
        "Match",
        "Overview",
        "PastAttempt",
        "PollCancelled",
        "PollEnded",
        "PollError",
        "PollFailed",
        "PollRejected",
        "PollResult",
        "PollStatus",
        "PollTimeout",
        "StoreUnavailable",
        "UnknownPoll",
        "Waiter",
        "app",
        "credential",
        "overview",
        "poll",
        "setup",
    ]
    assert all(hasattr(pollers, name) for name in pollers.__all__)
