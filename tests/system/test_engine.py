"""The engine, on a real store and a real endpoint, when whoever looks on gets into trouble."""

from __future__ import annotations

import logging
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


def test_who_looks_on_cannot_keep_a_poll_from_its_attempt(
    redis_url: str, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """The attempt is made and settled; the trouble is in the log."""
    settings = Settings(redis_url=redis_url)
    store, transport = Store.connect(settings), Transport()
    spec = PollSpec.parse(endpoint.script("/a", Reply(202)))
    store.admit(Submission("p", spec=spec.to_json(), span=10.0, timeout=60.0))
    seen: list[Settled] = []

    def before(attempt: Attempt) -> Any:
        raise RuntimeError(f"a tracer that fails at {attempt.poll_id}")

    engine = Engine(
        store.stores,
        transport,
        settings,
        publish=lambda poll_id, record: None,
        observe=seen.extend,
        before=before,
    )
    (pack,) = store.dispatch("w", "call", {"": True}).packs
    with caplog.at_level(logging.ERROR):
        assert engine.run_pack(pack).begun == 1
        engine.drain()
    assert "The beginning of an attempt of poll p was not noted." in caplog.text
    assert [(one.accepted, one.asked, one.answer and one.answer.status) for one in seen] == [
        (True, None, 202)
    ]
    transport.close()
    store.client.close()


def test_what_a_service_sends_keeps_no_other_attempt_from_its_settlement(
    redis_url: str, endpoint: Endpoint
) -> None:
    """Half a character cannot be stored but escaped; attempts are settled together."""
    settings = Settings(redis_url=redis_url)
    store, transport = Store.connect(settings), Transport()
    half = endpoint.script("/half", Reply(202, b'{"at":"\\ud83d"}'))
    spec = PollSpec.parse(half, on_deadline="succeed", timeout=60)
    store.admit(Submission("half", spec=spec.to_json(), span=10.0, timeout=60.0))
    spec = PollSpec.parse(endpoint.script("/whole", Reply(202)))
    store.admit(Submission("whole", spec=spec.to_json(), span=10.0, timeout=60.0))
    seen: list[Settled] = []
    engine = Engine(
        store.stores, transport, settings, publish=lambda poll_id, record: None, observe=seen.extend
    )
    for pack in store.dispatch("w", "call", {"": True}).packs:
        engine.run_pack(pack)
    engine.drain()
    assert {one.poll_id: one.accepted for one in seen} == {"half": True, "whole": True}
    found = store.find("half")
    assert found is not None
    assert Progress.from_json(found.record.progress).value == {"at": "\ud83d"}
    transport.close()
    store.client.close()
