"""Takes the pictures of Flower for the documentation: `make screenshots`."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from celery import chain
from PIL import Image
from selenium.webdriver import Chrome

from pollers import app, poll
from pollers.embedded import serve
from tests.browser.flower import MissingBrowser, chromium, details, flower, rows
from tests.endpoints import Endpoint, Reply
from tests.system.app import echo
from tests.system.workers import Worker
from tests.waiting import wait_until

IMAGES = Path(__file__).parent / "images"
CONDITIONS: dict[str, Any] = {"until": "status == 'completed'", "fail_when": "status == 'failed'"}
RUNNING = Reply(body={"status": "running", "progress": 40})
#: Colours of a picture: enough for text, badges and buttons, in a third of the bytes.
COLOURS = 256


def main() -> None:
    """Run everything, submit some polls of each kind, and take the pictures."""
    with tempfile.TemporaryDirectory() as directory, serve(Path(directory)) as redis_url:
        os.environ["POLLERS_REDIS_URL"] = redis_url
        with (
            chromium(1900, 1010) as browser,
            flower(redis_url) as flower_url,
            Worker(redis_url, name="worker-1"),
            Endpoint() as api,
            Endpoint() as busy,
        ):
            take_list(browser, flower_url, api, busy)
            browser.set_window_size(1280, 1500)
            take_pages(browser, flower_url, api)
        app.close()


def take_list(browser: Chrome, flower_url: str, api: Endpoint, busy: Endpoint) -> None:
    """Take the picture of the list, with a poll in each state and each way to wait."""
    held = poll.delay(busy.script("/exports/1", RUNNING), every="1s", **CONDITIONS)
    wait_until(lambda: held.status().attempts >= 2)
    poll.delay(busy.script("/exports/2", Reply(429, "slow down", {"Retry-After": "60"})), **CONDITIONS)
    submit(api)
    paused = poll.delay(api.script("/renders/12", RUNNING), every="1s", **CONDITIONS)
    waiting = [poll.delay(api.script(f"/renders/{n}", RUNNING), every="5s", **CONDITIONS) for n in (13, 14)]
    wait_until(lambda: paused.status().attempts >= 2)
    paused.pause()
    wait_until(lambda: all(one.status().attempts >= 2 for one in waiting), 20)
    browser.get(f"{flower_url}/tasks?name=pollers.poll")
    wait_until(
        lambda: {"paused", "origin held"} <= {row["eta"].partition(" for ")[0] for row in rows(browser)}
    )
    save(browser, "flower-tasks")


def submit(api: Endpoint) -> None:
    """Submit a poll that ends in each way, and wait for their ends."""
    cancelled = poll.delay(api.script("/renders/6", RUNNING), every="1s", **CONDITIONS)
    wait_until(lambda: cancelled.status().attempts >= 2)
    cancelled.cancel()
    done = {"status": "completed", "output": "https://cdn.example.com/7.mp4"}
    for result in (
        cancelled,
        poll.delay(api.becomes("/renders/7", done), returns="output", every="1s", **CONDITIONS),
        poll.delay(api.becomes("/renders/8", {"status": "failed"}), every="1s", **CONDITIONS),
        poll.delay(api.script("/renders/9", RUNNING), every="1s", timeout="4s", **CONDITIONS),
        poll.delay(api.script("/renders/10", Reply(403, "no access")), **CONDITIONS),
    ):
        result.get(timeout=20, propagate=False)


def take_pages(browser: Chrome, flower_url: str, api: Endpoint) -> None:
    """Take the pictures of the page of a poll that waits, and of one that was a step of a chain."""
    url = api.script("/exports/4711", Reply(202, "accepted", {"Retry-After": "2"}))
    waiting = poll.delay(f"{url}?token=0123456789", headers={"Authorization": "Bearer abc"}, **CONDITIONS)
    done = api.becomes("/renders/15", {"status": "completed", "output": "https://cdn.example.com/15.mp4"})
    last = chain(echo.s(done), poll.s(returns="output", every="1s", **CONDITIONS), echo.s()).delay()
    last.get(timeout=20)
    wait_until(lambda: waiting.status().attempts >= 3, 20)
    for name, poll_id, told in (
        ("flower-poll", waiting.id, "ETA"),
        ("flower-chain", last.parent.id, "Children"),
    ):
        browser.get(f"{flower_url}/task/{poll_id}")
        wait_until(lambda told=told: told in details(browser))
        save(browser, name)


def save(browser: Chrome, name: str) -> None:
    """Save a small picture of the window."""
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    small = picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    try:
        main()
    except MissingBrowser as missing:
        sys.exit(str(missing))
