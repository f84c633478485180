"""The ways that need no worker: called directly, and eagerly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from celery import chain

from pollers import Exponential, InvalidPoll, PollFailed, PollTimeout, app, poll
from pollers.runtime import runtime_of
from tests.endpoints import Endpoint, Reply
from tests.system.app import echo
from tests.waiting import wait_until

UNTIL = "status == 'completed'"
DONE = {"status": "completed", "n": 7}


@pytest.fixture
def eager() -> Iterator[None]:
    """Run tasks here."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


def test_a_poll_called_directly_polls_here(endpoint: Endpoint) -> None:
    """No broker, no Redis."""
    url = endpoint.becomes("/a", DONE, after=1)
    assert poll(url, until=UNTIL, returns="n", every="500ms") == 7
    assert len(endpoint.arrivals("/a")) == 2


def test_a_poll_called_directly_obeys_the_shortest_interval(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the settings, as on a worker: its jitter asks for less."""
    runtime = runtime_of(app)
    monkeypatch.setattr(runtime, "settings", replace(runtime.settings, min_interval=1.0))
    poll(endpoint.becomes("/a", DONE, after=1), until=UNTIL, every=Exponential(1, 1, jitter="equal"))
    first, second = endpoint.arrivals("/a")
    assert second.at - first.at >= 1.0


def test_a_poll_called_directly_raises_its_own_errors(endpoint: Endpoint) -> None:
    """The same as from a worker."""
    with pytest.raises(PollTimeout):
        poll(endpoint.becomes("/a", DONE, after=99), until=UNTIL, every=0.5, timeout=1)
    with pytest.raises(PollFailed):
        poll(endpoint.script("/b", Reply(body={"status": "failed"})), fail_when="status == 'failed'")
    with pytest.raises(InvalidPoll):
        poll("nonsense")


@pytest.mark.usefixtures("eager")
def test_an_eager_poll_runs_inside_the_caller(endpoint: Endpoint) -> None:
    """In a chain as alone."""
    url = endpoint.becomes("/a", DONE, after=1)
    assert poll.delay(url, until=UNTIL, returns="n", every=0.5).get() == 7
    result: Any = chain(echo.s(url), poll.s(until=UNTIL, returns="n"), echo.s()).delay()
    assert result.get() == 7


def test_apply_runs_inside_the_caller(endpoint: Endpoint) -> None:
    """And gives an EagerResult."""
    url = endpoint.becomes("/a", DONE, after=0)
    result = poll.apply((url,), {"until": UNTIL, "returns": "n"})
    assert (result.get(), result.state) == (7, "SUCCESS")


@pytest.mark.usefixtures("eager")
def test_an_eager_poll_with_wrong_parameters_raises_at_the_call() -> None:
    """As a submitted one does."""
    with pytest.raises(InvalidPoll, match="did you mean 'until'"):
        poll.delay("http://127.0.0.1/", untill="x")


def test_ctrl_c_ends_a_poll_at_once(endpoint: Endpoint) -> None:
    """With KeyboardInterrupt, in the middle of a wait."""
    url = endpoint.becomes("/a", DONE, after=99)
    code = f"from pollers import poll\npoll({url!r}, until={UNTIL!r}, every=30, timeout=60)"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: endpoint.arrivals("/a"), 20)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == -signal.SIGINT
    assert errors.strip().endswith("KeyboardInterrupt")
