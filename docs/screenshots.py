"""Takes the pictures of Flower for the documentation: `make screenshots`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pollers import app, poll
from pollers.embedded import serve
from tests.browser.flower import MissingBrowser, chromium, details, flower, rows
from tests.endpoints import Endpoint, Reply
from tests.system.workers import Worker
from tests.waiting import wait_until

IMAGES = Path(__file__).parent / "images"
CONDITIONS: dict[str, Any] = {"until": "status == 'completed'", "fail_when": "status == 'failed'"}


def main() -> None:
    """Run everything, submit some polls of each kind, and take the pictures."""
    with tempfile.TemporaryDirectory() as directory, serve(Path(directory)) as redis_url:
        os.environ["POLLERS_REDIS_URL"] = redis_url
        with (
            chromium(1680, 860) as browser,
            flower(redis_url) as flower_url,
            Worker(redis_url, app="pollers", name="worker-1"),
            Endpoint() as endpoint,
        ):
            waiting = submit_polls(endpoint)
            browser.get(f"{flower_url}/tasks?name=pollers.poll")
            wait_until(lambda: len({row["state"] for row in rows(browser)}) == 4, 30)
            browser.save_screenshot(IMAGES / "flower-tasks.png")
            browser.get(f"{flower_url}/task/{waiting}")
            wait_until(lambda: "ETA" in details(browser))
            browser.save_screenshot(IMAGES / "flower-poll.png")
        app.close()


def submit_polls(endpoint: Endpoint) -> str:
    """Submit polls, and return the id of one that waits when the others have ended."""
    running = Reply(body={"status": "running", "progress": 40})
    for number in range(1, 6):
        url = endpoint.script(f"/renders/{number}", running)
        poll.delay(url, every="1s", **CONDITIONS)
    url = endpoint.script("/exports/4711", Reply(202, "accepted", {"Retry-After": "2"}))
    waiting = poll.delay(f"{url}?token=0123456789", headers={"Authorization": "Bearer abc"}, **CONDITIONS)
    cancelled = poll.delay(endpoint.script("/renders/6", running), every="1s", **CONDITIONS)
    wait_until(lambda: cancelled.status().attempts >= 2)
    cancelled.cancel()
    done = {"status": "completed", "output": "https://cdn.example.com/7.mp4"}
    ended = [
        poll.delay(endpoint.becomes("/renders/7", done), returns="output", every="1s", **CONDITIONS),
        poll.delay(endpoint.becomes("/renders/8", {"status": "failed"}), every="1s", **CONDITIONS),
        poll.delay(endpoint.script("/renders/9", running), every="1s", timeout="4s", **CONDITIONS),
        poll.delay(endpoint.script("/renders/10", Reply(403, "no access")), **CONDITIONS),
        cancelled,
    ]
    for result in ended:
        result.get(timeout=20, propagate=False)
    wait_until(lambda: waiting.status().attempts >= 3, 20)
    return str(waiting.id)


if __name__ == "__main__":
    try:
        main()
    except MissingBrowser as missing:
        sys.exit(str(missing))
