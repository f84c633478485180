"""`pollers doctor`: every component, each trouble with its cure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from pollers import poll
from pollers.cli.examination.services import examine_flower
from pollers.settings import Settings
from pollers.store import Store, Submission
from tests.conftest import free_port
from tests.endpoints import Endpoint, Reply
from tests.system.commands import Commands
from tests.system.workers import Worker

SPEC = json.dumps({"url": "http://127.0.0.1/"})


def findings(commands: Commands, *arguments: str) -> dict[str, str]:
    """Return the cure of each problem that is found."""
    ended = commands("doctor", "--json", *arguments)
    told: list[dict[str, Any]] = ended.json()["findings"]
    assert ended.code == (1 if told else 0)
    return {f"{one['part']}: {one['problem']}": one["cure"] for one in told}


@pytest.fixture
def sick(redis_url: str) -> Iterator[Store]:
    """Return a store in which everything is wrong, and that no worker looks at."""
    store = Store.connect(Settings(redis_url=redis_url))
    for name in ("overdue", "outcome"):
        store.admit(Submission(name, spec=SPEC, span=1.0, timeout=600.0))
    store.cancel("outcome")
    seconds, _ = store.client.time()
    store.client.zadd(store.keys.schedule, {"overdue": (seconds - 60) * 1000})
    ended = found.record._replace(ended_ms=(seconds - 120) * 1000) if (found := store.find("outcome")) else ()
    store.client.hset(store.keys.polls, "outcome", msgpack.packb(list(ended)))
    store.client.hset(store.keys.polls, "junk", b"\xc1 no record")
    store.nudge("junk")
    store.note("malformed", 2)
    store.client.hset(store.keys.stats, "last:malformed", (seconds - 7200) * 1000)
    yield store
    store.client.close()


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(200, "OK"), None),
        (Reply(401, "who are you?"), None),
        (Reply(200, "<html>welcome</html>"), "is not Flower: its /healthcheck does not say OK."),
        (Reply(404, "OK"), "is not Flower: its /healthcheck does not say OK."),
        (Reply(503), "answers 503."),
    ],
)
def test_any_service_is_not_taken_for_flower(
    reply: Reply, told: str | None, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is behind a password may be one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    endpoint.script("/flower/healthcheck", reply)
    found = list(examine_flower(endpoint.url("/flower/")))
    assert [one.problem.endswith(told or "") for one in found] == ([True] if told else [])


def test_everything_that_is_wrong_is_told(sick: Store, redis_url: str, tmp_path: Path) -> None:
    """To programs and to people: all that a command can see by itself, and damage of the last hour."""
    broker = f"redis://:secret@127.0.0.1:{free_port()}/0"
    environment = {
        "POLLERS_REDIS_URL": redis_url,
        "POLLERS_PAK_SIZE": "5",
        "CELERY_BROKER_URL": broker,
        "CELERY_RESULT_BACKEND": "disabled://",
        "POLLERS_FLOWER_URL": f"http://127.0.0.1:{free_port()}",
    }
    commands = Commands(tmp_path, environment)
    found = findings(commands)
    beginnings = (
        "settings: POLLERS_PAK_SIZE is not a setting of pollers; did you mean POLLERS_PACK_SIZE?",
        "redis: Redis keeps no append-only file",
        "workers: No worker dispatches polls.",
        "polls: A poll has been due for 1m",
        "polls: The outcome of a poll that ended 2m",
        "polls: 1 record cannot be read: junk; not the record of a poll",
        "polls: Records were found damaged, or of a newer version: 1 time, the last",
        "broker: The broker at redis://",
        "results: There is no result backend",
        "flower: Flower at http://127.0.0.1:",
    )
    for beginning in beginnings:
        assert [problem for problem in found if problem.startswith(beginning)], beginning
    assert len(found) == len(beginnings)
    assert all(found.values())
    assert not any("secret" in problem for problem in found)
    told = commands("doctor")
    assert told.code == 1
    lines = told.out.splitlines()
    assert lines[0].endswith("3 polls, 0 workers.")
    at = lines.index("- workers: No worker dispatches polls.")
    assert lines[at + 1] == "  Start one: celery -A pollers worker"
    assert lines[-1] == "Survived since the first poll: 1 unreadable, 2 malformed."


def test_a_redis_that_is_away_is_a_finding(tmp_path: Path) -> None:
    """With its cure, for programs too."""
    [(problem, cure)] = findings(Commands(tmp_path, {"POLLERS_REDIS_URL": "redis://127.0.0.1:1/0"})).items()
    assert problem.startswith("redis: Redis at 127.0.0.1:1 cannot be reached")
    assert cure.startswith("Start it, or mend POLLERS_REDIS_URL")


def test_a_redis_that_refuses_is_a_finding(redis_url: str, tmp_path: Path) -> None:
    """Such as one that has no such database."""
    url = f"{redis_url.rpartition('/')[0]}/99999"
    [(problem, cure)] = findings(Commands(tmp_path, {"POLLERS_REDIS_URL": url})).items()
    assert problem == "redis: Redis cannot be used: DB index is out of range"
    assert cure.startswith("Mend POLLERS_REDIS_URL")


def test_a_user_of_redis_who_may_not_ask_info_is_a_finding(
    narrow_redis_url: str, sick: Store, tmp_path: Path
) -> None:
    """One among others: all else is looked at."""
    found = findings(Commands(tmp_path, {"POLLERS_REDIS_URL": narrow_redis_url}))
    cures = [cure for problem, cure in found.items() if "may not ask INFO" in problem]
    assert cures == ["Allow it: ACL SETUSER <user> +info"]
    assert "workers: No worker dispatches polls." in found
    assert any("1 record cannot be read" in problem for problem in found)


def test_workers_are_asked_what_they_lack(
    worker: Worker, shared_redis_url: str, endpoint: Endpoint, tmp_path: Path
) -> None:
    """Credentials that polls name, and queues that polls name; where all is well, nothing is said of them."""
    url = endpoint.script("/job", Reply(202))
    named = poll.apply_async((url,), {"auth": "nobodys"}, countdown=300)
    elsewhere = poll.apply_async((url,), {"every": 60}, queue="consumed-by-nobody")
    found = findings(Commands(tmp_path, {"POLLERS_REDIS_URL": shared_redis_url}))
    for result in (named, elsewhere):
        result.cancel()
    assert "workers: Polls name the credential 'nobodys', which w1@tests does not have." in found
    waits = "workers: 1 poll waits in the queue 'consumed-by-nobody', which no worker consumes."
    assert found[waits] == "Start one: celery -A pollers worker --queues consumed-by-nobody"
    parts = {problem.partition(":")[0] for problem in found}
    assert parts <= {"redis", "workers", "polls"}
    # Of this worker; others may have stopped a moment ago.
    mine = [problem for problem in found if "w1@tests" in problem]
    assert not any("did not answer" in problem or "clock" in problem for problem in mine)
