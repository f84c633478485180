"""Clocks are wrong everywhere but in Redis, and nobody notices."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import datetime
from itertools import pairwise

import pytest

from tests.chaos.world import World
from tests.system.workers import ROOT, Worker

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

SUBMIT = """
import sys
from pollers import poll
print(poll.delay(sys.argv[1], until="status == 'completed'", returns="n", every=0.5, timeout="30s").id)
"""


@pytest.fixture(autouse=True)
def _faketime() -> None:
    if shutil.which("faketime") is None:
        pytest.fail("faketime is needed, for processes with wrong clocks: apt-get install faketime")


def an_hour(sign: str) -> dict[str, str]:
    """Return the environment of a process with a wrong clock.

    The command `faketime` tells it; run by way of that command, a worker would not hear its signals.
    """
    told = subprocess.run(
        ["faketime", "-f", f"{sign}3600", "env"], check=True, capture_output=True, text=True
    ).stdout
    variables = dict(line.partition("=")[::2] for line in told.splitlines())
    return {name: variables[name] for name in ("LD_PRELOAD", "FAKETIME")}


def hours_ahead(worker: Worker) -> int:
    """Return how far ahead a worker's clock is, by its log."""
    shown = re.search(r"\[(\S+ [\d:]+)", worker.log())
    assert shown is not None
    return round((datetime.fromisoformat(shown[1]) - datetime.now()).total_seconds() / 3600)


def test_clocks_of_workers_do_not_matter(world: World) -> None:
    """One is an hour ahead, one an hour behind: attempts keep their cadence, deadlines hold."""
    ahead = world.start_worker("ahead", **an_hour("+"))
    behind = world.start_worker("behind", **an_hour("-"))
    assert (hours_ahead(ahead), hours_ahead(behind)) == (1, -1)
    world.submit(200, attempts=6)
    world.submit_endless(50, timeout=3.0)
    stats = world.account()
    assert stats["settled"] >= 6 * 200
    gaps = [
        later.at - earlier.at
        for name in world.results
        for earlier, later in pairwise(world.endpoint.arrivals(name))
    ]
    assert min(gaps) > 0.4
    assert sorted(gaps)[int(0.95 * len(gaps))] < 2.0


@pytest.mark.parametrize("sign", ["+", "-"])
def test_the_clock_of_the_application_does_not_matter(world: World, sign: str) -> None:
    """A timeout is a duration; Redis makes the deadline of it."""
    world.start_worker("w1")
    url = world.endpoint.becomes("/job", {"status": "completed", "n": 7})
    submitted = subprocess.run(
        [sys.executable, "-c", SUBMIT, url],
        cwd=ROOT,
        env={**os.environ, **an_hour(sign), "POLLERS_REDIS_URL": world.redis_url},
        check=True,
        capture_output=True,
        text=True,
    )
    result = world.client.tasks["pollers.poll"].AsyncResult(submitted.stdout.strip())
    assert result.get(timeout=20) == 7
    status = result.status()
    assert (status.deadline - status.created).total_seconds() == 30
