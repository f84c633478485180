"""A secret that polls use in every possible place is found nowhere but at the service.

The service is the worst there is: it says back all that it was sent, in every part of its answers. Each
place that is searched is asked for something that must be there, too, so that no search is empty.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
import requests
from celery import Celery

from pollers import PollEnded, PollResult, poll
from tests.browser.flower import flower
from tests.endpoints import Arrival, Endpoint, Reply
from tests.system.app import WEBHOOK_SECRET
from tests.system.commands import Commands
from tests.system.workers import Worker
from tests.transport.services import TokenService
from tests.waiting import wait_until

#: By credential; with what URLs, JSON and Base64 write in another way.
SECRETS = {
    "of-function": "hush-function/+1",
    "bearer": "hush-bearer/+2",
    "basic": 'hush-"basic"/+3',
    "digest": "hush-digest/+4",
    "header": "hush-header/+5",
    "query": "hush-query/+&=6",
    "oauth2": "hush-oauth2/+7",
    "wrong": "hush-wrong/+8",
}
ENDS = ("done", "failed", "denied", "pending", "dropped", "moved")
#: A word of the service that stands in every answer.
MARKER = "said-by-the-service"


class Gossip(Endpoint):
    """Ends a poll as its path says, and says back everything."""

    def _answer(self, arrival: Arrival) -> Reply:
        super()._answer(arrival)
        end = arrival.path.partition("?")[0].rpartition("/")[2]
        body = {"said": MARKER, "end": end, "path": arrival.path, "headers": dict(arrival.headers)}
        headers = {f"X-{name}": value for name, value in arrival.headers.items()}
        if end == "moved":
            told = quote(arrival.headers.get("Authorization", "") + arrival.headers.get("X-Key", ""), "")
            headers["Location"] = f"done?{arrival.path.partition('?')[2]}&token={told}"
        status = {"denied": 403, "pending": 202, "moved": 307}.get(end, 200)
        return Reply(status, body=body, headers=headers, drop=end == "dropped")


class Everything:
    """All that passes through Redis, each command as it comes in."""

    def __init__(self, client: redis.Redis) -> None:
        self.commands: list[str] = []
        self._monitor = client.monitor()
        self._monitor.__enter__()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for command in self._monitor.listen():
                self.commands.append(command["command"])
        except (redis.ConnectionError, OSError, ValueError, AttributeError):
            pass

    def close(self) -> None:
        """Stop to listen."""
        self._monitor.connection.disconnect()
        self._thread.join(5)


@pytest.fixture
def everything(shared_redis_url: str) -> Iterator[Everything]:
    """Return what passes through Redis during the test."""
    with redis.Redis.from_url(shared_redis_url) as client:
        everything = Everything(client)
        yield everything
        everything.close()


@pytest.fixture
def gossip() -> Iterator[Gossip]:
    """Return the service."""
    with Gossip() as server:
        yield server


@pytest.fixture
def tokens() -> Iterator[TokenService]:
    """Return a token endpoint."""
    with TokenService(client="me", secret=SECRETS["oauth2"]) as server:
        yield server


@pytest.fixture
def environment(tokens: TokenService, tmp_path: Path, log_format: str) -> dict[str, str]:
    """Return what a worker's environment holds: each kind of credential, some of them in a file."""
    file = {
        "digest": {"kind": "digest", "user": "me", "password": SECRETS["digest"]},
        "header": {"kind": "header", "name": "X-Key", "value": SECRETS["header"]},
        "oauth2": {
            "kind": "oauth2",
            "token_url": tokens.url("/token"),
            "client_auth": "post",
            "client_id": "me",
            "client_secret": SECRETS["oauth2"],
        },
        "wrong": {"kind": SECRETS["wrong"], "token": SECRETS["wrong"], SECRETS["wrong"]: "x"},
    }
    (tmp_path / "credentials.json").write_text(json.dumps(file))
    variables = {
        "bearer": {"kind": "bearer", "token": SECRETS["bearer"]},
        "basic": {"kind": "basic", "user": "me", "password": SECRETS["basic"]},
        "query": {"kind": "query", "name": "k", "value": SECRETS["query"]},
    }
    return {
        "TESTS_PASSWORD": SECRETS["of-function"],
        "POLLERS_CREDENTIALS_FILE": str(tmp_path / "credentials.json"),
        "POLLERS_LOG_FORMAT": log_format,
        **{f"POLLERS_CREDENTIAL_{name.upper()}": json.dumps(fields) for name, fields in variables.items()},
    }


def forms(secret: str) -> set[str]:
    """Return how a secret may be written."""
    pair = base64.b64encode(f"me:{secret}".encode()).decode()
    return {secret, quote(secret, ""), quote(secret), json.dumps(secret)[1:-1], pair, quote(pair, "")}


def found(text: str) -> list[str]:
    """Return the names of the secrets that are in a text; of none is any part to be seen."""
    return [
        name
        for name, secret in SECRETS.items()
        if any(form in text for form in forms(secret)) or f"hush-{name}" in text
    ]


def revealed(text: str) -> str:
    """Return a text and what it has in Base64, as the bodies of messages and events are written."""
    parts = [text]
    for run in set(re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text)):
        try:
            parts.append(base64.b64decode(run + "=" * (-len(run) % 4)).decode("utf-8", "replace"))
        except ValueError:
            pass
    return "\n".join(parts)


def ended(result: PollResult) -> str:
    """Return all that an application gets of a poll's end."""
    try:
        value = result.get(timeout=30)
    except PollEnded as error:
        return f"{error} {error!r} {error.args!r} {result.traceback} {result.result!r}"
    return f"{value!r} {result.result!r}"


