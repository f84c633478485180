"""The demo as `make run` runs it: one command, a picture, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis

from pollers.demo import png
from pollers.demo.mandelbrot import View, render
from tests.conftest import free_port
from tests.system.commands import ROOT
from tests.waiting import wait_until

#: Seconds that the demo may take to come up, to end, or for a few tiles.
PATIENCE = 40.0

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Return a starter of the demo, at this test's Redis."""
    started: list[subprocess.Popen[str]] = []

    def demo(*arguments: str, redis_url: str = redis_url) -> subprocess.Popen[str]:
        environment = {"POLLERS_REDIS_URL": redis_url, "XDG_STATE_HOME": str(tmp_path / "state")}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "pollers.demo", "run", "--output", "picture.png", *arguments],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield demo
    for process in started:
        if process.poll() is None:
            # Its children are on a leash.
            process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the demo prints up to and with the line that has `text`; fails when it ends before."""
    said = ""
    for line in process.stdout or ():
        said += line
        if text in line:
            return said
    raise AssertionError(f"the demo ended without {text!r}:\n{said}")


@pytest.mark.slow
def test_the_demo_writes_the_picture_and_ends(start: Start, tmp_path: Path) -> None:
    """Exit code 0, the right pixels, a summary, and where Flower listens."""
    process = start("--tiles", "4")
    said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, said
    assert "Flower listens on http://127.0.0.1:" in said
    assert "finished 0/4" in said
    assert "\ntiles              4 in " in said
    assert "\nanswers to poll    4 x 200, " in said
    view = View.of_tiles(4)
    tiles = {place: render(view, *place) for place in view.places()}
    rows = [
        b"".join(tiles[x, y][row * view.size * 3 : (row + 1) * view.size * 3] for x in range(2))
        for y in range(2)
        for row in range(view.size)
    ]
    png.write(tmp_path / "expected.png", view.width, rows)
    assert (tmp_path / "picture.png").read_bytes() == (tmp_path / "expected.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_children(start: Start, redis_url: str, number: signal.Signals) -> None:
    """Wherever the run is broken off: no process is left, and no poll goes on."""
    process = start()
    read_until(process, "finished 0/64")
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 4  # two workers, Flower, the rendering process

    process.send_signal(number)
    assert process.wait(PATIENCE) == 128 + number
    wait_until(lambda: not any(child.is_running() for child in children))
    with redis.Redis.from_url(redis_url) as client:
        assert client.zrange("{pollers}:schedule", 0, -1) == [], client.hgetall("{pollers}:polls")


@pytest.mark.slow
def test_a_lost_worker_ends_the_demo_with_its_log(start: Start, tmp_path: Path) -> None:
    """Exit code 1, which process it was, and the end of what it said."""
    process = start("--keep", "--tiles", "1")
    read_until(process, "stays up until Ctrl-C")
    workers = [
        child
        for child in psutil.Process(process.pid).children()
        if any("hostname=demo-2" in argument for argument in child.cmdline())
    ]
    assert len(workers) == 1
    workers[0].kill()
    said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert "The demo failed: demo-2 has ended with exit code -9." in said
    assert "demo-2 | " in said
    assert "demo-1 | " not in said


def test_a_redis_that_is_not_there_is_told_at_once(start: Start) -> None:
    """Nothing is started that would try for a minute."""
    process = start("--tiles", "1", redis_url=f"redis://127.0.0.1:{free_port()}/0")
    said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 1
    assert "cannot be reached" in said
    assert "Flower" not in said.replace("two workers and Flower ...", "")


def test_a_picture_that_cannot_be_written_is_told_at_once(start: Start, tmp_path: Path) -> None:
    """Wrong usage, before anything is started."""
    (tmp_path / "file").touch()
    process = start("--output", "file/picture.png")
    said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 2
    assert "--output" in said
