"""Results in other processes: forks wait for them, and copies of them are sent."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from celery.exceptions import TimeoutError as WaitedTooLong

from pollers import PollResult, poll
from pollers.delivery import OutcomeBackend
from tests.endpoints import Endpoint

pytestmark = pytest.mark.usefixtures("worker")

UNTIL: dict[str, Any] = {"until": "status == 'completed'", "returns": "n", "every": 0.5, "timeout": 60}


def _url(endpoint: Endpoint, path: str, n: int, after: int = 1) -> str:
    return endpoint.becomes(path, {"status": "completed", "n": n}, after=after)


def _forked(work: Callable[[], object]) -> int:
    """Do some work in a child; return its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def test_forks_of_a_process_that_has_waited_wait_by_themselves(endpoint: Endpoint) -> None:
    """For polls of their own, and for one that the parent has begun to wait for; so does the parent."""
    assert poll.delay(_url(endpoint, "/first", 1), **UNTIL).get(timeout=20) == 1
    urls = [_url(endpoint, f"/{number}", number) for number in range(16)]
    common = poll.delay(_url(endpoint, "/common", 100, after=8), **UNTIL)
    with pytest.raises(WaitedTooLong):
        common.get(timeout=0.2)

    def work(numbers: range) -> None:
        own = [poll.delay(urls[number], **UNTIL) for number in numbers]
        assert [result.get(timeout=15) for result in own] == list(numbers)
        assert common.get(timeout=15) == 100

    children = [_forked(partial(work, range(4 * child, 4 * child + 4))) for child in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0, 0]
    assert common.get(timeout=15) == 100
    assert poll.delay(_url(endpoint, "/last", 1), **UNTIL).get(timeout=20) == 1


@pytest.mark.parametrize("copied", [lambda one: pickle.loads(pickle.dumps(one)), copy.deepcopy, copy.copy])
def test_a_result_can_be_sent_to_another_process(endpoint: Endpoint, copied: Callable[[Any], Any]) -> None:
    """As Celery's own can; what arrives is a result of the poll, with all that it can do."""
    result = poll.delay(_url(endpoint, "/copied", 7), **UNTIL)
    again = copied(result)
    assert type(again) is PollResult
    assert again == result
    assert again.get(timeout=20) == 7
    assert again.status().state == "succeeded"
    assert type(copied(result.backend)) is OutcomeBackend
