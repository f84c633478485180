"""`pollers top` on a real Redis, with a real worker: by its keys, at a terminal, and without one."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from celery import Celery
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from pollers import PollResult, poll
from pollers.cli.board import Board
from pollers.cli.dialogs import Detail
from pollers.cli.panels import due_cells
from pollers.cli.screen import Top
from pollers.cli.watch import show_top
from pollers.runtime import runtime_of
from pollers.store import Store
from pollers.store.traffic import reopen, shut
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("worker")


async def until(pilot: Pilot[None], condition: Callable[[], object], limit: float = 10.0) -> None:
    """Let the screen go on until a condition holds."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "not in time"
        await pilot.pause(0.05)


def submit(endpoint: Endpoint, path: str, reply: Reply, tag: str) -> PollResult:
    """Submit a poll that goes on and on, by a tag."""
    return poll.delay(endpoint.script(path, reply), until="done", every=30, timeout=600, tags=[tag])


def test_polls_are_watched_and_steered_by_keys(endpoint: Endpoint, application: Celery) -> None:
    """Filter, open, nudge, pause, resume, cancel."""
    running = submit(endpoint, "/run", Reply(body={"step": "[red]7"}), "top-one")
    failing = submit(endpoint, "/fail", Reply(503, "come back later"), "top-two")

    async def main() -> None:
        top = Top(Board(runtime_of(application).store), "top-")
        async with top.run_test(size=(120, 40)) as pilot:
            due, worst = top.query_one("#due", DataTable), top.query_one("#failing", DataTable)
            await until(pilot, lambda: worst.row_count == 1 and due.row_count == 2)
            assert worst.ordered_rows[0].key.value == failing.id
            assert top.query_one("#workers", DataTable).row_count >= 1
            await pilot.press("slash", *"one", "enter")
            await until(pilot, lambda: due.row_count == 1 and top.poll_at_cursor() == running.id)

            await pilot.press("n")
            await until(pilot, lambda: running.status().attempts == 2)
            await pilot.press("p")
            await until(pilot, lambda: running.status().paused)
            await pilot.press("p")
            await until(pilot, lambda: not running.status().paused)

            await pilot.press("enter")
            await until(pilot, lambda: isinstance(top.screen, Detail))
            told = top.screen.query_one("#poll", Static)
            await until(pilot, lambda: "[red]7" in str(told.render()) and "#2" in str(told.render()))
            await pilot.press("c", "n", "c", "y")
            await until(pilot, lambda: running.status().state == "cancelled")
            await pilot.press("escape", "escape")
            await until(pilot, lambda: worst.row_count >= 1)
            assert "<svg" in top.export_screenshot()

    asyncio.run(main())
    assert failing.cancel()


def test_it_says_why_a_poll_waits_that_is_due(endpoint: Endpoint, application: Celery) -> None:
    """Its origin, which is another than that of the other tests, is paused."""
    url = endpoint.script("/kept", Reply(body={})).replace("127.0.0.1", "localhost")
    polls, origin = runtime_of(application).store, url.removesuffix("/kept")
    shut(polls, origin)
    try:
        kept = poll.delay(url, until="done", timeout=600, tags=["top-four"])
        board = Board(polls)
        wait_until(lambda: [row.late for row in board.look("top-four").due] != [None])
        (row,) = board.look("top-four").due
        assert (row.status.id, row.status.why_waiting) == (kept.id, "origin paused")
        assert str(due_cells(row)[1]) == "origin paused"
    finally:
        reopen(polls, origin)
    assert kept.cancel()


def test_snapshots_may_be_taken_at_the_same_time(endpoint: Endpoint, application: Celery) -> None:
    """As the screen does while a filter is typed."""
    kept = submit(endpoint, "/run", Reply(body={}), "top-five")
    board = Board(runtime_of(application).store)
    with ThreadPoolExecutor(4) as threads:
        snapshots = list(threads.map(lambda _: board.look("top-five"), range(40)))
    assert [row.status.id for snapshot in snapshots for row in snapshot.due] == [kept.id] * 40
    assert kept.cancel()


