"""Polls of public addresses, which the namespace of these tests has on its loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pollers.answer import AnswerError
from pollers.transport import Transport
from pollers.transport.reach import Rules, Seen
from tests.endpoints import Endpoint, Reply
from tests.transport.wire import get

pytestmark = pytest.mark.network

PUBLIC, OTHER = "198.41.0.4", "199.9.14.201"
LED_INSIDE = "a public address may not lead to 127.0.0.1, a private one"


@pytest.fixture
def public() -> Iterator[Endpoint]:
    """Return a server at a public address."""
    with Endpoint(PUBLIC) as endpoint:
        yield endpoint


@pytest.fixture
def inside() -> Iterator[Endpoint]:
    """Return a server on the loopback address, which answers."""
    with Endpoint() as endpoint:
        endpoint.script("/", Reply(body="inside"))
        yield endpoint


@pytest.fixture
def transport() -> Iterator[Transport]:
    """Return a transport, as workers have it."""
    transport = Transport()
    yield transport
    transport.close()


def test_a_redirect_from_a_public_address_leads_to_public_ones_only(
    transport: Transport, public: Endpoint, inside: Endpoint
) -> None:
    """And to none inside, not even over a connection that another poll has kept."""
    with Endpoint(OTHER) as other:
        there = other.script("/", Reply(body="there"))
        outward = public.script("/outward", Reply(302, headers={"Location": there}))
        inward = public.script("/inward", Reply(302, headers={"Location": inside.url("/")}))
        assert transport.fetch(get(outward), timeout=5).text() == "there"
        assert transport.fetch(get(inside.url("/")), timeout=5).text() == "inside"
        answer = transport.fetch(get(inward), timeout=5)
    assert (answer.error, answer.error_text) == (AnswerError.REFUSED, LED_INSIDE)
    assert len(inside.arrivals("/")) == 1


def test_a_private_service_leads_outside_but_not_back(
    transport: Transport, public: Endpoint, inside: Endpoint
) -> None:
    """Whatever the one outside says."""
    back = public.script("/back", Reply(302, headers={"Location": inside.url("/")}))
    start = inside.script("/start", Reply(302, headers={"Location": back}))
    answer = transport.fetch(get(start), timeout=5)
    assert (answer.error, answer.error_text) == (AnswerError.REFUSED, LED_INSIDE)
    assert answer.kept == {"seen": Seen.MIXED}
    assert inside.arrivals("/") == []


def test_a_name_that_changes_its_address_is_not_followed_inside(public: Endpoint) -> None:
    """The connection to the public address was closed, and the name is asked for again."""
    addresses = [PUBLIC, "127.0.0.1"]

    def resolve(host: str, port: int, *hints: int) -> list[Any]:
        return list(socket.getaddrinfo(addresses.pop(0), port, *hints))

    public.script("/", Reply(body="outside", headers={"Connection": "close"}))
    transport = Transport(rules=Rules(resolve=resolve))
    request = get(public.url("/").replace(PUBLIC, "rebinding.example"))
    first = transport.fetch(request, timeout=5)
    assert (first.text(), first.kept) == ("outside", {"seen": Seen.PUBLIC})
    second = transport.fetch(request, timeout=5, kept=first.kept)
    assert (second.error, second.error_text) == (AnswerError.REFUSED, LED_INSIDE)
    transport.close()
