"""``"device-flow"``, against a token endpoint that does what RFC 8628 section 3.5 says."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from pollers import InvalidPoll, PollFailed, PollRejected, poll
from tests.endpoints import Arrival, Endpoint, Reply
from tests.protocols.conftest import Follower, Here

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM = {"grant_type": GRANT, "device_code": "GmRh", "client_id": "tv"}
TOKEN = {"access_token": "2YotnFZ", "token_type": "Bearer"}
DEVICE: dict[str, Any] = {"method": "POST", "data": FORM, "protocol": "device-flow"}


def error(code: str, status: int = 400, **more: str) -> Reply:
    """Return an error as RFC 6749 section 5.2 writes it."""
    return Reply(status, {"error": code, **more})


def test_the_token_comes_when_the_user_has_decided(follow: Follower, endpoint: Endpoint) -> None:
    """Asked by the same form each time."""

    def token(arrival: Arrival) -> Reply:
        asked = {name: values[0] for name, values in parse_qs(arrival.body.decode()).items()}
        return Reply(200, TOKEN) if asked == FORM else error("invalid_request")

    pending = error("authorization_pending")
    url = endpoint.script("/token", pending, pending, token)
    assert follow(url, **DEVICE, returns="access_token") == "2YotnFZ"
    assert [arrival.method for arrival in endpoint.arrivals("/token")] == ["POST"] * 3


def test_each_slow_down_makes_all_later_waits_longer(follow: Follower, endpoint: Endpoint) -> None:
    """By five seconds, for this and all requests after it."""
    pending, slow = error("authorization_pending"), error("slow_down")
    url = endpoint.script("/token", pending, slow, pending, slow, pending, Reply(200, TOKEN))
    follow(url, **DEVICE, every=5)
    assert follow.waits == [5.0, 10.0, 10.0, 15.0, 15.0]


def test_a_timeout_doubles_the_wait(follow: Follower, endpoint: Endpoint) -> None:
    """From then on, as the section demands."""
    pending, late = error("authorization_pending"), Reply(200, TOKEN, delay=2)
    url = endpoint.script("/token", late, pending, Reply(200, TOKEN))
    follow(url, **DEVICE, every=5, request_timeout=0.7)
    assert follow.waits == [10.0, 10.0]


@pytest.mark.parametrize("code", ["access_denied", "expired_token", "invalid_grant"])
def test_other_errors_end_the_poll(follow: Follower, endpoint: Endpoint, code: str) -> None:
    """With the service's words."""
    url = endpoint.script("/token", error(code, error_description="the user said no"))
    with pytest.raises(PollFailed, match=f"{code}: the user said no"):
        follow(url, **DEVICE)


def test_errors_in_a_200_are_errors(follow: Follower, endpoint: Endpoint) -> None:
    """As a large code forge writes them."""
    url = endpoint.script("/token", error("authorization_pending", 200), Reply(200, TOKEN))
    assert follow(url, **DEVICE) == TOKEN
    with pytest.raises(PollFailed, match="access_denied"):
        follow(endpoint.script("/no", error("access_denied", 200)), **DEVICE)


def test_trouble_of_the_service_is_transient(endpoint: Endpoint, transport: Any) -> None:
    """What is neither is permanent."""
    here = Here(transport)
    assert here(endpoint.script("/token", Reply(503), Reply(200, TOKEN)), **DEVICE) == TOKEN
    with pytest.raises(PollRejected, match="404"):
        here(endpoint.script("/gone", Reply(404)), **DEVICE)


def test_the_convention_takes_no_conditions() -> None:
    """It decides."""
    with pytest.raises(InvalidPoll, match="until: cannot be given beside protocol='device-flow'"):
        poll.delay("http://x/", **DEVICE, until="access_token")
