"""Flower's REST API, with which other programs and its own buttons submit, look at and end polls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from celery import Celery, states

from pollers import poll
from tests.endpoints import Endpoint, Reply
from tests.system.app import wait_for_file
from tests.system.workers import Worker
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("worker")]

UNTIL = "status == 'completed'"


def call(flower_url: str, method: str, path: str, **body: Any) -> requests.Response:
    """Ask Flower's API."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, f"{flower_url}/api/{path}", json=body or None, timeout=20)


def submit(flower_url: str, *args: Any, how: str = "async-apply", **kwargs: Any) -> requests.Response:
    """Submit a poll."""
    return call(flower_url, "POST", f"task/{how}/pollers.poll", args=args, kwargs=kwargs)


def test_a_poll_is_submitted_and_its_result_read(flower_url: str, endpoint: Endpoint) -> None:
    """As with every other task."""
    url = endpoint.becomes("/job", {"status": "completed", "n": 7})
    poll_id = submit(flower_url, url, until=UNTIL, every="0.5s", returns="n").json()["task-id"]
    assert call(flower_url, "GET", f"task/result/{poll_id}?timeout=15").json()["result"] == 7
    assert call(flower_url, "GET", f"task/result/{poll_id}").json()["state"] == states.SUCCESS


def test_apply_waits_for_the_result(flower_url: str, endpoint: Endpoint) -> None:
    """In the same answer."""
    url = endpoint.becomes("/job", {"status": "completed", "n": 7}, after=1)
    answer = submit(flower_url, url, how="apply", until=UNTIL, every="0.5s", returns="n").json()
    assert (answer["state"], answer["result"]) == (states.SUCCESS, 7)


@pytest.mark.parametrize("how", ["async-apply", "apply"])
def test_a_wrong_poll_is_refused_with_the_reason(flower_url: str, how: str) -> None:
    """All that is wrong, in a sentence."""
    refused = submit(flower_url, "ftp://example.com", how=how, evry=5)
    assert refused.status_code == 400
    assert refused.text.startswith("This poll is not valid. url: has the scheme 'ftp'; ")
    assert "evry: is not a parameter of a poll; did you mean 'every'?" in refused.text


@pytest.mark.parametrize(
    "body", [{"kwargs": 5}, {"args": "http://127.0.0.1/"}, {"args": [5]}, {"expires": []}]
)
def test_what_is_no_call_is_refused(flower_url: str, body: Any) -> None:
    """Not with an error of the server."""
    assert call(flower_url, "POST", "task/async-apply/pollers.poll", **body).status_code == 400


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("countdown", "abc", "countdown: is 'abc'; it should be seconds, as a number"),
        ("eta", "soon", "eta: is 'soon'; it should be a datetime, or ISO 8601 text"),
        ("expires", {}, "expires: is {}; it should be seconds"),
        ("link", [{"task": "tests.x"}], "link: has {'task': 'tests.x'}; it should be a signature"),
        ("task_id", 5, "task_id: is 5; it should be a text"),
    ],
)
def test_an_option_that_cannot_be_read_is_named(flower_url: str, option: str, value: Any, told: str) -> None:
    """With what would be right."""
    body = {"args": ["http://127.0.0.1/"], option: value}
    refused = call(flower_url, "POST", "task/async-apply/pollers.poll", **body)
    assert refused.status_code == 400
    assert told in refused.text


def test_a_poll_that_has_ended_or_is_unknown_is_not_aborted(flower_url: str, endpoint: Endpoint) -> None:
    """And its result stays what it is."""
    done = poll.delay(endpoint.script("/job", Reply(body={"status": "completed"})), until=UNTIL)
    value = done.get(timeout=15)
    refused = call(flower_url, "POST", f"task/abort/{done.id}")
    assert (refused.status_code, refused.text) == (409, f"Poll {done.id} had ended before: succeeded")
    assert poll.AsyncResult(done.id).get(timeout=5) == value
    refused = call(flower_url, "POST", "task/abort/nobody-knows")
    assert (refused.status_code, "nobody-knows is known" in refused.text) == (404, True)
    assert poll.AsyncResult("nobody-knows").state == states.PENDING


def test_another_task_is_aborted_as_celery_does_it(
    flower_url: str, application: Celery, worker: Worker, tmp_path: Path
) -> None:
    """When Flower has heard of it."""
    go_on = tmp_path / "go on"
    other = wait_for_file.delay(str(go_on))
    wait_until(lambda: call(flower_url, "GET", f"task/info/{other.id}").ok)
    assert call(flower_url, "POST", f"task/abort/{other.id}").ok
    assert application.AsyncResult(other.id).state == "ABORTED"
    go_on.touch()


def test_a_wrong_poll_that_is_sent_by_name_fails(flower_url: str) -> None:
    """On a worker, with the same sentence as its result and no traceback."""
    poll_id = submit(flower_url, "ftp://example.com", how="send-task").json()["task-id"]
    failed: dict[str, Any] = {}
    # Not by waiting there: such a short wait can miss a result that comes just then.
    wait_until(
        lambda: failed.update(call(flower_url, "GET", f"task/result/{poll_id}").json()) or "result" in failed
    )
    assert failed["result"].startswith("InvalidPoll(\"This poll is not valid. url: has the scheme 'ftp'; ")
    assert failed["traceback"] is None


@pytest.mark.parametrize("how", ["revoke", "abort"])
def test_a_poll_is_ended(flower_url: str, endpoint: Endpoint, how: str) -> None:
    """By the names that Flower has for it."""
    waiting = poll.delay(endpoint.script("/job", Reply(body={})), until=UNTIL, every="0.5s")
    assert call(flower_url, "POST", f"task/{how}/{waiting.id}").ok
    wait_until(lambda: waiting.state == states.REVOKED)
    assert waiting.status().state == "cancelled"


def test_polls_are_found_by_their_url(flower_url: str, endpoint: Endpoint) -> None:
    """In the list; and one by its id, with what there is to know of it."""
    url = endpoint.script("/wanted/4711", Reply(body={"status": "running"}))
    waiting = poll.delay(url, until=UNTIL, every="0.5s")
    wait_until(lambda: list(call(flower_url, "GET", "tasks?search=args:wanted/4711").json()) == [waiting.id])
    wait_until(lambda: call(flower_url, "GET", f"task/info/{waiting.id}").json()["state"] == states.RETRY)
    told = call(flower_url, "GET", f"task/info/{waiting.id}").json()
    waiting.cancel()
    assert told["args"] == url
    assert told["exception"].endswith('{"status": "running"}')
    assert told["eta"] < told["expires"]
