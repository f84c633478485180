"""The engine, on a real store and a real endpoint: what it makes of the trouble that it meets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pollers.attempt import Attempt
from pollers.engine import Engine, Settled
from pollers.progress import Progress
from pollers.settings import Settings
from pollers.spec import PollSpec
from pollers.store import Store, Submission
from pollers.transport import Transport
from tests.endpoints import Endpoint, Reply


class World:
    """A store, a transport, and what was settled by engines of this process."""

    def __init__(self, redis_url: str) -> None:
        self.settings = Settings(redis_url=redis_url)
        self.store = Store.connect(self.settings)
        self.transport = Transport()
        self.seen: list[Settled] = []

    def admit(self, poll_id: str, url: str, **params: Any) -> None:
        """Submit a poll that is due now."""
        spec = PollSpec.parse(url, **params)
        self.store.admit(
            Submission(
                *(poll_id, spec.to_json(), spec.longest_request),
                timeout=spec.timeout,
                origin=spec.origin,
                request=spec.request_digest,
            )
        )

    def engine(self, **options: Any) -> Engine:
        """Return an engine."""
        return Engine(
            *(self.store.stores, self.transport, self.settings),
            publish=lambda poll_id, record: None,
            observe=self.seen.extend,
            **options,
        )

    def attempt(self, engine: Engine) -> list[str]:
        """Make the attempts of what is due, in one pack; return the ids of the polls in it."""
        packs = self.store.dispatch("w", "call", {"": True}).packs
        for pack in packs:
            engine.run_pack(pack)
        engine.drain()
        return [str(poll_id) for pack in packs for poll_id in pack.polls[::3]]


@pytest.fixture
def world(redis_url: str) -> Iterator[World]:
    """Return a world on an empty store."""
    one = World(redis_url)
    yield one
    one.transport.close()
    one.store.client.close()


def test_who_looks_on_cannot_keep_a_poll_from_its_attempt(
    world: World, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempt is made and settled; the trouble is in the log."""
    world.admit("p", endpoint.script("/a", Reply(202)), timeout=60)

    def before(attempt: Attempt) -> Any:
        raise RuntimeError(f"a tracer that fails at {attempt.poll_id}")

    with caplog.at_level(logging.ERROR):
        assert world.attempt(world.engine(before=before)) == ["p"]
    assert "The beginning of an attempt of poll p was not noted." in caplog.text
    assert [(one.accepted, one.asked, one.answer and one.answer.status) for one in world.seen] == [
        (True, None, 202)
    ]


def test_what_a_service_sends_keeps_no_other_attempt_from_its_settlement(
    world: World, endpoint: Endpoint
) -> None:
    """Half a character cannot be stored but escaped; attempts are settled together."""
    half = endpoint.script("/half", Reply(202, b'{"at":"\\ud83d"}'))
    world.admit("half", half, on_deadline="succeed", timeout=60)
    world.admit("whole", endpoint.script("/whole", Reply(202)))
    world.attempt(world.engine())
    assert {one.poll_id: one.accepted for one in world.seen} == {"half": True, "whole": True}
    found = world.store.find("half")
    assert found is not None
    assert Progress.from_json(found.record.progress).value == {"at": "\ud83d"}


def test_a_request_that_its_deadline_cuts_short_says_nothing_of_its_service(
    world: World, endpoint: Endpoint
) -> None:
    """The service had less time than the poll gives it; one that has taken all of that is in trouble."""
    url = endpoint.script("/slow", Reply(delay=5.0))
    world.admit("short", url, timeout=1, request_timeout=5)
    world.admit("whole", url, timeout=60, request_timeout=0.6)
    world.attempt(world.engine())
    assert {one.poll_id: one.settlement.trouble for one in world.seen} == {"short": None, "whole": True}
    assert all(one.answer and "no complete answer in" in one.answer.error_text for one in world.seen)


def test_an_answer_that_the_deadline_of_the_asker_cuts_short_is_its_own(
    world: World, endpoint: Endpoint
) -> None:
    """The others have time left: one of them asks, at once, and for all of them."""
    url = endpoint.script("/slow", Reply(delay=5.0), Reply(body={"done": True}))
    shared = {"coalesce": True, "max_errors": 1, "until": "done"}
    world.admit("short", url, timeout=1, **shared)
    engine = world.engine()
    (pack,) = world.store.dispatch("w", "call", {"": True}).packs
    engine.run_pack(pack)
    for number in range(3):
        world.admit(f"long{number}", url, timeout=60, **shared)
    assert world.attempt(engine) == []
    assert len(world.attempt(engine)) == 1
    states = {one.poll_id: one.settlement.state for one in world.seen if one.poll_id != "short"}
    assert states == dict.fromkeys(("long0", "long1", "long2"), "succeeded")
    assert len(endpoint.arrivals("/slow")) == 2
