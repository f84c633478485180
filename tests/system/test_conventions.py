"""Conventions and starts, end to end: one real worker, one service."""

from __future__ import annotations

import pytest
from celery import chain

from pollers import poll
from tests.endpoints import Endpoint, Reply
from tests.system.app import echo

pytestmark = pytest.mark.usefixtures("worker")

ACCEPTED = Reply(202, b"", {"Location": "/jobs/1", "Retry-After": "1"})


def test_a_worker_starts_an_operation_and_returns_its_final_result(endpoint: Endpoint) -> None:
    """With the id of the poll as the key, at once, and Retry-After before the next attempt."""
    endpoint.script("/jobs/1", Reply(303, headers={"Location": "/result"}))
    endpoint.script("/result", Reply(200, {"n": 7}))
    started = poll.start("POST", endpoint.script("/jobs", ACCEPTED), json={"x": 1}, returns="n")
    assert started.get(timeout=20) == 7
    (start,), (followed,) = endpoint.arrivals("/jobs"), endpoint.arrivals("/jobs/1")
    assert start.headers["Idempotency-Key"] == started.id
    assert followed.at - start.at >= 0.9


def test_a_start_is_a_step_of_a_chain(endpoint: Endpoint) -> None:
    """As any poll is."""
    endpoint.script("/jobs/1", Reply(200, {"n": 7}))
    url = endpoint.script("/jobs", ACCEPTED)
    steps = chain(echo.s(url), poll.s(method="POST", start=True, protocol="accepted", returns="n"), echo.s())
    assert steps.delay().get(timeout=20) == 7


def test_workers_follow_a_convention_of_the_application(endpoint: Endpoint) -> None:
    """Which its module registers, where it is submitted and in the worker alike."""
    url = endpoint.script("/a", *[Reply(200, {"n": number}) for number in (1, 2, 3)])
    assert poll.delay(url, protocol="tests-third", returns="n", every=0.5).get(timeout=20) == 3
