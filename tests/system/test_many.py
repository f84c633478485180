"""Many polls submitted at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pollers import InvalidPoll, overview, poll
from pollers.admission import BATCH
from tests.endpoints import Endpoint, Reply

pytestmark = pytest.mark.usefixtures("worker")


def test_many_polls_are_submitted_and_each_gets_its_own_value(endpoint: Endpoint) -> None:
    """In more than one round trip; what they have in common is given once."""
    urls = [
        endpoint.script(f"/{number}", Reply(body={"done": True, "n": number})) for number in range(BATCH + 50)
    ]
    told: list[Sequence[str]] = []
    results = poll.submit_many(urls, until="done", returns="n", every=0.5, on_submitted=told.append)
    assert [result.get(timeout=30) for result in results] == list(range(BATCH + 50))
    assert [len(ids) for ids in told] == [0, BATCH, 50]
    assert [one for ids in told for one in ids] == [result.id for result in results]


def test_each_may_have_parameters_of_its_own(endpoint: Endpoint) -> None:
    """A mapping instead of a URL, as in a chain."""
    url = endpoint.script("/own", Reply(body={"done": True, "a": 1, "b": 2}))
    results = poll.submit_many([{"url": url, "returns": "a"}, {"url": url, "returns": "b"}], until="done")
    assert [result.get(timeout=20) for result in results] == [1, 2]


def test_options_are_those_of_apply_async(endpoint: Endpoint, seen: Callable[..., list[Any]]) -> None:
    """Such as links."""
    url = endpoint.script("/linked", Reply(body="value"))
    link = poll.app.signature("tests.note", args=("many",))
    poll.submit_many([url, url], options={"link": link})
    assert seen("many", 2) == ["value", "value"]


def test_one_wrong_poll_stops_all(endpoint: Endpoint) -> None:
    """The error says which, and nothing was stored."""
    admitted = overview().admitted
    with pytest.raises(InvalidPoll) as caught:
        poll.submit_many([endpoint.url("/"), "nowhere"], until="done")
    assert list(caught.value.problems) == ["polls[1].url"]
    with pytest.raises(InvalidPoll, match="did you mean 'until'"):
        poll.submit_many([endpoint.url("/")], untl="done")
    assert overview().admitted == admitted
