"""Polls followed to their end at once, in both forms: as they run here, and as workers attempt them."""

from __future__ import annotations

import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pytest

from pollers import attempt, outcome
from pollers.attempt import Attempt
from pollers.local import Attempted, run_here
from pollers.spec import PollSpec
from pollers.store import Record
from pollers.transport import Transport
from tests.endpoints import Endpoint

#: Attempts after which a poll has lost its way.
MOST = 50


class Follower(ABC):
    """Calls follow a poll to its end, without the waits between attempts, which are noted."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        #: Seconds between the attempts of the last poll, as they would have been waited.
        self.waits: list[float] = []

    def __call__(self, url: str, **params: Any) -> Any:
        """Return the value of a poll, or raise its error."""
        self.waits = []
        params.setdefault("max_attempts", MOST)
        return self.follow(PollSpec.parse(url, **params))

    @abstractmethod
    def follow(self, spec: PollSpec) -> Any:
        """Follow a poll."""


class Here(Follower):
    """As `poll(url, ...)` and `pollers run` do."""

    def follow(self, spec: PollSpec) -> Any:
        def note(attempted: Attempted) -> None:
            if attempted.due is not None:
                self.waits.append(round(attempted.due - time.time(), 1))

        return run_here(spec, self.transport, wait=lambda _: False, on_attempt=note, rng=random.Random(1))


class ByWorkers(Follower):
    """As workers do: each attempt gets the record alone, as text, and none is like the one before."""

    def follow(self, spec: PollSpec) -> Any:
        now = round(time.time() * 1000)
        deadline = now + round(1000 * (spec.timeout or 0))
        record = Record(1, "running", 0, now, deadline, 1, "timed_out", "", spec.to_json(), "")
        while True:
            record = record._replace(attempt=record.attempt + 1)
            attempt._parsed.cache_clear()
            attempt._leading_request.cache_clear()
            one = Attempt("p-1", record, time.time)
            settled = attempt.settlement_of(one, attempt.ask(one, self.transport), 0.5, 3600.0)
            assert settled is not None
            record = record._replace(
                state=settled.state,
                progress=settled.progress,
                answer=settled.answer,
                outcome=settled.outcome,
            )
            assert json.loads(record.progress or "{}") != {} or record.progress == ""
            if record.ended:
                return outcome.result_of(record)
            self.waits.append(round(settled.due_ms / 1000 - time.time(), 1))


@pytest.fixture(scope="session")
def transport() -> Iterator[Transport]:
    """Return a transport."""
    made = Transport()
    yield made
    made.close()


@pytest.fixture(params=[Here, ByWorkers])
def follow(request: pytest.FixtureRequest, transport: Transport) -> Follower:
    """Return each of the two forms of following a poll."""
    follower: Follower = request.param(transport)
    return follower


@pytest.fixture(scope="session")
def service() -> Iterator[Endpoint]:
    """Return the HTTP server of all these tests."""
    with Endpoint() as server:
        yield server


@pytest.fixture
def endpoint(service: Endpoint) -> Endpoint:
    """Return a scriptable HTTP server that knows nothing of the tests before."""
    service.forget()
    return service
