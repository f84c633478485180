"""Cancel, nudge and revoke, on real workers."""

from __future__ import annotations

import time

import pytest
from celery import Celery, chain
from celery.exceptions import TaskRevokedError
from celery.utils import uuid

from pollers import PollCancelled, PollResult, PollTimeout, poll
from pollers.runtime import runtime_of
from tests.endpoints import Endpoint, Reply
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("worker")

#: Seconds that the request of an attempt that has begun may need to its server.
ON_ITS_WAY = 0.4


def _waiting(endpoint: Endpoint, path: str = "/never", every: float = 0.5) -> PollResult:
    url = endpoint.script(path, Reply(body={"status": "running"}))
    result = poll.delay(url, until="status == 'completed'", every=every, timeout=60)
    wait_until(lambda: endpoint.arrivals(path), 10)
    return result


def _left_alone_since(endpoint: Endpoint, moment: float, path: str = "/never") -> bool:
    """Let two cadences pass; return whether nothing came for a path but what was on its way."""
    other = endpoint.script("/other", Reply(), Reply(body=b"1"))
    poll.delay(other, until="@", every=1.5).get(timeout=20)
    return not [arrival for arrival in endpoint.arrivals(path) if arrival.at > moment + ON_ITS_WAY]


def test_a_cancelled_poll_never_runs_again(endpoint: Endpoint) -> None:
    """Whoever waits hears of it, and the endpoint is left alone."""
    result = _waiting(endpoint)
    assert result.cancel()
    cancelled = time.time()
    with pytest.raises(PollCancelled) as caught:
        result.get(timeout=10)
    assert caught.value.attempts >= 1
    assert result.state == "REVOKED"
    assert result.status().state == "cancelled"
    assert _left_alone_since(endpoint, cancelled)


def test_the_result_of_a_running_attempt_is_refused_after_a_cancel(endpoint: Endpoint) -> None:
    """Even when it says that the operation is complete."""
    url = endpoint.script("/slow", Reply(body={"status": "completed"}, delay=1.5))
    result = poll.delay(url, until="status == 'completed'", every=1)
    wait_until(lambda: endpoint.arrivals("/slow"), 10)
    assert result.cancel()
    with pytest.raises(PollCancelled):
        result.get(timeout=10)


def test_a_revoked_poll_is_cancelled(endpoint: Endpoint, application: Celery) -> None:
    """By Celery's remote control, as Flower's button sends it."""
    result = _waiting(endpoint)
    application.control.revoke(result.id)
    with pytest.raises(PollCancelled):
        result.get(timeout=10)
    assert result.status().state == "cancelled"


def test_revoking_a_result_cancels_its_poll(endpoint: Endpoint) -> None:
    """`AsyncResult.revoke`, even with ``terminate``."""
    result = _waiting(endpoint)
    result.revoke(terminate=True)
    with pytest.raises(PollCancelled):
        result.get(timeout=10)


def test_a_later_step_of_a_chain_is_revoked_before_it_begins(endpoint: Endpoint) -> None:
    """As any task of Celery's: it never runs, and whoever waits hears of it at once."""
    first = endpoint.script("/first", Reply(delay=1, body={"next": endpoint.url("/second")}))
    steps = chain(poll.s(first, until="next", returns="next", every=1), poll.s(until="@", every=1))
    last = steps.apply_async()
    wait_until(lambda: endpoint.arrivals("/first"))
    last.revoke()
    with pytest.raises(TaskRevokedError):
        last.get(timeout=10)
    assert last.parent.get(timeout=10) == endpoint.url("/second")
    after = poll.delay(endpoint.script("/after", Reply(), Reply(body=b"1")), until="@", every=0.5)
    after.get(timeout=10)
    assert endpoint.arrivals("/second") == []
    assert last.state == "REVOKED"


def test_a_poll_whose_id_was_revoked_elsewhere_is_delivered_all_the_same(
    endpoint: Endpoint, application: Celery
) -> None:
    """A worker that has the id in its list, of before its poll was one, does not discard the outcome."""
    poll_id = uuid()
    application.control.revoke(poll_id)
    store = runtime_of(application).store
    wait_until(lambda: store.stores[0].client.delete(store.stores[0].keys.ended(poll_id)))
    result = poll.apply_async(
        [endpoint.becomes("/job", {"status": "done"})], {"until": "status == 'done'"}, task_id=poll_id
    )
    wait_until(lambda: poll.AsyncResult(poll_id).state == "SUCCESS")
    assert result.status().state == "succeeded"


def test_a_nudged_poll_is_attempted_at_once(endpoint: Endpoint) -> None:
    """Long before its cadence says."""
    result = _waiting(endpoint, every=30.0)
    wait_until(lambda: result.status().state == "waiting", 10)
    nudged = time.monotonic()
    assert result.nudge()
    wait_until(lambda: len(endpoint.arrivals("/never")) == 2, 5)
    assert time.monotonic() - nudged < 2
    result.cancel()


def test_a_paused_poll_is_left_alone_until_it_is_resumed(endpoint: Endpoint) -> None:
    """Its status says so; then its next attempt comes at once."""
    result = _waiting(endpoint)
    assert result.pause()
    paused = time.time()
    wait_until(lambda: (result.status().state, result.status().next_due) == ("paused", None), 10)
    assert not result.nudge()
    assert _left_alone_since(endpoint, paused)
    seen = len(endpoint.arrivals("/never"))
    assert result.resume()
    wait_until(lambda: len(endpoint.arrivals("/never")) > seen, 5)
    assert not result.status().paused
    result.cancel()


def test_a_paused_poll_ends_at_its_deadline(endpoint: Endpoint) -> None:
    """With no attempt after the pause."""
    url = endpoint.script("/paused", Reply(body={"status": "running"}))
    result = poll.delay(url, until="status == 'completed'", every=0.5, timeout=2)
    assert result.pause()
    with pytest.raises(PollTimeout):
        result.get(timeout=10)


def test_a_finished_poll_can_be_neither_cancelled_nor_nudged(endpoint: Endpoint) -> None:
    """Both say so."""
    url = endpoint.script("/done", Reply(body={"ok": True}))
    result = poll.delay(url, until="ok")
    assert result.get(timeout=10) == {"ok": True}
    assert not result.cancel()
    assert not result.nudge()
    assert result.get(timeout=10) == {"ok": True}
