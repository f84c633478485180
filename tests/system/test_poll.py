"""A poll, end to end: submitted here, attempted by a real worker, delivered as a Celery result."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from pollers import (
    InvalidPoll,
    PollFailed,
    PollRejected,
    PollResult,
    PollTimeout,
    UnknownPoll,
    overview,
    poll,
)
from pollers.runtime import runtime_of
from tests.endpoints import Endpoint, Reply
from tests.system.workers import Worker
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("worker")

#: What the way from the beginning of an attempt to the server may differ by from one to another, in seconds.
JITTER = 0.1
DONE = {"status": "completed", "output": {"url": "https://cdn.example.com/42.mp4"}}
UNTIL = "status == 'completed'"


def test_a_poll_returns_the_value_when_its_condition_holds(endpoint: Endpoint) -> None:
    """After as many attempts as it takes."""
    url = endpoint.becomes("/renders/42", DONE, after=2)
    result = poll.delay(url, until=UNTIL, returns="output.url", every="500ms", timeout="30s")
    assert result.get(timeout=20) == "https://cdn.example.com/42.mp4"
    assert len(endpoint.arrivals("/renders/42")) == 3


def test_attempts_keep_their_cadence(endpoint: Endpoint) -> None:
    """The countdown is counted from attempt to attempt."""
    url = endpoint.becomes("/slow", DONE, after=3)
    poll.delay(url, until=UNTIL, every=0.8, timeout=30).get(timeout=20)
    times = [arrival.at for arrival in endpoint.arrivals("/slow")]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert min(waits) > 0.8 - JITTER


def test_a_failed_operation_raises_what_the_user_needs(endpoint: Endpoint) -> None:
    """Status, excerpt, attempts, elapsed seconds, and the url without its secrets."""
    url = endpoint.becomes("/broken", {"status": "failed", "error": "no disk"}, after=1)
    result = poll.delay(
        url + "?token=hush", until=UNTIL, fail_when="status == 'failed'", every=0.5, timeout=30
    )
    with pytest.raises(PollFailed) as caught:
        result.get(timeout=20)
    error = caught.value
    assert (error.status, error.attempts) == (200, 2)
    assert "no disk" in str(error.excerpt)
    assert 0.4 < error.elapsed < 5
    assert error.url.endswith("/broken?token=***")
    assert "hush" not in str(error)
    assert result.state == "FAILURE"


def test_a_poll_times_out_after_a_last_attempt(endpoint: Endpoint) -> None:
    """No attempt starts after the deadline, and the end comes within a second of it."""
    url = endpoint.becomes("/never", DONE, after=1000)
    started = time.time()
    with pytest.raises(PollTimeout) as caught:
        poll.delay(url, until=UNTIL, every=1.2, timeout=3).get(timeout=20)
    assert 3 <= caught.value.elapsed < 4
    assert max(arrival.at for arrival in endpoint.arrivals("/never")) < started + 3.05


def test_a_permanent_answer_rejects_the_poll(endpoint: Endpoint) -> None:
    """A 404 will not become anything else by asking again."""
    with pytest.raises(PollRejected, match="HTTP 404") as caught:
        poll.delay(endpoint.url("/nowhere"), timeout=30).get(timeout=20)
    assert caught.value.attempts == 1


def test_transient_errors_are_waited_out(endpoint: Endpoint) -> None:
    """503, a dropped connection and 429 with Retry-After all end well."""
    url = endpoint.script(
        "/shaky",
        Reply(503),
        Reply(drop=True),
        Reply(429, headers={"Retry-After": "1"}),
        Reply(body=DONE),
    )
    assert poll.delay(url, until=UNTIL, every=0.5, timeout=30).get(timeout=20) == DONE
    times = [arrival.at for arrival in endpoint.arrivals("/shaky")]
    assert times[-1] - times[-2] > 1 - JITTER


def test_too_many_errors_in_a_row_fail_the_poll(endpoint: Endpoint) -> None:
    """As many as `max_errors` says."""
    url = endpoint.script("/down", Reply(503))
    with pytest.raises(PollFailed, match="2 errors in a row"):
        poll.delay(url, until=UNTIL, every=0.5, timeout=30, max_errors=2).get(timeout=20)


def test_the_deadline_can_bring_success(endpoint: Endpoint) -> None:
    """With the value of the last answer."""
    url = endpoint.becomes("/counter", {"n": 2}, after=1, before={"n": 1})
    result = poll.delay(url, until="n == `99`", returns="n", every=1, timeout=2.5, on_deadline="succeed")
    assert result.get(timeout=20) == 2


def test_a_deadline_can_be_a_moment(endpoint: Endpoint) -> None:
    """An aware datetime, in any zone."""
    url = endpoint.becomes("/never", DONE, after=1000)
    deadline = datetime.now(UTC) + timedelta(seconds=2)
    result = poll.delay(url, until=UNTIL, every=1, deadline=deadline)
    assert abs(result.status().deadline - deadline) < timedelta(seconds=0.1)
    with pytest.raises(PollTimeout):
        result.get(timeout=10)


def test_the_status_tells_where_a_poll_stands(endpoint: Endpoint) -> None:
    """State, attempts, last answer, next due time and deadline; and the end."""
    url = endpoint.script("/status", Reply(body={"status": "running"}))
    result = poll.delay(url, until=UNTIL, every=1, timeout=60)
    status = result.status()

    def waits_again() -> bool:
        nonlocal status
        status = result.status()
        return status.attempts >= 1 and status.state == "waiting"

    wait_until(waits_again, 10)
    assert status.last_answer is not None
    assert (status.last_answer.status, status.url) == (200, url)
    assert "running" in status.last_answer.excerpt
    assert status.next_due is not None
    assert timedelta(0) < status.next_due - status.last_answer.at < timedelta(seconds=1.2)
    assert status.deadline - status.created == timedelta(seconds=60)
    endpoint.script("/status", Reply(body=DONE))
    result.get(timeout=20)
    wait_until(lambda: result.status().ended is not None, 5)
    asked = len(endpoint.arrivals("/status"))
    assert (result.status().state, result.status().attempts) == ("succeeded", asked)
    assert result.status().next_due is None


def test_a_result_is_found_by_its_id(endpoint: Endpoint) -> None:
    """In any process that imports pollers: the id is all that has to be remembered."""
    submitted = poll.delay(endpoint.becomes("/by-id", DONE), until=UNTIL)
    assert PollResult(submitted.id).get(timeout=20) == DONE


def test_nobody_knows_the_status_of_a_stranger() -> None:
    """A clear error instead of a made-up state."""
    with pytest.raises(UnknownPoll):
        poll.AsyncResult("no-such-poll").status()


def test_one_slow_endpoint_delays_no_other_poll(endpoint: Endpoint) -> None:
    """Both are due at once and travel in one pack, and the fast one keeps its cadence."""
    slow = endpoint.script("/slow", Reply(body={"status": "running"}, delay=4))
    fast = endpoint.becomes("/fast", DONE, after=4)
    poll.delay(slow, until=UNTIL, every=0.5, timeout=30)
    started = time.monotonic()
    poll.delay(fast, until=UNTIL, every=0.5, timeout=30).get(timeout=20)
    assert time.monotonic() - started < 3.9


def test_a_hanging_endpoint_costs_no_more_than_the_request_timeout(endpoint: Endpoint) -> None:
    """Then it is a transient error like others."""
    url = endpoint.script("/hangs", Reply(delay=30), Reply(body=DONE))
    result = poll.delay(url, until=UNTIL, every=0.5, request_timeout=1, timeout=30)
    assert result.get(timeout=10) == DONE


def test_invalid_parameters_are_told_at_the_call_and_nothing_is_stored(application: Any) -> None:
    """All of them, with the nearest right name for a misspelt one."""
    admitted = overview().admitted
    with pytest.raises(InvalidPoll) as caught:
        poll.delay("ftp://example.com", untill="x", every="fast", until="status ==")
    assert set(caught.value.problems) == {"url", "untill", "every", "until"}
    assert "did you mean 'until'" in caught.value.problems["untill"]
    assert overview().admitted == admitted


def test_options_that_cannot_work_are_refused(endpoint: Endpoint) -> None:
    """A first attempt after the deadline, a cadence below the minimum, a deadline in the past."""
    url = endpoint.url("/x")
    with pytest.raises(InvalidPoll, match="countdown"):
        poll.apply_async((url,), {"timeout": 10}, countdown=20)
    with pytest.raises(InvalidPoll, match="pollers_min_interval"):
        poll.delay(url, every=0.1)
    with pytest.raises(InvalidPoll, match="past"):
        poll.delay(url, deadline="2020-01-01T00:00:00+00:00")


def test_the_record_of_a_finished_poll_expires_with_its_result(
    endpoint: Endpoint, application: Any, worker: Worker
) -> None:
    """Nothing is left live, and the rest has a time to live."""
    url = endpoint.becomes("/done", DONE, after=0)
    result = poll.delay(url, until=UNTIL)
    result.get(timeout=10)
    store = runtime_of(application).store
    wait_until(lambda: store.client.exists(store.keys.ended(result.id)), 5)
    assert 86_000_000 < store.client.pttl(store.keys.ended(result.id)) <= 86_400_000
    assert not store.client.hexists(store.keys.polls, result.id)
    for key in (store.keys.schedule, store.keys.releases):
        assert store.client.zscore(key, result.id) is None


def test_cookies_of_a_service_come_back_with_the_next_attempt(endpoint: Endpoint) -> None:
    """Some keep the state of the operation nowhere else; another answer without them changes nothing."""
    running = {"status": "running"}
    url = endpoint.script(
        "/cookies",
        Reply(body=running, headers={"Set-Cookie": "operation=7"}),
        Reply(body=running),
        Reply(body={"status": "completed"}),
    )
    poll.delay(url, until="status == 'completed'", every=0.5).get(timeout=20)
    sent = [arrival.headers["Cookie"] for arrival in endpoint.arrivals("/cookies")]
    assert sent == [None, "operation=7", "operation=7"]


def test_a_credential_that_no_worker_knows_is_a_clear_permanent_error(endpoint: Endpoint) -> None:
    """Nothing is sent without it."""
    with pytest.raises(PollRejected, match="no credential 'nobodys' is known to this worker"):
        poll.delay(endpoint.url("/auth"), auth="nobodys").get(timeout=20)
    assert endpoint.arrivals("/auth") == []


def test_an_address_that_may_not_be_polled_is_a_clear_permanent_error() -> None:
    """However it is written."""
    with pytest.raises(
        PollRejected, match=r"169\.254\.169\.254 may not be polled: it is link-local"
    ) as caught:
        poll.delay("http://2852039166/latest/meta-data/").get(timeout=20)
    assert (caught.value.status, caught.value.attempts) == (None, 1)