def contents(client: redis.Redis) -> str:
    """Return all that Redis keeps, by the kind of each key."""
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": client.xrange,
    }
    parts = []
    for key in client.scan_iter():
        kind = client.type(key)
        if kind != b"none":
            parts.append(f"{key!r} {readers[kind](key)!r}")
    return "\n".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_are_found_nowhere(
    application: Celery,
    shared_redis_url: str,
    gossip: Gossip,
    tokens: TokenService,
    environment: dict[str, str],
    everything: Everything,
    tmp_path: Path,
) -> None:
    """By every credential to every end: in Redis, queues, results, logs, events, Flower and commands."""
    client = redis.Redis.from_url(shared_redis_url)
    worker = Worker(
        shared_redis_url,
        name="secrets",
        queues="secrets",
        settings=environment,
        arguments=["--loglevel", "DEBUG"],
    )
    told_at = gossip.url("/hook/done")
    with worker, flower(shared_redis_url) as url:
        results = {
            (name, end): poll.apply_async(
                [gossip.url(f"/{name}/{end}")],
                {"auth": name, "until": "end == 'done'", "fail_when": "end == 'failed'"}
                | {"every": 0.5, "timeout": 2 if end in ("pending", "dropped") else 20},
                queue="secrets",
            )
            for name in SECRETS
            for end in ENDS
        }
        hooked = {"auth": "header", "until": "end == 'done'", "webhook": told_at}
        poll.apply_async([gossip.url("/header/done")], hooked, queue="secrets")
        told = {key: ended(result) for key, result in results.items()}
        wait_until(lambda: gossip.arrivals("/hook/done"), 20)
        places = {
            "results": " ".join(told.values()),
            "keys": contents(client),
            "log": worker.log(),
            **of_flower(url, results["header", "done"].id),
            **of_commands(Commands(tmp_path, environment | {"POLLERS_REDIS_URL": shared_redis_url}), results),
            "statuses": " ".join(repr(result.status()) for result in results.values()),
        }
        places["commands of Redis"] = "\n".join(everything.commands)
    places = {name: revealed(text) for name, text in places.items()}
    assert {name: found(text) for name, text in places.items() if found(text)} == {}
    assert [name for name, text in places.items() if WEBHOOK_SECRET.removeprefix("whsec_") in text] == []
    assert [token for token in tokens.issued if any(token in text for text in places.values())] == []
    assert_that_all_was_used(gossip, tokens, told, places)


def of_flower(url: str, poll_id: str) -> dict[str, str]:
    """Return what Flower's pages and API show."""
    paths = ("/api/tasks?limit=1000", "/api/workers?refresh=1", "/workers", "/tasks")
    session = requests.Session()
    session.trust_env = False
    texts = {path: session.get(url + path, timeout=20).text for path in paths}
    wait_until(lambda: MARKER in session.get(f"{url}/task/{poll_id}", timeout=20).text, 20)
    for path in (f"/task/{poll_id}", f"/api/task/info/{poll_id}", "/worker/secrets@tests"):
        texts[path] = session.get(url + path, timeout=20).text
    texts["/api/tasks?limit=1000"] = session.get(f"{url}/api/tasks?limit=1000", timeout=20).text
    session.close()
    return {f"Flower {path.partition('?')[0]}": text for path, text in texts.items()}


def of_commands(commands: Commands, results: dict[tuple[str, str], PollResult]) -> dict[str, str]:
    """Return what the commands print of these polls, and of one that they make themselves."""
    done, denied = results["header", "done"], results["query", "denied"]
    runs = [
        ("ls", "--all", "--json"),
        ("show", done.id),
        ("show", denied.id, "--json"),
        ("doctor",),
        ("metrics",),
        ("run", denied.status().url.replace("denied", "done"), "--auth", "query", "--until", "end == 'done'"),
        ("run", denied.status().url, "--auth", "wrong"),
    ]
    with ThreadPoolExecutor(3) as pool:
        endings = pool.map(lambda arguments: commands(*arguments), runs)
        return {
            f"pollers {' '.join(arguments)}": ended.out + ended.err
            for arguments, ended in zip(runs, endings, strict=True)
        }


def assert_that_all_was_used(
    gossip: Gossip, tokens: TokenService, told: dict[tuple[str, str], str], places: dict[str, str]
) -> None:
    """Assert that each secret reached the service, and that each place said something of the polls."""
    arrived = "\n".join(
        f"{arrival.path} {dict(arrival.headers)}"
        for name in SECRETS
        for end in ENDS
        for arrival in gossip.arrivals(f"/{name}/{end}")
    )
    signed = {"of-function", "bearer", "basic", "header", "query"}
    assert {name for name in signed if any(form in arrived for form in forms(SECRETS[name]))} == signed
    assert tokens.issued[0] in arrived
    assert {end: MARKER in told["header", end] for end in ENDS} == dict.fromkeys(ENDS, True) | {
        "dropped": False
    }
    assert "has no kind of" in told["wrong", "done"]
    assert "Attempt 1 of poll" in places["log"]
    for name in ("results", "keys", "log", "commands of Redis", "Flower /api/tasks", "statuses"):
        assert "/header/denied" in places[name], name
    assert any(MARKER in text for name, text in places.items() if name.startswith("pollers run"))
    for event in ("task-received", "task-retried", "task-succeeded", "task-failed"):
        assert f'"type": "{event}"' in places["commands of Redis"], event
