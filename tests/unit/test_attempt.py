"""An attempt is settled whatever its poll's record says: one that is not looks as if its worker had died."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pollers.attempt import Attempt, ask, settlement_of
from pollers.settings import Settings
from pollers.store import Record, Settlement
from pollers.transport import Transport

URL = "http://127.0.0.1:1/nobody"


@pytest.fixture
def transport() -> Iterator[Transport]:
    """Return a transport."""
    made = Transport()
    yield made
    made.close()


def attempted(transport: Transport, spec: dict[str, Any], progress: str = "") -> Settlement | None:
    """Make an attempt of a traced poll; return what it comes to."""
    text = json.dumps({"url": URL, **spec})
    record = Record(2, "running", 1, 0, 60_000, 1, "timed_out", "", text, "", progress=progress)
    attempt = Attempt("p", record, lambda: 0.0)
    return settlement_of(attempt, ask(attempt, transport, {"traceparent": "00-1"}), Settings())


@pytest.mark.parametrize(
    "progress",
    [
        *('{"url":5}', '{"url":[1]}', '{"url":"http://127.0.0.1:99999/x"}', '{"url":"http://*x/"}'),
        *('{"validator":5}', '{"http":5}', '{"http":{"seen":"x"}}', '{"http":{"cookies":5}}'),
        *('{"errors":"x"}', '{"notes":5}', '{"untold":5}', '{"slower":"x"}', '{"carried":5}'),
    ],
)
@pytest.mark.parametrize("spec", [{"protocol": "accepted"}, {"carry": {"n": "n"}, "json": "{n}"}, {}])
def test_no_progress_keeps_an_attempt_from_its_settlement(
    transport: Transport, spec: dict[str, Any], progress: str
) -> None:
    """Whatever has been written into it."""
    assert attempted(transport, spec, progress) is not None


@pytest.mark.parametrize(
    "spec",
    [
        *({"url": 5}, {"url": "http://127.0.0.1:99999/x"}, {"url": "http://["}, {"url": ""}),
        *({"request_timeout": "x"}, {"protocol": {}}, {"protocol": 5}, {"protocol": "nobody's"}),
        *({"headers": 5}, {"headers": {"a": 5}}, {"params": 5}, {"carry": 5}, {"long_poll": "x"}),
        *({"every": {}}, {"until": 5}, {"acceptors": 5}, {"method": 5}, {"json": "\ud800"}, {"auth": 5}),
    ],
)
def test_no_spec_does_either(transport: Transport, spec: dict[str, Any]) -> None:
    """As somebody may have changed it in the store."""
    assert attempted(transport, spec) is not None


def test_what_fails_here_is_tried_again(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in trouble is no reason to end a poll."""

    def fetch(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(transport, "fetch", fetch)
    settlement = attempted(transport, {})
    assert settlement is not None
    assert settlement.state == "waiting"
    assert "the request failed: can't start new thread" in settlement.answer
