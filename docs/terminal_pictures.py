"""Takes the pictures of the terminal for the documentation: `make screenshots`."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pollers import app, poll
from pollers.cli.board import Board
from pollers.cli.screen import Top
from pollers.embedded import serve
from pollers.runtime import runtime_of
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.system.workers import Worker
from tests.waiting import wait_until

IMAGES = Path(__file__).parent / "images"
CONDITIONS: dict[str, Any] = {"until": "status == 'completed'", "fail_when": "status == 'failed'"}
#: Columns and lines of the terminal.
SIZE = (132, 42)
#: Seconds that the sparklines have to fill.
WATCHED = 25


def main() -> None:
    """Run a worker and some polls of each kind, and take the pictures."""
    settings = {"POLLERS_LIMITS": '{"slow": "1/s"}', "POLLERS_BREAKER": '{"ratio": 0.5, "minimum": 10}'}
    with tempfile.TemporaryDirectory() as directory, serve(Path(directory)) as redis_url:
        os.environ |= {"POLLERS_REDIS_URL": redis_url, **settings}
        with Worker(redis_url, app="pollers", name="worker-1"), Endpoint() as endpoint, Endpoint() as broken:
            shown = submit_polls(endpoint, broken)
            asyncio.run(picture_top(shown))
            # Celery warns whoever takes these as root.
            environment = {"POLLERS_REDIS_URL": redis_url, "PYTHONWARNINGS": "ignore"}
            commands = Commands(Path(directory), environment)
            picture_command(commands, "show", shown)
            picture_command(commands, "ls", "--tag", "nightly", "--limit", "12")
            picture_commands(commands, endpoint, shown)
        app.close()


def submit_polls(endpoint: Endpoint, broken: Endpoint) -> str:
    """Submit polls; return the id of one to look at."""
    running = Reply(body={"status": "running", "progress": 40})
    for number in range(60):
        url = endpoint.script(f"/renders/{number}", running)
        poll.delay(url, every=f"{1 + number % 7}s", timeout="1h", tags=["nightly"], **CONDITIONS)
    for number in range(8):
        url = broken.script(f"/exports/{number}", Reply(503, "come back later"))
        poll.delay(url, every="1s", timeout="1h", **CONDITIONS)
    for number in range(25):
        poll.delay(endpoint.url(f"/renders/{number}"), limit="slow", every="5s", timeout="1h", **CONDITIONS)
    for number in range(5):
        done = {"status": "completed", "output": f"https://cdn.example.com/{number}.mp4"}
        poll.delay(endpoint.becomes(f"/done/{number}", done), every="1s", **CONDITIONS)
    phases = [Reply(body={"status": "running", "progress": 10 * step}) for step in range(1, 9)]
    url = endpoint.script("/renders/shown", Reply(503, "busy"), *phases)
    shown = poll.delay(f"{url}?token=0123456789", every="2s", timeout="1h", tags=["urgent"], **CONDITIONS)
    wait_until(lambda: shown.status().attempts >= 2, 20)
    return str(shown.id)


async def picture_top(shown: str) -> None:
    """Take the pictures of `pollers top` and of a poll that is open in it."""
    top = Top(Board(runtime_of(app).store))
    async with top.run_test(size=SIZE) as pilot:
        began = time.monotonic()
        while time.monotonic() - began < WATCHED:
            await pilot.pause(0.5)
        (IMAGES / "terminal-top.svg").write_text(top.export_screenshot(title="pollers top"))
        await pilot.press("slash", *"urgent", "enter")
        await pilot.pause(2)
        await pilot.press("enter")
        await pilot.pause(2)
        (IMAGES / "terminal-top-poll.svg").write_text(top.export_screenshot(title="pollers top"))


def picture_commands(commands: Commands, endpoint: Endpoint, shown: str) -> None:
    """Take a picture of each of the other commands."""
    rendered = {"status": "completed", "output": "https://cdn.example.com/42.mp4"}
    condition = ("--until", "status == 'completed'", "--returns", "output", "--every", "1s")
    picture_command(commands, "probe", endpoint.url("/renders/1"), "--until", "status == 'completed'")
    picture_command(commands, "run", endpoint.becomes("/renders/42", rendered, after=2), *condition)
    picture_command(
        commands, "submit", endpoint.becomes("/renders/43", rendered, after=2), *condition, "--wait"
    )
    picture_command(commands, "nudge", shown)
    picture_command(commands, "pause", "--tag", "urgent")
    picture_command(commands, "resume", "--tag", "urgent")
    picture_command(commands, "cancel", "--tag", "nightly", "--dry-run")
    picture_command(commands, "limits")
    picture_command(commands, "origins")
    picture_command(commands, "doctor")
    picture_command(commands, "metrics", lines=24)
    picture_command(commands, "dev", lines=7, until="Ctrl-C stops")


def picture_command(commands: Commands, *arguments: str, lines: int = SIZE[1], until: str = "") -> None:
    """Take a picture of what a command prints first at a terminal; with ``until``, it is ended then."""
    with commands.at_terminal(*arguments, columns=SIZE[0]) as terminal:
        if until:
            wait_until(lambda: until in terminal.drawn, 30)
            terminal.process.terminate()
        terminal.wait()
        drawn = "\n".join(terminal.drawn.splitlines()[:lines])
    console = Console(record=True, width=SIZE[0], file=io.StringIO(), force_terminal=True)
    typed = " ".join(f'"{one}"' if " " in one else one for one in arguments)
    console.print(Text.from_ansi(f"$ pollers {typed}\n{drawn}"))
    (IMAGES / f"terminal-{arguments[0]}.svg").write_text(console.export_svg(title="pollers"))


if __name__ == "__main__":
    main()
