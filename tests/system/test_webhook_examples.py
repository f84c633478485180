"""The examples of the documentation in their frameworks: each steers the poll that a webhook names."""

from __future__ import annotations

import json
import runpy
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from standardwebhooks import Webhook

from pollers import poll, webhooks
from tests.endpoints import Endpoint

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "webhooks"
SECRET = webhooks.new_secret()
#: Sends a body with headers to the example; returns the status.
Post = Callable[[bytes, dict[str, str]], int]


def flask(example: dict[str, Any]) -> Post:
    """Return how a webhook is sent to the Flask application."""
    client = example["app"].test_client()
    return lambda body, headers: client.post("/hooks/renders", data=body, headers=headers).status_code


def fastapi(example: dict[str, Any]) -> Post:
    """Return how a webhook is sent to the FastAPI application."""
    from fastapi.testclient import TestClient

    client = TestClient(example["app"])
    return lambda body, headers: client.post("/hooks/renders", content=body, headers=headers).status_code


def django(example: dict[str, Any]) -> Post:
    """Return how a webhook is sent to the Django view."""
    from django.test import RequestFactory

    def post(body: bytes, headers: dict[str, str]) -> int:
        request = RequestFactory().post("/hooks/renders", body, "application/json", headers=headers)
        return int(example["rendered"](request).status_code)

    return post


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "state"), [("flask", "waiting"), ("fastapi", "succeeded"), ("django", "waiting")]
)
def test_an_example_hears_webhooks(
    name: str, state: str, application: Celery, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are signed; of polls that are known, and of others."""
    if name == "django":
        from django.conf import settings

        settings.configure(ALLOWED_HOSTS=["*"])
    monkeypatch.setenv("RENDERS_WEBHOOK_SECRET", SECRET)
    post = globals()[name](runpy.run_path(str(EXAMPLES / f"with_{name}.py")))
    result = poll.apply_async(
        [endpoint.url("/a")],
        countdown=60,
        task_id=webhooks.poll_id("renders", name),
        queue="nobody",
    )
    due = result.status().next_due
    for render, headers, status in ((name, {}, 204), ("other", {}, 204), (name, {"webhook-id": "x"}, 401)):
        body = json.dumps({"type": "render.completed", "data": {"id": render, "url": "x"}}).encode()
        assert post(body, signed(body) | headers) == status
    now = result.status()
    assert now.state == state
    assert state == "succeeded" or (due and now.next_due and now.next_due < due)
    result.cancel()


def signed(body: bytes) -> dict[str, str]:
    """Return the headers of a webhook, by the reference library."""
    now = int(time.time())
    moment = datetime.fromtimestamp(now, timezone.utc).replace(tzinfo=None)  # noqa: UP017
    signature = Webhook(SECRET).sign("msg_1", moment, body.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}