def test_what_redis_refuses_is_told_on_the_screen(
    endpoint: Endpoint, application: Celery, shared_redis_url: str
) -> None:
    """A user who may look but not write; and one who may not look at all any more."""
    kept = submit(endpoint, "/kept", Reply(body={}), "top-six")
    url = shared_redis_url.replace("//", "//viewer:secret@")
    with redis.Redis.from_url(shared_redis_url) as admin:
        may_look = ["+@read", "+@connection", "+info", "+time"]
        admin.execute_command("ACL", "SETUSER", "viewer", "on", ">secret", "~*", "&*", *may_look)

        async def main() -> None:
            store = Store.connect(dataclasses.replace(runtime_of(application).settings, redis_url=url))
            top = Top(Board(store), "top-six")
            async with top.run_test(size=(120, 40)) as pilot:
                await until(pilot, lambda: top.poll_at_cursor() == kept.id)
                await pilot.press("n")
                await until(pilot, lambda: any("no permissions" in one.message for one in top._notifications))
                await pilot.press("enter")
                await until(pilot, lambda: isinstance(top.screen, Detail))
                told = top.screen.query_one("#poll", Static)
                await until(pilot, lambda: kept.id in str(told.render()))
                admin.execute_command("ACL", "SETUSER", "viewer", "-@all", "+@connection")
                await until(pilot, lambda: "Redis cannot be used" in str(told.render()))
                await pilot.press("escape")
                rates = top.query_one("#rates", Static)
                await until(pilot, lambda: "Redis cannot be used" in str(rates.render()))
                await pilot.press("ctrl+c")
            assert top.return_code == 0
            store.client.close()

        try:
            asyncio.run(main())
        finally:
            admin.acl_deluser("viewer")
    assert kept.cancel()


@pytest.mark.parametrize("error", [None, ZeroDivisionError("a mistake of ours")])
def test_its_exit_code_says_whether_it_broke(
    error: Exception | None, application: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which textual prints, but does not raise."""

    def look(self: Top) -> None:
        if error is not None:
            raise error
        self.exit()

    monkeypatch.setattr(Top, "look", look)
    monkeypatch.setattr(Top, "run", functools.partialmethod(Top.run, headless=True))
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert show_top("", once=False, as_json=False) == (0 if error is None else 1)


@pytest.mark.slow
def test_the_screen_leaves_the_terminal_as_it_was(tmp_path: Path, shared_redis_url: str) -> None:
    """When it is left by its keys, and when it is ended."""
    pollers = Commands(tmp_path, {"POLLERS_REDIS_URL": shared_redis_url})
    for keys in ("q", "\x03", "/x\x03"):
        with pollers.at_terminal("top", columns=100) as terminal:
            asyncio.run(_drawn(lambda: "attempts" in terminal.drawn))
            terminal.type(keys)
            assert terminal.wait() == 0
            assert terminal.as_before
    with pollers.at_terminal("top") as terminal:
        asyncio.run(_drawn(lambda: "attempts" in terminal.drawn))
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 143
        assert terminal.as_before


async def _drawn(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


@pytest.mark.slow
def test_one_snapshot_is_printed_without_a_terminal(
    tmp_path: Path, shared_redis_url: str, endpoint: Endpoint
) -> None:
    """For programs and for people."""
    result = submit(endpoint, "/run", Reply(body={}), "top-three")
    pollers = Commands(tmp_path, {"POLLERS_REDIS_URL": shared_redis_url})
    told = json.loads(pollers("top", "--once", "--json", "--filter", "top-three").out)
    assert [row["id"] for row in told["due"]] == [result.id]
    assert told["polls"]["waiting"] >= 1
    assert set(told["lateness_ms"]) == {"p50", "p90", "p99"}
    # Others may have stopped a moment ago.
    assert [""] in [worker["queues"] for worker in told["workers"]]
    printed = pollers("top", "--once", "--filter", "top-three")
    assert (result.id in printed.out, printed.code) == (True, 0)
    assert result.cancel()
