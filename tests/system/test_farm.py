"""The render farm as its callers meet it: HTTP on the loopback interface, faults included."""

import socket
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from pollers.demo.faults import Chance
from pollers.demo.mandelbrot import View, render
from pollers.demo.service import MAX_REQUEST, Service

CALM = Chance(seed=1, busy=0, unavailable=0, dropped=0, shortest=0.3, longest=0.4)
VIEW = View(columns=3, rows=3, size=8, depth=32)


@pytest.fixture(scope="module")
def farm() -> Iterator[Service]:
    """A quick farm that behaves."""
    with Service(CALM) as service:
        yield service


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """A client that asks no proxy."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def tile(x: int = 0, y: int = 0, view: View = VIEW) -> dict[str, Any]:
    """What is posted to have a tile rendered."""
    return {**asdict(view), "x": x, "y": y}


@retry(
    retry=retry_if_result(lambda answer: answer.status_code == 202),
    wait=wait_fixed(0.02),
    stop=stop_after_delay(20),
)
def finished(http: requests.Session, url: str) -> requests.Response:
    """The first answer of the tile's page that is not "not yet"."""
    return http.get(url, timeout=5)


def test_a_tile_is_rendered_while_its_caller_polls(farm: Service, http: requests.Session) -> None:
    """202 with a Location, 202 while it is rendered, then 200 with the place of the pixels."""
    posted = http.post(f"{farm.url}/tiles", json=tile(1, 2), timeout=5)
    assert posted.status_code == 202
    assert posted.json()["status"] in ("queued", "rendering")
    assert posted.headers["Location"] == f"{farm.url}/tiles/{posted.json()['id']}"

    first = http.get(posted.headers["Location"], timeout=5)
    assert (first.status_code, first.json()["status"]) in [(202, "queued"), (202, "rendering")]
    assert 0 <= first.json()["progress"] < 1

    done = finished(http, posted.headers["Location"])
    assert (done.status_code, done.json()["status"]) == (200, "completed")
    pixels = http.get(done.json()["output"]["url"], timeout=5)
    assert pixels.headers["Content-Type"] == "application/octet-stream"
    assert pixels.content == render(VIEW, 1, 2)


def test_posting_a_tile_again_finds_the_first(farm: Service, http: requests.Session) -> None:
    """A caller that lost the answer may repeat its request."""
    urls = {http.post(f"{farm.url}/tiles", json=tile(2, 2), timeout=5).json()["url"] for _ in "123"}
    other = http.post(f"{farm.url}/tiles", json=tile(2, 2, replace(VIEW, zoom=2.0)), timeout=5)

    assert len(urls) == 1
    assert other.json()["url"] not in urls


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "JSON object"),
        (b"{", "Expecting"),
        (b'{"x": 0}', "column and row"),
        (b'{"x": 9, "y": 0, "columns": 3, "rows": 3}', "no tile 9, 0"),
        (b'{"x": 0, "y": 0, "columns": 3, "rows": 3, "colour": 1}', "colour"),
        (
            b'{"x": 0, "y": 0, "columns": 3, "rows": 3, "depth": 1e9}',
            "depth must be a whole",
        ),
    ],
)
def test_a_wrong_tile_is_refused_with_a_reason(
    farm: Service, http: requests.Session, body: bytes, message: str
) -> None:
    """422, and what is wrong in words."""
    answer = http.post(f"{farm.url}/tiles", data=body, timeout=5)

    assert answer.status_code == 422
    assert message in answer.json()["error"]


def test_what_does_not_exist_is_404(farm: Service, http: requests.Session) -> None:
    """Unknown paths and unknown tiles."""
    for path in (f"{farm.url}/tiles/none", f"{farm.url}/tiles/none/pixels", f"{farm.url}/other"):
        assert http.get(path, timeout=5).status_code == 404
    assert http.post(f"{farm.url}/other", json={}, timeout=5).status_code == 404


def test_a_request_too_large_is_not_read(farm: Service, http: requests.Session) -> None:
    """413, and the connection ends."""
    answer = http.post(f"{farm.url}/tiles", data=b" " * (MAX_REQUEST + 1), timeout=5)

    assert answer.status_code == 413


def test_a_connection_serves_many_requests(farm: Service) -> None:
    """HTTP/1.1: one connection, several answers, none of them delayed by Nagle's algorithm."""
    with socket.create_connection(("127.0.0.1", urlsplit(farm.url).port or 0), timeout=5) as line:
        for _ in range(3):
            line.sendall(b"GET /stats HTTP/1.1\r\nHost: farm\r\n\r\n")
            assert line.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_farm_is_disturbed_as_asked_and_counts_it(http: requests.Session) -> None:
    """429 with Retry-After, 503 with a page that is no JSON, no answer; all in the stats."""
    chance = replace(CALM, busy=0.3, unavailable=0.2, dropped=0.2)
    with Service(chance) as farm:
        seen = [outcome(http, f"{farm.url}/tiles") for _ in range(40)]
        stats = http.get(f"{farm.url}/stats", timeout=5).json()

    assert set(seen) == {"202", "429", "503", "dropped"}
    assert stats["answers"]["start"] == {kind: seen.count(kind) for kind in set(seen)}
    assert sum(stats["tiles"].values()) == 1


def test_the_same_seed_disturbs_the_same_requests(http: requests.Session) -> None:
    """Two farms, one seed, one story."""
    chance = replace(CALM, busy=0.3, unavailable=0.2, dropped=0.2)
    stories = []
    for _ in range(2):
        with Service(chance) as farm:
            stories.append([outcome(http, f"{farm.url}/tiles") for _ in range(20)])

    assert stories[0] == stories[1]


def outcome(http: requests.Session, url: str) -> str:
    """The status of one post, or "dropped"; checks what comes with it."""
    try:
        answer = http.post(url, json=tile(), timeout=5)
    except requests.ConnectionError:
        return "dropped"
    assert answer.headers.get("Retry-After") == ("1" if answer.status_code == 429 else None)
    assert (answer.headers["Content-Type"] == "text/html") is (answer.status_code == 503)
    return str(answer.status_code)


def test_a_tile_can_fail(http: requests.Session) -> None:
    """A failed tile says so with 200 and a reason, and has no pixels."""
    with Service(replace(CALM, failed=1.0)) as farm:
        url = http.post(f"{farm.url}/tiles", json=tile(), timeout=5).json()["url"]
        done = finished(http, url)

        assert (done.status_code, done.json()["status"]) == (200, "failed")
        assert done.json()["error"] == "the fire went out"
        assert http.get(f"{url}/pixels", timeout=5).status_code == 404


def test_a_farm_ends_with_tiles_and_callers_left(http: requests.Session) -> None:
    """Closing waits neither for slow tiles nor for idle connections."""
    with Service(replace(CALM, shortest=60, longest=60), places=2) as farm:
        for place in VIEW.places():
            url = http.post(f"{farm.url}/tiles", json=tile(*place), timeout=5).json()["url"]
        assert http.get(f"{url}/pixels", timeout=5).status_code == 404

    with pytest.raises(requests.ConnectionError):
        http.get(url, timeout=5)
