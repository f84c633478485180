"""The resolution of a name is bounded by the time of its request."""

from __future__ import annotations

import threading
import time
from typing import Any

from pollers.answer import AnswerError
from pollers.transport import Transport
from pollers.transport.reach import Rules
from tests.transport.wire import get


def test_a_name_server_that_does_not_answer_holds_a_request_no_longer_than_its_time() -> None:
    """`getaddrinfo` itself has no timeout."""
    let_go = threading.Event()

    def silent(*args: Any) -> list[Any]:
        let_go.wait(10)
        return []

    transport = Transport(rules=Rules(resolve=silent))
    started = time.monotonic()
    answer = transport.fetch(get("http://slow.example/"), timeout=0.3)
    taken = time.monotonic() - started
    let_go.set()
    transport.close()
    assert answer.error is AnswerError.TIMEOUT
    assert taken < 2
