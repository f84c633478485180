"""Workers are killed while they tell the ends of polls by webhooks, and some receivers are down at first."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from standardwebhooks import Webhook

from pollers import webhooks
from tests.chaos.world import World
from tests.endpoints import Reply
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

#: Seconds that the lease of a webhook's attempt lasts, which may die with both workers, one after the other.
LEASE = 20.0

SECRET = webhooks.new_secret()


@pytest.mark.parametrize("point", ["before a webhook is admitted", "after a webhook is admitted"])
def test_no_webhook_is_lost_with_a_worker(world: World, point: str) -> None:
    """Each end is told at least once, by one message, with the value that the application gets."""
    world.settings["POLLERS_CREDENTIAL_WEBHOOK"] = json.dumps({"kind": "webhook", "secret": SECRET})
    world.start_worker("w1", CHAOS_POINT=point)
    world.start_worker("w2", CHAOS_POINT=point, CHAOS_PASSES="20")
    task = world.client.tasks["pollers.poll"]
    submitted: dict[str, Any] = {}
    for number in range(60):
        hook = f"/hook/{number}"
        acknowledged = [Reply(503), Reply(204)] if number % 10 == 0 else [Reply(204)]
        parameters = {"webhook": world.endpoint.script(hook, *acknowledged), "every": 0.5, "timeout": 120}
        url = world.endpoint.script(f"/job/{number}", Reply(202), Reply(200, {"n": number}))
        submitted[hook] = task.delay(url, **parameters)
    for number, (hook, result) in enumerate(submitted.items()):
        assert result.get(timeout=90) == {"n": number}
        sent = task.AsyncResult(f"{result.id}.webhook")
        wait_until(lambda sent=sent: sent.status().state == "succeeded", 3 * LEASE)
        for arrival in world.endpoint.arrivals(hook):
            message = Webhook(SECRET).verify(arrival.body, dict(arrival.headers))
            assert arrival.headers["webhook-id"] == f"msg_{result.id}"
            assert (message["data"]["id"], message["data"]["value"]) == (result.id, {"n": number})
    assert world.deaths.count(-signal.SIGKILL) == 2
