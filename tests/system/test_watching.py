"""Watching a poll from an application: its history, each attempt as it is made, asyncio."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import chain
from celery.exceptions import TimeoutError as CeleryTimeoutError

from pollers import AlreadyEnded, PastAttempt, PollFailed, PollResult, UnknownPoll, poll
from tests.endpoints import Endpoint
from tests.system import app as tasks
from tests.system.commands import Commands

pytestmark = pytest.mark.usefixtures("worker")

DONE = "status == 'completed'"


def submit(endpoint: Endpoint, path: str = "/job", after: int = 1, status: str = "completed") -> PollResult:
    """Submit a poll that ends after some attempts."""
    url = endpoint.becomes(path, {"status": status, "n": 3}, after=after)
    return poll.delay(url, until=DONE, fail_when="status == 'failed'", every=0.5, timeout=30)


def test_each_attempt_is_told_soon_after_it_was_made(endpoint: Endpoint) -> None:
    """To a progress bar, say; then the value is returned."""
    told: list[tuple[PastAttempt, float]] = []

    value = submit(endpoint).wait(20, on_attempt=lambda one: told.append((one, time.time())))

    assert value == {"status": "completed", "n": 3}
    attempts = [one for one, _ in told]
    assert [(one.attempt, one.status, one.decision) for one in attempts] == [
        (1, 200, "pending"),
        (2, 200, "succeeded"),
    ]
    assert "running" in attempts[0].excerpt
    assert all(at - one.at.timestamp() < 1.5 for one, at in told)


def test_the_history_is_there_when_the_poll_has_ended(endpoint: Endpoint) -> None:
    """With what each attempt came to."""
    result = submit(endpoint, after=1, status="failed")
    with pytest.raises(PollFailed):
        result.get(timeout=20)
    assert [(one.attempt, one.decision) for one in result.history()] == [(1, "pending"), (2, "failed")]


def test_waiting_has_an_end(endpoint: Endpoint) -> None:
    """Celery's own error, after the time that was given; the poll goes on."""
    result = submit(endpoint, after=100)
    with pytest.raises(CeleryTimeoutError):
        result.wait(0.3, on_attempt=print)
    with pytest.raises(CeleryTimeoutError):
        asyncio.run(result.aget(timeout=0.3))
    with pytest.raises(CeleryTimeoutError):
        result.wait(0.1)
    assert result.cancel()


def test_many_polls_are_awaited_in_one_loop(endpoint: Endpoint) -> None:
    """The loop goes on meanwhile; a failed poll raises, or is returned when that is asked for."""
    results = [submit(endpoint, f"/{number}", after=1) for number in range(10)]
    failing = submit(endpoint, "/failing", after=1, status="failed")

    async def main() -> int:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(beat())
        values = await asyncio.gather(*(result.aget(timeout=20) for result in results))
        assert values == [{"status": "completed", "n": 3}] * 10
        with pytest.raises(PollFailed):
            await failing.aget(timeout=20)
        assert isinstance(await failing.aget(propagate=False), PollFailed)
        beating.cancel()
        return beats

    assert asyncio.run(main()) > 10


def test_attempts_are_iterated_over_in_asyncio(endpoint: Endpoint) -> None:
    """From the first to the last."""
    result = submit(endpoint)

    async def main() -> list[int]:
        return [attempt.attempt async for attempt in result]

    assert asyncio.run(main()) == [1, 2]


def attempts_of(result: PollResult, timeout: float | None = None) -> list[int]:
    """Return the numbers of the attempts that an iteration yields."""

    async def main() -> list[int]:
        return [attempt.attempt async for attempt in (result.attempts(timeout) if timeout else result)]

    return asyncio.run(asyncio.wait_for(main(), 20))


def test_an_iteration_over_a_poll_that_nobody_knows_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """With UnknownPoll, once it could have been admitted; or with the timeout before."""
    with pytest.raises(CeleryTimeoutError):
        attempts_of(PollResult("nobody-knows"), 0.2)
    monkeypatch.setattr("pollers.result.ADMISSION", 0.5)
    with pytest.raises(UnknownPoll, match="nobody-knows"):
        attempts_of(PollResult("nobody-knows"))


def test_an_iteration_waits_for_the_steps_before(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than a poll may be unknown otherwise."""
    monkeypatch.setattr("pollers.result.ADMISSION", 0.5)
    second = endpoint.becomes("/second", {"status": "completed"}, after=1)
    first = endpoint.becomes("/first", {"next": second}, after=4)
    ends = chain(
        poll.s(first, until="next", returns="next", every=0.5), poll.s(until=DONE, every=0.5, timeout=30)
    ).delay()
    assert attempts_of(ends) == [1, 2]


def test_a_cancelled_wait_ends_at_once(endpoint: Endpoint) -> None:
    """And the loop closes without waiting for a thread that waits for the poll."""
    result = submit(endpoint, after=100)

    async def main() -> None:
        waiting = asyncio.create_task(result.aget())
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    began = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - began < 2
    assert result.cancel()


def test_the_end_of_a_chain_is_waited_for(endpoint: Endpoint) -> None:
    """Also before its poll is admitted; a step that fails before it is raised."""
    url = endpoint.becomes("/chained", {"status": "completed"}, after=1)
    ends = chain(tasks.echo.s(url), poll.s(until=DONE, every=0.5, timeout=30)).delay()
    told: list[int] = []
    assert ends.wait(20, on_attempt=lambda one: told.append(one.attempt)) == {"status": "completed"}
    assert told == [1, 2]


@pytest.mark.slow
def test_one_poll_is_shown_until_it_ends(endpoint: Endpoint, tmp_path: Path, shared_redis_url: str) -> None:
    """Its attempts as they are made, then its outcome; for programs a line each."""
    pollers = Commands(tmp_path, {"POLLERS_REDIS_URL": shared_redis_url})
    result = submit(endpoint, after=3)
    lines = pollers("show", result.id, "--follow", "--json").out.splitlines()
    assert [json.loads(line)["attempt"] for line in lines[:-1]] == [1, 2, 3, 4]
    assert json.loads(lines[-1])["state"] == "succeeded"
    followed = pollers("show", result.id, "--follow")
    assert [line.split()[1] for line in followed.err.splitlines()] == ["#1", "#2", "#3", "#4"]
    assert '"status": "completed"' in followed.out
    shown = pollers("show", result.id).out.splitlines()
    assert shown[-1].split()[1:3] == ["#4", "200"]


def test_a_poll_is_rescheduled(endpoint: Endpoint) -> None:
    """An hour to the next attempt becomes half a second."""
    url = endpoint.becomes("/slow", {"status": "completed"}, after=1)
    result = poll.delay(url, until=DONE, every="1h", timeout="2h")
    later = datetime.now(UTC) + timedelta(hours=3)
    result.reschedule(every=0.5, deadline=later)
    assert abs((result.status().deadline - later).total_seconds()) < 0.01
    assert result.get(timeout=20) == {"status": "completed"}
    with pytest.raises(AlreadyEnded):
        result.reschedule(every=5)
