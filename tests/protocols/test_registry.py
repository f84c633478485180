"""Conventions of an application's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pollers import InvalidPoll, PollFailed, poll, registry
from pollers.answer import Answer
from pollers.conditions import Decision, lead, mapping, pending, succeeded
from pollers.progress import Progress
from pollers.protocols import register
from pollers.spec import PollSpec
from tests.endpoints import Endpoint, Reply
from tests.protocols.conftest import ByWorkers, Follower


class Ticket:
    """Answers name the next ticket, until there is a parcel; how many there were is noted."""

    def read(self, spec: PollSpec, progress: Progress, answer: Answer) -> Decision:
        """Return what the answer means."""
        body = mapping(answer)
        count = int((progress.notes or {}).get("count", 0)) + 1
        if "parcel" in body:
            return succeeded(spec, [body["parcel"], count, spec.protocol_options.get("stamp")])
        return pending("no parcel", next_url=lead(answer, body["ticket"]), notes={"count": str(count)})


@pytest.fixture
def _ticket() -> Iterator[None]:
    register("ticket", Ticket())
    yield
    del registry._entries["ticket"]


@pytest.mark.usefixtures("_ticket")
def test_an_applications_own_convention_is_one_small_class(follow: Follower, endpoint: Endpoint) -> None:
    """It reads answers, leads on, and notes what it needs; options are its own affair."""
    endpoint.script("/2", Reply(503), Reply(200, {"parcel": "book"}))
    url = endpoint.script("/1", Reply(200, {"ticket": "/2"}))
    assert follow(url, protocol="ticket") == ["book", 2, None]
    endpoint.forget()
    endpoint.script("/1", Reply(200, {"parcel": "book"}))
    assert follow(url, protocol={"ticket": {"stamp": "air mail"}}) == ["book", 1, "air mail"]


@pytest.mark.usefixtures("_ticket")
@pytest.mark.parametrize("start", [False, True])
def test_a_worker_that_does_not_know_it_says_so(endpoint: Endpoint, transport: object, start: bool) -> None:
    """And asks for nothing that it could not follow."""
    spec = PollSpec.parse(endpoint.script("/1", Reply(200)), protocol="ticket", start=start)
    registered = registry._entries.pop("ticket")
    try:
        with pytest.raises(PollFailed, match="no convention 'ticket' is registered in this worker"):
            ByWorkers(transport).follow(spec)  # type: ignore[arg-type]
    finally:
        registry._entries["ticket"] = registered
    assert endpoint.arrivals("/1") == []


def test_an_unknown_convention_is_refused_with_those_that_are() -> None:
    """Before anything is stored."""
    known = "accepted, aip-151, azure-lro, device-flow, ogc-job"
    with pytest.raises(InvalidPoll, match=f"is 'moon'; it should be one of {known}"):
        poll.delay("http://x/", protocol="moon")
    with pytest.raises(InvalidPoll, match="is 'moon'"):
        poll.delay("http://x/", protocol={"moon": {}})
    with pytest.raises(InvalidPoll, match="accepted takes no options"):
        poll.delay("http://x/", protocol={"accepted": {"x": "y"}})


def test_what_reads_no_answers_is_no_convention() -> None:
    """Told where it is registered, not where it is used."""
    with pytest.raises(ValueError, match="method read"):
        register("moon", object())
