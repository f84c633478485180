"""What an operator sees of polls in Flower, and can do there; in a real browser."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from celery import states
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from pollers import PollCancelled, PollFailed, PollResult, poll
from tests.browser.flower import api, details, rows
from tests.endpoints import Endpoint, Reply
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

UNTIL = "status == 'completed'"


def submit_waiting(endpoint: Endpoint, path: str, **parameters: object) -> PollResult:
    """Submit a poll that goes on for ten minutes; return it after its second attempt."""
    url = endpoint.script(path.partition("?")[0], Reply(body={"status": "running"}))
    waiting = poll.delay(url + path[len(path.partition("?")[0]) :], until=UNTIL, every="1s", **parameters)
    wait_until(lambda: waiting.status().attempts >= 2)
    return waiting


def row_of(browser: Chrome, flower_url: str, result: PollResult, query: str = "") -> dict[str, str]:
    """Return the row of a poll in the list of tasks, loaded anew."""
    browser.get(f"{flower_url}/tasks?name=pollers.poll{query}")
    wait_until(lambda: any(row.get("uuid") == result.id for row in rows(browser)))
    [row] = [row for row in rows(browser) if row["uuid"] == result.id]
    return row


def test_a_waiting_poll_is_one_readable_row(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """Its url, its condition, its attempts, its last answer."""
    waiting = submit_waiting(endpoint, "/exports/1")
    row = row_of(browser, flower_url, waiting)
    waiting.cancel()
    assert row["name"] == "pollers.poll"
    assert row["state"] == states.RETRY
    assert row["args"] == endpoint.url("/exports/1")
    assert row["kwargs"] == f"{{'until': \"{UNTIL}\", 'every': 1.0}}"
    assert int(row["retries"]) >= 1
    assert row["exception"].startswith("200 in ")
    assert row["exception"].endswith('{"status": "running"}')


def test_the_row_tells_how_a_poll_ended(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """Succeeded with its value, failed with its error; one row each, with all its attempts."""
    condition = {"until": UNTIL, "fail_when": "status == 'failed'", "every": "0.5s"}
    good = poll.delay(endpoint.becomes("/good", {"status": "completed", "n": 7}), returns="n", **condition)
    bad = poll.delay(endpoint.becomes("/bad", {"status": "failed"}), **condition)
    assert good.get(timeout=20) == 7
    with pytest.raises(PollFailed):
        bad.get(timeout=20)
    wait_until(lambda: row_of(browser, flower_url, bad)["state"] == states.FAILURE)
    wait_until(lambda: row_of(browser, flower_url, good)["state"] == states.SUCCESS)
    succeeded, failed = row_of(browser, flower_url, good), row_of(browser, flower_url, bad)
    assert (succeeded["result"], succeeded["retries"]) == ("7", "3")
    assert failed["exception"].startswith("PollFailed(")
    assert "(3 attempts in " in failed["exception"]


def test_secrets_are_nowhere_in_flower(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """Neither in the list, nor on the poll's page, nor in the API."""
    waiting = submit_waiting(
        endpoint, "/secret?token=tell-nobody&page=2", headers={"Authorization": "Bearer tell-nobody"}
    )
    row = row_of(browser, flower_url, waiting)
    assert row["args"] == endpoint.url("/secret?token=***&page=2")
    assert "'Authorization': '***'" in row["kwargs"]
    pages = [browser.page_source]
    browser.get(f"{flower_url}/task/{waiting.id}")
    pages += [browser.page_source, repr(api(flower_url, "tasks"))]
    waiting.cancel()
    assert all(waiting.id in page for page in pages)
    assert not any("tell-nobody" in page for page in pages)


def test_a_poll_is_found_by_its_url(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """By a part of it, in the search box of the list."""
    wanted, other = (submit_waiting(endpoint, path) for path in ("/find/me", "/leave/me"))
    browser.get(f"{flower_url}/tasks?name=pollers.poll")
    wait_until(lambda: {wanted.id, other.id} <= {row.get("uuid") for row in rows(browser)})
    browser.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys(" args:/find/me")
    wait_until(lambda: [row.get("uuid") for row in rows(browser)] == [wanted.id])
    wanted.cancel()
    other.cancel()


def test_the_button_cancels_a_waiting_poll(browser: Chrome, flower_url: str, endpoint: Endpoint) -> None:
    """For good: its waiter hears of it, its endpoint no more, and its row says so."""
    waiting = submit_waiting(endpoint, "/unwanted")
    browser.get(f"{flower_url}/task/{quote(waiting.id)}")
    page = details(browser)
    assert page["Status"] == states.RETRY
    assert page["ETA"] > page["Received"].replace(" ", "T")
    browser.find_element(By.ID, "task-revoke").click()
    with pytest.raises(PollCancelled):
        waiting.get(timeout=10)
    assert waiting.status().state == "cancelled"
    asked = len(endpoint.arrivals("/unwanted"))
    wait_until(lambda: row_of(browser, flower_url, waiting)["state"] == states.REVOKED)
    # Two cadences of another poll later there would have been more.
    assert poll.delay(endpoint.becomes("/clock", {"status": "completed"}), until=UNTIL, every="1s").get(
        timeout=20
    )
    assert len(endpoint.arrivals("/unwanted")) == asked
