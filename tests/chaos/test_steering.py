"""What people and services change while polls of several workers go on, with workers that are killed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pollers import PollTimeout
from tests.chaos.test_guest import SOON, arrivals, limited, most_in
from tests.chaos.world import World
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]


@pytest.fixture
def pollers(world: World, tmp_path: Path) -> Commands:
    """Return the command line, at the Redis of the workers."""
    return Commands(tmp_path, {"POLLERS_REDIS_URL": world.redis_url})


def end(results: list[Any]) -> None:
    """Cancel polls that would go on."""
    for result in results:
        result.cancel()


def test_a_limit_is_changed_for_all_workers_at_once(world: World, pollers: Commands) -> None:
    """By a process that is none of them; a worker that comes in the place of a dead one keeps it."""
    world.settings |= limited(default="20/s")
    for name in ("w1", "w2"):
        world.start_worker(name)
    world.submit(60, attempts=1000)
    wait_until(lambda: len(arrivals(world)) >= 40, 30)
    host = world.endpoint.url("").removeprefix("http://")
    assert pollers("limits", "set", host, "5/s burst 2").code == 0
    changed = time.time() + SOON
    world.kill(world.workers[0])
    threading.Event().wait(8)
    slowly = [at for at in arrivals(world) if at >= changed]
    assert most_in(slowly, 4.0) <= 2 + 5 * 4.1
    assert len(slowly) / (slowly[-1] - slowly[0]) > 3
    assert pollers("limits", "unset", host).code == 0
    changed = time.time() + SOON
    threading.Event().wait(4)
    assert len([at for at in arrivals(world) if at >= changed]) > 40
    end(list(world.results.values()))


def test_tenants_and_priorities_have_their_shares_of_a_busy_service(world: World) -> None:
    """Ten times the polls get no tenant more, the low priority gets its part, and a crash changes nothing."""
    world.settings |= limited(default="40/s burst 4")
    for name in ("w1", "w2"):
        world.start_worker(name)
    task = world.client.tasks["pollers.poll"]
    kinds = {"many": 500, "few": 60, "low": 200}
    results = []
    for kind, polls in kinds.items():
        traits = {"priority": "low"} if kind == "low" else {"priority": "high", "tenant": kind}
        url = world.endpoint.script(f"/{kind}", Reply(body={"done": True}))
        urls = [f"{url}?{number}" for number in range(polls)]
        # All are due together, after a time that is enough to submit them.
        results += task.submit_many(urls, options={"countdown": 3.0}, until="done", timeout=120.0, **traits)
    wait_until(lambda: len(asked(world, kinds)) >= 60, 30)
    world.workers[0].kill()
    wait_until(lambda: len(world.endpoint.arrivals("/few")) == 60, 40)
    order = asked(world, kinds)
    shares = Counter(order[order.index("few") :][:100])
    assert abs(shares["many"] - shares["few"]) <= 12
    assert 4 <= shares["low"] <= 20
    end(results)


def asked(world: World, kinds: dict[str, int]) -> list[str]:
    """Return which kinds of polls were asked for, in order."""
    found = [(arrival.at, kind) for kind in kinds for arrival in world.endpoint.arrivals(f"/{kind}")]
    return [kind for _, kind in sorted(found)]


@pytest.mark.parametrize("by", ["id", "tag", "origin"])
def test_what_is_paused_is_not_asked_for_by_any_worker(world: World, pollers: Commands, by: str) -> None:
    """Nor by one that comes later; it ends at its deadline, and what is resumed goes on."""
    for name in ("w1", "w2"):
        world.start_worker(name)
    task = world.client.tasks["pollers.poll"]
    url = world.endpoint.script("/paused", Reply(body={"done": False}))
    common = {"until": "done", "every": 0.5, "request_timeout": 1.0, "tags": ["nightly"]}
    long = [task.delay(url, timeout=120.0, **common) for _ in range(20)]
    short = task.delay(url, timeout=15.0, **common)
    with Endpoint() as other:
        goes_on = task.delay(other.script("/well", Reply(body={"done": False})), until="done", every=0.5)
        wait_until(lambda: all(result.status().attempts for result in [*long, short, goes_on]), 30)
        which = {
            "id": [result.id for result in [*long, short]],
            "tag": ["--yes", "--tag", "nightly"],
            "origin": ["--origin", world.endpoint.url("")],
        }[by]
        assert pollers("pause", *which).code == 0
        paused = time.time() + SOON
        world.kill(world.workers[0])
        with pytest.raises(PollTimeout):
            short.get(timeout=30)
        assert not [arrival for arrival in world.endpoint.arrivals("/paused") if arrival.at > paused]
        assert len([arrival for arrival in other.arrivals("/well") if arrival.at > paused]) > 5
        assert pollers("resume", *which[:-1] if by == "id" else which).code == 0
        begun = [result.status().attempts for result in long]
        wait_until(
            lambda: all(r.status().attempts > before for r, before in zip(long, begun, strict=True)), 20
        )
        end([*long, goes_on])


@pytest.mark.parametrize(
    "headers",
    [
        {"RateLimit": '"default";r=0;t=3', "RateLimit-Policy": '"default";q=10;w=3'},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "3"},
    ],
    ids=["RateLimit", "X-RateLimit"],
)
def test_a_service_that_says_that_nothing_is_left_is_left_alone(
    world: World, headers: dict[str, str]
) -> None:
    """By all workers, until the moment that it names; then it is approached."""
    world.settings |= {"POLLERS_RATE_LIMIT_HEADERS": "yes"}
    for name in ("w1", "w2"):
        world.start_worker(name)
    world.submit(60, attempts=60)
    wait_until(lambda: world.attempted(1.0), 30)
    url = world.endpoint.script("/told", Reply(body={"done": 0}, headers=headers), Reply(body={"done": 1}))
    told = world.client.tasks["pollers.poll"].delay(url, until="done == `1`", every=0.5)
    held = world.wait_for_hold()
    assert told.get(timeout=30) == {"done": 1}
    at = world.endpoint.arrivals("/told")[0].at
    assert not [moment for moment in arrivals(world) if held + SOON < moment < at + 2.9]
    assert len([moment for moment in arrivals(world) if at + 2.9 <= moment < at + 3.9]) < 40
    end(list(world.results.values()))
