"""OAuth 2.0 client credentials, at a token endpoint that follows RFC 6749."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pollers.answer import AnswerError
from pollers.transport import Transport
from tests.endpoints import Endpoint, Reply
from tests.transport.services import TokenService
from tests.transport.wire import Hold, get, signed


def oauth2(service: TokenService, **fields: Any) -> dict[str, Any]:
    """Return the fields of a credential for a service."""
    known = {"kind": "oauth2", "client_id": "client", "client_secret": "hush hush"}
    return known | {"token_url": service.url("/token")} | fields


@pytest.mark.parametrize("client_auth", ["basic", "post"])
def test_a_token_is_shared_by_all_polls_of_a_process(
    transport: Transport, hold: Hold, client_auth: str
) -> None:
    """Those that need it at the same time wait for one request."""
    secret = "hush+hush" if client_auth == "basic" else "hush hush"
    with TokenService(client="client", secret=secret, delay=0.2) as service:
        hold(**oauth2(service, client_auth=client_auth, scope="read write"))
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: signed(transport, service.url(f"/jobs/{n}")), range(40)))
        assert {answer.status for answer in answers} == {200}
        [arrival] = service.arrivals("/token")
    assert b"grant_type=client_credentials" in arrival.body
    assert b"scope=read+write" in arrival.body
    assert (b"hush" in arrival.body) is (client_auth == "post")


def test_waiting_for_a_token_takes_no_longer_than_the_attempt(transport: Transport, hold: Hold) -> None:
    """Neither for the one that asks for it, nor for those that wait for that one."""
    with TokenService(client="client", secret="hush+hush", delay=5) as service:
        hold(**oauth2(service))
        began = time.monotonic()
        with ThreadPoolExecutor(5) as pool:
            url = service.url("/jobs")
            answers = list(pool.map(lambda _: transport.fetch(get(url, auth="x"), timeout=0.4), range(5)))
        assert time.monotonic() - began < 2
    assert {answer.error for answer in answers} == {AnswerError.TIMEOUT}


def test_a_token_is_replaced_before_it_ends(transport: Transport, hold: Hold) -> None:
    """So that no request is refused for it."""
    with TokenService(client="client", secret="hush+hush", life=1) as service:
        hold(**oauth2(service))
        began = time.monotonic()
        while len(service.issued) < 2:
            assert signed(transport, service.url("/jobs")).status == 200
            assert time.monotonic() - began < 5
            threading.Event().wait(0.02)
        first, second = [one.at for one in service.arrivals("/token")][:2]
        assert 0.8 < second - first < 2
        assert {one.headers["Authorization"] for one in service.arrivals("/jobs")} == {
            f"Bearer {token}" for token in service.issued
        }


def test_a_token_that_is_refused_is_replaced_once(transport: Transport, hold: Hold) -> None:
    """It may have been revoked; a service that refuses the new one too has spoken."""
    with TokenService(client="client", secret="hush+hush") as service:
        hold(**oauth2(service))
        assert signed(transport, service.url("/jobs")).status == 200
        service.valid.clear()
        assert signed(transport, service.url("/jobs")).status == 200
        assert len(service.issued) == 2
        service.accepts = False
        assert signed(transport, service.url("/jobs")).status == 401
        assert (len(service.issued), len(service.arrivals("/jobs"))) == (3, 5)


def test_a_token_endpoint_that_refuses_the_client_is_permanent(transport: Transport, hold: Hold) -> None:
    """With the error that it names, and no more of its answer."""
    with TokenService(client="client", secret="another") as service:
        hold(**oauth2(service))
        answer = signed(transport, service.url("/jobs"))
        assert answer.error is AnswerError.REFUSED
        assert answer.error_text.endswith("answered 401 to the credential 'x': invalid_client")
        assert service.arrivals("/jobs") == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_endpoint_in_trouble_is_transient(
    transport: Transport, endpoint: Endpoint, hold: Hold, status: int
) -> None:
    """The next attempt asks again."""
    known = {"kind": "oauth2", "client_id": "client", "client_secret": "hush hush"}
    hold(**known, token_url=endpoint.script("/token", Reply(status, body="down")))
    answer = signed(transport, endpoint.script("/", Reply()))
    assert answer.error is AnswerError.CONNECTION
    assert answer.error_text.endswith(f"/token answered {status}")


def test_the_guard_holds_for_token_endpoints_too(transport: Transport, hold: Hold) -> None:
    """Its request is one of ours."""
    hold(kind="oauth2", client_id="c", client_secret="hush hush", token_url="http://169.254.169.254/token")
    assert "link-local" in signed(transport, "http://127.0.0.1:9/").error_text
