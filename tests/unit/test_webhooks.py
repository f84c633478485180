"""Webhooks: signed and checked as Standard Webhooks says, with its reference library on the other side."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook as Reference

from pollers import standard_webhooks, webhooks
from pollers.answer import Answer
from pollers.errors import InvalidPoll
from pollers.progress import NONE
from pollers.protocols.standard_webhook import StandardWebhook
from pollers.spec import PollSpec
from pollers.transport.credentials.kinds import auth_of
from pollers.transport.failures import Refused
from pollers.webhooks import InvalidWebhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = webhooks.new_secret()
BODY = json.dumps({"type": "render.completed", "data": {"id": "42", "name": "Grüße"}}).encode()


def headers(secret: str = SECRET, *, at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    """Return the headers of a webhook as the reference library signs it."""
    now = int(time.time() if at is None else at)
    # It takes the moment for one without a time zone.
    moment = datetime.fromtimestamp(now, timezone.utc).replace(tzinfo=None)  # noqa: UP017
    signature = Reference(secret).sign("msg_1", moment, body.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}


def test_the_example_of_the_specification_is_signed_as_there() -> None:
    """Of the reference implementations' own tests."""
    body = b'{"test": 2432232314}'
    signature = standard_webhooks.sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("body", [BODY.decode(), json.loads(BODY), None])
def test_a_body_that_is_not_bytes_is_the_callers_mistake(body: Any) -> None:
    """And says so, which no sender of webhooks could bring about."""
    with pytest.raises(TypeError, match="must be bytes, as it came in, and not"):
        webhooks.receive(body, headers(), SECRET)


def test_a_webhook_of_another_implementation_is_received() -> None:
    """Whatever the case of its headers."""
    given = {name.title(): value for name, value in headers().items()}
    event = webhooks.receive(BODY, given, SECRET)
    assert (event.id, event.payload) == ("msg_1", json.loads(BODY))
    assert abs(event.timestamp - time.time()) < 5


def test_a_secret_can_be_replaced_while_webhooks_come() -> None:
    """Either is accepted; and a sender may sign with both."""
    assert webhooks.receive(BODY, headers(OTHER), [SECRET, OTHER])
    both = headers() | {"webhook-signature": " ".join(one["webhook-signature"] for one in _both())}
    assert webhooks.receive(BODY, both, OTHER)


def _both() -> list[dict[str, str]]:
    return [headers(), headers(OTHER), {"webhook-signature": "v1a,c29tZXRoaW5n"}]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-id": "msg_2"}, "not signed"),
        ({"webhook-signature": ""}, "has no webhook-signature"),
        ({"webhook-signature": "v1,"}, "not signed"),
        ({"webhook-signature": "v1a,c29tZXRoaW5n"}, "not signed"),
        ({"webhook-signature": "ü"}, "not signed"),
        ({"webhook-timestamp": "now"}, "no number"),
        ({"webhook-timestamp": "1e9"}, "no number"),
        ({"webhook-timestamp": "9" * 30}, "no number"),
        (headers(at=time.time() - 7200), "last five minutes"),
        (headers(at=time.time() + 7200), "last five minutes"),
        (headers(OTHER), "not signed"),
        (headers(body=b"{}"), "not signed"),
    ],
)
def test_what_is_not_right_is_refused(change: dict[str, str], why: str) -> None:
    """And what is wrong is told, without the signature that would have been right."""
    with pytest.raises(InvalidWebhook, match=why):
        webhooks.receive(BODY, headers() | change, SECRET)


def test_a_body_that_is_no_json_is_refused() -> None:
    """Although it is signed."""
    with pytest.raises(InvalidWebhook, match="no JSON"):
        webhooks.receive(b"<xml/>", headers(body=b"<xml/>"), SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", "whsec_" + "A" * 100])
def test_a_secret_that_is_none_is_told_without_quoting_it(secret: str) -> None:
    """As it is a mistake of whoever receives."""
    with pytest.raises(ValueError, match="secret of a webhook") as caught:
        webhooks.receive(BODY, headers(), secret)
    assert not isinstance(caught.value, InvalidWebhook)
    assert secret == "" or secret not in str(caught.value)


def test_an_operation_has_one_poll() -> None:
    """And no other has it: the words are not just put together."""
    assert webhooks.poll_id("renders", "42") == webhooks.poll_id("renders", "42")
    assert len({webhooks.poll_id(*words) for words in (("a", "bc"), ("ab", "c"), ("abc",))}) == 3


def signed(secret: str, given: dict[str, str], body: Any = BODY) -> requests.PreparedRequest:
    """Return a request that the credential has signed."""
    request = requests.Request("POST", "http://x/", given, data=body).prepare()
    auth = auth_of("hook", {"kind": "webhook", "secret": secret}, lambda request: None)  # type: ignore
    return auth(request)  # type: ignore[no-any-return]


def test_what_we_sign_is_understood_by_another_implementation() -> None:
    """By one secret, and by each of two."""
    for secret in (SECRET, OTHER):
        request = signed(f"{SECRET} {OTHER}", {"webhook-id": "msg_1"})
        assert Reference(secret).verify(BODY, dict(request.headers)) == json.loads(BODY)


def test_a_credential_that_cannot_sign_says_why() -> None:
    """Without the secret."""
    with pytest.raises(Refused, match=r"'hook' cannot be used: the secret of a webhook is whsec_"):
        signed("hush?hush", {})
    with pytest.raises(Refused, match="needs the header webhook-id"):
        signed(SECRET, {})


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "succeeded"),
        (204, "succeeded"),
        (410, "failed"),
        (302, "pending"),
        (404, "pending"),
        (500, "pending"),
    ],
)
def test_a_webhook_is_sent_until_it_is_acknowledged(status: int, state: str) -> None:
    """Or until nobody wants it."""
    answer = Answer(url="http://x/", status=status, headers={}, body=b"", elapsed=0.0)
    assert StandardWebhook().read(PollSpec(url="http://x/"), NONE, answer).state == state


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://me.example/hook", {"url": "https://me.example/hook", "auth": "webhook"}),
        ({"url": "https://me.example/hook", "auth": "mine"}, None),
    ],
)
def test_a_poll_names_where_its_end_is_told(given: Any, kept: Any) -> None:
    """A URL, and who signs."""
    spec = PollSpec.parse("http://x/", webhook=given)
    assert spec.webhook == (kept or given)
    assert PollSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize("given", ["hook", {"url": "http://x/", "secret": "hush"}, {"auth": "x"}, 5, []])
def test_a_webhook_that_leads_nowhere_is_refused(given: Any) -> None:
    """Before anything is stored."""
    with pytest.raises(InvalidPoll, match="webhook: ") as caught:
        PollSpec.parse("http://x/", webhook=given)
    assert "hush" not in str(caught.value)


def test_the_url_of_a_webhook_is_shown_without_its_secrets() -> None:
    """As that of the poll."""
    spec = PollSpec.parse("http://x/", webhook="https://me:hush@me.example/hook?token=hush")
    assert spec.shown()["webhook"] == {"url": "https://***@me.example/hook?token=***", "auth": "webhook"}
